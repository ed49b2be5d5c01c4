package events

import (
	"slices"
	"time"
)

// Judge folds results into region states, region states into verdicts, and verdicts into transitions. It does no I/O, reads
// no clock and starts nothing: the same calls give the same changes. It is not for concurrent use.
//
// The rules:
//
//   - Results of a region count in the order of their slots. One whose slot is not after the region's last changes nothing,
//     so repeats and stragglers are harmless.
//   - Only target faults, ConfirmDown in a row, make a region down, from the first of them on. Observer faults and missed
//     slots never do; ConfirmDown observer faults in a row make it unknown.
//   - A result of a lease that is over, by its epoch, is evidence and nothing else.
//   - With no word on the target for two intervals and a timeout a region is unknown from that deadline on, whether the
//     deadline is noticed by Tick or by the next result.
//   - A monitor's verdict is its quorum over the regions that can see; see verdict.
//   - What has been said of the past stands: a change never begins before the one before it.
type Judge struct {
	subjects map[uint32]*subject
	gone     map[uint32]bool // monitors deleted before Restore
	changes  Changes
	regions  []*RegionState // dirty
	states   []*subject     // dirty

	// sparing leaves regions out of the changes while they merely count successes; see steady. Whoever sets it has to make good
	// what is left out, from the history after a crash and by Spared before an orderly end.
	sparing bool

	healed past  // where something came late, after a silence had been noted: what began within that is told too late until it is mended
	fenced int64 // results that were not judged because of their epoch
}

// subject is one monitor under judgement.
type subject struct {
	monitor Monitor
	state   MonitorState
	all     []*RegionState // every region that ever watched: their timelines go on if they come back
	voting  []*RegionState // those of monitor.Regions
	dirty   bool

	edits   int // of monitor
	noting  bool
	journal []arrival // what was judged since a draft was begun, while noting
}

// MonitorState is a monitor's own state; what its regions see is in their RegionStates.
type MonitorState struct {
	MonitorID      uint32
	OrganizationID string
	Timeline
	UpdatedAt time.Time
}

// Changes is what has to be stored together. Feed is in the order in which things happened.
type Changes struct {
	Monitors    []Monitor // Deleted ones too
	States      []MonitorState
	Regions     []RegionState
	Mended      []Mended
	Transitions []Transition
	Feed        []FeedItem
}

// Empty reports whether there is nothing to store.
func (c *Changes) Empty() bool {
	return len(c.Monitors)+len(c.States)+len(c.Regions)+len(c.Mended)+len(c.Transitions)+len(c.Feed) == 0
}

// cause is what made something change, for the transition's record.
type cause struct {
	at     time.Time // of the check, deadline or edit
	now    time.Time
	region *RegionState // whose fault it tells of; nil for edits
	reason string
}

// Result judges one result that arrived at now. It reports false, and does nothing, if the monitor is not known (yet).
func (j *Judge) Result(now time.Time, x *Result) bool {
	s := j.subjects[x.MonitorID]
	if s == nil {
		return j.gone[x.MonitorID]
	}
	r := s.region(x.Region)
	if s.monitor.Deleted || r == nil { // a region that the monitor is not set to has no vote, only a place in the history
		return true
	}
	if j.fence(r, x) {
		return true
	}
	if x.Outcome == Missed {
		if x.NextScheduledAt.After(r.NextAt) {
			r.NextAt = x.NextScheduledAt
			j.touch(r)
		}
		return true // it has no place in the order either: the check that ran meanwhile is still to come
	}
	if !x.ScheduledAt.After(r.LastSlot) {
		return true
	}
	if s.noting {
		s.journal = append(s.journal, arrival{*x, now})
	}
	steady, told := j.sparing && s.steady(r), j.told()
	j.lapse(s, r, x, now)
	if s.monitor.Enabled {
		if r.Silent && !r.gap(x) {
			j.healed = j.healed.with(x)
		}
		j.apply(s, r, r.heal(x), cause{at: x.ScheduledAt, now: now, region: r})
	}
	streak := r.Failures
	f := r.fold(&s.monitor, x, now)
	j.apply(s, r, f, cause{at: x.ScheduledAt, now: now, region: r, reason: f.reason})
	j.observe(s, r, x, streak)
	if steady && x.Outcome == Success && j.told() == told {
		r.spared = true
		return true
	}
	j.touch(r)
	return true
}

