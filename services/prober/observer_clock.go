package prober

import (
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
)

// clockMoved tells the shards of a jump of the slots' clock.
func (o *observer) clockMoved(seen int) int {
	o.clock.now()
	j := o.clock.last.Load()
	if j == nil || j.nth == seen {
		return seen
	}
	o.log.Warn("the wall clock was set", "by", j.by, "slots_moved_by", time.Duration(j.to-j.from)*time.Millisecond)
	o.note(nettest.ErrObserverOffline, "The wall clock was set by "+j.by.String()+": check the machine's time service", time.Now())
	for _, s := range o.engine.shards {
		select {
		case s.changed <- struct{}{}:
		default:
		}
	}
	return j.nth
}

// look notes that the shard looks for what is due, and brings its entries to where the slots' clock is. The lock is held.
func (s *shard) look(now time.Time) {
	s.looked = time.Now()
	j := s.observer.clock.last.Load()
	if j == nil || j.nth == s.jump {
		return
	}
	s.jump = j.nth
	switch {
	case j.to > j.from:
		s.skip(j.to, now)
	case j.to < j.from:
		s.backTo(j.to, now)
	}
}

// skip accounts for slots up to upTo for which there was no time. The lock is held.
func (s *shard) skip(upTo int64, now time.Time) {
	upTo = min(upTo, s.horizon(now))
	for _, e := range s.entries {
		if e.waitingAt != 0 {
			s.giveUp(e, missedOffline, now)
		}
		s.accountTo(e, upTo, missedOffline, now)
		s.place(e)
	}
}

// backTo begins anew at an earlier time: what was on its way there lies too far ahead. Slots of grids are a millisecond later
// than theirs, because those may have their rows. The lock is held.
func (s *shard) backTo(at int64, now time.Time) {
	s.due, s.pausedTo, s.asked = wheel{now: at}, 0, rechecks{}
	s.firsts.taken, s.firsts.newest = nil, 0
	s.turns.restart()
	for _, e := range s.entries {
		s.flushMissed(e, now)
		e.placedAt, e.confirmAt = 0, 0
		if e.waitingAt != 0 {
			s.giveUp(e, missedOffline, now)
		}
		e.gridAt = milli(e.plan.schedule.Next(instant(at)))
		if e.plan.every > 0 {
			e.gridAt++
		}
		s.place(e)
	}
}
