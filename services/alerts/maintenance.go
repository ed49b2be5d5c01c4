package alerts

import (
	"maps"
	"slices"
	"time"

	"github.com/frogstats/uptime/internal/maintenance"
)

// MaintenanceWindow is a window as it was from one change until the next, the copy of what the monitors service says.
type MaintenanceWindow struct {
	ID             uint32
	Version        uint32
	OrganizationID string
	Target         maintenance.Target
	Spec           maintenance.Spec
	From           time.Time // since when this version holds
	Until          time.Time // when the window was changed or deleted; zero while it holds
	was            *span     // of the past: the one time that it was, whatever the spec says
}

// WindowsOf are the windows that are for a monitor.
func WindowsOf(windows []MaintenanceWindow, m Monitor) []MaintenanceWindow {
	return slices.DeleteFunc(slices.Clone(windows), func(w MaintenanceWindow) bool {
		return w.OrganizationID != m.OrganizationID || !w.Target.Covers(m.ID, m.Labels)
	})
}

// at reports whether t lies in an occurrence, and if so until when that lasts.
func (w MaintenanceWindow) at(t time.Time) (until time.Time, active bool) {
	if w.was != nil {
		return w.was.to, !t.Before(w.was.from) && t.Before(w.was.to)
	}
	if t.Before(w.From) || !w.Until.IsZero() && !t.Before(w.Until) {
		return time.Time{}, false
	}
	schedule, err := maintenance.Compiled(w.Spec)
	if err != nil { // which the monitors service accepted; a zone may be missing here
		return time.Time{}, false
	}
	until, active = schedule.At(t)
	if !w.Until.IsZero() && w.Until.Before(until) {
		until = w.Until
	}
	return until, active
}

// maxLinks bounds how many windows are followed that overlap, or follow each other without a gap. At the end of the last it is
// looked again.
const maxLinks = 8

// maintained reports whether t lies in a window of the monitor's, and if so when the first ends, and when those do that overlap or
// follow it.
func (s State) maintained(t time.Time) (first, until time.Time, active bool) {
	until = t
	for range maxLinks {
		end := until
		for _, w := range s.Windows {
			if e, on := w.at(until); on && e.After(end) {
				end = e
			}
		}
		if !end.After(until) {
			break
		}
		if until = end; !active {
			first, active = end, true
		}
	}
	return first, until, active
}

// Overlay is what is remembered because of maintenance, or of a monitor that another depends on: while it lasts, what receivers know,
// and after it, by which name they know what goes on. Receivers know only what was announced, so a message that ends something names
// what began it.
type Overlay struct {
	From  time.Time `json:"from,omitzero"`  // a moment since which maintenance has lasted without a gap; zero: it does not last
	Until time.Time `json:"until,omitzero"` // when to look at maintenance again
	Hold  *Hold     `json:"hold,omitempty"` // because of what the monitor depends on

	Unstable *Unstable `json:"unstable,omitempty"`
	Grouped  bool      `json:"grouped,omitempty"` // a group is told of in its place
	Look     time.Time `json:"-"`                 // when to look again whether it still is; kept beside the overlay, as Due

	// While it lasts.
	Known   Status              `json:"known,omitempty"`    // the last state that was announced
	Outage  *Told               `json:"outage,omitempty"`   // that was announced and has no end for receivers
	Ended   *Incident           `json:"ended,omitempty"`    // the last that ended meanwhile
	Last    *Transition         `json:"last,omitempty"`     // the last that was not announced
	LastSeq uint64              `json:"last_seq,omitempty"` // its place in the feed
	Rules   map[uint32]ToldRule `json:"rules,omitempty"`    // by rule, what was announced and has no end for receivers

	// Also afterwards.
	OutageAs *Told           `json:"outage_as,omitempty"` // the name of the outage that goes on
	RuleAs   map[uint32]Told `json:"rule_as,omitempty"`   // by rule, the name of what it has triggered
}

// Told is how receivers know something.
type Told struct {
	ID uint32    `json:"id"`
	At time.Time `json:"at"`
}

// ToldRule is what receivers know of a rule.
type ToldRule struct {
	Told
	Trigger uint32   `json:"trigger"`         // row that it is
	Ended   *Trigger `json:"ended,omitempty"` // the last that ended meanwhile
}

// muted reports whether nobody is told, inWindow whether that is because of maintenance.
func (s State) muted() bool {
	return s.inWindow() || s.held() != nil || s.unstable() != nil || s.inGroup()
}
func (s State) inWindow() bool { return s.Overlay != nil && !s.Overlay.From.IsZero() }

