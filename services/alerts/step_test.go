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
)

// say is a step in few words, such as "confirmed@7 eu us".
func (s Step) say() string {
	out := fmt.Sprintf("%s@%d", s.Kind, int(s.At.Sub(testBase).Seconds()))
	if f := s.Facts; f.MonitorID != 0 {
		out += fmt.Sprint(" because of ", f.MonitorID)
	}
	return strings.Join(append([]string{out}, s.Facts.Regions...), " ")
}

func said(steps []Step) (out []string) {
	for _, s := range steps {
		out = append(out, s.say())
	}
	return out
}

// butSteps compares incidents without how much there is to tell of them, which hangs on who was told.
var butSteps = cmpopts.IgnoreFields(Incident{}, "Steps")

// goesDown is a change to down that regions see.
func goesDown(seq, at int, regions ...string) Entry {
	e := transition(seq, at, StatusUp, StatusDown)
	e.Transition.Since, e.Transition.Down = second(at-4), regions
	return e
}

// sees is a failing check of a region, after which regions see the monitor down.
func sees(seq, at int, region string, down ...string) Entry {
	return observation(seq, at, Observation{
		Region: region, Outcome: OutcomeFailure, Failures: 3, Status: StatusDown, Down: down, ErrorType: "dns_failure", ErrorMessage: "no such name",
	})
}

func TestStepsOfAnOutage(t *testing.T) {
	m := newMemory(State{Channels: []Channel{testChannel(1, EventDown)}})
	end := transition(7, 60, StatusDown, StatusUp)
	end.Transition.Since = second(50)
	for _, e := range []Entry{
		transition(1, 1, "", StatusUp), goesDown(2, 10, "eu", "us"), sees(3, 12, "us", "eu", "us"), sees(4, 20, "ap", "ap", "eu", "us"),
		observation(5, 30, Observation{Region: "us", Outcome: OutcomeSuccess, Successes: 1, Status: StatusDown, Down: []string{"ap", "eu"}}),
		observation(6, 40, Observation{Region: "us", Outcome: OutcomeSuccess, Successes: 1, Status: StatusDown, Down: []string{"ap", "eu"}}),
		end,
	} {
		m.feed(e) // each in a batch of its own, so that what is remembered is what is stored
	}
	want := []string{"confirmed@10 eu us", "regions_down@20 ap", "regions_up@30 us", "recovered@50"}
	if diff := cmp.Diff(want, said(m.steps)); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	first, came, last := m.steps[0].Facts, m.steps[1].Facts, m.steps[3].Facts
	if first.ErrorType != "connection_refused" || first.Error != "refused" || first.Failures != 2 {
		t.Errorf("confirmed by %+v", first)
	}
	if came.ErrorType != "dns_failure" || came.Error != "no such name" {
		t.Errorf("ap saw %+v", came)
	}
	if last.Confirmed == nil || !time.Time(*last.Confirmed).Equal(second(60)) {
		t.Errorf("recovered %+v", last)
	}
}

