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
	// commitEvery is how long changes that are no transitions wait for company, and so how long an acknowledgement of
	// judgement may take.
	commitEvery = 250 * time.Millisecond
	// maxWaiting bounds the results kept of monitors that the catalogue has not named yet.
	maxWaiting = 10_000
	// waitingFor is how long: by then the catalogue has named the monitor, or it was deleted.
	waitingFor = time.Minute
	// maxUncommitted bounds the announcements and transitions in memory while the store does not take any.
	maxUncommitted = 100_000
)

// court is the judge with its clerk: results go in from any goroutine, and one goroutine commits what they changed. Judging
// does not wait for the store; acknowledgements do.
type court struct {
	store   StateStore
	log     *slog.Logger
	metrics *metrics
	tracer  tracer
	told    signal // fired after every commit that announced something

	sparing bool // see Exclusive

	mu       sync.Mutex
	judge    *Judge
	acks     []func() // to be called once what has been judged so far is committed
	from     origins  // of what has been judged so far
	waiting  map[uint32][]waiting
	nWaiting int
	debts    debts
	limit    int                  // of uncommitted
	full     bool                 // results were left out, and may still be on their way: deadlines do not count
	missing  map[uint32]time.Time // monitors of which results were judged and left out of the history, and until when they may be missing
	since    time.Time            // when what is being committed was first tried; zero if nothing is

	urgent chan struct{} // capacity 1
}

// waiting is a result whose monitor is not known yet.
type waiting struct {
	result Result
	since  time.Time
}

func newCourt(store StateStore, log *slog.Logger, m *metrics, t tracer) *court {
	own, ok := store.(Exclusive)
	return &court{
		store: store, log: log, metrics: m, tracer: t, sparing: ok && own.Exclusive(),
		waiting: map[uint32][]waiting{}, missing: map[uint32]time.Time{}, debts: newDebts(), limit: maxUncommitted, urgent: make(chan struct{}, 1),
	}
}

// seat puts the judge in, with what timelines owe; nothing may be submitted before.
func (c *court) seat(j *Judge, owed []Owed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.judge = j
	c.debts.restore(owed)
	j.sparing, j.healed = c.sparing, nil
	c.hurry()
}

// submit judges results that have just arrived, from traced checks among others; committed is called once the judgement is
// stored. It is false, and nothing is judged, if too much of what was judged before is not stored yet. What tells of a time
// that is over is not judged but returned, see Judge.late, and so is what showed a silence to be none; opened is when its stream was, if that parts the past from the present.
func (c *court) submit(results []Result, from origins, opened time.Time, committed func()) (late past, ok bool) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.uncommitted() > c.limit {
		c.full = true
		return nil, false
	}
	fenced := c.judge.fenced
	for i := range results {
		switch x := &results[i]; {
		case c.judge.late(now, x, opened):
			late = late.with(x)
		case !c.judge.Result(now, x):
			c.keepWaiting(x, now)
		}
	}
	late, c.judge.healed = late.join(c.judge.healed), nil
	c.metrics.fenced.Add(c.judge.fenced - fenced)
	c.acks = append(c.acks, committed)
	c.from = c.from.with(from)
	c.hurry()
	return late, true
}

// uncommitted is how much has to be stored that is not merely the newest state of something. The lock is held.
func (c *court) uncommitted() int {
	return len(c.judge.changes.Feed) + len(c.judge.changes.Transitions) + len(c.acks)
}

// backlog is uncommitted for who does not hold the lock.
func (c *court) backlog() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.judge == nil {
		return 0
	}
	return c.uncommitted()
}

// strangers is how many results wait for the catalogue to name their monitor.
func (c *court) strangers() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nWaiting
}

// relieved reports whether judging can go on, for more than a moment.
func (c *court) relieved() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.uncommitted() <= c.limit/2
}

// keepWaiting keeps a result until its monitor is known. What does not fit is in the history all the same, and judged from
// there when the monitor becomes known.
func (c *court) keepWaiting(r *Result, now time.Time) {
	if c.nWaiting >= maxWaiting {
		return
	}
	c.waiting[r.MonitorID] = append(c.waiting[r.MonitorID], waiting{*r, now})
	c.nWaiting++
}

// upsert takes in a monitor, and judges what there was of it before it was known: what is in the history, then what waited.
func (c *court) upsert(m Monitor, stored []Result) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.judge.Upsert(now, m)
	before, told := c.judge.standing(m.ID)
	for i := range stored {
		c.judge.Result(stored[i].StartedAt, &stored[i])
	}
	c.judge.hush(now, m.ID, before, told)
	for _, w := range c.waiting[m.ID] {
		c.judge.Result(now, &w.result)
	}
	c.nWaiting -= len(c.waiting[m.ID])
	delete(c.waiting, m.ID)
	c.hurry()
}

func (c *court) remove(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.judge.Remove(time.Now(), id)
	c.debts.pay(id, c.debts.turnOf(id))
	c.hurry()
}

