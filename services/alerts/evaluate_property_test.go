package alerts

import (
	"maps"
	"math"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// anyFeed draws a feed of one monitor.
func anyFeed(t *rapid.T) []Entry {
	statuses := []Status{StatusUp, StatusUp, StatusDegraded, StatusDown, StatusDown, StatusUnknown, StatusPaused, StatusMaintenance}
	outcomes := []Outcome{OutcomeSuccess, OutcomeSuccess, OutcomeFailure, OutcomeFailure, OutcomeTimeout, OutcomeError, OutcomeMissed}
	n := rapid.IntRange(0, 60).Draw(t, "entries")
	var out []Entry
	from, seq, at := Status(""), 0, 0
	for range n {
		at += rapid.IntRange(0, 30).Draw(t, "pause")
		switch rapid.IntRange(0, 6).Draw(t, "kind") {
		case 6:
			out = append(out, Entry{OrganizationID: testOrg, MonitorID: testMonitor, At: second(at)}) // a tick
		case 0, 1:
			to := rapid.SampledFrom(statuses).Draw(t, "to")
			seq += rapid.IntRange(1, 3).Draw(t, "gap")
			e := transition(seq, at, from, to)
			e.Transition.Failures = rapid.Uint32Range(0, 6).Draw(t, "failures")
			e.Transition.Down = testRegions[:rapid.IntRange(0, len(testRegions)).Draw(t, "down")]
			out, from = append(out, e), to
		case 2:
			percent := rapid.Float64Range(0, 100).Draw(t, "uptime")
			out = append(out, Entry{OrganizationID: testOrg, MonitorID: testMonitor, At: second(at), Uptime: &percent})
		default:
			seq += rapid.IntRange(1, 3).Draw(t, "gap")
			o := Observation{Region: rapid.SampledFrom(testRegions).Draw(t, "region"), Outcome: rapid.SampledFrom(outcomes).Draw(t, "outcome")}
			o.Failures = rapid.Uint32Range(0, 6).Draw(t, "streak")
			if o.Outcome == OutcomeSuccess || rapid.Bool().Draw(t, "earlier successes") {
				o.Successes = 1
				o.Slowest = time.Duration(rapid.IntRange(0, 2000).Draw(t, "ms")) * time.Millisecond
			}
			o.Status = rapid.SampledFrom([]Status{StatusUp, StatusDegraded, StatusDegraded, StatusDown, StatusUnknown}).Draw(t, "status")
			o.Down = testRegions[:rapid.IntRange(0, len(testRegions)).Draw(t, "down")]
			if rapid.Bool().Draw(t, "tls") {
				o.CertificateExpires = second(at).Add(time.Duration(rapid.IntRange(-5, 40).Draw(t, "days")) * 24 * time.Hour)
			}
			out = append(out, observation(seq, at, o))
		}
	}
	return out
}

func anyState(t *rapid.T) State {
	var s State
	for i := range rapid.IntRange(0, 3).Draw(t, "rules") {
		var c Conditions
		for c == (Conditions{}) {
			c = Conditions{
				Failures:     rapid.IntRange(0, 5).Draw(t, "failures"),
				ResponseTime: time.Duration(rapid.SampledFrom([]int{0, 500, 1500}).Draw(t, "ms")) * time.Millisecond,
				Uptime:       rapid.SampledFrom([]float64{0, 50, 99}).Draw(t, "uptime"),
				Certificate:  rapid.SampledFrom([]int{0, 0, 1, 14}).Draw(t, "certificate"),
				Regions:      rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "regions"),
				NoData:       time.Duration(rapid.SampledFrom([]int{0, 0, 10, 45}).Draw(t, "no data")) * time.Second,
			}
			if rapid.IntRange(0, 2).Draw(t, "percentile") == 0 {
				c.Percentile = Percentile{Of: rapid.SampledFrom([]float64{50, 75}).Draw(t, "of"), Above: 800 * time.Millisecond, Window: 10 * time.Minute}
			}
		}
		s.Rules = append(s.Rules, testRule(uint32(i+1), c))
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "channels") {
		events := rapid.SliceOfNDistinct(rapid.SampledFrom([]Event{EventDown, EventRecovery, EventDegraded}), 1, 3, rapid.ID).Draw(t, "events")
		s.Channels = append(s.Channels, testChannel(uint32(i+1), events...))
	}
	return s
}

// stepsInEarnest is how many entries the machines are held to their models for with FROGUP_TORTURE=1; in passing, some thousands.
const stepsInEarnest = 1_000_000

