package nettest

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"time"
)

const (
	// witnessPatience is how long a witness may take when the check has more time.
	witnessPatience = 3 * time.Second
	// witnessHeadStart is the longest a lookup stays unanswered before its witness
	// is asked, so that the verdict is there when the time is up.
	witnessHeadStart = time.Second
	// deadStaysTrue is how long the silence of a resolver is believed: believing it
	// wrongly accuses nobody. That it answers is believed only of the time before
	// its answer, so never for a lookup that failed since.
	deadStaysTrue = 3 * time.Second
)

var defaultWitnessNames = []string{"example.com.", "example.net.", "example.org."}

// witness asks the resolver for a name that it should be able to resolve if it
// works at all. Checks that need a witness at the same time share one lookup.
// The zero value is ready.
type witness struct {
	mu      sync.Mutex
	running *testimony
	last    *testimony
	turn    int
}

// testimony is one lookup of a witness.
type testimony struct {
	begun   time.Time
	done    chan struct{}
	alive   bool // valid when done is closed
	cancel  context.CancelFunc
	waiters int
}

// ask reports whether the resolver answers what it is asked after since, waiting
// until ctx ends at most; not answering by then counts as not answering.
func (w *witness) ask(ctx context.Context, s *nameService, since time.Time) bool {
	for {
		t, heard := w.hear(ctx, s, since)
		if !heard || !t.alive {
			return false
		}
		if !t.begun.Before(since) {
			return true
		}
	}
}

// hear waits for the testimony that comes next.
func (w *witness) hear(ctx context.Context, s *nameService, since time.Time) (t *testimony, heard bool) {
	t = w.join(ctx, s, since)
	if t == nil {
		return nil, false
	}
	defer w.leave(t)
	select {
	case <-t.done:
		return t, true
	case <-ctx.Done():
	}
	select { // both may be ready
	case <-t.done:
		return t, true
	default:
		return nil, false
	}
}

// join returns a testimony that says something about the time after since, or
// one that is under way; nil if there is none and no time to hear one.
func (w *witness) join(ctx context.Context, s *nameService, since time.Time) *testimony {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.last; t != nil && (t.alive && !t.begun.Before(since) || !t.alive && since.Sub(t.begun) < deadStaysTrue) {
		t.waiters++
		return t
	}
	if t := w.running; t != nil {
		t.waiters++
		return t
	}
	if ctx.Err() != nil {
		return nil
	}
	own, cancel := context.WithTimeout(context.Background(), witnessPatience)
	t := &testimony{begun: time.Now(), done: make(chan struct{}), cancel: cancel, waiters: 1}
	w.running = t
	names := s.network.witnessNames()
	name := rand.Text()[:12] + "." + absolute(names[w.turn%len(names)])
	w.turn++
	go w.run(own, s, t, strings.ToLower(name))
	return t
}

// leave ends a testimony that nobody waits for.
func (w *witness) leave(t *testimony) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t.waiters--
	if t.waiters == 0 {
		t.cancel()
		if w.running == t {
			w.running = nil
		}
	}
}

func (w *witness) run(ctx context.Context, s *nameService, t *testimony, name string) {
	_, err := s.resolver.LookupNetIP(ctx, "ip4", name)
	alive := err == nil || notFound(err)
	abandoned := errors.Is(ctx.Err(), context.Canceled)
	switch {
	case alive:
		s.answered(name, monotonicAt(t.begun))
	case !abandoned:
		s.health.Observe(name, false)
	}

	w.mu.Lock()
	defer w.mu.Unlock()
	t.alive = alive
	close(t.done)
	if w.running == t {
		w.running = nil
	}
	if !abandoned {
		w.last = t
	}
	t.cancel()
}

// proves reports whether the resolver answers something that it is asked after
// since. It may take until ctx ends.
func (s *nameService) proves(ctx context.Context, since time.Time) bool {
	return s.answeredAfter(since) || s.witness.ask(ctx, s, since) || s.answeredAfter(since)
}

// answeredAfter reports whether any question that was asked after since has been
// answered.
func (s *nameService) answeredAfter(since time.Time) bool {
	return s.proof.Load() >= monotonicAt(since)
}

// answered remembers that a question was answered that was asked at a moment
// (monotonic).
func (s *nameService) answered(host string, asked int64) {
	s.health.Observe(host, true)
	for {
		latest := s.proof.Load()
		if asked <= latest || s.proof.CompareAndSwap(latest, asked) {
			return
		}
	}
}
