package events

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// drawn is one generated check.
type drawn struct {
	kind byte // as in result
	sec  int
}

func drawChecks(t *rapid.T) []drawn {
	n := rapid.IntRange(0, 40).Draw(t, "checks")
	out := make([]drawn, 0, n)
	sec := 0
	for range n {
		sec += rapid.SampledFrom([]int{1, 5, 30, 30, 30, 69, 70, 71, 200}).Draw(t, "gap")
		out = append(out, drawn{rapid.SampledFrom([]byte("SSSDFFFOEEM")).Draw(t, "kind"), sec})
	}
	return out
}

// model says what a single region's timeline is by looking, for every check, back over all before it. It shares no code and
// no state with the judge.
type model struct {
	m      Monitor
	checks []drawn // without missed ones
}

func (md model) fault(i int) bool { return md.checks[i].kind == 'F' || md.checks[i].kind == 'O' }
func (md model) good(i int) bool  { return md.checks[i].kind == 'S' || md.checks[i].kind == 'D' }

// speaks is the newest check before i that says something of the target, or -1.
func (md model) speaks(i int) int {
	for k := i - 1; k >= 0; k-- {
		if md.good(k) || md.fault(k) {
			return k
		}
	}
	return -1
}

// patience in seconds.
func (md model) patience() int { return int(md.m.patience() / time.Second) }

// silent reports whether i comes after a silence.
func (md model) silent(i int) bool {
	k := md.speaks(i)
	return k >= 0 && md.checks[i].sec >= md.checks[k].sec+md.patience()
}

// run is the first check and the length of the run of checks that count and ends at i; breaks ends it.
func (md model) run(i int, counts, breaks func(int) bool) (first, n int) {
	first = -1
	for k := i; k >= 0 && !breaks(k); k-- {
		if counts(k) {
			first, n = k, n+1
		}
		if md.silent(k) {
			break
		}
	}
	return first, n
}

// blind reports whether i ends a run of observer faults that is long enough to be called blindness.
func (md model) blind(i int) (first int, ok bool) {
	if md.checks[i].kind != 'E' {
		return 0, false
	}
	first, n := md.run(i, func(k int) bool { return md.checks[k].kind == 'E' }, func(k int) bool { return md.checks[k].kind != 'E' })
	return first, n >= int(md.m.ConfirmDown)
}

func (md model) failures(i int) (first, n int) {
	return md.run(i, md.fault, func(k int) bool {
		if md.good(k) {
			return true
		}
		_, blind := md.blind(k)
		return blind
	})
}

func (md model) successes(i int) (first, n int) {
	return md.run(i, md.good, func(k int) bool {
		if md.fault(k) {
			return true
		}
		_, blind := md.blind(k)
		return blind
	})
}

// finding is the newest verdict about the target after check i.
func (md model) finding(i int) Status {
	if i < 0 {
		return 0
	}
	before := md.finding(i - 1)
	switch {
	case md.good(i):
		if _, n := md.successes(i); before == Down && n < int(md.m.ConfirmUp) {
			return Down
		}
		if md.checks[i].kind == 'D' && md.m.DegradedAbove > 0 {
			return Degraded
		}
		return Up
	case md.fault(i):
		if _, n := md.failures(i); before == Down || n >= int(md.m.ConfirmDown) {
			return Down
		}
	}
	return before
}

// timeline is the list of states with their starts, as line writes it, up to the second end.
func (md model) timeline(end int) []string {
	type change struct {
		to  Status
		sec int
	}
	list := []change{{Unknown, -10}}
	add := func(to Status, sec int) { list = append(list, change{to, max(sec, list[len(list)-1].sec)}) }
	for i := range md.checks {
		if md.silent(i) {
			add(Unknown, md.checks[md.speaks(i)].sec+md.patience())
		}
		before, now := md.finding(i-1), md.finding(i)
		if first, ok := md.blind(i); ok {
			add(Unknown, md.checks[first].sec)
			continue
		}
		switch {
		case md.good(i) && now != Down:
			since := md.checks[i].sec
			if before == Down {
				first, _ := md.successes(i)
				since = md.checks[first].sec
			}
			add(now, since)
		case md.fault(i) && now == Down:
			first, _ := md.failures(i)
			add(Down, md.checks[first].sec)
		}
	}
	if k := md.speaks(len(md.checks)); k >= 0 && md.checks[k].sec+md.patience() <= end {
		add(Unknown, md.checks[k].sec+md.patience())
	}
	var out []string
	last := Status(0)
	for i, c := range list {
		if i+1 < len(list) && list[i+1].sec == c.sec || c.to == last {
			continue
		}
		last = c.to
		out = append(out, fmt.Sprintf("%s@%d", c.to, c.sec))
	}
	return out
}

func drawRules(t *rapid.T) Monitor {
	return rules(func(m *Monitor) {
		m.ConfirmDown = uint32(rapid.IntRange(1, 4).Draw(t, "confirm_down"))
		m.ConfirmUp = uint32(rapid.IntRange(1, 3).Draw(t, "confirm_up"))
		if rapid.Bool().Draw(t, "degrades") {
			m.DegradedAbove = time.Second
		}
	})
}

func TestJudgeAgreesWithTheModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := drawRules(rt)
		checks := drawChecks(rt)
		c := newTrial(t, m)
		for _, d := range checks {
			if rapid.Bool().Draw(rt, "tick before") {
				c.j.Tick(at(d.sec))
			}
			if rapid.IntRange(0, 9).Draw(rt, "restart") == 0 {
				c.restart()
			}
			c.j.Result(at(d.sec), ptr(result(d.kind, "local", d.sec)))
			c.take()
		}
		end := rapid.IntRange(0, 300).Draw(rt, "end")
		if len(checks) > 0 {
			end += checks[len(checks)-1].sec
		}
		c.j.Tick(at(end))
		c.take()
		ran := slices.DeleteFunc(slices.Clone(checks), func(d drawn) bool { return d.kind == 'M' })
		want := fmt.Sprint(model{m, ran}.timeline(end))
		if got := "[" + line(c.transitions[""]) + "]"; got != want {
			rt.Fatalf("checks %v\ngot  %s\nwant %s", script(checks), got, want)
		}
		checkBooks(rt, c)
	})
}

func script(checks []drawn) string {
	out := ""
	for _, d := range checks {
		out += fmt.Sprintf("%c%d ", d.kind, d.sec)
	}
	return out
}

// checkBooks holds every timeline to its promises: numbered without a gap, never going back, and every change carrying the
// sum of what was before it.
func checkBooks(t *rapid.T, c *trial) {
	for region, list := range c.transitions {
		var sum Tally
		known := Status(0)
		for i, tr := range list {
			if int(tr.Seq) != i {
				t.Fatalf("region %q: transition %d has number %d", region, i, tr.Seq)
			}
			if i > 0 {
				before := list[i-1]
				if tr.Since.Before(before.Since) || tr.From != before.Status || tr.Status == before.Status {
					t.Fatalf("region %q: %v from %v at %v follows %v at %v", region, tr.Status, tr.From, tr.Since, before.Status, before.Since)
				}
				sum.add(before.Status, tr.Since.Sub(before.Since))
				if tr.Status == Down && known != Down {
					sum.Outages++
				}
			}
			if tr.Status.Known() {
				known = tr.Status
			}
			if tr.Before != sum {
				t.Fatalf("region %q: transition %d carries %+v, want %+v", region, i, tr.Before, sum)
			}
		}
		if region == "" {
			continue
		}
		if r := c.regions[region]; r.Timeline != list[len(list)-1].Timeline {
			t.Fatalf("region %q: state %+v, last transition %+v", region, r.Timeline, list[len(list)-1].Timeline)
		}
	}
}

func TestRepeatsAndStragglersChangeNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		checks := drawChecks(rt)
		c := newTrial(t, drawRules(rt))
		newest := -1
		for i, d := range checks {
			c.j.Result(at(d.sec), ptr(result(d.kind, "local", d.sec)))
			c.take()
			if d.kind != 'M' {
				newest = d.sec
			}
			old := checks[rapid.IntRange(0, i).Draw(rt, "repeat")]
			if old.sec > newest || old.kind == 'M' {
				continue
			}
			kind := rapid.SampledFrom([]byte("SDFOE")).Draw(rt, "other")
			c.j.Result(at(d.sec), ptr(result(kind, "local", old.sec)))
			if ch := c.j.Take(); !ch.Empty() {
				rt.Fatalf("repeating %v after %s: %+v", old, script(checks[:i+1]), ch)
			}
		}
	})
}

func TestOnlyTargetFaultsMakeDown(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := drawRules(rt)
		m.Regions = []string{"a", "b", "c"}
		m.Quorum = Quorum(rapid.SampledFrom([]string{"any", "majority", "all", "2"}).Draw(rt, "quorum"))
		c := newTrial(t, m)
		for _, d := range drawChecks(rt) {
			if d.kind == 'F' || d.kind == 'O' {
				d.kind = 'E'
			}
			region := rapid.SampledFrom(m.Regions).Draw(rt, "region")
			c.j.Result(at(d.sec), ptr(result(d.kind, region, d.sec)))
			c.j.Tick(at(d.sec + rapid.IntRange(0, 200).Draw(rt, "tick")))
			c.take()
		}
		for region, list := range c.transitions {
			for _, tr := range list {
				if tr.Status == Down {
					rt.Fatalf("%q went down: %s", region, line(list))
				}
			}
		}
		checkBooks(rt, c)
	})
}

// TestRestartChangesNothing runs the same results through a judge that is never stopped and one that is stopped again and
// again, knowing each time only what was stored.
func TestRestartChangesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := drawRules(rt)
		m.Regions = []string{"a", "b"}
		steady, shaken := newTrial(t, m), newTrial(t, m)
		for _, d := range drawChecks(rt) {
			region := rapid.SampledFrom(m.Regions).Draw(rt, "region")
			for _, c := range []*trial{steady, shaken} {
				c.j.Result(at(d.sec), ptr(result(d.kind, region, d.sec)))
				c.take()
			}
			if rapid.Bool().Draw(rt, "restart") {
				before := shaken.j
				shaken.restart()
				for id, s := range before.subjects { // who was heard is not stored; here nobody was away
					for i, r := range s.all {
						for _, now := range shaken.j.subjects[id].all {
							if now.Region == r.Region {
								now.heardUntil = s.all[i].heardUntil
							}
						}
					}
				}
			}
		}
		if d := cmp.Diff(steady.transitions, shaken.transitions); d != "" {
			rt.Fatalf("transitions differ (-steady +shaken):\n%s", d)
		}
		if d := cmp.Diff(steady.regions, shaken.regions, cmpopts.IgnoreUnexported(RegionState{})); d != "" {
			rt.Fatalf("regions differ (-steady +shaken):\n%s", d)
		}
		if words(steady.feed) != words(shaken.feed) {
			rt.Fatalf("feeds differ:\n%s\n%s", words(steady.feed), words(shaken.feed))
		}
		checkBooks(rt, shaken)
	})
}
