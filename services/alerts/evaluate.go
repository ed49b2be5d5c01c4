package alerts

import (
	"slices"
	"time"

	"github.com/frogstats/uptime/services/alerts/notify"
)

// State is everything that evaluation needs to know of one monitor.
type State struct {
	Monitor  Monitor
	Known    Status              // the last of up, degraded and down that was announced; "" before any, and after a pause
	Blind    time.Time           // since when nothing is known of it; zero while something is, and while nobody looks
	Incident *Incident           // of the outage that goes on; nil when there is none
	Rules    []RuleState         // enabled ones, by id
	Channels []Channel           // enabled ones of the organization, by id
	Changes  []time.Time         // when it went down or came up again lately, the oldest first, while it is not unstable
	Flapping Flapping            // when it is; not of the store
	Past     bool                // what is evaluated is over, and nobody is told of it
	Windows  []MaintenanceWindow // of maintenance, those that are for the monitor
	Overlay  *Overlay            // because of maintenance or a dependency; nil when there is nothing to remember
	Grouped  bool                // a group is told of in its place, when it fails
	Parents  []Relative          // that the monitor depends on, by id
	Children []Relative          // enabled ones that depend on it, directly or not, by id; not of every state
}

// RuleState is a rule and what it has triggered.
type RuleState struct {
	Rule    Rule
	Open    *Trigger // nil while not triggered
	Samples *Samples // of a condition about a percentile; nil without any
}

// IDs are the last identifiers that evaluation gave away. They advance with the feed and in its transaction, which makes
// what is written a function of what was read.
type IDs struct {
	Incident uint32
	Trigger  uint32
}

// Effects is what one entry does. What stands here is to be stored as a whole; a row with an id that exists replaces it.
type Effects struct {
	Ended    *Incident // of a monitor that was unstable, and is not any more; it comes before what the entry itself says
	Incident *Incident
	Steps    []Step
	Triggers []Trigger
	Messages []Message
	told     []told // of rules in the past, in place of messages
	// Recheck says that those that the monitor's hold waits for are to be checked at once. It is a wish, and no part of the state.
	Recheck bool
}

// Evaluate says what the entry does to the monitor's state, and what is to be stored and told because of it. It is a pure
// function: s is left alone, and the same arguments give the same result. now only dates rows; no decision hangs on it.
//
// Two machines run side by side. The first turns states into incidents: down begins an outage, up or degraded ends it, and
// unknown and maintenance say nothing, since nobody saw the target; of an unstable monitor only time ends it. The second turns
// readings into triggers, rule by rule.
func Evaluate(s State, e Entry, ids IDs, now time.Time) (State, IDs, Effects) {
	if s.Monitor.Deleted { // the feed may still tell what happened before the deletion
		return s, ids, Effects{}
	}
	v := evaluation{state: s, entry: e, ids: ids, now: now}
	v.wait()
	v.maintain(e.At)
	v.depend(e.At)
	v.steady(e.At)
	v.group(e.At)
	switch {
	case e.Transition != nil:
		v.transition(*e.Transition)
	case e.Observation != nil:
		v.observation(*e.Observation)
	case e.Uptime != nil:
		v.rules(reading{uptime: e.Uptime})
	}
	v.works(e.At)
	v.beside()
	return v.state, v.ids, v.out
}

// evaluation is one run of Evaluate.
type evaluation struct {
	state State
	entry Entry
	ids   IDs
	now   time.Time
	out   Effects

	copied bool // state.Rules is this evaluation's own
}

// wait lets the rules about no data know how late it is. A rule triggers at the moment at which its time was over, whichever
// entry is the first after that: a mere Tick, or what ends the silence.
func (v *evaluation) wait() {
	since := v.state.Blind
	if since.IsZero() {
		return
	}
	e := v.entry
	defer func() { v.entry = e }()
	for _, w := range v.waiting(since, e.At) {
		v.entry.At = w.due
		v.maintain(w.due)
		v.depend(w.due)
		blind := w.due.Sub(since)
		v.rule(w.rule, reading{blind: &blind, status: StatusUnknown})
	}
}

// waiting is a rule about no data whose time is over, by its place among the rules.
type waiting struct {
	rule int
	due  time.Time
}

// waiting are the rules whose time was over by at, in that order.
func (v *evaluation) waiting(since, at time.Time) []waiting {
	var out []waiting
	for i := range v.state.Rules {
		r := &v.state.Rules[i].Rule
		due := since.Add(r.Conditions.NoData)
		if due.Before(r.CreatedAt) {
			due = r.CreatedAt
		}
		if o := v.state.Rules[i].Open; r.Conditions.NoData > 0 && !at.Before(due) && (o == nil || !o.Holding.NoData) {
			out = append(out, waiting{i, due})
		}
	}
	slices.SortStableFunc(out, func(a, b waiting) int { return a.due.Compare(b.due) })
	return out
}

