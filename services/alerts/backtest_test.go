package alerts

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func TestCompare(t *testing.T) {
	spans := func(pairs ...int) (out []span) {
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, span{second(pairs[i]), second(pairs[i+1])})
		}
		return out
	}
	for _, tt := range []struct {
		name              string
		proposed, present []span
		want              difference
	}{
		{"nothing at all", nil, nil, difference{}},
		{"new", spans(10, 20), nil, difference{added: 1, triggered: 10 * time.Second}},
		{"gone", nil, spans(10, 20, 30, 31), difference{dropped: 2, triggered: -11 * time.Second}},
		{"the same", spans(10, 20), spans(10, 20), difference{shared: 1}},
		{"sooner", spans(5, 20), spans(10, 20), difference{triggered: 5 * time.Second, sooner: 5 * time.Second, shared: 1}},
		{"later and shorter", spans(16, 18), spans(10, 20), difference{triggered: -8 * time.Second, sooner: -6 * time.Second, shared: 1}},
		{"one beside another", spans(10, 20), spans(20, 30), difference{added: 1, dropped: 1}},
		{"one for two", spans(10, 40), spans(10, 20, 30, 40), difference{triggered: 10 * time.Second, sooner: 10 * time.Second, shared: 2}},
		{"two for one", spans(10, 20, 30, 40), spans(10, 40), difference{triggered: -10 * time.Second, shared: 1}},
		{"a moment", spans(10, 10), spans(10, 20), difference{triggered: -10 * time.Second, shared: 1}},
		{"some of each", spans(0, 1, 10, 20, 50, 60), spans(12, 15, 30, 40), difference{added: 2, dropped: 1, triggered: 8 * time.Second, sooner: 2 * time.Second, shared: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, compare(tt.proposed, tt.present), cmp.AllowUnexported(difference{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What a rule that never rests would have done is counted whole and told in part.
func TestFiringsAreBounded(t *testing.T) {
	b := newBacktest(Monitor{ID: testMonitor, OrganizationID: testOrg}, time.Time{}, testRule(proposedID, Conditions{Failures: 1}).Rule)
	const times = firingsAtMost + 7
	for i := range times {
		b.take(failing(0, 10*i, 1))
		if i < times-1 {
			b.take(passing(0, 10*i+4, time.Millisecond))
		}
	}
	f := b.fired[proposedID]
	if len(f.first) != firingsAtMost || len(f.all) != times {
		t.Fatalf("%d told, %d counted", len(f.first), len(f.all))
	}
	if got, want := total(f.until(second(10*times))), (4*(times-1)+10)*time.Second; got != want {
		t.Errorf("triggered for %v, want %v", got, want)
	}
	if last := f.first[len(f.first)-1]; last.Until.Sub(last.At) != 4*time.Second {
		t.Errorf("the last that is told: %+v", last)
	}
}

// spansOf are the windows as one who asked for a past is told of them.
func spansOf(windows []MaintenanceWindow) (out []span) {
	for at := 0; at < 5000; at++ {
		if !inWindow(windows, second(at)) {
			continue
		}
		if last := len(out) - 1; last >= 0 && out[last].to.Equal(second(at)) {
			out[last].to = second(at + 1)
		} else {
			out = append(out, span{second(at), second(at + 1)})
		}
	}
	return out
}

// compareToldBacktest replays the entries through the rules, with the windows: they fire when live ones were told to have triggered, for the
// same reasons, and end when they were told to have resolved.
func compareToldBacktest(t *rapid.T, start State, entries []Entry, m *memory) {
	var rules []Rule
	for _, r := range start.Rules {
		rules = append(rules, r.Rule)
	}
	b := newBacktest(m.state.Monitor, time.Time{}, rules...)
	b.windows = spansOf(start.Windows)
	for _, e := range entries {
		b.take(e)
	}
	for _, r := range rules {
		var began, ended []time.Time
		for _, msg := range m.messages {
			switch {
			case msg.Target != Target{TargetAlert, r.ID}:
			case msg.Type == TypeTriggered:
				began = append(began, msg.OccurredAt)
			default:
				ended = append(ended, msg.OccurredAt)
			}
		}
		var fired []time.Time
		ends := map[time.Time]bool{}
		for _, f := range b.fired[r.ID].first {
			fired = append(fired, f.At)
			ends[f.Until] = true
		}
		if diff := cmp.Diff(began, fired, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("rule %+v in %v, told and replayed (-want +got):\n%s", r.Conditions, b.windows, diff)
		}
		for _, at := range ended {
			if !ends[at] {
				t.Errorf("rule %+v in %v was told to have resolved at %v, replayed %v", r.Conditions, b.windows, at, b.fired[r.ID].first)
			}
		}
		all := 0
		for _, tr := range m.triggers {
			if tr.RuleID == r.ID {
				all++
			}
		}
		if got := b.fired[r.ID]; len(got.all)+got.silenced != all {
			t.Errorf("rule %+v: %d told and %d silenced of %d", r.Conditions, len(got.all), got.silenced, all)
		}
	}
}