// The machines against models that remember everything and do everything at once.
func TestEvaluateAgainstModel(t *testing.T) {
	t.Parallel()
	steps, rounds := 0, 0
	for ok := true; ok; {
		rapid.Check(t, func(t *rapid.T) {
			entries, start := anyFeed(t), anyState(t)
			steps += len(entries)
			start.Flapping = anyFlapping(t)
			m := newMemory(start)
			for rest := entries; len(rest) > 0; {
				n := rapid.IntRange(1, len(rest)).Draw(t, "batch")
				m.feed(rest[:n]...)
				compareState(t, m)
				rest = rest[n:]
			}
			compareOutages(t, start.Flapping, entries, m)
			for _, r := range start.Rules {
				if start.Flapping.Changes == 0 { // what is told later then has a model of its own
					compareRule(t, r.Rule, entries, m)
				}
			}
			compareMessages(t, start, m)
			compareSteps(t, m)
			compareBacktest(t, start, entries, m)
		})
		rounds++
		ok = os.Getenv("FROGUP_TORTURE") != "" && steps < stepsInEarnest && !t.Failed()
	}
	t.Logf("%d steps in %d rounds", steps, rounds)
}

// compareBacktest replays the entries through the rules: they trigger and resolve as they did live, for the same reasons.
func compareBacktest(t *rapid.T, start State, entries []Entry, m *memory) {
	var rules []Rule
	for _, r := range start.Rules {
		rules = append(rules, r.Rule)
	}
	b := newBacktest(m.state.Monitor, time.Time{}, rules...)
	for _, e := range entries {
		b.take(e)
	}
	for _, r := range rules {
		var want []firing
		for _, id := range slices.Sorted(maps.Keys(m.triggers)) {
			if tr := m.triggers[id]; tr.RuleID == r.ID {
				want = append(want, firing{tr.TriggeredAt, tr.ResolvedAt, tr.Data})
			}
		}
		if diff := cmp.Diff(want, b.fired[r.ID].first, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("rule %+v, live and replayed (-want +got):\n%s", r.Conditions, diff)
		}
		if got := len(b.fired[r.ID].all); got != len(want) {
			t.Errorf("rule %+v: %d times, want %d", r.Conditions, got, len(want))
		}
	}
}

// anyFlapping is off in half of the stories.
func anyFlapping(t *rapid.T) Flapping {
	if rapid.Bool().Draw(t, "nothing is unstable") {
		return Flapping{}
	}
	within := rapid.SampledFrom([]int{30, 60, 200, 900}).Draw(t, "within")
	return Flapping{rapid.IntRange(MinFlapping, 5).Draw(t, "changes"), time.Duration(within) * time.Second}
}

// compareState checks what holds at any moment: a monitor that is down has one incident that is not settled, and one that is not down
// has none, unless it is unstable.
func compareState(t *rapid.T, m *memory) {
	unsettled := 0
	for _, i := range m.incidents {
		if !i.Settled {
			unsettled++
		}
	}
	switch inc, down := m.state.Incident, m.state.Known == StatusDown; {
	case unsettled > 1:
		t.Errorf("%d incidents are not settled", unsettled)
	case m.state.isDown() != down:
		t.Errorf("down: %t, and the incident says %+v", down, inc)
	case !down && inc != nil && !m.state.flaps():
		t.Errorf("incident %+v of a monitor that is neither down nor unstable", inc)
	case inc != nil && inc.flapping() != m.state.flaps():
		t.Errorf("incident %+v of a monitor that is unstable: %+v", inc, m.state.unstable())
	}
}

// outage is what the model says of an incident.
type outage struct {
	start, end  time.Time
	quiet       bool
	since, till time.Time // of being unstable
	changes     int
}

// outagesOf are the incidents that there are to be.
func outagesOf(f Flapping, entries []Entry) (want []outage) {
	m, up := flapModel{f: f}, time.Time{}
	for _, e := range entries {
		s := m.take(e)
		var last *outage // that goes on
		if n := len(want); n > 0 && want[n-1].end.IsZero() {
			last = &want[n-1]
		}
		if !s.steady.IsZero() {
			if last.till = s.steady; !s.wasDown {
				last.end, last = up, nil
			}
		}
		switch {
		case s.paused && last != nil:
			if s.isUnstable {
				last.till = e.At
			}
			if last.end = up; s.wasDown {
				last.end, last.quiet = e.At, true
			}
		case s.up && s.isUnstable:
			up, last.changes = e.At, last.changes+1
		case s.up:
			last.end = e.At
		case s.began:
			want = append(want, outage{start: e.At, since: e.At, changes: f.Changes})
		case s.changed && s.isUnstable:
			last.changes++
		case s.changed:
			want = append(want, outage{start: e.At})
		}
	}
	return want
}

