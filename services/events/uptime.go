package events

import (
	"math"
	"time"
)

// Tally is the time spent in each state. It is the only thing that uptime is computed from: every percentage that the product
// shows, whatever the page, is Percentage of a difference of two tallies.
type Tally struct {
	Up, Degraded, Down, Unknown, Paused, Maintenance time.Duration

	Outages int64 // times that it went down
}

func (t *Tally) add(s Status, d time.Duration) {
	switch s {
	case Up:
		t.Up += d
	case Degraded:
		t.Degraded += d
	case Down:
		t.Down += d
	case Paused:
		t.Paused += d
	case Maintenance:
		t.Maintenance += d
	default:
		t.Unknown += d
	}
}

// Sub is the time between two moments, given what had added up at each.
func (t Tally) Sub(earlier Tally) Tally {
	return Tally{
		Up: t.Up - earlier.Up, Degraded: t.Degraded - earlier.Degraded, Down: t.Down - earlier.Down,
		Unknown: t.Unknown - earlier.Unknown, Paused: t.Paused - earlier.Paused,
		Maintenance: t.Maintenance - earlier.Maintenance, Outages: t.Outages - earlier.Outages,
	}
}

// Plus is the time of two ranges together.
func (t Tally) Plus(o Tally) Tally {
	return Tally{
		Up: t.Up + o.Up, Degraded: t.Degraded + o.Degraded, Down: t.Down + o.Down,
		Unknown: t.Unknown + o.Unknown, Paused: t.Paused + o.Paused,
		Maintenance: t.Maintenance + o.Maintenance, Outages: t.Outages + o.Outages,
	}
}

// Known is the time that something was known of the target.
func (t Tally) Known() time.Duration { return t.Up + t.Degraded + t.Down }

// Total is all time: that of the range since the monitor existed.
func (t Tally) Total() time.Duration { return t.Known() + t.Unknown + t.Paused + t.Maintenance }

// DegradedPolicy says how degraded time counts.
type DegradedPolicy uint8

// The policies.
const (
	DegradedIsUp DegradedPolicy = iota
	DegradedIsDown
)

// Percentage is the share of known time that was up, in percent; false when nothing is known.
func (t Tally) Percentage(p DegradedPolicy) (float64, bool) {
	up := t.Up
	if p == DegradedIsUp {
		up += t.Degraded
	}
	return percent(up, t.Known())
}

// Coverage is the share of all time but maintenance that is known, in percent; false when there is no such time.
func (t Tally) Coverage() (float64, bool) { return percent(t.Known(), t.Total()-t.Maintenance) }

// percent is part of whole, to six decimals. Only what lacks nothing is 100 and only nothing is 0; all else lies from 0.001 to
// 99.999: whoever shows three decimals or more of it cannot make a perfect month of one with an outage.
func percent(part, whole time.Duration) (float64, bool) {
	const least, most = 0.001, 99.999
	switch {
	case whole <= 0:
		return 0, false
	case part >= whole:
		return 100, true
	case part <= 0:
		return 0, true
	}
	p := math.Round(float64(part)/float64(whole)*100*1e6) / 1e6
	return min(max(p, least), most), true
}
