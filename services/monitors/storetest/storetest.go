// Package storetest is what every monitors.Store must do, whatever its engine.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/services/monitors"
)

// Case tests one promise on a store that is new and empty.
type Case struct {
	Name string
	Run  func(t testing.TB, s monitors.Store)
}

// Cases is the suite.
func Cases() []Case {
	return append([]Case{
		{"what is written is read", testReadBack},
		{"update", testUpdate},
		{"delete", testDelete},
		{"an organization sees its own", testOrganizations},
		{"external ids are unique", testExternalID},
		{"dependencies", testDependencies},
		{"ids are never used again", testIDs},
		{"a failed write leaves no trace", testRollback},
		{"a refusal does not end its transaction", testRefusal},
		{"filters", testFilters},
		{"pages", testPages},
		{"changes come in order", testChanges},
		{"no change is missed", testNoChangeIsMissed},
		{"no change is missed behind a long transaction", testLongTransactions},
		{"concurrent changes", testConcurrentChanges},
		{"an external id is taken once", testExternalIDRace},
		{"a request with a key is carried out once", testAnswerRace},
		{"answers", testAnswers},
		{"audit rows", testAudit},
		{"regions and probers", testFleet},
		{"sessions of a prober", testSessions},
		{"a canceled context", testCanceled},
	}, slices.Concat(enrolmentCases(), windowCases(), badgeCases(), leaseCases())...)
}

// Run tests the stores that open returns, each new and empty and closed when its test ends.
func Run(t *testing.T, open func(t *testing.T) monitors.Store) {
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) { c.Run(t, open(t)) })
	}
}

// at is a whole millisecond, as the service gives them.
var at = time.Date(2026, time.March, 4, 5, 6, 7, 89_000_000, time.UTC)

// Example is a monitor that sets every field.
func Example(organizationID string) monitors.Monitor {
	body, exact := "{\"ping\": \"<&>\"}\u2028", false
	return monitors.Monitor{
		OrganizationID: organizationID,
		Config: monitors.Config{
			Name: "api 🐸 'quoted' %_", Type: monitors.TypeHTTP, Cron: "*/5 * * * * 30", Timezone: "Europe/Berlin", Enabled: true,
			HTTP: &monitors.HTTPConfig{
				URL: "https://example.com/health?x=1", Method: "POST",
				Headers: map[string]string{"Accept": "a/b", "Authorization": monitors.Redacted}, Body: &body,
				Auth: monitors.Auth{Type: monitors.AuthBasic}, FollowRedirects: true, Timeout: 9000, IPVersion: "ipv6",
				MaxRedirects: 3, UserAgent: "frog/1", Version: "http2", NoCookies: true,
				Proxy: &monitors.Proxy{URL: "socks5://p.example:1080", Username: "u", HasPassword: true},
				TLS:   &monitors.TLSOptions{TrustedCAs: []string{"pem"}, MinVersion: "tls13", Revocation: "online"},
			},
			DNS: &monitors.DNSConfig{Servers: []string{"192.0.2.53", "[2001:db8::53]:5353"}, MaxTTL: 30},
			Rules: []monitors.Rule{
				{Type: monitors.RuleStatusCode, Operator: monitors.OpIn, Value: []any{200.0, 204.0}},
				{Type: monitors.RuleResponseTime, Operator: monitors.OpLessThan, Value: 1.5},
				{Type: monitors.RuleBodyContains, Value: "ok", CaseSensitive: &exact},
				{Type: monitors.RuleHeaderExists, Header: "Etag"},
			},
			Regions: []string{"local", "eu-1"}, Retries: monitors.Retries{Attempts: 3, Delay: 250}, ConfirmDown: 4, ConfirmUp: 2,
			RetryInterval: 7, Overlap: monitors.OverlapParallel, Quorum: "2", DegradedAbove: 800,
			Labels: map[string]string{"team": "a=b", "tier/x": ""}, ExternalID: "ext-1", ManagedBy: "terraform",
			DependsOn: []uint32{9, 4_000_000_000},
		},
		Sealed: []byte{0, 1, 2, 0xff}, Version: 1,
		CreatedAt: at, UpdatedAt: at.Add(time.Second), ActiveSince: at.Add(2 * time.Second), CreatedBy: "user-1",
	}
}

