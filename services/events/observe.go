package events

import "time"

// FeedItem is one thing to announce: a transition of a monitor, or an observation.
type FeedItem struct {
	OrganizationID string
	MonitorID      uint32
	At             time.Time
	Transition     *Transition
	Observation    *Observation
}

// Observation is what a check found, with what went before it since the region's last observation.
type Observation struct {
	Result              Result
	ConsecutiveFailures uint32 // most of any region
	Status              Status // of the monitor, after the check
	Successes           uint32 // since the last observation, this check included
	MeanResponse        time.Duration
	MaxResponse         time.Duration
	Down                []string // regions that see the monitor down, after the check
}

// An observation is made of every target fault of a streak up to its streakCap-th, of the first success after one, and else
// of one check per region in observeEvery, or of each if the monitor's interval is not less: rules about streaks and response times can be
// evaluated from the feed, who waits for a check besides a slow schedule hears of it, and a fleet that is checked every second does not
// make a second copy of the history.
const (
	streakCap    = 100
	observeEvery = 10 * time.Second
)

// observe counts x and announces it if it is its turn. streak is the number of consecutive target faults before it.
func (j *Judge) observe(s *subject, r *RegionState, x *Result, streak uint32) {
	if !s.monitor.Enabled {
		return
	}
	o := &r.Observed
	if x.Outcome == Success {
		o.Successes++
		o.Sum += x.ResponseTime
		o.Max = max(o.Max, x.ResponseTime)
	}
	switch {
	case x.Outcome.TargetFault() && r.Failures <= streakCap:
	case x.Outcome == Success && streak > 0:
	case o.At.IsZero() || x.ScheduledAt.Sub(o.At) >= observeEvery:
	case s.monitor.Interval >= observeEvery:
	default:
		return
	}
	item := Observation{
		Result: *x, ConsecutiveFailures: s.failures(), Status: s.state.Status, Successes: o.Successes, MaxResponse: o.Max,
	}
	if s.state.Status != Up { // and then none does
		item.Down = s.seeing(Down)
	}
	if o.Successes > 0 {
		item.MeanResponse = o.Sum / time.Duration(o.Successes)
	}
	*o = Observed{At: x.ScheduledAt}
	j.changes.Feed = append(j.changes.Feed, FeedItem{
		OrganizationID: s.monitor.OrganizationID, MonitorID: s.monitor.ID, At: x.ScheduledAt, Observation: &item,
	})
}