func TestStepsOfMaintenance(t *testing.T) {
	m := newMemory(State{Windows: []MaintenanceWindow{windowAt(20, 90)}})
	m.feed(transition(1, 1, "", StatusUp), goesDown(2, 10, "eu"), sees(3, 25, "eu", "eu"), tickAt(91))
	m.feed(transition(4, 100, StatusDown, StatusUp), goesDown(5, 110, "eu"))
	want := []string{"confirmed@10 eu", "maintenance_began@25", "maintenance_ended@90", "recovered@100", "confirmed@110 eu"}
	if diff := cmp.Diff(want, said(m.steps)); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

func TestStepsOfDependants(t *testing.T) {
	v := newVillage(3, map[uint32][]uint32{2: {1}, 3: {1}}, toAll)
	v.goes(5, 3, StatusDown) // before its parent, and so held before it is known why
	v.goes(10, 1, StatusDown)
	v.goes(20, 2, StatusDown)
	v.goes(30, 1, StatusUp)
	v.tick(1000)
	got := map[uint32][]string{}
	for _, s := range v.steps {
		got[v.incidents[s.IncidentID].MonitorID] = append(got[v.incidents[s.IncidentID].MonitorID], s.say())
	}
	released := fmt.Sprintf("released@%d", 30+int(v.states[2].Monitor.settles().Seconds()))
	want := map[uint32][]string{
		1: {"confirmed@10 eu", "recovered@30"},
		2: {"confirmed@20 eu", "held@20 because of 1", released},
		3: {"confirmed@5 eu", "held@10 because of 1", released},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

// What came before steps were kept is not concluded from what comes after; that it ended is noted.
func TestStepsOfAnOlderIncident(t *testing.T) {
	m := newMemory(State{})
	m.feed(transition(1, 1, "", StatusUp), goesDown(2, 10, "eu"))
	old := m.incidents[1]
	old.Steps, old.DownRegions, m.steps = 0, nil, nil
	m.incidents[1], m.state.Incident = old, &old
	m.feed(sees(3, 20, "us", "eu", "us"), transition(4, 30, StatusDown, StatusUp))
	if diff := cmp.Diff([]string{"recovered@30"}, said(m.steps)); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

func TestStepsAreBounded(t *testing.T) {
	m := newMemory(State{})
	m.feed(transition(1, 1, "", StatusUp), goesDown(2, 10, "eu"))
	for i := range MaxSteps {
		m.feed(sees(3+2*i, 20+2*i, "us", "eu", "us"), sees(4+2*i, 21+2*i, "us", "eu"))
	}
	if n := len(m.steps); n != MaxSteps {
		t.Fatalf("%d steps", n)
	}
	m.feed(transition(5000, 4000, StatusDown, StatusUp))
	if last := m.steps[len(m.steps)-1]; last.Kind != StepRecovered || last.Number != MaxSteps+1 {
		t.Errorf("the last is %+v", last)
	}
}

// compareSteps checks what holds of the steps of every incident: none is missing, an outage begins with its confirmation, ends once, and
// in between regions come that were not there and go that were.
func compareSteps(t *rapid.T, m *memory) {
	of := map[uint32][]Step{}
	for _, s := range m.steps {
		if s.Number != uint32(len(of[s.IncidentID])+1) {
			t.Fatalf("step %d of incident %d after %d", s.Number, s.IncidentID, len(of[s.IncidentID]))
		}
		of[s.IncidentID] = append(of[s.IncidentID], s)
	}
	for id, inc := range m.incidents {
		steps := of[id]
		if len(steps) != int(inc.Steps) || len(steps) == 0 || steps[0].Kind != StepConfirmed {
			t.Fatalf("incident %d has %d steps: %v", id, inc.Steps, said(steps))
		}
		down := steps[0].Facts.Regions
		for i, s := range steps {
			switch s.Kind {
			case StepConfirmed:
				if i != 0 {
					t.Fatalf("confirmed twice: %v", said(steps))
				}
			case StepRegionsDown:
				if slices.ContainsFunc(s.Facts.Regions, func(r string) bool { return slices.Contains(down, r) }) {
					t.Fatalf("came twice: %v", said(steps))
				}
				down = append(slices.Clone(down), s.Facts.Regions...)
			case StepRegionsUp:
				if len(missing(s.Facts.Regions, down)) > 0 {
					t.Fatalf("went without having come: %v", said(steps))
				}
				down = missing(down, s.Facts.Regions)
			case StepWentDown:
				down = s.Facts.Regions
			case StepCameUp:
				down = nil
			case StepRecovered:
				if !inc.Settled || i != len(steps)-1 {
					t.Fatalf("recovered in between: %v", said(steps))
				}
			}
		}
		if len(missing(down, inc.DownRegions)) > 0 || len(missing(inc.DownRegions, down)) > 0 {
			t.Fatalf("the steps say %v, the incident %v", down, inc.DownRegions)
		}
	}
}
