package prober

import (
	"errors"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/services/prober/nettest"
)

// tcpLoop is what a shard needs of a *nettest.TCPLoop.
type tcpLoop interface {
	Prepare(config nettest.TestConfig) (*nettest.TCPCheck, error)
	Start(runs []nettest.TCPRun)
	Close() error
}

// flight is a check in the loop.
type flight struct {
	entry *entry
	plan  *plan
	slot  int64
}

// flights are those of a shard by their tags.
type flights struct {
	all  []flight
	free []uint32
}

func (f *flights) put(x flight) uint64 {
	if last := len(f.free) - 1; last >= 0 {
		at := f.free[last]
		f.free = f.free[:last]
		f.all[at] = x
		return uint64(at)
	}
	f.all = append(f.all, x)
	return uint64(len(f.all) - 1)
}

func (f *flights) take(tag uint64) flight {
	x := f.all[tag]
	f.all[tag] = flight{}
	f.free = append(f.free, uint32(tag))
	return x
}

// Done implements nettest.LoopSink.
func (s *shard) Done(tag uint64, t *nettest.TestResult, err error) {
	ended := time.Now()
	now := s.observer.clock.at(ended)
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.flights.take(tag)
	s.limits.release(f.plan.host)
	s.metrics.running.Add(-1)
	defer s.checks.Done()
	if errors.Is(err, nettest.ErrOverload) {
		f.entry.running--
		s.missNow(f.entry, f.slot, missedOverload, now)
		return
	}
	// Both differences are taken by one clock each: the wall clock may have been set meanwhile.
	late := max(now.Sub(instant(f.slot))-ended.Sub(t.Timestamp), 0)
	s.metrics.started(late)
	if err == nil && !f.plan.judged && !f.entry.holding {
		s.succeeded(f, t, late, ended, now)
		return
	}
	r := &s.result
	s.fillIn(r, f.plan, f.slot, t.Timestamp)
	r.LatenessNs = uint64(late)
	f.plan.check.record(r, t, err)
	x := ending{result: r, began: t.Timestamp, ended: ended}
	if c, ok := f.plan.check.(explaining); ok && s.examiner != nil && f.entry.failures == 0 && blames(r) {
		x.left = c.left(t)
	}
	s.ended(f.entry, x, now)
}

// succeeded is ended for a plain check's success. The lock is held.
func (s *shard) succeeded(f flight, t *nettest.TestResult, late time.Duration, ended, now time.Time) {
	const success = checkv1.ResultStatus_RESULT_STATUS_SUCCESS
	s.answered(f.entry, placeOf(t.ResolvedIP), t.Timestamp, ended)
	s.late.add(late, ended)
	f.entry.running--
	s.flushMissed(f.entry, now)
	changed, next := s.settle(f.entry, success, now, now)
	s.row = f.plan.appendSuccess(s.row[:0], f.slot, next, late, t)
	s.metrics.finished(checkv1.MonitorType_MONITOR_TYPE_TCP, success, ended.Sub(t.Timestamp))
	traceparent := ""
	if s.tracer.wants(changed) {
		if err := proto.Unmarshal(s.row, &s.result); err == nil {
			traceparent = s.tracer.kept(&s.result, ended)
		}
	}
	s.outbox.Append(s.row, traceparent)
}

// fillIn makes r the result of a check that begins, but for its outcome.
func (g *engine) fillIn(r *checkv1.CheckResult, p *plan, slot int64, began time.Time) {
	if err := proto.Unmarshal(p.row, r); err != nil {
		g.log.Error("row cannot be read", "error", err) // it was encoded here
	}
	r.ScheduledAt, r.StartedAt = stampOf(slot), timestamppb.New(began)
	r.LatenessNs, r.Attempt = uint64(max(began.Sub(instant(slot)), 0)), 1
}

// runJob runs a check in a goroutine of the pool.
func (g *engine) runJob(j job) {
	began := time.Now()
	r := &checkv1.CheckResult{}
	g.fillIn(r, j.plan, j.slot, began)
	r.LatenessNs = uint64(max(g.observer.clock.at(began).Sub(instant(j.slot)), 0))
	g.metrics.running.Add(1)
	w := g.guard.enter(j, r.GetMonitorType(), began)
	if w == nil {
		g.finishJob(j, func(now time.Time) { j.shard.refuse(j, now) })
		return
	}
	g.metrics.started(time.Duration(r.GetLatenessNs()))
	var left *failing
	if c, ok := j.plan.check.(explaining); ok {
		left = c.explained(g.base, r, false)
	} else {
		j.plan.check.run(g.base, r)
	}
	if !g.guard.leave(w) {
		return // it was given up long ago
	}
	ended := time.Now()
	g.finishJob(j, func(now time.Time) {
		j.shard.ended(j.entry, ending{result: r, began: began, ended: ended, own: true, left: left}, now)
	})
}

