package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/frogstats/uptime/services/events"
)

// story is what happens to one monitor in the year. It is drawn once; telling it needs no memory.
type story struct {
	outages []outage // ascending, apart
	base    float64  // milliseconds of a usual answer
	slow    float64  // share of answers that take several times as long
	flaky   float64  // share of slots of which the first check fails and the second does not
	random  *rand.Rand
}

type outage struct {
	from, to time.Time
	kind     events.Outcome // Failure or Timeout
}

// span is a time that concerns all monitors.
type span struct{ from, to time.Time }

func (s span) has(t time.Time) bool { return !t.Before(s.from) && t.Before(s.to) }

// newStory draws a monitor's year.
func newStory(o options, f *fleet, m *member) *story {
	r := rand.New(rand.NewPCG(o.seed, uint64(m.ID)<<20|1))
	s := &story{base: 4 + 60*math.Exp(r.NormFloat64()*0.8), slow: 0.01 + 0.04*r.Float64(), flaky: 0.003, random: r}
	// Who is looked at twice a day sees only long outages; who is looked at every five minutes, mostly short ones.
	count, mean := r.IntN(5), 30*time.Hour
	if m.dense {
		count, mean = 12+r.IntN(30), 50*time.Minute
	}
	year := f.end.Sub(f.start)
	for range count {
		from := f.start.Add(time.Duration(r.Int64N(int64(year))))
		s.outages = append(s.outages, outage{from, from.Add(time.Duration(float64(mean) * r.ExpFloat64())), []events.Outcome{events.Failure, events.Failure, events.Timeout}[r.IntN(3)]})
	}
	if m.fate == isDown {
		s.outages = append(s.outages, outage{f.end.Add(-time.Duration(float64(4*time.Hour) * (0.1 + r.Float64()))), f.end.Add(time.Hour), events.Failure})
	} else { // an outage that goes on would end with the next start, when the target answers
		last := f.end.Add(-30 * time.Minute)
		for i := range s.outages {
			if x := &s.outages[i]; x.to.After(last) {
				x.from, x.to = last.Add(-2*time.Hour), last
			}
		}
	}
	slices.SortFunc(s.outages, func(a, b outage) int { return a.from.Compare(b.from) })
	return s
}

// outageAt is the outage at t, if there is one.
func (s *story) outageAt(t time.Time) (outage, bool) {
	for _, x := range s.outages {
		if !t.Before(x.from) && t.Before(x.to) {
			return x, true
		}
	}
	return outage{}, false
}

// answerTime is how long a success takes: slower by day, with a tail.
func (s *story) answerTime(t time.Time) time.Duration {
	day := 1 + 0.35*math.Sin(2*math.Pi*(float64(t.Hour()*60+t.Minute())/1440-0.3))
	ms := s.base * day * math.Exp(s.random.NormFloat64()*0.25)
	if s.random.Float64() < s.slow {
		ms *= 3 + 5*s.random.Float64()
	}
	return time.Duration(ms * float64(time.Millisecond)).Truncate(time.Microsecond)
}
