package events

import "time"

// RegionState is what is remembered of a monitor as one region sees it. It is a fold of the region's results in the order of
// their slots, plus a deadline.
//
// Status is what is known now; Verdict is the newest finding about the target, and outlives the knowledge: a target that was
// down when we lost sight of it, and fails the first check after, is down without confirming again; one that was up has to
// fail as often as ever.
type RegionState struct {
	MonitorID uint32
	Region    string
	Timeline

	Epoch     uint64    // greatest of those that were judged; what has a smaller one, other than 0, changes nothing
	Verdict   Status    // Up, Degraded or Down; 0 before the first
	LastSlot  time.Time // newest slot that ran and was judged; what is not after it changes nothing
	CheckedAt time.Time // start of the newest check
	NextAt    time.Time // next due slot; zero when none is planned

	UnknownAt  time.Time // when nothing is known any more, by the slots' clock, unless a check speaks of the target before; zero is never
	Silent     bool      // Unknown because UnknownAt passed
	GraceUntil time.Time // set at a start, see Judge.Restore: until then the deadline waits and the last vote stands

	Failures     uint32 // consecutive target faults; observer faults in between do not count and do not interrupt
	Successes    uint32 // consecutive successes
	Faults       uint32 // consecutive observer faults
	FirstFailure time.Time
	FirstSuccess time.Time
	FirstFault   time.Time

	HasResponse   bool
	ResponseTime  time.Duration // of the newest check
	LastErrorType string        // of the newest fault, ours or the target's; empty when the newest check was a success
	LastError     string

	Observed Observed

	// heardUntil is how long the last word on the target keeps the deadline off by our own clock: slots that arrive late, or
	// from a prober whose clock is behind, show that somebody is looking. It is not stored: after a start, nobody has been
	// heard.
	heardUntil time.Time
	dirty      bool
	spared     bool // changed since its last snapshot, see Judge.sparing
}

// Observed is what has come in since the region's last entry in the feed.
type Observed struct {
	At        time.Time // slot of that entry; zero before the first
	Successes uint32
	Sum, Max  time.Duration // of their response times
}

// finding is what a check, a deadline or an edit makes of a region: a state that began at a moment. The zero finding changes
// nothing.
type finding struct {
	to     Status
	since  time.Time
	reason string
}

// fold takes in a result whose slot is after LastSlot and that ran; now is when it arrived.
func (r *RegionState) fold(m *Monitor, x *Result, now time.Time) finding {
	if r.gap(x) { // what came before the silence confirms nothing after it
		r.Failures, r.Successes, r.Faults = 0, 0, 0
	}
	r.note(x)
	switch {
	case !m.Enabled:
		return finding{}
	case x.Outcome == Success:
		r.rearm(m, x.ScheduledAt, now)
		return r.success(m, x)
	case x.Outcome.TargetFault():
		r.rearm(m, x.ScheduledAt, now)
		return r.failure(m, x)
	}
	return r.fault(m, x)
}

// note keeps what is shown of the newest check.
func (r *RegionState) note(x *Result) {
	r.LastSlot, r.CheckedAt, r.NextAt = x.ScheduledAt, x.StartedAt, x.NextScheduledAt
	r.HasResponse, r.ResponseTime = true, x.ResponseTime
	r.LastErrorType, r.LastError = x.ErrorType, x.ErrorMessage
	if x.Outcome == Success {
		r.LastErrorType, r.LastError = "", ""
	}
}

// gap reports whether the deadline had passed when x was due: nothing was known of the target between.
func (r *RegionState) gap(x *Result) bool {
	return !r.UnknownAt.IsZero() && !x.ScheduledAt.Before(r.UnknownAt)
}

// heal takes back a silence that was none: x was due before the deadline, and only came late. What was known stays known
// without a break, so that the timeline depends on what was seen and not on when it arrived.
func (r *RegionState) heal(x *Result) finding {
	if !r.Silent || r.gap(x) || (x.Outcome != Success && !x.Outcome.TargetFault()) {
		return finding{}
	}
	return finding{to: r.Verdict, since: r.UnknownAt}
}