// tick notes deadlines, and gives up what waited too long.
func (c *court) tick() {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.full && c.uncommitted() <= c.limit/2 {
		c.full = false
		c.judge.Restored(now) // what was left out is about to come
	}
	if !c.full {
		c.judge.Tick(now)
	}
	for id, list := range c.waiting {
		if now.Sub(list[0].since) > waitingFor {
			c.nWaiting -= len(list)
			delete(c.waiting, id)
		}
	}
	c.hurry()
}

// hurry wakes the clerk if a state has changed. The lock is held.
func (c *court) hurry() {
	if c.judge.Urgent() {
		select {
		case c.urgent <- struct{}{}:
		default:
		}
	}
}

// freshen brings stored rows up to what has been counted since their snapshots. A region that is in another state by now stays
// as it is stored, until that change is.
func (c *court) freshen(rows []MonitorStatus) {
	if !c.sparing {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.judge == nil {
		return
	}
	for i := range rows {
		s := c.judge.subjects[rows[i].MonitorID]
		if s == nil {
			continue
		}
		for k := range rows[i].Regions {
			row := &rows[i].Regions[k]
			if r := s.known(row.Region); r != nil && r.Seq == row.Seq && r.Status == row.Status {
				*row = *r
			}
		}
	}
}

// run commits until ctx ends, and once more then, everything.
func (c *court) run(ctx context.Context) error {
	ticker := time.NewTicker(commitEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return c.finish(ctx)
		case <-c.urgent:
		case <-ticker.C:
		}
		if err := c.commit(ctx, 0); err != nil {
			return c.finish(ctx) // ctx ended meanwhile
		}
	}
}

func (c *court) finish(ctx context.Context) error {
	c.mu.Lock()
	c.judge.Spared()
	c.mu.Unlock()
	return c.commit(context.WithoutCancel(ctx), finalTries)
}

// storeBackOff spaces the tries of a store that fails. It stays short: once the store is back, alerts wait for this.
func storeBackOff() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = 50*time.Millisecond, 3*time.Second
	return b
}

// finalTries is how often a stopping process tries to commit.
const finalTries = 3

// commit stores what has changed. A store that fails is tried again, with the same changes, until ctx ends or, if tries is not
// 0, so many times: later changes rest on these.
func (c *court) commit(ctx context.Context, tries uint) error {
	c.mu.Lock()
	changes, owed, acks, from := c.judge.Take(), c.debts.take(), c.acks, c.from
	c.acks, c.from = nil, nil
	c.mu.Unlock()
	if !changes.Empty() || len(owed) > 0 {
		c.trying(time.Now())
		row, err := encodeChanges(&changes, time.Now())
		if err != nil {
			return err // a feed entry that protobuf cannot encode: nothing that another try would mend
		}
		row.Owed = owed
		if err := c.keep(ctx, row, from, tries); err != nil {
			c.giveBack(changes, owed, acks, from)
			return err
		}
	}
	c.trying(time.Time{})
	for _, ack := range acks {
		ack()
	}
	if len(changes.Feed) > 0 {
		c.told.fire()
	}
	return nil
}

func (c *court) keep(ctx context.Context, row Commit, from origins, tries uint) (err error) {
	ctx, span := c.tracer.start(ctx, "commit judgement", from, attribute.Int("frogup.states", len(row.States)),
		attribute.Int("frogup.transitions", len(row.Transitions)), attribute.Int("frogup.feed_entries", len(row.Feed)))
	defer func() { end(span, err) }()
	opts := []backoff.RetryOption{
		backoff.WithBackOff(storeBackOff()), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, d time.Duration) {
			c.log.ErrorContext(ctx, "judgement not committed", "error", err, "again_in", d.String())
		}),
	}
	if tries > 0 {
		opts = append(opts, backoff.WithMaxTries(tries))
	}
	_, err = backoff.Retry(ctx, func() (struct{}, error) {
		began := time.Now()
		err := c.store.Commit(ctx, row)
		c.metrics.committed(ctx, began, err)
		return struct{}{}, err
	}, opts...)
	return err
}

// giveBack puts changes that could not be stored before those that came since.
func (c *court) giveBack(changes Changes, owed []Owed, acks []func(), from origins) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.judge.giveBack(changes)
	c.debts.giveBack(owed)
	c.acks, c.from = append(acks, c.acks...), from.with(c.from)
}

// giveBack undoes Take for changes that could not be stored. Those of Take stand before whatever came since.
func (j *Judge) giveBack(c Changes) {
	since := j.Take()
	j.changes.Transitions = c.Transitions
	for _, m := range since.Mended { // what is older than a mending is not stored after it
		j.forgetPending(m.MonitorID, m.Region, m.First)
	}
	c.Transitions = j.changes.Transitions
	j.changes = Changes{
		Mended:   append(c.Mended, since.Mended...),
		Monitors: append(c.Monitors, since.Monitors...), States: append(c.States, since.States...),
		Regions: append(c.Regions, since.Regions...), Transitions: append(c.Transitions, since.Transitions...),
		Feed: append(c.Feed, since.Feed...),
	}
}

// trying notes since when a commit is being tried; the zero time is that none is.
func (c *court) trying(since time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since.IsZero() || since.IsZero() {
		c.since = since
	}
}

// stalled is since when nothing could be committed, though something waits; zero if that is not so.
func (c *court) stalled() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.since
}
