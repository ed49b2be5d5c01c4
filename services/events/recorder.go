package events

import (
	"context"
	"errors"
	"io"
	"sync"

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

// errBehind ends a stream whose results found no room. What is above the stored mark is sent again on the next one; by then
// there is room, or the sender waits a little longer each time.
var errBehind = fault.Unavailable("results cannot be stored at the moment; send again what is not acknowledged")

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
	m := &marks{moved: make(chan struct{}, 1)}
	var acks sync.WaitGroup
	acks.Go(func() { acknowledge(ctx, stream, m) })
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
		if err := s.take(hello, b, m); err != nil {
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
func (s *Service) take(hello *eventsv1.RecordHello, b *eventsv1.ResultBatch, m *marks) error {
	results := make([]Result, 0, len(b.GetResults()))
	for _, r := range b.GetResults() {
		if r.GetRegion() != hello.GetRegion() {
			return fault.Invalid("a prober speaks for its own region only")
		}
		results = append(results, resultIn(r))
	}
	last := b.GetFirstSeq() + uint64(len(results)) - 1
	s.court.submit(results, func() { m.move(&m.judged, last) })
	if !s.archive.submit(results, func() { m.move(&m.stored, last) }) {
		return errBehind
	}
	return nil
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
