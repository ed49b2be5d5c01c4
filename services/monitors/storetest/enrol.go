package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/services/monitors"
)

// enrolmentCases are those of monitors.Enrolments.
func enrolmentCases() []Case {
	return []Case{
		{"enrolments are read back", testEnrolments},
		{"a failed change of enrolments leaves no trace", testEnrolmentRollback},
		{"one of many uses a token up", testTokenRace},
		{"certificates", testCertificates},
		{"the first use of a certificate ends older ones", testCertificateUse},
		{"a removed prober is marked", testMarkProber},
		{"one authority is kept", testAuthority},
	}
}

func enrolment(id string) monitors.Enrolment {
	return monitors.Enrolment{
		ProberID: id, Region: "eu-west", OrganizationID: "org", TokenHash: []byte("hash of " + id), TokenExpiresAt: at.Add(time.Hour), EnrolledAt: at,
	}
}

func certificate(id string, n int) monitors.Certificate {
	return monitors.Certificate{
		Fingerprint: fmt.Appendf(nil, "%s %d", id, n), ProberID: id, Region: "eu-west", KeyHash: fmt.Appendf(nil, "key %d", n),
		DER: []byte{0, 1, 2}, IssuedAt: at.Add(time.Duration(n) * time.Minute), ExpiresAt: at.Add(time.Duration(n) * time.Hour),
	}
}

func enrol(t testing.TB, s monitors.Store, fn func(tx monitors.EnrolmentTx) error) {
	t.Helper()
	if err := s.ChangeEnrolments(t.Context(), fn); err != nil {
		t.Fatalf("change enrolments: %v", err)
	}
}

// joined stores a prober that has joined, with certificates.
func joined(t testing.TB, s monitors.Store, id string, certificates ...monitors.Certificate) {
	t.Helper()
	e := enrolment(id)
	e.KeyHash, e.Version, e.JoinedAt = []byte("key"), "1.2", at.Add(time.Minute)
	enrol(t, s, func(tx monitors.EnrolmentTx) error {
		if err := tx.PutEnrolment(t.Context(), e); err != nil {
			return err
		}
		for _, c := range certificates {
			if err := tx.AddCertificate(t.Context(), c); err != nil {
				return err
			}
		}
		return nil
	})
}

func testEnrolments(t testing.TB, s monitors.Store) {
	wantBoth := func(want monitors.Enrolment, there bool) {
		t.Helper()
		enrol(t, s, func(tx monitors.EnrolmentTx) error {
			for _, read := range []func() (monitors.Enrolment, bool, error){
				func() (monitors.Enrolment, bool, error) { return tx.Enrolment(t.Context(), want.ProberID) },
				func() (monitors.Enrolment, bool, error) { return tx.EnrolmentOf(t.Context(), want.TokenHash) },
			} {
				got, found, err := read()
				if err != nil {
					return err
				}
				if found != there || there && !reflect.DeepEqual(got, want) {
					t.Errorf("enrolment = %+v, %v, want %+v, %v", got, found, want, there)
				}
			}
			return nil
		})
	}
	e := enrolment("p1")
	wantBoth(e, false)
	enrol(t, s, func(tx monitors.EnrolmentTx) error { return tx.PutEnrolment(t.Context(), e) })
	wantBoth(e, true)
	if all, err := s.Enrolled(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("enrolled = %+v, %v before anybody has joined", all, err)
	}
	regions, err := s.Regions(t.Context())
	if err != nil || len(regions) != 2 || regions[0].Code != "eu-west" {
		t.Errorf("regions = %+v, %v, want the new one", regions, err)
	}
	before := e.TokenHash
	e.TokenHash, e.KeyHash, e.Version, e.JoinedAt, e.RemovedAt = []byte("other"), []byte{1}, "2", at.Add(time.Second), at.Add(time.Hour)
	enrol(t, s, func(tx monitors.EnrolmentTx) error {
		if err := tx.PutEnrolment(t.Context(), e); err != nil {
			return err
		}
		return tx.Audit(t.Context(), audit.Row{ID: "1", At: at, OrganizationID: "org", ActorKind: "user", Action: "prober.enrol", ObjectKind: "prober", ObjectID: "p1"})
	})
	wantBoth(e, true)
	enrol(t, s, func(tx monitors.EnrolmentTx) error {
		if _, found, err := tx.EnrolmentOf(t.Context(), before); err != nil || found {
			t.Errorf("the token before is still known: %v", err)
		}
		return nil
	})
	want := []monitors.Enrolled{{ProberID: "p1", Region: "eu-west", Version: "2", JoinedAt: e.JoinedAt, RemovedAt: e.RemovedAt}}
	if all, err := s.Enrolled(t.Context()); err != nil || !reflect.DeepEqual(all, want) {
		t.Errorf("enrolled = %+v, %v, want %+v", all, err, want)
	}
	rows, err := s.AuditRows(t.Context(), audit.Filter{OrganizationID: "org", Limit: 10})
	if err != nil || len(rows) != 1 || rows[0].Action != "prober.enrol" {
		t.Errorf("audit rows = %+v, %v", rows, err)
	}
}