// finishJob gives back what a job held, and lets its shard take in what came of it.
func (g *engine) finishJob(j job, take func(now time.Time)) {
	defer g.checks.Done()
	g.metrics.running.Add(-1)
	g.limits.release(j.plan.host)
	now := g.now()
	j.shard.mu.Lock()
	defer j.shard.mu.Unlock()
	take(now)
}

// ended takes in the result of a check of e. The lock is held.
func (s *shard) ended(e *entry, x ending, now time.Time) {
	e.running--
	s.flushMissed(e, now)
	if x.result.GetStatus() == checkv1.ResultStatus_RESULT_STATUS_ERROR && s.base.Err() != nil {
		s.missNow(e, x.result.GetScheduledAt().AsTime().UnixMilli(), missedOffline, now)
		return
	}
	s.late.add(time.Duration(x.result.GetLatenessNs()), x.ended)
	s.conclude(e, x)
}

// append hands a row to the outbox; e is nil for that of a monitor that is not run here. The lock is held.
func (s *shard) append(e *entry, r *checkv1.CheckResult, traceparent string) {
	row, err := appendResult(s.row[:0], r)
	if err != nil {
		s.log.Error("result cannot be encoded", "monitor_id", r.GetMonitorId(), "error", err)
		return
	}
	s.row = row
	if e == nil {
		s.outbox.Append(row, traceparent)
		return
	}
	s.emit(e, row, traceparent)
}

// settle folds the outcome of a check into its entry: changed says that it is another
// one than before, and next is the entry's next slot for the row. The check ended at ended, which
// may be a while before now. The lock is held.
func (s *shard) settle(e *entry, status checkv1.ResultStatus, ended, now time.Time) (changed bool, next int64) {
	before := e.confirmAt
	changed = e.finished(status, ended)
	if ms := now.UnixMilli(); e.confirmAt != before && e.confirmAt != 0 && e.confirmAt <= ms {
		e.confirmAt = ms + 1 // slots may have been taken since the one that it confirms
	}
	if e.removed || s.stopped {
		return changed, 0
	}
	if e.confirmAt != before {
		s.place(e)
	}
	return changed, e.due()
}

// missNow is miss for a slot of which the row is wanted at once. The lock is held.
func (s *shard) missNow(e *entry, slot int64, why missedReason, now time.Time) {
	s.miss(e, slot, 1, why, now)
	if e.removed || s.stopped {
		s.flushMissed(e, now)
	}
}

// miss adds count slots from slot on to e's run of missed slots. The lock is held.
func (s *shard) miss(e *entry, slot int64, count int, why missedReason, now time.Time) {
	s.metrics.missed(count, why)
	ms, age := now.UnixMilli(), maxMissedAge.Milliseconds()
	if e.missedCount > 0 && (e.missedWhy != why || slot < e.missedFrom || ms-e.missedFrom > age) {
		s.flushMissed(e, now)
	}
	if e.missedCount == 0 {
		e.missedFrom, e.missedWhy = slot, why
	}
	e.missedCount += uint32(count)
	if ms-e.missedFrom > age || e.gridAt == 0 || e.gridAt-ms > age {
		s.flushMissed(e, now)
	}
}

// afterMissed is the slot after e's run of missed ones; 0 if there is none. It is not the one that is due: of a late run the newest
// slot is still to have its row when the others are written, and whoever reads that row after a crash has to find it open.
func (e *entry) afterMissed() int64 {
	at := milli(e.plan.schedule.Next(instant(e.missedFrom))) // which may lie beside the grid
	more := int64(e.missedCount) - 1
	if every := e.plan.every; every > 0 {
		return at + more*every
	}
	for ; more > 0 && at != 0; more-- {
		at = milli(e.plan.schedule.Next(instant(at)))
	}
	return at
}

// flushMissed writes e's run of missed slots as one row. The lock is held.
func (s *shard) flushMissed(e *entry, now time.Time) {
	if e.missedCount == 0 {
		return
	}
	s.row = e.plan.appendMissed(s.row[:0], e.missedFrom, e.missedCount, e.missedWhy, e.afterMissed(), now)
	s.emit(e, s.row, "")
	e.missedFrom, e.missedCount = 0, 0
}
