package clickhouse

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// cuts divides the time between edges among the roll-ups: each moment belongs to the longest unit that holds it and that no edge
// cuts through. Days that an edge cuts are read by hours, hours by minutes, minutes by results. So what is read grows with
// the number of edges and of days.
type cuts struct {
	edges                []int64 // Unix milliseconds
	days, hours, minutes []int64 // the starts of the units that an edge cuts, as Unix seconds, ascending
	levels               []level // the roll-ups that have something to read, longest unit first
	rest                 level   // the unit that is read by results where an edge cuts it
}

// fewHours is how many hours are read by results although there are minutes: a level more costs the server as much.
const fewHours = 4

// level is one of the units that time is divided into.
type level struct {
	name  string // as in by_minute
	unit  time.Duration
	start string // of the unit that a row lies in, as the projections name it
}

var (
	minutes = level{"minute", time.Minute, "toStartOfMinute(timestamp)"}
	hours   = level{"hour", time.Hour, "toStartOfHour(timestamp)"}
	days    = level{"day", 24 * time.Hour, "toStartOfDay(timestamp)"}
)

// longer is the unit that those of a level are parts of.
var longer = map[level]time.Duration{minutes: time.Hour, hours: 24 * time.Hour}

// cutAt divides the time between edges. Up to few of the hours that an edge cuts are read by results.
func cutAt(edges []time.Time, few int) *cuts {
	c := &cuts{rest: minutes}
	for _, e := range edges {
		c.edges = append(c.edges, e.UnixMilli())
	}
	c.days, c.hours, c.minutes = cutBy(c.edges, days.unit), cutBy(c.edges, hours.unit), cutBy(c.edges, minutes.unit)
	first, last := c.edges[0], c.edges[len(c.edges)-1]
	if whole(first, last, days.unit, c.days) {
		c.levels = append(c.levels, days)
	}
	if len(c.days) > 0 { // of days that are cut there may be any number of whole hours
		c.levels = append(c.levels, hours)
	}
	if len(c.hours) <= few {
		c.rest = hours
	} else {
		c.levels = append(c.levels, minutes)
	}
	return c
}

// cutBy lists the units that an edge lies within.
func cutBy(edges []int64, unit time.Duration) []int64 {
	var out []int64
	u := unit.Milliseconds()
	for _, e := range edges {
		if start := e - mod(e, u); start != e {
			out = append(out, start/1000)
		}
	}
	return slices.Compact(out)
}

func mod(a, b int64) int64 { return ((a % b) + b) % b }

// whole reports whether between first and last there are units that are not cut.
func whole(first, last int64, unit time.Duration, cut []int64) bool {
	u := unit.Milliseconds()
	units := (last-mod(last, u))/u - (first-mod(first, u))/u
	if mod(last, u) != 0 {
		units++
	}
	return units > int64(len(cut))
}

// bucket is the edge that a moment's bucket begins with, as SQL, for moments within some units, or anywhere for none. Only the
// edges that count there are named, because a long list costs more than the reading.
func (c *cuts) bucket(ms string, within []int64, unit time.Duration) string {
	edges := c.edges
	if len(within) > 0 {
		edges = nil
		for _, start := range within {
			first, _ := slices.BinarySearch(c.edges, start*1000+1)
			last, _ := slices.BinarySearch(c.edges, start*1000+unit.Milliseconds())
			edges = append(edges, c.edges[max(first-1, 0):last]...)
		}
		edges = slices.Compact(edges)
	}
	return fmt.Sprintf("roundDown(%s, [%s])", ms, joined(edges))
}

// in is the condition that a moment is the start of one of the units.
func in(what string, seconds []int64) string { return what + " IN (" + joined(seconds) + ")" }

// of is the condition for the rows of one level of roll-ups: what the level above leaves over and no edge cuts.
func (c *cuts) of(l level) string {
	terms := []string{fmt.Sprintf("%s >= toDateTime(%d, 'UTC') AND %s < toDateTime(%d, 'UTC')",
		l.start, ceilSeconds(c.edges[0]), l.start, ceilSeconds(c.edges[len(c.edges)-1]))}
	var own []int64
	switch l {
	case minutes:
		own = c.minutes
		terms = append(terms, in("toStartOfHour("+l.start+")", c.hours))
	case hours:
		own = c.hours
		if c.levels[0] == days { // or else every day is cut
			terms = append(terms, in("toStartOfDay("+l.start+")", c.days))
		}
	case days:
		own = c.days
	}
	if len(own) > 0 {
		terms = append(terms, "NOT "+in(l.start, own))
	}
	return strings.Join(terms, " AND ")
}

// forever is the end of time, for the server's DateTime; a whole day, so that no unit is cut.
var forever = time.Unix(1<<32-1, 0).Truncate(24 * time.Hour)

// ceilSeconds is the first whole second at or after a moment, within what the server's DateTime can hold.
func ceilSeconds(ms int64) int64 { return min(max((ms+999)/1000, 0), math.MaxUint32) }

// restStarts are the starts of the units that are read by results.
func (c *cuts) restStarts() []int64 {
	if c.rest == hours {
		return c.hours
	}
	return c.minutes
}

// ragged is the condition for the results in the units that an edge cuts.
func (c *cuts) ragged() string {
	return fmt.Sprintf("timestamp >= fromUnixTimestamp64Milli(%d, 'UTC') AND timestamp < fromUnixTimestamp64Milli(%d, 'UTC') AND ",
		c.edges[0], c.edges[len(c.edges)-1]) + in(c.rest.start, c.restStarts())
}
