package events

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.opentelemetry.io/otel/attribute"

	"github.com/frogstats/uptime/internal/fault"
)

// What a store that is no Batching gets.
const (
	appendRows  = 2000                   // most results in one transaction, unless one batch has more
	appendEvery = 100 * time.Millisecond // how long a few results wait for company
)

// What is in memory while the store does not take any. A result takes 0.5 kB (TCP) to 1.1 kB (HTTPS, with headers), see
// TestWeight: so 200,000 are 100 to 220 MB. Those that carry more reach the second bound first. What is being appended takes
// 0.4 kB a result more, and what the store makes of it.
const (
	maxQueued      = 200_000   // results
	maxQueuedBytes = 256 << 20 // by weigh
)

// archive is the queue before the result store: batches go in from any goroutine, and one goroutine appends them in the order
// in which they came. It never makes the judge wait; when it is full it takes nothing more, and whoever sent must send again.
//
// Results are appended once there are rows of them, or once the first has waited for delay. So while the store keeps up, an
// acknowledgement takes at most delay and two appends: the one under way, and its own.
type archive struct {
	store   ResultStore
	log     *slog.Logger
	metrics *metrics
	tracer  tracer
	rows    int
	delay   time.Duration
	room    []Result // where batches are joined, used again; for who appends

	mu         sync.Mutex
	queue      []batch
	queued     int       // results that are not stored yet
	weight     int       // of those, in bytes
	taken      time.Time // when the oldest of those came that are being appended; zero if none are
	since      time.Time // when what is being appended was first tried; zero if nothing is
	waiting    int       // results of queue
	urgent     bool      // somebody waits for what is queued
	limit      int       // of queued
	limitBytes int       // of weight
	more       chan struct{}
}

// batch is some results, when they came, and what is to be called once they are stored.
type batch struct {
	results []Result
	weight  int // in bytes
	from    origins
	came    time.Time
	stored  []func()
}

func newArchive(store ResultStore, log *slog.Logger, m *metrics, t tracer) *archive {
	a := &archive{
		store: store, log: log, metrics: m, tracer: t, rows: appendRows, delay: appendEvery,
		limit: maxQueued, limitBytes: maxQueuedBytes, more: make(chan struct{}, 1),
	}
	if b, ok := store.(Batching); ok {
		a.rows, a.delay = b.BatchSize(), b.BatchDelay()
	}
	return a
}

// submit queues results, from traced checks among others; false if there is no room.
func (a *archive) submit(results []Result, from origins, stored func()) bool {
	return a.submitWithin(results, from, stored, 1)
}

// submitPast is submit for results that nobody waits for: they leave half of the room to others.
func (a *archive) submitPast(results []Result, stored func()) bool {
	return a.submitWithin(results, nil, stored, 2)
}

func (a *archive) submitWithin(results []Result, from origins, stored func(), share int) bool {
	now := time.Now()
	weight := weigh(results)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.queued > 0 && (a.queued+len(results) > a.limit/share || a.weight+weight > a.limitBytes/share) {
		return false
	}
	a.queue = append(a.queue, batch{results, weight, origins(nil).with(from), now, []func(){stored}})
	a.queued += len(results)
	a.waiting += len(results)
	a.weight += weight
	if len(a.queue) == 1 || a.waiting >= a.rows {
		select {
		case a.more <- struct{}{}:
		default:
		}
	}
	return true
}

// settle waits until everything that was submitted before is stored.
func (a *archive) settle(ctx context.Context) error {
	done := make(chan struct{})
	if !a.submit(nil, nil, func() { close(done) }) {
		return errBehind
	}
	a.mu.Lock()
	a.urgent = len(a.queue) > 0
	a.mu.Unlock()
	select {
	case a.more <- struct{}{}:
	default:
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fault.Unavailable("results are not stored yet").Wrap(context.Cause(ctx))
	}
}

