package prober

import "time"

// Somebody may want to know at once how a monitor's target is: a monitor behind it has begun to fail, and its own slot may be minutes
// away. It then gets a check besides those of its grid, as one that was just made does, and like that one it costs no slot: its row is
// one more that was due and ran. Wishes that come while one waits share its check.

const (
	// recheckEvery is the least time between two such checks of a monitor, unless its interval is less: somebody else's server answers.
	recheckEvery = 10 * time.Second
	// recheckAgain is when it is looked again whether a check that was running when the wish came has ended.
	recheckAgain = 50 * time.Millisecond
)

// rechecks are the monitors of a shard that somebody wants to be checked at once, or wanted to lately. Its lock guards them.
type rechecks struct {
	all  map[uint32]recheck
	next int64 // when to look at the first of them, in milliseconds since 1970; 0: there is none
}

// recheck is a wish. Times are milliseconds since 1970.
type recheck struct {
	wanted bool
	at     int64 // when it may be fulfilled; of one that has been, when it is forgotten
}

func (r *rechecks) put(id uint32, x recheck) {
	if r.all == nil {
		r.all = map[uint32]recheck{}
	}
	r.all[id] = x
	if r.next == 0 || x.at < r.next {
		r.next = x.at
	}
}

// recheck checks a monitor besides its grid, as soon as that may be, if it is held under epoch; 0 is any.
func (g *engine) recheck(id uint32, epoch uint64) {
	now := g.now()
	s := g.shardOf(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[id]
	if e == nil || s.stopped || epoch != 0 && e.plan.held != epoch {
		return
	}
	x := s.asked.all[id]
	if x.wanted {
		return
	}
	// Later than every slot that was taken up to now: two with one slot would be one row.
	s.asked.put(id, recheck{wanted: true, at: max(x.at, now.Add(tick).UnixMilli())})
	if s.wakeAt != 0 && s.asked.next < s.wakeAt {
		s.wake()
	}
}

// startRechecks readies the checks that were asked for and may begin; limit is the newest slot that may be taken. The lock is held.
func (s *shard) startRechecks(now time.Time, limit int64) {
	ms := now.UnixMilli()
	if s.asked.next == 0 || ms < s.asked.next || ms >= limit {
		return
	}
	s.asked.next = 0
	for id, x := range s.asked.all {
		switch {
		case x.at > ms:
		case x.wanted:
			x = s.fulfil(s.entries[id], now)
		default:
			delete(s.asked.all, id)
			continue
		}
		s.asked.put(id, x)
	}
}

// fulfil gives e its turn of a check besides its grid, unless one comes anyway that shows as much. The lock is held.
func (s *shard) fulfil(e *entry, now time.Time) recheck {
	ms := now.UnixMilli()
	switch {
	case e == nil, e.plan.check == nil, e.waitingAt != 0, e.confirmAt != 0, e.gridAt != 0 && e.gridAt-ms <= soon.Milliseconds():
		return recheck{at: ms}
	case e.running > 0 && !e.plan.parallel: // it began before whatever it was that made somebody ask
		return recheck{wanted: true, at: ms + recheckAgain.Milliseconds()}
	}
	pause := recheckEvery.Milliseconds()
	if e.plan.every != 0 {
		pause = min(pause, e.plan.every)
	}
	s.wantFirst(e, true, now)
	return recheck{at: ms + pause}
}
