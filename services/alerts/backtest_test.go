package alerts

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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
