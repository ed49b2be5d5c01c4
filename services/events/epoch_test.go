package events

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// TestOnlyTheNewestLeaseIsBelieved interleaves the results of two who check the same monitor at once, one under a lease that
// is over: everything is as if the newer had been alone from its first result on.
func TestOnlyTheNewestLeaseIsBelieved(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := drawRules(rt)
		both, alone := newTrial(t, m), newTrial(t, m)
		taken := false // the newer has spoken
		late := 0
		for _, d := range drawChecks(rt) {
			x := result(d.kind, "local", d.sec)
			x.Epoch = 5
			if rapid.Bool().Draw(rt, "newer") {
				x.Epoch, taken = 9, true
			} else if rapid.IntRange(0, 3).Draw(rt, "no lease") == 0 {
				x.Epoch = 0
			}
			both.j.Result(x.StartedAt, ptr(x))
			if x.Epoch != 5 || !taken {
				alone.j.Result(x.StartedAt, ptr(x))
			} else {
				late++
			}
			both.take()
			alone.take()
			if rapid.IntRange(0, 9).Draw(rt, "restart") == 0 {
				both.j.fenced, late = 0, 0
				both.restart()
				alone.restart()
			}
		}
		if both.j.fenced != int64(late) {
			rt.Fatalf("%d results were counted as fenced, want %d", both.j.fenced, late)
		}
		if d := cmp.Diff(alone.transitions, both.transitions); d != "" {
			rt.Fatalf("transitions differ (-alone +both):\n%s", d)
		}
		if d := cmp.Diff(alone.feed, both.feed); d != "" {
			rt.Fatalf("feeds differ (-alone +both):\n%s", d)
		}
		if d := cmp.Diff(alone.regions, both.regions, cmpopts.IgnoreUnexported(RegionState{})); d != "" {
			rt.Fatalf("regions differ (-alone +both):\n%s", d)
		}
	})
}

// TestMendingBelievesEachLeaseInItsTime has both owners' results come in late: those of the older before the newer's first are
// its own, those after are not.
func TestMendingBelievesEachLeaseInItsTime(t *testing.T) {
	s := &shelf{c: newTrial(t, rules(func(m *Monitor) { m.ConfirmDown = 1 }))}
	with := func(kind byte, sec int, epoch uint64) Result {
		x := result(kind, "local", sec)
		x.Epoch = epoch
		return x
	}
	s.live(with('S', 0, 5), 0)
	s.live(with('S', 200, 9), 200)
	s.results = append(s.results, with('S', 30, 5), with('F', 60, 5), with('S', 90, 9), with('F', 100, 5), with('S', 120, 9), with('S', 150, 9))
	s.mend(t, 30, 201)
	if got, want := line(s.c.transitions[""]), "unknown@-10 up@0 down@60 up@90"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := s.c.regions["local"].Epoch; got != 9 {
		t.Errorf("epoch %d", got)
	}
}
