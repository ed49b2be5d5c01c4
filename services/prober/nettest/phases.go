package nettest

import "time"

// Span is a measured duration. Valid is false if the phase did not happen.
type Span struct {
	time.Duration
	Valid bool
}

// Phases is where the time of a check went. Over redirects each phase is summed.
// The valid spans sum to Total.
type Phases struct {
	// DNS is name resolution; absent for an address literal.
	DNS Span
	// Connect is from the first connection attempt to an open connection.
	Connect Span
	// TLS is the handshake.
	TLS Span
	// TTFB is from a usable connection to the first byte of the response; it
	// includes writing the request.
	TTFB Span
	// Transfer is from the first byte of the response to its end.
	Transfer Span
	// Total is the whole check.
	Total time.Duration
}

// slot is a phase that time is booked on.
type slot int

const (
	slotNone slot = iota
	slotDNS
	slotConnect
	slotTLS
	slotTTFB
	slotTransfer
	slotCount
)

// stopwatch books every moment between start and stop on exactly one slot, so
// that the phases cannot fail to add up. It is not safe for concurrent use.
type stopwatch struct {
	begun   time.Time
	last    time.Time
	current slot
	spent   [slotCount]time.Duration
	seen    [slotCount]bool
}

// start begins at now with no slot running.
func (s *stopwatch) start(now time.Time) { s.begun, s.last = now, now }

// enter ends the running slot and starts another.
func (s *stopwatch) enter(next slot) { s.enterAt(next, time.Now()) }

// enterAt is enter for a moment that was stamped elsewhere; a moment before the
// last one counts as the last one.
func (s *stopwatch) enterAt(next slot, now time.Time) {
	if now.After(s.last) {
		s.spent[s.current] += now.Sub(s.last)
		s.last = now
	}
	s.current = next
	s.seen[next] = true
}

// stop ends the running slot. What happens after a stop, such as closing the
// connection, is not booked by stopping again.
func (s *stopwatch) stop() {
	if s.current != slotNone {
		s.enter(slotNone)
	}
}

// phases reports what was booked up to the last stop. Time before the first
// phase (some hundred nanoseconds of set-up) is counted into that phase.
func (s *stopwatch) phases() Phases {
	idle := s.spent[slotNone]
	spans := [slotCount]Span{}
	for i := slotDNS; i < slotCount; i++ {
		if !s.seen[i] {
			continue
		}
		spans[i] = Span{Duration: s.spent[i] + idle, Valid: true}
		idle = 0
	}
	return Phases{
		DNS: spans[slotDNS], Connect: spans[slotConnect], TLS: spans[slotTLS],
		TTFB: spans[slotTTFB], Transfer: spans[slotTransfer],
		Total: s.last.Sub(s.begun),
	}
}
