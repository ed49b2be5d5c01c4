package alerts

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/frogstats/uptime/internal/maintenance"
)

// windowAt is a window for the test's monitor that comes once.
func windowAt(from, until int) MaintenanceWindow {
	return MaintenanceWindow{
		ID: 1, Version: 1, OrganizationID: testOrg, Target: maintenance.Target{MonitorIDs: []uint32{testMonitor}},
		Spec: maintenance.Spec{Start: second(from), End: second(until)}, From: second(0),
	}
}

func tickAt(at int) Entry {
	return Entry{OrganizationID: testOrg, MonitorID: testMonitor, At: second(at)}
}

// ends are the ways in which maintenance from 100 to 300 comes about.
var ends = map[string][]MaintenanceWindow{
	"a window":           {windowAt(100, 300)},
	"deleted early":      {func() MaintenanceWindow { w := windowAt(100, 900); w.Until = second(300); return w }()},
	"made while active":  {func() MaintenanceWindow { w := windowAt(20, 300); w.From = second(100); return w }()},
	"overlapping":        {windowAt(100, 220), windowAt(200, 300)},
	"one within another": {windowAt(100, 300), windowAt(150, 250)},
	"one after another":  {windowAt(100, 200), windowAt(200, 300)},
	"a rule": {{
		OrganizationID: testOrg, Target: maintenance.Target{Labels: []string{"team=db"}}, From: second(0),
		Spec: maintenance.Spec{Start: second(100), RRule: "FREQ=DAILY;COUNT=1", Length: 200},
	}},
	"shortened": {
		func() MaintenanceWindow { w := windowAt(100, 900); w.Until = second(210); return w }(),
		func() MaintenanceWindow { w := windowAt(100, 300); w.From, w.Version = second(210), 2; return w }(),
	},
	"shortened into the past": {
		func() MaintenanceWindow { w := windowAt(100, 900); w.Until = second(300); return w }(),
		func() MaintenanceWindow { w := windowAt(100, 250); w.From, w.Version = second(300), 2; return w }(),
	},
}

// differences is what is announced at the end, by what was so before and what is so after: to a channel of all events, and to a rule
// about two failures.
var differences = map[[2]Status][2][]string{
	{StatusUp, StatusUp}:             {},
	{StatusUp, StatusDegraded}:       {{TypeDegraded}, nil},
	{StatusUp, StatusDown}:           {{TypeDown}, {TypeTriggered}},
	{StatusDegraded, StatusUp}:       {{TypeRecovered}, nil},
	{StatusDegraded, StatusDegraded}: {},
	{StatusDegraded, StatusDown}:     {{TypeDown}, {TypeTriggered}},
	{StatusDown, StatusUp}:           {{TypeRecovered}, {TypeResolved}},
	{StatusDown, StatusDegraded}:     {{TypeRecovered}, {TypeResolved}},
	{StatusDown, StatusDown}:         {},
}

// The nine cells, whatever was so in between, in every way that maintenance ends.
func TestOnlyTheDifferenceIsAnnounced(t *testing.T) {
	t.Parallel()
	statuses := []Status{StatusUp, StatusDegraded, StatusDown}
	between := [][]Status{nil, {StatusUp}, {StatusDegraded}, {StatusDown}, {StatusUnknown}, {StatusUp, StatusDown}, {StatusDown, StatusUp}, {StatusDown, StatusUp, StatusDown, StatusUnknown}}
	for name, windows := range ends {
		for _, before := range statuses {
			for _, after := range statuses {
				for _, during := range between {
					t.Run(fmt.Sprint(name, " ", before, " ", during, " ", after), func(t *testing.T) {
						testDifference(t, windows, before, during, after)
					})
				}
			}
		}
	}
}