// plain is a monitor that sets as little as can be.
func plain(organizationID, name string) monitors.Monitor {
	return monitors.Monitor{
		OrganizationID: organizationID,
		Config: monitors.Config{
			Name: name, Type: monitors.TypeTCP, Interval: 30, Enabled: true,
			TCP:   &monitors.TCPConfig{Host: "::1", Port: 5432, Timeout: 1000, IPVersion: "any"},
			Rules: []monitors.Rule{}, Regions: []string{"local"}, Retries: monitors.Retries{Attempts: 1},
			ConfirmDown: 2, ConfirmUp: 1, Overlap: monitors.OverlapSkip, Quorum: "majority", Labels: map[string]string{},
		},
		Version: 1, CreatedAt: at, UpdatedAt: at, ActiveSince: at, CreatedBy: "user-1",
	}
}

// ofEachKind are monitors of every kind of check, their own configurations whole.
func ofEachKind(organizationID string) []monitors.Monitor {
	tcp, tls := plain(organizationID, "tcp"), plain(organizationID, "tls")
	options := &monitors.TLSOptions{ServerName: "sni.example", ClientCertificate: "pem", InsecureSkipVerify: true}
	tcp.Config.TCP.SendData, tcp.Config.TCP.ExpectedData = "PING\r\n", "+PONG"
	tcp.Config.TCP.TLS, tcp.Config.TCP.StartTLS, tcp.Config.TCP.TLSOptions = true, "postgres", options
	tcp.Config.DNS = &monitors.DNSConfig{Servers: []string{"2001:db8::53"}} // every check asks
	tls.Config.DNS = &monitors.DNSConfig{MaxTTL: 86_400}                    // the prober's resolvers
	tls.Config.Type, tls.Config.TCP = monitors.TypeTLS, nil
	tls.Config.TLS = &monitors.TLSConfig{Host: "mail.example", Port: 25, Timeout: 5000, IPVersion: "ipv4", StartTLS: "smtp", Options: options}
	return []monitors.Monitor{Example(organizationID), tcp, tls}
}

// insert stores m and returns it as it should be read.
func insert(t testing.TB, s monitors.Store, m monitors.Monitor) monitors.Monitor {
	t.Helper()
	write(t, s, func(tx monitors.Tx) (err error) {
		m.ID, err = tx.Insert(t.Context(), m)
		return err
	})
	return m
}

func write(t testing.TB, s monitors.Store, fn func(tx monitors.Tx) error) {
	t.Helper()
	if err := s.Write(t.Context(), fn); err != nil {
		t.Fatalf("write: %v", err)
	}
}

// same compares all but Rev, which is the store's own.
func same(t testing.TB, got, want monitors.Monitor) {
	t.Helper()
	got.Rev, want.Rev = 0, 0
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("monitor differs\n got %+v\nwant %+v", got, want)
	}
}

// read returns a monitor of the organization "org".
func read(t testing.TB, s monitors.Store, id uint32) monitors.Monitor {
	t.Helper()
	m, err := s.Monitor(t.Context(), "org", id)
	if err != nil {
		t.Fatalf("read monitor %d: %v", id, err)
	}
	return m
}

