package alerts

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// recovers is a change to up.
func recovers(seq, at int) Entry {
	e := transition(seq, at, StatusDown, StatusUp)
	e.Transition.Failures = 0
	return e
}

// unstableAt240 is a monitor whose third outage makes it unstable; the two before are incidents 1 and 2.
func unstableAt240(s State) *memory {
	m := flapping(s)
	flaps(m, 1, 0, 5, 60)
	return m
}

func (m *memory) wantIncident(t *testing.T, id uint32, want Incident) {
	t.Helper()
	got := m.incidents[id]
	for _, times := range [][2]time.Time{
		{want.StartTime, got.StartTime}, {want.EndTime, got.EndTime}, {want.UnstableSince, got.UnstableSince}, {want.UnstableUntil, got.UnstableUntil},
		{want.UpSince, got.UpSince}, {want.DownSince, got.DownSince},
	} {
		if !times[0].Equal(times[1]) {
			t.Errorf("incident %d:\n%+v, want\n%+v", id, got, want)
			return
		}
	}
	if got.Settled != want.Settled || got.ResolvedBy != want.ResolvedBy || got.Changes != want.Changes || got.FailureCount != want.FailureCount {
		t.Errorf("incident %d:\n%+v, want\n%+v", id, got, want)
	}
}

// All that the monitor does while it is unstable stands in one incident, which ends where it came up last.
func TestUnstableIncident(t *testing.T) {
	m := unstableAt240(State{})
	m.feed(recovers(10, 300))
	want := Incident{StartTime: second(240), UnstableSince: second(240), Changes: 6, UpSince: second(300), FailureCount: 2}
	m.wantIncident(t, 3, want)
	if m.state.isDown() || m.state.Incident == nil || m.state.Incident.Status != IncidentActive {
		t.Fatalf("while it is up: %+v", m.state.Incident)
	}
	// A check that fails once counts; the two that make it down again are that one and another.
	m.feed(observation(11, 350, Observation{Region: "us", Outcome: OutcomeFailure, Failures: 1, Status: StatusUp, ErrorType: "dns_failure", ErrorMessage: "no such name"}))
	again := transition(12, 360, StatusUp, StatusDown)
	again.Transition.Regions, again.Transition.Down = []string{"us"}, []string{"us"}
	same := observation(13, 360, Observation{Region: "us", Outcome: OutcomeFailure, Failures: 2, Status: StatusDown, Down: []string{"us"}}) // the check that made it so
	m.feed(again, same, sees(14, 370, "ap", "ap", "us"))
	m.feed(recovers(15, 420), tickAt(420+899))
	if inc := m.state.Incident; inc == nil || !inc.flapping() {
		t.Fatalf("before it is steady: %+v", inc)
	}
	m.feed(tickAt(420 + 901))
	m.wantIncident(t, 3, Incident{
		StartTime: second(240), EndTime: second(420), UnstableSince: second(240), UnstableUntil: second(420 + 900), Changes: 8, DownSince: second(360),
		UpSince: second(420), FailureCount: 2 + 2 + 1, Settled: true,
	})
	if got := m.incidents[3]; !slices.Equal(got.AffectedRegions, []string{"ap", "eu", "us"}) || got.LastErrorType != "dns_failure" || m.state.Incident != nil {
		t.Errorf("in the end: %+v; state %+v", got, m.state.Incident)
	}
	var steps []Step
	for _, s := range m.steps {
		if s.IncidentID == 3 {
			steps = append(steps, s)
		}
	}
	wantSteps := []string{
		"confirmed@240 eu", "unstable_began@240", "came_up@300", "went_down@360 us", "regions_down@370 ap", "came_up@420", "unstable_ended@1320", "recovered@420",
	}
	if diff := cmp.Diff(wantSteps, said(steps)); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if down := steps[3].Facts; down.ErrorType != "connection_refused" || down.Error != "refused" || down.Failures != 2 {
		t.Errorf("it went down with %+v", down)
	}
	m.feed(transition(20, 2000, StatusUp, StatusDown)) // an outage as any other
	m.wantIncident(t, 4, Incident{StartTime: second(2000), FailureCount: 2})
}

