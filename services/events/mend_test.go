package events

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// shelf is a history and the timelines of a trial, as a draft reads them.
type shelf struct {
	c       *trial
	results []Result // in no order
}

func (s *shelf) Transitions(_ context.Context, q TransitionQuery) ([]Transition, error) {
	var out []Transition
	for i, t := range s.c.transitions[q.Region] {
		list := s.c.transitions[q.Region]
		if t.Since.Before(q.To) && (i+1 == len(list) || !list[i+1].Since.Before(q.From) && !(list[i+1].Since.Equal(q.From))) {
			out = append(out, t)
		}
	}
	slices.Reverse(out)
	return out[:min(len(out), q.Limit)], nil
}

func (s *shelf) List(_ context.Context, q ResultQuery) ([]Result, error) {
	out := s.sorted()
	slices.Reverse(out)
	out = slices.DeleteFunc(out, func(r Result) bool {
		return r.Region != q.Region || !r.ScheduledAt.Before(q.To) || r.ScheduledAt.Before(q.From)
	})
	return out[:min(len(out), q.Limit)], nil
}

func (s *shelf) Replay(_ context.Context, _ uint32, after map[string]time.Time, fn func(*Result) error) error {
	for _, r := range s.sorted() {
		if at, ok := after[r.Region]; !ok || !r.ScheduledAt.After(at) {
			continue
		}
		if err := fn(&r); err != nil {
			return err
		}
	}
	return nil
}

func (s *shelf) sorted() []Result {
	out := slices.Clone(s.results)
	slices.SortStableFunc(out, func(a, b Result) int { return a.ScheduledAt.Compare(b.ScheduledAt) })
	return out
}

// mend derives the past again from a second on.
func (s *shelf) mend(t interface{ Fatal(...any) }, sec, now int) {
	s.c.take()
	d := s.c.j.draft(7, at(sec))
	if err := d.derive(context.Background(), s, s); err != nil {
		t.Fatal(err)
	}
	if a := s.c.j.adopt(d, at(now), true); a != adopted {
		t.Fatal("not adopted: ", a)
	}
	s.c.take()
}

// live judges a result as it comes in.
func (s *shelf) live(x Result, now int) {
	s.c.j.Result(at(now), &x)
	s.c.take()
	s.results = append(s.results, x)
}

// feedTold is the announced states in their order.
func feedTold(feed []FeedItem) string {
	var out []string
	for _, f := range feed {
		if f.Transition != nil {
			out = append(out, fmt.Sprintf("%s@%d", f.Transition.Status, seconds(f.Transition.Since)))
		}
	}
	return strings.Join(out, " ")
}

// TestMending plays what comes in live, then what was made while nobody listened, and says what the timeline and the feed are.
func TestMending(t *testing.T) {
	tests := []struct {
		name             string
		change           func(*Monitor)
		live, late, want string
		told             string
	}{
		{"a silence is filled", nil, "S0 T100 S300", "S30 S60 S90 S120 S150 S180 S210 S240 S270", "unknown@-10 up@0", "up@0 unknown@70 up@300"},
		{"in part", nil, "S0 T100 S300", "S30 S60", "unknown@-10 up@0 unknown@130 up@300", "up@0 unknown@70 up@300"},
		{"an outage that is over is not announced", nil, "S0 T100 S300", "F30 F60 F90 S120 S150 S180 S210 S240 S270", "unknown@-10 up@0 down@30 up@120",
			"up@0 unknown@70 up@300"},
		{"one that goes on began earlier", nil, "S0 T100 F300 F310", "S30 F60 F90 F120 F150 F180 F210 F240 F270", "unknown@-10 up@0 down@60",
			"up@0 unknown@70 down@300"},
		{"one that goes on is announced when it is known to", nil, "S0 T100 F300", "S30 F60 F90 F120 F150 F180 F210 F240 F270", "unknown@-10 up@0 down@60",
			"up@0 unknown@70 down@60"},
		{"nobody has spoken yet", nil, "S0 T300", "S30 F60 F90", "unknown@-10 up@0 down@60 unknown@160", "up@0 unknown@70"},
		{"a result between two that confirmed one another", func(m *Monitor) { m.Interval = time.Minute }, "S0 F60 F120", "S90",
			"unknown@-10 up@0", "up@0 down@60 up@60"},
		{"observer faults", nil, "S0 T100 S300", "E30 E60 E90 S120 S150 S180 S210 S240 S270", "unknown@-10 up@0 unknown@30 up@120", "up@0 unknown@70 up@300"},
		{"a pause stays one", nil, "S0 D100 T101 A200 S210", "S30 S60 S80", "unknown@-10 up@0 paused@100 unknown@200 up@210",
			"up@0 unknown@70 paused@100 unknown@200 up@210"},
		{"a silence before a pause stays one", nil, "S0 T100 D500 T501", "S30", "unknown@-10 up@0 unknown@100 paused@500", "up@0 unknown@70 paused@500"},
		{"nothing new", nil, "S0 S30 S60 S90", "S30", "unknown@-10 up@0", "up@0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := rules()
			if tt.change != nil {
				tt.change(&m)
			}
			s := &shelf{c: newTrial(t, m)}
			now := 0
			for _, step := range strings.Fields(tt.live) {
				now = seconds(atScript(step))
				switch step[0] {
				case 'T':
					s.c.j.Tick(at(now))
				case 'D', 'A':
					s.c.j.Tick(at(now))
					edited := s.c.monitors[7]
					edited.Enabled, edited.UpdatedAt = step[0] == 'A', at(now)
					s.c.j.Upsert(at(now), edited)
				default:
					s.live(result(step[0], "local", now), now)
				}
				s.c.take()
			}
			first := -1
			for _, step := range strings.Fields(tt.late) {
				sec := seconds(atScript(step))
				if first < 0 {
					first = sec
				}
				x := result(step[0], "local", sec)
				if !slices.ContainsFunc(s.results, func(r Result) bool { return r.ScheduledAt.Equal(x.ScheduledAt) }) {
					s.results = append(s.results, x)
				}
			}
			s.mend(t, first, now+1)
			if got := line(s.c.transitions[""]); got != tt.want {
				t.Errorf("timeline %s\nwant     %s", got, tt.want)
			}
			if got := feedTold(s.c.feed); got != tt.told {
				t.Errorf("announced %s\nwant      %s", got, tt.told)
			}
			before := len(s.c.feed)
			s.mend(t, first, now+1)
			if got := line(s.c.transitions[""]); got != tt.want || len(s.c.feed) != before {
				t.Errorf("once more: %s, announced %s", got, feedTold(s.c.feed))
			}
		})
	}
}

