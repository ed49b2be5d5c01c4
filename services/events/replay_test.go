package events

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// replayed replays a range, given in seconds, of what the shelf holds.
func (s *shelf) replay(t interface{ Fatal(...any) }, m Monitor, from, to int, uptime bool) ([]replayed, gist) {
	var regions []string
	for name := range s.c.regions {
		regions = append(regions, name)
	}
	slices.Sort(regions)
	p := newReplay(m, regions, at(from), at(to))
	var told []replayed
	p.uptime, p.tell = uptime, func(r replayed) error {
		if r.Item != nil {
			item := *r.Item
			r.Item = &item
		}
		told = append(told, r)
		return nil
	}
	g, err := p.run(context.Background(), s, s)
	if err != nil {
		t.Fatal(err)
	}
	return told, g
}

// say writes an item with all that readers of the feed see of it.
func say(f *FeedItem) string {
	if t := f.Transition; t != nil {
		return fmt.Sprintf("%d %s>%s since %d %v %v %d %q %q %s", seconds(f.At), t.From, t.Status, seconds(t.Since), t.Regions, t.Down, t.ConsecutiveFailures, t.ErrorType, t.ErrorMessage, t.Reason)
	}
	o := f.Observation
	return fmt.Sprintf("%d %s:%s %d failures, %s, %d successes %v %v %q %v", seconds(f.At), o.Result.Region, o.Result.Outcome, o.ConsecutiveFailures, o.Status, o.Successes,
		o.MeanResponse, o.MaxResponse, o.Result.ErrorMessage, o.Down)
}

func saidBy(feed []FeedItem) (out []string) {
	for i := range feed {
		out = append(out, say(&feed[i]))
	}
	return out
}

func toldBy(told []replayed) (out []string) {
	for _, r := range told {
		if r.Item != nil {
			out = append(out, say(r.Item))
		}
	}
	return out
}

// TestReplayIsWhatWasAnnounced judges a random history live, with pauses and starts, and replays it from the results alone.
func TestReplayIsWhatWasAnnounced(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := drawRules(rt)
		if rapid.Bool().Draw(rt, "two regions") {
			m.Regions = []string{"a", "b"}
			m.Quorum = Quorum(rapid.SampledFrom([]string{"any", "majority", "all"}).Draw(rt, "quorum"))
		}
		s := &shelf{c: newTrial(t, m)}
		now := 0
		for _, d := range drawChecks(rt) {
			now = d.sec
			s.c.j.Tick(at(now))
			s.c.take()
			if rapid.IntRange(0, 12).Draw(rt, "switch") == 0 {
				edited := s.c.monitors[7]
				edited.Enabled, edited.UpdatedAt = !edited.Enabled, at(now)
				s.c.j.Upsert(at(now), edited)
				s.c.take()
				continue // nothing runs at the moment of an edit
			}
			if s.c.monitors[7].Enabled {
				s.live(result(d.kind, rapid.SampledFrom(m.Regions).Draw(rt, "region"), d.sec), now)
			}
			if rapid.IntRange(0, 9).Draw(rt, "restart") == 0 {
				s.c.restart()
			}
		}
		now += rapid.IntRange(1, 300).Draw(rt, "end")
		s.c.j.Tick(at(now))
		s.c.take()

		told, g := s.replay(rt, s.c.monitors[7], -10, now, false)
		if diff := cmp.Diff(saidBy(s.c.feed), toldBy(told)); diff != "" {
			rt.Fatalf("announced, replayed (-want +got):\n%s", diff)
		}
		if want := s.c.states[7].At(at(now)); g.Tally != want {
			rt.Fatalf("adds up to %+v, want %+v", g.Tally, want)
		}
		ran := 0
		for _, x := range s.results {
			if x.Outcome != Missed {
				ran++
			}
		}
		if g.Checks != int64(ran) {
			rt.Fatalf("%d checks, want %d", g.Checks, ran)
		}
		var blind time.Duration
		for _, x := range g.Unknown {
			blind += x.End.Sub(x.Start)
		}
		if want := g.Tally.Unknown + g.Tally.Paused; g.Blind <= longestAtMost && blind != want {
			rt.Fatalf("stretches of %v are not known, want %v", blind, want)
		}
	})
}