func testDifference(t *testing.T, windows []MaintenanceWindow, before Status, during []Status, after Status) {
	m := newMemory(State{
		Channels: []Channel{testChannel(1, EventDown, EventRecovery, EventDegraded)}, Rules: []RuleState{testRule(1, Conditions{Failures: 2})},
		Windows: windows,
	})
	m.state.Monitor.Labels = map[string]string{"team": "db"}
	seq, from := 0, Status("")
	goes := func(at int, to Status) {
		seq++
		e := transition(seq, at, from, to)
		if to != StatusDown {
			e.Transition.Failures = 0
		}
		m.feed(e)
		from = to
	}
	goes(50, before)
	known, told := [2]int{len(m.types(Target{TargetChannel, 1})), len(m.types(Target{TargetAlert, 1}))}, len(m.messages)
	at := 100
	for _, s := range append(slices.Clone(during), after) {
		goes(at, s)
		at += 30
	}
	m.feed(tickAt(299))
	if len(m.messages) != told {
		t.Fatalf("in maintenance %v was told", m.messages[told].Type)
	}
	m.feed(tickAt(301))
	want := differences[[2]Status{before, after}]
	if got := m.types(Target{TargetChannel, 1})[known[0]:]; !slices.Equal(got, want[0]) {
		t.Errorf("the channel was told %v, want %v", got, want[0])
	}
	if got := m.types(Target{TargetAlert, 1})[known[1]:]; !slices.Equal(got, want[1]) {
		t.Errorf("the rule told %v, want %v", got, want[1])
	}
	for _, msg := range m.messages[told:] {
		if !msg.OccurredAt.Equal(second(300)) {
			t.Errorf("%s occurred at %v, want the end", msg.Type, msg.OccurredAt)
		}
	}
	told = len(m.messages)
	m.feed(tickAt(302), tickAt(5000))
	if len(m.messages) != told {
		t.Errorf("told again: %v", m.messages[told].Type)
	}
	goes(6000, StatusUp) // what receivers know ends by the name under which they know it
	threads(t, m, Target{TargetChannel, 1})
	threads(t, m, Target{TargetAlert, 1})
}

// threads wants every thread of a target to begin with what opens it, and to be closed at most once, by what names it.
func threads(t interface{ Errorf(string, ...any) }, m *memory, to Target) {
	open := map[string]Message{}
	for _, msg := range m.messages {
		if msg.Target != to {
			continue
		}
		switch msg.Type {
		case TypeDown, TypeTriggered:
			if _, again := open[msg.Thread]; again {
				t.Errorf("%s was opened twice", msg.Thread)
			}
			open[msg.Thread] = msg
		case TypeRecovered, TypeResolved:
			first, opened := open[msg.Thread]
			switch {
			case msg.Type == TypeRecovered && msg.IncidentID == 0: // of degraded, a thread of its own
			case !opened:
				t.Errorf("%s was closed and never opened", msg.Thread)
			case msg.IncidentID != first.IncidentID && msg.Type == TypeRecovered,
				msg.Type == TypeRecovered && (msg.Content.Incident.ID != first.Content.Incident.ID || msg.Content.Incident.StartTime != first.Content.Incident.StartTime),
				msg.Type == TypeResolved && (msg.Content.Alert.HistoryID != first.Content.Alert.HistoryID || msg.Content.Alert.TriggeredAt != first.Content.Alert.TriggeredAt):
				t.Errorf("%s closes another than it opened", msg.Thread)
			}
			delete(open, msg.Thread)
		}
	}
}