// TestMendedIsAsIfNothingHadBeen cuts off parts of a random history, has them come in late, in parts, between what comes in
// live and across starts, and compares with a judge that got everything in time.
func TestMendedIsAsIfNothingHadBeen(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := drawRules(rt)
		if rapid.Bool().Draw(rt, "two regions") {
			m.Regions = []string{"a", "b"}
			m.Quorum = Quorum(rapid.SampledFrom([]string{"any", "majority", "all"}).Draw(rt, "quorum"))
		}
		steady, cut := newTrial(t, m), &shelf{c: newTrial(t, m)}
		type group struct{ results []Result }
		late := map[string]*group{}
		away := map[string]bool{}
		now := 0
		mend := func(region string) {
			g := late[region]
			n := rapid.IntRange(1, len(g.results)).Draw(rt, "part")
			part := g.results[:n]
			if g.results = g.results[n:]; len(g.results) == 0 {
				delete(late, region)
			}
			cut.results = append(cut.results, part...)
			cut.mend(rt, seconds(part[0].ScheduledAt), now)
		}
		for _, d := range drawChecks(rt) {
			region := rapid.SampledFrom(m.Regions).Draw(rt, "region")
			now = d.sec
			for _, c := range []*trial{steady, cut.c} {
				c.j.Tick(at(now))
				c.take()
			}
			x := result(d.kind, region, d.sec)
			steady.j.Result(at(now), ptr(x))
			steady.take()
			if rapid.IntRange(0, 5).Draw(rt, "cut") == 0 {
				away[region] = !away[region]
			}
			if away[region] {
				if late[region] == nil {
					late[region] = &group{}
				}
				late[region].results = append(late[region].results, x)
			} else {
				cut.live(x, now)
			}
			if late[region] != nil && !away[region] && rapid.Bool().Draw(rt, "backfill") {
				mend(region)
			}
			if rapid.IntRange(0, 9).Draw(rt, "restart") == 0 {
				cut.c.restart()
			}
		}
		now += rapid.IntRange(0, 300).Draw(rt, "end")
		for _, region := range slices.Sorted(keysOf(late)) {
			for late[region] != nil {
				mend(region)
			}
		}
		for _, c := range []*trial{steady, cut.c} {
			c.j.Tick(at(now))
			c.take()
		}
		sameInTheEnd(rt, m, steady, cut.c, at(now))
	})
}

// sameInTheEnd wants what was mended to tell what one tells that needed no mending, and to have announced it in order.
func sameInTheEnd(rt *rapid.T, m Monitor, steady, mended *trial, now time.Time) {
	for _, name := range append([]string{""}, m.Regions...) {
		want, got := steady.transitions[name], mended.transitions[name]
		if line(want) != line(got) {
			rt.Fatalf("region %q\ngot  %s\nwant %s", name, line(got), line(want))
		}
		w, g := want[len(want)-1].At(now), got[len(got)-1].At(now)
		if w != g {
			rt.Fatalf("region %q: adds up to %+v, want %+v", name, g, w)
		}
		if !slices.IsSortedFunc(got, func(a, b Transition) int { return cmp.Compare(a.Seq, b.Seq) }) {
			rt.Fatalf("region %q: numbers fall: %+v", name, got)
		}
	}
	checkSums(rt, mended)
	var told *Transition
	for _, f := range mended.feed {
		if f.Transition != nil {
			if told != nil && f.Transition.Seq <= told.Seq {
				rt.Fatalf("number %d was announced after %d", f.Transition.Seq, told.Seq)
			}
			told = f.Transition
		}
	}
	if st := mended.states[7]; told != nil && told.Status != st.Status {
		rt.Fatalf("last announced %s, now %s", told.Status, st.Status)
	}
}

func keysOf[K comparable, V any](m map[K]V) func(func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// checkSums holds every change to carrying the sum of what was before it.
func checkSums(t *rapid.T, c *trial) {
	for region, list := range c.transitions {
		for i := 1; i < len(list); i++ {
			want := list[i-1].At(list[i].Since)
			if list[i].Status == Down && list[i-1].Known != Down {
				want.Outages++
			}
			if list[i].Before != want {
				t.Fatalf("region %q: %s carries %+v, want %+v", region, line(list[i:i+1]), list[i].Before, want)
			}
		}
		if last := list[len(list)-1].Timeline; region == "" && c.states[7].Timeline != last || region != "" && c.regions[region].Timeline != last {
			t.Fatalf("region %q: its state is not its last interval", region)
		}
	}
}
