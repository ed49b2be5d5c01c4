package alerts

import (
	"maps"
	"math"
	"slices"
	"time"
)

const (
	// minSamples is how many successes a percentile needs to say anything.
	minSamples = 10
	// windowSlots is how finely the past of a window is forgotten.
	windowSlots = 60
	// binGrowth is how much a bin of response times is wider than the one before: what is shown is at most so much too great.
	binGrowth = 1.02
)

// Samples are the response times of a window, as far as its condition needs them: how many there are, how many are above the
// threshold, and of those the distribution. So the condition is exact, and it costs little while all is well.
type Samples struct {
	Above  time.Duration `json:"above"`  // the threshold, and
	Window time.Duration `json:"window"` // the window that they are for
	Last   time.Time     `json:"last"`   // when the percentile was last above it; zero if it never was
	Slots  []SampleSlot  `json:"slots"`  // in their order, those without any left out
	At     time.Time     `json:"at"`     // the newest
}

// SampleSlot is a sixtieth of a window.
type SampleSlot struct {
	At   int64          `json:"at"` // its number since 1970
	N    uint32         `json:"n"`
	Slow uint32         `json:"slow,omitempty"` // how many took longer than the threshold; 0 also of those that were stored without it
	Over map[int]uint32 `json:"over,omitempty"` // the same by bin
}

// slow is how many took longer than the threshold.
func (x SampleSlot) slow() (sum uint32) {
	if x.Slow > 0 {
		return x.Slow
	}
	for _, n := range x.Over {
		sum += n
	}
	return sum
}

// responses are the response times of a run of successes: of several, no more is known than this.
type responses struct {
	n             uint32
	slowest, mean time.Duration
}

// lately is what a window says about a condition.
type lately struct {
	above bool // the percentile is above the threshold
	over  bool // it is not, and was not for as long as the window
}

// bin is the number of the bin of a response time, and binEnd the greatest that is in it, in milliseconds.
func bin(d time.Duration) int {
	return int(math.Ceil(math.Log(max(milliseconds(d), 0.001)) / math.Log(binGrowth)))
}
func binEnd(number int) float64  { return math.Pow(binGrowth, float64(number)) }
func (p Percentile) slot() int64 { return p.Window.Milliseconds() / windowSlots }
func (p Percentile) rank(n uint32) uint32 {
	// Of a hundred the 99.9th percentile is the hundredth; a product that is whole must not be rounded up.
	return min(max(uint32(math.Ceil(float64(n)*p.Of/100-1e-9)), 1), n)
}

// add is s with more response times at a moment, and what it then says; nil while there is too little in it. s is left alone; without
// any, or with those of another condition, it begins anew.
func (s *Samples) add(p Percentile, at time.Time, r responses) (*Samples, *lately) {
	next := Samples{Above: p.Above, Window: p.Window}
	if s != nil && s.Above == p.Above && s.Window == p.Window {
		next.Last, next.At, next.Slots = s.Last, s.At, slices.Clone(s.Slots)
	}
	if at.After(next.At) {
		next.At = at
	}
	oldest := next.At.UnixMilli()/p.slot() - windowSlots
	next.Slots = slices.DeleteFunc(next.Slots, func(x SampleSlot) bool { return x.At <= oldest })
	if number := at.UnixMilli() / p.slot(); number > oldest {
		i, found := slices.BinarySearchFunc(next.Slots, number, func(x SampleSlot, n int64) int { return int(x.At - n) })
		if !found {
			next.Slots = slices.Insert(next.Slots, i, SampleSlot{At: number})
		}
		next.Slots[i] = next.Slots[i].with(p, r)
	}
	l := next.read(p)
	if l != nil && l.above {
		next.Last = next.At
	}
	return &next, l
}

// with is a slot with more in it.
func (x SampleSlot) with(p Percentile, r responses) SampleSlot {
	x.N += r.n
	x.Slow = x.slow()
	count := func(d time.Duration, n uint32) {
		if d > p.Above && n > 0 {
			x.Slow += n
			x.Over = maps.Clone(x.Over)
			if x.Over == nil {
				x.Over = map[int]uint32{}
			}
			x.Over[bin(d)] += n
		}
	}
	count(r.slowest, 1)
	if rest := r.n - 1; rest > 0 { // as slow as they were in the mean
		count((r.mean*time.Duration(r.n)-r.slowest)/time.Duration(rest), rest)
	}
	return x
}

// read says what the window says; nil while there is too little in it.
func (s *Samples) read(p Percentile) *lately {
	if s == nil {
		return nil
	}
	n, over := s.count()
	if n < minSamples {
		return nil
	}
	if n-over >= p.rank(n) {
		return &lately{over: s.Last.IsZero() || s.At.Sub(s.Last) >= p.Window}
	}
	return &lately{above: true}
}

// count is how many there are, and how many of them are above the threshold.
func (s *Samples) count() (n, over uint32) {
	for _, x := range s.Slots {
		n += x.N
		over += x.slow()
	}
	return n, over
}

// value is the percentile, if it is above the threshold, in milliseconds. It costs more than to know that it is, and is asked for
// when a rule triggers.
func (s *Samples) value(p Percentile) float64 {
	n, over := s.count()
	return s.overRank(p.rank(n) - (n - over))
}

// overRank is the so manieth of those above the threshold, in milliseconds.
func (s *Samples) overRank(rank uint32) float64 {
	bins := map[int]uint32{}
	for _, x := range s.Slots {
		for b, n := range x.Over {
			bins[b] += n
		}
	}
	for _, b := range slices.Sorted(maps.Keys(bins)) {
		if bins[b] >= rank {
			return math.Round(max(binEnd(b), milliseconds(s.Above))*1000) / 1000
		}
		rank -= bins[b]
	}
	return milliseconds(s.Above)
}