// An outage that began in maintenance is kept and marked, though nobody is told.
func TestHistoryIsKeptInMaintenance(t *testing.T) {
	m := newMemory(State{
		Channels: []Channel{testChannel(1, EventDown, EventRecovery)}, Rules: []RuleState{testRule(1, Conditions{Failures: 2})},
		Windows: []MaintenanceWindow{windowAt(100, 300)},
	})
	works := transition(3, 200, StatusDown, StatusUp)
	works.Transition.Failures = 0
	m.feed(transition(1, 110, StatusUp, StatusDown), failing(2, 120, 3), works, transition(4, 400, StatusUp, StatusDown))
	if len(m.incidents) != 2 || !m.incidents[1].Maintenance || !m.incidents[1].Settled || m.incidents[1].FailureCount != 3 || m.incidents[2].Maintenance {
		t.Errorf("incidents %+v", m.incidents)
	}
	if len(m.triggers) != 2 || !m.triggers[1].Data.Maintenance || m.triggers[1].ResolvedAt.IsZero() || m.triggers[2].Data.Maintenance {
		t.Errorf("triggers %+v", m.triggers)
	}
	if got := m.types(Target{TargetChannel, 1}); !slices.Equal(got, []string{TypeDown}) || !m.messages[0].OccurredAt.Equal(second(400)) {
		t.Errorf("told %v", got)
	}
}

// What was still unread when maintenance was thought to be over is dealt with as if it had been read in time, as far as that can be.
func TestALateEntryOfMaintenance(t *testing.T) {
	m := newMemory(State{Channels: []Channel{testChannel(1, EventDown, EventRecovery)}, Windows: []MaintenanceWindow{windowAt(100, 300)}})
	m.feed(transition(1, 50, StatusUp, StatusDown), tickAt(150), tickAt(301))
	if got := m.types(Target{TargetChannel, 1}); !slices.Equal(got, []string{TypeDown}) {
		t.Fatalf("told %v", got)
	}
	m.feed(transition(2, 250, StatusDown, StatusUp))
	if !m.state.muted() || m.state.Overlay.Until.After(second(300)) {
		t.Fatalf("overlay %+v, want one that is looked at again at once", m.state.Overlay)
	}
	m.feed(tickAt(302))
	if got := m.types(Target{TargetChannel, 1}); !slices.Equal(got, []string{TypeDown, TypeRecovered}) {
		t.Errorf("told %v", got)
	}
}

// A monitor that loses its label leaves the window.
func TestLeavingAWindowByLabel(t *testing.T) {
	m := newMemory(State{Channels: []Channel{testChannel(1, EventDown, EventRecovery)}, Windows: []MaintenanceWindow{windowAt(100, 300)}})
	m.feed(transition(1, 110, StatusUp, StatusDown))
	m.state.Windows = nil
	m.feed(tickAt(150))
	if got := m.types(Target{TargetChannel, 1}); !slices.Equal(got, []string{TypeDown}) || m.state.Overlay != nil {
		t.Errorf("told %v, overlay %+v", got, m.state.Overlay)
	}
}

// A rule that was switched off in maintenance, and on again, resolves nothing that had ended without a word.
func TestARuleSwitchedOffInMaintenance(t *testing.T) {
	m := newMemory(State{Rules: []RuleState{testRule(1, Conditions{Failures: 2})}, Windows: []MaintenanceWindow{windowAt(100, 300)}})
	m.feed(failing(1, 50, 2), tickAt(150))
	ended := m.triggers[1].resolved(second(160))
	m.triggers[1] = ended
	m.state.Rules[0].Open = nil
	m.feed(passing(2, 170, 0), tickAt(310), failing(3, 400, 2))
	if got := m.types(Target{TargetAlert, 1}); !slices.Equal(got, []string{TypeTriggered, TypeTriggered}) {
		t.Errorf("told %v", got)
	}
	threads(t, m, Target{TargetAlert, 1})
}

func TestWindowsOf(t *testing.T) {
	mine, theirs, other := windowAt(1, 99), windowAt(1, 99), windowAt(1, 99)
	theirs.OrganizationID, other.Target = "other", maintenance.Target{Labels: []string{"team=web"}}
	all := []MaintenanceWindow{mine, theirs, other}
	m := Monitor{ID: testMonitor, OrganizationID: testOrg, Labels: map[string]string{"team": "db"}}
	if got := WindowsOf(all, m); len(got) != 1 || len(all) != 3 || all[1].OrganizationID != "other" {
		t.Errorf("%d windows of the monitor", len(got))
	}
}

