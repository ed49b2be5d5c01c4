package events

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// t0 is the moment that the tests count seconds from.
var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return t0.Add(time.Duration(seconds) * time.Second) }

func seconds(t time.Time) int { return int(t.Sub(t0) / time.Second) }

// rules is a monitor checked every 30 s with 10 s of time, so that nothing is known after 70 s of silence.
func rules(change ...func(*Monitor)) Monitor {
	m := Monitor{
		ID: 7, OrganizationID: "org", Name: "api", Kind: 1, URL: "https://example.com/", Enabled: true, Regions: []string{"local"},
		ConfirmDown: 2, ConfirmUp: 1, Interval: 30 * time.Second, Timeout: 10 * time.Second, Quorum: "majority", Version: 1,
		CreatedAt: at(-10), UpdatedAt: at(-10),
	}
	for _, c := range change {
		c(&m)
	}
	return m
}

// trial drives a judge and keeps everything that came out of it.
type trial struct {
	t           *testing.T
	j           *Judge
	transitions map[string][]Transition // by region; "" is the monitor
	feed        []FeedItem
	states      map[uint32]MonitorState
	regions     map[string]RegionState
	monitors    map[uint32]Monitor
}

func newTrial(t *testing.T, m Monitor) *trial {
	c := &trial{
		t: t, j: NewJudge(Snapshot{}), transitions: map[string][]Transition{}, states: map[uint32]MonitorState{},
		regions: map[string]RegionState{}, monitors: map[uint32]Monitor{},
	}
	c.j.Upsert(m.CreatedAt, m)
	c.take()
	return c
}

func (c *trial) take() Changes {
	ch := c.j.Take()
	for _, m := range ch.Mended {
		c.transitions[m.Region] = slices.DeleteFunc(c.transitions[m.Region], func(tr Transition) bool { return tr.Seq >= m.First })
	}
	for _, tr := range ch.Transitions {
		c.transitions[tr.Region] = append(c.transitions[tr.Region], tr)
	}
	for _, s := range ch.States {
		c.states[s.MonitorID] = s
	}
	for _, r := range ch.Regions {
		c.regions[r.Region] = r
	}
	for _, m := range ch.Monitors {
		c.monitors[m.ID] = m
	}
	c.feed = append(c.feed, ch.Feed...)
	return ch
}

// restart replaces the judge by one that knows only what was stored.
func (c *trial) restart() {
	c.take()
	var s Snapshot
	for _, m := range c.monitors {
		s.Monitors = append(s.Monitors, m)
	}
	for _, st := range c.states {
		s.States = append(s.States, st)
	}
	for _, r := range c.regions {
		r.heardUntil, r.dirty = time.Time{}, false
		s.Regions = append(s.Regions, r)
	}
	c.j = NewJudge(s)
}

// play runs a script of steps such as "S0 F30 E60 T100": success, target fault, observer fault, missed row or slow success
// (D) at a second, T is a tick, R a restart. A region other than the first is named before: "b:F30". A result that arrives
// later than it was due says when: "S30@90".
func (c *trial) play(script string) {
	c.t.Helper()
	for _, step := range strings.Fields(script) {
		region := c.monitors[7].Regions[0]
		if name, rest, ok := strings.Cut(step, ":"); ok {
			region, step = name, rest
		}
		kind, num, arrival := step[0], step[1:], ""
		num, arrival, _ = strings.Cut(num, "@")
		sec, err := strconv.Atoi(num)
		if err != nil {
			c.t.Fatalf("step %q: %v", step, err)
		}
		now := sec
		if arrival != "" {
			if now, err = strconv.Atoi(arrival); err != nil {
				c.t.Fatalf("step %q: %v", step, err)
			}
		}
		switch kind {
		case 'T':
			c.j.Tick(at(sec))
		case 'R':
			c.restart()
			c.j.Restored(at(sec))
		default:
			c.j.Result(at(now), ptr(result(kind, region, sec)))
		}
		c.take()
	}
}

func ptr[T any](v T) *T { return &v }

