package prober

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// limits caps the checks that run at once, over all and per host. A check that
// cannot start in its time is a missed slot of ours, never the target's fault.
type limits struct {
	all     *semaphore.Weighted
	perHost int64

	mu    sync.Mutex
	hosts map[string]*hostLimit
}

type hostLimit struct {
	sem  *semaphore.Weighted
	refs int // checks that hold or wait for it; at 0 the entry goes
}

func newLimits(all, perHost int) *limits {
	return &limits{all: semaphore.NewWeighted(int64(all)), perHost: int64(perHost), hosts: map[string]*hostLimit{}}
}

// acquire waits for both permits until ctx ends. The host comes first: a crowded
// host must not hold permits that other hosts could use.
func (l *limits) acquire(ctx context.Context, host string) (release func(), err error) {
	h := l.enter(host)
	if err := h.sem.Acquire(ctx, 1); err != nil {
		l.leave(host, h)
		return nil, err
	}
	if err := l.all.Acquire(ctx, 1); err != nil {
		h.sem.Release(1)
		l.leave(host, h)
		return nil, err
	}
	return func() {
		l.all.Release(1)
		h.sem.Release(1)
		l.leave(host, h)
	}, nil
}

func (l *limits) enter(host string) *hostLimit {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.hosts[host]
	if h == nil {
		h = &hostLimit{sem: semaphore.NewWeighted(l.perHost)}
		l.hosts[host] = h
	}
	h.refs++
	return h
}

func (l *limits) leave(host string, h *hostLimit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h.refs--; h.refs == 0 {
		delete(l.hosts, host)
	}
}
