package alerts

import (
	"encoding/json"
	"slices"
	"time"
)

const (
	testOrg     = "org"
	testMonitor = uint32(7)
)

var (
	testBase    = time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	testRegions = []string{"ap", "eu", "us"}
)

func second(n int) time.Time { return testBase.Add(time.Duration(n) * time.Second) }

// memory is a store of one monitor, as plain as can be: it keeps what batches say.
type memory struct {
	progress  Progress
	state     State
	incidents map[uint32]Incident
	triggers  map[uint32]Trigger
	messages  []Message
	steps     []Step
}

func newMemory(s State) *memory {
	s.Monitor = Monitor{ID: testMonitor, OrganizationID: testOrg, Name: "api", URL: "https://api/", Regions: testRegions}
	return &memory{state: s, incidents: map[uint32]Incident{}, triggers: map[uint32]Trigger{}}
}

// feed evaluates entries in one batch and stores it.
func (m *memory) feed(entries ...Entry) Batch {
	b := Fold(m.progress, map[uint32]State{testMonitor: m.state}, entries, second(5000))
	m.progress = b.Progress
	if known, ok := b.Known[testMonitor]; ok {
		m.state.Known = known
	}
	if since, ok := b.Blind[testMonitor]; ok {
		m.state.Blind = since
	}
	if overlay, ok := b.Overlays[testMonitor]; ok {
		m.state.Overlay = stored(overlay)
	}
	if changes, ok := b.Changes[testMonitor]; ok {
		m.state.Changes = changes
	}
	for i, r := range m.state.Rules {
		if s, ok := b.Samples[r.Rule.ID]; ok {
			m.state.Rules = slices.Clone(m.state.Rules)
			m.state.Rules[i].Samples = s
		}
	}
	for _, i := range b.Incidents {
		m.incidents[i.ID] = i
	}
	for _, t := range b.Triggers {
		m.triggers[t.ID] = t
	}
	m.messages = append(m.messages, b.Messages...)
	m.steps = append(m.steps, b.Steps...)
	m.state.Incident = nil
	for _, i := range m.incidents {
		if !i.Settled {
			m.state.Incident = &i
		}
	}
	rules := slices.Clone(m.state.Rules)
	for i := range rules {
		rules[i].Open = nil
		for _, t := range m.triggers {
			if t.RuleID == rules[i].Rule.ID && t.ResolvedAt.IsZero() {
				rules[i].Open = &t
			}
		}
	}
	m.state.Rules = rules
	return b
}

// stored is an overlay after it was written and read.
func stored(o *Overlay) *Overlay {
	if o == nil {
		return nil
	}
	raw, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	back := &Overlay{}
	if err := json.Unmarshal(raw, back); err != nil {
		panic(err)
	}
	return back
}

// types are the messages to a target, in order.
func (m *memory) types(to Target) []string {
	var out []string
	for _, msg := range m.messages {
		if msg.Target == to {
			out = append(out, msg.Type)
		}
	}
	return out
}

func transition(seq, at int, from, to Status) Entry {
	return Entry{
		Seq: uint64(seq), OrganizationID: testOrg, MonitorID: testMonitor, At: second(at),
		Transition: &Transition{From: from, To: to, Since: second(at), Regions: []string{"eu"}, ErrorType: "connection_refused", ErrorMessage: "refused", Failures: 2},
	}
}

func observation(seq, at int, o Observation) Entry {
	return Entry{Seq: uint64(seq), OrganizationID: testOrg, MonitorID: testMonitor, At: second(at), Observation: &o}
}

func failing(seq, at int, streak uint32) Entry {
	return observation(seq, at, Observation{Region: "eu", Outcome: OutcomeFailure, Failures: streak, ErrorType: "connection_refused", ErrorMessage: "refused"})
}

func passing(seq, at int, slowest time.Duration) Entry {
	return observation(seq, at, Observation{Region: "eu", Outcome: OutcomeSuccess, Successes: 1, Slowest: slowest, Status: StatusUp})
}

func testChannel(id uint32, events ...Event) Channel {
	return Channel{ID: id, OrganizationID: testOrg, Events: events, Enabled: true}
}

func testRule(id uint32, c Conditions) RuleState {
	return RuleState{Rule: Rule{ID: id, OrganizationID: testOrg, MonitorID: testMonitor, Conditions: c, Enabled: true}}
}
