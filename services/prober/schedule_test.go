package prober

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestGridKeepsItsPhase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.Uint32().Draw(t, "id")
		interval := time.Duration(rapid.IntRange(1, 86400).Draw(t, "interval")) * time.Second
		at := time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "at")).Add(time.Duration(rapid.IntRange(0, 999_999).Draw(t, "ns")))
		g := newGrid(id, interval)
		next := g.next(at)
		if !next.After(at) || next.Sub(at) > interval {
			t.Fatalf("next(%v) = %v, not within one interval after", at, next)
		}
		if again := newGrid(id, interval).next(next); again.Sub(next) != interval {
			t.Fatalf("slots %v and %v are not one interval apart", next, again)
		}
		if last := g.last(at.Add(-10*interval), next); !last.Equal(next) {
			t.Fatalf("last at a slot = %v, want the slot %v", last, next)
		}
	})
}

// Counting must agree with walking: the sums of results and missed slots hang on it.
func TestCountAgreesWithNext(t *testing.T) {
	everyMinute, err := newCron("*/7 * * * *", "Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		var s schedule = newGrid(rapid.Uint32().Draw(t, "id"), time.Duration(rapid.IntRange(1, 300).Draw(t, "interval"))*time.Second)
		if rapid.Bool().Draw(t, "cron") {
			s = everyMinute
		}
		from := time.UnixMilli(rapid.Int64Range(1.7e12, 1.9e12).Draw(t, "from")).Add(time.Duration(rapid.IntRange(0, 999_999).Draw(t, "ns")))
		until := from.Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "span")))
		want, newest := 0, time.Time{}
		for at := s.next(from); at.Before(until); at = s.next(at) {
			want++
			newest = at
		}
		if got := s.count(from, until); got != want {
			t.Fatalf("count(%v, %v) = %d, want %d", from, until, got, want)
		}
		if got := s.last(from, until.Add(-1)); !got.Equal(newest) {
			t.Fatalf("last = %v, want %v", got, newest)
		}
	})
}

func TestGridSpreads(t *testing.T) {
	const monitors, seconds = 10_000, 60
	perSecond := make([]int, seconds)
	for id := uint32(1); id <= monitors; id++ {
		perSecond[newGrid(id, seconds*time.Second).phase/1000]++
	}
	for s, n := range perSecond {
		if mean := monitors / seconds; n < mean*7/10 || n > mean*13/10 {
			t.Errorf("second %d has %d of %d monitors, want about %d", s, n, monitors, mean)
		}
	}
}

func TestCron(t *testing.T) {
	berlin, _ := time.LoadLocation("Europe/Berlin")
	tests := []struct {
		name, expr, zone string
		after, want      time.Time
	}{
		{"five fields", "30 4 * * *", "", time.Date(2026, 1, 1, 5, 0, 0, 0, time.UTC), time.Date(2026, 1, 2, 4, 30, 0, 0, time.UTC)},
		{"the sixth field is seconds", "* * * * * 15", "", time.Date(2026, 1, 1, 5, 0, 0, 0, time.UTC), time.Date(2026, 1, 1, 5, 0, 15, 0, time.UTC)},
		{"zone", "0 9 * * *", "Europe/Berlin", time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 7, 1, 9, 0, 0, 0, berlin)},
		{"strictly after", "0 * * * *", "", time.Date(2026, 1, 1, 5, 0, 0, 0, time.UTC), time.Date(2026, 1, 1, 6, 0, 0, 0, time.UTC)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := newCron(tt.expr, tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.next(tt.after); !got.Equal(tt.want) {
				t.Errorf("next(%v) = %v, want %v", tt.after, got, tt.want)
			}
		})
	}
	for _, bad := range []string{"", "* * * *", "61 * * * *", "* * * * * * *"} {
		if _, err := newCron(bad, ""); err == nil {
			t.Errorf("cron %q was accepted", bad)
		}
	}
	if _, err := newCron("* * * * *", "Mars/Olympus"); err == nil {
		t.Error("an unknown zone was accepted")
	}
}