// A pause ends it: what was up since it came up, what was down by nobody looking any more.
func TestUnstableIsPaused(t *testing.T) {
	up, down := unstableAt240(State{}), unstableAt240(State{})
	up.feed(recovers(10, 300), transition(11, 400, StatusUp, StatusPaused))
	up.wantIncident(t, 3, Incident{
		StartTime: second(240), EndTime: second(300), UnstableSince: second(240), UnstableUntil: second(400), UpSince: second(300), Changes: 6, FailureCount: 2, Settled: true,
	})
	down.feed(transition(11, 400, StatusDown, StatusPaused))
	down.wantIncident(t, 3, Incident{
		StartTime: second(240), EndTime: second(400), UnstableSince: second(240), UnstableUntil: second(400), Changes: 5, FailureCount: 2, Settled: true, ResolvedBy: resolvedBySystem,
	})
	for _, m := range []*memory{up, down} {
		if n := len(m.messages); m.state.Incident != nil || m.state.unstable() != nil || n != 0 {
			t.Errorf("%+v, %+v, %d messages", m.state.Incident, m.state.Overlay, n)
		}
	}
}

// While nobody knows what it is, nobody can say that it is steady.
func TestUnstableAndUnknown(t *testing.T) {
	to := Target{TargetChannel, 1}
	m := unstableAt240(State{Channels: []Channel{testChannel(1, EventDown, EventRecovery)}})
	m.feed(recovers(10, 300), transition(11, 600, StatusUp, StatusUnknown))
	m.feed(tickAt(1300))
	if due := m.state.Overlay.Due(); !due.Equal(second(1300).Add(holdEvery)) {
		t.Errorf("to be looked at again at %v", due)
	}
	m.feed(tickAt(3000))
	if got := m.types(to); got[len(got)-1] != TypeUnstable || m.state.Incident == nil {
		t.Fatalf("told %v while it is unknown; %+v", got, m.state.Incident)
	}
	seen := *m
	seen.incidents = map[uint32]Incident{3: m.incidents[3]}
	seen.feed(transition(12, 3100, StatusUnknown, StatusUp), tickAt(3101))
	seen.wantIncident(t, 3, Incident{
		StartTime: second(240), EndTime: second(300), UnstableSince: second(240), UnstableUntil: second(1200), UpSince: second(300), Changes: 6, FailureCount: 2, Settled: true,
	})
	m.feed(transition(12, 3100, StatusUnknown, StatusDown), tickAt(3101)) // it has not been steady
	m.wantIncident(t, 3, Incident{StartTime: second(240), UnstableSince: second(240), DownSince: second(3100), Changes: 7, FailureCount: 4})
}

func TestUnstableIsResolvedByHand(t *testing.T) {
	byHand := func(m *memory, at int) {
		i := m.incidents[3]
		if err := i.resolve("ann", second(at)); err != nil {
			t.Fatal(err)
		}
		m.incidents[3], m.state.Incident = i, &i
	}
	to := Target{TargetChannel, 1}
	start := State{Channels: []Channel{testChannel(1, EventDown, EventRecovery)}}

	up := unstableAt240(start)
	byHand(up, 250)
	up.feed(recovers(10, 300), transition(11, 360, StatusUp, StatusDown), recovers(12, 420), tickAt(1400))
	if n := len(up.incidents); n != 3 {
		t.Errorf("%d incidents, although it was resolved while it was unstable", n)
	}
	up.wantIncident(t, 3, Incident{
		StartTime: second(240), EndTime: second(250), UnstableSince: second(240), UnstableUntil: second(420 + 900), DownSince: second(360), UpSince: second(420),
		Changes: 8, FailureCount: 2, Settled: true, ResolvedBy: "ann",
	})

	// It is down since before somebody resolved it, and stays so: no other.
	same := unstableAt240(start)
	byHand(same, 250)
	same.feed(tickAt(1400))
	if n := len(same.incidents); n != 3 || same.state.Incident == nil {
		t.Errorf("%d incidents of the outage that somebody resolved; %+v", n, same.state.Incident)
	}

	// It went down after that, and stays so: nobody has that outage in hand.
	down := unstableAt240(start)
	byHand(down, 310)
	down.feed(recovers(10, 300), transition(11, 360, StatusUp, StatusDown), failing(12, 700, 9), tickAt(1400))
	down.wantIncident(t, 3, Incident{
		StartTime: second(240), EndTime: second(310), UnstableSince: second(240), UnstableUntil: second(360 + 900), DownSince: second(360), Changes: 7, FailureCount: 2,
		Settled: true, ResolvedBy: "ann",
	})
	down.wantIncident(t, 4, Incident{StartTime: second(360), FailureCount: 9})
	kinds := down.types(to)
	if got := kinds[len(kinds)-2:]; !slices.Equal(got, []string{TypeStable, TypeDown}) {
		t.Errorf("told %v", kinds)
	}
	last := down.messages[len(down.messages)-1]
	if last.IncidentID != 4 {
		t.Errorf("told of incident %d", last.IncidentID)
	}
	if got := said(down.steps[len(down.steps)-1:]); !slices.Equal(got, []string{"confirmed@1260 eu"}) {
		t.Errorf("its steps are %v", got)
	}
}

