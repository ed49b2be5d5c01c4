package monitors

import (
	"context"
	"time"
)

// SetWall lets tests turn the wall clock that grants go by.
func (s *Service) SetWall(wall func() time.Time) { s.clock = newGrantClock(wall) }

// GrantNow is the moment from which the service would grant a lease.
func (s *Service) GrantNow() time.Time { return s.clock.now() }

// Place brings a region up to date.
func (s *Service) Place(ctx context.Context, region string) error { return s.place(ctx, region) }

// Changed tells the service that somebody has written beside it.
func (s *Service) Changed() { s.changed.fire() }
