package prober

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// limits caps the checks that run at once, over all and per host. A check that
// cannot start in its time is a missed slot of ours, never the target's fault.
//
// They are counters and nothing waits in them: a shard asks again with its next tick
// for what it could not start.
type limits struct {
	all, perHost int64

	running atomic.Int64
	urgent  atomic.Int64 // checks by hand that wait: theirs is the next permit

	mu    sync.Mutex
	hosts map[string]*hostLimit
}

// hostLimit counts what runs against one host.
type hostLimit struct {
	name            string
	group           string // of those that may share its fate
	running, urgent atomic.Int64
	silent          atomic.Bool   // it did not answer its last check
	window          atomic.Uint32 // in which it answered last
	refs            atomic.Int64  // plans; a host without plans and checks is forgotten
}

func newLimits(all, perHost int) *limits {
	return &limits{all: int64(all), perHost: int64(perHost), hosts: map[string]*hostLimit{}}
}

// enter is the counter of a host for somebody who will leave it.
func (l *limits) enter(name string) *hostLimit {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.hosts[name]
	if h == nil {
		h = &hostLimit{name: name, group: groupOf(name)}
		l.hosts[name] = h
	}
	h.refs.Add(1)
	return h
}

func (l *limits) leave(h *hostLimit) {
	if h.refs.Add(-1) == 0 {
		l.forget(h)
	}
}

// forget drops a host that nobody needs.
func (l *limits) forget(h *hostLimit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h.refs.Load() == 0 && h.running.Load() == 0 && l.hosts[h.name] == h {
		delete(l.hosts, h.name)
	}
}

// size is the number of hosts.
func (l *limits) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.hosts)
}

// permit is what came of asking for one.
type permit int

const (
	granted  permit = iota
	hostFull        // other hosts may have room
	allFull
)

// try takes both permits or none.
func (l *limits) try(h *hostLimit) permit {
	return l.take(h, l.perHost-h.urgent.Load(), l.all-l.urgent.Load())
}

func (l *limits) take(h *hostLimit, perHost, all int64) permit {
	if h.running.Add(1) > perHost {
		h.running.Add(-1)
		return hostFull
	}
	if l.running.Add(1) > all {
		l.running.Add(-1)
		h.running.Add(-1)
		return allFull
	}
	return granted
}

// release gives both permits back.
func (l *limits) release(h *hostLimit) {
	l.running.Add(-1)
	if h.running.Add(-1) == 0 && h.refs.Load() == 0 {
		l.forget(h)
	}
}

// urgentPause is how often a check by hand asks again.
const urgentPause = 5 * time.Millisecond

// acquire waits for both permits until ctx ends, ahead of everything scheduled.
func (l *limits) acquire(ctx context.Context, name string) (release func(), err error) {
	h := l.enter(name)
	if l.take(h, l.perHost, l.all) != granted {
		if err := l.wait(ctx, h); err != nil {
			l.leave(h)
			return nil, err
		}
	}
	return func() {
		l.release(h)
		l.leave(h)
	}, nil
}

func (l *limits) wait(ctx context.Context, h *hostLimit) error {
	l.urgent.Add(1)
	h.urgent.Add(1)
	defer l.urgent.Add(-1)
	defer h.urgent.Add(-1)
	again := time.NewTicker(urgentPause)
	defer again.Stop()
	for {
		select {
		case <-again.C:
			if l.take(h, l.perHost, l.all) == granted {
				return nil
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
