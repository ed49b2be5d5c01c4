package events

import "time"

// A region whose deadline passed while this process did not run is given until graceMin to graceMax after the start, its
// interval and timeout in between, to be heard again.
const (
	graceMin = 10 * time.Second
	graceMax = time.Minute
)

// Snapshot is what was stored: the monitors that are not deleted with their states and what their timelines owe, and the ids of
// those that are.
type Snapshot struct {
	Monitors []Monitor
	States   []MonitorState
	Regions  []RegionState
	Owed     []Owed // ascending by monitor; no From is zero
	Deleted  []uint32
}

// NewJudge makes a judge that goes on from what was stored. Call Restored when everything that was stored but not judged has
// been judged.
func NewJudge(s Snapshot) *Judge {
	j := &Judge{subjects: make(map[uint32]*subject, len(s.Monitors)), gone: make(map[uint32]bool, len(s.Deleted))}
	for _, id := range s.Deleted {
		j.gone[id] = true
	}
	for _, m := range s.Monitors {
		j.subjects[m.ID] = &subject{monitor: m}
	}
	for _, st := range s.States {
		if sub := j.subjects[st.MonitorID]; sub != nil {
			sub.state = st
		}
	}
	for i := range s.Regions {
		if sub := j.subjects[s.Regions[i].MonitorID]; sub != nil {
			sub.all = append(sub.all, &s.Regions[i])
		}
	}
	for _, sub := range j.subjects {
		sub.elect()
	}
	return j
}

// Restored gives the regions whose deadline passed, or is about to, while nobody listened a little time to be heard. A region
// gets it once: it counts again only after a check has spoken, so that a process that keeps dying does not keep a dead
// region alive. The deadline itself stays where it was, and if nothing fills the gap the region is unknown from there.
func (j *Judge) Restored(now time.Time) {
	for _, s := range j.subjects {
		grace := min(max(s.monitor.Interval+s.monitor.Timeout, graceMin), graceMax)
		for _, r := range s.voting {
			if r.GraceUntil.IsZero() && r.overdue(now.Add(grace)) {
				r.GraceUntil = now.Add(grace)
				j.touch(r)
			}
		}
	}
}

// elect finds the regions that vote, in the order of the monitor's list.
func (s *subject) elect() {
	s.voting = s.voting[:0]
	for _, name := range s.monitor.Regions {
		if r := s.known(name); r != nil {
			s.voting = append(s.voting, r)
		}
	}
}

// Upsert takes in a monitor that is new or has changed. It reports whether it was not known before.
func (j *Judge) Upsert(now time.Time, m Monitor) (added bool) {
	s := j.subjects[m.ID]
	if s == nil {
		j.add(now, m)
		return true
	}
	if s.monitor.same(&m) {
		return false
	}
	before := s.monitor
	s.monitor = m
	s.edits++
	j.changes.Monitors = append(j.changes.Monitors, m)
	j.reshape(s, &before, now)
	switch {
	case before.Enabled && !m.Enabled:
		j.switchTo(s, Paused, cause{at: m.UpdatedAt, now: now, reason: ReasonDisabled})
	case !before.Enabled && m.Enabled:
		j.switchTo(s, Unknown, cause{at: m.UpdatedAt, now: now, reason: ReasonEnabled})
	case m.Enabled:
		j.reconsider(s, &before, now)
	}
	return false
}

func (j *Judge) add(now time.Time, m Monitor) {
	delete(j.gone, m.ID)
	s := &subject{monitor: m}
	s.state = MonitorState{MonitorID: m.ID, OrganizationID: m.OrganizationID, Timeline: begin(m.idle(), m.CreatedAt), UpdatedAt: now}
	j.subjects[m.ID] = s
	j.changes.Monitors = append(j.changes.Monitors, m)
	j.changes.Transitions = append(j.changes.Transitions, Transition{MonitorID: m.ID, Timeline: s.state.Timeline, NotedAt: now, CauseAt: m.CreatedAt})
	j.touchState(s)
	for _, name := range m.Regions {
		j.addRegion(s, name, m.CreatedAt, now)
	}
	s.elect()
}

// idle is the state of a monitor of which nothing has been seen.
func (m *Monitor) idle() Status {
	if !m.Enabled {
		return Paused
	}
	return Unknown
}

func (j *Judge) addRegion(s *subject, name string, at, now time.Time) {
	r := &RegionState{MonitorID: s.monitor.ID, Region: name, Timeline: begin(s.monitor.idle(), at)}
	s.all = append(s.all, r)
	j.changes.Transitions = append(j.changes.Transitions, Transition{MonitorID: r.MonitorID, Region: name, Timeline: r.Timeline, NotedAt: now, CauseAt: at})
	j.touch(r)
}

// reshape takes in a changed list of regions.
func (j *Judge) reshape(s *subject, before *Monitor, now time.Time) {
	at := s.monitor.UpdatedAt
	for _, name := range s.monitor.Regions {
		if s.known(name) == nil {
			j.addRegion(s, name, at, now)
		}
	}
	s.elect()
	for _, r := range s.all {
		if before.watches(r.Region) && !s.monitor.watches(r.Region) {
			r.forget()
			j.apply(s, r, finding{to: s.monitor.idle(), since: at}, cause{at: at, now: now, reason: ReasonRegionRemoved})
			j.touch(r)
		}
	}
}

func (s *subject) known(name string) *RegionState {
	for _, r := range s.all {
		if r.Region == name {
			return r
		}
	}
	return nil
}

// switchTo puts all regions, and with them the monitor, into a state that is not about results.
func (j *Judge) switchTo(s *subject, to Status, c cause) {
	for _, r := range s.all {
		r.forget()
		from := r.Status
		if r.move(to, c.at) {
			j.changes.Transitions = append(j.changes.Transitions, Transition{
				MonitorID: r.MonitorID, Region: r.Region, Timeline: r.Timeline, From: from, NotedAt: c.now, CauseAt: c.at, Reason: c.reason,
			})
		}
		j.touch(r)
	}
	j.settle(s, c.at, c)
}

// reconsider applies changed rules to what is known already.
func (j *Judge) reconsider(s *subject, before *Monitor, now time.Time) {
	m := &s.monitor
	for _, r := range s.voting {
		if m.patience() != before.patience() && !r.UnknownAt.IsZero() && r.Status.Known() {
			// The prober follows the new schedule from the edit on, so that is when waiting begins anew.
			r.UnknownAt = later(r.UnknownAt.Add(-before.patience()), m.UpdatedAt).Add(m.patience())
			r.heardUntil = later(r.heardUntil, now.Add(m.patience()))
			j.touch(r)
		}
		if f := r.reconsider(m); f.to != 0 {
			j.apply(s, r, f, cause{at: m.UpdatedAt, now: now, region: r, reason: f.reason})
		}
	}
	j.settle(s, m.UpdatedAt, cause{at: m.UpdatedAt, now: now, reason: ReasonRules})
}

// Remove forgets a deleted monitor. Its timeline stays in the store as it is.
func (j *Judge) Remove(now time.Time, id uint32) {
	s := j.subjects[id]
	if s == nil || s.monitor.Deleted {
		return
	}
	s.monitor.Deleted, s.monitor.UpdatedAt = true, now
	j.changes.Monitors = append(j.changes.Monitors, s.monitor)
}

// Monitors calls yield with every monitor that is not deleted, in no order.
func (j *Judge) Monitors(yield func(Monitor) bool) {
	for _, s := range j.subjects {
		if !s.monitor.Deleted && !yield(s.monitor) {
			return
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
