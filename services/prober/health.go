package prober

import (
	"context"
	"errors"
	"fmt"
	"time"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

// patience is how long a shard may be late to look for what is due before something is wrong with it.
const patience = 5 * time.Second

// Check is nil while the prober does its work: its scheduler looks for what is due, and its outbox takes results. It may take
// as long as ctx, or a second.
func (s *Service) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for i, sh := range s.engine.shards {
		if err := sh.check(ctx); err != nil {
			return fmt.Errorf("scheduler %d of %d: %w", i+1, len(s.engine.shards), err)
		}
	}
	if err := s.engine.keeps(); err != nil {
		return fmt.Errorf("results cannot be kept: %w", err)
	}
	return nil
}

var (
	errLocked = errors.New("it is busy and does not end")
	errAsleep = errors.New("it does not look for what is due")
)

// check says whether the shard's goroutine goes round.
func (s *shard) check(ctx context.Context) error {
	for !s.mu.TryLock() {
		select {
		case <-ctx.Done():
			return errLocked
		case <-time.After(5 * time.Millisecond):
		}
	}
	defer s.mu.Unlock()
	if s.stopped || s.looked.IsZero() {
		return nil
	}
	silent := time.Since(s.looked)
	switch {
	case silent <= patience:
	case silent > idleWait+patience:
		return errAsleep
	case s.wakeAt == 0: // it looks, and takes its time
		return errLocked
	case s.now().Sub(instant(s.wakeAt)) > patience && s.observer.clock.steadyFor(patience):
		return errAsleep
	}
	return nil
}

// Report is what the prober says of itself. When it is made is for the centre to say.
func (s *Service) Report() *monitorsv1.ProberReport { return s.engine.report() }

func (g *engine) report() *monitorsv1.ProberReport {
	now := time.Now()
	late := lateCounts{}
	for _, s := range g.shards {
		s.mu.Lock()
		s.late.addTo(&late, now)
		s.mu.Unlock()
	}
	return &monitorsv1.ProberReport{
		SpoolResults: uint64(max(g.outbox.Pending(), 0)), SpoolBytes: uint64(max(g.outbox.Bytes(), 0)),
		SpoolAgeMs: uint64(ageOf(g.outbox.Oldest()) * 1000), SpoolDropped: g.outbox.Dropped(),
		LatenessP99Ms: late.quantile(0.99), ChecksInFlight: uint32(max(g.metrics.running.Load(), 0)),
		Faults: g.faults(now),
	}
}
