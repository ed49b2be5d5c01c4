package events

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	appendRows  = 2000                   // most results in one transaction, unless one batch has more
	appendEvery = 100 * time.Millisecond // how long a few results wait for company
	maxQueued   = 200_000                // results in memory while the store does not take any
)

// archive is the queue before the result store: batches go in from any goroutine, and one goroutine appends them in the order
// in which they came. It never makes the judge wait; when it is full it takes nothing more, and whoever sent must send again.
type archive struct {
	store ResultStore
	log   *slog.Logger

	mu     sync.Mutex
	queue  []batch
	queued int // results in queue
	limit  int // of queued
	more   chan struct{}
}

// batch is some results with what is to be called once they are stored.
type batch struct {
	results []Result
	stored  func()
}

func newArchive(store ResultStore, log *slog.Logger) *archive {
	return &archive{store: store, log: log, limit: maxQueued, more: make(chan struct{}, 1)}
}

// submit queues results; false if there is no room.
func (a *archive) submit(results []Result, stored func()) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.queued > 0 && a.queued+len(results) > a.limit {
		return false
	}
	a.queue = append(a.queue, batch{results, stored})
	a.queued += len(results)
	select {
	case a.more <- struct{}{}:
	default:
	}
	return true
}

// relieved reports whether there is room again, for more than a moment.
func (a *archive) relieved() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.queued <= a.limit/2
}

// take removes the oldest batches, at most appendRows results of them but at least one batch.
func (a *archive) take() (results []Result, stored []func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, b := range a.queue {
		if n > 0 && len(results)+len(b.results) > appendRows {
			break
		}
		results = append(results, b.results...)
		stored = append(stored, b.stored)
		n++
	}
	clear(a.queue[:n])
	if a.queue = a.queue[n:]; len(a.queue) == 0 {
		a.queue = nil
	}
	return results, stored
}

// run appends until ctx ends and the queue is empty.
func (a *archive) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return a.empty(context.WithoutCancel(ctx), finalTries)
		case <-a.more:
		}
		select { // a little patience makes far fewer transactions
		case <-time.After(appendEvery):
		case <-ctx.Done():
		}
		if err := a.empty(ctx, 0); err != nil {
			return a.empty(context.WithoutCancel(ctx), finalTries) // ctx ended meanwhile
		}
	}
}

// empty appends everything queued.
func (a *archive) empty(ctx context.Context, tries uint) error {
	for {
		results, stored := a.take()
		if len(stored) == 0 {
			return nil
		}
		if err := a.append(ctx, results, tries); err != nil {
			a.giveBack(results, stored)
			return err
		}
		a.mu.Lock()
		a.queued -= len(results)
		a.mu.Unlock()
		for _, done := range stored {
			done()
		}
	}
}

func (a *archive) append(ctx context.Context, results []Result, tries uint) error {
	opts := []backoff.RetryOption{
		backoff.WithBackOff(storeBackOff()), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, d time.Duration) {
			a.log.Error("results not stored", "error", err, "results", len(results), "again_in", d.String())
		}),
	}
	if tries > 0 {
		opts = append(opts, backoff.WithMaxTries(tries))
	}
	_, err := backoff.Retry(ctx, func() (int, error) { return a.store.Append(ctx, results) }, opts...)
	return err
}

// giveBack puts what could not be stored back at the head of the queue.
func (a *archive) giveBack(results []Result, stored []func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := func() {
		for _, done := range stored {
			done()
		}
	}
	a.queue = append([]batch{{results, all}}, a.queue...)
}
