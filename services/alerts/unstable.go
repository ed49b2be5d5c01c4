package alerts

import (
	"context"
	"slices"
	"time"
)

// A monitor that goes down and comes up again and again is told to be unstable once, and once to be steady again, with what it is then.
// In between nobody is told of single changes, as in maintenance, and its outages are one incident (see unstable_incident.go).

// Flapping is when a monitor is unstable.
type Flapping struct {
	Changes int           // so many times down, or up again, the last of them down; 0: none ever is
	Within  time.Duration // in this time. It is steady again when it has not changed for as long
}

// MinFlapping is the least of Flapping.Changes but 0: an outage, its end, and another outage.
const MinFlapping = 3

// Unstable is that a monitor is.
type Unstable struct {
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`   // if it does not change before
	Changes int       `json:"changes"` // so far, with those that made it so

	Look     time.Time `json:"look,omitzero"`      // when to look again, while nobody knows what it is
	Over     bool      `json:"over,omitempty"`     // it was steady by Until, which is to be told once nothing else keeps silence
	Incident *Incident `json:"incident,omitempty"` // as it was then
}

// due is when to look whether it still is.
func (u Unstable) due() time.Time {
	if u.Look.After(u.Until) {
		return u.Look
	}
	return u.Until
}

func (s State) unstable() *Unstable {
	if s.Overlay == nil {
		return nil
	}
	return s.Overlay.Unstable
}

// changes notes that the monitor went down, or came up again, and finds out whether it is unstable; nil if it is not, or has been
// before. It comes before that is noted, because it keeps what receivers know.
func (v *evaluation) changes(t Transition) *Unstable {
	f, at := v.state.Flapping, v.entry.At
	if f.Changes == 0 || v.state.inWindow() || v.state.held() != nil || v.state.inGroup() {
		return nil
	}
	if v.state.unstable() != nil {
		v.another(at)
		return nil
	}
	u, reached := v.count(at, t.To == StatusDown)
	if !reached {
		return nil
	}
	v.beginQuiet(func(o *Overlay) { o.Unstable = &u })
	return &u
}

// another counts a change of what is unstable.
func (v *evaluation) another(at time.Time) {
	u := v.state.unstable()
	next := Unstable{Since: u.Since, Until: u.Until, Changes: u.Changes + 1}
	if until := at.Add(v.state.Flapping.Within); until.After(next.Until) {
		next.Until = until
	}
	v.remember(func(o *Overlay) { o.Unstable = &next })
}

// count adds a change, and reports whether the monitor is unstable with it.
func (v *evaluation) count(at time.Time, down bool) (Unstable, bool) {
	f := v.state.Flapping
	recent := slices.DeleteFunc(slices.Clone(v.state.Changes), func(c time.Time) bool { return !c.After(at.Add(-f.Within)) })
	recent = append(recent, at)
	if len(recent) > f.Changes { // of those before only so many can matter
		recent = recent[len(recent)-f.Changes:]
	}
	if v.state.Changes = recent; len(recent) < f.Changes || !down {
		return Unstable{}, false
	}
	v.state.Changes = nil
	return Unstable{Since: at, Until: at.Add(f.Within), Changes: len(recent)}, true
}

// unstableAfter counts an outage that was held for a while, and turned out to be the monitor's own, at the moment at which it is to be
// told. If it makes the monitor unstable, that is told in its place.
func (v *evaluation) unstableAfter(h Hold, end time.Time) bool {
	inc := v.state.Incident
	if v.state.Flapping.Changes == 0 || h.By != 0 || inc == nil {
		return false
	}
	u, reached := v.count(end, true)
	if !reached {
		return false
	}
	defer func(e Entry) { v.entry = e }(v.entry)
	v.entry.At = end
	v.remember(func(o *Overlay) { o.Hold, o.Unstable = nil, &u })
	v.saveIncident(func(i *Incident) { i.of(&u) })
	v.step(StepUnstableBegan, end, StepFacts{Changes: u.Changes})
	t := Transition{From: v.state.Overlay.Known, To: StatusDown, Since: inc.StartTime}
	if last := v.state.Overlay.Last; last != nil {
		t = *last
	}
	v.tellUnstable(TypeUnstable, v.channels(EventDown), t, u, v.state.Incident, time.Time{})
	return true
}

// anotherAfter is unstableAfter of what is unstable already.
func (v *evaluation) anotherAfter(h Hold, end time.Time) {
	if v.state.Flapping.Changes == 0 || h.By != 0 || !v.state.isDown() || !v.state.flaps() || v.state.inWindow() || v.state.inGroup() {
		return
	}
	v.another(end)
	v.saveIncident(func(i *Incident) { i.of(v.state.unstable()) })
}

// steady ends it when it has not changed for long enough, which nobody can say while nothing is known of the monitor. What else keeps
// silence comes first, for it is told with what is so then; the incident does not wait for that.
func (v *evaluation) steady(at time.Time) {
	u := v.state.unstable()
	if inc := v.state.Incident; u == nil && inc != nil && !inc.Down() && v.state.Known != StatusDown { // an older version ended it
		v.endUnstable(inc.UpSince)
	}
	if u == nil || !u.Over && at.Before(u.Until) {
		return
	}
	if !v.state.Blind.IsZero() {
		v.lookLater(*u, at)
		return
	}
	if !u.Over {
		u = v.calm(*u)
	}
	if v.state.inWindow() || v.state.held() != nil {
		return
	}
	now := Transition{From: StatusDown, To: v.state.Known}
	if last := v.state.Overlay.Last; last != nil {
		now = *last
	}
	defer func(e Entry) { v.entry = e }(v.entry)
	v.entry.At = u.Until
	v.tellUnstable(TypeStable, v.channels(EventDown, EventRecovery), now, *u, u.Incident, u.Until)
	if v.state.Grouped { // what it is then is told of its group
		v.remember(func(o *Overlay) { o.Unstable, o.Grouped = nil, true })
		return
	}
	v.endQuiet(u.Until)
}

func (v *evaluation) tellUnstable(kind string, to []Channel, t Transition, u Unstable, inc *Incident, until time.Time) {
	for _, c := range to {
		m := v.message(kind, Target{TargetChannel, c.ID})
		since := number(u.Since.UnixMilli())
		m.ID, m.Thread = messageID(kind, m.Target, m.OrganizationID, number(m.MonitorID), since), "unstable:"+number(m.MonitorID)+":"+since
		m.Content.Status, m.Content.Regions, m.Content.ErrorType, m.Content.ErrorMessage = t.To, t.Regions, t.ErrorType, t.ErrorMessage
		m.Content.Unstable = &ContentUnstable{Since: Stamp(u.Since), Until: stampOf(until), Changes: u.Changes, WithinSeconds: int64(v.state.Flapping.Within.Seconds())}
		if inc != nil { // which there may not be of one that an older version found to be unstable
			m.IncidentID, m.Content.Incident = inc.ID, inc.content()
		}
		v.out.Messages = append(v.out.Messages, m)
	}
}

// firstQuietly reports whether a rule that triggers now is told, although single changes are not: its receivers know of nothing yet.
func (v *evaluation) firstQuietly(rule uint32) bool {
	if v.state.unstable() == nil || v.state.inWindow() || v.state.held() != nil || v.state.inGroup() {
		return false
	}
	_, known := v.state.Overlay.Rules[rule]
	return !known
}

// ContentUnstable says for how long a monitor has been, or was, unstable.
type ContentUnstable struct {
	Since         Stamp  `json:"since"`
	Until         *Stamp `json:"until"`   // null while it is
	Changes       int    `json:"changes"` // how often it went down or came up again, so far
	WithinSeconds int64  `json:"within_seconds"`
}

// tuned is a store whose states know what unstable means.
type tuned struct {
	Store
	flapping Flapping
}

func (s tuned) know(step func(Progress, map[uint32]State) Batch) func(Progress, map[uint32]State) Batch {
	return func(p Progress, states map[uint32]State) Batch {
		for id, st := range states {
			st.Flapping = s.flapping
			states[id] = st
		}
		return step(p, states)
	}
}

// Advance implements EvaluationStore.
func (s tuned) Advance(ctx context.Context, monitors []MonitorRef, now time.Time, step func(Progress, map[uint32]State) Batch) error {
	return s.Store.Advance(ctx, monitors, now, s.know(step))
}

// RemoveMonitors implements CatalogStore.
func (s tuned) RemoveMonitors(ctx context.Context, monitors []MonitorRef, now time.Time, step func(Progress, map[uint32]State) Batch) error {
	return s.Store.RemoveMonitors(ctx, monitors, now, s.know(step))
}
