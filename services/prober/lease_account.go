package prober

import (
	"time"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

// Whoever holds a monitor accounts for its slots: one by one as it takes them, and as missed for those that went by while
// it could not. Where one holder's account ends, the next one's begins.

// handGrace is how long ago a slot may have been due that a new holder still runs, and an old one leaves to it: a
// hand-over takes some messages.
const handGrace = 300 * time.Millisecond

// holding is a monitor that is held no more, or not yet again.
type holding struct {
	plan     *plan // of which only the schedule, the epochs and the row are used
	taken    int64 // up to where its slots are accounted for, in milliseconds since 1970; 0 is not known
	from     int64 // the same of where its account began, if taken is not known
	failures uint32
}

// taken is the newest moment all of whose slots of the schedule have been taken.
func (e *entry) taken() int64 {
	if e.gridAt == 0 {
		return endless
	}
	return e.gridAt - 1
}

// horizon is up to where slots that went by are this prober's, in milliseconds since 1970. The lock is held.
func (s *shard) horizon(now time.Time) int64 {
	if label := s.fence.label(); label != 0 {
		return min(now.UnixMilli(), label)
	}
	return now.UnixMilli()
}

// accountTo notes the slots of e's schedule up to and including upTo that were not taken. The lock is held.
func (s *shard) accountTo(e *entry, upTo int64, why missedReason, now time.Time) {
	if e.gridAt == 0 || e.gridAt > upTo {
		return
	}
	from, n := e.gridAt, e.plan.schedule.Count(instant(e.gridAt-1), instant(upTo+1))
	if from <= s.pausedTo || s.paused {
		why = missedOffline
	}
	e.gridAt = milli(e.plan.schedule.Next(instant(upTo)))
	s.metrics.due.Add(int64(n))
	s.miss(e, from, n, why, now)
}

// resume makes e's next slot the first after last, and writes those that went by since as one missed row: nobody was
// there to run them. With handed, one that was due a moment ago is run instead. The lock is held.
func (s *shard) resume(e *entry, a *monitorsv1.Assignment, last time.Time, handed bool, now time.Time) {
	if since := a.GetActiveSince(); since != nil {
		last = later(last, since.AsTime())
	}
	from, upTo := last.UnixMilli(), s.horizon(now)
	if handed {
		if newest := milli(e.plan.schedule.Last(last, instant(upTo))); newest != 0 && upTo-newest <= handGrace.Milliseconds() {
			upTo = newest - 1
		}
	}
	e.gridAt = milli(e.plan.schedule.Next(instant(max(from, upTo))))
	s.noteMissed(e.plan, from, upTo, e.gridAt, now)
}

// noteMissed writes the slots of p after since and up to until as one missed row. The lock is held.
func (s *shard) noteMissed(p *plan, since, until, next int64, now time.Time) {
	if until <= since {
		return
	}
	n := p.schedule.Count(instant(since), instant(until+1))
	if n == 0 {
		return
	}
	if next == 0 { // somebody else's, but where this run ends
		next = milli(p.schedule.Next(instant(until)))
	}
	s.metrics.due.Add(int64(n))
	s.metrics.missed(n, missedOffline)
	s.row = p.appendMissed(s.row[:0], milli(p.schedule.Next(instant(since))), uint32(n), missedOffline, next, now)
	s.outbox.Append(s.row, "")
}

// release stops a monitor for another prober that waits for it. What was due a moment ago is left to that one. until is the
// last moment whose slots are accounted for, and over says whether all checks that were begun have handed over their rows; nil
// when the monitor is not run here.
func (g *engine) release(id uint32) (until int64, over func() bool) {
	now := g.now()
	s := g.shardOf(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[id]
	if e == nil {
		return 0, nil
	}
	horizon := s.horizon(now)
	newest := milli(e.plan.schedule.Last(instant(e.gridAt-1), instant(horizon)))
	if e.gridAt != 0 && newest != 0 && horizon-newest <= handGrace.Milliseconds() {
		horizon = newest - 1
	}
	s.accountTo(e, horizon, missedOffline, now)
	s.drop(e, now)
	delete(s.entries, id)
	until = min(horizon, e.taken())
	if e.gridAt != 0 && e.taken() > until { // who held it before may have come farther than our own lease goes
		until = max(until, milli(e.plan.schedule.Last(instant(until), instant(e.taken()))))
	}
	return until, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return e.running == 0 && !e.holding
	}
}

// end stops a monitor that another prober has taken over, and accounts for what was due until then.
func (g *engine) end(id uint32, until int64) {
	now := g.now()
	s := g.shardOf(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[id]; e != nil {
		s.accountTo(e, until, missedOffline, now)
		s.drop(e, now)
		delete(s.entries, id)
	}
}

// settleFor accounts for the slots of a former holding up to until.
func (g *engine) settleFor(id uint32, h *holding, until int64) {
	s := g.shardOf(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteMissed(h.plan, h.taken, until, 0, g.now())
	h.taken = max(h.taken, until)
}

const (
	// doubtBefore and doubtAfter are how far from the last note of a process that died slots may have rows or not: it was
	// written now and then, and checks were in flight.
	doubtBefore = 10 * time.Second
	doubtAfter  = 2 * time.Second
	maxDoubtful = 16 // slots
)

// settleDoubtful accounts for slots around progress of which it is not known whether they have rows: one by one, because who
// has the row of a slot passes over its repetition.
func (g *engine) settleDoubtful(id uint32, h *holding, progress time.Time, until int64) {
	s := g.shardOf(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	end := min(progress.Add(doubtAfter).UnixMilli(), until)
	at := max(h.taken, progress.Add(-doubtBefore).UnixMilli())
	var slots []int64
	for {
		next := milli(h.plan.schedule.Next(instant(at)))
		if next == 0 || next > end {
			break
		}
		slots, at = append(slots, next), next
	}
	for _, slot := range slots[max(len(slots)-maxDoubtful, 0):] {
		s.noteMissed(h.plan, slot-1, slot, 0, g.now())
	}
	h.taken = max(h.taken, end)
}

// heldUnder is the epoch of the assignment of a monitor that is run.
func (g *engine) heldUnder(id uint32) (epoch uint64, held bool) {
	s := g.shardOf(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[id]; e != nil {
		return e.plan.held, true
	}
	return 0, false
}

// part ends every monitor at once, and says what they were.
func (g *engine) part() map[uint32]*holding {
	now := g.now()
	all := map[uint32]*holding{}
	for _, s := range g.shards {
		s.mu.Lock()
		for id, e := range s.entries {
			all[id] = s.drop(e, now)
		}
		clear(s.entries)
		s.mu.Unlock()
	}
	return all
}

// progress is the newest moment up to which every slot has been taken.
func (g *engine) progress() int64 {
	at := g.now().UnixMilli()
	for _, s := range g.shards {
		s.mu.Lock()
		if next := s.due.next(); next != 0 {
			at = min(at, next-1)
		}
		s.mu.Unlock()
	}
	return at
}