// Due is when to look at the overlay again; zero: not before something happens.
func (o Overlay) Due() time.Time {
	due := o.Until
	if o.Hold != nil && (due.IsZero() || o.Hold.Look.Before(due)) {
		due = o.Hold.Look
	}
	if u := o.Unstable; u != nil && !(u.Over && (!o.From.IsZero() || o.Hold != nil)) && (due.IsZero() || u.due().Before(due)) {
		due = u.due()
	}
	if !o.Look.IsZero() && (due.IsZero() || o.Look.Before(due)) {
		due = o.Look
	}
	return due
}

// LookAt says when to look at the overlay again, if that is earlier than what it says itself.
func (o *Overlay) LookAt(due time.Time) {
	if !o.From.IsZero() {
		o.Until = due
	}
	if o.Grouped && o.From.IsZero() && o.Hold == nil && o.Unstable == nil {
		o.Look = due
	}
	if o.Hold != nil && !due.IsZero() && due.Before(o.Hold.Look) {
		h := *o.Hold
		h.Look = due
		o.Hold = &h
	}
}

// remember changes a copy of the overlay; the state that was given to Evaluate keeps its own. One that says nothing is none.
func (v *evaluation) remember(change func(*Overlay)) {
	var o Overlay
	if v.state.Overlay != nil {
		o = *v.state.Overlay
		o.Rules, o.RuleAs = maps.Clone(o.Rules), maps.Clone(o.RuleAs)
	}
	change(&o)
	v.state.Overlay = &o
	if o.From.IsZero() && o.Hold == nil && o.Unstable == nil && !o.Grouped && o.OutageAs == nil && len(o.RuleAs) == 0 {
		v.state.Overlay = nil
	}
}

// maintain begins and ends maintenance up to the moment at.
func (v *evaluation) maintain(at time.Time) {
	for v.state.inWindow() {
		from := v.state.Overlay.From
		first, until, active := v.state.maintained(from)
		switch {
		case !active: // the monitor has left the window, by its labels
			v.endMaintenance(at)
		case until.After(at):
			v.lookAgain(from, first, until, at)
			return
		default:
			if _, _, goesOn := v.state.maintained(until); goesOn {
				v.lookAgain(until, until, until, at)
				continue
			}
			v.endMaintenance(until)
		}
	}
	if _, until, active := v.state.maintained(at); active {
		v.beginMaintenance(at, until)
	}
}

// lookAgain notes until when maintenance lasts. The beginning moves on with time, so that versions that are over may be forgotten.
func (v *evaluation) lookAgain(from, first, until, at time.Time) {
	if !first.After(at) && from.Before(at) {
		if _, _, active := v.state.maintained(at); active {
			from = at
		}
	}
	if o := v.state.Overlay; !o.From.Equal(from) || !o.Until.Equal(until) {
		v.remember(func(o *Overlay) { o.From, o.Until = from, until })
	}
}

func (v *evaluation) beginMaintenance(at, until time.Time) {
	lasts := func(o *Overlay) { o.From, o.Until = at, until }
	v.step(StepMaintenanceBegan, at, StepFacts{})
	if v.state.muted() {
		v.remember(lasts)
		return
	}
	v.beginQuiet(lasts)
}

// beginQuiet notes what receivers know, and by reason why nobody is told any more.
func (v *evaluation) beginQuiet(reason func(*Overlay)) {
	v.remember(func(o *Overlay) {
		reason(o)
		o.Known, o.Rules = v.state.Known, map[uint32]ToldRule{}
		if inc := v.state.Incident; inc != nil {
			o.Outage = &Told{inc.ID, inc.StartTime}
			if o.OutageAs != nil {
				o.Outage = o.OutageAs
			}
		}
		for _, r := range v.state.Rules {
			if r.Open == nil {
				continue
			}
			told := Told{r.Open.ID, r.Open.TriggeredAt}
			if as, ok := o.RuleAs[r.Rule.ID]; ok {
				told = as
			}
			o.Rules[r.Rule.ID] = ToldRule{Told: told, Trigger: r.Open.ID}
		}
		o.OutageAs, o.RuleAs = nil, nil
	})
}

// endMaintenance ends the silence, unless there is another reason for it by now.
func (v *evaluation) endMaintenance(end time.Time) {
	v.step(StepMaintenanceEnded, end, StepFacts{})
	if since, fails := v.untold(); fails && v.state.held() == nil {
		defer func(e Entry) { v.entry = e }(v.entry)
		v.entry.At = end
		v.hold(since)
	}
	if v.state.held() != nil || v.state.unstable() != nil || v.state.Grouped {
		v.remember(func(o *Overlay) { o.From, o.Until, o.Grouped = time.Time{}, time.Time{}, v.state.Grouped })
		return
	}
	v.endQuiet(end)
}