// What depends on an unstable monitor is held while that is down, and told while it is not, whatever its incident.
func TestUnstableParent(t *testing.T) {
	start := toAll
	start.Flapping = fiveIn15
	v := newVillage(2, map[uint32][]uint32{2: {1}}, start)
	for i := range 6 {
		v.goes(60*i, 1, map[bool]Status{true: StatusDown, false: StatusUp}[i%2 == 0])
	}
	if s := v.states[1]; s.Incident == nil || s.isDown() || s.unstable() == nil {
		t.Fatalf("the parent is %+v, %+v", s.Incident, s.Overlay)
	}
	told := func() (n int) {
		for _, m := range v.messages {
			if m.MonitorID == 2 && m.Type == TypeDown && m.Target.Kind == TargetChannel {
				n++
			}
		}
		return n
	}
	v.goes(500, 2, StatusDown)
	v.passes(501, 1) // the parent works
	if v.states[2].held() != nil || told() != 1 {
		t.Fatalf("an outage of its own is held: %+v; told %d times", v.states[2].Overlay, told())
	}
	v.goes(510, 2, StatusUp)
	v.goes(520, 1, StatusDown)
	v.goes(530, 2, StatusDown)
	if h := v.states[2].held(); h == nil || h.By != 1 || told() != 1 {
		t.Fatalf("behind a parent that is down: %+v; told %d times", h, told())
	}
	v.goes(540, 1, StatusUp)
	if h := v.states[2].held(); h == nil || !h.Until.Equal(second(540).Add(v.states[2].Monitor.settles())) {
		t.Fatalf("behind a parent that came up: %+v", h)
	}
	v.goes(550, 2, StatusUp)
	v.tick(1000)
	if told() != 1 {
		t.Errorf("told %d times of what was behind its parent", told())
	}
}

// Its own incident says of what it depends on only that nobody was told for that while, and not that it is why.
func TestUnstableChild(t *testing.T) {
	start := toAll
	start.Flapping = fiveIn15
	v := newVillage(2, map[uint32][]uint32{2: {1}}, start)
	for i := range 6 {
		v.goes(60*i, 2, map[bool]Status{true: StatusDown, false: StatusUp}[i%2 == 0])
		v.passes(60*i+1, 1)
	}
	unstable := v.states[2].Incident
	if unstable == nil || !unstable.flapping() {
		t.Fatalf("it is %+v, %+v", unstable, v.states[2].Overlay)
	}
	v.goes(400, 1, StatusDown)
	v.goes(410, 2, StatusDown)
	v.goes(420, 1, StatusUp)
	v.goes(430, 2, StatusUp)
	if h := v.states[2].held(); h != nil {
		t.Errorf("it is up, and held: %+v", h)
	}
	v.tick(3000)
	i := v.incidents[unstable.ID]
	if !i.Settled || i.AffectedBy != 0 || !i.EndTime.Equal(second(430)) {
		t.Errorf("in the end %+v", i)
	}
	if n := len(v.incidents); n != 4 {
		t.Errorf("%d incidents, want two outages, the unstable one, and that of the parent", n)
	}
}

