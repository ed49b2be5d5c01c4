package alerts

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/services/alerts/notify"
)

func TestOutages(t *testing.T) {
	const up, down, degraded, unknown, paused, maintenance = StatusUp, StatusDown, StatusDegraded, StatusUnknown, StatusPaused, StatusMaintenance
	for _, tt := range []struct {
		name      string
		states    []Status
		incidents int
		open      bool
		messages  []string // to a channel of all events
		plain     []string // to a channel of the usual events
	}{
		{"down and up", []Status{up, down, up}, 1, false, []string{TypeDown, TypeRecovered}, []string{TypeDown, TypeRecovered}},
		{"down at first", []Status{down}, 1, true, []string{TypeDown}, []string{TypeDown}},
		{"announced twice", []Status{down, down}, 1, true, []string{TypeDown}, []string{TypeDown}},
		{"unknown in between", []Status{down, unknown, down, up}, 1, false, []string{TypeDown, TypeRecovered}, []string{TypeDown, TypeRecovered}},
		{"from unknown to up", []Status{down, unknown, up}, 1, false, []string{TypeDown, TypeRecovered}, []string{TypeDown, TypeRecovered}},
		{"maintenance in between", []Status{down, maintenance, down}, 1, true, []string{TypeDown}, []string{TypeDown}},
		{"unknown is nothing", []Status{up, unknown, up}, 0, false, nil, nil},
		{"paused while down", []Status{down, paused}, 1, false, []string{TypeDown}, []string{TypeDown}},
		{"down again after a pause", []Status{down, paused, unknown, down, up}, 2, false, []string{TypeDown, TypeDown, TypeRecovered}, []string{TypeDown, TypeDown, TypeRecovered}},
		{"degraded", []Status{up, degraded, up}, 0, false, []string{TypeDegraded, TypeRecovered}, nil},
		{"degraded once", []Status{degraded, unknown, degraded}, 0, false, []string{TypeDegraded}, nil},
		{"degraded again after a pause", []Status{degraded, paused, unknown, degraded}, 0, false, []string{TypeDegraded, TypeDegraded}, nil},
		{"recovered to degraded", []Status{down, degraded, up}, 1, false, []string{TypeDown, TypeRecovered, TypeRecovered}, []string{TypeDown, TypeRecovered}},
		{"degraded, then down", []Status{degraded, down, up}, 1, false, []string{TypeDegraded, TypeDown, TypeRecovered}, []string{TypeDown, TypeRecovered}},
		{"two outages", []Status{down, up, down, up}, 2, false, []string{TypeDown, TypeRecovered, TypeDown, TypeRecovered}, []string{TypeDown, TypeRecovered, TypeDown, TypeRecovered}},
		{"a state of the future", []Status{down, "frozen", up}, 1, false, []string{TypeDown, TypeRecovered}, []string{TypeDown, TypeRecovered}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMemory(State{Channels: []Channel{
				testChannel(1, EventDown, EventRecovery, EventDegraded), testChannel(2, EventDown, EventRecovery), testChannel(3, EventDegraded),
			}})
			from := Status("")
			for i, to := range tt.states {
				m.feed(transition(i+1, 10*i, from, to))
				from = to
			}
			if len(m.incidents) != tt.incidents {
				t.Errorf("%d incidents, want %d", len(m.incidents), tt.incidents)
			}
			if open := m.state.Incident != nil; open != tt.open {
				t.Errorf("outage goes on = %t, want %t", open, tt.open)
			}
			if diff := cmp.Diff(tt.messages, m.types(Target{TargetChannel, 1})); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.plain, m.types(Target{TargetChannel, 2})); diff != "" {
				t.Errorf("messages of a plain channel (-want +got):\n%s", diff)
			}
			for _, kind := range m.types(Target{TargetChannel, 3}) {
				if kind != TypeDegraded {
					t.Errorf("a channel for degraded was sent %s", kind)
				}
			}
		})
	}
}

