package monitors_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/monitors"
)

func TestProberJoins(t *testing.T) {
	e := newEnrolments(t)
	before := time.Now().Truncate(time.Millisecond)
	got := e.enrol(&monitorsv1.EnrolProberRequest{Region: "eu-west"})
	if !strings.HasPrefix(got.GetId(), "eu-west-") || got.GetRegion() != "eu-west" || len(got.GetToken()) < 26 {
		t.Errorf("enrolment %+v", got)
	}
	if want := "frogup prober --join https://uptime.example.com --token " + got.GetToken() + " --region eu-west"; !strings.HasPrefix(got.GetCommand(), want) {
		t.Errorf("command %q, want %q", got.GetCommand(), want)
	}
	if d := got.GetExpiresAt().AsTime().Sub(before); d < time.Hour || d > time.Hour+time.Minute {
		t.Errorf("the token is valid for %s", d)
	}
	key := newProberKey(t)
	cert, err := e.join(got.GetToken(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(cert.GetCertificate())
	if err != nil {
		t.Fatal(err)
	}
	authority, err := x509.ParseCertificate(cert.GetAuthority())
	if err != nil {
		t.Fatal(err)
	}
	if err := leaf.CheckSignatureFrom(authority); err != nil || !key.PublicKey.Equal(leaf.PublicKey) || leaf.Subject.CommonName != got.GetId() || leaf.IsCA {
		t.Errorf("certificate of %q: %v", leaf.Subject.CommonName, err)
	}
	if len(leaf.URIs) != 1 || leaf.URIs[0].String() != "frogup://prober/eu-west/"+got.GetId() {
		t.Errorf("URIs %v", leaf.URIs)
	}
	if d := leaf.NotAfter.Sub(before); d < 30*24*time.Hour-time.Minute || d > 30*24*time.Hour+time.Minute || !cert.GetExpiresAt().AsTime().Equal(leaf.NotAfter) {
		t.Errorf("valid for %s, told %s", d, cert.GetExpiresAt().AsTime())
	}
	who, err := e.authenticate(cert.GetCertificate())
	if err != nil || who.GetProberId() != got.GetId() || who.GetRegion() != "eu-west" {
		t.Errorf("the certificate is that of %v, %v", who, err)
	}
	regions, err := e.monitors.ListRegions(e.admin(), &monitorsv1.ListRegionsRequest{})
	if err != nil || len(regions.GetRegions()) != 2 || regions.GetRegions()[0].GetCode() != "eu-west" {
		t.Errorf("regions %v, %v", regions, err)
	}
	probers, err := e.monitors.ListProbers(e.admin(), &monitorsv1.ListProbersRequest{})
	if err != nil || len(probers.GetProbers()) != 1 {
		t.Fatalf("probers %v, %v", probers, err)
	}
	if p := probers.GetProbers()[0]; p.GetId() != got.GetId() || !p.GetEnrolled() || p.GetConnected() || !p.GetCertificateExpiresAt().AsTime().Equal(leaf.NotAfter) {
		t.Errorf("prober %v", p)
	}
}

// The store and the log hold nothing with which anybody could join.
func TestTokenIsNotKept(t *testing.T) {
	e := newEnrolments(t)
	got := e.enrol(&monitorsv1.EnrolProberRequest{Region: "eu", Id: ptr("p1")})
	if _, err := e.join(got.GetToken(), newProberKey(t)); err != nil {
		t.Fatal(err)
	}
	entries, err := e.audit.ListAuditEntries(e.admin(), &auditv1.ListAuditEntriesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(entries) + e.log.String(); strings.Contains(text, got.GetToken()) {
		t.Error("the token is in the log")
	}
	err = e.store.ChangeEnrolments(t.Context(), func(tx monitors.EnrolmentTx) error {
		kept, found, err := tx.Enrolment(t.Context(), "p1")
		if want := sha256.Sum256([]byte(got.GetToken())); !found || string(kept.TokenHash) != string(want[:]) {
			t.Errorf("kept %+v", kept)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	a, _, err := e.store.Authority(t.Context())
	if err != nil || strings.Contains(string(a.SealedKey), "PRIVATE KEY") {
		t.Errorf("the authority's key is kept in the clear, %v", err)
	}
}

func TestTokenIsUsedUpOnce(t *testing.T) {
	e := newEnrolments(t)
	token := e.enrol(&monitorsv1.EnrolProberRequest{Region: "eu", Id: ptr("p1")}).GetToken()
	const tries = 32
	var wg sync.WaitGroup
	won := make(chan *monitorsv1.ProberCertificate, tries)
	for range tries {
		key := newProberKey(t)
		wg.Go(func() {
			cert, err := e.join(token, key)
			if err == nil {
				won <- cert
				return
			}
			wantReason(t, "a loser", err, codes.Unauthenticated, "TOKEN_USED")
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("%d of %d have joined", len(won), tries)
	}
	if _, err := e.authenticate((<-won).GetCertificate()); err != nil {
		t.Errorf("the winner is not let in: %v", err)
	}
}

// An answer that was lost is given again to the same key, and to no other.
func TestJoinIsRepeatedByTheSameKey(t *testing.T) {
	e := newEnrolments(t)
	token := e.enrol(&monitorsv1.EnrolProberRequest{Region: "eu"}).GetToken()
	key := newProberKey(t)
	first, err := e.join(token, key)
	if err != nil {
		t.Fatal(err)
	}
	again, err := e.join(token, key)
	if err != nil || string(again.GetCertificate()) != string(first.GetCertificate()) {
		t.Errorf("asked again: %v, another certificate: %v", err, string(again.GetCertificate()) != string(first.GetCertificate()))
	}
	_, err = e.join(token, newProberKey(t))
	wantReason(t, "another key", err, codes.Unauthenticated, "TOKEN_USED")
}

func TestTokensThatLetNobodyIn(t *testing.T) {
	e := newEnrolments(t)
	key := newProberKey(t)
	for _, token := range []string{"garbage", "upt_join_AAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		_, err := e.join(token, key)
		wantReason(t, token, err, codes.Unauthenticated, "TOKEN_UNKNOWN")
	}
	_, err := e.join("", key)
	wantField(t, err, "token")

	// As after an hour.
	expired := e.enrol(&monitorsv1.EnrolProberRequest{Region: "eu", Id: ptr("late")}).GetToken()
	change(t, e, "late", func(x *monitors.Enrolment) { x.TokenExpiresAt = time.Now().Add(-time.Millisecond) })
	_, err = e.join(expired, key)
	wantReason(t, "expired", err, codes.Unauthenticated, "TOKEN_EXPIRED")

	older := e.enrol(&monitorsv1.EnrolProberRequest{Region: "eu", Id: ptr("twice")}).GetToken()
	newer := e.enrol(&monitorsv1.EnrolProberRequest{Region: "eu", Id: ptr("twice")}).GetToken()
	_, err = e.join(older, key)
	wantReason(t, "replaced", err, codes.Unauthenticated, "TOKEN_UNKNOWN")

	_, err = e.enrolment.JoinProber(rpctest.Anonymous(t.Context()), &monitorsv1.JoinProberRequest{
		Token: newer, CertificateRequest: requestOf(t, key), Region: ptr("us"),
	})
	wantReason(t, "another region", err, codes.FailedPrecondition, "REGION_MISMATCH")
	if _, err = e.join(newer, key); err != nil {
		t.Errorf("a token that was refused for its region is used up: %v", err)
	}

	withdrawn := e.enrol(&monitorsv1.EnrolProberRequest{Region: "eu", Id: ptr("withdrawn")}).GetToken()
	if _, err := e.monitors.RemoveProber(e.admin(), &monitorsv1.RemoveProberRequest{Id: "withdrawn"}); err != nil {
		t.Fatal(err)
	}
	_, err = e.join(withdrawn, newProberKey(t))
	wantReason(t, "withdrawn", err, codes.Unauthenticated, "TOKEN_UNKNOWN")
}

func TestCertificateRequestsThatAreRefused(t *testing.T) {
	e := newEnrolments(t)
	token := e.enrol(&monitorsv1.EnrolProberRequest{Region: "eu"}).GetToken()
	big, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	old, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	broken := requestOf(t, newProberKey(t))
	broken[len(broken)-1] ^= 1
	for name, der := range map[string][]byte{
		"no request": []byte("hello"), "P-384": requestOf(t, big), "RSA": requestOf(t, old), "a broken signature": broken,
	} {
		_, err := e.enrolment.JoinProber(rpctest.Anonymous(t.Context()), &monitorsv1.JoinProberRequest{Token: token, CertificateRequest: der})
		if _, ok := refused(err, "certificate_request"); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := e.join(token, edwards)
	if err != nil {
		t.Fatalf("Ed25519: %v", err)
	}
	if _, err := e.authenticate(cert.GetCertificate()); err != nil {
		t.Errorf("Ed25519: %v", err)
	}
}

func TestAttemptsToJoinAreLimited(t *testing.T) {
	e := newEnrolments(t)
	key := newProberKey(t)
	from := func(ip string) error {
		ctx := metadata.AppendToOutgoingContext(rpctest.Anonymous(t.Context()), "x-forwarded-for", "6.6.6.6, "+ip)
		_, err := e.enrolment.JoinProber(ctx, &monitorsv1.JoinProberRequest{Token: "x", CertificateRequest: requestOf(t, key)})
		return err
	}
	for range 200 {
		if err := from("192.0.2.1"); status.Code(err) == codes.ResourceExhausted {
			wantCode(t, "another address", from("192.0.2.2"), codes.Unauthenticated)
			return
		}
	}
	t.Error("200 attempts were let through")
}

func TestWhoMayEnrol(t *testing.T) {
	e := newEnrolments(t)
	_, err := e.monitors.EnrolProber(e.editor(), &monitorsv1.EnrolProberRequest{Region: "eu"})
	wantCode(t, "an editor enrols", err, codes.PermissionDenied)
	_, err = e.monitors.RemoveProber(e.editor(), &monitorsv1.RemoveProberRequest{Id: "p"})
	wantCode(t, "an editor removes", err, codes.PermissionDenied)
	_, err = e.enrolment.RotateCertificate(rpctest.AsService(t.Context()), &monitorsv1.RotateCertificateRequest{CertificateRequest: []byte{1}})
	wantCode(t, "a service rotates", err, codes.PermissionDenied)
	_, err = e.enrolment.AuthenticateProber(asProber(t.Context(), "p", "eu"), &monitorsv1.AuthenticateProberRequest{Certificate: []byte{1}})
	wantCode(t, "a prober authenticates", err, codes.PermissionDenied)
	_, err = e.monitors.EnrolProber(asProber(t.Context(), "p", "eu"), &monitorsv1.EnrolProberRequest{Region: "eu"})
	wantCode(t, "a prober enrols", err, codes.PermissionDenied)
	for _, region := range []string{"", "a/b", "-x", strings.Repeat("x", 65)} {
		_, err = e.monitors.EnrolProber(e.admin(), &monitorsv1.EnrolProberRequest{Region: region})
		wantField(t, err, "region")
	}
}

func TestTakenIDs(t *testing.T) {
	e := newEnrolments(t)
	cert, _ := e.joined("eu")
	_, err := e.monitors.EnrolProber(e.admin(), &monitorsv1.EnrolProberRequest{Region: "eu", Id: ptr(cert.GetProberId())})
	wantField(t, err, "id")
	if err := e.store.ProberArrived(t.Context(), monitors.Prober{ID: "own", Region: "local", Connected: true, LastSeenAt: time.Now()}, "s"); err != nil {
		t.Fatal(err)
	}
	_, err = e.monitors.EnrolProber(e.admin(), &monitorsv1.EnrolProberRequest{Region: "eu", Id: ptr("own")})
	wantField(t, err, "id")
	_, err = e.monitors.RemoveProber(e.admin(), &monitorsv1.RemoveProberRequest{Id: "own"})
	wantCode(t, "removing one of the installation's own", err, codes.FailedPrecondition)
	_, err = e.monitors.RemoveProber(e.admin(), &monitorsv1.RemoveProberRequest{Id: "nobody"})
	wantCode(t, "removing nobody", err, codes.NotFound)
}

func TestRemovedProber(t *testing.T) {
	e := newEnrolments(t)
	cert, key := e.joined("eu")
	id := cert.GetProberId()
	if err := e.store.ProberArrived(t.Context(), monitors.Prober{ID: id, Region: "eu", Connected: true, LastSeenAt: time.Now()}, "s"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.monitors.RemoveProber(e.admin(), &monitorsv1.RemoveProberRequest{Id: id}); err != nil {
		t.Fatal(err)
	}
	_, err := e.authenticate(cert.GetCertificate())
	wantReason(t, "after it was removed", err, codes.Unauthenticated, "PROBER_REMOVED")
	_, err = e.enrolment.RotateCertificate(asProber(t.Context(), id, "eu"), &monitorsv1.RotateCertificateRequest{CertificateRequest: requestOf(t, key)})
	wantCode(t, "rotating after it was removed", err, codes.Unauthenticated)
	_, err = e.monitors.RemoveProber(e.admin(), &monitorsv1.RemoveProberRequest{Id: id})
	wantCode(t, "removing it twice", err, codes.NotFound)
	probers, err := e.monitors.ListProbers(e.admin(), &monitorsv1.ListProbersRequest{})
	if err != nil || len(probers.GetProbers()) != 1 {
		t.Fatalf("probers %v, %v", probers, err)
	}
	if p := probers.GetProbers()[0]; p.GetConnected() || p.GetHealth() != monitorsv1.ProberHealth_PROBER_HEALTH_REMOVED || p.CertificateExpiresAt != nil {
		t.Errorf("shown as %v", p)
	}

	// It may come back with a new token; the old certificate does not.
	back, err := e.join(e.enrol(&monitorsv1.EnrolProberRequest{Region: "eu", Id: &id}).GetToken(), newProberKey(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.authenticate(back.GetCertificate()); err != nil {
		t.Errorf("with its new certificate: %v", err)
	}
	_, err = e.authenticate(cert.GetCertificate())
	wantCode(t, "with its old certificate", err, codes.Unauthenticated)

	entries, err := e.audit.ListAuditEntries(e.admin(), &auditv1.ListAuditEntriesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, x := range entries.GetEntries() {
		actions = append(actions, x.GetAction()+" by "+x.GetActorKind())
		if x.GetObjectKind() != "prober" || x.GetObjectId() != id {
			t.Errorf("audit entry about %s %s", x.GetObjectKind(), x.GetObjectId())
		}
	}
	want := "prober.join by prober, prober.enrol by user, prober.remove by user, prober.join by prober, prober.enrol by user"
	if got := strings.Join(actions, ", "); got != want {
		t.Errorf("audit says %s, want %s", got, want)
	}
}

// ChangeEnrolments runs what changes enrolments twice, as Write does.
func (s twice) ChangeEnrolments(ctx context.Context, fn func(tx monitors.EnrolmentTx) error) error {
	err := s.Store.ChangeEnrolments(ctx, func(tx monitors.EnrolmentTx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return errConflict
	})
	if !errors.Is(err, errConflict) {
		return err
	}
	return s.Store.ChangeEnrolments(ctx, fn)
}
