package prober

import (
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
)

// watched is what a shard keeps for the observer; its lock guards it.
type watched struct {
	proof   [places]proof
	held    map[*entry]*heldRows
	settled bool // the prober stops: nothing waits any more
	late    lateRing
	jump    int       // of the slots' clock, the last that was seen
	looked  time.Time // when the shard looked for what is due last
}

// proof is that the network reaches a place: something there has answered, again and again, from since to last.
type proof struct{ since, last time.Time }

// proofGap is how far apart two answers may be for the time between them to count.
const proofGap = 3 * time.Second

// add takes in an answer.
func (p *proof) add(at time.Time) {
	if at.Sub(p.last) > proofGap {
		p.since = at
	}
	p.last = at
}

// covers reports whether the network was well while a check ran: from its beginning, whose packets it may have waited for to the
// end, and lately when it ended. What has answered after that says nothing of it.
func (p proof) covers(f *finding) bool {
	return !p.last.IsZero() && !p.since.After(f.began) && !p.last.After(f.ended) && f.ended.Sub(p.last) <= min(f.ended.Sub(f.began)/2, proofAge)
}

// heldRow is a row that waits for its turn: for the observer's word, or behind one that does.
type heldRow struct {
	result  *checkv1.CheckResult // nil: row is all there is
	row     []byte
	finding *finding // nil: decided
	began   time.Time
	ended   time.Time
	left    *failing
}

// heldRows are those of one monitor, in their order.
type heldRows struct {
	list []heldRow
}

// ending is a check's result with the times of its run by the monotonic clock.
type ending struct {
	result       *checkv1.CheckResult
	began, ended time.Time
	own          bool     // the result is nobody else's, and may be kept
	left         *failing // of a check that blames its target; may be nil
}

// conclude tells the outcome of a check of e, or holds it. The lock is held.
func (s *shard) conclude(e *entry, x ending) {
	o := s.observer
	if s.examiner == nil || e.failures > 0 {
		x.left = nil // only the first failure is looked into
	}
	f, silent := findingOf(x.result, x.began, x.ended)
	wait := false
	if silent {
		wait = s.doubt(e, x, &f)
	} else if x.result.GetStatus() != checkv1.ResultStatus_RESULT_STATUS_ERROR {
		s.answered(e, placeOfText(x.result.GetResolvedIp()), x.began, x.ended)
	} else if !ofGivenServers(e.plan.check, x.result) {
		o.noteResult(x.result, x.ended)
	}
	if !wait && !e.holding {
		s.tell(e, x.result, x.began, x.ended, x.left)
		return
	}
	h := heldRow{result: x.result, began: x.began, ended: x.ended, left: x.left}
	if !x.own {
		h.result = proto.CloneOf(x.result)
	}
	if wait {
		h.finding = &f
	}
	s.hold(e, h)
}

// doubt looks into a result that blames e's target for its silence, and says whether it has to wait. The lock is held.
func (s *shard) doubt(e *entry, x ending, f *finding) (wait bool) {
	o, host := s.observer, e.plan.host
	if !host.silent.Swap(true) {
		o.fellSilent(host, x.ended)
	}
	now := x.ended
	if e.failures >= max(e.plan.confirmDown, 1) || o.held.Load() >= maxHeld || s.settled {
		now = now.Add(holdFor) // it has been looked into before, or there is no room: what is known has to do
	}
	v := o.judge(f, s.proof[f.place], now)
	if v.typ != "" {
		o.blame(x.result, v, x.ended)
	}
	return v.wait
}

// answered notes that e's host answered a check in whatever way. The lock is held.
func (s *shard) answered(e *entry, p place, began, now time.Time) {
	s.proof[p].add(now)
	host := e.plan.host
	if host.silent.Load() {
		host.silent.Store(false)
	}
	if w := s.observer.window.Load(); w != nil {
		s.observer.answers(w, host, p, began, now)
	}
}

// hold puts a row of e behind those that wait. The lock is held.
func (s *shard) hold(e *entry, h heldRow) {
	if s.held == nil {
		s.held = map[*entry]*heldRows{}
	}
	rows := s.held[e]
	if rows == nil {
		rows = &heldRows{}
		s.held[e] = rows
	}
	e.holding = true
	rows.list = append(rows.list, h)
	s.observer.held.Add(1)
	s.observer.wake()
}

// emit hands a row of e to the outbox when it is its turn. The lock is held.
func (s *shard) emit(e *entry, row []byte, traceparent string) {
	if e.holding {
		s.hold(e, heldRow{row: slices.Clone(row)})
		return
	}
	s.outbox.Append(row, traceparent)
}

// review decides what can be decided of the rows that wait, all of it if it must.
func (s *shard) review(now time.Time, must bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settled = s.settled || must
	for e, rows := range s.held {
		n := 0
		for n < len(rows.list) && s.ripe(&rows.list[n], now, must) {
			n++
		}
		if n == 0 {
			continue
		}
		done := rows.list[:n]
		rows.list = rows.list[n:]
		e.holding = false
		for i := range done {
			s.let(e, &done[i])
		}
		clear(done)
		s.observer.held.Add(-int64(n))
		if len(rows.list) > 0 {
			e.holding = true
		} else {
			delete(s.held, e)
		}
	}
}

// ripe says whether a row needs to wait no longer. The lock is held.
func (s *shard) ripe(h *heldRow, now time.Time, must bool) bool {
	if h.finding == nil {
		return true
	}
	if must {
		now = h.ended.Add(holdFor)
	}
	v := s.observer.judge(h.finding, s.proof[h.finding.place], now)
	if v.wait {
		return false
	}
	if v.typ != "" {
		s.observer.blame(h.result, v, now)
	}
	h.finding = nil
	return true
}

// let tells a row whose turn it is. The lock is held.
func (s *shard) let(e *entry, h *heldRow) {
	if h.result == nil {
		s.outbox.Append(h.row, "")
		return
	}
	s.tell(e, h.result, h.began, h.ended, h.left)
}

// tell folds the outcome of a check into its entry, and hands its row to the outbox. What is left of a first failure goes to
// the examiner. The lock is held.
func (s *shard) tell(e *entry, r *checkv1.CheckResult, began, ended time.Time, left *failing) {
	changed, next := s.settle(e, r.GetStatus(), ended.Add(s.observer.clock.skew()), s.now())
	r.NextScheduledAt = stampOf(next)
	s.metrics.finished(r.GetMonitorType(), r.GetStatus(), ended.Sub(began))
	s.append(e, r, s.tracer.scheduled(r, ended, changed))
	if changed && left != nil && blames(r) {
		s.examiner.offer(left, r)
	}
}

// weigh decides about a check by hand, which waits for it.
func (g *engine) weigh(ctx context.Context, x ending) {
	f, silent := findingOf(x.result, x.began, x.ended)
	s := g.shardOf(x.result.GetMonitorId())
	for silent && ctx.Err() == nil {
		s.mu.Lock()
		known := s.proof[f.place]
		s.mu.Unlock()
		now := time.Now()
		v := g.observer.judge(&f, known, now)
		if v.typ != "" {
			g.observer.blame(x.result, v, now)
		}
		if !v.wait || !wait(ctx, heldEvery) {
			return
		}
	}
}
