package schedule

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/frogstats/uptime/internal/cron"
)

func TestGridKeepsItsPhase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.Uint32().Draw(t, "id")
		interval := time.Duration(rapid.IntRange(1, 86400).Draw(t, "interval")) * time.Second
		at := time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "at")).Add(time.Duration(rapid.IntRange(0, 999_999).Draw(t, "ns")))
		g := NewGrid(id, interval)
		next := g.Next(at)
		if !next.After(at) || next.Sub(at) > interval {
			t.Fatalf("next(%v) = %v, not within one interval after", at, next)
		}
		if again := NewGrid(id, interval).Next(next); again.Sub(next) != interval {
			t.Fatalf("slots %v and %v are not one interval apart", next, again)
		}
		if g.Interval() != interval {
			t.Fatalf("interval %v, want %v", g.Interval(), interval)
		}
		if last := g.Last(at.Add(-10*interval), next); !last.Equal(next) {
			t.Fatalf("last at a slot = %v, want the slot %v", last, next)
		}
	})
}

// Counting must agree with walking: the sums of results and missed slots hang on it.
func TestCountAgreesWithNext(t *testing.T) {
	calendar, err := cron.Parse("*/7 * * * *", "Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		var s Schedule = NewGrid(rapid.Uint32().Draw(t, "id"), time.Duration(rapid.IntRange(1, 300).Draw(t, "interval"))*time.Second)
		if rapid.Bool().Draw(t, "cron") {
			s = calendar
		}
		from := time.UnixMilli(rapid.Int64Range(1.7e12, 1.9e12).Draw(t, "from")).Add(time.Duration(rapid.IntRange(0, 999_999).Draw(t, "ns")))
		until := from.Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "span")))
		want, newest := 0, time.Time{}
		for at := s.Next(from); at.Before(until); at = s.Next(at) {
			want++
			newest = at
		}
		if got := s.Count(from, until); got != want {
			t.Fatalf("count(%v, %v) = %d, want %d", from, until, got, want)
		}
		if got := s.Last(from, until.Add(-1)); !got.Equal(newest) {
			t.Fatalf("last = %v, want %v", got, newest)
		}
	})
}

func TestGridSpreads(t *testing.T) {
	const monitors, seconds = 10_000, 60
	perSecond := make([]int, seconds)
	for id := uint32(1); id <= monitors; id++ {
		perSecond[NewGrid(id, seconds*time.Second).phase/1000]++
	}
	for s, n := range perSecond {
		if mean := monitors / seconds; n < mean*7/10 || n > mean*13/10 {
			t.Errorf("second %d has %d of %d monitors, want about %d", s, n, monitors, mean)
		}
	}
}
