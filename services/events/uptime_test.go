package events

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestPercentage(t *testing.T) {
	const month = 30 * 24 * time.Hour
	tests := []struct {
		name   string
		tally  Tally
		policy DegradedPolicy
		want   float64
		none   bool
	}{
		{"nothing known", Tally{Unknown: time.Hour, Paused: time.Hour, Maintenance: time.Hour}, DegradedIsUp, 0, true},
		{"nothing at all", Tally{}, DegradedIsUp, 0, true},
		{"all up", Tally{Up: time.Hour}, DegradedIsUp, 100, false},
		{"all down", Tally{Down: time.Hour}, DegradedIsUp, 0, false},
		{"unknown is left out", Tally{Up: time.Hour, Unknown: 9 * time.Hour}, DegradedIsUp, 100, false},
		{"maintenance and pauses are left out", Tally{Up: 3 * time.Hour, Down: time.Hour, Maintenance: time.Hour, Paused: time.Hour}, DegradedIsUp, 75, false},
		{"degraded is up", Tally{Up: time.Hour, Degraded: time.Hour}, DegradedIsUp, 100, false},
		{"degraded is down", Tally{Up: time.Hour, Degraded: time.Hour}, DegradedIsDown, 50, false},
		{"five decimals and more", Tally{Up: month - 100*time.Second, Down: 100 * time.Second}, DegradedIsUp, 99.996142, false},
		{"a second in a month is no perfect month", Tally{Up: month - time.Second, Down: time.Second}, DegradedIsUp, 99.999, false},
		{"nor is a millisecond", Tally{Up: month, Down: time.Millisecond}, DegradedIsUp, 99.999, false},
		{"nor is a second degraded, if that counts", Tally{Up: month, Degraded: time.Second}, DegradedIsDown, 99.999, false},
		{"a second of light in a dark month", Tally{Down: month, Up: time.Second}, DegradedIsUp, 0.001, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := tt.tally.Percentage(tt.policy)
			if got != tt.want || ok == tt.none {
				t.Errorf("got %v, %v; want %v", got, ok, tt.want)
			}
		})
	}
}

func TestPercentageIsWithinItsBounds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ms := func(name string) time.Duration {
			return time.Duration(rapid.Int64Range(0, 5*365*24*3600*1000).Draw(rt, name)) * time.Millisecond
		}
		y := Tally{Up: ms("up"), Degraded: ms("degraded"), Down: ms("down"), Unknown: ms("unknown")}
		up, ok := y.Percentage(DegradedIsUp)
		if ok != (y.Known() > 0) {
			rt.Fatal("has a percentage only if something is known")
		}
		if !ok {
			return
		}
		if (up == 100) != (y.Down == 0) || (up == 0) != (y.Up+y.Degraded == 0) || up < 0 || up > 100 {
			rt.Fatalf("%v of %+v", up, y)
		}
		if exact := float64(y.Up+y.Degraded) / float64(y.Known()) * 100; up-exact > 0.001 || exact-up > 0.001 {
			rt.Fatalf("got %v, exact %v", up, exact)
		}
		if down, _ := y.Percentage(DegradedIsDown); down > up {
			rt.Fatalf("%v with degraded as down, %v as up", down, up)
		}
		if c, _ := y.Coverage(); (c == 100) != (y.Unknown == 0) {
			rt.Fatalf("coverage %v of %+v", c, y)
		}
	})
}

// TestTimelineSumsUp holds the running sums to a plain walk over the intervals, and the parts of any range to the whole.
func TestTimelineSumsUp(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		type interval struct {
			status   Status
			from, to int
		}
		tl := begin(Unknown, at(0))
		history := []Timeline{tl}
		end := 0
		for range rapid.IntRange(0, 30).Draw(rt, "changes") {
			end += rapid.IntRange(0, 1000).Draw(rt, "length")
			to := Status(rapid.IntRange(int(Up), int(Maintenance)).Draw(rt, "status"))
			if tl.move(to, at(end-rapid.IntRange(0, 5).Draw(rt, "back"))) {
				history = append(history, tl)
			}
		}
		end += 500
		var plain []interval
		for i, h := range history {
			to := end
			if i+1 < len(history) {
				to = seconds(history[i+1].Since)
			}
			plain = append(plain, interval{h.Status, seconds(h.Since), to})
		}
		naive := func(from, to int) (sum Tally) {
			known := Status(0)
			for _, p := range plain {
				if d := min(p.to, to) - max(p.from, from); d > 0 {
					sum.add(p.status, time.Duration(d)*time.Second)
				}
				if p.status == Down && known != Down && p.from >= from && p.from < to {
					sum.Outages++
				}
				if p.status.Known() {
					known = p.status
				}
			}
			return sum
		}
		look := func(sec int) Tally { return inForce(history, at(sec)).At(at(sec)) }
		a := rapid.IntRange(0, end).Draw(rt, "from")
		b := rapid.IntRange(a, end).Draw(rt, "to")
		whole := look(b).Sub(look(a))
		if want := naive(a, b); whole != want {
			rt.Fatalf("from %d to %d of %v: got %+v, want %+v", a, b, plain, whole, want)
		}
		m := rapid.IntRange(a, b).Draw(rt, "split")
		if parts := look(m).Sub(look(a)).Plus(look(b).Sub(look(m))); parts != whole {
			rt.Fatalf("parts %+v, whole %+v", parts, whole)
		}
	})
}

// inForce is what a store looks up: the newest interval that began before t.
func inForce(history []Timeline, t time.Time) Timeline {
	var out Timeline
	for _, h := range history {
		if h.Since.Before(t) {
			out = h
		}
	}
	if out.Status == 0 {
		return Timeline{Status: Unknown, Since: t} // before the first
	}
	return out
}
