package prober

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

// engine runs monitors when they are due. One goroutine keeps the heap; each check in
// flight has its own. Every due slot ends as one row in the outbox, or as part of a
// missed row: slots that ran plus slots missed are all the slots that were due.
type engine struct {
	region   string
	proberID string
	prepare  func(*checkv1.CheckSpec) (check, error)
	limits   *limits
	outbox   Outbox
	metrics  *metrics
	tracer   *tracer
	log      *slog.Logger

	checks sync.WaitGroup // in flight

	mu      sync.Mutex
	entries map[uint32]*entry
	due     dueHeap
	changed chan struct{} // capacity 1: the head of the heap may be another one
	stopped bool
	// base is what checks run under; it ends when their time to finish after a stop is over.
	base   context.Context
	cancel context.CancelFunc
}

func newEngine(cfg Config, prepare func(*checkv1.CheckSpec) (check, error), outbox Outbox, m *metrics, t *tracer, log *slog.Logger) *engine {
	e := &engine{
		region: cfg.Region, proberID: cfg.ProberID, prepare: prepare, outbox: outbox, metrics: m, tracer: t, log: log,
		limits:  newLimits(cfg.MaxChecks, cfg.MaxChecksPerHost),
		entries: map[uint32]*entry{}, changed: make(chan struct{}, 1),
	}
	e.base, e.cancel = context.WithCancel(context.Background())
	return e
}

// run keeps the heap until ctx ends, then lets the checks in flight finish for grace.
func (g *engine) run(ctx context.Context, grace time.Duration) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait := g.fireDue()
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			g.stop(grace)
			return
		case <-timer.C:
		case <-g.changed:
		}
	}
}

// idleWait is how long the engine sleeps with nothing due; a change wakes it.
const idleWait = time.Minute

// fireDue starts every slot that is due and returns the time to the next.
func (g *engine) fireDue() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.due) > 0 {
		now := time.Now()
		e := g.due[0]
		if d := e.due().Sub(now); d > 0 {
			return min(d, idleWait)
		}
		g.fire(e, now)
		g.due.place(e)
	}
	return idleWait
}

// fire handles e's due slot. The lock is held.
func (g *engine) fire(e *entry, now time.Time) {
	slot, skippedFrom, skipped := e.take(now)
	g.metrics.due.Add(1 + int64(skipped))
	if skipped > 0 {
		g.miss(e, skippedFrom, skipped, missedOverload, now)
	}
	switch {
	case e.check == nil:
		g.miss(e, slot, 1, missedInvalid, now)
	case e.running > 0 && e.assignment.GetOverlap() != monitorsv1.Overlap_OVERLAP_PARALLEL:
		g.miss(e, slot, 1, missedOverlap, now)
	default:
		g.start(e, slot)
	}
}

// start runs e's check for slot in its own goroutine. The lock is held.
func (g *engine) start(e *entry, slot time.Time) {
	e.running++
	g.checks.Add(1)
	spec, chk, giveUp := e.assignment.GetSpec(), e.check, e.gridAt
	if limit := slot.Add(maxPermitWait); giveUp.IsZero() || giveUp.After(limit) {
		giveUp = limit
	}
	go func() {
		defer g.checks.Done()
		permit, cancel := context.WithDeadline(g.base, giveUp)
		release, err := g.limits.acquire(permit, chk.host())
		cancel()
		if err != nil {
			g.notRun(e, slot)
			return
		}
		r := g.newResult(spec, slot)
		g.execute(g.base, chk, r)
		release()
		g.finish(e, r)
	}()
}

// execute runs a check that has its permit.
func (g *engine) execute(ctx context.Context, chk check, r *checkv1.CheckResult) {
	g.metrics.running.Add(1)
	defer g.metrics.running.Add(-1)
	chk.run(ctx, r)
}

// maxPermitWait bounds how late a slot may still start for want of a permit.
const maxPermitWait = 10 * time.Second

// newResult fills in what does not depend on the check's outcome, and notes its start.
func (g *engine) newResult(spec *checkv1.CheckSpec, slot time.Time) *checkv1.CheckResult {
	now := time.Now()
	late := max(now.Sub(slot), 0)
	g.metrics.started(late)
	return &checkv1.CheckResult{
		MonitorId: spec.GetMonitorId(), OrganizationId: spec.GetOrganizationId(), Region: g.region, ProberId: g.proberID,
		ScheduledAt: timestamppb.New(slot), StartedAt: timestamppb.New(now), LatenessNs: uint64(late),
		ConfigVersion: spec.GetVersion(), MonitorType: spec.GetMonitorType(), MonitorName: spec.GetName(), Attempt: 1,
	}
}