// In a group the outage of an unstable member began when it went down last.
func TestUnstableMember(t *testing.T) {
	m := unstableAt240(State{})
	before := m.state
	b := Fold(m.progress, map[uint32]State{testMonitor: m.state}, []Entry{recovers(10, 300), transition(11, 360, StatusUp, StatusDown)}, second(0))
	before.Monitor.Enabled = true
	if len(b.Shifts) != 0 {
		t.Fatalf("a paused member moves: %+v", b.Shifts)
	}
	b = Fold(m.progress, map[uint32]State{testMonitor: before}, []Entry{recovers(10, 300), transition(11, 360, StatusUp, StatusDown)}, second(0))
	if n := len(b.Shifts); n != 2 || !b.Shifts[0].Since.IsZero() || !b.Shifts[1].Since.Equal(second(360)) || b.Shifts[1].To.Status != StatusDown {
		t.Errorf("shifts %+v", b.Shifts)
	}
}

// A version before this one left a monitor unstable, with an incident for each outage, and none while it was up.
func TestUnstableOfAnOlderVersion(t *testing.T) {
	older := func(s State) State {
		s.Overlay = &Overlay{Unstable: &Unstable{Since: second(240), Until: second(1140), Changes: 5}, Known: StatusUp}
		return s
	}
	to := Target{TargetChannel, 1}
	start := State{Channels: []Channel{testChannel(1, EventDown, EventRecovery)}}
	up := flapping(older(start))
	up.state.Known, up.progress = StatusUp, Progress{Seq: 9, IDs: IDs{Incident: 3}}
	quiet := *up
	quiet.incidents = map[uint32]Incident{}
	up.feed(transition(10, 360, StatusUp, StatusDown), recovers(11, 420), tickAt(2000))
	up.wantIncident(t, 4, Incident{
		StartTime: second(360), EndTime: second(420), UnstableSince: second(240), UnstableUntil: second(1320), UpSince: second(420), Changes: 7, FailureCount: 2, Settled: true,
	})
	quiet.feed(tickAt(2000))
	if got := quiet.types(to); !slices.Equal(got, []string{TypeStable}) || quiet.messages[0].IncidentID != 0 || len(quiet.incidents) != 0 {
		t.Errorf("told %v; %d incidents", got, len(quiet.incidents))
	}
	down := flapping(older(start))
	down.state.Known, down.progress = StatusDown, Progress{Seq: 9, IDs: IDs{Incident: 3}}
	down.incidents[3] = Incident{ID: 3, OrganizationID: testOrg, MonitorID: testMonitor, Status: IncidentActive, StartTime: second(360), FailureCount: 2, Steps: 1}
	down.state.Incident = &Incident{}
	*down.state.Incident = down.incidents[3]
	down.feed(recovers(10, 420), transition(11, 480, StatusUp, StatusDown), recovers(12, 540), tickAt(2000))
	down.wantIncident(t, 3, Incident{
		StartTime: second(360), EndTime: second(540), UnstableSince: second(240), UnstableUntil: second(1440), DownSince: second(480), UpSince: second(540), Changes: 8,
		FailureCount: 4, Settled: true,
	})
	// And that version ended it, while this one's incident was open.
	left := unstableAt240(start)
	left.feed(recovers(10, 300))
	left.state.Overlay = nil
	left.feed(tickAt(2000))
	if i := left.incidents[3]; !i.Settled || !i.EndTime.Equal(second(300)) {
		t.Errorf("left over: %+v", i)
	}
}

func TestStepsOfTheUnstableAreBounded(t *testing.T) {
	m := unstableAt240(State{})
	last := 0
	for i := range MaxSteps {
		last = 300 + i*60
		m.feed(transition(10+i, last, StatusUp, []Status{StatusUp, StatusDown}[i%2]))
	}
	m.feed(recovers(5000, last+60), tickAt(last+2000))
	i := m.incidents[3]
	if n := len(m.steps); n > MaxSteps+10 || i.Changes != 5+MaxSteps+1 || !i.Settled {
		t.Errorf("%d steps of incident %+v", n, i)
	}
	if got := m.steps[len(m.steps)-2:]; got[0].Kind != StepUnstableEnded || got[1].Kind != StepRecovered {
		t.Errorf("the last are %v", said(got))
	}
}
