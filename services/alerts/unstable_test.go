package alerts

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/frogstats/uptime/services/alerts/notify"
)

var fiveIn15 = Flapping{Changes: 5, Within: 15 * time.Minute}

func flapping(s State) *memory {
	s.Flapping = fiveIn15
	return newMemory(s)
}

// flaps lets the monitor go down and come up by turns, every so many seconds.
func flaps(m *memory, seq, from, times, every int) (last int) {
	for i := range times {
		to, was := StatusDown, StatusUp
		if i%2 == 1 {
			to, was = was, to
		}
		last = from + i*every
		e := transition(seq+i, last, was, to)
		if to == StatusUp {
			e.Transition.Failures = 0
		}
		m.feed(e)
	}
	return last
}

func TestUnstable(t *testing.T) {
	to := Target{TargetChannel, 1}
	m := flapping(State{Channels: []Channel{testChannel(1, EventDown, EventRecovery)}})
	last := flaps(m, 1, 0, 60, 60) // for an hour, and up in the end
	before := []string{TypeDown, TypeRecovered, TypeDown, TypeRecovered}
	if got, want := m.types(to), append(slices.Clone(before), TypeUnstable); !slices.Equal(got, want) {
		t.Fatalf("told %v, want %v", got, want)
	}
	m.feed(tickAt(last + 899))
	if n := len(m.messages); n != 5 {
		t.Fatalf("%d messages before it is steady", n)
	}
	m.feed(tickAt(last + 900))
	if got, want := m.types(to), append(slices.Clone(before), TypeUnstable, TypeStable); !slices.Equal(got, want) {
		t.Fatalf("told %v, want %v", got, want)
	}
	open, end := m.messages[4], m.messages[5]
	if !open.OccurredAt.Equal(second(240)) || open.Content.Unstable.Changes != 5 || open.Content.Unstable.Until != nil || open.Content.Status != StatusDown {
		t.Errorf("unstable: %+v", open)
	}
	if !end.OccurredAt.Equal(second(last+900)) || end.Content.Unstable.Changes != 60 || end.Content.Status != StatusUp || end.Thread != open.Thread {
		t.Errorf("stable: %+v", end)
	}
	w, again := open.words(second(241), ""), end.words(second(last+901), "")
	if w.Title != "api is unstable" || w.Action != notify.Trigger || !strings.Contains(w.Text, "5 times within 15 min. Single changes are not told until it has not changed for 15 min.") {
		t.Errorf("words %+v", w)
	}
	if again.Title != "api is steady again: up" || again.Action != notify.Resolve || again.Thread != w.Thread || !strings.Contains(again.Text, "It changed 60 times.") {
		t.Errorf("words %+v", again)
	}
	if open.IncidentID != 3 || end.IncidentID != 3 || open.Content.Incident.EndTime != nil || !time.Time(*end.Content.Incident.EndTime).Equal(second(last)) {
		t.Errorf("about incidents %d and %d: %+v, %+v", open.IncidentID, end.IncidentID, open.Content.Incident, end.Content.Incident)
	}
	if got, want := open.link("https://up.example.com"), "https://up.example.com/uptime/incidents/3"; got != want {
		t.Errorf("link %s, want %s", got, want)
	}
	if len(m.incidents) != 3 {
		t.Errorf("%d incidents, want the two outages before it was unstable, and one of the time in which it was", len(m.incidents))
	}
	if flaps(m, 100, last+1000, 3, 60); m.types(to)[6] != TypeDown { // what was before is forgotten
		t.Errorf("told %v", m.types(to))
	}
}

