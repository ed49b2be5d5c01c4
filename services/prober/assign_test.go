package prober

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
)

// Ten thousand monitors that were never checked are checked once within their interval or five seconds, whichever is less,
// in no burst; and short intervals get no checks besides those of their grid.
func TestFirstChecksAreSpread(t *testing.T) {
	for _, interval := range []uint32{1, 3, 60, 86400} {
		t.Run(fmt.Sprint(interval, "s"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := startEngine(t, Config{}, func(uint32) (time.Duration, checkv1.ResultStatus) {
					return 0, checkv1.ResultStatus_RESULT_STATUS_SUCCESS
				})
				const monitors = 10_000
				began := time.Now()
				for id := range uint32(monitors) {
					b.assign(assignment(id+1, interval), nil, false)
				}
				spread := min(time.Duration(interval)*time.Second, firstSpread)
				pass(spread + tick)
				synctest.Wait()
				first := map[uint32]bool{}
				tenths := make([]int, spread/(100*time.Millisecond)+1)
				for _, r := range b.stopAndRead(t) {
					first[r.GetMonitorId()] = true
					tenths[r.GetStartedAt().AsTime().Sub(began)/(100*time.Millisecond)]++
				}
				if len(first) != monitors {
					t.Errorf("%d of %d monitors were checked within %v", len(first), monitors, spread)
				}
				if mean := monitors / len(tenths); slices.Max(tenths) > mean*3/2 {
					t.Errorf("%d checks in a tenth of a second, want about %d", slices.Max(tenths), mean)
				}
			})
		})
	}
}

// A monitor that changes while its slot waits for a permit is accounted for, and waits no longer.
func TestChangeWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startEngine(t, Config{MaxChecksPerHost: 1, StopGrace: time.Minute}, func(id uint32) (time.Duration, checkv1.ResultStatus) {
			return 30 * time.Second, checkv1.ResultStatus_RESULT_STATUS_SUCCESS
		})
		b.assign(assignment(1, 3600), nil, true)
		pass(10 * time.Millisecond)
		for id := range uint32(2) {
			b.assign(assignment(id+2, 3600), nil, true)
		}
		pass(10 * time.Millisecond)
		b.assign(assignment(2, 7200), nil, false)
		b.remove(3)
		synctest.Wait()
		due := b.metrics.due.Load()
		ran, missed := tally(b.stopAndRead(t))
		if ran != 1 || missed != 2 || due != 3 {
			t.Errorf("%d ran and %d were missed of %d due, want 1 and 2", ran, missed, due)
		}
	})
}
