package events

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.opentelemetry.io/otel/attribute"
)

const (
	appendRows  = 2000                   // most results in one transaction, unless one batch has more
	appendEvery = 100 * time.Millisecond // how long a few results wait for company
	maxQueued   = 200_000                // results in memory while the store does not take any
)

// archive is the queue before the result store: batches go in from any goroutine, and one goroutine appends them in the order
// in which they came. It never makes the judge wait; when it is full it takes nothing more, and whoever sent must send again.
type archive struct {
	store   ResultStore
	log     *slog.Logger
	metrics *metrics
	tracer  tracer

	mu     sync.Mutex
	queue  []batch
	queued int       // results that are not stored yet
	taken  time.Time // when the oldest of those came that are being appended; zero if none are
	limit  int       // of queued
	more   chan struct{}
}

// batch is some results, when they came, and what is to be called once they are stored.
type batch struct {
	results []Result
	from    origins
	came    time.Time
	stored  []func()
}

func newArchive(store ResultStore, log *slog.Logger, m *metrics, t tracer) *archive {
	return &archive{store: store, log: log, metrics: m, tracer: t, limit: maxQueued, more: make(chan struct{}, 1)}
}

// submit queues results, from traced checks among others; false if there is no room.
func (a *archive) submit(results []Result, from origins, stored func()) bool {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.queued > 0 && a.queued+len(results) > a.limit {
		return false
	}
	a.queue = append(a.queue, batch{results, origins(nil).with(from), now, []func(){stored}})
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

// backlog is how many results are not stored yet, and how long the first of them has waited.
func (a *archive) backlog() (results int, age time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case !a.taken.IsZero():
		age = time.Since(a.taken)
	case len(a.queue) > 0:
		age = time.Since(a.queue[0].came)
	}
	return a.queued, age
}

// take removes the oldest batches, at most appendRows results of them but at least one batch, and returns them as one; it has
// nothing to call if there was none.
func (a *archive) take() batch {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all batch
	n := 0
	for _, b := range a.queue {
		if n > 0 && len(all.results)+len(b.results) > appendRows {
			break
		}
		if n == 0 {
			all.came = b.came
		}
		all.results = append(all.results, b.results...)
		all.from = all.from.with(b.from)
		all.stored = append(all.stored, b.stored...)
		n++
	}
	clear(a.queue[:n])
	if a.queue = a.queue[n:]; len(a.queue) == 0 {
		a.queue = nil
	}
	a.taken = all.came
	return all
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
		b := a.take()
		if len(b.stored) == 0 {
			return nil
		}
		if err := a.append(ctx, b, tries); err != nil {
			a.giveBack(b)
			return err
		}
		a.mu.Lock()
		a.queued -= len(b.results)
		a.taken = time.Time{}
		a.mu.Unlock()
		for _, done := range b.stored {
			done()
		}
	}
}

func (a *archive) append(ctx context.Context, b batch, tries uint) (err error) {
	ctx, span := a.tracer.start(ctx, "append results", b.from, attribute.Int("frogup.results", len(b.results)))
	defer func() { end(span, err) }()
	opts := []backoff.RetryOption{
		backoff.WithBackOff(storeBackOff()), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, d time.Duration) {
			a.log.ErrorContext(ctx, "results not stored", "error", err, "results", len(b.results), "again_in", d.String())
		}),
	}
	if tries > 0 {
		opts = append(opts, backoff.WithMaxTries(tries))
	}
	_, err = backoff.Retry(ctx, func() (int, error) {
		began := time.Now()
		added, err := a.store.Append(ctx, b.results)
		a.metrics.appended(ctx, began, len(b.results), added, err)
		return added, err
	}, opts...)
	return err
}

// giveBack puts what could not be stored back at the head of the queue.
func (a *archive) giveBack(b batch) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.queue = append([]batch{b}, a.queue...)
	a.taken = time.Time{}
}
