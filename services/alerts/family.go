package alerts

import (
	"slices"
	"time"
)

// A monitor may depend on others: a host on its router. When it begins to fail while one of those is down, or may be about to be seen
// down, it is held: history goes on, and nobody is told, as in maintenance. What is held is told when that was not the reason, or is
// no reason any more; what has ended meanwhile is not told at all. Those that may be about to be seen down are checked at once, so that
// this is known within seconds (see Effects.Recheck); when that cannot be had, by when they would have been seen by their schedules.

// Relative is what evaluation knows of a monitor that another depends on, or that depends on another.
type Relative struct {
	ID          uint32
	Name        string
	Enabled     bool
	Down        bool          // an outage of it goes on
	Ended       time.Time     // when its last outage ended; zero if it had none, and of dependents
	Seen        time.Time     // when it was seen to work; only in the evaluation that this is the cause of
	DetectsDown time.Duration // the longest time until it is seen to be down; 0 of dependents
}

// Hold is why nobody is told of what a monitor does.
type Hold struct {
	Since time.Time `json:"since"`          // when it began to fail
	By    uint32    `json:"by,omitempty"`   // the monitor it depends on that is, or was, down; 0 while that is not known
	Wait  []Suspect `json:"wait,omitempty"` // those that may be about to be seen down
	Until time.Time `json:"until,omitzero"` // after By has recovered: when this one should have been seen to work again
	Look  time.Time `json:"look,omitzero"`  // when to look again in any case
}

// Suspect is a monitor that may be down without being seen so yet.
type Suspect struct {
	ID    uint32    `json:"id"`
	Until time.Time `json:"until"` // when it would have been seen
}

const (
	// maxSuspicion bounds how long somebody waits to hear of a monitor because another is checked rarely.
	maxSuspicion = 5 * time.Minute
	// familySlack is what checks, verdicts and the way of both to this service may take beyond what is computed.
	familySlack = 5 * time.Second
	// holdEvery is how often a hold is looked at when nothing happens.
	holdEvery = time.Minute
	// waitEvery is the same while somebody is waited for, who is then checked once more: the check before may not have come about, or
	// its prober's clock may be behind that of the prober that saw the failure.
	waitEvery = 15 * time.Second
)

func (s State) held() *Hold {
	if s.Overlay == nil {
		return nil
	}
	return s.Overlay.Hold
}

// settles is how long the monitor may take to be seen to work again, or to be seen down once more.
func (m Monitor) settles() time.Duration { return max(m.DetectsDown, m.DetectsUp) + familySlack }

// downParent is a monitor that is down and that this one depends on: first, if it is such; 0 if there is none.
func (s State) downParent(first uint32) uint32 {
	var found uint32
	for _, p := range s.Parents {
		if p.Down && (found == 0 || p.ID == first) {
			found = p.ID
		}
	}
	return found
}

func (s State) parent(id uint32) (Relative, bool) {
	i := slices.IndexFunc(s.Parents, func(p Relative) bool { return p.ID == id })
	if i < 0 {
		return Relative{}, false
	}
	return s.Parents[i], true
}

// suspects says whether what began to fail at since is to be held at the moment at, and why.
func (s State) suspects(since, at time.Time) (Hold, bool) {
	h := Hold{Since: since}
	if h.By = s.downParent(0); h.By != 0 {
		return h, true
	}
	for _, p := range s.Parents {
		if until := p.Ended.Add(s.Monitor.settles()); p.Ended.After(since) && at.Before(until) {
			h.By, h.Until = p.ID, until
			return h, true
		}
		if until := since.Add(min(p.DetectsDown, maxSuspicion) + familySlack); p.Enabled && at.Before(until) {
			h.Wait = append(h.Wait, Suspect{p.ID, until})
		}
	}
	return h, len(h.Wait) > 0
}

// follow is what has become of a hold by the moment at; if it is over, end says since when.
func (s State) follow(h Hold, at time.Time) (next Hold, end time.Time, over bool) {
	if by := s.downParent(h.By); by != 0 {
		return Hold{Since: h.Since, By: by}, time.Time{}, false
	}
	for _, w := range h.Wait {
		if p, ok := s.parent(w.ID); ok && p.Ended.After(h.Since) { // it was down, and is not any more
			h.By = p.ID
		}
	}
	if h.By != 0 {
		h.Wait = nil
		if h.Until.IsZero() {
			ended := at
			if p, ok := s.parent(h.By); ok && p.Ended.After(h.Since) {
				ended = p.Ended
			}
			h.Until = ended.Add(s.Monitor.settles())
		}
		return h, h.Until, !at.Before(h.Until)
	}
	var left []Suspect
	for _, w := range h.Wait {
		switch p, ok := s.parent(w.ID); {
		case !ok || !p.Enabled || p.Seen.After(h.Since):
			end = at
		case !at.Before(w.Until):
			if w.Until.After(end) {
				end = w.Until
			}
		default:
			left = append(left, w)
		}
	}
	h.Wait = left
	return h, end, len(left) == 0
}

