package measure

import (
	"slices"
	"time"
)

// Arrival is one connection at a target.
type Arrival struct {
	At   int64  // nanoseconds of CLOCK_MONOTONIC, which all processes of a machine share
	Port uint32 // index of the listener
}

// Arrivals is what a run looks like from its target.
type Arrivals struct {
	Count      int   `json:"count"`
	Ports      int   `json:"ports"`      // listeners with an arrival
	First      int64 `json:"first"`      // time of the first arrival
	AllSeen    int64 `json:"all_seen"`   // time at which the last of Ports was first seen
	Burst      int   `json:"burst"`      // most arrivals within BurstWindow
	Gaps       int   `json:"gaps"`       // pairs of successive arrivals at one listener
	ErrorP50   int64 `json:"error_p50"`  // of |gap − interval|, nanoseconds
	ErrorP99   int64 `json:"error_p99"`  //
	ErrorMax   int64 `json:"error_max"`  //
	Missed     int   `json:"missed"`     // whole intervals without an arrival, between two
	Unfinished int   `json:"unfinished"` // whole intervals without one, at the end of the run
	Duplicated int   `json:"duplicated"` // arrivals within half an interval of the one before
	Recorded   int64 `json:"recorded"`   // how long the target noted arrivals, nanoseconds; set by it
}

// BurstWindow is the time over which a burst is counted.
const BurstWindow = 50 * time.Millisecond

// Analyse accounts for a run that ended at end; list is in order of time. With one
// monitor per listener every gap between two arrivals should be the interval; a gap of
// about n intervals is n−1 missed ones, and counts with its whole error as well.
func Analyse(list []Arrival, interval time.Duration, end int64) Arrivals {
	out := Arrivals{Count: len(list), Burst: burst(list, BurstWindow)}
	last := map[uint32]int64{}
	var errors []int64
	for _, a := range list {
		before, seen := last[a.Port]
		last[a.Port] = a.At
		if !seen {
			out.AllSeen = a.At
			continue
		}
		gap := a.At - before
		errors = append(errors, abs(gap-int64(interval)))
		n := intervals(gap, interval)
		out.Missed += max(n-1, 0)
		if n == 0 {
			out.Duplicated++
		}
	}
	if len(list) > 0 {
		out.First = list[0].At
	}
	for _, at := range last {
		if interval > 0 && end > at {
			out.Unfinished += int((end - at) / int64(interval))
		}
	}
	slices.Sort(errors)
	out.Ports, out.Gaps = len(last), len(errors)
	out.ErrorP50, out.ErrorP99, out.ErrorMax = Quantile(errors, .5), Quantile(errors, .99), Quantile(errors, 1)
	return out
}

// intervals is gap in intervals, rounded.
func intervals(gap int64, interval time.Duration) int {
	if interval <= 0 {
		return 1
	}
	return int((gap + int64(interval)/2) / int64(interval))
}

// burst is the most arrivals that lie within window of one another.
func burst(list []Arrival, window time.Duration) int {
	most, from := 0, 0
	for i, a := range list {
		for a.At-list[from].At >= int64(window) {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

func abs(n int64) int64 { return max(n, -n) }
