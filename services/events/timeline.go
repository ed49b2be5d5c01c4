package events

import "time"

// Timeline is the newest interval of a state's history and what all intervals before it add up to. Because every change
// carries the sum of what was before it, the time spent in each state between any two moments is the difference of two
// look-ups, however long the history: see Tally.
type Timeline struct {
	Status Status
	Since  time.Time // start of the interval; never before that of the one before
	Seq    uint64    // number of the interval, from 0
	Known  Status    // newest state that said something of the target; 0 when there was none
	Before Tally     // of everything before Since
}

// begin makes the first interval.
func begin(s Status, at time.Time) Timeline {
	t := Timeline{Status: s, Since: at}
	if s.Known() {
		t.Known = s
	}
	return t
}

// move begins a new interval at since, or at the start of the present one if since is before that: what has been said of
// the past stands, so an interval may end up with no length, and is then as if it had never been. It reports whether
// anything changed.
func (t *Timeline) move(to Status, since time.Time) bool {
	if to == t.Status {
		return false
	}
	if since.Before(t.Since) {
		since = t.Since
	}
	t.Before = t.At(since)
	if to == Down && t.Known != Down { // a gap in sight within an outage does not make two of it
		t.Before.Outages++
	}
	t.Status, t.Since = to, since
	t.Seq++
	if to.Known() {
		t.Known = to
	}
	return true
}

// At is what the timeline adds up to at a moment that is not before Since.
func (t Timeline) At(at time.Time) Tally {
	out := t.Before
	if d := at.Sub(t.Since); d > 0 {
		out.add(t.Status, d)
	}
	return out
}

// Transition is one change of a state's timeline, of a monitor or of a monitor in one region.
type Transition struct {
	MonitorID uint32
	Region    string // empty for the monitor itself
	Timeline         // after the change
	From      Status // 0 for the first interval

	NotedAt             time.Time // when it was decided
	CauseAt             time.Time // of what led to it: the confirming check, the deadline, the edit
	Regions             []string  // that see the new state
	Down                []string  // those of them that see it down; only announced, not stored
	ErrorType           string    // of the fault that led to it; empty for recoveries
	ErrorMessage        string
	ConsecutiveFailures uint32
	Reason              string // for changes that are not about results; see the constants
}

// The reasons of changes that are not a check's finding.
const (
	ReasonNoData        = "no_data"        // nothing was heard for too long
	ReasonObserverFault = "observer_fault" // the checks ran, and failed for reasons of our own
	ReasonDisabled      = "disabled"
	ReasonEnabled       = "enabled"
	ReasonRules         = "configuration_changed"
	ReasonRegionRemoved = "region_removed"
)
