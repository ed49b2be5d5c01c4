package postgres_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/services/alerts"
	"github.com/frogstats/uptime/services/alerts/storetest"
)

// Each of these breaks one promise; the suite has to notice.
var broken = map[string]func(alerts.Store) alerts.Store{
	"forgets the cursor":                 func(s alerts.Store) alerts.Store { return forgetful{s} },
	"ignores the lease":                  func(s alerts.Store) alerts.Store { return &careless{Store: s, last: map[string]string{}} },
	"claims twice":                       func(s alerts.Store) alerts.Store { return impatient{s} },
	"ignores a hold":                     func(s alerts.Store) alerts.Store { return rude{s} },
	"does not count attempts":            func(s alerts.Store) alerts.Store { return lenient{s} },
	"shows another organization's rules": func(s alerts.Store) alerts.Store { return gossip{s} },
	"counts only the page":               func(s alerts.Store) alerts.Store { return shortsighted{s} },
	"keeps deleted monitors":             func(s alerts.Store) alerts.Store { return hoarder{s} },
}

type forgetful struct{ alerts.Store }

func (f forgetful) Advance(ctx context.Context, m []alerts.MonitorRef, now time.Time, step func(alerts.Progress, map[uint32]alerts.State) alerts.Batch) error {
	return f.Store.Advance(ctx, m, now, func(p alerts.Progress, states map[uint32]alerts.State) alerts.Batch {
		b := step(p, states)
		b.Progress.Seq = p.Seq
		return b
	})
}

// careless settles a message with whatever lease holds it.
type careless struct {
	alerts.Store
	mu   sync.Mutex
	last map[string]string
}

func (c *careless) Claim(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]alerts.Claim, time.Time, error) {
	claims, next, err := c.Store.Claim(ctx, now, lease, limit)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, claim := range claims {
		c.last[claim.ID] = claim.Lease
	}
	return claims, next, err
}

func (c *careless) Settle(ctx context.Context, claim alerts.Claim, a alerts.Attempt, v alerts.Verdict) error {
	c.mu.Lock()
	claim.Lease = c.last[claim.ID]
	c.mu.Unlock()
	return c.Store.Settle(ctx, claim, a, v)
}

type impatient struct{ alerts.Store }

func (i impatient) Claim(ctx context.Context, now time.Time, _ time.Duration, limit int) ([]alerts.Claim, time.Time, error) {
	return i.Store.Claim(ctx, now, 0, limit)
}

type rude struct{ alerts.Store }

func (r rude) Settle(ctx context.Context, c alerts.Claim, a alerts.Attempt, v alerts.Verdict) error {
	v.HoldUntil = time.Time{}
	return r.Store.Settle(ctx, c, a, v)
}

type lenient struct{ alerts.Store }

func (l lenient) Settle(ctx context.Context, c alerts.Claim, a alerts.Attempt, v alerts.Verdict) error {
	if v.State == alerts.DeliveryPending {
		return l.Release(ctx, c)
	}
	return l.Store.Settle(ctx, c, a, v)
}

type gossip struct{ alerts.Store }

func (g gossip) Rule(ctx context.Context, organization string, monitorID, id uint32) (alerts.Rule, error) {
	r, err := g.Store.Rule(ctx, organization, monitorID, id)
	if err != nil {
		return g.Store.Rule(ctx, "org-a", monitorID, id)
	}
	return r, err
}

type shortsighted struct{ alerts.Store }

func (s shortsighted) Triggers(ctx context.Context, f alerts.TriggerFilter) ([]alerts.Trigger, int, error) {
	rows, _, err := s.Store.Triggers(ctx, f)
	return rows, len(rows), err
}

type hoarder struct{ alerts.Store }

func (hoarder) RemoveMonitors(context.Context, []alerts.MonitorRef, time.Time, func(alerts.Progress, map[uint32]alerts.State) alerts.Batch) error {
	return nil
}

func TestSuiteNoticesBrokenStores(t *testing.T) {
	for name, breakIt := range broken {
		t.Run(name, func(t *testing.T) {
			dsn := postgrestest.DSN(t)
			s := breakIt(openAt(t, dsn))
			for _, c := range storetest.Cases() {
				empty(t, dsn)
				w := &witness{TB: t}
				done := make(chan struct{})
				go func() {
					defer close(done) // runs on Goexit, too
					c.Run(w, s)
				}()
				<-done
				if w.failed {
					t.Logf("noticed by %s", c.Name)
					return
				}
			}
			t.Error("no case failed")
		})
	}
}

// empty makes the store at dsn as good as new, which is quicker than a new one for each case.
func empty(t *testing.T, dsn string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Exec(t.Context(), `SET search_path = alerts;
TRUNCATE monitor, monitor_state, uptime_alerts, uptime_alert_history, incident, incident_step, incident_note, notification_channel, outbox, delivery_attempt,
    delivery_target, delivery_sent, notice, maintenance_version, monitor_dependency, rule_samples, audit_log RESTART IDENTITY;
UPDATE feed_cursor SET seq = 0, last_incident_id = 0, last_trigger_id = 0`)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// witness is a testing.TB that remembers a failure instead of passing it on.
type witness struct {
	testing.TB
	failed bool
}

func (w *witness) Error(...any)          { w.failed = true }
func (w *witness) Errorf(string, ...any) { w.failed = true }
func (w *witness) Fail()                 { w.failed = true }
func (w *witness) Failed() bool          { return w.failed }
func (w *witness) Fatal(...any)          { w.FailNow() }
func (w *witness) Fatalf(string, ...any) { w.FailNow() }
func (w *witness) FailNow() {
	w.failed = true
	runtime.Goexit()
}
