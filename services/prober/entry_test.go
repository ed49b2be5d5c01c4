package prober

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/frogstats/uptime/services/prober/schedule"
)

// Counting along a grid is what the schedule itself says, however late the slot is taken.
func TestTakeFollowsTheSchedule(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		id, interval := rapid.Uint32().Draw(rt, "id"), time.Duration(rapid.IntRange(1, 86400).Draw(rt, "interval"))*time.Second
		grid := schedule.NewGrid(id, interval)
		quick, plain := &plan{}, &plan{schedule: grid}
		quick.onGrid(grid)
		began := time.UnixMilli(rapid.Int64Range(1e12, 2e12).Draw(rt, "began"))
		confirm := rapid.SampledFrom([]int64{0, began.UnixMilli() + 1, milli(grid.Next(began))}).Draw(rt, "confirm")
		e, want := &entry{plan: quick}, &entry{plan: plain}
		for _, e := range []*entry{e, want} {
			e.gridAt, e.confirmAt = milli(grid.Next(began)), confirm
		}
		for range 3 {
			now := e.due() + rapid.OneOf(rapid.Int64Range(0, 20), rapid.Int64Range(0, 10*interval.Milliseconds())).Draw(rt, "late")
			slot, from, n := e.take(now)
			slot2, from2, n2 := want.take(now)
			if slot != slot2 || from != from2 || n != n2 || e.gridAt != want.gridAt || e.confirmAt != want.confirmAt {
				rt.Fatalf("took %d after %d from %d and then %d, want %d after %d from %d and then %d", slot, n, from, e.gridAt, slot2, n2, from2, want.gridAt)
			}
		}
	})
}
