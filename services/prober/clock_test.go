package prober

import (
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
)

func (b *bench) setClock(by time.Duration) { b.observer.clock.shift.Add(int64(by)) }

// When the wall clock is set forward, the slots in between were never there to be run: they are one missed row each monitor, and
// nothing runs in a burst.
func TestClockIsSetForward(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		b := startEngine(t, Config{}, success)
		const monitors = 60
		for id := range uint32(monitors) {
			b.assign(assignment(id+1, 60), &lastSlot{at: time.Now()}, false)
		}
		pass(10 * time.Minute)
		b.setClock(time.Hour)
		set := time.Now()
		pass(10 * time.Minute)
		synctest.Wait()
		due := b.metrics.due.Load()
		rows := b.stopAndRead(t)
		ran, missed := tally(rows)
		if int64(ran+missed) != due {
			t.Errorf("%d ran + %d missed, due were %d", ran, missed, due)
		}
		if missed < monitors*59 || missed > monitors*61 || ran < monitors*19 {
			t.Errorf("%d ran and %d are missed of %d monitors in 20 minutes and an hour that was skipped", ran, missed, monitors)
		}
		burst := 0
		for _, r := range rows {
			if r.GetStatus() != checkv1.ResultStatus_RESULT_STATUS_MISSED {
				if at := r.GetStartedAt().AsTime(); at.After(set) && at.Before(set.Add(2*time.Second)) {
					burst++
				}
				continue
			}
			if r.GetErrorType() != string(missedOffline) || r.GetMissedCount() < 59 {
				t.Errorf("%d slots are missed for %s", r.GetMissedCount(), r.GetErrorType())
			}
		}
		if burst > 6 {
			t.Errorf("%d checks within 2 s of the jump; one a second is due", burst)
		}
	})
}

// When it is set back, no slot is run twice, and nothing waits until the clock is where it was.
func TestClockIsSetBack(t *testing.T) {
	for name, by := range map[string]time.Duration{"seconds": 5 * time.Second, "minutes": 30 * time.Minute, "hours": 5 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				b := startEngine(t, Config{}, success)
				for id := range uint32(20) {
					b.assign(assignment(id+1, 10), &lastSlot{at: time.Now()}, false)
				}
				pass(10 * time.Minute)
				synctest.Wait()
				before := b.stats().Finished
				b.setClock(-by)
				pass(2 * time.Second)
				if len(b.observer.ailments(time.Now())) == 0 {
					t.Error("nobody is told of the clock")
				}
				pass(10*time.Minute - 2*time.Second)
				synctest.Wait()
				// A tenth slower at most, and the first slot may be an interval away.
				if n := b.stats().Finished - before; n < 20*52 || n > 20*61 {
					t.Errorf("%d checks in 10 minutes after the clock was set back, want %d", n, 20*60)
				}
				slots := map[[2]int64]bool{}
				for _, r := range b.stopAndRead(t) {
					key := [2]int64{int64(r.GetMonitorId()), r.GetScheduledAt().AsTime().UnixMilli()}
					if slots[key] {
						t.Fatalf("slot %v of monitor %d has two rows", r.GetScheduledAt().AsTime(), key[0])
					}
					slots[key] = true
					if r.GetStatus() == checkv1.ResultStatus_RESULT_STATUS_MISSED {
						t.Errorf("%d slots are missed for %s", r.GetMissedCount(), r.GetErrorType())
					}
				}
			})
		})
	}
}

// However the wall clock is set, slots go forward but for less than clockJump and what they had drifted by before, and never ahead
// of it by more than maxAhead.
func TestSlotsGoForward(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.Int64Range(-3_600_000, 3_600_000), 1, 30).Draw(rt, "ms")
		waits := rapid.SliceOfN(rapid.Int64Range(0, 300_000), 30, 30).Draw(rt, "waits")
		bubbletest.Test(t, func(t *testing.T) {
			var c slotClock
			last := c.now()
			for i, by := range steps {
				c.shift.Add(by * 1e6)
				pass(time.Duration(waits[i]) * time.Millisecond)
				wall := time.Now().Add(time.Duration(c.shift.Load())).Round(0)
				now := c.now().Round(0)
				lead := now.Sub(wall)
				if lead < -clockDrift || lead > maxAhead {
					t.Fatalf("slots are %v ahead of the wall clock", lead)
				}
				if j := c.last.Load(); now.Before(last.Add(-clockJump-clockDrift)) && (j == nil || j.to >= j.from) {
					t.Fatalf("slots went back from %v to %v without saying so", last, now)
				}
				last = now
			}
		})
	})
}
