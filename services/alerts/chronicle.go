package alerts

import (
	"cmp"
	"slices"
	"time"
)

// A timeline is derived when it is asked for, from what is stored for other reasons and from the steps. Nothing in it is concluded:
// what is not stored, such as when an outage was confirmed that began before steps were kept, is not told.

// TimelineAtMost is how many of the first, and of the last, messages of an incident a timeline tells, and how many triggers.
const TimelineAtMost = 500

// Chronicle is everything that is stored of the course of an incident.
type Chronicle struct {
	Incident  Incident
	Steps     []Step     // in their order
	Notes     []Note     // oldest first
	Triggers  []Trigger  // that began in its course, oldest first
	Messages  []Reported // about it, in the order in which they were written
	Truncated bool       // there were more triggers or messages
}

// Reported is a message and when the last attempt at it ended.
type Reported struct {
	Delivery
	LastAttempt time.Time // zero without one
}

// Until is up to when rules belong to the course of an incident: a verdict comes after the check that it is about.
func (i Incident) Until(now time.Time) time.Time {
	if !i.Settled {
		return now
	}
	if i.ResolvedAt.After(i.EndTime) {
		return i.ResolvedAt
	}
	return i.EndTime
}

// MomentKind is what happened at a moment.
type MomentKind int

// The kinds of moments, in the order of those of one time.
const (
	MomentFirstFailure MomentKind = iota + 1
	MomentAlertTriggered
	MomentConfirmed
	MomentHeld
	MomentMaintenanceBegan
	MomentUnstableBegan
	MomentRegionsDown
	MomentRegionsUp
	MomentWentDown
	MomentCameUp
	MomentAcknowledged
	MomentResolved
	MomentRecovered
	MomentClosed
	MomentAlertResolved
	MomentReleased
	MomentMaintenanceEnded
	MomentUnstableEnded
	MomentNote
	MomentQueued
	MomentFailed
	MomentDelivered
)

// Moment is one entry of a timeline; of the pointers one is set at most, which is what it is about.
type Moment struct {
	At      time.Time
	Kind    MomentKind
	By      string // name of who did it; "" for this system
	Lasted  time.Duration
	Step    *Step
	Note    *Note
	Trigger *Trigger
	Message *Reported
}

// Timeline is the chronicle in the order of time.
func (c Chronicle) Timeline() []Moment {
	out := c.handling()
	for i := range c.Steps {
		out = append(out, c.stepMoment(&c.Steps[i]))
	}
	for i := range c.Notes {
		n := &c.Notes[i]
		out = append(out, Moment{At: n.CreatedAt, Kind: MomentNote, By: n.Author.shown(), Note: n})
	}
	for i := range c.Triggers {
		t := &c.Triggers[i]
		out = append(out, Moment{At: t.TriggeredAt, Kind: MomentAlertTriggered, Trigger: t})
		if !t.ResolvedAt.IsZero() {
			out = append(out, Moment{At: t.ResolvedAt, Kind: MomentAlertResolved, Trigger: t, Lasted: t.ResolvedAt.Sub(t.TriggeredAt)})
		}
	}
	for i := range c.Messages {
		out = append(out, c.Messages[i].moments()...)
	}
	slices.SortStableFunc(out, func(a, b Moment) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Kind, b.Kind)) })
	return out
}

// handling is what the incident's own row tells.
func (c Chronicle) handling() []Moment {
	i := c.Incident
	out := []Moment{{At: i.StartTime, Kind: MomentFirstFailure}}
	if !i.AcknowledgedAt.IsZero() {
		out = append(out, Moment{At: i.AcknowledgedAt, Kind: MomentAcknowledged, By: i.AcknowledgedBy})
	}
	noted := slices.ContainsFunc(c.Steps, func(s Step) bool { return s.Kind == StepRecovered })
	switch {
	case i.Open():
	case i.ResolvedBy == resolvedBySystem:
		out = append(out, Moment{At: i.EndTime, Kind: MomentClosed, Lasted: i.EndTime.Sub(i.StartTime)})
	case i.ResolvedBy != "":
		out = append(out, Moment{At: i.ResolvedAt, Kind: MomentResolved, By: i.ResolvedBy, Lasted: i.ResolvedAt.Sub(i.StartTime)})
	case !noted: // it ended before steps were kept
		out = append(out, Moment{At: i.EndTime, Kind: MomentRecovered, Lasted: i.EndTime.Sub(i.StartTime)})
	}
	return out
}

var stepMoments = map[StepKind]MomentKind{
	StepConfirmed: MomentConfirmed, StepRegionsDown: MomentRegionsDown, StepRegionsUp: MomentRegionsUp, StepHeld: MomentHeld,
	StepReleased: MomentReleased, StepMaintenanceBegan: MomentMaintenanceBegan, StepMaintenanceEnded: MomentMaintenanceEnded,
	StepUnstableBegan: MomentUnstableBegan, StepUnstableEnded: MomentUnstableEnded, StepWentDown: MomentWentDown, StepCameUp: MomentCameUp,
	StepRecovered: MomentRecovered,
}

func (c Chronicle) stepMoment(s *Step) Moment {
	m := Moment{At: s.At, Kind: stepMoments[s.Kind], Step: s}
	if s.Kind == StepRecovered {
		m.Lasted = s.At.Sub(c.Incident.StartTime)
	}
	return m
}

// moments are those of a message: that it was written, and what came of it as far as it is known when. One that was given up, or
// told in another, without an attempt has no moment of its own; that it is says its state.
func (r *Reported) moments() []Moment {
	out := []Moment{{At: r.CreatedAt, Kind: MomentQueued, Message: r}}
	switch {
	case r.State == DeliveryDelivered:
		out = append(out, Moment{At: r.DeliveredAt, Kind: MomentDelivered, Message: r, Lasted: r.DeliveredAt.Sub(r.CreatedAt)})
	case !r.LastAttempt.IsZero():
		out = append(out, Moment{At: r.LastAttempt, Kind: MomentFailed, Message: r})
	}
	return out
}