// compareOutages holds the incidents to the model: every down has exactly one incident that goes on, and every end ends it.
func compareOutages(t *rapid.T, f Flapping, entries []Entry, m *memory) {
	want := outagesOf(f, entries)
	var got []outage
	for _, id := range slices.Sorted(maps.Keys(m.incidents)) {
		i := m.incidents[id]
		if i.Settled != !i.EndTime.IsZero() || i.Open() == i.Settled || i.FailureCount == 0 {
			t.Errorf("incident %d contradicts itself: %+v", id, i)
		}
		got = append(got, outage{
			start: i.StartTime, end: i.EndTime, quiet: i.ResolvedBy == resolvedBySystem, since: i.UnstableSince, till: i.UnstableUntil, changes: i.Changes,
		})
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(outage{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("outages (-want +got):\n%s", diff)
	}
}

// compareRule holds a rule to a model that keeps the last reading of everything.
func compareRule(t *rapid.T, r Rule, entries []Entry, m *memory) {
	failures, slowest, uptime := uint32(0), map[string]time.Duration{}, 100.0
	expires, some, blind, unseen := map[string]time.Duration{}, false, time.Time{}, false
	triggered, failed, slow := false, false, slowModel{p: r.Conditions.Percentile}
	var want []string
	settle := func() {
		holds := failed || some || unseen || slow.holds || r.Conditions.Uptime > 0 && uptime < r.Conditions.Uptime
		for _, d := range slowest {
			holds = holds || r.Conditions.ResponseTime > 0 && d > r.Conditions.ResponseTime
		}
		for _, d := range expires {
			holds = holds || r.Conditions.Certificate > 0 && d < time.Duration(r.Conditions.Certificate)*24*time.Hour
		}
		if holds != triggered {
			triggered = holds
			want = append(want, map[bool]string{true: TypeTriggered, false: TypeResolved}[holds])
		}
	}
	regions := func(status Status, down int) {
		switch enough := r.Conditions.Regions > 0 && down >= r.Conditions.Regions; status {
		case StatusDegraded:
			some = enough
		case StatusDown:
			some = some && enough
		case StatusUp:
			some = false
		}
	}
	for _, e := range entries {
		if n := r.Conditions.NoData; n > 0 && !blind.IsZero() && e.At.Sub(blind) >= n {
			unseen = true
			settle() // it was so before the entry came
		}
		if tr := e.Transition; tr != nil {
			switch {
			case tr.To != StatusUnknown:
				blind, unseen = time.Time{}, false
			case blind.IsZero():
				blind = e.At
			}
			regions(tr.To, len(tr.Down))
		}
		if o := e.Observation; o != nil {
			regions(o.Status, len(o.Down))
			if !o.CertificateExpires.IsZero() {
				expires[o.Region] = o.CertificateExpires.Sub(e.At)
			}
		}
		switch {
		case tick(e):
		case e.Uptime != nil:
			uptime = *e.Uptime
		case e.Observation != nil:
			if e.Observation.Outcome != OutcomeError && e.Observation.Outcome != OutcomeMissed {
				failures = e.Observation.Failures
			}
			if e.Observation.Successes > 0 {
				slowest[e.Observation.Region] = e.Observation.Slowest
				slow.take(e.At, e.Observation.Slowest)
			}
		case e.Transition.To == StatusPaused:
			failures, slowest, uptime, triggered, failed = 0, map[string]time.Duration{}, 100, false, false
			expires, some, slow = map[string]time.Duration{}, false, slowModel{p: slow.p}
		case e.Transition.To == StatusUp || e.Transition.To == StatusDegraded || e.Transition.To == StatusDown:
			failures = e.Transition.Failures
		}
		failed = failures > 0 && (failed || r.Conditions.Failures > 0 && failures >= uint32(r.Conditions.Failures))
		settle()
	}
	if diff := cmp.Diff(want, m.types(Target{TargetAlert, r.ID}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("rule %+v (-want +got):\n%s", r.Conditions, diff)
	}
	open := 0
	for _, tr := range m.triggers {
		if tr.RuleID == r.ID && tr.ResolvedAt.IsZero() {
			open++
		}
		if !tr.ResolvedAt.IsZero() && (tr.ResolvedAt.Before(tr.TriggeredAt) || tr.Holding.any()) {
			t.Errorf("trigger %+v contradicts itself", tr)
		}
	}
	if open > 1 || (open == 1) != triggered {
		t.Errorf("rule %d has %d open triggers, triggered = %t", r.ID, open, triggered)
	}
}

// slowModel keeps every response time and sorts them.
type slowModel struct {
	p     Percentile
	at    []time.Time
	times []time.Duration
	last  time.Time // above the threshold
	holds bool
}

func (s *slowModel) take(at time.Time, d time.Duration) {
	if s.p == (Percentile{}) {
		return
	}
	s.at, s.times = append(s.at, at), append(s.times, d)
	var window []time.Duration
	for i := range s.at {
		if slot := s.p.Window / windowSlots; s.at[i].UnixMilli()/slot.Milliseconds() > at.UnixMilli()/slot.Milliseconds()-windowSlots {
			window = append(window, s.times[i])
		}
	}
	if len(window) < minSamples {
		return
	}
	slices.Sort(window)
	if window[int(math.Ceil(float64(len(window))*s.p.Of/100))-1] > s.p.Above {
		s.last, s.holds = at, true
	} else if at.Sub(s.last) >= s.p.Window {
		s.holds = false
	}
}

func tick(e Entry) bool { return e.Transition == nil && e.Observation == nil && e.Uptime == nil }

// compareMessages wants every message to have a cause, an id of its own, and a target that asked for it.
func compareMessages(t *rapid.T, start State, m *memory) {
	seen := map[string]bool{}
	for _, msg := range m.messages {
		if seen[msg.ID] {
			t.Errorf("id %s was given twice", msg.ID)
		}
		seen[msg.ID] = true
		if msg.IncidentID != 0 && m.incidents[msg.IncidentID].ID == 0 {
			t.Errorf("message %s is about incident %d, which is not there", msg.ID, msg.IncidentID)
		}
	}
	for _, c := range start.Channels {
		downs := 0
		for _, kind := range m.types(Target{TargetChannel, c.ID}) {
			downs += map[string]int{TypeDown: 1}[kind]
		}
		if want := len(m.incidents) * map[bool]int{true: 1}[c.wants(EventDown)]; downs != want && start.Flapping.Changes == 0 {
			t.Errorf("channel %d was told of %d outages, want %d", c.ID, downs, want)
		}
	}
}

// Reading any part of the feed again changes nothing, and neither does the way it is cut into batches.
func TestFoldIsIdempotent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		entries, start := anyFeed(t), anyState(t)
		entries = slices.DeleteFunc(entries, func(e Entry) bool { return e.Seq == 0 })
		start.Flapping = anyFlapping(t)
		once, twice := newMemory(start), newMemory(start)
		once.feed(entries...)
		for i := 0; i < len(entries); {
			n := rapid.IntRange(i+1, len(entries)).Draw(t, "up to")
			again := rapid.IntRange(0, i).Draw(t, "from")
			twice.feed(entries[again:n]...)
			if b := twice.feed(entries[:n]...); len(b.Incidents)+len(b.Triggers)+len(b.Messages)+len(b.Known) != 0 {
				t.Fatalf("a repeat of %d entries did something: %+v", n, b)
			}
			i = n
		}
		opts := cmp.AllowUnexported(memory{})
		stamps := cmp.Comparer(func(a, b Stamp) bool { return time.Time(a).Equal(time.Time(b)) })
		if diff := cmp.Diff(once, twice, opts, stamps, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("(-once +again):\n%s", diff)
		}
	})
}

