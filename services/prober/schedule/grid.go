package schedule

import "time"

// Grid is due at phase + n·interval. The phase is a hash of the monitor, so that
// monitors of one interval spread evenly over it, and a restart moves none of them.
type Grid struct {
	phase    int64 // milliseconds since 1970, 0 ≤ phase < interval
	interval int64 // milliseconds
}

var _ Schedule = Grid{}

// NewGrid is the grid of a monitor. The interval counts in whole milliseconds, and is at least one.
func NewGrid(monitorID uint32, interval time.Duration) Grid {
	ms := max(interval.Milliseconds(), 1)
	return Grid{phase: int64(Mix(uint64(monitorID)) % uint64(ms)), interval: ms}
}

// Interval is the time from one due time to the next, in whole milliseconds.
func (g Grid) Interval() time.Duration { return time.Duration(g.interval) * time.Millisecond }

// Mix is the finaliser of SplitMix64: neighbouring ids land far apart.
func Mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// index is the number of due times at or before ms, counted from the first after 1970.
func (g Grid) index(ms int64) int64 {
	d := ms - g.phase
	q := d / g.interval
	if d%g.interval < 0 {
		q--
	}
	return q
}

func (g Grid) at(index int64) time.Time {
	return time.UnixMilli(g.phase + index*g.interval).UTC()
}

// Next is as in Schedule; a grid has always a next time.
func (g Grid) Next(t time.Time) time.Time { return g.at(g.index(t.UnixMilli()) + 1) }

// Last is as in Schedule.
func (g Grid) Last(from, t time.Time) time.Time {
	at := g.at(g.index(t.UnixMilli()))
	if !at.After(from) {
		return time.Time{}
	}
	return at
}

// Count is as in Schedule.
func (g Grid) Count(from, until time.Time) int {
	// Those at or before the last instant before until, less those at or before from.
	n := g.index(until.Add(-1).UnixMilli()) - g.index(from.UnixMilli())
	return int(max(n, 0))
}