func testEnrolmentRollback(t testing.TB, s monitors.Store) {
	failure := errors.New("failed")
	err := s.ChangeEnrolments(t.Context(), func(tx monitors.EnrolmentTx) error {
		if err := tx.PutEnrolment(t.Context(), enrolment("p1")); err != nil {
			return err
		}
		return failure
	})
	wantErr(t, "a change that fails", err, failure)
	enrol(t, s, func(tx monitors.EnrolmentTx) error {
		if _, found, err := tx.Enrolment(t.Context(), "p1"); err != nil || found {
			t.Errorf("a trace was left: %v", err)
		}
		return nil
	})
}

func testTokenRace(t testing.TB, s monitors.Store) {
	enrol(t, s, func(tx monitors.EnrolmentTx) error { return tx.PutEnrolment(t.Context(), enrolment("p1")) })
	var won atomic.Int32
	var work []func(ctx context.Context) error
	for i := range rivals {
		work = append(work, func(ctx context.Context) error {
			mine := false
			err := s.ChangeEnrolments(ctx, func(tx monitors.EnrolmentTx) error {
				mine = false
				e, found, err := tx.EnrolmentOf(ctx, []byte("hash of p1"))
				if err != nil || !found || !e.JoinedAt.IsZero() {
					return err
				}
				mine = true
				e.KeyHash, e.JoinedAt = []byte{byte(i)}, at
				return tx.PutEnrolment(ctx, e)
			})
			if err == nil && mine {
				won.Add(1)
			}
			return err
		})
	}
	bounded(t, work)
	if won.Load() != 1 {
		t.Errorf("%d have used the token up", won.Load())
	}
}

func testCertificates(t testing.TB, s monitors.Store) {
	first, second := certificate("p1", 1), certificate("p1", 2)
	second.KeyHash = first.KeyHash
	joined(t, s, "p1", first, second)
	joined(t, s, "p2", certificate("p2", 1))
	got, err := s.Certificate(t.Context(), first.Fingerprint)
	if err != nil || !reflect.DeepEqual(got, first) {
		t.Errorf("certificate = %+v, %v, want %+v", got, err, first)
	}
	_, err = s.Certificate(t.Context(), []byte("no such"))
	wantErr(t, "a certificate that was never issued", err, monitors.ErrNoCertificate)
	enrol(t, s, func(tx monitors.EnrolmentTx) error {
		got, found, err := tx.CertificateFor(t.Context(), "p1", first.KeyHash)
		if err != nil || !found || !reflect.DeepEqual(got, second) {
			t.Errorf("certificate for the key = %+v, %v, %v, want the newest", got, found, err)
		}
		if _, found, err := tx.CertificateFor(t.Context(), "p2", []byte("no such")); err != nil || found {
			t.Errorf("a certificate for a key that was never certified: %v", err)
		}
		return tx.RevokeCertificates(t.Context(), "p1", at)
	})
	if got, err := s.Certificate(t.Context(), second.Fingerprint); err != nil || !got.RevokedAt.Equal(at) {
		t.Errorf("after revoking: %+v, %v", got, err)
	}
	if got, err := s.Certificate(t.Context(), []byte("p2 1")); err != nil || !got.RevokedAt.IsZero() {
		t.Errorf("another prober's: %+v, %v", got, err)
	}
	enrol(t, s, func(tx monitors.EnrolmentTx) error {
		if _, found, err := tx.CertificateFor(t.Context(), "p1", first.KeyHash); err != nil || found {
			t.Errorf("a revoked certificate is found for its key: %v", err)
		}
		return nil
	})
}

