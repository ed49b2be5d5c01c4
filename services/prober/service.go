package prober

import (
	"context"
	"time"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	proberv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/prober/v1"
	"github.com/frogstats/uptime/internal/fault"
)

// RunCheck runs one check now, under the same limits as every other.
func (s *Service) RunCheck(ctx context.Context, req *proberv1.RunCheckRequest) (*proberv1.RunCheckResponse, error) {
	slot := s.engine.now().UTC().Truncate(time.Millisecond)
	chk, err := s.engine.prepare(req.GetSpec())
	if err != nil {
		return nil, fault.Invalid("the configuration cannot be checked").Wrap(err)
	}
	permit, cancel := context.WithTimeout(ctx, maxPermitWait)
	defer cancel()
	release, err := s.engine.limits.acquire(permit, chk.host())
	if err != nil {
		return nil, fault.Exhausted("the prober is busy; try again in a moment").Wrap(err)
	}
	defer release()
	r := s.engine.newResult(req.GetSpec(), slot)
	s.engine.metrics.running.Add(1)
	began := time.Now()
	var left *failing
	if c, ok := chk.(explaining); ok {
		left = c.explained(ctx, r, true)
	} else {
		chk.runDetailed(ctx, r)
	}
	s.engine.metrics.running.Add(-1)
	ended := time.Now()
	s.engine.weigh(ctx, ending{result: r, began: began, ended: ended})
	traceparent := s.engine.tracer.within(ctx, r, ended)
	if req.GetRecord() {
		s.engine.record(r, ended, traceparent, left)
	}
	return &proberv1.RunCheckResponse{Result: r}, nil
}

// record takes in the result of a check that was asked for by hand: it counts for
// its monitor's run of failures like any other. Its details are for who asked, and for the examiner if it is the first failure.
func (g *engine) record(r *checkv1.CheckResult, ended time.Time, traceparent string, left *failing) {
	s := g.shardOf(r.GetMonitorId())
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[r.GetMonitorId()]
	first := false
	if e != nil {
		first = e.finished(r.GetStatus(), s.observer.clock.at(ended)) && blames(r)
		r.NextScheduledAt = stampOf(e.due())
		s.place(e)
	}
	s.metrics.finished(r.GetMonitorType(), r.GetStatus(), ended.Sub(r.GetStartedAt().AsTime()))
	details := r.Details
	r.Details = nil
	s.append(e, r, traceparent)
	r.Details = details
	if first && left != nil && g.examiner != nil {
		g.examiner.offer(left, r)
	}
}