func (g *engine) finish(e *entry, r *checkv1.CheckResult) {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	e.running--
	g.flushMissed(e, now)
	if g.base.Err() != nil && r.GetStatus() == checkv1.ResultStatus_RESULT_STATUS_ERROR {
		// We cut the check off ourselves: that slot did not run to an end.
		g.miss(e, r.GetScheduledAt().AsTime(), 1, missedOffline, now)
		g.flushMissed(e, now)
		return
	}
	changed := e.finished(r.GetStatus(), now)
	if !e.removed && !g.stopped {
		r.NextScheduledAt = e.nextSlot()
		g.due.place(e)
		g.wake()
	}
	g.metrics.finished(r, now.Sub(r.GetStartedAt().AsTime()))
	g.append(r, g.tracer.scheduled(r, now, changed))
}

// notRun notes a slot that got no permit in time.
func (g *engine) notRun(e *entry, slot time.Time) {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	e.running--
	why := missedOverload
	if g.base.Err() != nil {
		why = missedOffline
	}
	g.miss(e, slot, 1, why, now)
	if g.stopped {
		g.flushMissed(e, now)
	}
}

// miss adds count slots from slot on to e's run of missed slots. The lock is held.
func (g *engine) miss(e *entry, slot time.Time, count int, why missedReason, now time.Time) {
	g.metrics.missed(count, why)
	if e.missedCount > 0 && (e.missedWhy != why || slot.Before(e.missedFrom) || now.Sub(e.missedFrom) > maxMissedAge) {
		g.flushMissed(e, now)
	}
	if e.missedCount == 0 {
		e.missedFrom, e.missedWhy = slot, why
	}
	e.missedCount += uint32(count)
	if now.Sub(e.missedFrom) > maxMissedAge || e.gridAt.IsZero() || e.gridAt.Sub(now) > maxMissedAge {
		g.flushMissed(e, now)
	}
}

// flushMissed writes e's run of missed slots as one row. The lock is held.
func (g *engine) flushMissed(e *entry, now time.Time) {
	if e.missedCount == 0 {
		return
	}
	g.append(g.missedRow(e, e.missedFrom, e.missedCount, e.missedWhy, now), "")
	e.missedFrom, e.missedCount = time.Time{}, 0
}

func (g *engine) missedRow(e *entry, from time.Time, count uint32, why missedReason, now time.Time) *checkv1.CheckResult {
	spec := e.assignment.GetSpec()
	return &checkv1.CheckResult{
		MonitorId: spec.GetMonitorId(), OrganizationId: spec.GetOrganizationId(), Region: g.region, ProberId: g.proberID,
		ScheduledAt: timestamppb.New(from), StartedAt: timestamppb.New(now),
		Status: checkv1.ResultStatus_RESULT_STATUS_MISSED, MissedCount: count,
		ErrorType: proto.String(string(why)), ErrorMessage: proto.String(missedMessages[why]),
		ConfigVersion: spec.GetVersion(), MonitorType: spec.GetMonitorType(), MonitorName: spec.GetName(), MonitorUrl: targetURL(spec),
		NextScheduledAt: e.nextSlot(),
	}
}

// append hands a row to the outbox.
func (g *engine) append(r *checkv1.CheckResult, traceparent string) {
	row, err := proto.Marshal(r)
	if err != nil { // text of a target that is not UTF-8 has been mended before
		g.log.Error("result cannot be encoded", "monitor_id", r.GetMonitorId(), "error", err)
		return
	}
	g.outbox.Append(row, traceparent)
}

func (g *engine) wake() {
	select {
	case g.changed <- struct{}{}:
	default:
	}
}

// stop takes no more slots, gives the checks in flight until grace, cuts off the
// rest, and writes every held run of missed slots.
func (g *engine) stop(grace time.Duration) {
	g.mu.Lock()
	g.stopped = true
	g.due = nil
	g.mu.Unlock()

	cut := time.AfterFunc(grace, g.cancel)
	g.checks.Wait()
	cut.Stop()
	g.cancel()

	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range g.entries {
		g.flushMissed(e, now)
	}
}