// due is when to look at a hold again.
func (h Hold) due(at time.Time) time.Time {
	due := at.Add(holdEvery)
	earlier := func(t time.Time) {
		if !t.IsZero() && t.Before(due) {
			due = t
		}
	}
	earlier(h.Until)
	for _, w := range h.Wait {
		earlier(w.Until)
		earlier(at.Add(waitEvery))
	}
	return due
}

// hold holds what begins to fail, if there is a reason. It comes before the failure is noted, because it keeps what receivers know.
func (v *evaluation) hold(since time.Time) {
	if len(v.state.Parents) == 0 || v.state.held() != nil || v.state.Past {
		return
	}
	h, held := v.state.suspects(since, v.entry.At)
	if !held {
		return
	}
	h.Look = h.due(v.entry.At)
	v.out.Recheck = len(h.Wait) > 0
	if !v.state.muted() {
		v.beginQuiet(func(o *Overlay) { o.Hold = &h })
		return
	}
	v.remember(func(o *Overlay) { o.Hold = &h })
}

// depend looks at what has become of the reason to hold.
func (v *evaluation) depend(at time.Time) {
	h := v.state.held()
	if h == nil {
		return
	}
	next, end, over := v.state.follow(*h, at)
	if over {
		v.endHold(end)
		return
	}
	switch inc := v.state.Incident; {
	case next.By == 0 || !v.state.isDown():
	case inc.flapping(): // of which the other is no reason, but for this once
		if h.By == 0 {
			v.step(StepHeld, at, StepFacts{MonitorID: next.By})
		}
	case inc.AffectedBy == 0:
		v.saveIncident(func(i *Incident) { i.AffectedBy = next.By })
		v.step(StepHeld, at, StepFacts{MonitorID: next.By})
	}
	if next.Look = h.Look; !at.Before(h.Look) || next.due(at).Before(h.Look) {
		v.out.Recheck = len(next.Wait) > 0 // nothing came of it so far
		next.Look = next.due(at)
	}
	if !sameHold(*h, next) {
		v.remember(func(o *Overlay) { o.Hold = &next })
	}
}

func sameHold(a, b Hold) bool {
	return a.By == b.By && a.Until.Equal(b.Until) && a.Look.Equal(b.Look) && len(a.Wait) == len(b.Wait)
}

// works ends a hold of which nothing is left to tell.
func (v *evaluation) works(at time.Time) {
	if v.state.held() == nil || v.state.isDown() {
		return
	}
	for _, r := range v.state.Rules {
		if r.Open != nil && (r.Open.Holding.Failures || r.Open.Holding.Regions) {
			return
		}
	}
	v.endHold(at)
}

func (v *evaluation) endHold(end time.Time) {
	if v.state.held().By != 0 {
		v.step(StepReleased, end, StepFacts{})
	}
	if v.state.inWindow() || v.state.unstable() != nil || v.state.Grouped {
		v.anotherAfter(*v.state.held(), end)
		v.remember(func(o *Overlay) { o.Hold, o.Grouped = nil, v.state.Grouped })
		return
	}
	if v.unstableAfter(*v.state.held(), end) {
		return
	}
	v.endQuiet(end)
}

// affectedBy is why nobody is told of an outage that begins; 0 if that is not known, or they are told.
func (s State) affectedBy() uint32 {
	if h := s.held(); h != nil {
		return h.By
	}
	return 0
}

// maxDependents is how many dependents a message names.
const maxDependents = 50

// dependents are the monitors that depend on this one, directly or not; nil without any.
func (v *evaluation) dependents() *ContentDependents {
	if len(v.state.Children) == 0 {
		return nil
	}
	c := &ContentDependents{Total: len(v.state.Children)}
	sorted := slices.Clone(v.state.Children)
	slices.SortStableFunc(sorted, func(a, b Relative) int {
		switch {
		case a.Down == b.Down:
			return 0
		case a.Down:
			return -1
		}
		return 1
	})
	for i, child := range sorted {
		if child.Down {
			c.Down++
		}
		if i < maxDependents {
			c.Monitors = append(c.Monitors, ContentDependent{child.ID, child.Name, child.Down})
		}
	}
	return c
}

// ContentDependents are the monitors that depend on the one that the message is about, directly or not. Nobody is told of those
// that go down with it.
type ContentDependents struct {
	Total    int                `json:"total"`
	Down     int                `json:"down"`     // of those, known to be down when the message was made
	Monitors []ContentDependent `json:"monitors"` // at most 50, those that are down first
}

// ContentDependent names one of them.
type ContentDependent struct {
	ID   uint32 `json:"id"`
	Name string `json:"name"`
	Down bool   `json:"down"`
}
