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
)

// marks are how far one stream's results have come. They only rise.
type marks struct {
	mu             sync.Mutex
	judged, stored uint64
	moved          chan struct{} // capacity 1
}

func (m *marks) move(to *uint64, seq uint64) {
	m.mu.Lock()
	*to = max(*to, seq)
	m.mu.Unlock()
	select {
	case m.moved <- struct{}{}:
	default:
	}
}

func (m *marks) read() *eventsv1.RecordResponse {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &eventsv1.RecordResponse{JudgedSeq: m.judged, StoredSeq: m.stored}
}

// inflow is one stream of results.
type inflow struct {
	hello *eventsv1.RecordHello
	marks marks
	// A road that is full takes nothing more from this stream, so that its mark stays below what it left out. The other goes
	// on: judging does not end because the history cannot be written. When there is room again, the stream is ended, and the
	// prober sends again what is above its marks.
	unjudged, unstored bool
}

// errBehind ends a stream of which something was left out for want of room.
var errBehind = fault.Unavailable("there is room again; send again what is not acknowledged")

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
	in := &inflow{hello: hello, marks: marks{moved: make(chan struct{}, 1)}}
	var acks sync.WaitGroup
	acks.Go(func() { acknowledge(ctx, stream, &in.marks) })
	defer acks.Wait()
	defer cancel()
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
	s.log.Info("prober connected", "prober_id", hello.GetProberId(), "region", hello.GetRegion())
	return hello, nil
}

// take puts a batch on both roads.
func (s *Service) take(in *inflow, b *eventsv1.ResultBatch) error {
	began := time.Now()
	results, from, err := s.resultsIn(in.hello, b)
	if err != nil {
		return err
	}
	s.metrics.received.Add(int64(len(b.GetResults())))
	if in.unjudged && s.court.relieved() || in.unstored && s.archive.relieved() {
		return errBehind
	}
	last := b.GetFirstSeq() + uint64(len(b.GetResults())) - 1
	if !in.unjudged && !s.court.submit(results, from, func() { in.marks.move(&in.marks.judged, last) }) {
		in.unjudged = true
		s.log.Error("no room to judge results", "prober_id", in.hello.GetProberId(), "from_seq", b.GetFirstSeq())
	}
	s.tracer.recorded(from, began, !in.unjudged)
	if !in.unstored && !s.archive.submit(results, from, func() { in.marks.move(&in.marks.stored, last) }) {
		in.unstored = true
		s.log.Error("no room to store results", "prober_id", in.hello.GetProberId(), "from_seq", b.GetFirstSeq())
	}
	s.metrics.leftOut(len(results), in)
	return nil
}

// maxAhead is how far ahead of ours a prober's clock may be. A slot of next year would make everything until then a straggler.
const maxAhead = time.Hour

// resultsIn reads a batch, with the spans of its traced checks. Results from the future, or from before what is kept, are left out, and acknowledged like the
// others: sending them again would not make them better.
func (s *Service) resultsIn(hello *eventsv1.RecordHello, b *eventsv1.ResultBatch) ([]Result, origins, error) {
	now := time.Now()
	oldest, newest := now.Add(-s.retention), now.Add(maxAhead)
	results := make([]Result, 0, len(b.GetResults()))
	var from origins
	for i, r := range b.GetResults() {
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
		if sc := parentOf(b, i); sc.IsValid() {
			from = append(from, sc)
		}
	}
	s.known.share(results, hello)
	if n := len(b.GetResults()) - len(results); n > 0 {
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
	if err := s.waitReady(ctx); err != nil {
		return nil, err
	}
	// What is queued counts as well: else the prober would call slots missed that a former one has checked, and such a row
	// begins with a slot that is taken.
	if err := s.archive.settle(ctx); err != nil {
		return nil, err
	}
	slots, err := s.results.LastSlots(ctx, req.GetRegion())
	if err != nil {
		return nil, err
	}
	failures := s.court.failures(req.GetRegion())
	resp := &eventsv1.ListLastSlotsResponse{}
	for id, at := range slots {
		resp.Slots = append(resp.Slots, &eventsv1.LastSlot{MonitorId: id, ScheduledAt: timestamppb.New(at), ConsecutiveFailures: failures[id]})
	}
	return resp, nil
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