func anyWindows(t *rapid.T) []MaintenanceWindow {
	var out []MaintenanceWindow
	for i := range rapid.IntRange(1, 4).Draw(t, "windows") {
		from := rapid.IntRange(0, 900).Draw(t, "from")
		w := windowAt(from, from+rapid.SampledFrom([]int{60, 61, 90, 200, 400}).Draw(t, "length"))
		w.ID = uint32(i + 1)
		if rapid.IntRange(0, 4).Draw(t, "cron") == 0 {
			w.Spec = maintenance.Spec{Start: second(from), Cron: "*/15 * * * *", Length: 120}
		}
		if rapid.Bool().Draw(t, "made late") {
			w.From = second(rapid.IntRange(0, 900).Draw(t, "made"))
		}
		if rapid.Bool().Draw(t, "ended early") {
			w.Until = w.From.Add(time.Duration(rapid.IntRange(0, 600).Draw(t, "ended")) * time.Second)
		}
		out = append(out, w)
	}
	return out
}

// inWindow is what the model knows of windows: it asks each, moment by moment.
func inWindow(windows []MaintenanceWindow, t time.Time) bool {
	return slices.ContainsFunc(windows, func(w MaintenanceWindow) bool {
		if t.Before(w.From) || !w.Until.IsZero() && !t.Before(w.Until) {
			return false
		}
		if w.Spec.Cron == "" {
			return !t.Before(w.Spec.Start) && t.Before(w.Spec.End)
		}
		begun := t.Truncate(15 * time.Minute)
		return !begun.Before(w.Spec.Start) && t.Before(begun.Add(2*time.Minute))
	})
}

// happening is one thing that the machine without windows did.
type happening struct {
	at     time.Time
	kind   string // of a message; "" for a state, and for a pause
	target Target
	known  Status // afterwards
	paused bool
}

// happenings runs the machine without windows over the entries.
func happenings(start State, entries []Entry) ([]happening, *memory) {
	start.Windows = nil
	m := newMemory(start)
	var out []happening
	for _, e := range entries {
		for _, msg := range m.feed(e).Messages {
			out = append(out, happening{at: msg.OccurredAt, kind: msg.Type, target: msg.Target})
		}
		out = append(out, happening{at: e.At, known: m.state.Known, paused: e.Transition != nil && e.Transition.To == StatusPaused})
	}
	return out, m
}

// expected is what is to be told to whom, by a model that goes second by second and knows nothing but tables.
func expected(start State, windows []MaintenanceWindow, all []happening, end time.Time) map[Target][]string {
	out := map[Target][]string{}
	open, told := map[Target]bool{}, map[Target]bool{} // of rules
	known, announced := Status(""), Status("")
	tell := func(to Target, kinds ...string) { out[to] = append(out[to], kinds...) }
	settle := func() {
		for _, c := range start.Channels {
			to, degradedToo := Target{TargetChannel, c.ID}, c.wants(EventDegraded) && c.wants(EventRecovery)
			switch {
			case announced != StatusDown && known == StatusDown && c.wants(EventDown):
				tell(to, TypeDown)
			case announced == StatusDown && known != StatusDown && known != "" && c.wants(EventRecovery):
				tell(to, TypeRecovered)
			case announced != StatusDegraded && known == StatusDegraded && c.wants(EventDegraded):
				tell(to, TypeDegraded)
			case announced == StatusDegraded && known == StatusUp && degradedToo:
				tell(to, TypeRecovered)
			}
		}
		for _, r := range start.Rules {
			if to := (Target{TargetAlert, r.Rule.ID}); open[to] != told[to] {
				tell(to, map[bool]string{true: TypeTriggered, false: TypeResolved}[open[to]])
			}
		}
		announced, told = known, maps.Clone(open)
	}
	muted := false
	for now := second(0); !now.After(end); now = now.Add(time.Second) {
		on := inWindow(windows, now)
		if muted && !on {
			settle()
		}
		muted = on
		for ; len(all) > 0 && !all[0].at.After(now); all = all[1:] {
			switch h := all[0]; {
			case h.paused:
				known, announced = h.known, h.known
				clear(open)
				clear(told)
			case h.kind == "":
				if known = h.known; !muted {
					announced = known
				}
			case h.target.Kind == TargetAlert:
				if open[h.target] = h.kind == TypeTriggered; !muted {
					told[h.target] = open[h.target]
					tell(h.target, h.kind)
				}
			case !muted:
				tell(h.target, h.kind)
			}
		}
	}
	return out
}