func result(kind byte, region string, sec int) Result {
	r := Result{
		MonitorID: 7, OrganizationID: "org", Region: region, ScheduledAt: at(sec), StartedAt: at(sec), Attempt: 1, ConfigVersion: 1,
		Outcome: Success, ResponseTime: 100 * time.Millisecond, NextScheduledAt: at(sec + 30),
	}
	switch kind {
	case 'D':
		r.ResponseTime = 3 * time.Second
	case 'F':
		r.Outcome, r.ErrorType, r.ErrorMessage = Failure, "connection_refused", "refused at "+strconv.Itoa(sec)
	case 'O':
		r.Outcome, r.ErrorType, r.ErrorMessage = Timeout, "connection_timeout", "timed out at "+strconv.Itoa(sec)
	case 'E':
		r.Outcome, r.ErrorType, r.ErrorMessage = ObserverFault, "resolver_unavailable", "no resolver at "+strconv.Itoa(sec)
	case 'M':
		r.Outcome, r.ErrorType, r.MissedCount, r.NextScheduledAt = Missed, "overload", 3, at(sec+90)
	}
	return r
}

// line writes a timeline as "unknown@-10 up@0"; intervals without length are left out.
func line(list []Transition) string {
	var out []string
	for i, tr := range list {
		if i+1 < len(list) && list[i+1].Since.Equal(tr.Since) {
			continue
		}
		word := fmt.Sprintf("%s@%d", tr.Status, seconds(tr.Since))
		if n := len(out); n > 0 && strings.HasPrefix(out[n-1], tr.Status.String()+"@") {
			continue // two stretches of one state that only an empty interval parts
		}
		out = append(out, word)
	}
	return strings.Join(out, " ")
}

