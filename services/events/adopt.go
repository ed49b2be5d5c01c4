package events

import "time"

// adoption is what came of a draft.
type adoption uint8

const (
	adopted adoption = iota
	stale            // the monitor was edited meanwhile, or is gone: another draft will do
	ahead            // more was judged than is stored: it has to be stored first
)

// adopt puts a draft in place of what was judged, together with what was judged since it was begun. States as of now follow
// from the same results as before and some more; should a monitor's be another one, that is announced, as it would have been
// had they come in time, for it is about now. Nothing is announced of what is over. deadlines says whether they count now.
func (j *Judge) adopt(d *draft, now time.Time, deadlines bool) adoption {
	s := j.subjects[d.monitor.ID]
	if s == nil || s.monitor.Deleted || s.edits != d.version {
		return stale
	}
	for i := range s.journal {
		d.judge.Result(s.journal[i].at, &s.journal[i].result)
	}
	s.journal, s.noting = nil, false
	p := d.judge.subjects[s.monitor.ID]
	for _, r := range s.all {
		if q := p.known(r.Region); q == nil || s.monitor.watches(r.Region) && r.LastSlot.After(q.LastSlot) {
			return ahead
		}
	}
	for _, r := range s.all {
		p.known(r.Region).outlast(r)
	}
	if deadlines {
		d.judge.Tick(now)
	}
	found := map[string][]Transition{}
	for _, t := range d.judge.Take().Transitions {
		found[t.Region] = append(found[t.Region], t)
	}
	for _, r := range s.all {
		q := p.known(r.Region)
		_, q.Timeline = j.rewrite(d, r.Region, found[r.Region], r.Timeline, now)
		r.become(q, d.began[r.Region])
		j.touch(r)
	}
	before := s.state.Timeline
	last, line := j.rewrite(d, "", found[""], s.state.Timeline, now)
	s.state.Timeline, s.state.UpdatedAt = line, now
	j.touchState(s)
	if line.Status != before.Status {
		last.From, last.NotedAt = before.Status, now
		if before.Status == Down { // what was announced began, and cannot have ended before
			last.Since = later(last.Since, before.Since)
		}
		j.changes.Feed = append(j.changes.Feed, FeedItem{
			OrganizationID: s.monitor.OrganizationID, MonitorID: s.monitor.ID, At: last.CauseAt, Transition: &last,
		})
	}
	return adopted
}

// rewrite has the intervals of one timeline stored that were found, in place of those that stood. It returns the last with its
// Timeline. Its number is not below that of the present one, and another one if its state is: numbers were given to readers.
func (j *Judge) rewrite(d *draft, region string, found []Transition, present Timeline, now time.Time) (Transition, Timeline) {
	kept, stood := d.kept[region], d.stood[region]
	for len(found) > 0 && len(stood) > 0 && found[0].tells(&stood[0]) {
		kept, found, stood = stood[0], found[1:], stood[1:]
	}
	last := kept
	if len(found) > 0 {
		last = found[len(found)-1]
	}
	least := present.Seq
	if last.Status != present.Status {
		least++
	}
	if len(found)+len(stood) == 0 && kept.Seq >= least {
		return kept, kept.Timeline
	}
	first := kept.Seq + 1
	if len(found) == 0 {
		found, first = []Transition{kept}, kept.Seq
	}
	j.forgetPending(d.monitor.ID, region, first)
	j.changes.Mended = append(j.changes.Mended, Mended{MonitorID: d.monitor.ID, Region: region, First: first, From: kept.Since})
	for i := range found {
		t := found[i]
		t.Seq = first + uint64(i)
		if i == len(found)-1 {
			t.Seq = max(t.Seq, least)
			last = t
		}
		if first > kept.Seq {
			t.NotedAt = now
		}
		j.changes.Transitions = append(j.changes.Transitions, t)
	}
	return last, last.Timeline
}

// tells reports whether two intervals are the same, whatever their numbers.
func (t *Transition) tells(o *Transition) bool {
	return t.Status == o.Status && t.Since.Equal(o.Since) && t.Known == o.Known && t.Before == o.Before
}

// forgetPending leaves out of the changes the intervals of a timeline numbered first or above.
func (j *Judge) forgetPending(id uint32, region string, first uint64) {
	rest := j.changes.Transitions[:0]
	for _, t := range j.changes.Transitions {
		if t.MonitorID != id || t.Region != region || t.Seq < first {
			rest = append(rest, t)
		}
	}
	clear(j.changes.Transitions[len(rest):])
	j.changes.Transitions = rest
}

// outlast gives r, of a draft, what the present one has been granted by our own clock.
func (r *RegionState) outlast(present *RegionState) {
	r.heardUntil = later(r.heardUntil, present.heardUntil)
	if g := present.GraceUntil; !g.IsZero() && !r.UnknownAt.IsZero() && r.UnknownAt.Before(g) {
		r.GraceUntil = g
	}
}

// become makes r what a draft found, whose counts began with the results at began: a streak that reaches that far back is as
// long as it was known to be.
func (r *RegionState) become(found *RegionState, began time.Time) {
	out := *found
	out.Observed, out.dirty, out.spared = r.Observed, r.dirty, r.spared
	out.Epoch, out.NextAt = max(out.Epoch, r.Epoch), later(out.NextAt, r.NextAt)
	if !out.LastSlot.After(r.LastSlot) {
		out.LastSlot, out.CheckedAt, out.NextAt = r.LastSlot, r.CheckedAt, r.NextAt
		out.HasResponse, out.ResponseTime, out.LastErrorType, out.LastError = r.HasResponse, r.ResponseTime, r.LastErrorType, r.LastError
	}
	if out.Successes > 0 && out.Successes < r.Successes && out.FirstSuccess.Equal(began) {
		out.Successes, out.FirstSuccess = r.Successes, r.FirstSuccess
	}
	if out.Failures > 0 && out.Failures < r.Failures && out.FirstFailure.Equal(began) {
		out.Failures, out.FirstFailure = r.Failures, r.FirstFailure
	}
	*r = out
}

// standing is a monitor's state, and how much there is to announce.
func (j *Judge) standing(id uint32) (s Status, told int) {
	if sub := j.subjects[id]; sub != nil {
		s = sub.state.Status
	}
	return s, len(j.changes.Feed)
}

// hush leaves out what was going to be announced of a monitor, after told entries, that is over: what had happened longer ago
// than lateAfter and twice the time that a region may be silent. Its present state is announced, if it was another before.
func (j *Judge) hush(now time.Time, id uint32, before Status, told int) {
	s := j.subjects[id]
	if s == nil {
		return
	}
	old := now.Add(-max(2*s.monitor.patience(), lateAfter))
	var present *Transition // the newest
	for i := range j.changes.Feed[told:] {
		if f := &j.changes.Feed[told+i]; f.MonitorID == id && f.Transition != nil {
			present = f.Transition
		}
	}
	rest := j.changes.Feed[:told]
	for _, f := range j.changes.Feed[told:] {
		news := f.Transition != nil && f.Transition == present && present.Status != before
		if f.MonitorID != id || !f.At.Before(old) || news {
			rest = append(rest, f)
		}
	}
	clear(j.changes.Feed[len(rest):])
	j.changes.Feed = rest
}
