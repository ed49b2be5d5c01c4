package alerts

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// lives draws what happens to a village: each monitor fails by itself now and then, and what depends on what is down fails with it.
type lives struct {
	entries []Entry
	end     int
}

func anyLives(t *rapid.T, n int, on map[uint32][]uint32) lives {
	broken, seen := map[uint32]bool{}, map[uint32]bool{}
	var l lives
	var reaches func(id uint32) bool
	reaches = func(id uint32) bool {
		return !broken[id] && !slices.ContainsFunc(on[id], func(p uint32) bool { return !reaches(p) })
	}
	seq := 0
	for at := 1; at < 1200; at += rapid.IntRange(1, 60).Draw(t, "pause") {
		id := uint32(rapid.IntRange(1, n).Draw(t, "who"))
		if rapid.IntRange(0, 3).Draw(t, "breaks") == 0 {
			broken[id] = !broken[id]
		}
		for other := uint32(1); other <= uint32(n); other++ {
			down := !reaches(other)
			if down == seen[other] || rapid.IntRange(0, 2).Draw(t, "seen later") == 0 {
				continue
			}
			seen[other] = down
			from, to := StatusUp, StatusDown
			if !down {
				from, to = to, from
			}
			seq++
			e := transition(seq, at, from, to)
			if e.MonitorID = other; !down {
				e.Transition.Failures = 0
			}
			l.entries = append(l.entries, e)
		}
		if id := uint32(rapid.IntRange(1, n).Draw(t, "looks")); !seen[id] && reaches(id) {
			seq++
			e := passing(seq, at, time.Millisecond)
			e.MonitorID = id
			l.entries = append(l.entries, e)
		}
		l.end = at
	}
	return l
}

// Whatever happens to monitors that depend on each other: history is as without dependencies; what is told begins and ends by turns;
// nothing is told of what is down behind what is down; in the end everybody knows what is so, but for what is behind what is down; and
// all of that no matter how the feed is cut. In some stories monitors are unstable, of which the incidents are others, and who was told
// of one before its parent fell is told that it is steady, and down, behind it.
func TestFamiliesAgainstWhatMustHold(t *testing.T) {
	t.Parallel()
	steps, rounds, told, hidden := 0, 0, 0, 0
	for ok := true; ok; {
		rapid.Check(t, func(t *rapid.T) {
			n := rapid.IntRange(2, 6).Draw(t, "monitors")
			on := map[uint32][]uint32{}
			for id := uint32(2); id <= uint32(n); id++ {
				for p := uint32(1); p < id; p++ {
					if rapid.IntRange(0, 2).Draw(t, "depends") == 0 {
						on[id] = append(on[id], p)
					}
				}
			}
			l := anyLives(t, n, on)
			steps += len(l.entries)
			start := State{Channels: []Channel{testChannel(1, EventDown, EventRecovery)}, Rules: []RuleState{testRule(1, Conditions{Failures: 2})}}
			if rapid.IntRange(0, 2).Draw(t, "unstable") == 0 {
				start.Flapping = Flapping{rapid.IntRange(MinFlapping, 5).Draw(t, "changes"), time.Duration(rapid.SampledFrom([]int{60, 200}).Draw(t, "within")) * time.Second}
			}
			flapping := start.Flapping.Changes > 0
			whole, cut, alone := newVillage(n, on, start), newVillage(n, on, start), newVillage(n, nil, start)
			for _, e := range l.entries {
				waited := whole.waits()
				whole.feed(e)
				alone.feed(e)
				wantStates(t, whole)
				wantRechecks(t, waited, whole)
				for _, m := range whole.messages[whole.checked:] {
					if m.Opens() && !flapping && whole.downParents(m.MonitorID) {
						t.Errorf("told of %d at %v, behind what is down", m.MonitorID, m.OccurredAt)
					}
				}
				whole.checked = len(whole.messages)
			}
			for rest := l.entries; len(rest) > 0; {
				k := rapid.IntRange(1, len(rest)).Draw(t, "batch")
				waited := cut.waits()
				cut.feed(rest[:k]...)
				wantRechecks(t, waited, cut)
				rest = rest[k:]
			}
			opts := []cmp.Option{cmpopts.EquateEmpty(), cmp.Comparer(func(a, b Stamp) bool { return time.Time(a).Equal(time.Time(b)) })}
			if diff := cmp.Diff(whole.messages, cut.messages, opts...); diff != "" {
				t.Errorf("messages, one by one and in batches:\n%s", diff)
			}
			if diff := cmp.Diff(whole.incidents, cut.incidents, opts...); diff != "" {
				t.Errorf("incidents, one by one and in batches:\n%s", diff)
			}
			for _, i := range whole.incidents {
				i.AffectedBy = 0
				whole.incidents[i.ID] = i
			}
			if diff := cmp.Diff(alone.incidents, whole.incidents, append(opts, butSteps)...); diff != "" && !flapping {
				t.Errorf("incidents without dependencies and with (-without +with):\n%s", diff)
			}
			if diff := cmp.Diff(alone.triggers, whole.triggers, opts...); diff != "" {
				t.Errorf("history without dependencies and with (-without +with):\n%s", diff)
			}
			whole.tick(l.end + 100)
			whole.tick(l.end + 200)
			whole.tick(l.end + 400) // nothing is unstable any more
			whole.tick(l.end + 800)
			threadsOf(t, &village{messages: slices.DeleteFunc(slices.Clone(whole.messages), func(m Message) bool { return m.Target.Kind == TargetAlert })})
			for id, s := range whole.states {
				for _, to := range []Target{{TargetChannel, 1}, {TargetAlert, id*10 + 1}} {
					knows := false
					for _, m := range whole.messages {
						if m.MonitorID == id && m.Target == to {
							knows = m.Opens()
						}
					}
					switch isDown := s.isDown(); {
					case knows != isDown && !(isDown && whole.downParents(id)):
						t.Errorf("monitor %d is down: %t; %v thinks so: %t; overlay %+v", id, isDown, to, knows, s.Overlay)
					case isDown && !knows:
						hidden++
					}
				}
			}
			told += len(whole.messages)
		})
		rounds++
		ok = os.Getenv("FROGUP_TORTURE") != "" && steps < stepsInEarnest && !t.Failed()
	}
	t.Logf("%d steps in %d rounds, %d messages, %d outages not told in the end", steps, rounds, told, hidden)
}