func testCertificateUse(t testing.TB, s monitors.Store) {
	first, second, third := certificate("p1", 1), certificate("p1", 2), certificate("p1", 3)
	joined(t, s, "p1", first, second, third)
	joined(t, s, "p2", certificate("p2", 1))
	expires := func() time.Time {
		t.Helper()
		all, err := s.Enrolled(t.Context())
		if err != nil || len(all) != 2 {
			t.Fatalf("enrolled = %+v, %v", all, err)
		}
		return all[0].ExpiresAt
	}
	if got := expires(); !got.Equal(third.ExpiresAt) {
		t.Errorf("expires at %s, want that of the newest, as none was used", got)
	}
	use := func(c monitors.Certificate, when time.Time) {
		t.Helper()
		if err := s.UseCertificate(t.Context(), c.Fingerprint, when); err != nil {
			t.Fatal(err)
		}
	}
	state := func(fingerprint []byte, used, revoked time.Time) {
		t.Helper()
		c, err := s.Certificate(t.Context(), fingerprint)
		if err != nil || !c.UsedAt.Equal(used) || !c.RevokedAt.Equal(revoked) {
			t.Errorf("%s: used %s, revoked %s, %v; want %s, %s", fingerprint, c.UsedAt, c.RevokedAt, err, used, revoked)
		}
	}
	never, one, two := time.Time{}, at.Add(time.Hour), at.Add(2*time.Hour)
	use(second, one)
	use(second, two) // only the first time counts
	use(first, two)  // it is over
	state(first.Fingerprint, never, one)
	state(second.Fingerprint, one, never)
	state(third.Fingerprint, never, never)
	state([]byte("p2 1"), never, never)
	if got := expires(); !got.Equal(second.ExpiresAt) {
		t.Errorf("expires at %s, want that of the one in use", got)
	}
	use(third, two)
	state(second.Fingerprint, one, two)
	state(third.Fingerprint, two, never)
	use(monitors.Certificate{Fingerprint: []byte("no such")}, two)
}

func testMarkProber(t testing.TB, s monitors.Store) {
	joined(t, s, "p1")
	is := func(id string) (is bool) {
		t.Helper()
		enrol(t, s, func(tx monitors.EnrolmentTx) (err error) {
			is, err = tx.IsProber(t.Context(), id)
			return err
		})
		return is
	}
	mark := func(when time.Time) {
		t.Helper()
		enrol(t, s, func(tx monitors.EnrolmentTx) error { return tx.MarkProber(t.Context(), "p1", when) })
	}
	mark(at) // there is no row yet
	if is("p1") {
		t.Error("a prober that never asked for work")
	}
	if err := s.ProberArrived(t.Context(), monitors.Prober{ID: "p1", Region: "eu-west", Connected: true, LastSeenAt: at}, "s"); err != nil {
		t.Fatal(err)
	}
	if !is("p1") || is("p2") {
		t.Error("it is not told who asked for work")
	}
	for _, when := range []time.Time{{}, at} {
		mark(when)
		ps, err := s.Probers(t.Context())
		if err != nil || len(ps) != 1 || ps[0].Connected != when.IsZero() {
			t.Errorf("marked as removed at %s: %+v, %v", when, ps, err)
		}
	}
}

func testAuthority(t testing.TB, s monitors.Store) {
	if _, found, err := s.Authority(t.Context()); err != nil || found {
		t.Fatalf("an authority in an empty store: %v", err)
	}
	var mu sync.Mutex
	kept := map[string]int{}
	var work []func(ctx context.Context) error
	for i := range rivals {
		work = append(work, func(ctx context.Context) error {
			a, err := s.KeepAuthority(ctx, monitors.Authority{Certificate: fmt.Appendf(nil, "cert %d", i), SealedKey: []byte{0, byte(i)}, MadeAt: at})
			mu.Lock()
			defer mu.Unlock()
			kept[string(a.Certificate)+string(a.SealedKey)]++
			return err
		})
	}
	bounded(t, work)
	a, found, err := s.Authority(t.Context())
	if err != nil || !found || !a.MadeAt.Equal(at) || len(kept) != 1 || kept[string(a.Certificate)+string(a.SealedKey)] != rivals {
		t.Errorf("authority = %+v, %v, %v; told: %v", a, found, err, kept)
	}
}
