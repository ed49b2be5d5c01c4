package nettest

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
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
	// An answer proves that the resolver worked a moment ago; silence may be
	// believed for longer, because believing it wrongly accuses nobody.
	aliveStaysTrue = time.Second
	deadStaysTrue  = 3 * time.Second
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

// ask reports whether the resolver answers, waiting until ctx ends at most; not
// answering by then counts as not answering. since is when the lookup in
// question began.
func (w *witness) ask(ctx context.Context, n *Network, since time.Time) bool {
	t := w.join(n, since)
	defer w.leave(t)
	select {
	case <-t.done:
	case <-ctx.Done():
		select { // both may be ready
		case <-t.done:
		default:
			return false
		}
	}
	return t.alive
}

// join returns a testimony that says something about the time after since.
func (w *witness) join(n *Network, since time.Time) *testimony {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.last; t != nil {
		age := since.Sub(t.begun)
		if t.alive && age < aliveStaysTrue || !t.alive && age < deadStaysTrue {
			t.waiters++
			return t
		}
	}
	if t := w.running; t != nil && since.Sub(t.begun) < aliveStaysTrue {
		t.waiters++
		return t
	}
	ctx, cancel := context.WithTimeout(context.Background(), witnessPatience)
	t := &testimony{begun: time.Now(), done: make(chan struct{}), cancel: cancel, waiters: 1}
	w.running = t
	names := n.witnessNames()
	name := rand.Text()[:12] + "." + absolute(names[w.turn%len(names)])
	w.turn++
	go w.hear(ctx, n, t, strings.ToLower(name))
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

func (w *witness) hear(ctx context.Context, n *Network, t *testimony, name string) {
	_, err := n.resolver().LookupNetIP(ctx, "ip4", name)
	var dns *net.DNSError
	alive := err == nil || errors.As(err, &dns) && dns.IsNotFound
	abandoned := errors.Is(ctx.Err(), context.Canceled)
	if !abandoned {
		n.Health.Observe(name, alive)
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

// resolverAtFault decides who is to blame for a lookup that failed otherwise
// than by NXDOMAIN. It may take until ctx ends.
func (n *Network) resolverAtFault(ctx context.Context, host string, began time.Time) bool {
	n.Health.Observe(host, false)
	if n.Health.AnsweredSince(began) {
		return false
	}
	if len(n.witnessNames()) == 0 {
		return n.Health.Unavailable()
	}
	if n.witness.ask(ctx, n, began) {
		return false
	}
	return !n.Health.AnsweredSince(began)
}

// wakeWitness starts a witness early for a lookup that is slow; the returned
// function ends its interest.
func (n *Network) wakeWitness(timeout time.Duration, began time.Time) (release func()) {
	if len(n.witnessNames()) == 0 {
		return func() {}
	}
	var (
		mu       sync.Mutex
		joined   *testimony
		released bool
	)
	timer := time.AfterFunc(min(timeout/4, witnessHeadStart), func() {
		mu.Lock()
		defer mu.Unlock()
		if !released {
			joined = n.witness.join(n, began)
		}
	})
	return func() {
		timer.Stop()
		mu.Lock()
		defer mu.Unlock()
		released = true
		if joined != nil {
			n.witness.leave(joined)
			joined = nil
		}
	}
}
