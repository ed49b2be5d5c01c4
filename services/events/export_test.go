package events

import (
	"context"
	"time"
)

// LimitQueues bounds the two roads of results, for tests that fill them.
func (s *Service) LimitQueues(uncommitted, unstored int) {
	s.court.limit, s.archive.limit = uncommitted, unstored
}

// LimitQueuedBytes bounds the road to the history by its weight.
func (s *Service) LimitQueuedBytes(n int) { s.archive.limitBytes = n }

// MonitorIn is how a catalogue entry is read.
var MonitorIn = monitorIn

// ResultIn and Weigh are how a result is read, and what results are reckoned to take.
var (
	ResultIn = resultIn
	Weigh    = weigh
)

// Unmended counts the timelines that were left as they are.
func (s *Service) Unmended() int64 { return s.metrics.aside.Load() }

// Mending counts the monitors whose timelines do not tell yet of everything that is stored; 0 means that those that do are stored too.
func (s *Service) Mending() int {
	count := func() int { return max(s.mender.backlog(), len(s.court.owed())) }
	if n := count(); n > 0 {
		return n
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.court.settle(ctx); err != nil {
		return 1
	}
	return count()
}
