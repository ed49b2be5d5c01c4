// Package measure computes what the benchmarks report: quantiles, the gaps between
// arrivals as a target saw them, and what processes cost, from /proc and the clocks of
// the kernel.
package measure

import (
	"cmp"
	"math"
	"slices"
)

// Quantile is the smallest value of sorted that at least the share q of all values do
// not exceed (nearest rank); the zero value if there is none.
func Quantile[T cmp.Ordered](sorted []T, q float64) T {
	var zero T
	if len(sorted) == 0 {
		return zero
	}
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// Spread is the middle and the ends of repeated measurements.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	N      int     `json:"n"`
}

// SpreadOf summarizes values; of an even number the median is the mean of the middle two.
func SpreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	s := slices.Sorted(slices.Values(values))
	mid := len(s) / 2
	median := s[mid]
	if len(s)%2 == 0 {
		median = (s[mid-1] + s[mid]) / 2
	}
	return Spread{Median: median, Min: s[0], Max: s[len(s)-1], N: len(s)}
}
