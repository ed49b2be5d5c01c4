package prober

import (
	"math"
	"math/bits"
	"time"
)

const (
	lateSteps = 7 // a minute, and the step that has begun
	lateStep  = 10 * time.Second
	// Buckets double every 4: a quantile is at most a fifth too high. The last one is open.
	lateBuckets = 128
)

// lateCounts are checks by their lateness.
type lateCounts [lateBuckets]uint32

// lateRing holds the lateness of the checks of the last minute. Adding to it costs a few nanoseconds.
type lateRing struct {
	steps [lateSteps]struct {
		nth    int64 // of lateStep since 1970
		counts lateCounts
	}
}

func (r *lateRing) add(late time.Duration, now time.Time) {
	nth := now.Unix() / int64(lateStep/time.Second)
	step := &r.steps[nth%lateSteps]
	if step.nth != nth {
		step.nth, step.counts = nth, lateCounts{}
	}
	step.counts[lateBucket(late)]++
}

func (r *lateRing) addTo(sum *lateCounts, now time.Time) {
	nth := now.Unix() / int64(lateStep/time.Second)
	for i := range r.steps {
		if age := nth - r.steps[i].nth; age < 0 || age >= lateSteps {
			continue
		}
		for b, n := range r.steps[i].counts {
			sum[b] += n
		}
	}
}

// lateBucket counts in microseconds: two bits after the highest one.
func lateBucket(late time.Duration) int {
	us := uint64(max(late, 0) / time.Microsecond)
	if us < 4 {
		return int(us)
	}
	log := bits.Len64(us) - 1
	return min(4*(log-1)+int(us>>(log-2)&3), lateBuckets-1)
}

// upperBound is the end of a bucket in milliseconds.
func upperBound(bucket int) float64 {
	if bucket < 4 {
		return float64(bucket+1) / 1000
	}
	log := bucket/4 + 1
	return math.Ldexp(float64(4+bucket%4+1), log-2) / 1000
}

// quantile is in milliseconds, 0 without any check.
func (c *lateCounts) quantile(q float64) float64 {
	total := uint64(0)
	for _, n := range c {
		total += uint64(n)
	}
	rank, seen := uint64(math.Ceil(q*float64(total))), uint64(0)
	for b, n := range c {
		if seen += uint64(n); seen >= rank && n > 0 {
			return upperBound(b)
		}
	}
	return 0
}
