package events

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestReplayWithAnotherQuorum judges a random history of two regions live, twice, and replays each as if it had the quorum of the other.
func TestReplayWithAnotherQuorum(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := drawRules(rt)
		m.Regions = []string{"a", "b"}
		other := m
		m.Quorum, other.Quorum = "all", "any"
		s, o := &shelf{c: newTrial(t, m)}, &shelf{c: newTrial(t, other)}
		now := 0
		for _, d := range drawChecks(rt) {
			now = d.sec
			region := rapid.SampledFrom(m.Regions).Draw(rt, "region")
			for _, x := range []*shelf{s, o} {
				x.c.j.Tick(at(now))
				x.c.take()
				x.live(result(d.kind, region, d.sec), now)
			}
		}
		now += rapid.IntRange(1, 300).Draw(rt, "end")
		for _, x := range []*shelf{s, o} {
			x.c.j.Tick(at(now))
			x.c.take()
		}
		for _, pair := range [][2]*shelf{{s, o}, {o, s}} {
			supposed := pair[0].c.monitors[7]
			supposed.Quorum = pair[1].c.monitors[7].Quorum
			told, _ := pair[0].replay(rt, supposed, -10, now, false)
			if diff := cmp.Diff(saidBy(pair[1].c.feed), toldBy(told)); diff != "" {
				rt.Fatalf("announced with %s, replayed as such (-want +got):\n%s", supposed.Quorum, diff)
			}
		}
	})
}

// Outages in maintenance count for no sample of uptime, nor for what the range adds up to.
func TestReplayLeavesMaintenanceOut(t *testing.T) {
	s := &shelf{c: newTrial(t, rules())}
	const hour = 3600
	for sec := 0; sec < 30*hour; sec += 30 {
		kind := byte('S')
		if sec >= 2*hour && sec < 3*hour || sec >= 25*hour && sec < 26*hour {
			kind = 'F'
		}
		s.c.j.Tick(at(sec))
		s.c.take()
		s.live(result(kind, "local", sec), sec)
	}
	for _, tt := range []struct {
		name    string
		windows []span
		whole   bool // every sample is 100 %
	}{
		{"with windows", []span{{at(2*hour - 60), at(3*hour + 60)}, {at(25*hour - 60), at(26*hour + 60)}}, true},
		{"with a window that lasts on", []span{{at(2*hour - 60), at(3*hour + 60)}, {at(25*hour - 60), at(99 * hour)}}, true},
		{"without", nil, false},
	} {
		p := newReplay(s.c.monitors[7], []string{"local"}, at(4*hour), at(29*hour))
		samples, below := 0, 0
		p.uptime, p.windows, p.tell = true, tt.windows, func(r replayed) error {
			if r.Item == nil {
				if samples++; r.Uptime == nil || *r.Uptime != 100 {
					below++
				}
			}
			return nil
		}
		g, err := p.run(context.Background(), s, s)
		if err != nil {
			t.Fatal(err)
		}
		if samples < 1000 || tt.whole != (below == 0) {
			t.Errorf("%s: %d of %d samples are below 100 %%", tt.name, below, samples)
		}
		var want time.Duration
		for _, w := range tt.windows {
			if w.to.After(at(4 * hour)) {
				want += earlier(w.to, at(29*hour)).Sub(w.from)
			}
		}
		if g.Tally.Maintenance != want || tt.whole != (g.Tally.Down == 0) || g.Tally.Total() != 25*time.Hour {
			t.Errorf("%s: adds up to %+v, want %v of maintenance", tt.name, g.Tally, want)
		}
	}
}