func (v *evaluation) transition(t Transition) {
	if t.To == StatusUnknown {
		if v.state.Blind.IsZero() {
			v.state.Blind = t.Since
			v.wait()
		}
		return
	}
	v.state.Blind = time.Time{}
	switch t.To {
	case StatusDown:
		v.down(t)
	case StatusUp, StatusDegraded:
		v.working(t)
	case StatusPaused:
		v.pause(t.Since)
		return
	default: // maintenance, and states that a newer events service may have: nobody saw the target
		v.rules(reading{blind: new(time.Duration), status: t.To})
		return
	}
	down := len(t.Down)
	v.rules(reading{
		failures: &t.Failures, down: &down, blind: new(time.Duration), regions: t.Regions, status: t.To, errorType: t.ErrorType,
		errorMessage: t.ErrorMessage,
	})
}

// down begins an outage, or adds to the one that goes on.
func (v *evaluation) down(t Transition) {
	before := v.state.Known
	var unstable *Unstable
	if !v.state.isDown() {
		v.hold(t.Since)
		unstable = v.changes(t)
	}
	v.state.Known = StatusDown
	if inc := v.state.Incident; inc != nil {
		if !inc.Down() {
			v.wentDown(t)
			return
		}
		if inc.Open() {
			v.saveIncident(func(i *Incident) {
				i.addRegions(t.Regions...)
				i.lastFault(t.ErrorType, t.ErrorMessage)
			})
			if len(t.Down) > 0 {
				v.regions(t.Down, "", "", "")
			}
		}
		return
	}
	v.begin(t)
	if unstable != nil {
		v.tellUnstable(TypeUnstable, v.channels(EventDown), t, *unstable, v.state.Incident, time.Time{})
	}
	if v.state.muted() {
		v.unannounced(t)
		return
	}
	v.announceDown(before, t, v.state.Incident)
}

// begin opens the incident of an outage.
func (v *evaluation) begin(t Transition) {
	v.ids.Incident++
	inc := Incident{
		ID: v.ids.Incident, OrganizationID: v.entry.OrganizationID, MonitorID: v.entry.MonitorID,
		MonitorName: v.state.Monitor.Name, Status: IncidentActive, StartTime: t.Since,
		FailureCount: max(t.Failures, 1), Streak: max(t.Failures, 1), CountedAt: v.entry.At,
		LastErrorType: t.ErrorType, LastError: t.ErrorMessage, CreatedAt: v.now, UpdatedAt: v.now,
	}
	inc.addRegions(t.Regions...)
	inc.Maintenance, inc.AffectedBy = v.state.inWindow(), v.state.affectedBy()
	inc.of(v.state.unstable())
	v.state.Incident, v.out.Incident = &inc, &inc
	v.confirmed(t)
}

// announceDown tells of an outage that has begun, of a monitor of which receivers know the state before. Where a trouble is open until
// its end is told, that it is no longer degraded is told too, after what matters more: the end of the outage closes the outage only.
func (v *evaluation) announceDown(before Status, t Transition, inc *Incident) {
	for _, c := range v.channels(EventDown) {
		v.tell(TypeDown, Target{TargetChannel, c.ID}, t, inc)
	}
	if before != StatusDegraded {
		return
	}
	t.From = before
	for _, c := range v.channels(EventDegraded, EventRecovery) {
		if v.state.keepsOpen(c) {
			v.tell(TypeRecovered, Target{TargetChannel, c.ID}, t, nil)
		}
	}
}

// keepsOpen reports whether the channel, or one that takes its messages if it does not, keeps a trouble open until its end is told.
func (s State) keepsOpen(c Channel) bool {
	for range len(s.Channels) + 1 {
		if n, ok := notify.All[c.Type]; ok && n.Open != nil && n.Open(c.Config.Public) {
			return true
		}
		next := slices.IndexFunc(s.Channels, func(o Channel) bool { return o.ID == c.FallbackID })
		if c.FallbackID == 0 || next < 0 {
			return false
		}
		c = s.Channels[next]
	}
	return false
}

// working ends the outage, if one went on, and announces what is new about a monitor that works.
func (v *evaluation) working(t Transition) {
	before, inc := v.state.Known, v.state.Incident
	if v.state.isDown() {
		v.changes(t)
	}
	v.state.Known = t.To
	if inc != nil && v.state.flaps() {
		v.cameUp(before, t)
		return
	}
	if inc != nil {
		v.recovered(t)
		v.saveIncident(func(i *Incident) { i.settle("", t.Since, v.now) })
		inc = v.state.Incident
		v.state.Incident = nil
	}
	if v.state.muted() {
		if before != t.To || inc != nil {
			v.unannounced(t)
		}
		if inc != nil {
			v.remember(func(o *Overlay) { o.Ended = inc })
		}
		return
	}
	v.announceWorking(before, t, v.known(inc))
	if inc != nil && v.state.Overlay != nil {
		v.remember(func(o *Overlay) { o.OutageAs = nil })
	}
}