func TestReplayOfARange(t *testing.T) {
	const script = "S0 S30 F60 F70 F80 S90 S120 F300 F310"
	tests := []struct {
		name     string
		from, to int
		change   func(*Monitor)
		want     string
		blind    string
	}{
		{"from within", 75, 130, nil, "down@60:2 failure >up@90 success success", ""},
		{"from a silence", 250, 320, nil, "unknown@190:0 failure >down@300 failure", "250-300"},
		{"until a silence", 100, 250, nil, "up@90:0 success >unknown@190", "190-250"},
		{"nothing in it", 200, 250, nil, "unknown@190:0", "200-250"},
		{"before there was anything", -300, -100, nil, "", ""},
		{"from before there was anything", -300, 40, nil, ">up@0 success success", "-10-0"},
		{"confirming more", 50, 130, func(m *Monitor) { m.ConfirmDown = 4 }, "up@0:0 failure failure failure success success", ""},
		{"confirming less", 50, 130, func(m *Monitor) { m.ConfirmDown = 1 }, "up@0:0 >down@60 failure failure failure >up@90 success success", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &shelf{c: newTrial(t, rules())}
			for _, step := range strings.Fields(script) {
				now := seconds(atScript(step))
				s.c.j.Tick(at(now))
				s.c.take()
				s.live(result(step[0], "local", now), now)
			}
			m := s.c.monitors[7]
			if tt.change != nil {
				tt.change(&m)
			}
			told, g := s.replay(t, m, tt.from, tt.to, false)
			var out []string
			for i, r := range told {
				switch tr := r.Item.Transition; {
				case tr == nil:
					out = append(out, r.Item.Observation.Result.Outcome.String())
				case i == 0 && tr.From == 0:
					out = append(out, fmt.Sprintf("%s@%d:%d", tr.Status, seconds(tr.Since), tr.ConsecutiveFailures))
				default:
					out = append(out, fmt.Sprintf(">%s@%d", tr.Status, seconds(tr.Since)))
				}
				if r.Item.At.Before(at(tt.from)) {
					t.Errorf("entry of %d", seconds(r.Item.At))
				}
			}
			if got := strings.Join(out, " "); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			var blind []string
			for _, x := range g.Unknown {
				blind = append(blind, fmt.Sprintf("%d-%d", seconds(x.Start), seconds(x.End)))
			}
			if got := strings.Join(blind, " "); got != tt.blind {
				t.Errorf("not known: %s, want %s", got, tt.blind)
			}
		})
	}
}

// TestReplaySamplesUptime holds each sample to what the timelines of the trial add up to.
func TestReplaySamplesUptime(t *testing.T) {
	s := &shelf{c: newTrial(t, rules())}
	const hour = 3600
	for sec := 0; sec < 30*hour; sec += 30 {
		kind := byte('S')
		switch {
		case sec >= 2*hour && sec < 3*hour, sec >= 25*hour && sec < 26*hour:
			kind = 'F'
		case sec >= 10*hour && sec < 11*hour:
			continue
		}
		s.c.j.Tick(at(sec))
		s.c.take()
		s.live(result(kind, "local", sec), sec)
	}
	told, _ := s.replay(t, s.c.monitors[7], 4*hour, 29*hour, true)
	n, last := 0, time.Time{}
	for _, r := range told {
		if r.Item != nil {
			continue
		}
		n++
		tally := func(at time.Time) (sum Tally) {
			for _, line := range s.c.transitions[""] {
				if line.Since.Before(at) {
					sum = line.At(at)
				}
			}
			return sum
		}
		want := percentage(tally(r.At).Sub(tally(r.At.Add(-24*time.Hour))), DegradedIsUp)
		if diff := cmp.Diff(want, r.Uptime); diff != "" {
			t.Fatalf("at %d (-want +got):\n%s", seconds(r.At), diff)
		}
		if r.At.Sub(last) < time.Minute {
			t.Fatalf("sampled at %v and %v", last, r.At)
		}
		last = r.At
	}
	if n < 24*60-70 || n > 25*60 {
		t.Errorf("%d samples", n)
	}
}
