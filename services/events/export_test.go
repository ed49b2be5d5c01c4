package events

// LimitQueues bounds the two roads of results, for tests that fill them.
func (s *Service) LimitQueues(uncommitted, unstored int) {
	s.court.limit, s.archive.limit = uncommitted, unstored
}

// MonitorIn is how a catalogue entry is read.
var MonitorIn = monitorIn
