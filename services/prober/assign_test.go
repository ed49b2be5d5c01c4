package prober

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
)

// Monitors that were never checked are checked once by their grids, or by turns beside them: a few at once, many without a
// burst; and short intervals get no checks besides those of their grid.
func TestFirstChecksAreSpread(t *testing.T) {
	for _, c := range []struct {
		monitors, interval uint32
		within             time.Duration
		most               int // in a tenth of a second
	}{
		{monitors: 100, interval: 86400, within: 200 * time.Millisecond, most: 55},
		{monitors: 10_000, interval: 1, within: time.Second, most: 1150},
		{monitors: 10_000, interval: 3, within: 3 * time.Second, most: 450},
		{monitors: 10_000, interval: 86400, within: 41 * time.Second, most: 55}, // at their turns, or by their grids as long after
		{monitors: 100_000, interval: 60, within: time.Minute, most: 230},       // the mean is 167
	} {
		t.Run(fmt.Sprint(c.monitors, " every ", c.interval, "s"), func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				b := startEngine(t, Config{}, func(uint32) (time.Duration, checkv1.ResultStatus) {
					return 0, checkv1.ResultStatus_RESULT_STATUS_SUCCESS
				})
				began := time.Now()
				for id := range c.monitors {
					b.assign(assignment(id+1, c.interval), nil, false)
				}
				pass(c.within + 2*tick)
				synctest.Wait()
				first := map[uint32]bool{}
				tenths := make([]int, c.within/(100*time.Millisecond)+1)
				for _, r := range b.stopAndRead(t) {
					first[r.GetMonitorId()] = true
					tenths[r.GetStartedAt().AsTime().Sub(began)/(100*time.Millisecond)]++
				}
				if len(first) != int(c.monitors) {
					t.Errorf("%d of %d monitors were checked within %v", len(first), c.monitors, c.within)
				}
				if slices.Max(tenths) > c.most {
					t.Errorf("%d checks in a tenth of a second, want %d at most", slices.Max(tenths), c.most)
				}
			})
		})
	}
}

// A monitor that changes while its slot waits for a permit is accounted for, and waits no longer.
func TestChangeWhileWaiting(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
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
		if ran != 1 || missed != 3 || due != 4 { // what was changed is due at once, and waits anew
			t.Errorf("%d ran and %d were missed of %d due, want 1 and 3", ran, missed, due)
		}
	})
}
