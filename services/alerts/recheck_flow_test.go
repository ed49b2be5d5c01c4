package alerts_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/telemetry/telemetrytest"
)

// checks are the monitors that were asked for so far.
func (f *fakeMonitors) checks() []uint32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []uint32
	for _, r := range f.asked {
		if r.GetOrganizationId() == orgA {
			out = append(out, r.GetMonitorId())
		}
	}
	return out
}

// answers sets what comes of a wish for a check.
func (f *fakeMonitors) answers(check func(id uint32) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.check = check
}

// A host fails, its router is checked at once and works: that is told within a second, however rarely the router is checked.
func TestARouterIsCheckedAtOnce(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.monitors.answers(func(id uint32) error {
			time.AfterFunc(20*time.Millisecond, func() { w.events.add(sees(id)) })
			return nil
		})
		c := site(t, w, w)
		w.events.add(turns(3, true))
		pass(time.Second)
		c.wantAll(t, "3 monitor.down")
		if got := w.monitors.checks(); len(got) != 1 || got[0] != 1 {
			t.Errorf("checked are %d, want the router, once", got)
		}
		w.events.add(turns(4, true)) // while the router is not to be asked for again
		pass(1500 * time.Millisecond)
		c.wantAll(t, "3 monitor.down", "4 monitor.down")
		w.stop()
	})
}

// The router is down: one message names what is behind it, and one wish in a second is enough for fifty hosts.
func TestARouterIsFoundDown(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		found := false
		w.monitors.answers(func(id uint32) error {
			if !found {
				found = true
				time.AfterFunc(3*time.Second, func() { w.events.add(turns(id, true)) })
			}
			return nil
		})
		c := site(t, w, w)
		for id := range uint32(50) {
			w.events.add(turns(id+2, true))
			pass(50 * time.Millisecond)
		}
		pass(2 * time.Second)
		if d := c.wantAll(t, "1 monitor.down").Dependents; d == nil || d.Total != 50 {
			t.Errorf("dependents %+v", d)
		}
		if n := len(w.monitors.checks()); n < 1 || n > 5 {
			t.Errorf("the router was asked for %d times in five seconds", n)
		}
		w.stop()
	})
}

// While the monitors service takes no wishes, hosts wait until their router would have been seen down, as with one that knows none.
func TestNobodyTakesWishes(t *testing.T) {
	for _, code := range []codes.Code{codes.Unavailable, codes.NotFound, codes.OK} {
		t.Run(code.String(), func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if code != codes.OK { // else nobody knows the method
					w.monitors.answers(func(uint32) error { return status.Error(code, "no") })
				}
				c := site(t, w, w)
				w.events.add(turns(3, true))
				pass(worstCase)
				c.wantAll(t)
				pass(15 * time.Second)
				c.wantAll(t, "3 monitor.down")
				if n := len(w.monitors.checks()); n < 2 || n > 6 {
					t.Errorf("the router was asked for %d times", n)
				}
				w.stop()
			})
		})
	}
}

// Wishes are counted by whether the monitors service takes them.
func TestWishesAreCounted(t *testing.T) {
	tel := telemetrytest.New(t)
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.monitors.answers(func(uint32) error {
			if len(w.monitors.checks()) == 1 {
				return status.Error(codes.Unavailable, "no")
			}
			return nil
		})
		succeed(t, w.service.Observe(tel.MeterProvider()))
		site(t, w, w)
		w.events.add(turns(3, true))
		pass(worstCase + 15*time.Second)
		w.stop()
		failed, taken := tel.Sum(t, "frogup_alerts_rechecks_total", `result="failed"`), tel.Sum(t, "frogup_alerts_rechecks_total", `result="taken"`)
		if n := len(w.monitors.checks()); failed != 1 || taken < 1 || int(failed+taken) != n {
			t.Errorf("%v failed and %v taken, of %d", failed, taken, n)
		}
	})
}

// What was announced while this service was away waits for nothing that is over.
func TestOldWishesAreNotMade(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.monitors.answers(func(uint32) error { return nil })
		c := site(t, w, w)
		w.stop()
		w.events.add(turns(3, true))
		pass(10 * time.Minute)
		w.open()
		w.service.SendThrough(c.take)
		w.run()
		pass(time.Minute)
		c.wantAll(t, "3 monitor.down")
		if got := w.monitors.checks(); len(got) != 0 {
			t.Errorf("checked are %d, of what was ten minutes ago", got)
		}
		w.stop()
	})
}
