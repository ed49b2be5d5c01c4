package events

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/frogstats/uptime/internal/fault"
)

const (
	mendAfter   = time.Second      // how long a monitor's results of the past wait for company
	mendAgain   = time.Second      // after a try that failed; then longer each time
	mendSlowest = 10 * time.Second // at most
	mendAtOnce  = 1000             // monitors that are mended beside one another
	mendWithin  = 10 * time.Second // how long what was judged before may take to be stored
	missingFor  = time.Minute      // how long results that the history had no room for may take to come again
	mendAtWorst = 100              // tries in a row that fail in the same way while both stores work
	mendHopeful = 3                // tries in a row of what will not do
	mendWorkers = 4                // monitors that are read at once
)

// past is where results of the past begin, by monitor.
type past map[uint32]time.Time

// with adds a result; p may be nil.
func (p past) with(x *Result) past {
	if p == nil {
		p = past{}
	}
	if at, ok := p[x.MonitorID]; !ok || x.ScheduledAt.Before(at) {
		p[x.MonitorID] = x.ScheduledAt
	}
	return p
}

// join adds another one; p may be nil.
func (p past) join(o past) past {
	for id, at := range o {
		p = p.with(&Result{MonitorID: id, ScheduledAt: at})
	}
	return p
}

// mending is a monitor whose past has to be derived again.
type mending struct {
	id    uint32
	from  time.Time
	due   time.Time
	tries int // that failed, in a row
	ahead int // of them, because results were judged that are not stored
	bad   int // because of an error though both stores work
}

// mender derives timelines again when results of the past have been stored. One goroutine does, some monitors at a time; what
// comes in for a monitor within mendAfter is mended at once.
type mender struct {
	court   *court
	archive *archive
	state   StateStore
	results ResultStore
	log     *slog.Logger
	metrics *metrics

	mu   sync.Mutex
	jobs map[uint32]*mending
	busy int           // jobs that were taken
	more chan struct{} // capacity 1
}

func newMender(c *court, a *archive, state StateStore, results ResultStore, log *slog.Logger, m *metrics) *mender {
	return &mender{court: c, archive: a, state: state, results: results, log: log, metrics: m, jobs: map[uint32]*mending{}, more: make(chan struct{}, 1)}
}

// submit has monitors mended from results on that are stored.
func (m *mender) submit(p past) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, from := range p {
		m.put(&mending{id: id, from: from, due: time.Now().Add(mendAfter)})
	}
}

// put adds a job, or joins it with one that waits. The lock is held.
func (m *mender) put(job *mending) {
	if have := m.jobs[job.id]; have != nil {
		have.tries, have.ahead, have.bad = max(have.tries, job.tries), max(have.ahead, job.ahead), max(have.bad, job.bad)
		if job.from.Before(have.from) {
			have.from = job.from
		}
	} else {
		m.jobs[job.id] = job
	}
	select {
	case m.more <- struct{}{}:
	default:
	}
}

// later puts a job back that could not be begun.
func (m *mender) later(job *mending) {
	m.mu.Lock()
	defer m.mu.Unlock()
	job.due = time.Now().Add(mendAgain)
	m.put(job)
}

// again puts a job back that failed. However often, for a store may be away for hours.
func (m *mender) again(job *mending) {
	m.mu.Lock()
	defer m.mu.Unlock()
	job.due = time.Now().Add(min(mendAgain<<min(job.tries, 8), mendSlowest))
	job.tries++
	m.put(job)
}

// backlog is how many monitors wait, or are being mended.
func (m *mender) backlog() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.jobs) + m.busy
}

// take removes jobs that are due, those that wait longest first; if there are none, it says how long until there are.
func (m *mender) take() (jobs []*mending, wait time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	wait = time.Hour
	for _, job := range m.jobs {
		if left := job.due.Sub(now); left > 0 {
			wait = min(wait, left)
			continue
		}
		jobs = append(jobs, job)
	}
	slices.SortFunc(jobs, func(a, b *mending) int {
		if c := a.due.Compare(b.due); c != 0 {
			return c
		}
		return cmp.Compare(a.id, b.id)
	})
	jobs = jobs[:min(len(jobs), mendAtOnce)]
	for _, job := range jobs {
		delete(m.jobs, job.id)
	}
	m.busy = len(jobs)
	return jobs, wait
}

// run mends until ctx ends. What is left then is found at the next start: it is stored that it is owed, or that it was not judged.
func (m *mender) run(ctx context.Context) {
	for {
		jobs, wait := m.take()
		if len(jobs) > 0 {
			m.mend(ctx, jobs)
			if ctx.Err() != nil {
				return
			}
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-m.more:
			timer.Stop()
		}
	}
}

