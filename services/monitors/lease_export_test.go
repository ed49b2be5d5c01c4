package monitors

import "time"

// SetWall lets tests turn the wall clock that grants go by.
func (s *Service) SetWall(wall func() time.Time) { s.clock = newGrantClock(wall) }
