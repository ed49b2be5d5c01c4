package prober

import "time"

// A monitor that was never checked, or was changed, gets a check besides those of its grid, so that nobody waits a day to see
// whether it works. Those take turns, so that the start of many is no burst, and none of them costs a slot of the grid.

const (
	// firstRate is how many checks a second, over all shards, grids and first checks have together: few monitors are checked
	// at once.
	firstRate = 500
	// firstShare is the part of what the grids make due on average that first checks may be where that is more.
	firstShare = 0.1
	// soon is how long nobody minds waiting for a slot of the grid: it takes the place of a check besides.
	soon = time.Second
	// firstSlack is how late a turn may be taken without being lost. Ticks make it late.
	firstSlack = 2 * tick
	// maxFirstLooks bounds the waiting monitors that are looked at in one tick.
	maxFirstLooks = 256
)

// firsts are the monitors of a shard that wait for their first checks. Its lock guards them.
type firsts struct {
	fresh firstQueue // somebody has just made or changed them
	rest  firstQueue // came with the start
	next  time.Time  // turn, on the axis of slots
	daily float64    // checks a day that the shard's grids make due
}

// firstQueue is a queue of entries in the order in which they came.
type firstQueue struct {
	list []firstItem
	head int
}

type firstItem struct {
	entry *entry
	since int64 // milliseconds since 1970
}

func (q *firstQueue) empty() bool { return q.head == len(q.list) }

func (q *firstQueue) add(x firstItem) {
	if q.head > len(q.list)/2 && len(q.list) == cap(q.list) {
		n := copy(q.list, q.list[q.head:])
		clear(q.list[n:])
		q.list, q.head = q.list[:n], 0
	}
	q.list = append(q.list, x)
}

func (q *firstQueue) pop() firstItem {
	x := q.list[q.head]
	q.list[q.head] = firstItem{}
	if q.head++; q.empty() {
		*q = firstQueue{} // after a start there may be none for years
	}
	return x
}

func (f *firsts) empty() bool { return f.fresh.empty() && f.rest.empty() }

// perDay is how many slots of p are due in a day. Those of cron expressions come together anyway and do not count.
func (p *plan) perDay() float64 {
	if p.every == 0 {
		return 0
	}
	return float64(24 * time.Hour.Milliseconds() / p.every)
}

// turn is the time from one first check to the next, over n shards alike.
func (f *firsts) turn(n int) time.Duration {
	grids := f.daily / (24 * time.Hour).Seconds()
	return time.Duration(float64(time.Second) / max(firstRate/float64(n)-grids, firstShare*grids))
}

// wantFirst lets e wait for its first check, ahead of all that came with the start if it is fresh. The lock is held.
func (s *shard) wantFirst(e *entry, fresh bool, now time.Time) {
	e.first = true
	q := &s.firsts.rest
	if fresh {
		q = &s.firsts.fresh
	}
	q.add(firstItem{e, now.UnixMilli()})
	if due := max(s.firsts.next.UnixMilli(), now.UnixMilli()); s.wakeAt != 0 && due < s.wakeAt {
		s.wake()
	}
}

// startFirsts starts the first checks whose turn it is; limit is the newest slot that may be taken. The lock is held.
func (s *shard) startFirsts(now time.Time, limit int64) {
	f := &s.firsts
	if f.empty() || now.UnixMilli() > limit {
		return
	}
	f.next = later(f.next, now.Add(-firstSlack))
	turn := f.turn(len(s.shards))
	for range maxFirstLooks {
		if f.empty() || f.next.After(now) || s.burstFull() {
			return
		}
		if s.startFirst(now, limit) {
			f.next = f.next.Add(turn)
		}
	}
}

// startFirst starts the first check of the monitor that has waited the longest, and says whether that took its turn. There is
// one that waits. The lock is held.
func (s *shard) startFirst(now time.Time, limit int64) bool {
	f := &s.firsts
	q, margin := &f.fresh, soon
	if q.empty() {
		q = &f.rest
	}
	x := q.pop()
	e, ms := x.entry, now.UnixMilli()
	if q == &f.rest {
		// Its grid's slot comes as soon as this turn did, or before this check is sure to be over.
		margin = max(margin, longestOf(e.plan.check), time.Duration(ms-x.since)*time.Millisecond)
	}
	switch {
	case !e.first || e.removed:
		return false
	case e.waitingAt != 0, e.gridAt != 0 && e.gridAt-ms <= margin.Milliseconds():
		e.first = false
		return false
	case e.running > 0 && !e.plan.parallel:
		q.add(x) // of how it was before
		return true
	}
	slot := ms
	if milli(e.plan.schedule.Next(instant(slot-1))) == slot {
		slot++ // the one of its grid is accounted for
	}
	if slot > limit {
		q.add(x)
		return true
	}
	e.confirmAt = slot
	s.fire(e, now, slot)
	if e.placedAt != e.due() {
		s.due.place(e, e.due())
	}
	return true
}

// longestOf is how long a check may take, if it says so.
func longestOf(c check) time.Duration {
	if t, ok := c.(timed); ok {
		return t.longest()
	}
	return 0
}