// Evaluate leaves what it was given alone.
func TestEvaluateIsPure(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		start := anyState(t)
		start.Flapping = anyFlapping(t)
		m := newMemory(start)
		for _, e := range anyFeed(t) {
			before := m.state
			copied := deepCopy(before)
			first, ids, effects := Evaluate(before, e, m.progress.IDs, second(1))
			again, ids2, effects2 := Evaluate(before, e, m.progress.IDs, second(1))
			opts := []cmp.Option{cmp.Comparer(func(a, b Stamp) bool { return time.Time(a).Equal(time.Time(b)) }), cmpopts.EquateEmpty()}
			if !reflect.DeepEqual(copied, before) { // cmp would take most of the test's time
				t.Fatalf("the state was changed:\n%s", cmp.Diff(copied, before, opts...))
			}
			if one, two := []any{first, ids, effects}, []any{again, ids2, effects2}; !reflect.DeepEqual(one, two) {
				t.Fatalf("two results:\n%s", cmp.Diff(one, two, opts...))
			}
			m.feed(e)
		}
	})
}

func deepCopy(s State) State {
	if s.Incident != nil {
		i := *s.Incident
		i.AffectedRegions = slices.Clone(i.AffectedRegions)
		s.Incident = &i
	}
	s.Rules = slices.Clone(s.Rules)
	for i := range s.Rules {
		if s.Rules[i].Open != nil {
			o := *s.Rules[i].Open
			o.Holding.Slow = slices.Clone(o.Holding.Slow)
			s.Rules[i].Open = &o
		}
	}
	return s
}