// announceWorking tells of the end of inc, the outage that went on as receivers know it, and of what else is new about a monitor of
// which they know the state before.
func (v *evaluation) announceWorking(before Status, t Transition, inc *Incident) {
	told := map[uint32]bool{} // a channel hears of one transition once
	if inc != nil {
		for _, c := range v.channels(EventRecovery) {
			v.tell(TypeRecovered, Target{TargetChannel, c.ID}, t, inc)
			told[c.ID] = true
		}
	}
	switch {
	case t.To == StatusDegraded && before != StatusDegraded:
		for _, c := range v.channels(EventDegraded) {
			if !told[c.ID] {
				v.tell(TypeDegraded, Target{TargetChannel, c.ID}, t, nil)
			}
		}
	case t.To == StatusUp && before == StatusDegraded:
		// Only those who were told that it was degraded want to hear that it no longer is.
		for _, c := range v.channels(EventDegraded, EventRecovery) {
			v.tell(TypeRecovered, Target{TargetChannel, c.ID}, t, nil)
		}
	}
}

// pause ends everything without a word: nobody looks any more, and that is no recovery.
func (v *evaluation) pause(at time.Time) {
	v.state.Known, v.state.Changes = "", nil
	v.endUnstable(at)
	if v.state.Incident != nil {
		v.saveIncident(func(i *Incident) { i.settle(resolvedBySystem, at, v.now) })
		v.state.Incident = nil
	}
	for i := range v.state.Rules {
		v.sample(i, nil)
		if open := v.state.Rules[i].Open; open != nil {
			v.out.Triggers = append(v.out.Triggers, open.resolved(at))
			v.open(i, nil)
		}
	}
	v.endedQuietly()
}

// observation counts failing checks into the outage that goes on and lets the rules read what the check found.
func (v *evaluation) observation(o Observation) {
	inc := v.state.Incident
	if inc != nil && inc.Open() && o.Outcome.fault() && v.entry.At.After(inc.CountedAt) {
		v.saveIncident(func(i *Incident) {
			i.count(o.Failures)
			i.addRegions(o.Region)
			i.lastFault(o.ErrorType, o.ErrorMessage)
		})
	}
	v.streak(o)
	v.regions(o.Down, o.Region, o.ErrorType, o.ErrorMessage)
	r := reading{
		region: o.Region, status: o.Status, statusCode: o.StatusCode, errorType: o.ErrorType, errorMessage: o.ErrorMessage,
	}
	if o.Outcome.aboutTarget() {
		r.failures = &o.Failures
	}
	if o.Successes > 0 {
		r.slowest, r.times = &o.Slowest, &responses{o.Successes, o.Slowest, o.Mean}
	}
	if !o.CertificateExpires.IsZero() {
		left := o.CertificateExpires.Sub(v.entry.At)
		r.expires = &left
	}
	down := len(o.Down)
	r.down = &down
	v.rules(r)
}

// saveIncident changes a copy of the incident; the state that was given to Evaluate keeps its own.
func (v *evaluation) saveIncident(change func(*Incident)) {
	inc := *v.state.Incident
	change(&inc)
	inc.UpdatedAt = v.now
	v.state.Incident, v.out.Incident = &inc, &inc
}

// channels are those that cover the monitor and want all the events.
func (v *evaluation) channels(events ...Event) []Channel {
	var out []Channel
	for _, c := range v.state.Channels {
		if c.covers(v.entry.MonitorID) && !slices.ContainsFunc(events, func(e Event) bool { return !c.wants(e) }) {
			out = append(out, c)
		}
	}
	return out
}

// tell writes a message about the monitor's state; inc is the outage it is about, or nil.
func (v *evaluation) tell(kind string, to Target, t Transition, inc *Incident) {
	m := v.message(kind, to)
	m.Content.Status, m.Content.PreviousStatus, m.Content.Since = t.To, t.From, stampOf(t.Since)
	m.Content.Regions, m.Content.ErrorType, m.Content.ErrorMessage = t.Regions, t.ErrorType, t.ErrorMessage
	if inc == nil {
		m.Thread = "state:" + number(v.entry.Seq)
		m.ID = messageID(kind, to, m.OrganizationID, number(v.entry.MonitorID), number(v.entry.Seq), number(v.entry.At.UnixMilli()))
	} else {
		if kind == TypeDown {
			m.Content.Dependents = v.dependents()
		}
		m.IncidentID, m.Thread, m.Content.Incident = inc.ID, "incident:"+number(inc.ID), inc.content()
		m.ID = messageID(kind, to, m.OrganizationID, number(inc.ID), number(inc.StartTime.UnixMilli()))
	}
	v.out.Messages = append(v.out.Messages, m)
}

// message is what all messages have in common.
func (v *evaluation) message(kind string, to Target) Message {
	mon := v.state.Monitor
	return Message{
		OrganizationID: v.entry.OrganizationID, MonitorID: v.entry.MonitorID, Target: to, Type: kind, OccurredAt: v.entry.At,
		Content: Content{
			OrganizationID: v.entry.OrganizationID,
			Monitor:        ContentMonitor{ID: v.entry.MonitorID, Name: mon.Name, URL: mon.URL},
		},
	}
}
