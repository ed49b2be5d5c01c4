package prober

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/services/prober/nettest"
)

const (
	// tick is how finely a shard wakes: everything that is due within one starts together
	// at its end, because waking costs more than a check. Ticks lie on a fixed grid that
	// whole seconds fit, so a monitor is late by the same every time, and what the target
	// sees between two checks is the interval.
	tick = 5 * time.Millisecond
	// permitPause is how long slots that wait ask for no permits, at most. It is drawn
	// anew each time: of two shards in step, one would always come first.
	permitPause = 3 * time.Millisecond
	// burst is how many checks start before those in flight are looked after: more at once
	// cost more each, and answers that wait look slow.
	burst = 64
	// idleWait is how long a shard sleeps with nothing due; a change wakes it.
	idleWait = time.Minute
	// maxPermitWait bounds how late a slot may still start for want of a permit.
	maxPermitWait = 10 * time.Second
)

// shard runs a part of the monitors: those are due, waiting or in flight here. One
// goroutine starts what is due.
type shard struct {
	*engine
	watched
	changed chan struct{} // capacity 1: something is due before the shard would wake

	// Of the shard's goroutine alone.
	starts []nettest.TCPRun
	jobs   []job

	mu      sync.Mutex
	entries map[uint32]*entry
	due     wheel
	waiting waitlist
	wakeAt  int64 // when the shard looks again; 0 while it looks
	stopped bool
	firsts  firsts
	asked   rechecks
	// paused says that slots may be due which the fence keeps back. Those up to pausedTo went by so: they are told from
	// those that the shard was late for.
	paused   bool
	pausedTo int64
	loop     tcpLoop // nil until it is needed
	noLoop   bool    // there can be none
	flights  flights // in the loop
	row      []byte  // the row that is being written
	result   checkv1.CheckResult
}

// job is a check that has its permit and runs in a goroutine.
type job struct {
	shard *shard
	entry *entry
	plan  *plan
	slot  int64
}

func newShard(g *engine) *shard {
	s := &shard{engine: g, changed: make(chan struct{}, 1), entries: map[uint32]*entry{}}
	s.due.now = s.now().UnixMilli()
	return s
}

// run starts what is due until ctx ends.
func (s *shard) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		wait := s.startDue()
		if wait <= 0 {
			runtime.Gosched() // on one processor the loop and the uplink have their turns too
			continue
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.changed:
		}
	}
}

// startDue starts what is due, at most a burst of it, and returns the time until more may be.
func (s *shard) startDue() time.Duration {
	wait := s.collect(s.now())
	s.begin()
	return wait
}

// begin begins the checks that were collected.
func (s *shard) begin() {
	if len(s.starts) > 0 {
		s.loop.Start(s.starts)
		clear(s.starts)
		s.starts = s.starts[:0]
	}
	for i := range s.jobs {
		s.pool.run(s.jobs[i])
		s.jobs[i] = job{}
	}
	s.jobs = s.jobs[:0]
}

// takeLast collects what is due and would have waited for the next tick.
func (s *shard) takeLast(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit, open := s.fence.limit()
	if !open || s.paused {
		return
	}
	upTo := min(now.UnixMilli(), limit)
	for e := s.takeDue(upTo); e != nil; e = s.takeDue(upTo) {
		s.fire(e, now, upTo)
		s.due.place(e, e.due())
	}
}

// collect consumes due slots until a burst of checks is to be started, and returns how
// long after now to look again.
func (s *shard) collect(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wakeAt = 0
	s.look(now)
	if s.stopped {
		return idleWait
	}
	limit, open := s.fence.limit()
	if !open {
		s.pause(now)
		return idleWait
	}
	if s.paused {
		s.paused, s.pausedTo = false, now.UnixMilli()
	}
	// What became due since the tick waits for the next one, also if the shard woke late:
	// else a monitor would be early by a tick now and then.
	ended := min(tickOf(now), limit)
	s.startWaiting(now)
	s.startRechecks(now, limit)
	s.startFirsts(now, limit)
	for !s.burstFull() {
		e := s.takeDue(ended)
		if e == nil {
			return s.sleep(now, limit)
		}
		s.fire(e, now, min(now.UnixMilli(), limit))
		s.due.place(e, e.due())
	}
	return 0
}

// takeDue is an entry that is due at or before ended, which may lie before what was taken last. The lock is held.
func (s *shard) takeDue(ended int64) *entry {
	if ended < s.due.now {
		return nil
	}
	return s.due.take(ended)
}

// pause notes that nothing may be taken. What waits for a permit was taken in time and does not run any more; what is in
// flight ends. The lock is held.
func (s *shard) pause(now time.Time) {
	s.paused = true
	s.wakeAt = now.Add(idleWait).UnixMilli()
	if s.waiting.empty() {
		return
	}
	for _, e := range s.entries {
		if e.waitingAt != 0 {
			s.giveUp(e, missedOffline, now)
		}
	}
}

// sleep is the time to the tick in which there may be something to do. What is due after newest waits for the fence, which
// wakes the shard when it moves. The lock is held.
func (s *shard) sleep(now time.Time, newest int64) time.Duration {
	limit := now.Add(idleWait).UnixMilli()
	next := s.due.next()
	if next > newest {
		s.paused, next = true, 0
	}
	if next == 0 || next > limit {
		next = limit
	}
	const ms = int64(tick / time.Millisecond)
	s.wakeAt = (next + ms - 1) / ms * ms
	if !s.waiting.empty() {
		s.wakeAt = min(s.wakeAt, now.UnixMilli()+1+rand.Int64N(permitPause.Milliseconds()))
	}
	if !s.firsts.empty() && now.UnixMilli() < newest {
		s.wakeAt = min(s.wakeAt, tickOf(s.nextFirst(now))+ms)
	}
	if s.asked.next != 0 && now.UnixMilli() < newest {
		s.wakeAt = min(s.wakeAt, tickOf(later(instant(s.asked.next), now))+ms)
	}
	return instant(s.wakeAt).Sub(now)
}