// What is down in the end is told so; what was told before, and is over, is told to be.
func TestUnstableEndsDown(t *testing.T) {
	to := Target{TargetChannel, 1}
	m := flapping(State{Channels: []Channel{testChannel(1, EventDown, EventRecovery)}})
	last := flaps(m, 1, 0, 7, 60)
	m.feed(tickAt(last + 900))
	want := []string{TypeDown, TypeRecovered, TypeDown, TypeRecovered, TypeUnstable, TypeStable, TypeDown}
	if got := m.types(to); !slices.Equal(got, want) {
		t.Fatalf("told %v, want %v", got, want)
	}
	e := transition(50, last+2000, StatusDown, StatusUp)
	m.feed(e)
	if got := m.types(to); got[len(got)-1] != TypeRecovered {
		t.Errorf("told %v", got)
	}
	threads(t, m, to)
	down, up := m.messages[6], m.messages[7]
	if down.IncidentID != 3 || up.IncidentID != 3 || down.dedupKey() != up.dedupKey() {
		t.Errorf("about incidents %d and %d", down.IncidentID, up.IncidentID)
	}
	if got := down.words(second(last+900), "").Text; !strings.Contains(got, "Since "+moment(second(last))+" (for 15 min)") {
		t.Errorf("words %q: it was up in between", got)
	}
	if got := up.words(second(last+2000), ""); got.Title != "api is up again after 33 min 20 s" || !strings.Contains(got.Text, "Down from "+moment(second(last))) {
		t.Errorf("words %+v", got)
	}
	i := m.incidents[3]
	if len(m.incidents) != 3 || !i.StartTime.Equal(second(240)) || !i.EndTime.Equal(second(last+2000)) || !i.UnstableUntil.Equal(second(last+900)) || i.Changes != 7 {
		t.Errorf("%d incidents, the last %+v", len(m.incidents), i)
	}
}

// A rule whose receivers know of nothing is told once, and that it is over in the end.
func TestRulesOfTheUnstable(t *testing.T) {
	m := flapping(State{Rules: []RuleState{testRule(1, Conditions{Failures: 2})}})
	last := flaps(m, 1, 0, 60, 60)
	m.feed(tickAt(last + 901))
	want := []string{TypeTriggered, TypeResolved, TypeTriggered, TypeResolved, TypeTriggered, TypeResolved}
	if got := m.types(Target{TargetAlert, 1}); !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
	if len(m.triggers) != 30 {
		t.Errorf("%d triggers are kept, want all 30", len(m.triggers))
	}
	threads(t, m, Target{TargetAlert, 1})
}

// In a window nothing is counted and nothing ends; afterwards it goes on from what was.
func TestUnstableInMaintenance(t *testing.T) {
	to := Target{TargetChannel, 1}
	m := flapping(State{Channels: []Channel{testChannel(1, EventDown, EventRecovery)}, Windows: []MaintenanceWindow{windowAt(300, 3000)}})
	flaps(m, 1, 0, 5, 60) // unstable at 240
	flaps(m, 10, 320, 3, 60)
	m.feed(transition(20, 500, StatusDown, StatusUp), tickAt(2000))
	if n := len(m.messages); n != 5 {
		t.Fatalf("%d messages in maintenance", n)
	}
	m.feed(tickAt(3001))
	want := []string{TypeDown, TypeRecovered, TypeDown, TypeRecovered, TypeUnstable, TypeStable}
	if got := m.types(to); !slices.Equal(got, want) || m.state.Overlay != nil {
		t.Errorf("told %v, want %v; overlay %+v", got, want, m.state.Overlay)
	}
	if i := m.incidents[3]; len(m.incidents) != 3 || !i.EndTime.Equal(second(500)) || !i.UnstableUntil.Equal(second(1140)) || m.messages[5].IncidentID != 3 {
		t.Errorf("%d incidents, the last %+v", len(m.incidents), i)
	}
	quiet := flapping(State{Channels: []Channel{testChannel(1, EventDown, EventRecovery)}, Windows: []MaintenanceWindow{windowAt(0, 400)}})
	flaps(quiet, 1, 0, 6, 60)
	quiet.feed(transition(20, 500, StatusUp, StatusDown))
	if got := quiet.types(to); !slices.Equal(got, []string{TypeDown}) {
		t.Errorf("after a window full of changes told %v", got)
	}
}

// flapModel says when a monitor is unstable; it remembers every change.
type flapModel struct {
	f           Flapping
	changes     []time.Time
	until       time.Time // of being unstable; zero while it is not
	down, blind bool
}

// flapStep is what an entry does by it.
type flapStep struct {
	steady                  time.Time // since when it is not unstable any more, if it was until the entry
	changed, began, paused  bool
	wasDown, isUnstable, up bool // before the entry; with it, until a pause; it works after a change
}

