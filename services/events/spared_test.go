package events

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// spare drives a judge that leaves out what merely counts.
func spare(c *trial) *trial {
	c.j.sparing = true
	return c
}

// crash replaces the judge by one that knows what was taken last, and judges again what the history has after that.
func (c *trial) crash(history []Result) {
	var s Snapshot
	for _, m := range c.monitors {
		s.Monitors = append(s.Monitors, m)
	}
	for _, st := range c.states {
		s.States = append(s.States, st)
	}
	judged := map[string]time.Time{}
	for _, r := range c.regions {
		judged[r.Region] = r.LastSlot
		r.heardUntil, r.dirty, r.spared = time.Time{}, false, false
		s.Regions = append(s.Regions, r)
	}
	c.j = NewJudge(s)
	for i := range history {
		if r := &history[i]; r.ScheduledAt.After(judged[r.Region]) {
			c.j.Result(r.StartedAt, r)
		}
	}
	spare(c)
}

// TestCrashesOfASparingJudgeChangeNothing compares one that is never stopped and writes every count with one that leaves out
// what it may, writes now and then, and dies at any moment: announcements, timelines and in the end also counts are the same,
// nothing is announced twice, and what has to be judged again is bounded.
func TestCrashesOfASparingJudgeChangeNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := drawRules(rt)
		if rapid.Bool().Draw(rt, "two regions") {
			m.Regions = []string{"a", "b"}
		} else {
			m.Regions = []string{"a"}
		}
		whole, sparing := newTrial(t, m), spare(newTrial(t, m))
		var history []Result
		sec := 0
		for range rapid.IntRange(0, 60).Draw(rt, "checks") {
			sec += rapid.SampledFrom([]int{1, 1, 1, 1, 1, 3, 30, 70, 71}).Draw(rt, "gap")
			kind := rapid.SampledFrom([]byte("SSSSSSSSSSSSDFFEM")).Draw(rt, "kind")
			x := result(kind, rapid.SampledFrom(m.Regions).Draw(rt, "region"), sec)
			history = append(history, x)
			for _, c := range []*trial{whole, sparing} {
				c.j.Result(x.StartedAt, ptr(x))
			}
			whole.take()
			if rapid.Bool().Draw(rt, "written") {
				sparing.take()
				for _, r := range sparing.regions {
					now := sparing.j.subjects[m.ID].known(r.Region)
					if behind := now.LastSlot.Sub(r.LastSlot); behind >= observeEvery || behind > 0 && len(m.Regions) > 1 {
						rt.Fatalf("what is written of %s is %v behind", r.Region, behind)
					}
				}
			}
			if rapid.IntRange(0, 5).Draw(rt, "crash") == 0 {
				sparing.crash(history)
			}
		}
		sparing.j.Spared()
		sparing.take()
		if d := cmp.Diff(whole.transitions, sparing.transitions); d != "" {
			rt.Fatalf("transitions differ (-whole +sparing):\n%s", d)
		}
		if d := cmp.Diff(whole.regions, sparing.regions, cmpopts.IgnoreUnexported(RegionState{})); d != "" {
			rt.Fatalf("regions differ (-whole +sparing):\n%s", d)
		}
		if d := cmp.Diff(whole.feed, sparing.feed); d != "" {
			rt.Fatalf("feeds differ (-whole +sparing):\n%s", d)
		}
	})
}

// A success that makes no news is written with the next news; anything else at once.
func TestOnlySuccessesWithoutNewsAreSpared(t *testing.T) {
	for _, c := range []struct {
		name, before, step string
		spared             bool
	}{
		{"one more success", "S0 S1", "S2", true},
		{"one more slow success", "D0 D1", "D2", true},
		{"an observation", "S0 S1", "S10", false},
		{"the first success", "", "S0", false},
		{"a fault", "S0 S1", "F2", false},
		{"a fault of ours", "S0 S1", "E2", false},
		{"the success after a fault", "S0 F1", "S2", false},
		{"the success after a fault of ours", "S0 E1", "S2", false},
		{"a transition", "S0 S1", "D2", false},
		{"a missed row", "S0 S1", "M2", false},
		{"the first success after a start", "S0 R75", "S1", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			trial := spare(newTrial(t, rules(func(m *Monitor) { m.DegradedAbove, m.Interval = time.Second, 9*time.Second })))
			trial.play(c.before)
			spare(trial) // a restart makes another judge
			trial.j.Result(at(2), ptr(result(c.step[0], "local", seconds(atScript(c.step)))))
			if ch := trial.take(); len(ch.Regions) == 0 != c.spared {
				t.Errorf("written: %v", ch.Regions)
			}
		})
	}
}

func atScript(step string) time.Time {
	n := 0
	for _, d := range step[1:] {
		n = 10*n + int(d-'0')
	}
	return at(n)
}