// place puts e where its due time says, and wakes the shard if that is early. The lock is held.
func (s *shard) place(e *entry) {
	if e.removed || s.stopped {
		s.due.place(e, 0)
		return
	}
	due := e.due()
	if now := s.now(); due <= now.UnixMilli() {
		due = min(due, tickOf(now)) // at once
	}
	s.due.place(e, due)
	if due == 0 || s.wakeAt == 0 || due >= s.wakeAt {
		return
	}
	s.wake()
}

func (s *shard) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// tickOf is the end of the last tick in milliseconds.
func tickOf(now time.Time) int64 {
	const ms = int64(tick / time.Millisecond)
	return now.UnixMilli() / ms * ms
}

// fire handles e's due slot; upTo is the newest that may be taken, in milliseconds since 1970. The lock is held.
func (s *shard) fire(e *entry, now time.Time, upTo int64) {
	slot, skippedFrom, skipped := e.take(upTo)
	e.first = false
	s.metrics.due.Add(1 + int64(skipped))
	if skipped > 0 {
		why := missedOverload
		if skippedFrom <= s.pausedTo {
			why = missedOffline
		}
		s.miss(e, skippedFrom, skipped, why, now)
	}
	queue := s.waiting.queueOf(e.plan.host)
	switch {
	case slot < s.pausedTo-handGrace.Milliseconds():
		s.miss(e, slot, 1, missedOffline, now)
	case e.plan.check == nil:
		s.miss(e, slot, 1, missedInvalid, now)
	case e.waitingAt != 0:
		// Of two slots the newer one is worth a permit; it has the older one's turn.
		s.miss(e, e.waitingAt, 1, missedOverload, now)
		e.waitingAt = slot
	case e.running > 0 && !e.plan.parallel:
		s.miss(e, slot, 1, missedOverlap, now)
	case queue != nil:
		queue.add(e, slot)
	default:
		s.tryStart(e, slot)
	}
}

// tryStart starts e's check, or lets it wait. The lock is held.
func (s *shard) tryStart(e *entry, slot int64) {
	switch s.limits.try(e.plan.host) {
	case granted:
		s.start(e, slot)
	case hostFull:
		s.waiting.crowd(e.plan.host).add(e, slot)
	case allFull:
		s.waiting.common.add(e, slot)
	}
}

// start takes up a check that has its permit. The lock is held.
func (s *shard) start(e *entry, slot int64) {
	e.running++
	s.checks.Add(1)
	if e.plan.plain != nil {
		tag := s.flights.put(flight{e, e.plan, slot})
		s.metrics.running.Add(1)
		s.starts = append(s.starts, nettest.TCPRun{Check: e.plan.plain, Tag: tag, Sink: s})
		return
	}
	s.jobs = append(s.jobs, job{s, e, e.plan, slot})
}

// maxTurns bounds the crowded hosts that are looked at in one tick.
const maxTurns = 256

// startWaiting starts slots that waited for permits. Crowded hosts and all others take
// turns to be first. The lock is held.
func (s *shard) startWaiting(now time.Time) {
	w := &s.waiting
	if w.empty() {
		return
	}
	w.commonFirst = !w.commonFirst
	if w.commonFirst {
		s.startQueue(&w.common, now)
	}
	for range min(len(w.crowded), maxTurns) {
		if len(w.crowded) == 0 || s.burstFull() {
			break
		}
		w.turn++
		s.startQueue(w.crowded[w.turn%len(w.crowded)], now)
	}
	if !w.commonFirst {
		s.startQueue(&w.common, now)
	}
}

// startQueue starts what it can of a queue, and gives up what waits for too long. The lock is held.
func (s *shard) startQueue(q *waitQueue, now time.Time) {
	oldest := now.Add(-maxPermitWait).UnixMilli()
	for q.alive > 0 && !s.burstFull() {
		e := q.first()
		if e.waitingAt < oldest {
			s.giveUp(e, missedOverload, now)
			continue
		}
		got := s.limits.try(e.plan.host)
		if got == allFull || got == hostFull && q.host != nil {
			return
		}
		slot := e.waitingAt
		s.waiting.remove(e)
		if got == granted {
			s.start(e, slot)
		} else {
			s.waiting.crowd(e.plan.host).add(e, slot)
		}
	}
}

func (s *shard) burstFull() bool { return len(s.starts)+len(s.jobs) >= burst }

// giveUp notes that e's waiting slot does not run. The lock is held.
func (s *shard) giveUp(e *entry, why missedReason, now time.Time) {
	slot := e.waitingAt
	s.waiting.remove(e)
	s.miss(e, slot, 1, why, now)
}

// halt takes no more slots and starts none that wait. Those up to now are accounted for; what became due since the last tick
// still starts.
func (s *shard) halt(now time.Time) {
	s.takeLast(now)
	s.begin()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	horizon := s.horizon(now)
	for _, e := range s.entries {
		s.due.place(e, 0)
		if e.waitingAt != 0 {
			s.giveUp(e, missedOffline, now)
		}
		s.accountTo(e, horizon, missedOffline, now)
	}
}

// flush writes every held run of missed slots.
func (s *shard) flush() {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		s.flushMissed(e, now)
	}
}

// cutOff ends what the loop still runs.
func (s *shard) cutOff() {
	s.mu.Lock()
	loop := s.loop
	s.mu.Unlock()
	if loop == nil {
		return
	}
	if err := loop.Close(); err != nil {
		s.log.Error("the loop of TCP checks did not close well", "error", err)
	}
}
