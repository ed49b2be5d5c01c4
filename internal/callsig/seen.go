package callsig

import (
	"sync"
	"time"
)

// Seen remembers the nonces of calls for as long as their signatures could be used again. The zero value is ready. It holds
// at most two times maxSeen; when there are more, the oldest are forgotten before their time.
type Seen struct {
	mu         sync.Mutex
	young, old map[string]struct{}
	turned     time.Time
}

const (
	maxSeen = 1 << 19
	seenFor = 2 * MaxSkew // a call may be signed MaxSkew ahead, and is good until MaxSkew after that
)

// First reports whether nonce comes for the first time. Ask only for calls whose signature and certificate hold: strangers
// must not fill it.
func (s *Seen) First(nonce string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.young == nil || now.Sub(s.turned) >= seenFor || len(s.young) >= maxSeen {
		if now.Sub(s.turned) >= 2*seenFor {
			s.young = nil
		}
		s.old, s.young, s.turned = s.young, map[string]struct{}{}, now
	}
	if _, again := s.young[nonce]; again {
		return false
	}
	if _, again := s.old[nonce]; again {
		return false
	}
	s.young[nonce] = struct{}{}
	return true
}