// mend does jobs. While they last, the court notes what it judges of their monitors; so whatever is judged is in the history
// that is read, or in those notes.
func (m *mender) mend(ctx context.Context, jobs []*mending) {
	drafts := make(map[*mending]*draft, len(jobs))
	for _, job := range jobs {
		d, ready := m.court.draft(job.id, job.from)
		switch {
		case !ready:
			m.later(job)
		case d == nil: // nothing is known of such a monitor, or not any more
		default:
			drafts[job] = d
		}
	}
	if len(drafts) == 0 {
		return
	}
	if err := m.await(ctx); err != nil {
		if ctx.Err() == nil {
			m.log.WarnContext(ctx, "timelines are not mended yet", "monitors", len(drafts), "error", err)
		}
		for job, d := range drafts {
			m.court.drop(d)
			m.again(job)
		}
		return
	}
	var work errgroup.Group // reading is mostly waiting
	work.SetLimit(mendWorkers)
	for _, job := range jobs {
		if d := drafts[job]; d != nil {
			work.Go(func() error {
				m.derive(ctx, d, job)
				return nil
			})
		}
	}
	_ = work.Wait()
}

// derive ends a job, or puts it back.
func (m *mender) derive(ctx context.Context, d *draft, job *mending) {
	err := d.derive(ctx, m.state, m.results)
	if err == nil {
		job.bad = 0
		if m.adopt(d, job) {
			return
		}
	}
	m.court.drop(d)
	switch {
	case err == nil || ctx.Err() != nil:
	case m.hopeless(job, err):
		m.metrics.aside.Add(1)
		m.log.ErrorContext(ctx, "timelines are left as they are", "monitor_id", job.id, "from", job.from, "tries", job.tries+1, "error", err)
		m.court.forgive(d)
		return
	default:
		m.log.ErrorContext(ctx, "timelines not mended", "monitor_id", job.id, "tries", job.tries+1, "error", err)
	}
	m.again(job)
}

// hopeless reports whether an error would come again with every try: it is of what is stored, not of a store that cannot be asked.
func (m *mender) hopeless(job *mending, err error) bool {
	if fault.Is(err, fault.KindUnavailable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		job.bad = 0
		return false
	}
	job.bad++
	return job.bad >= mendAtWorst || job.bad >= mendHopeful && errors.Is(err, errUnmendable)
}

// await waits until what was judged is stored, judgement and results.
func (m *mender) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, mendWithin)
	defer cancel()
	if err := m.court.settle(ctx); err != nil {
		return err
	}
	return m.archive.settle(ctx)
}

// adopt reports whether the job is done.
func (m *mender) adopt(d *draft, job *mending) bool {
	switch m.court.adopt(d) {
	case adopted:
		m.metrics.mended.Add(1)
		return true
	case ahead:
		if job.ahead++; job.ahead == mendAtWorst {
			m.log.Error("timelines wait: results that were judged are not in the history", "monitor_id", job.id, "from", job.from)
		}
	}
	return false
}

// draft begins to mend a monitor; not yet, if results of it may be missing in the history that were judged.
func (c *court) draft(id uint32, from time.Time) (d *draft, ready bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if until, ok := c.missing[id]; ok {
		if time.Now().Before(until) {
			return nil, false
		}
		delete(c.missing, id)
	}
	if d = c.judge.draft(id, from); d != nil {
		d.owed = c.debts.turnOf(id)
	}
	return d, true
}

// drop gives a draft up.
func (c *court) drop(d *draft) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.judge.drop(d)
}

// adopt puts a draft in place of what was judged; with it, what was owed when it was begun is paid.
func (c *court) adopt(d *draft) adoption {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.judge.adopt(d, time.Now(), !c.full)
	if a == adopted {
		c.debts.pay(d.monitor.ID, d.owed)
		c.hurry()
	}
	return a
}

// miss notes results that were judged, and left out of the history until they come again.
func (c *court) miss(results []Result) {
	until := time.Now().Add(missingFor)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range results {
		c.missing[results[i].MonitorID] = until
	}
}

// settle waits until everything that was judged before is committed.
func (c *court) settle(ctx context.Context) error {
	done := make(chan struct{})
	c.mu.Lock()
	c.acks = append(c.acks, func() { close(done) })
	c.mu.Unlock()
	select {
	case c.urgent <- struct{}{}:
	default:
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
