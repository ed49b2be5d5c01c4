package prober

import (
	"sync"
	"time"
)

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
	// freshAhead is how much sooner than its turn somebody's monitor is checked who waits for it.
	freshAhead = 100 * time.Millisecond
	// maxFirstLooks bounds the waiting monitors of a shard that are looked at in one tick.
	maxFirstLooks = 256
)

// turns are those of first checks, over all shards.
type turns struct {
	mu    sync.Mutex
	next  time.Time // on the axis of slots
	daily int64     // checks that the grids make due in a day
}

// take takes the turn of now, or one that is not farther than ahead; false if there is none.
func (t *turns) take(now time.Time, ahead time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := later(t.next, now.Add(-firstSlack))
	if next.After(now.Add(ahead)) {
		return false
	}
	t.next = next.Add(t.pause()).Round(0)
	return true
}

// pause is the time from one turn to the next.
func (t *turns) pause() time.Duration {
	grids := float64(t.daily) / (24 * time.Hour).Seconds()
	return time.Duration(float64(time.Second) / max(firstRate-grids, firstShare*grids))
}

// after is the first turn at or after now.
func (t *turns) after(now time.Time) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return later(t.next, now)
}

// restart forgets a turn that lies far ahead, because the axis of slots was moved.
func (t *turns) restart() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next = time.Time{}
}

// plan adds what p's grid makes due, or takes it away again when sign is -1. Slots of cron expressions come together anyway
// and do not count.
func (t *turns) plan(p *plan, sign int64) {
	if p.every == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.daily += sign * (24 * time.Hour.Milliseconds() / p.every)
}

// firsts are the monitors of a shard that wait for their first checks. Its lock guards them.
type firsts struct {
	fresh firstQueue // somebody has just made or changed them
	rest  firstQueue // came with the start

	taken  map[*entry]int64 // slots besides grids that may not be past yet
	newest int64            // of those
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

// drop removes the first of a queue that has one.
func (q *firstQueue) drop() {
	q.list[q.head] = firstItem{}
	if q.head++; q.empty() {
		*q = firstQueue{} // after a start there may be none for years
	}
}

func (f *firsts) empty() bool { return f.fresh.empty() && f.rest.empty() }

// front is the queue whose first is next, and how much sooner than its turn that may be.
func (f *firsts) front() (*firstQueue, time.Duration) {
	if f.fresh.empty() {
		return &f.rest, 0
	}
	return &f.fresh, freshAhead
}

// wantFirst lets e wait for its first check, ahead of all that came with the start if it is fresh. The lock is held.
func (s *shard) wantFirst(e *entry, fresh bool, now time.Time) {
	e.first = true
	q := &s.firsts.rest
	if fresh {
		q = &s.firsts.fresh
	}
	q.add(firstItem{e, now.UnixMilli()})
	if s.wakeAt != 0 && s.nextFirst(now).UnixMilli() < s.wakeAt {
		s.wake()
	}
}

// nextFirst is when the next first check of this shard may start, of which there is one. The lock is held.
func (s *shard) nextFirst(now time.Time) time.Time {
	_, ahead := s.firsts.front()
	return later(s.turns.after(now).Add(-ahead), now)
}

// startFirsts starts the first checks whose turn it is; limit is the newest slot that may be taken. The lock is held.
func (s *shard) startFirsts(now time.Time, limit int64) {
	if s.firsts.empty() || now.UnixMilli() >= limit {
		return
	}
	for range maxFirstLooks {
		if s.firsts.empty() || s.burstFull() || !s.startFirst(now) {
			return
		}
	}
}

// startFirst starts the first check of the monitor that has waited the longest, if that still needs one; false when it is not
// its turn. There is one that waits. The lock is held.
func (s *shard) startFirst(now time.Time) bool {
	q, ahead := s.firsts.front()
	x := q.list[q.head]
	e, ms, margin := x.entry, now.UnixMilli(), soon
	if q == &s.firsts.rest {
		// Its grid's slot comes as soon as this turn did, or before this check is sure to be over.
		margin = max(margin, longestOf(e.plan.check), time.Duration(ms-x.since)*time.Millisecond)
	}
	switch {
	case !e.first || e.removed || e.waitingAt != 0 || e.gridAt != 0 && e.gridAt-ms <= margin.Milliseconds():
		e.first = false
		q.drop()
		return true
	case !s.turns.take(now, ahead):
		return false
	}
	q.drop()
	if e.running > 0 && !e.plan.parallel {
		q.add(x) // what runs is of how it was before
		return true
	}
	slot := s.beside(e, ms)
	e.confirmAt = slot
	s.fire(e, now, slot)
	if e.placedAt != e.due() {
		s.due.place(e, e.due())
	}
	return true
}

// beside is a slot for e besides its grid, at ms or right after it: two rows with one slot would be one, and somebody may ask for a
// check in the millisecond in which another changes the monitor. The lock is held.
func (s *shard) beside(e *entry, ms int64) int64 {
	if ms > s.firsts.newest {
		clear(s.firsts.taken)
	}
	slot := ms
	if last, ok := s.firsts.taken[e]; ok && last >= slot {
		slot = last + 1
	}
	if milli(e.plan.schedule.Next(instant(slot-1))) == slot {
		slot++ // the one of its grid is accounted for
	}
	if s.firsts.taken == nil {
		s.firsts.taken = map[*entry]int64{}
	}
	s.firsts.taken[e], s.firsts.newest = slot, max(s.firsts.newest, slot)
	return slot
}

// longestOf is how long a check may take, if it says so.
func longestOf(c check) time.Duration {
	if t, ok := c.(timed); ok {
		return t.longest()
	}
	return 0
}