// lateAfter is how old a result of a region that nobody has heard from is at least, to be one of the past.
const lateAfter = time.Minute

// late reports whether x, which has just arrived, tells of a time that is over, so that what follows from it must not be
// announced: it was due before its stream was opened, and longer before than a region may be silent; or its region has been
// silent, and x is older than two such times. It then mends the timelines, see draft.
func (j *Judge) late(now time.Time, x *Result, opened time.Time) bool {
	s := j.subjects[x.MonitorID]
	if s == nil || s.monitor.Deleted || x.Outcome == Missed {
		return false
	}
	r := s.region(x.Region)
	if r == nil || !x.ScheduledAt.After(r.LastSlot) {
		return false
	}
	patience := s.monitor.patience()
	if !opened.IsZero() && x.ScheduledAt.Before(opened.Add(-patience)) {
		return true
	}
	return r.Silent && r.Status == Unknown && now.Sub(x.ScheduledAt) > max(2*patience, lateAfter)
}

// fence reports whether x ran under a lease that somebody else has got since, and so says nothing: of two that check the same
// at once, the newer is believed.
func (j *Judge) fence(r *RegionState, x *Result) bool {
	switch {
	case x.Epoch == 0 || x.Epoch == r.Epoch:
		return false
	case x.Epoch < r.Epoch:
		j.fenced++
		return true
	}
	r.Epoch = x.Epoch
	j.touch(r)
	return false
}

// told is how much there is to announce or to write down for good.
func (j *Judge) told() int { return len(j.changes.Feed) + len(j.changes.Transitions) }

// steady reports whether one more success that makes no news changes nothing of r that the results after its last snapshot
// would not tell as well: r works, no fault is being counted, and no other region has a say in when its deadline has passed.
// There is news every observeEvery, so a snapshot is that old at most, and so much has to be judged again after a crash.
func (s *subject) steady(r *RegionState) bool {
	return s.monitor.Enabled && len(s.voting) == 1 && (r.Status == Up || r.Status == Degraded) &&
		r.Failures == 0 && r.Faults == 0 && r.GraceUntil.IsZero()
}

// Spared adds to the changes what was left out of them.
func (j *Judge) Spared() {
	for _, s := range j.subjects {
		for _, r := range s.all {
			if r.spared {
				j.touch(r)
			}
		}
	}
}

// lapse notes the deadlines that have passed by x's slot. If x's own region has been blind, so have all that nobody has heard
// from since, whatever grace they have: to let them vote would call the time of our own absence seen. If it has not, those in
// grace are about to tell what they saw.
func (j *Judge) lapse(s *subject, own *RegionState, x *Result, now time.Time) {
	blind := own.gap(x) && own.Status.Known()
	j.expire(s, x.ScheduledAt, now, func(r *RegionState) bool {
		if r == own {
			return true
		}
		return !now.Before(r.heardUntil) && (blind || !now.Before(r.GraceUntil))
	})
}

// Tick notes the deadlines that have passed at now.
func (j *Judge) Tick(now time.Time) {
	for _, s := range j.subjects {
		if s.monitor.Deleted || !s.monitor.Enabled {
			continue
		}
		j.expire(s, now, now, func(r *RegionState) bool {
			return !now.Before(r.heardUntil) && !now.Before(r.GraceUntil)
		})
		for _, r := range s.voting {
			if r.Status == Unknown && !r.GraceUntil.IsZero() && !now.Before(r.GraceUntil) {
				j.settle(s, r.GraceUntil, cause{at: r.GraceUntil, now: now, region: r, reason: ReasonNoData})
			}
		}
	}
}

// expire makes unknown the regions whose deadline is at or before at, in the order of their deadlines, if may allows.
func (j *Judge) expire(s *subject, at, now time.Time, may func(*RegionState) bool) {
	var due []*RegionState
	for _, r := range s.voting {
		if r.overdue(at) && may(r) {
			due = append(due, r)
		}
	}
	slices.SortStableFunc(due, func(a, b *RegionState) int { return a.UnknownAt.Compare(b.UnknownAt) })
	for _, r := range due {
		j.apply(s, r, r.expire(), cause{at: r.UnknownAt, now: now, region: r, reason: ReasonNoData})
		j.touch(r)
	}
}

