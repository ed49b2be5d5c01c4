package sqlite_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/alerts"
	"github.com/frogstats/uptime/services/alerts/storetest"
)

var alertsTime = time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)

// Each of these breaks one promise; the suite has to notice.
var broken = map[string]func(alerts.Store) alerts.Store{
	"forgets the cursor":                 func(s alerts.Store) alerts.Store { return forgetful{s} },
	"ignores the lease":                  func(s alerts.Store) alerts.Store { return &careless{Store: s} },
	"claims twice":                       func(s alerts.Store) alerts.Store { return impatient{s} },
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
	last map[string]string
}

func (c *careless) Claim(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]alerts.Claim, time.Time, error) {
	claims, next, err := c.Store.Claim(ctx, now, lease, limit)
	if c.last == nil {
		c.last = map[string]string{}
	}
	for _, claim := range claims {
		c.last[claim.ID] = claim.Lease
	}
	return claims, next, err
}

func (c *careless) Settle(ctx context.Context, claim alerts.Claim, a alerts.Attempt, v alerts.Verdict) error {
	claim.Lease = c.last[claim.ID]
	return c.Store.Settle(ctx, claim, a, v)
}

type impatient struct{ alerts.Store }

func (i impatient) Claim(ctx context.Context, now time.Time, _ time.Duration, limit int) ([]alerts.Claim, time.Time, error) {
	return i.Store.Claim(ctx, now, 0, limit)
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
			t.Parallel()
			for _, c := range storetest.Cases() {
				w := &witness{TB: t}
				done := make(chan struct{})
				go func() {
					defer close(done) // runs on Goexit, too
					c.Run(w, breakIt(open(t)))
				}()
				<-done
				if w.failed {
					return
				}
			}
			t.Error("no case failed")
		})
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
