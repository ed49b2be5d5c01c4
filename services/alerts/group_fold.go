package alerts

import (
	"slices"
	"time"
)

// Shift is a change of what a monitor is to its groups.
type Shift struct {
	MonitorID uint32
	To        Member
	Since     time.Time // the beginning of its outage, if it is down
	At        time.Time // by the check's time
	Told      int       // messages of its batch that come before it
}

// shift is what the entry has made of the monitor, if that is anything to its groups.
func shift(before, after State, at time.Time) (Shift, bool) {
	to := after.Member()
	if to == before.Member() {
		return Shift{}, false
	}
	s := Shift{MonitorID: after.Monitor.ID, To: to, At: at}
	if after.isDown() {
		s.Since = after.Incident.downSince()
	}
	return s, true
}

// told reports whether there may be messages because of the batch: its own, or of groups.
func (b Batch) told() bool { return len(b.Messages) > 0 || len(b.Shifts) > 0 }

// GroupBatch is what changes of members do to their groups. A store writes all of it, or nothing.
type GroupBatch struct {
	Groups   []Group   // of which the state is another, by id
	Messages []Message // in the order they are to be sent

	after []int // for each of the messages, how many of the batch's come before it
}

// Among are the messages of a batch and those of the groups that follow from its shifts, in the order they are to be sent: that of a
// group right behind that of the member.
func (b GroupBatch) Among(messages []Message) []Message {
	if len(b.Messages) == 0 {
		return messages
	}
	out, next := make([]Message, 0, len(messages)+len(b.Messages)), 0
	for i, m := range b.Messages {
		out = append(out, messages[next:b.after[i]]...)
		out, next = append(out, m), b.after[i]
	}
	return append(out, messages[next:]...)
}

func (b *GroupBatch) add(messages []Message, after int) {
	for _, m := range messages {
		b.Messages, b.after = append(b.Messages, m), append(b.after, after)
	}
}

// FoldGroups lets groups know what has become of their members, one shift after the other, and what time it is. It is a pure function:
// the groups are as they were before the shifts, and are left alone; channels are the enabled ones of their organizations, by id.
//
// Every shift is looked at by itself, so that nothing depends on how many were stored together.
func FoldGroups(groups []GroupView, channels []Channel, shifts []Shift, now time.Time) GroupBatch {
	var b GroupBatch
	work := make([]*grouping, 0, len(groups))
	for _, g := range groups {
		w := &grouping{view: g, tally: g.Tally()}
		w.view.Members = slices.Clone(g.Members)
		for _, c := range channels {
			if c.OrganizationID != g.OrganizationID {
				continue
			}
			if w.all.Channels = append(w.all.Channels, c); c.coversGroup(g) {
				w.channels = append(w.channels, c)
			}
		}
		work = append(work, w)
	}
	for _, s := range shifts {
		for _, w := range work {
			if w.move(s) {
				w.evaluate(s.At)
				b.add(w.take(), s.Told)
			}
		}
	}
	for i, w := range work {
		if len(shifts) == 0 {
			w.evaluate(now)
			b.add(w.take(), 0)
		}
		if w.view.State != groups[i].State {
			b.Groups = append(b.Groups, w.view.Group)
		}
	}
	return b
}

// coversGroup reports whether the channel is about the group: about all monitors, or any of its members.
func (c Channel) coversGroup(g GroupView) bool {
	return c.MonitorIDs == nil || slices.ContainsFunc(g.Members, func(m GroupMember) bool { return c.covers(m.ID) })
}

// grouping is one group in a run of FoldGroups.
type grouping struct {
	view     GroupView
	tally    Tally
	channels []Channel // that cover it
	all      State     // with the channels of the organization, and nothing else
	messages []Message
}

func (w *grouping) take() []Message {
	m := w.messages
	w.messages = nil
	return m
}

// move notes what has become of a member, and reports whether it is one.
func (w *grouping) move(s Shift) bool {
	at, found := slices.BinarySearchFunc(w.view.Members, s.MonitorID, func(m GroupMember, id uint32) int { return int(m.ID) - int(id) })
	if !found {
		return false
	}
	m := &w.view.Members[at]
	w.tally.add(m.Member, -1)
	m.Member, m.Since = s.To, s.Since
	w.tally.add(m.Member, 1)
	return true
}

// evaluate says what the group is at the moment at, and tells it if it is to be told.
func (w *grouping) evaluate(at time.Time) {
	s := &w.view.State
	now := w.view.Rule.status(w.tally)
	if now != s.Status {
		if at.Before(s.Since) { // regions have clocks of their own
			at = s.Since
		}
		s.Status, s.Since = now, at
	}
	switch {
	case now == StatusUnknown: // nobody knows better than before
		s.Due = time.Time{}
	case now == StatusPaused: // nobody looks any more, and that is no recovery
		s.Told, s.Outage, s.Due = "", time.Time{}, time.Time{}
	case now == s.Told, s.Told == "" && now == StatusUp:
		s.Told, s.Due = now, time.Time{}
	case w.view.Level == LevelMembers && s.Told != StatusDown && (s.Told != StatusDegraded || now == StatusDown):
		// Only what was begun is told, that it has ended.
		if s.Due = (time.Time{}); s.Told != StatusDegraded {
			s.Told = ""
		}
	default:
		w.settle(now, at)
	}
}

// settle tells the change, or says when it is to be told. Once the time is over in which the unknown members should have been seen,
// it does not wait for them any more.
func (w *grouping) settle(now Status, at time.Time) {
	s := &w.view.State
	over := !s.Due.IsZero() && !at.Before(s.Due)
	switch {
	case w.view.Rule.certain(w.tally, s.Told, !over):
		w.tell(now, at)
	case s.Due.IsZero():
		s.Due = at.Add(w.patience())
	}
}

