package alerts

import "time"

// The outage that makes a monitor unstable has an incident, as any outage. While the monitor is unstable that stays the one that is not
// settled: it notes that the monitor came up and went down again, and neither ends nor begins with that. Once the monitor is steady it
// ends where the monitor came up last; or if the monitor is down, it goes on as the incident of an outage. If somebody has resolved it
// by hand, what began after that and goes on then has another.

// flaps reports whether the monitor is unstable, and was not found to be steady again.
func (s State) flaps() bool {
	u := s.unstable()
	return u != nil && !u.Over
}

// flapping reports whether it is the incident of a monitor that is unstable.
func (i Incident) flapping() bool { return !i.UnstableSince.IsZero() && i.UnstableUntil.IsZero() }

// of makes it the incident of a monitor that is unstable, if it is; one that an older version began is made so when it changes.
func (i *Incident) of(u *Unstable) {
	if u != nil && !u.Over {
		i.UnstableSince, i.UnstableUntil, i.Changes = u.Since, time.Time{}, u.Changes
	}
}

// wentDown notes that an unstable monitor is down again.
func (v *evaluation) wentDown(t Transition) {
	v.saveIncident(func(i *Incident) {
		i.of(v.state.unstable())
		i.DownSince, i.UpSince = t.Since, time.Time{}
		if i.Open() {
			i.addRegions(t.Regions...)
			i.lastFault(t.ErrorType, t.ErrorMessage)
			i.countAgain(max(t.Failures, 1), v.entry.At)
		}
	})
	v.seenDown(StepWentDown, t)
	v.unannounced(t)
}

// countAgain adds a streak of failing checks up to the moment at, of which some may have been counted one by one since it came up.
func (i *Incident) countAgain(streak uint32, at time.Time) {
	if streak > i.Streak {
		i.FailureCount += streak - i.Streak
		i.Streak = streak
	}
	if at.After(i.CountedAt) {
		i.CountedAt = at
	}
}

// cameUp notes that an unstable monitor, of which the state before is known, works: again, or in another way.
func (v *evaluation) cameUp(before Status, t Transition) {
	if inc := v.state.Incident; inc.Down() {
		up := t.Since
		if down := inc.downSince(); up.Before(down) { // regions have clocks of their own
			up = down
		}
		v.saveIncident(func(i *Incident) {
			i.of(v.state.unstable())
			i.UpSince, i.Streak, i.DownRegions = up, 0, nil
		})
		confirmed := Stamp(v.entry.At)
		v.step(StepCameUp, up, StepFacts{Confirmed: &confirmed})
	}
	if before != t.To {
		v.unannounced(t)
	}
}

// calm notes that the monitor has been steady since it was last changed, and what that makes of its incident.
func (v *evaluation) calm(u Unstable) *Unstable {
	if v.state.Incident != nil {
		v.saveIncident(func(i *Incident) { i.of(&u) })
	}
	if u.Incident = v.endUnstable(u.Until); u.Incident != nil && u.Incident.Settled {
		v.remember(func(o *Overlay) { o.Ended = u.Incident })
	}
	u.Over = true
	v.remember(func(o *Overlay) { o.Unstable = &u })
	v.anew(u.Until)
	return &u
}

// anew opens an incident for the outage that goes on at the moment at, if it began after somebody had resolved that of the time in
// which the monitor was unstable.
func (v *evaluation) anew(at time.Time) {
	inc, last := v.state.Incident, v.state.Overlay.Last
	if inc == nil || inc.Open() || !inc.DownSince.After(inc.EndTime) || last == nil || last.To != StatusDown {
		return
	}
	v.saveIncident(func(i *Incident) { i.settle("", i.EndTime, v.now) })
	v.out.Ended = v.state.Incident
	defer func(e Entry) { v.entry = e }(v.entry)
	v.entry.At = at
	t := *last
	t.Failures = max(t.Failures, inc.Streak)
	v.begin(t)
}

// streak keeps the length of the streak of failing checks, although nobody counts them, of an incident that was resolved by hand and
// that another may follow.
func (v *evaluation) streak(o Observation) {
	if inc := v.state.Incident; inc != nil && !inc.Open() && inc.flapping() && o.Outcome.fault() {
		v.saveIncident(func(i *Incident) { i.Streak = o.Failures })
	}
}

// endUnstable ends, at the moment at, what is unstable about the incident: if the monitor is up, the incident with it, as of when it
// came up last. It returns the incident as it is then; nil if it was not of an unstable monitor.
func (v *evaluation) endUnstable(at time.Time) *Incident {
	inc := v.state.Incident
	if inc == nil || !inc.flapping() {
		return nil
	}
	v.saveIncident(func(i *Incident) { i.UnstableUntil = at })
	v.step(StepUnstableEnded, at, StepFacts{})
	if inc.Down() {
		return v.state.Incident
	}
	confirmed := Stamp(at)
	v.step(StepRecovered, inc.UpSince, StepFacts{Confirmed: &confirmed})
	v.saveIncident(func(i *Incident) { i.settle("", i.UpSince, v.now) })
	ended := v.state.Incident
	v.state.Incident, v.out.Ended, v.out.Incident = nil, ended, nil
	return ended
}

// lookLater notes when to look again at a monitor of which nothing is known.
func (v *evaluation) lookLater(u Unstable, at time.Time) {
	if !at.Before(u.due()) {
		u.Look = at.Add(holdEvery)
		v.remember(func(o *Overlay) { o.Unstable = &u })
	}
}