// rearm moves the deadline: somebody has spoken of the target.
func (r *RegionState) rearm(m *Monitor, slot, now time.Time) {
	r.UnknownAt, r.heardUntil = slot.Add(m.patience()), now.Add(m.patience())
	r.Silent, r.GraceUntil = false, time.Time{}
}

// vote is what the region says in its monitor's verdict; 0 is nothing. While it is held after a start its last finding
// stands: otherwise the first region to come back would speak for all, and announce a recovery or an outage that is none.
func (r *RegionState) vote(now time.Time) Status {
	switch {
	case r.Status.Known():
		return r.Status
	case r.Status == Unknown && now.Before(r.GraceUntil):
		return r.Verdict
	}
	return 0
}

func (r *RegionState) success(m *Monitor, x *Result) finding {
	if r.Successes == 0 {
		r.FirstSuccess = x.ScheduledAt
	}
	r.Successes++
	r.Failures, r.Faults = 0, 0
	if r.Verdict == Down && r.Successes < m.ConfirmUp {
		return finding{}
	}
	since := x.ScheduledAt
	if r.Verdict == Down {
		since = r.FirstSuccess
	}
	r.Verdict = Up
	if m.DegradedAbove > 0 && x.ResponseTime > m.DegradedAbove {
		r.Verdict = Degraded
	}
	return finding{to: r.Verdict, since: since}
}

func (r *RegionState) failure(m *Monitor, x *Result) finding {
	if r.Failures == 0 {
		r.FirstFailure = x.ScheduledAt
	}
	r.Failures++
	r.Successes, r.Faults = 0, 0
	if r.Verdict != Down && r.Failures < m.ConfirmDown {
		return finding{}
	}
	r.Verdict = Down
	return finding{to: Down, since: r.FirstFailure}
}

// fault takes in a check that failed through our own fault. Once confirmed, it says that we cannot see, from the first one
// on; waiting for the deadline would call a target up for as long as two intervals that nobody has looked at.
func (r *RegionState) fault(m *Monitor, x *Result) finding {
	if r.Faults == 0 {
		r.FirstFault = x.ScheduledAt
	}
	r.Faults++
	if r.Faults < m.ConfirmDown {
		return finding{}
	}
	r.Failures, r.Successes, r.Silent = 0, 0, false
	return finding{to: Unknown, since: r.FirstFault, reason: ReasonObserverFault}
}

// expire says that the deadline has passed.
func (r *RegionState) expire() finding {
	r.Silent = true
	return finding{to: Unknown, since: r.UnknownAt, reason: ReasonNoData}
}

// overdue reports whether the deadline is at or before at and still stands for something.
func (r *RegionState) overdue(at time.Time) bool {
	return r.Status.Known() && !r.UnknownAt.IsZero() && !r.UnknownAt.After(at)
}

// forget drops all findings, for a monitor that is switched off or on: what was seen before says nothing of what is now.
func (r *RegionState) forget() {
	r.Verdict, r.Silent = 0, false
	r.Failures, r.Successes, r.Faults = 0, 0, 0
	r.UnknownAt, r.GraceUntil, r.NextAt = time.Time{}, time.Time{}, time.Time{}
}

// reconsider applies changed rules to what has been counted already.
func (r *RegionState) reconsider(m *Monitor) finding {
	switch {
	case !r.Status.Known():
	case r.Verdict != Down && r.Failures > 0 && r.Failures >= m.ConfirmDown:
		r.Verdict = Down
		return finding{to: Down, since: r.FirstFailure, reason: ReasonRules}
	case r.Verdict == Down && r.Successes > 0 && r.Successes >= m.ConfirmUp:
		r.Verdict = Up
		return finding{to: Up, since: r.FirstSuccess, reason: ReasonRules}
	}
	return finding{}
}
