package prober

import (
	"fmt"
	"strings"
	"time"

	"github.com/adhocore/gronx"
	_ "time/tzdata" // cron zones must not depend on what the host has installed
)

// schedule says when a monitor is due. Every time is a whole millisecond in UTC.
type schedule interface {
	// next is the first due time strictly after t; the zero time if there is none.
	next(t time.Time) time.Time
	// last is the newest due time at or before t and after from; the zero time if there is none.
	last(from, t time.Time) time.Time
	// count is the number of due times after from and before until.
	count(from, until time.Time) int
}

// grid is due at phase + n·interval. The phase is a hash of the monitor, so that
// monitors of one interval spread evenly over it, and a restart moves none of them.
type grid struct {
	phase    int64 // milliseconds since 1970, 0 ≤ phase < interval
	interval int64 // milliseconds
}

func newGrid(monitorID uint32, interval time.Duration) grid {
	ms := max(interval.Milliseconds(), 1)
	return grid{phase: int64(mix(uint64(monitorID)) % uint64(ms)), interval: ms}
}

// mix is the finaliser of SplitMix64: neighbouring ids land far apart.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// index is the number of due times at or before ms, counted from the first after 1970.
func (g grid) index(ms int64) int64 {
	d := ms - g.phase
	q := d / g.interval
	if d%g.interval < 0 {
		q--
	}
	return q
}

func (g grid) at(index int64) time.Time {
	return time.UnixMilli(g.phase + index*g.interval).UTC()
}

func (g grid) next(t time.Time) time.Time { return g.at(g.index(t.UnixMilli()) + 1) }

func (g grid) last(from, t time.Time) time.Time {
	at := g.at(g.index(t.UnixMilli()))
	if !at.After(from) {
		return time.Time{}
	}
	return at
}

func (g grid) count(from, until time.Time) int {
	// Those at or before the last instant before until, less those at or before from.
	n := g.index(until.Add(-1).UnixMilli()) - g.index(from.UnixMilli())
	return int(max(n, 0))
}

// cron is due when an expression of 5 or 6 fields says so in its zone. The sixth
// field is seconds and stands last, as the resource format has it; gronx wants it first.
type cron struct {
	expr string
	zone *time.Location
}

// maxCronSteps bounds the counting of missed slots after a long absence: an
// expression of every second over a day.
const maxCronSteps = 86400

func newCron(expr, timezone string) (cron, error) {
	fields := strings.Fields(expr)
	switch len(fields) {
	case 5:
		fields = append([]string{"0"}, fields...)
	case 6:
		fields = append(fields[5:6:6], fields[:5]...)
	default:
		return cron{}, fmt.Errorf("cron %q has %d fields, not 5 or 6", expr, len(fields))
	}
	reordered := strings.Join(fields, " ")
	if !gronx.IsValid(reordered) {
		return cron{}, fmt.Errorf("cron %q is not valid", expr)
	}
	if timezone == "" {
		timezone = "UTC"
	}
	zone, err := time.LoadLocation(timezone)
	if err != nil {
		return cron{}, fmt.Errorf("cron zone %q: %w", timezone, err)
	}
	return cron{expr: reordered, zone: zone}, nil
}

func (c cron) next(t time.Time) time.Time {
	at, err := gronx.NextTickAfter(c.expr, t.In(c.zone), false)
	if err != nil {
		return time.Time{} // never again
	}
	return at.UTC().Truncate(time.Millisecond)
}

func (c cron) last(from, t time.Time) time.Time {
	var last time.Time
	for n := 0; n < maxCronSteps; n++ {
		at := c.next(from)
		if at.IsZero() || at.After(t) {
			break
		}
		last, from = at, at
	}
	return last
}

func (c cron) count(from, until time.Time) int {
	n := 0
	for n < maxCronSteps {
		from = c.next(from)
		if from.IsZero() || !from.Before(until) {
			break
		}
		n++
	}
	return n
}
