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

// When a shard is so late that both are due, the slot of the grid confirms.
func TestTakeOneOfTwo(t *testing.T) {
	grid := schedule.NewGrid(7, time.Minute)
	at := milli(grid.Next(time.UnixMilli(1e12)))
	for _, tt := range []struct{ now, slot, gridAt, confirmAt int64 }{
		{at - 1400, at - 1500, at, 0},
		{at - 1, at - 1500, at, 0},
		{at, at, at + 60_000, 0},
		{at + 500, at, at + 60_000, 0},
		{at + 60_500, at + 60_000, at + 120_000, 0},
	} {
		p := &plan{schedule: grid}
		p.onGrid(grid)
		e := &entry{plan: p, gridAt: at, confirmAt: at - 1500}
		if slot, _, _ := e.take(tt.now); slot != tt.slot || e.gridAt != tt.gridAt || e.confirmAt != tt.confirmAt {
			t.Errorf("%d ms after the grid's slot: took %d, then %d and %d; want %d, then %d and %d", tt.now-at, slot-at, e.gridAt-at, e.confirmAt, tt.slot-at, tt.gridAt-at, tt.confirmAt)
		}
	}
}