// wantStates wants of each monitor that it has an incident if it is down, and if it is not, only while it is unstable.
func wantStates(t *rapid.T, v *village) {
	for id, s := range v.states {
		switch down := s.Known == StatusDown; {
		case s.isDown() != down:
			t.Errorf("monitor %d is down: %t, and the incident says %+v", id, down, s.Incident)
		case !down && s.Incident != nil && !s.flaps():
			t.Errorf("monitor %d is neither down nor unstable, and has %+v", id, s.Incident)
		}
	}
}

// waits are those that each monitor's hold waits for.
func (v *village) waits() map[uint32]Hold {
	out := map[uint32]Hold{}
	for id, s := range v.states {
		if h := s.held(); h != nil && h.By == 0 && len(h.Wait) > 0 {
			out[id] = *h
		}
	}
	return out
}

// wantRechecks wants a check of whoever has come to be waited for in the last batch, and of nobody who is not.
func wantRechecks(t *rapid.T, before map[uint32]Hold, v *village) {
	waited := map[uint32]bool{}
	for id, h := range v.waits() {
		for _, w := range h.Wait {
			waited[w.ID] = true
			asked := slices.ContainsFunc(v.rechecks, func(r Recheck) bool { return r.ID == w.ID && r.OrganizationID == testOrg && !r.Until.Before(w.Until) })
			if was, held := before[id]; !asked && (!held || !was.Since.Equal(h.Since)) {
				t.Errorf("monitor %d begins to wait for %d, and that is not checked: %+v", id, w.ID, v.rechecks)
			}
		}
	}
	for _, r := range v.rechecks {
		if !waited[r.ID] {
			t.Errorf("monitor %d is checked, and nobody waits for it", r.ID)
		}
	}
}

func (v *village) downParents(id uint32) bool {
	return slices.ContainsFunc(v.states[id].Monitor.DependsOn, func(p uint32) bool { return v.states[p].isDown() })
}
