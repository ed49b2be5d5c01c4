package events

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestDebtsModel holds what is owed to a list of everything that came in: a debt ends only by what was begun after its last
// result, and the store, whose commits may fail, ends up with the same.
func TestDebtsModel(t *testing.T) {
	epoch := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		d := newDebts()
		stored := map[uint32]time.Time{}
		unpaid := map[uint32][]time.Time{}
		begun := map[uint32]struct {
			turn uint64
			n    int // of unpaid by then
		}{}
		var inFlight []Owed
		commit := func() {
			for _, o := range inFlight {
				if o.From.IsZero() {
					delete(stored, o.MonitorID)
				} else {
					stored[o.MonitorID] = o.From
				}
			}
			inFlight = nil
		}
		id := rapid.Uint32Range(1, 3)
		t.Repeat(map[string]func(*rapid.T){
			"results of the past": func(t *rapid.T) {
				m, at := id.Draw(t, "monitor"), epoch.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "slot"))*time.Second)
				d.add(m, at)
				unpaid[m] = append(unpaid[m], at)
			},
			"mending begins": func(t *rapid.T) {
				m := id.Draw(t, "monitor")
				b := begun[m]
				b.turn, b.n = d.turnOf(m), len(unpaid[m])
				begun[m] = b
			},
			"mending ends": func(t *rapid.T) {
				m := id.Draw(t, "monitor")
				b, ok := begun[m]
				if !ok {
					t.Skip("none was begun")
				}
				delete(begun, m)
				d.pay(m, b.turn)
				if b.n == len(unpaid[m]) {
					delete(unpaid, m)
				}
			},
			"a commit": func(t *rapid.T) {
				inFlight = d.take()
				commit()
			},
			"a commit fails": func(*rapid.T) {
				d.giveBack(d.take())
			},
			"a commit fails late": func(t *rapid.T) {
				rows := d.take()
				m := id.Draw(t, "monitor")
				d.add(m, epoch)
				unpaid[m] = append(unpaid[m], epoch)
				d.giveBack(rows)
			},
			"a crash": func(*rapid.T) {
				inFlight = d.take()
				commit()
				d = newDebts()
				for m, from := range stored {
					d.restore([]Owed{{m, from}})
				}
				clear(begun)
			},
			"": func(t *rapid.T) {
				for m := uint32(1); m <= 3; m++ {
					have, owes := d.by[m]
					if owes != (len(unpaid[m]) > 0) {
						t.Fatalf("monitor %d owes: %v; not mended: %v", m, owes, unpaid[m])
					}
					for _, at := range unpaid[m] {
						if at.Before(have.from) {
							t.Fatalf("monitor %d is mended from %v, and owes %v", m, have.from, at)
						}
					}
				}
			},
		})
		inFlight = d.take()
		commit()
		if len(stored) != len(d.by) {
			t.Fatalf("stored: %v; owed: %v", stored, d.by)
		}
		for m, debt := range d.by {
			if !stored[m].Equal(debt.from) {
				t.Fatalf("monitor %d: stored %v, owed %v", m, stored[m], debt.from)
			}
		}
	})
}