// The machine with windows against that model, and its history against the machine without any.
func TestMaintenanceAgainstModel(t *testing.T) {
	t.Parallel()
	steps, rounds, told := 0, 0, 0
	least := 25_000
	if os.Getenv("FROGUP_TORTURE") != "" {
		least = stepsInEarnest
	} else if testing.Short() {
		least = 1000
	}
	for ok := true; ok; {
		rapid.Check(t, func(t *rapid.T) {
			entries, start := anyFeed(t), anyState(t)
			start.Windows = anyWindows(t)
			const end = 4000
			entries = append(entries, tickAt(end))
			steps += len(entries)
			m := newMemory(start)
			for rest := entries; len(rest) > 0; {
				n := rapid.IntRange(1, len(rest)).Draw(t, "batch")
				m.feed(rest[:n]...)
				rest = rest[n:]
			}
			all, without := happenings(start, entries)
			want := expected(start, start.Windows, all, second(end))
			targets := []Target{}
			for _, c := range start.Channels {
				targets = append(targets, Target{TargetChannel, c.ID})
			}
			for _, r := range start.Rules {
				targets = append(targets, Target{TargetAlert, r.Rule.ID})
			}
			for _, to := range targets {
				if diff := cmp.Diff(want[to], m.types(to), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("told to %+v (-want +got):\n%s", to, diff)
				}
				told += len(want[to])
				if c := slices.IndexFunc(start.Channels, func(c Channel) bool { return to.Kind == TargetChannel && c.ID == to.ID }); to.Kind == TargetAlert ||
					start.Channels[c].wants(EventDown) && start.Channels[c].wants(EventRecovery) {
					threads(t, m, to)
				}
			}
			compareToldBacktest(t, start, entries, m)
			for _, i := range m.incidents {
				if i.Maintenance && !inWindow(start.Windows, i.CountedAt) && i.FailureCount == 1 {
					t.Errorf("incident %d is marked and did not begin in maintenance", i.ID)
				}
				i.Maintenance = false
				m.incidents[i.ID] = i
			}
			for _, tr := range m.triggers {
				if tr.Data.Maintenance != inWindow(start.Windows, tr.TriggeredAt) {
					t.Errorf("trigger %+v is marked wrongly", tr)
				}
				tr.Data.Maintenance = false
				m.triggers[tr.ID] = tr
			}
			if diff := cmp.Diff(without.incidents, m.incidents, butSteps); diff != "" {
				t.Errorf("incidents without windows and with (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(without.triggers, m.triggers); diff != "" {
				t.Errorf("history without windows and with (-want +got):\n%s", diff)
			}
			seen := map[string]bool{}
			for _, msg := range m.messages {
				if seen[msg.ID] {
					t.Errorf("id %s was given twice", msg.ID)
				}
				seen[msg.ID] = true
			}
			if m.state.muted() && !inWindow(start.Windows, second(end)) {
				t.Errorf("it is still in maintenance: %+v", m.state.Overlay)
			}
		})
		rounds++
		ok = steps < least && !t.Failed()
	}
	t.Logf("%d steps in %d rounds, %d messages", steps, rounds, told)
}