func TestJudgeOneRegion(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Monitor)
		script string
		want   string
	}{
		{"nothing is known before the first check", nil, "T50", "unknown@-10"},
		{"the first success is enough", nil, "S0", "unknown@-10 up@0"},
		{"the first success is enough whatever brings it up again", func(m *Monitor) { m.ConfirmUp = 3 }, "S0", "unknown@-10 up@0"},
		{"one fault is a blip", nil, "S0 F30 S60", "unknown@-10 up@0"},
		{"two are down, from the first", nil, "S0 F30 F40", "unknown@-10 up@0 down@30"},
		{"timeouts are target faults too", nil, "S0 O30 F40", "unknown@-10 up@0 down@30"},
		{"one is down if one is to be enough", func(m *Monitor) { m.ConfirmDown = 1 }, "S0 F30", "unknown@-10 up@0 down@30"},
		{"down at once needs confirming too", nil, "F0 F10", "unknown@-10 down@0"},
		{"recovery", nil, "S0 F30 F40 S60", "unknown@-10 up@0 down@30 up@60"},
		{"recovery is confirmed, and counts from its first success", func(m *Monitor) { m.ConfirmUp = 2 }, "S0 F30 F40 S60 F90 S120 S150", "unknown@-10 up@0 down@30 up@120"},
		{"observer faults never make down", nil, "S0 E30 E60 E90 E120 T300", "unknown@-10 up@0 unknown@30"},
		{"one observer fault is nothing", nil, "S0 E30 S60", "unknown@-10 up@0"},
		{"observer faults do not interrupt a streak", nil, "S0 F30 E35 F40", "unknown@-10 up@0 down@30"},
		{"blindness does", nil, "S0 F30 E35 E40 F45", "unknown@-10 up@0 unknown@35"},
		{"an outage goes on after blindness", nil, "S0 F30 F40 E60 E70 F90", "unknown@-10 up@0 down@30 unknown@60 down@90"},
		{"blindness ends with a success", nil, "S0 E30 E60 S90", "unknown@-10 up@0 unknown@30 up@90"},
		{"silence is unknown from the deadline on", nil, "S0 T69 T70", "unknown@-10 up@0 unknown@70"},
		{"silence is noticed by the next result as well", nil, "S0 S200", "unknown@-10 up@0 unknown@70 up@200"},
		{"what came before silence confirms nothing", nil, "S0 F30 F200 T201", "unknown@-10 up@0 unknown@100"},
		{"and is confirmed after it as ever", nil, "S0 F30 F200 F210", "unknown@-10 up@0 unknown@100 down@200"},
		{"an outage goes on after silence", nil, "S0 F30 F40 T300 F310", "unknown@-10 up@0 down@30 unknown@110 down@310"},
		{"late results fill the silence", nil, "S0 T100 S30@101 S60@101 S90@101", "unknown@-10 up@0"},
		{"late results tell of what was", nil, "S0 T400 S60@401 F120@401 F130@401 S180@401 S240@401 S300@401 S360@401", "unknown@-10 up@0 down@120 up@180"},
		{"what arrives late keeps the deadline off", nil, "S0 S30@200 T201 S60@202", "unknown@-10 up@0"},
		{"stragglers change nothing", nil, "S0 S60 F30@61 F31@62 F60@63", "unknown@-10 up@0"},
		{"missed slots say nothing", nil, "S0 M30 M60", "unknown@-10 up@0"},
		{"and end in unknown", nil, "S0 M30 M60 T71", "unknown@-10 up@0 unknown@70"},
		{"a check overtaken by the missed slots after it counts", func(m *Monitor) { m.ConfirmDown = 1 }, "S0 M35 O30@61", "unknown@-10 up@0 down@30"},
		{"slow is degraded", func(m *Monitor) { m.DegradedAbove = time.Second }, "S0 D30 S60", "unknown@-10 up@0 degraded@30 up@60"},
		{"degraded goes down like up", func(m *Monitor) { m.DegradedAbove = time.Second }, "D0 F30 F40 D60", "unknown@-10 degraded@0 down@30 degraded@60"},
		{"a short stop leaves no trace", nil, "S0 R60 S60@62", "unknown@-10 up@0"},
		{"a long one leaves none either if the prober kept the results", nil, "S0 R600 S30@601 T602 S60@602 S90@602 S120@602", "unknown@-10 up@0"},
		{"if not, the gap is unknown from the deadline to the first check", nil, "S0 R600 T601 S605", "unknown@-10 up@0 unknown@70 up@605"},
		{"grace after a start is 40 s here", nil, "S0 R600 T639", "unknown@-10 up@0"},
		{"and ends", nil, "S0 R600 T639 T640", "unknown@-10 up@0 unknown@70"},
		{"and is not given twice", nil, "S0 R600 R630 R639 T641", "unknown@-10 up@0 unknown@70"},
		{"a streak survives a start", nil, "S0 F30 R35 F40", "unknown@-10 up@0 down@30"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := rules()
			if tt.change != nil {
				tt.change(&m)
			}
			c := newTrial(t, m)
			c.play(tt.script)
			if got := line(c.transitions[""]); got != tt.want {
				t.Errorf("monitor: got %q, want %q", got, tt.want)
			}
			if got := line(c.transitions["local"]); got != tt.want {
				t.Errorf("region: got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestJudgeManyRegions(t *testing.T) {
	regions := func(q Quorum, names ...string) func(*Monitor) {
		return func(m *Monitor) { m.Regions, m.Quorum = names, q }
	}
	tests := []struct {
		name   string
		change func(*Monitor)
		script string
		want   string
	}{
		{"majority of two is two", regions("majority", "a", "b"), "a:S0 b:S1 a:F30 a:F40", "unknown@-10 up@0 degraded@30"},
		{"down since the quorum was reached", regions("majority", "a", "b"), "a:S0 b:S1 a:F30 b:F31 a:F40 b:F41", "unknown@-10 up@0 degraded@30 down@31"},
		{"any", regions("any", "a", "b"), "a:S0 b:S1 b:F31 b:F41", "unknown@-10 up@0 down@31"},
		{"all of three", regions("all", "a", "b", "c"), "a:S0 b:S1 c:S2 a:F30 b:F31 a:F40 b:F41 c:F32 c:F42", "unknown@-10 up@0 degraded@30 down@32"},
		{"a number", regions("2", "a", "b", "c"), "a:S0 b:S1 c:S2 a:F30 b:F31 a:F40 b:F41", "unknown@-10 up@0 degraded@30 down@31"},
		{"a dead region lowers the denominator", regions("majority", "a", "b"), "a:S0 b:S1 a:F30 a:F40 a:F60 T72", "unknown@-10 up@0 degraded@30 down@71"},
		{"one eye is enough to be up", regions("majority", "a", "b"), "a:S0 b:S1 a:S30 a:S60 a:S90 T95", "unknown@-10 up@0"},
		{"unknown when the last one closes", regions("majority", "a", "b"), "a:S0 b:S1 a:S30 T71 T99 T100", "unknown@-10 up@0 unknown@100"},
		{"one slow region degrades", func(m *Monitor) { regions("majority", "a", "b")(m); m.DegradedAbove = time.Second }, "a:S0 b:D1", "unknown@-10 up@0 degraded@1"},
		{"an unknown region has no vote", regions("majority", "a", "b"), "a:S0", "unknown@-10 up@0"},
		{"regions that are not set have none", regions("any", "a"), "a:S0 x:F5 x:F6", "unknown@-10 up@0"},
		{"a short stop announces nothing while backlogs arrive in turn", regions("majority", "a", "b"),
			"a:F0 b:S1 a:F10 R200 a:F40@201 a:F70@201 a:F100@201 b:S31@202 b:S61@202 b:S91@202 b:S121@202", "unknown@-10 degraded@1"},
		{"after a gap the held region still has its vote", regions("any", "a", "b"), "a:S0 b:F1 b:F11 R600 a:S610 b:F612", "unknown@-10 up@0 down@1 unknown@81 down@610"},
		{"until grace is over", regions("any", "a", "b"), "a:S0 b:F1 b:F11 R600 a:S610 T639 T640", "unknown@-10 up@0 down@1 unknown@81 down@610 up@640"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := rules()
			tt.change(&m)
			c := newTrial(t, m)
			c.play(tt.script)
			if got := line(c.transitions[""]); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestNeed(t *testing.T) {
	tests := []struct {
		q    Quorum
		n    int
		want int
	}{
		{"any", 1, 1}, {"any", 5, 1}, {"all", 1, 1}, {"all", 5, 5}, {"majority", 1, 1}, {"majority", 2, 2}, {"majority", 3, 2},
		{"majority", 4, 3}, {"majority", 5, 3}, {"2", 5, 2}, {"2", 1, 1}, {"99", 3, 3}, {"", 3, 2}, {"0", 3, 2},
	}
	for _, tt := range tests {
		if got := tt.q.need(tt.n); got != tt.want {
			t.Errorf("%q of %d: got %d, want %d", tt.q, tt.n, got, tt.want)
		}
	}
}

func TestTransitionTellsWhy(t *testing.T) {
	c := newTrial(t, rules())
	c.play("S0 F30 O40")
	var got []Transition
	for _, f := range c.feed {
		if f.Transition != nil {
			got = append(got, *f.Transition)
		}
	}
	want := []Transition{
		{
			MonitorID: 7, From: Unknown, NotedAt: at(0), CauseAt: at(0), Regions: []string{"local"},
			Timeline: Timeline{Status: Up, Since: at(0), Seq: 1, Known: Up, Before: Tally{Unknown: 10 * time.Second}},
		},
		{
			MonitorID: 7, From: Up, NotedAt: at(40), CauseAt: at(40), Regions: []string{"local"}, Down: []string{"local"}, ErrorType: "connection_timeout",
			ErrorMessage: "timed out at 40", ConsecutiveFailures: 2,
			Timeline: Timeline{Status: Down, Since: at(30), Seq: 2, Known: Down, Before: Tally{Unknown: 10 * time.Second, Up: 30 * time.Second, Outages: 1}},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("transitions (-want +got):\n%s", d)
	}
}