// patience is how long the unknown members may take to be seen.
func (w *grouping) patience() time.Duration {
	var longest time.Duration
	for _, m := range w.view.Members {
		if m.Status == StatusUnknown {
			longest = max(longest, min(m.DetectsDown, maxSuspicion))
		}
	}
	return longest + familySlack
}

// tell writes the messages about what the group is now.
func (w *grouping) tell(now Status, at time.Time) {
	s := &w.view.State
	before, outage := s.Told, s.Outage
	s.Told, s.Due, s.Outage = now, time.Time{}, time.Time{}
	s.Changes++
	if now == StatusDown {
		s.Outage = s.Since
	}
	if w.view.Level == LevelMembers { // only the end is left to tell
		s.Told = ""
	}
	told := map[uint32]bool{} // a channel hears of one change once
	send := func(kind string, began time.Time, which func(Channel) bool, events ...Event) {
		for _, c := range w.channels {
			wants := !slices.ContainsFunc(events, func(e Event) bool { return !c.wants(e) })
			if wants && which(c) && !told[c.ID] {
				told[c.ID] = true
				w.messages = append(w.messages, w.message(kind, c, before, now, began, at))
			}
		}
	}
	every := func(Channel) bool { return true }
	switch {
	case now == StatusDown:
		send(TypeGroupDown, s.Since, every, EventDown)
		if before == StatusDegraded { // where a trouble is open until its end is told
			clear(told)
			send(TypeGroupRecovered, time.Time{}, w.all.keepsOpen, EventDegraded, EventRecovery)
		}
	case before == StatusDown:
		send(TypeGroupRecovered, outage, every, EventRecovery)
		if now == StatusDegraded {
			send(TypeGroupDegraded, time.Time{}, every, EventDegraded)
		}
	case now == StatusDegraded:
		send(TypeGroupDegraded, time.Time{}, every, EventDegraded)
	default:
		// Only those who were told that it was degraded want to hear that it no longer is.
		send(TypeGroupRecovered, time.Time{}, every, EventDegraded, EventRecovery)
	}
}

// message is about what the group is now, and was for receivers before. An outage that it begins or ends began at the time given;
// without one it is about being degraded. Its id follows from how many changes of the group were told.
func (w *grouping) message(kind string, c Channel, before, now Status, began, at time.Time) Message {
	g := w.view
	m := Message{
		OrganizationID: g.OrganizationID, Target: c.target(), Type: kind, OccurredAt: at,
		Content: Content{
			OrganizationID: g.OrganizationID, Group: w.content(), Status: now, PreviousStatus: before, Since: stampOf(g.State.Since),
		},
	}
	story := "group-degraded:" + number(g.ID)
	if !began.IsZero() {
		story = "group:" + number(g.ID) + ":" + number(began.UnixMilli())
		m.Content.Group.StartedAt = stampOf(began)
		if kind == TypeGroupRecovered {
			m.Content.Group.EndedAt = stampOf(g.State.Since)
		}
	}
	m.Thread = story
	m.ID = messageID(kind, m.Target, m.OrganizationID, number(g.ID), number(g.State.Changes), number(g.CreatedAt.UnixMilli()), number(at.UnixMilli()))
	return m
}

// maxFailing is how many failing members a message carries; people are shown fewer.
const maxFailing = 50

func (w *grouping) content() *ContentGroup {
	g, t := w.view, w.tally
	c := &ContentGroup{
		ID: g.ID, Name: g.Name, Rule: ContentGroupRule{Type: g.Rule.Kind},
		Members: ContentTally{
			Total: t.Total, Counted: t.Counted(), Up: t.Up, Degraded: t.Degraded, Down: t.Down, Unknown: t.Unknown, Paused: t.Paused,
			Maintenance: t.Maintenance,
		},
		Failing: []ContentMember{},
	}
	switch value := g.Rule.Value; g.Rule.Kind {
	case RuleCount:
		c.Rule.Count = value
	case RulePercent:
		c.Rule.Percent = value
	}
	for i, m := range g.failing() {
		if i == maxFailing {
			break
		}
		c.Failing = append(c.Failing, ContentMember{ID: m.ID, Name: m.Name, Status: m.Status, Since: stampOf(m.Since)})
	}
	return c
}

// ContentGroup is the group that the message is about. Failing are the members that are down, or if none is, degraded.
type ContentGroup struct {
	ID        uint32           `json:"id"`
	Name      string           `json:"name"`
	Rule      ContentGroupRule `json:"rule"`
	Members   ContentTally     `json:"members"`
	Failing   []ContentMember  `json:"failing"`              // at most 50, by name
	StartedAt *Stamp           `json:"started_at,omitempty"` // of the outage that it begins or ends
	EndedAt   *Stamp           `json:"ended_at,omitempty"`   // of the outage that it ends
}

// ContentGroupRule says when the group is down.
type ContentGroupRule struct {
	Type    GroupRuleKind `json:"type"`
	Count   int           `json:"count,omitempty"`
	Percent int           `json:"percent,omitempty"`
}

// ContentTally is how many members are what.
type ContentTally struct {
	Total       int `json:"total"`
	Counted     int `json:"counted"` // those that have a say: up, degraded or down
	Up          int `json:"up"`
	Degraded    int `json:"degraded"`
	Down        int `json:"down"`
	Unknown     int `json:"unknown"`
	Paused      int `json:"paused"`
	Maintenance int `json:"maintenance"`
}

// ContentMember names a member that fails.
type ContentMember struct {
	ID     uint32 `json:"id"`
	Name   string `json:"name"`
	Status Status `json:"status"`
	Since  *Stamp `json:"since,omitempty"` // of its outage
}
