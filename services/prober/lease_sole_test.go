package prober

import (
	"sync/atomic"
	"testing"
	"time"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

// A prober without company that stood still, as a stopped process or a machine that sleeps does, takes nothing and accounts for
// nothing until the centre has answered: another may have come meanwhile. A centre that cannot be reached is waited for in vain.
func TestSoleThatStoodStill(t *testing.T) {
	for name, away := range map[string]bool{"the centre answers": false, "the centre is away": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				sole := func() *monitorsv1.Lease {
					l := plainLease()
					l.Sole = true
					return l
				}
				r := &renewals{took: 100 * time.Millisecond, answer: func(*monitorsv1.RenewLeaseRequest) (*monitorsv1.Lease, error) { return sole(), nil }}
				var slept atomic.Int64
				k := startSleeper(t, r, sole(), &slept)
				pass(10 * time.Second)
				r.away.Store(away)
				pass(time.Minute)
				f := &k.engine.fence
				open := func() bool { _, open := f.limit(); return open }
				if !open() || f.label() != endless {
					t.Fatal("it does not go on by itself")
				}
				stood := time.Now()
				slept.Store(int64(30 * time.Second))
				if open() || f.label() > stood.UnixMilli() {
					t.Fatalf("open %v after it stood still, up to %v", open(), instant(f.label()))
				}
				pass(9*time.Second/aloneEvery + r.took + 50*time.Millisecond)
				if open() == away {
					t.Errorf("open is %v soon after", open())
				}
				pass(9*time.Second - 200*time.Millisecond - 9*time.Second/aloneEvery)
				if open() == away {
					t.Errorf("open is %v before the time of a lease has passed", open())
				}
				pass(200*time.Millisecond + 9*time.Second/aloneEvery)
				if !open() {
					t.Error("it does not go on")
				}
			})
		})
	}
}

// An answer that came after the process had stood still does not let it go on: it is older than that.
func TestSoleHearsAnOldAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := &renewals{took: time.Hour}
		sole := plainLease()
		sole.Sole = true
		var slept atomic.Int64
		k := startSleeper(t, r, sole, &slept)
		sent, stood := k.engine.fence.now(), time.Now()
		pass(time.Second)
		slept.Store(int64(30 * time.Second))
		k.granted(k.session, sole, sent+1, false)
		if _, open := k.engine.fence.limit(); open || k.engine.fence.label() > stood.UnixMilli() {
			t.Errorf("open %v, up to %v", open, instant(k.engine.fence.label()))
		}
	})
}
