package monitors

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/frogstats/uptime/internal/fault"
)

// How often a check may be asked for by hand. A check is work for somebody else's server.
const (
	checkEvery = 5 * time.Second // per monitor
	checkBurst = 3
	testEvery  = 200 * time.Millisecond // per organization
	testBurst  = 60
)

// limiter allows each key a burst, and one more every so often. It keeps only keys that are not back at a full burst.
type limiter[K comparable] struct {
	every time.Duration
	burst int

	mu      sync.Mutex
	keys    map[K]*rate.Limiter
	sweepAt int // number of keys at which to look for those that can go
}

const minSweep = 1024

func newLimiter[K comparable](every time.Duration, burst int) *limiter[K] {
	return &limiter[K]{every: every, burst: burst, keys: map[K]*rate.Limiter{}, sweepAt: minSweep}
}

// take is nil, or the refusal that says when to come back.
func (l *limiter[K]) take(key K) error {
	at := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.keys[key]
	if k == nil {
		l.sweep(at)
		k = rate.NewLimiter(rate.Every(l.every), l.burst)
		l.keys[key] = k
	}
	r := k.ReserveN(at, 1)
	if wait := r.DelayFrom(at); wait > 0 {
		r.CancelAt(at)
		// Up to the next millisecond, because the limiter counts in floating point and a hair too early is too early.
		return fault.Exhausted("too many checks by hand; wait a moment").After(wait.Truncate(time.Millisecond) + time.Millisecond)
	}
	return nil
}

// sweep drops the keys with a full burst once there are many: they are as good as new.
func (l *limiter[K]) sweep(at time.Time) {
	if len(l.keys) < l.sweepAt {
		return
	}
	for key, k := range l.keys {
		if k.TokensAt(at) >= float64(l.burst) {
			delete(l.keys, key)
		}
	}
	l.sweepAt = max(minSweep, 2*len(l.keys))
}

// forget drops a key.
func (l *limiter[K]) forget(key K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.keys, key)
}
