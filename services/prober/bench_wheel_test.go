package prober

import (
	"fmt"
	"testing"

	"github.com/frogstats/uptime/services/prober/schedule"
)

// BenchmarkScheduler is taking the next entry that is due and placing it at its next slot, with the timing wheel and with the
// 4-ary heap that it was measured against. Intervals are ten seconds, as of a fleet; simulated time goes by in ticks.
func BenchmarkScheduler(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		size := fmt.Sprintf("%dk", n/1000)
		b.Run("Wheel/"+size, func(b *testing.B) { benchmarkScheduler(b, n, new(wheel)) })
		b.Run("Heap/"+size, func(b *testing.B) { benchmarkScheduler(b, n, new(quadHeap)) })
	}
}

type scheduler interface {
	place(e *entry, due int64)
	take(now int64) *entry
}

func benchmarkScheduler(b *testing.B, n int, s scheduler) {
	const interval = 10_000
	if w, ok := s.(*wheel); ok {
		w.now = 1e12
	}
	for id := range n {
		e := &entry{gridAt: 1e12 + int64(schedule.Mix(uint64(id))%interval)}
		s.place(e, e.gridAt)
	}
	b.ResetTimer()
	now := int64(1e12)
	for done := 0; done < b.N; {
		for e := s.take(now); e != nil; e = s.take(now) {
			e.gridAt += interval
			s.place(e, e.gridAt)
			done++
		}
		now += tick.Milliseconds()
	}
}

// quadHeap is a heap of fan-out 4 that holds the keys beside the entries, so that a comparison needs none of them.
type quadHeap struct{ items []heapItem }

type heapItem struct {
	due   int64
	entry *entry
}

func (h *quadHeap) place(e *entry, due int64) {
	h.items = append(h.items, heapItem{})
	at := len(h.items) - 1
	for at > 0 {
		up := (at - 1) / 4
		if h.items[up].due <= due {
			break
		}
		h.items[at] = h.items[up]
		at = up
	}
	h.items[at] = heapItem{due, e}
}

func (h *quadHeap) take(now int64) *entry {
	if len(h.items) == 0 || h.items[0].due > now {
		return nil
	}
	first := h.items[0].entry
	last := h.items[len(h.items)-1]
	h.items = h.items[:len(h.items)-1]
	at := 0
	for {
		least := 4*at + 1
		if least >= len(h.items) {
			break
		}
		for c := least + 1; c < min(4*at+5, len(h.items)); c++ {
			if h.items[c].due < h.items[least].due {
				least = c
			}
		}
		if h.items[least].due >= last.due {
			break
		}
		h.items[at] = h.items[least]
		at = least
	}
	if len(h.items) > 0 {
		h.items[at] = last
	}
	return first
}
