package clickhouse

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/frogstats/uptime/internal/clickhouse"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/services/events"
)

const (
	// firstLook is how long OpenLate waits for the server. One that makes its tables takes longer the first time.
	firstLook = 5 * time.Second
	// lateRemark is how often it is said that the server is still waited for.
	lateRemark = time.Minute
)

var errNotYet = errors.New("the history is not open yet")

// Late is an events.ResultStore whose server need not answer yet. Until it does, and its tables are made or updated, every
// question is answered with fault.KindUnavailable, at once; then it is a Results.
type Late struct {
	opts  Options
	log   *slog.Logger
	store atomic.Pointer[Results]
	end   context.CancelFunc
	over  chan struct{} // closed when nobody tries to open it any more
}

var (
	_ events.ResultStore = (*Late)(nil)
	_ events.Batching    = (*Late)(nil)
)

// OpenLate is OpenResults for a server that may be away: it is waited for beside whatever else is to be done. What waiting does
// not help against (a wrong password, no such database) is an error as long as it shows within some seconds; later it is
// logged, and tried again, for who judges in the meantime must not end for it.
func OpenLate(ctx context.Context, dsn string, opts Options) (*Late, error) {
	l := &Late{opts: opts, log: opts.Log, over: make(chan struct{})}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	opening, end := context.WithCancel(context.WithoutCancel(ctx))
	l.end = end
	first := make(chan error, 1)
	go func() {
		defer close(l.over)
		l.open(opening, dsn, first)
	}()
	patience := time.NewTimer(firstLook)
	defer patience.Stop()
	select {
	case err := <-first:
		if err != nil && !clickhouse.IsOutage(err) {
			return nil, errors.Join(err, l.Close())
		}
	case <-patience.C:
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), l.Close())
	}
	return l, nil
}

// open tries until it succeeds or ctx ends. What came of the first try goes to first.
func (l *Late) open(ctx context.Context, dsn string, first chan<- error) {
	pause := &backoff.ExponentialBackOff{InitialInterval: 250 * time.Millisecond, RandomizationFactor: 0.2, Multiplier: 2, MaxInterval: 5 * time.Second}
	began, said := time.Now(), time.Time{}
	for tries := 1; ; tries++ {
		store, err := OpenResults(ctx, dsn, l.opts)
		l.store.Store(store)
		if tries == 1 {
			first <- err
		}
		if err == nil {
			if tries > 1 {
				l.log.Info("the history is open", "waited", time.Since(began).Round(time.Millisecond).String())
			}
			return
		}
		if ctx.Err() != nil {
			return
		}
		if time.Since(said) >= lateRemark {
			said = time.Now()
			l.log.Error("the history cannot be opened yet; results wait", "error", err, "outage", clickhouse.IsOutage(err))
		}
		select {
		case <-time.After(pause.NextBackOff()):
		case <-ctx.Done():
			return
		}
	}
}

// Close ends the waiting, and closes what was opened. Nothing may be using it.
func (l *Late) Close() error {
	l.end()
	<-l.over
	if s := l.store.Load(); s != nil {
		return s.Close()
	}
	return nil
}

func (l *Late) opened() (*Results, error) {
	if s := l.store.Load(); s != nil {
		return s, nil
	}
	return nil, fault.Unavailable("").Wrap(errNotYet)
}

// Ping asks whether the server answers.
func (l *Late) Ping(ctx context.Context) error {
	s, err := l.opened()
	if err != nil {
		return err
	}
	return s.Ping(ctx)
}

// BatchSize is that of Results.
func (l *Late) BatchSize() int { return l.opts.blockRows() }

// BatchDelay is that of Results.
func (l *Late) BatchDelay() time.Duration { return batchDelay }

// Append adds results.
func (l *Late) Append(ctx context.Context, results []events.Result) (int, error) {
	s, err := l.opened()
	if err != nil {
		return 0, err
	}
	return s.Append(ctx, results)
}

// List reads results.
func (l *Late) List(ctx context.Context, q events.ResultQuery) ([]events.Result, error) {
	s, err := l.opened()
	if err != nil {
		return nil, err
	}
	return s.List(ctx, q)
}

// Count counts results.
func (l *Late) Count(ctx context.Context, q events.ResultQuery) (int64, error) {
	s, err := l.opened()
	if err != nil {
		return 0, err
	}
	return s.Count(ctx, q)
}

// Summarize sums up results.
func (l *Late) Summarize(ctx context.Context, monitorID uint32, region string, edges []time.Time) ([]events.Summary, error) {
	s, err := l.opened()
	if err != nil {
		return nil, err
	}
	return s.Summarize(ctx, monitorID, region, edges)
}

// MeanResponses reads sums of response times.
func (l *Late) MeanResponses(ctx context.Context, monitorIDs []uint32, since time.Time) (map[uint32]events.Mean, error) {
	s, err := l.opened()
	if err != nil {
		return nil, err
	}
	return s.MeanResponses(ctx, monitorIDs, since)
}

// Replay reads results in the order of their slots.
func (l *Late) Replay(ctx context.Context, monitorID uint32, after map[string]time.Time, fn func(*events.Result) error) error {
	s, err := l.opened()
	if err != nil {
		return err
	}
	return s.Replay(ctx, monitorID, after, fn)
}

// LastSlots reads the newest slots of a region.
func (l *Late) LastSlots(ctx context.Context, q events.SlotQuery) (map[uint32]time.Time, error) {
	s, err := l.opened()
	if err != nil {
		return nil, err
	}
	return s.LastSlots(ctx, q)
}

// Maintain does nothing, as in Results.
func (l *Late) Maintain(context.Context, bool) error { return nil }

// Prune forgets what is old.
func (l *Late) Prune(ctx context.Context, before time.Time) error {
	s, err := l.opened()
	if err != nil {
		return err
	}
	return s.Prune(ctx, before)
}
