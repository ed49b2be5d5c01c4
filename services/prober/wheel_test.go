package prober

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whatever is placed, moved and removed: every entry comes when it is due, not before and not twice, and nothing is due
// before the time that the wheel tells.
func TestWheelAgainstAList(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		now := rapid.Int64Range(1, 1<<41).Draw(rt, "begin")
		w := &wheel{now: now}
		all := make([]*entry, 200)
		for i := range all {
			all[i] = &entry{}
		}
		in := map[*entry]int64{}
		delay := rapid.OneOf(rapid.Int64Range(-5, 50), rapid.Int64Range(0, 3000), rapid.Int64Range(0, 1<<21), rapid.Int64Range(0, 1<<33), rapid.Int64Range(0, 1<<42))
		rt.Repeat(map[string]func(*rapid.T){
			"place": func(rt *rapid.T) {
				for range rapid.IntRange(1, 20).Draw(rt, "n") {
					e := all[rapid.IntRange(0, len(all)-1).Draw(rt, "entry")]
					due := max(now+delay.Draw(rt, "delay"), 1)
					w.place(e, due)
					in[e] = e.placedAt
				}
			},
			"same time": func(rt *rapid.T) {
				due := now + delay.Draw(rt, "delay") + 10
				for _, e := range all[:rapid.IntRange(1, len(all)).Draw(rt, "n")] {
					w.place(e, due)
					in[e] = e.placedAt
				}
			},
			"remove": func(rt *rapid.T) {
				e := all[rapid.IntRange(0, len(all)-1).Draw(rt, "entry")]
				w.place(e, 0)
				delete(in, e)
			},
			"go on": func(rt *rapid.T) {
				now += rapid.OneOf(rapid.Int64Range(0, 5), rapid.Int64Range(0, 1<<13), rapid.Int64Range(0, 1<<24)).Draw(rt, "step")
				last := int64(0)
				for e := w.take(now); e != nil; e = w.take(now) {
					due, there := in[e]
					if !there || due > now {
						rt.Fatalf("an entry that is due at %d was taken at %d, %v", due, now, there)
					}
					if due < last {
						rt.Fatalf("taken at %d after one of %d", due, last)
					}
					last = due
					delete(in, e)
				}
			},
			"": func(rt *rapid.T) {
				if w.count != len(in) {
					rt.Fatalf("%d in the wheel, want %d", w.count, len(in))
				}
				var dues []int64
				for _, due := range in {
					dues = append(dues, due)
				}
				switch next := w.next(); {
				case len(dues) == 0 && next != 0:
					rt.Fatalf("something at %d in an empty wheel", next)
				case len(dues) > 0 && (next == 0 || next > slices.Min(dues)):
					rt.Fatalf("next is %d, but %d is due", next, slices.Min(dues))
				}
			},
		})
		// And all come in the end.
		for len(in) > 0 {
			now = max(now, w.next())
			e := w.take(now)
			if e == nil {
				continue
			}
			if in[e] > now {
				rt.Fatalf("an entry that is due at %d was taken at %d", in[e], now)
			}
			delete(in, e)
		}
	})
}
