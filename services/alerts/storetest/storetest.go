// Package storetest is what every engine of the alerts store has to pass.
package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/services/alerts"
)

// Case is one promise of alerts.Store. Run gets a fresh store.
type Case struct {
	Name string
	Run  func(t testing.TB, s alerts.Store)
}

// Run tests the engine that open opens; open returns an empty store, closed when the test ends.
func Run(t *testing.T, open func(t *testing.T) alerts.Store) {
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			c.Run(t, open(t))
		})
	}
}

// Cases are all promises. They take a testing.TB so that a test can watch a broken store fail them.
func Cases() []Case {
	var all []Case
	for _, group := range [][]Case{ruleCases, channelCases, incidentCases, noteCases, chronicleCases, evaluationCases, catalogCases, claimCases, outboxCases, deliveryCases, stormCases, fallbackCases, reminderCases, canaryCases, noticeCases, maintenanceCases} {
		all = append(all, group...)
	}
	all = append(append(all, familyCases...), unstableCases...)
	all = append(append(all, groupCases...), groupCrowd)
	return append(all, overlapping()...)
}

const (
	org     = "org-a"
	other   = "org-b"
	monitor = uint32(7)
)

// base is a time with milliseconds, far from any real one.
var base = time.Date(2031, 5, 6, 7, 8, 9, 120_000_000, time.UTC)

func at(seconds int) time.Time { return base.Add(time.Duration(seconds) * time.Second) }

func ctx(t testing.TB) context.Context {
	return identity.NewContext(t.Context(), identity.Principal{
		Kind: identity.KindUser, UserID: "u1", OrganizationID: org, Role: identity.RoleAdmin, Name: "ann@example.com",
	})
}

// row is an audit row as a service would write it.
func row(t testing.TB, action string) audit.Row { return audit.New(ctx(t), action, "thing", "1") }

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t testing.TB, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("error = %v, want %v", got, want)
	}
}

func same(t testing.TB, what string, got, want any) {
	t.Helper()
	opts := []cmp.Option{
		cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(alerts.MaintenanceWindow{}),
		cmp.Comparer(func(a, b alerts.Stamp) bool { return time.Time(a).Equal(time.Time(b)) }),
		cmp.Comparer(func(a, b json.RawMessage) bool { return string(a) == string(b) }),
	}
	if diff := cmp.Diff(want, got, opts...); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", what, diff)
	}
}

// newRule stores a rule of the organization and monitor.
func newRule(t testing.TB, s alerts.Store, organization string, monitorID uint32, c alerts.Conditions) alerts.Rule {
	t.Helper()
	r := alerts.Rule{
		OrganizationID: organization, MonitorID: monitorID, Type: "webhook", Conditions: c, Severity: alerts.SeverityLow, Enabled: true,
		CreatedAt: at(0), UpdatedAt: at(0),
	}
	return must(s.CreateRule(ctx(t), r, func(r *alerts.Rule) (audit.Row, error) {
		r.Config = alerts.Config{Public: json.RawMessage(`{"url":"https://example.com/"}`), Sealed: []byte{0, 1, byte(r.ID)}}
		return row(t, "alert.create"), nil
	}))(t)
}

// newChannel stores a channel of the organization, for all monitors.
func newChannel(t testing.TB, s alerts.Store, organization string) alerts.Channel {
	t.Helper()
	c := alerts.Channel{
		OrganizationID: organization, Type: "webhook", Name: "ops", Events: []alerts.Event{alerts.EventDown, alerts.EventRecovery},
		Enabled: true, CreatedAt: at(0), UpdatedAt: at(0),
	}
	return must(s.CreateChannel(ctx(t), c, func(c *alerts.Channel) (audit.Row, error) {
		c.Config = alerts.Config{Public: json.RawMessage(`{"url":"https://example.com/c"}`), Sealed: []byte{9, byte(c.ID)}}
		return row(t, "channel.create"), nil
	}))(t)
}

// put stores a batch without looking at anything; the identifiers and the cursor go along.
func put(t testing.TB, s alerts.Store, now time.Time, b alerts.Batch) {
	t.Helper()
	err := s.Advance(ctx(t), nil, now, func(p alerts.Progress, _ map[uint32]alerts.State) alerts.Batch {
		if b.Progress == (alerts.Progress{}) {
			b.Progress = p
		}
		return b
	})
	check(t, err)
}

// actions are the audit rows of the organization, newest first.
func actions(t testing.TB, s alerts.Store) []string {
	t.Helper()
	var out []string
	for _, r := range must(s.AuditRows(ctx(t), audit.Filter{OrganizationID: org, Limit: 100}))(t) {
		out = append(out, r.Action)
	}
	return out
}