// relieved reports whether there is room again, for more than a moment.
func (a *archive) relieved() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.queued <= a.limit/2 && a.weight <= a.limitBytes/2
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

// stalled is since when nothing could be appended, though something waits; zero if that is not so.
func (a *archive) stalled() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.since
}

// pause notes that nothing can be appended since a moment, whether something waits or not.
func (a *archive) pause(since time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.since.IsZero() {
		a.since = since
	}
}

// resume ends that; what waits by now has waited since.
func (a *archive) resume() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiting == 0 {
		a.since = time.Time{}
	}
}

// due is how long the results that wait can wait on, 0 or less if they cannot; false if none wait.
func (a *archive) due() (time.Duration, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case len(a.queue) == 0:
		return 0, false
	case a.waiting >= a.rows || a.urgent:
		return 0, true
	}
	return time.Until(a.queue[0].came.Add(a.delay)), true
}

// await waits until results are due; false if ctx ended.
func (a *archive) await(ctx context.Context) bool {
	for {
		var timer <-chan time.Time
		if wait, ok := a.due(); ok {
			if wait <= 0 {
				return ctx.Err() == nil
			}
			timer = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return false
		case <-timer:
		case <-a.more:
		}
	}
}

// take removes the oldest batches, at most a.rows results of them but at least one batch, and returns them as one; it has
// nothing to call if there was none.
func (a *archive) take() batch {
	a.mu.Lock()
	defer a.mu.Unlock()
	n, rows := 0, 0
	for n < len(a.queue) && (n == 0 || rows+len(a.queue[n].results) <= a.rows) {
		rows += len(a.queue[n].results)
		n++
	}
	if n == 0 {
		return batch{}
	}
	all := a.queue[0]
	if n > 1 {
		if cap(a.room) < rows {
			a.room = make([]Result, 0, rows)
		}
		all.results, a.room = a.room, nil
		all.weight, all.from, all.stored = 0, nil, nil
		for _, b := range a.queue[:n] {
			all.results = append(all.results, b.results...)
			all.weight += b.weight
			all.from = all.from.with(b.from)
			all.stored = append(all.stored, b.stored...)
		}
	}
	clear(a.queue[:n])
	if a.queue = a.queue[n:]; len(a.queue) == 0 {
		a.queue, a.urgent = nil, false
	}
	a.waiting -= rows
	a.taken = all.came
	if a.since.IsZero() && rows > 0 {
		a.since = time.Now()
	}
	return all
}

// run appends until ctx ends and the queue is empty.
func (a *archive) run(ctx context.Context) error {
	for a.await(ctx) {
		if _, err := a.appendNext(ctx, 0); err != nil {
			break // ctx ended meanwhile
		}
	}
	return a.empty(context.WithoutCancel(ctx), finalTries)
}

// empty appends everything queued.
func (a *archive) empty(ctx context.Context, tries uint) error {
	for {
		if some, err := a.appendNext(ctx, tries); err != nil || !some {
			return err
		}
	}
}

// appendNext appends the oldest batches, if there are any, and says that they are stored.
func (a *archive) appendNext(ctx context.Context, tries uint) (some bool, err error) {
	b := a.take()
	if len(b.stored) == 0 {
		return false, nil
	}
	if err := a.append(ctx, b, tries); err != nil {
		a.giveBack(b)
		return true, err
	}
	a.mu.Lock()
	a.queued -= len(b.results)
	a.weight -= b.weight
	a.taken, a.since = time.Time{}, time.Time{}
	a.mu.Unlock()
	for _, done := range b.stored {
		done()
	}
	if len(b.stored) > 1 { // take made the slice
		clear(b.results)
		a.room = b.results[:0]
	}
	return true, nil
}

func (a *archive) append(ctx context.Context, b batch, tries uint) (err error) {
	if len(b.results) == 0 { // of settle alone
		return nil
	}
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
	a.waiting += len(b.results)
	a.taken = time.Time{}
}