// Where a trouble is open until its end is told, every one that is begun is ended, however a monitor leaves a state: that it is degraded
// ends when it goes down, after that is told.
func TestWhatIsOpenIsClosed(t *testing.T) {
	open := map[string]json.RawMessage{
		"pagerduty": nil, "opsgenie": nil, "webhook": json.RawMessage(`{"format": "template"}`),
	}
	const up, down, degraded, unknown = StatusUp, StatusDown, StatusDegraded, StatusUnknown
	for _, states := range [][]Status{
		{up, degraded, down, up}, {degraded, unknown, down, unknown, up}, {up, degraded, down, degraded, down, up}, {down, degraded, up},
		{up, down, up}, {up, degraded, up},
	} {
		for via, public := range open {
			for _, behind := range []bool{false, true} {
				all := []Event{EventDown, EventRecovery, EventDegraded}
				first, other := testChannel(1, all...), testChannel(2, EventOperator)
				keeps := &first
				if behind { // what a chat does not take goes to one that keeps troubles open
					first.Type, first.FallbackID, other.FallbackID, keeps = "slack", 2, 1, &other
				}
				keeps.Type, keeps.Config.Public = via, public
				m := newMemory(State{Channels: []Channel{first, other, testChannel(3, all...), testChannel(4, EventDegraded)}})
				from := Status("")
				for i, to := range states {
					m.feed(transition(i+1, 10*i, from, to))
					from = to
				}
				open := map[string]bool{}
				for _, msg := range m.messages {
					if msg.Target.ID != 1 {
						continue
					}
					w := msg.words(second(0), "")
					if open[w.Thread] = w.Action == notify.Trigger; msg.Content.Status == down && msg.Type == TypeRecovered &&
						(w.Action != notify.Resolve || w.Title != "api is no longer degraded, but down") {
						t.Errorf("%+v", w)
					}
				}
				for thread, is := range open {
					if is {
						t.Errorf("%s after %v, behind another %v: %s is open, told %v", via, states, behind, thread, m.types(Target{TargetChannel, 1}))
					}
				}
				if n := len(m.types(Target{TargetChannel, 4})); n > 2 || slices.Contains(m.types(Target{TargetChannel, 4}), TypeRecovered) {
					t.Errorf("a channel for degraded was told %v", m.types(Target{TargetChannel, 4}))
				}
			}
		}
	}
	m := newMemory(State{Channels: []Channel{testChannel(1, EventDown, EventRecovery, EventDegraded)}})
	m.state.Channels[0].Type = "pagerduty"
	m.feed(transition(1, 0, up, degraded), transition(2, 10, degraded, down), transition(3, 20, down, up))
	if diff := cmp.Diff([]string{TypeDegraded, TypeDown, TypeRecovered, TypeRecovered}, m.types(Target{TargetChannel, 1})); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

func TestIncidentFacts(t *testing.T) {
	m := newMemory(State{Channels: []Channel{testChannel(1, EventDown, EventRecovery)}})
	down := transition(1, 10, StatusUp, StatusDown)
	down.Transition.Since = second(4)
	confirming := failing(2, 10, 2) // the check that the transition came of: it is counted already
	us := failing(3, 12, 3)
	us.Observation.Region, us.Observation.ErrorType, us.Observation.ErrorMessage = "us", "headers_timeout", "late"
	sparse := failing(4, 400, 140) // the feed leaves checks of a long streak out
	ours := observation(5, 401, Observation{Region: "ap", Outcome: OutcomeError, Failures: 140, ErrorType: "observer_offline"})
	up := transition(6, 500, StatusDown, StatusUp)
	up.Transition.ErrorType = ""
	m.feed(down, confirming, us, sparse, ours, up)
	want := Incident{
		ID: 1, OrganizationID: testOrg, MonitorID: testMonitor, MonitorName: "api", Status: IncidentResolved, StartTime: second(4),
		EndTime: second(500), AffectedRegions: []string{"eu", "us"}, LastError: "refused", LastErrorType: "connection_refused",
		FailureCount: 140, ResolvedAt: second(5000), CreatedAt: second(5000), UpdatedAt: second(5000), Settled: true,
		CountedAt: second(10), Streak: 140,
	}
	if diff := cmp.Diff(want, m.incidents[1], butSteps); diff != "" {
		t.Errorf("incident (-want +got):\n%s", diff)
	}
	recovered := m.messages[1]
	if got := recovered.Content.Incident; got == nil || !time.Time(got.StartTime).Equal(second(4)) || !time.Time(*got.EndTime).Equal(second(500)) {
		t.Errorf("the recovery does not tell both times: %+v", got)
	}
	if recovered.Content.PreviousStatus != StatusDown || recovered.Content.Status != StatusUp {
		t.Errorf("states = %s after %s", recovered.Content.Status, recovered.Content.PreviousStatus)
	}
}

// An incident that was resolved by hand is not opened again while the outage goes on, and the recovery is announced.
func TestResolvedByHand(t *testing.T) {
	m := newMemory(State{Channels: []Channel{testChannel(1, EventDown, EventRecovery)}})
	m.feed(transition(1, 10, StatusUp, StatusDown))
	inc := m.incidents[1]
	if err := inc.resolve("ann", second(20)); err != nil {
		t.Fatal(err)
	}
	m.incidents[1] = inc
	m.state.Incident = &inc
	m.feed(failing(2, 30, 5), transition(3, 40, StatusDown, StatusUnknown), transition(4, 50, StatusUnknown, StatusDown))
	if len(m.incidents) != 1 || !m.incidents[1].EndTime.Equal(second(20)) || m.incidents[1].FailureCount != 2 {
		t.Errorf("incidents = %+v", m.incidents)
	}
	m.feed(transition(5, 60, StatusDown, StatusUp))
	got := m.incidents[1]
	if !got.Settled || !got.EndTime.Equal(second(20)) || got.ResolvedBy != "ann" {
		t.Errorf("incident = %+v", got)
	}
	m.feed(transition(6, 70, StatusUp, StatusDown))
	if len(m.incidents) != 2 {
		t.Errorf("%d incidents, want a second one", len(m.incidents))
	}
	if diff := cmp.Diff([]string{TypeDown, TypeRecovered, TypeDown}, m.types(Target{TargetChannel, 1})); diff != "" {
		t.Error(diff)
	}
}

func TestAcknowledgingStopsNothing(t *testing.T) {
	m := newMemory(State{Channels: []Channel{testChannel(1, EventDown, EventRecovery)}})
	m.feed(transition(1, 10, StatusUp, StatusDown))
	inc := m.incidents[1]
	for want := range 2 {
		changed, err := inc.acknowledge("ann", second(20+want))
		if err != nil || changed != (want == 0) {
			t.Errorf("acknowledge %d: changed = %t, %v", want, changed, err)
		}
	}
	m.incidents[1] = inc
	m.state.Incident = &inc
	m.feed(transition(2, 60, StatusDown, StatusUp))
	got := m.incidents[1]
	if got.Status != IncidentResolved || got.AcknowledgedBy != "ann" || !got.AcknowledgedAt.Equal(second(20)) || got.ResolvedBy != "" {
		t.Errorf("incident = %+v", got)
	}
	if diff := cmp.Diff([]string{TypeDown, TypeRecovered}, m.types(Target{TargetChannel, 1})); diff != "" {
		t.Error(diff)
	}
	if _, err := got.acknowledge("bob", second(70)); err == nil {
		t.Error("a resolved incident was acknowledged")
	}
	if err := got.resolve("bob", second(70)); err == nil {
		t.Error("a resolved incident was resolved")
	}
}

func TestDeletedMonitorIsNotEvaluated(t *testing.T) {
	m := newMemory(State{Channels: []Channel{testChannel(1, EventDown)}})
	m.state.Monitor.Deleted = true
	if b := m.feed(transition(1, 1, StatusUp, StatusDown)); len(b.Incidents)+len(b.Messages) != 0 || b.Progress.Seq != 1 {
		t.Errorf("batch = %+v", b)
	}
}

func TestChannelCovers(t *testing.T) {
	some := testChannel(2, EventDown)
	some.MonitorIDs = []uint32{1, testMonitor}
	elsewhere := testChannel(3, EventDown)
	elsewhere.MonitorIDs = []uint32{1}
	m := newMemory(State{Channels: []Channel{testChannel(1, EventDown), some, elsewhere}})
	m.feed(transition(1, 1, StatusUp, StatusDown))
	var got []uint32
	for _, msg := range m.messages {
		got = append(got, msg.Target.ID)
	}
	if diff := cmp.Diff([]uint32{1, 2}, got); diff != "" {
		t.Error(diff)
	}
}

func TestRules(t *testing.T) {
	slow := passing(0, 0, 2*time.Second)
	fast := passing(0, 0, time.Second) // at the threshold: not above
	elsewhere := passing(0, 0, 3*time.Second)
	elsewhere.Observation.Region = "us"
	uptime := func(percent float64) Entry {
		return Entry{OrganizationID: testOrg, MonitorID: testMonitor, Uptime: &percent}
	}
	offline := observation(0, 0, Observation{Region: "eu", Outcome: OutcomeError, Failures: 0, Status: StatusUnknown})
	all := Conditions{Failures: 3, ResponseTime: time.Second, Uptime: 99}
	for _, tt := range []struct {
		name       string
		conditions Conditions
		entries    []Entry
		want       []string
		condition  string
	}{
		{"two failures are not three", all, []Entry{failing(0, 0, 1), failing(0, 0, 2), passing(0, 0, 0)}, nil, ""},
		{"three failures", all, []Entry{failing(0, 0, 2), failing(0, 0, 3), failing(0, 0, 4)}, []string{TypeTriggered}, conditionFailures},
		{"and a success", all, []Entry{failing(0, 0, 3), passing(0, 0, 0)}, []string{TypeTriggered, TypeResolved}, conditionFailures},
		{"our own fault resolves nothing", all, []Entry{failing(0, 0, 3), offline}, []string{TypeTriggered}, conditionFailures},
		{"a rule made while it fails", all, []Entry{failing(0, 0, 60)}, []string{TypeTriggered}, conditionFailures},
		{"going down tells the streak", Conditions{Failures: 2}, []Entry{transition(0, 0, StatusUp, StatusDown)}, []string{TypeTriggered}, conditionFailures},
		{"slow", all, []Entry{slow, slow}, []string{TypeTriggered}, conditionResponseTime},
		{"at the threshold is not above it", all, []Entry{fast}, nil, ""},
		{"slow and fast", all, []Entry{slow, fast}, []string{TypeTriggered, TypeResolved}, conditionResponseTime},
		{"slow here, fast there", all, []Entry{elsewhere, fast, slow, fast}, []string{TypeTriggered}, conditionResponseTime},
		{"slow, then failing: a failure is no fast success", all, []Entry{slow, failing(0, 0, 1)}, []string{TypeTriggered}, conditionResponseTime},
		{"one condition takes over from another", all, []Entry{slow, failing(0, 0, 3), fast, failing(0, 0, 4), passing(0, 0, 0)}, []string{TypeTriggered, TypeResolved, TypeTriggered, TypeResolved}, ""},
		{"uptime", all, []Entry{uptime(99), uptime(98.9), uptime(50), uptime(99)}, []string{TypeTriggered, TypeResolved}, conditionUptime},
		{"paused: silence", all, []Entry{failing(0, 0, 3), transition(0, 0, StatusDown, StatusPaused), failing(0, 0, 3)}, []string{TypeTriggered, TypeTriggered}, conditionFailures},
		{"unknown resolves nothing", all, []Entry{failing(0, 0, 3), transition(0, 0, StatusDown, StatusUnknown)}, []string{TypeTriggered}, conditionFailures},
		{
			"counting that begins anew is no recovery", all,
			[]Entry{failing(0, 0, 3), transition(0, 0, StatusDown, StatusUnknown), failing(0, 0, 1), failing(0, 0, 2), failing(0, 0, 3), passing(0, 0, 0)},
			[]string{TypeTriggered, TypeResolved}, conditionFailures,
		},
		{"no such condition", Conditions{Failures: 3}, []Entry{slow, uptime(1)}, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMemory(State{Rules: []RuleState{testRule(1, tt.conditions)}})
			for i, e := range tt.entries {
				e.At = second(10 * i)
				if e.Uptime == nil {
					e.Seq = uint64(i + 1)
				}
				m.feed(e)
			}
			if diff := cmp.Diff(tt.want, m.types(Target{TargetAlert, 1})); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
			if tt.condition != "" && m.triggers[1].Data.Condition != tt.condition {
				t.Errorf("condition = %s, want %s", m.triggers[1].Data.Condition, tt.condition)
			}
		})
	}
}

// A region that was taken from the monitor says nothing any more, and must not keep a rule triggered.
func TestRegionThatIsGone(t *testing.T) {
	m := newMemory(State{Rules: []RuleState{testRule(1, Conditions{ResponseTime: time.Second})}})
	m.feed(passing(1, 1, 2*time.Second))
	m.state.Monitor.Regions = []string{"us"}
	other := passing(2, 2, time.Millisecond)
	other.Observation.Region = "us"
	m.feed(other)
	if diff := cmp.Diff([]string{TypeTriggered, TypeResolved}, m.types(Target{TargetAlert, 1})); diff != "" {
		t.Error(diff)
	}
}

func TestChangedConditions(t *testing.T) {
	m := newMemory(State{Rules: []RuleState{testRule(1, Conditions{ResponseTime: time.Second, Failures: 5})}})
	m.feed(passing(1, 1, 2*time.Second))
	m.state.Rules[0].Rule.Conditions = Conditions{Failures: 5}
	m.feed(failing(2, 2, 1))
	if diff := cmp.Diff([]string{TypeTriggered, TypeResolved}, m.types(Target{TargetAlert, 1})); diff != "" {
		t.Error(diff)
	}
}
