package events

import (
	"context"
	"time"
)

const (
	deadlineEvery = time.Second
	maintainEvery = 15 * time.Second
	pruneEvery    = 10 * time.Minute

	// Observations serve rules that are evaluated at once and pages that are open; transitions, readers that were away.
	keepObservations  = time.Hour
	keepAnnouncements = 30 * 24 * time.Hour

	// Evidence of failures that were no outage is of use while somebody looks for why a monitor is unsteady.
	keepEvidence = 30 * 24 * time.Hour
)

// every calls do at the interval until ctx ends; what it cannot do now it does the next time.
func (s *Service) every(ctx context.Context, interval time.Duration, what string, do func(context.Context) error) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := do(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("maintenance failed", "work", what, "error", err)
		}
	}
}

// watchDeadlines notes what nobody has heard from.
func (s *Service) watchDeadlines(ctx context.Context) {
	s.every(ctx, deadlineEvery, "deadlines", func(context.Context) error {
		s.court.tick()
		return nil
	})
}

// maintain lets the result store do its own work.
func (s *Service) maintain(ctx context.Context) {
	s.every(ctx, maintainEvery, "results", func(ctx context.Context) error { return s.results.Maintain(ctx, false) })
}

// prune forgets what is too old.
func (s *Service) prune(ctx context.Context) {
	s.every(ctx, pruneEvery, "pruning", func(ctx context.Context) error {
		now := time.Now().UTC()
		if err := s.state.Prune(ctx, PruneBefore{
			Observations: now.Add(-keepObservations), Announcements: now.Add(-keepAnnouncements), Deleted: now.Add(-s.retention),
			Evidence: now.Add(-min(keepEvidence, s.retention)), EvidenceRaw: now.Add(-s.retention),
		}); err != nil {
			return err
		}
		return s.results.Prune(ctx, now.Add(-s.retention))
	})
}