func (m *flapModel) take(e Entry) flapStep {
	s := flapStep{wasDown: m.down}
	if !m.until.IsZero() && !e.At.Before(m.until) && !m.blind {
		s.steady, m.until = m.until, time.Time{}
	}
	s.isUnstable = !m.until.IsZero()
	if e.Transition == nil {
		return s
	}
	to := e.Transition.To
	m.blind = to == StatusUnknown
	switch {
	case to == StatusPaused:
		m.changes, m.until, m.down, s.paused = nil, time.Time{}, false, true
		return s
	case to == StatusDown && !m.down, (to == StatusUp || to == StatusDegraded) && m.down:
		m.down, s.changed, s.up = !m.down, true, m.down
	default:
		return s
	}
	if s.isUnstable {
		m.until = e.At.Add(m.f.Within)
		return s
	}
	m.changes = append(m.changes, e.At)
	within := 0
	for _, c := range m.changes {
		if c.After(e.At.Add(-m.f.Within)) {
			within++
		}
	}
	if m.down && m.f.Changes > 0 && within >= m.f.Changes {
		m.changes, m.until = nil, e.At.Add(m.f.Within)
		s.began, s.isUnstable = true, true
	}
	return s
}

// expectedOfUnstable is what a channel is to be told.
func expectedOfUnstable(f Flapping, entries []Entry) (want []string) {
	m, told := flapModel{f: f}, false
	tell := func(down bool) {
		want, told = append(want, map[bool]string{true: TypeDown, false: TypeRecovered}[down]), down
	}
	for _, e := range entries {
		s := m.take(e)
		if !s.steady.IsZero() {
			if want = append(want, TypeStable); s.wasDown != told {
				tell(s.wasDown)
			}
		}
		switch {
		case s.paused:
			told = false
		case s.began:
			want = append(want, TypeUnstable)
		case s.changed && !s.isUnstable:
			tell(m.down)
		}
	}
	return want
}

// The machine that finds out what is unstable against that model; what is told begins and ends by turns, and the
// history of rules is as without.
func TestUnstableAgainstModel(t *testing.T) {
	t.Parallel()
	unstable := 0
	rapid.Check(t, func(t *rapid.T) {
		entries, start := anyFeed(t), anyState(t)
		entries = append(entries, tickAt(100_000))
		start.Channels = append(start.Channels, testChannel(9, EventDown, EventRecovery))
		f := Flapping{rapid.IntRange(MinFlapping, 5).Draw(t, "changes"), time.Duration(rapid.SampledFrom([]int{60, 200, 900}).Draw(t, "within")) * time.Second}
		plain := newMemory(start)
		plain.feed(entries...)
		start.Flapping = f
		m := newMemory(start)
		for rest := entries; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "batch")
			m.feed(rest[:n]...)
			compareState(t, m)
			rest = rest[n:]
		}
		to := Target{TargetChannel, 9}
		if diff := cmp.Diff(expectedOfUnstable(f, entries), m.types(to), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		threads(t, m, to)
		compareOutages(t, f, entries, m)
		if diff := cmp.Diff(plain.triggers, m.triggers); diff != "" {
			t.Errorf("history without and with (-want +got):\n%s", diff)
		}
		open := map[string]bool{}
		for _, msg := range m.messages {
			key := fmt.Sprint(msg.Target, msg.Thread)
			if msg.Opens() && open[key] || msg.Closes() && msg.Target == to && !open[key] {
				t.Errorf("%s %s of %s out of turn", msg.Type, msg.Thread, key)
			}
			open[key] = msg.Opens() || open[key] && !msg.Closes()
			if msg.Type == TypeUnstable {
				unstable++
			}
		}
		for _, r := range m.state.Rules { // what the receivers of rules know in the end is so
			rule := Target{TargetAlert, r.Rule.ID}
			threads(t, m, rule)
			// A pause ends a trigger without a word, so that only the last word before it can be wrong.
			if kinds := m.types(rule); r.Open != nil && (len(kinds) == 0 || kinds[len(kinds)-1] != TypeTriggered) {
				t.Errorf("rule %d is triggered, and its receivers were told %v", r.Rule.ID, kinds)
			}
		}
		if m.state.unstable() != nil && m.state.Blind.IsZero() {
			t.Errorf("still unstable: %+v", m.state.Overlay)
		}
	})
	if unstable == 0 {
		t.Error("nothing was ever unstable")
	}
}
