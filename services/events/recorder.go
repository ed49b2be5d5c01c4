package events

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
)

// Record takes results from one prober until the stream ends.
func (s *Service) Record(stream eventsv1.RecorderService_RecordServer) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	if err := s.waitReady(ctx); err != nil {
		return err
	}
	hello, err := s.hello(stream)
	if err != nil {
		return err
	}
	s.metrics.probers.Add(1)
	defer s.metrics.probers.Add(-1)
	in := newInflow(hello)
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	work.Go(func() { acknowledge(ctx, stream, &in.marks) })
	if hello.GetLiveFrom() > 0 {
		work.Go(func() { s.backfill(ctx, in) })
		work.Go(func() { s.relieve(ctx, in) })
	}
	received := make(chan error, 1)
	go func() { received <- s.receive(stream, in) }() // it ends with the stream, which ends when this returns
	select {
	case err := <-received:
		return err
	case <-in.over:
		return errBehind
	}
}

// receive takes what comes until there is no more.
func (s *Service) receive(stream eventsv1.RecorderService_RecordServer, in *inflow) error {
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		b := req.GetBatch()
		if b == nil {
			return fault.Invalid("hello may be said once only")
		}
		if err := s.take(in, b); err != nil {
			return err
		}
	}
}

func (s *Service) hello(stream eventsv1.RecorderService_RecordServer) (*eventsv1.RecordHello, error) {
	req, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	hello := req.GetHello()
	if hello == nil {
		return nil, fault.Invalid("the first message must be hello")
	}
	if err := speaksFor(stream.Context(), hello.GetProberId(), hello.GetRegion()); err != nil {
		return nil, err
	}
	s.log.Info("prober connected", "prober_id", hello.GetProberId(), "region", hello.GetRegion(), "live_from", hello.GetLiveFrom())
	return hello, nil
}

// maxAhead is how far ahead of ours a prober's clock may be. A slot of next year would make everything until then a straggler.
const maxAhead = time.Hour

// resultsIn reads a batch without its first results, with the spans of its traced checks. Results from the future, or from before what is kept, are left out, and acknowledged like the
// others: sending them again would not make them better.
func (s *Service) resultsIn(hello *eventsv1.RecordHello, b *eventsv1.ResultBatch, skip int) ([]Result, origins, error) {
	now := time.Now()
	oldest, newest := now.Add(-s.retention), now.Add(maxAhead)
	rest := b.GetResults()[skip:]
	results := make([]Result, 0, len(rest))
	var from origins
	for i, r := range rest {
		if r.GetRegion() != hello.GetRegion() {
			return nil, nil, fault.Invalid("a prober speaks for its own region only")
		}
		if at := r.GetScheduledAt().AsTime(); at.Before(oldest) || at.After(newest) {
			continue
		}
		results = append(results, resultIn(r))
		if len(b.GetTraceparents()) == 0 {
			continue
		}
		if sc := parentOf(b, skip+i); sc.IsValid() {
			from = append(from, sc)
		}
	}
	s.known.share(results, hello)
	if n := len(rest) - len(results); n > 0 {
		s.log.Error("results with impossible slots were left out; is the prober's clock wrong?", "prober_id", hello.GetProberId(), "results", n)
	}
	return results, from, nil
}

// acknowledge sends the marks whenever they have moved.
func acknowledge(ctx context.Context, stream eventsv1.RecorderService_RecordServer, m *marks) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.moved:
		}
		if err := stream.Send(m.read()); err != nil {
			return // the stream is gone, and Recv says so too
		}
	}
}

// waitReady waits until what was stored is judged.
func (s *Service) waitReady(ctx context.Context) error {
	select {
	case <-s.ready:
		return nil
	case <-ctx.Done():
		return fault.Unavailable("the events service is starting").Wrap(context.Cause(ctx))
	}
}

// ListLastSlots tells a prober that starts which slots of its region are accounted for.
func (s *Service) ListLastSlots(ctx context.Context, req *eventsv1.ListLastSlotsRequest) (*eventsv1.ListLastSlotsResponse, error) {
	if err := speaksForRegion(ctx, req.GetRegion()); err != nil {
		return nil, err
	}
	if err := s.waitReady(ctx); err != nil {
		return nil, err
	}
	// What is queued counts as well: else the prober would call slots missed that a former one has checked, and such a row
	// begins with a slot that is taken.
	if err := s.archive.settle(ctx); err != nil {
		return nil, err
	}
	if req.GetUntil() != nil {
		return s.lastSlotsUntil(ctx, req)
	}
	slots, err := s.results.LastSlots(ctx, SlotQuery{Region: req.GetRegion()})
	if err != nil {
		return nil, err
	}
	failures := s.court.failures(req.GetRegion())
	resp := &eventsv1.ListLastSlotsResponse{}
	wanted := make(map[uint32]bool, len(req.GetMonitorIds()))
	for _, id := range req.GetMonitorIds() {
		wanted[id] = true
	}
	for id, at := range slots {
		if len(wanted) > 0 && !wanted[id] {
			continue
		}
		resp.Slots = append(resp.Slots, &eventsv1.LastSlot{MonitorId: id, ScheduledAt: timestamppb.New(at), ConsecutiveFailures: failures[id]})
	}
	return resp, nil
}

// lastSlotsUntil tells the last slots up to a moment, of monitors that are named: a prober that comes back after another has
// taken over has to know which of its own was the last to be stored.
func (s *Service) lastSlotsUntil(ctx context.Context, req *eventsv1.ListLastSlotsRequest) (*eventsv1.ListLastSlotsResponse, error) {
	if len(req.GetMonitorIds()) == 0 {
		return nil, fault.Invalid("", fault.Field{Name: "monitor_ids", Message: "must name monitors if until is given"})
	}
	until := req.GetUntil().AsTime()
	slots, err := s.results.LastSlots(ctx, SlotQuery{Region: req.GetRegion(), Until: until, MonitorIDs: req.GetMonitorIds()})
	if err != nil {
		return nil, err
	}
	resp := &eventsv1.ListLastSlotsResponse{}
	for id, at := range slots {
		if at.After(until) { // of a missed row that begins before: it covers every slot up to there
			at = until
		}
		resp.Slots = append(resp.Slots, &eventsv1.LastSlot{MonitorId: id, ScheduledAt: timestamppb.New(at)})
	}
	return resp, nil
}

// speaksFor refuses a caller that is neither the prober that it says it is nor one of our own services.
func speaksFor(ctx context.Context, proberID, region string) error {
	if p, ok := identity.FromContext(ctx); ok && p.SpeaksFor(proberID, region) {
		return nil
	}
	return fault.Denied("a prober speaks for itself, and for its own region, only")
}

// speaksForRegion refuses a prober of another region.
func speaksForRegion(ctx context.Context, region string) error {
	p, _ := identity.FromContext(ctx)
	return speaksFor(ctx, p.Name, region)
}

// failures is the present run of target faults of every monitor as region sees it.
func (c *court) failures(region string) map[uint32]uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[uint32]uint32{}
	for id, s := range c.judge.subjects {
		if r := s.region(region); r != nil && r.Failures > 0 {
			out[id] = r.Failures
		}
	}
	return out
}
