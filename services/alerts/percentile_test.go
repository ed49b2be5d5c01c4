package alerts

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var p95 = Percentile{Of: 95, Above: 500 * time.Millisecond, Window: 5 * time.Minute}

func TestPercentile(t *testing.T) {
	m := newMemory(State{Rules: []RuleState{testRule(1, Conditions{Percentile: p95})}})
	seq, at := 0, 0
	sees := func(ms int, times int) {
		for range times {
			seq, at = seq+1, at+10
			m.feed(passing(seq, at, time.Duration(ms)*time.Millisecond))
		}
	}
	told := func(want ...string) {
		t.Helper()
		if got := m.types(Target{TargetAlert, 1}); !slices.Equal(got, want) {
			t.Fatalf("after %d s told %v, want %v", at, got, want)
		}
	}
	sees(900, 9)
	told() // too little to say anything
	sees(900, 1)
	told(TypeTriggered)
	d := m.triggers[1].Data
	if d.Condition != conditionPercentile || d.Percentile != 95 || d.WindowSeconds != 300 || d.Threshold != 500 || d.Value < 900 || d.Value > 918 {
		t.Errorf("data %+v", d)
	}
	w := m.messages[0].words(second(at), "")
	if want := "api: p95 of response times is " + figure(d.Value) + " ms (alert above 500 ms)"; w.Title != want {
		t.Errorf("title %q, want %q", w.Title, want)
	}
	sees(100, 29) // the window still has more than 5 % of the slow ones
	told(TypeTriggered)
	sees(100, 10) // it has none, but had some within five minutes
	told(TypeTriggered)
	sees(501, 1) // one in thirty is not above the 95th
	told(TypeTriggered)
	sees(100, 29)
	told(TypeTriggered, TypeResolved)
	sees(900, 1)
	told(TypeTriggered, TypeResolved)
	sees(900, 1) // two in thirty are
	told(TypeTriggered, TypeResolved, TypeTriggered)
	m.feed(failing(seq+1, at+10, 3), tickAt(at+10_000))
	told(TypeTriggered, TypeResolved, TypeTriggered) // failures say nothing, and neither does silence
}

// A pause, and another condition, forget what was.
func TestPercentileForgets(t *testing.T) {
	m := newMemory(State{Rules: []RuleState{testRule(1, Conditions{Percentile: p95})}})
	for i := range 9 {
		m.feed(passing(i+1, 10*i, time.Second))
	}
	m.feed(transition(10, 95, StatusUp, StatusPaused))
	if m.state.Rules[0].Samples != nil {
		t.Fatalf("samples %+v", m.state.Rules[0].Samples)
	}
	for i := range 9 {
		m.feed(passing(i+11, 100+10*i, time.Second))
	}
	m.state.Rules[0].Rule.Conditions.Percentile.Above = 400 * time.Millisecond
	m.feed(passing(30, 200, time.Second))
	if got := m.types(Target{TargetAlert, 1}); len(got) != 0 {
		t.Errorf("told %v", got)
	}
	if s := m.state.Rules[0].Samples; len(s.Slots) != 1 || s.Slots[0].N != 1 {
		t.Errorf("samples %+v", s)
	}
}

// Runs of successes count as so many, the slowest as it was and the others as they were in the mean.
func TestPercentileOfRuns(t *testing.T) {
	var s *Samples
	run := func(n uint32, slowest, mean time.Duration) (l *lately) {
		s, l = (*Samples)(nil).add(p95, second(1), responses{n, slowest, mean})
		return l
	}
	if l := run(9, time.Second, time.Second); l != nil {
		t.Errorf("nine say %+v", l)
	}
	if l := run(100, time.Second, 110*time.Millisecond); l == nil || l.above {
		t.Errorf("one of a hundred was slow: %+v", l)
	}
	if l := run(100, time.Second, 600*time.Millisecond); l == nil || !l.above || s.value(p95) < 596 || s.value(p95) > 609 {
		t.Errorf("all of a hundred were slow: %+v, %v", l, s.value(p95))
	}
}

// The window against one that remembers everything, and against itself read back from the store.
func TestSamplesAgainstModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := Percentile{
			Of:     rapid.SampledFrom([]float64{50, 75, 90, 95, 99, 99.9}).Draw(t, "percentile"),
			Above:  time.Duration(rapid.IntRange(1, 1000).Draw(t, "threshold")) * time.Millisecond,
			Window: time.Duration(rapid.SampledFrom([]int{60, 61, 300, 3600}).Draw(t, "window")) * time.Second,
		}
		type sample struct {
			at time.Time
			d  time.Duration
		}
		var all []sample
		var s *Samples
		at, last := second(0), time.Time{}
		for range rapid.IntRange(1, 150).Draw(t, "checks") {
			at = at.Add(time.Duration(rapid.IntRange(0, int(p.Window/time.Millisecond)/20).Draw(t, "pause")) * time.Millisecond)
			d := time.Duration(rapid.IntRange(0, 1_200_000).Draw(t, "us")) * time.Microsecond
			all = append(all, sample{at, d})
			before := mustJSON(s)
			next, got := s.add(p, at, responses{1, d, d})
			if mustJSON(s) != before {
				t.Fatal("the samples that were given were changed")
			}
			s = &Samples{}
			if err := json.Unmarshal([]byte(mustJSON(next)), s); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(next, s); diff != "" {
				t.Fatalf("read back (-written +read):\n%s", diff)
			}
			if rapid.IntRange(0, 9).Draw(t, "stored by an older version") == 0 {
				for i := range s.Slots {
					s.Slots[i].Slow = 0
				}
			}
			if diff := cmp.Diff(got, s.read(p), cmp.AllowUnexported(lately{})); diff != "" {
				t.Fatalf("says after it was read back (-before +after):\n%s", diff)
			}
			var window []time.Duration
			for _, x := range all {
				if x.at.UnixMilli()/p.slot() > at.UnixMilli()/p.slot()-windowSlots {
					window = append(window, x.d)
				}
			}
			slices.Sort(window)
			if len(window) < minSamples {
				if got != nil {
					t.Fatalf("%d samples say %+v", len(window), got)
				}
				continue
			}
			want := window[int(math.Ceil(float64(len(window))*p.Of/100-1e-9))-1]
			if want > p.Above {
				last = at
			}
			over := want <= p.Above && (last.IsZero() || at.Sub(last) >= p.Window)
			if got.above != (want > p.Above) || got.over != over {
				t.Fatalf("p%v of %d is %v: %+v", p.Of, len(window), want, got)
			}
			if !got.above {
				continue
			}
			if ms, shown := milliseconds(want), s.value(p); shown < ms-0.001 || shown > ms*binGrowth+0.001 {
				t.Fatalf("p%v is %v ms, shown as %v", p.Of, ms, shown)
			}
		}
	})
}

func mustJSON(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(raw)
}