// untold reports whether the monitor fails and receivers do not know it, and since when.
func (v *evaluation) untold() (since time.Time, fails bool) {
	if v.state.isDown() {
		return v.state.Incident.downSince(), v.state.Overlay.Outage == nil
	}
	for _, r := range v.state.Rules {
		if r.Open != nil && r.Open.Holding.Failures && v.state.Overlay.Rules[r.Rule.ID].Trigger != r.Open.ID {
			return r.Open.TriggeredAt, true
		}
	}
	return time.Time{}, false
}

// endQuiet announces the difference between what receivers know and what is so, as of the moment end.
func (v *evaluation) endQuiet(end time.Time) {
	before := *v.state.Overlay
	defer func(e Entry) { v.entry = e }(v.entry)
	v.entry.At, v.entry.Seq = end, before.LastSeq
	v.remember(func(o *Overlay) { *o = Overlay{} })
	v.endOfOutages(before)
	for _, r := range v.state.Rules {
		v.endOfRule(r, before.Rules[r.Rule.ID])
	}
}

func (v *evaluation) endOfOutages(before Overlay) {
	now := Transition{From: before.Known, To: v.state.Known}
	if before.Last != nil {
		now = *before.Last
		now.From = before.Known
	}
	inc := v.state.Incident
	switch {
	case inc != nil && before.Outage == nil:
		v.announceDown(before.Known, now, inc)
	case inc != nil: // for receivers the outage that they know goes on
		if before.Outage.ID != inc.ID {
			v.remember(func(o *Overlay) { o.OutageAs = before.Outage })
		}
	case before.Outage != nil && before.Ended != nil:
		v.announceWorking(before.Known, now, as(before.Ended, before.Outage))
	default:
		v.announceWorking(before.Known, now, nil)
	}
}

func (v *evaluation) endOfRule(r RuleState, told ToldRule) {
	switch open := r.Open; {
	case open != nil && (told.Trigger == 0 || told.Trigger != open.ID && told.Ended == nil):
		v.tellRule(TypeTriggered, r.Rule, *open, readingOf(*open))
	case open != nil: // for receivers what they know goes on
		if told.Trigger != open.ID || told.ID != open.ID {
			v.nameTrigger(r.Rule.ID, told.Told)
		}
	case told.Ended != nil:
		v.nameTrigger(r.Rule.ID, told.Told)
		v.tellRule(TypeResolved, r.Rule, *told.Ended, reading{status: v.state.Known})
		v.forgetTrigger(r.Rule.ID)
	}
}

// readingOf is what a trigger's data say of the check that made it.
func readingOf(t Trigger) reading {
	return reading{region: t.Data.Region, status: t.Data.Status, errorType: t.Data.ErrorType, errorMessage: t.Data.ErrorMessage}
}

func (v *evaluation) nameTrigger(rule uint32, told Told) {
	v.remember(func(o *Overlay) {
		if o.RuleAs == nil {
			o.RuleAs = map[uint32]Told{}
		}
		o.RuleAs[rule] = told
	})
}

// forgetTrigger forgets the name of what a rule had triggered, after its end.
func (v *evaluation) forgetTrigger(rule uint32) {
	if v.state.Overlay != nil {
		if _, named := v.state.Overlay.RuleAs[rule]; named {
			v.remember(func(o *Overlay) { delete(o.RuleAs, rule) })
		}
	}
}

// known is an outage as receivers know it.
func (v *evaluation) known(inc *Incident) *Incident {
	if o := v.state.Overlay; inc != nil && o != nil && o.OutageAs != nil {
		return as(inc, o.OutageAs)
	}
	return inc
}

// as is an outage by another name.
func as(inc *Incident, told *Told) *Incident {
	named := *inc
	if named.ID, named.StartTime = told.ID, told.At; told.ID != inc.ID { // of which nothing else is known
		named.DownSince, named.UnstableSince = time.Time{}, time.Time{}
	}
	return &named
}

// endedQuietly forgets what receivers know, after a pause has ended everything without a word.
func (v *evaluation) endedQuietly() {
	if v.state.Overlay == nil {
		return
	}
	v.remember(func(o *Overlay) { *o = Overlay{From: o.From, Until: o.Until, Grouped: o.Grouped} })
}

// unannounced notes a change of state that nobody is told of.
func (v *evaluation) unannounced(t Transition) {
	seq := v.entry.Seq
	v.remember(func(o *Overlay) { o.Last, o.LastSeq = &t, seq })
}

// resolvedQuietly notes the end of a trigger that nobody is told of.
func (v *evaluation) resolvedQuietly(t Trigger) {
	told, known := v.state.Overlay.Rules[t.RuleID]
	if !known {
		return
	}
	told.Ended = &t
	v.remember(func(o *Overlay) { o.Rules[t.RuleID] = told })
}
