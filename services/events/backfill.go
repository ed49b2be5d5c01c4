package events

import (
	"context"
	"time"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
)

// takePast queues a batch from below the live lane.
func (s *Service) takePast(in *inflow, b *eventsv1.ResultBatch, last uint64) error {
	results, _, err := s.resultsIn(in.hello, b, 0)
	if err != nil {
		return err
	}
	s.metrics.backfilled.Add(int64(len(b.GetResults())))
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.waiting+len(results) > pastAtMost && in.waiting > 0 {
		return errFull
	}
	in.past = append(in.past, pastBatch{results, in.filled.open(last)})
	in.waiting += len(results)
	select {
	case in.more <- struct{}{}:
	default:
	}
	return nil
}

// backfill stores what is of the past as room allows, and has it mended.
func (s *Service) backfill(ctx context.Context, in *inflow) {
	for {
		b, ok := in.nextPast()
		if !ok {
			select {
			case <-in.more:
				continue
			case <-ctx.Done():
				return
			}
		}
		var touched past
		for i := range b.results {
			if b.results[i].Outcome != Missed { // which says nothing of the target
				touched = touched.with(&b.results[i])
			}
		}
		for !s.archive.submitPast(b.results, func() { s.owe(touched, b.done) }) {
			select {
			case <-time.After(relieveEvery):
			case <-ctx.Done():
				return
			}
		}
	}
}

// nextPast removes the first of the batches that wait.
func (in *inflow) nextPast() (pastBatch, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.past) == 0 {
		return pastBatch{}, false
	}
	b := in.past[0]
	in.past[0] = pastBatch{}
	in.past = in.past[1:]
	in.waiting -= len(b.results)
	return b, true
}