// apply moves r's timeline to what was found, and its monitor's to what follows from that.
func (j *Judge) apply(s *subject, r *RegionState, f finding, c cause) {
	from := r.Status
	if f.to == 0 || !r.move(f.to, f.since) {
		return
	}
	t := Transition{MonitorID: r.MonitorID, Region: r.Region, Timeline: r.Timeline, From: from, NotedAt: c.now, CauseAt: c.at, Reason: c.reason}
	t.blame(r)
	j.changes.Transitions = append(j.changes.Transitions, t)
	j.touch(r)
	j.settle(s, r.Since, c)
}

// settle moves the monitor's timeline to the verdict of its regions, and announces it if that is a change.
func (j *Judge) settle(s *subject, since time.Time, c cause) {
	to := Paused
	if s.monitor.Enabled {
		to = verdict(s.monitor.Quorum, s.voting, c.now)
	}
	from := s.state.Status
	if !s.state.move(to, since) {
		return
	}
	s.state.UpdatedAt = c.now
	t := Transition{
		MonitorID: s.monitor.ID, Timeline: s.state.Timeline, From: from, NotedAt: c.now, CauseAt: c.at, Reason: c.reason,
		Regions: s.seeing(to),
	}
	t.blame(s.culprit(c.region))
	t.ConsecutiveFailures = s.failures()
	j.changes.Transitions = append(j.changes.Transitions, t)
	t.Down = s.seeing(Down)
	j.changes.Feed = append(j.changes.Feed, FeedItem{
		OrganizationID: s.monitor.OrganizationID, MonitorID: s.monitor.ID, At: c.at, Transition: &t,
	})
	j.touchState(s)
}

// blame records the fault that led to a state that is not up.
func (t *Transition) blame(r *RegionState) {
	if r == nil || (t.Status != Down && t.Status != Degraded && t.Reason != ReasonObserverFault) {
		return
	}
	t.ErrorType, t.ErrorMessage, t.ConsecutiveFailures = r.LastErrorType, r.LastError, r.Failures
}

// culprit is the region to quote: the one that moved, if it knows of a fault, else any that does.
func (s *subject) culprit(moved *RegionState) *RegionState {
	if moved == nil || moved.LastErrorType != "" {
		return moved
	}
	for _, r := range s.voting {
		if r.LastErrorType != "" && (r.Status == Down || r.Status == Degraded) {
			return r
		}
	}
	return moved
}

// seeing lists the regions that see state to; for degraded, also those that see the monitor down.
func (s *subject) seeing(to Status) []string {
	var out []string
	for _, r := range s.voting {
		if r.Status == to || to == Degraded && r.Status == Down {
			out = append(out, r.Region)
		}
	}
	return out
}

// failures is the longest run of target faults of any region.
func (s *subject) failures() uint32 {
	var most uint32
	for _, r := range s.voting {
		most = max(most, r.Failures)
	}
	return most
}

func (s *subject) region(name string) *RegionState {
	for _, r := range s.voting {
		if r.Region == name {
			return r
		}
	}
	return nil
}

func (j *Judge) touch(r *RegionState) {
	if !r.dirty {
		r.dirty = true
		j.regions = append(j.regions, r)
	}
}

func (j *Judge) touchState(s *subject) {
	if !s.dirty {
		s.dirty = true
		j.states = append(j.states, s)
	}
}

// Urgent reports whether a state has changed, so that Take should not wait for company.
func (j *Judge) Urgent() bool {
	return len(j.changes.Transitions)+len(j.changes.Monitors)+len(j.changes.Mended) > 0
}

// Take hands over what has changed since the last Take.
func (j *Judge) Take() Changes {
	c := j.changes
	for _, r := range j.regions {
		r.dirty, r.spared = false, false
		c.Regions = append(c.Regions, *r)
	}
	for _, s := range j.states {
		s.dirty = false
		c.States = append(c.States, s.state)
	}
	j.changes, j.regions, j.states = Changes{}, j.regions[:0], j.states[:0]
	return c
}