func wantErr(t testing.TB, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func testReadBack(t testing.TB, s monitors.Store) {
	for _, m := range append(ofEachKind("org"), plain("org", "plain"), plain("org", strings.Repeat("ü", 200))) {
		stored := insert(t, s, m)
		same(t, read(t, s, stored.ID), stored)
		write(t, s, func(tx monitors.Tx) error { // inside as outside
			got, err := tx.Monitor(t.Context(), "org", stored.ID)
			same(t, got, stored)
			return err
		})
	}
	odd := Example("org") // what an engine might take for an escape of its own, or not hold at all
	odd.Config.ExternalID, *odd.Config.HTTP.Body = "", "a\x00b \\u0000 \\\x00 \uE000 \uE0000 \uE0001 \U0010FFFF"
	odd.Config.Rules[2].Value = "\x00"
	odd = insert(t, s, odd)
	same(t, read(t, s, odd.ID), odd)
	fine := plain("org", "fine time")
	fine.CreatedAt = at.Add(123456 * time.Nanosecond)
	fine = insert(t, s, fine)
	if got := read(t, s, fine.ID).CreatedAt; !got.Equal(at) {
		t.Errorf("created at %s, want %s: finer times are cut", got, at)
	}
	_, err := s.Monitor(t.Context(), "org", 999)
	wantErr(t, "a monitor that never was", err, monitors.ErrNotFound)
}

func testUpdate(t testing.TB, s monitors.Store) {
	stored := insert(t, s, plain("org", "before"))
	next := Example("org")
	next.ID, next.Version, next.CreatedBy, next.CreatedAt = stored.ID, 2, "somebody else", at.Add(time.Hour)
	write(t, s, func(tx monitors.Tx) error { return tx.Update(t.Context(), next) })
	next.CreatedBy, next.CreatedAt = stored.CreatedBy, stored.CreatedAt // creation stays
	same(t, read(t, s, stored.ID), next)
	back := plain("org", "after") // every optional field to absent again
	back.ID, back.Version = stored.ID, 3
	write(t, s, func(tx monitors.Tx) error { return tx.Update(t.Context(), back) })
	same(t, read(t, s, stored.ID), back)

	for _, m := range []monitors.Monitor{{ID: 999, OrganizationID: "org"}, {ID: stored.ID, OrganizationID: "other"}} {
		next := plain(m.OrganizationID, "x")
		next.ID = m.ID
		err := s.Write(t.Context(), func(tx monitors.Tx) error { return tx.Update(t.Context(), next) })
		wantErr(t, "update of what is not there", err, monitors.ErrNotFound)
	}
}

func testDelete(t testing.TB, s monitors.Store) {
	stored := insert(t, s, Example("org"))
	gone := at.Add(time.Minute)
	del := func(organizationID string) error {
		return s.Write(t.Context(), func(tx monitors.Tx) error { return tx.Delete(t.Context(), organizationID, stored.ID, gone) })
	}
	wantErr(t, "delete from elsewhere", del("other"), monitors.ErrNotFound)
	if err := del("org"); err != nil {
		t.Fatal(err)
	}
	wantErr(t, "delete again", del("org"), monitors.ErrNotFound)
	_, err := s.Monitor(t.Context(), "org", stored.ID)
	wantErr(t, "read", err, monitors.ErrNotFound)
	err = s.Write(t.Context(), func(tx monitors.Tx) error { return tx.Update(t.Context(), stored) })
	wantErr(t, "update", err, monitors.ErrNotFound)
	if got := names(t, s, monitors.Filter{OrganizationID: "org", Limit: 10}); len(got) != 0 {
		t.Errorf("list has %q", got)
	}
	changes, err := s.Changes(t.Context(), 0, 10)
	if err != nil || len(changes) != 1 || !changes[0].Deleted() || !changes[0].DeletedAt.Equal(gone) {
		t.Fatalf("changes = %+v, %v, want the deletion", changes, err)
	}
	if len(changes[0].Sealed) != 0 {
		t.Error("the secrets of a deleted monitor are kept")
	}
}

func testOrganizations(t testing.TB, s monitors.Store) {
	mine, theirs := insert(t, s, plain("mine", "a")), insert(t, s, plain("theirs", "b"))
	_, err := s.Monitor(t.Context(), "mine", theirs.ID)
	wantErr(t, "read", err, monitors.ErrNotFound)
	write(t, s, func(tx monitors.Tx) error {
		_, err := tx.Monitor(t.Context(), "theirs", mine.ID)
		wantErr(t, "read in a transaction", err, monitors.ErrNotFound)
		return nil
	})
	if got := names(t, s, monitors.Filter{OrganizationID: "mine", Limit: 10}); !slices.Equal(got, []string{"a"}) {
		t.Errorf("list = %q", got)
	}
}

func testExternalID(t testing.TB, s monitors.Store) {
	first := insert(t, s, Example("org"))
	add := func(organizationID string) error {
		return s.Write(t.Context(), func(tx monitors.Tx) error {
			_, err := tx.Insert(t.Context(), Example(organizationID))
			return err
		})
	}
	wantErr(t, "second with the same", add("org"), monitors.ErrExternalIDTaken)
	if err := add("other"); err != nil {
		t.Errorf("the same in another organization: %v", err)
	}
	second := insert(t, s, plain("org", "none"))
	insert(t, s, plain("org", "none either")) // absent is not a value
	second.Config.ExternalID = first.Config.ExternalID
	err := s.Write(t.Context(), func(tx monitors.Tx) error { return tx.Update(t.Context(), second) })
	wantErr(t, "update to the same", err, monitors.ErrExternalIDTaken)
	write(t, s, func(tx monitors.Tx) error { return tx.Delete(t.Context(), "org", first.ID, at) })
	if err := add("org"); err != nil {
		t.Errorf("after the first was deleted: %v", err)
	}
}

func testDependencies(t testing.TB, s monitors.Store) {
	parent := insert(t, s, plain("org", "parent"))
	child, other, foreign := plain("org", "child"), plain("org", "other"), plain("foreign", "child")
	child.Config.DependsOn, other.Config.DependsOn = []uint32{parent.ID, 77}, []uint32{5}
	foreign.Config.DependsOn = []uint32{parent.ID}
	child, other = insert(t, s, child), insert(t, s, other)
	insert(t, s, foreign)
	want := func(want map[uint32][]uint32) {
		t.Helper()
		write(t, s, func(tx monitors.Tx) error {
			got, err := tx.Dependencies(t.Context(), "org")
			if err == nil && !reflect.DeepEqual(got, want) {
				t.Errorf("dependencies %v, want %v", got, want)
			}
			return err
		})
	}
	want(map[uint32][]uint32{child.ID: {parent.ID, 77}, other.ID: {5}})
	child.Config.DependsOn = nil
	write(t, s, func(tx monitors.Tx) error { return tx.Update(t.Context(), child) })
	same(t, read(t, s, child.ID), child)
	write(t, s, func(tx monitors.Tx) error { return tx.Delete(t.Context(), "org", other.ID, at) })
	want(map[uint32][]uint32{})
}

func testIDs(t testing.TB, s monitors.Store) {
	var last uint32
	for range 5 {
		m := insert(t, s, plain("org", "x"))
		if m.ID <= last {
			t.Fatalf("id %d after %d", m.ID, last)
		}
		last = m.ID
		write(t, s, func(tx monitors.Tx) error { return tx.Delete(t.Context(), "org", m.ID, at) })
	}
}

func testRollback(t testing.TB, s monitors.Store) {
	stored := insert(t, s, plain("org", "before"))
	errStop := errors.New("stop")
	changes, err := s.Changes(t.Context(), 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Write(t.Context(), func(tx monitors.Tx) error {
		next := stored
		next.Config.Name = "after"
		if err := errors.Join(
			tx.Update(t.Context(), next),
			tx.Audit(t.Context(), audit.Row{ID: "a", At: at, OrganizationID: "org", Action: "monitor.update"}),
			tx.KeepAnswer(t.Context(), monitors.AnswerKey{OrganizationID: "org", Key: "k"}, monitors.Answer{Fingerprint: []byte("f"), Body: []byte("b"), At: at}, at),
		); err != nil {
			t.Error(err)
		}
		if _, err := tx.Insert(t.Context(), plain("org", "new")); err != nil {
			t.Error(err)
		}
		return fmt.Errorf("wrapped: %w", errStop)
	})
	wantErr(t, "write", err, errStop)
	same(t, read(t, s, stored.ID), stored)
	after, err := s.Changes(t.Context(), 0, 10)
	if err != nil || !reflect.DeepEqual(after, changes) {
		t.Errorf("changes = %+v, %v, want as before: %+v", after, err, changes)
	}
	if rows, err := s.AuditRows(t.Context(), audit.Filter{OrganizationID: "org", Limit: 10}); err != nil || len(rows) != 0 {
		t.Errorf("audit rows = %+v, %v", rows, err)
	}
	if _, found, err := s.Answer(t.Context(), monitors.AnswerKey{OrganizationID: "org", Key: "k"}, at); err != nil || found {
		t.Errorf("answer found %v, %v", found, err)
	}
}

// testRefusal goes on after what a store refuses: only errors of its own may end a transaction.
func testRefusal(t testing.TB, s monitors.Store) {
	first, second := insert(t, s, Example("org")), insert(t, s, plain("org", "second"))
	write(t, s, func(tx monitors.Tx) error {
		_, err := tx.Insert(t.Context(), Example("org"))
		wantErr(t, "insert", err, monitors.ErrExternalIDTaken)
		taken := second
		taken.Config.ExternalID = first.Config.ExternalID
		wantErr(t, "update", tx.Update(t.Context(), taken), monitors.ErrExternalIDTaken)
		_, err = tx.Monitor(t.Context(), "org", 999)
		wantErr(t, "read", err, monitors.ErrNotFound)
		second.Config.Name = "changed"
		return tx.Update(t.Context(), second)
	})
	same(t, read(t, s, second.ID), second)
	if got := names(t, s, monitors.Filter{OrganizationID: "org", Limit: 10}); len(got) != 2 {
		t.Errorf("list has %q", got)
	}
}

func names(t testing.TB, s monitors.Store, f monitors.Filter) []string {
	t.Helper()
	ms, err := s.Monitors(t.Context(), f)
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	got := make([]string, len(ms))
	for i, m := range ms {
		got[i] = m.Config.Name
	}
	return got
}

func testCanceled(t testing.TB, s monitors.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.Write(ctx, func(tx monitors.Tx) error {
		_, err := tx.Insert(ctx, plain("org", "x"))
		return err
	})
	if !fault.Is(err, fault.KindCanceled) {
		t.Errorf("write: %v, want canceled", err)
	}
	if _, err := s.Monitors(ctx, monitors.Filter{OrganizationID: "org", Limit: 1}); !fault.Is(err, fault.KindCanceled) {
		t.Errorf("list: %v, want canceled", err)
	}
	if got := names(t, s, monitors.Filter{OrganizationID: "org", Limit: 1}); len(got) != 0 {
		t.Errorf("list has %q", got)
	}
}
