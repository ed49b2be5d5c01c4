package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/frogstats/uptime/services/events"
)

// A series is settled when settleRows of its results are fresh, or the oldest of them is settleAge old: many at a time, so
// that its page and its roll-ups are written once for all of them, and soon enough to keep what is fresh few.
const (
	settleRows = 60
	settleAge  = 10 * time.Minute
)

// settleBatch is about how many results one transaction settles; appends wait for it.
const settleBatch = 4000

// denseRows is how many results of an hour make its minutes worth summing up: a chart that reads that many results reads no
// faster by reading the minutes.
const denseRows = 120

// settle moves what is due, or with all everything, in transactions of bounded size.
func (m *month) settle(ctx context.Context, all bool) error {
	due := m.due(m.moment(time.Now()), all)
	for len(due) > 0 {
		n, count := 0, 0
		for n < len(due) && (n == 0 || count+len(due[n].moments) <= settleBatch) {
			count += len(due[n].moments)
			n++
		}
		if err := m.settleBatch(ctx, due[:n]); err != nil {
			return fmt.Errorf("settle results: %w", err)
		}
		due = due[n:]
	}
	return nil
}

// dueSeries are fresh results of one series that are to be settled.
type dueSeries struct {
	*series
	moments []int64
}

func (m *month) due(now int64, all bool) []dueSeries {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var out []dueSeries
	for _, s := range m.byID {
		if len(s.fresh) == 0 || !all && len(s.fresh) < settleRows && now-int64(s.fresh[0].moment) < settleAge.Milliseconds() {
			continue
		}
		d := dueSeries{series: s, moments: make([]int64, len(s.fresh))}
		for i, f := range s.fresh {
			d.moments[i] = int64(f.moment)
		}
		for len(d.moments) > settleBatch { // a backlog of one series
			out = append(out, dueSeries{s, d.moments[:settleBatch]})
			d.moments = d.moments[settleBatch:]
		}
		out = append(out, d)
	}
	slices.SortStableFunc(out, func(a, b dueSeries) int { return cmp.Compare(a.id, b.id) }) // keys rise: pages are filled one after the other
	return out
}

// moving is a fresh result on its way into result.
type moving struct {
	series, moment int64
	measured
	missed    int64  // slots, from the variant
	errorType string // likewise
}

func (r *moving) key() int64 { return resultID(r.series, r.moment) }

// count adds the result to a summary.
func (r *moving) count(s *events.Summary) {
	s.Add(&events.Result{
		Outcome: r.outcome, ResponseTime: fromUS(r.response), DNS: duration(r.dns), TCP: duration(r.tcp), TLS: duration(r.tls),
		TTFB: duration(r.ttfb), Transfer: duration(r.xfer), MissedCount: uint32(r.missed), ErrorType: r.errorType,
	})
}

func duration(v sql.NullInt64) time.Duration {
	if !v.Valid {
		return events.Absent
	}
	return fromUS(v.Int64)
}

func (m *month) settleBatch(ctx context.Context, due []dueSeries) error {
	m.turn.Lock()
	defer m.turn.Unlock()
	locked := false
	defer func() {
		if locked {
			m.mu.Unlock()
		}
	}()
	moved := 0
	err := m.db.Write(ctx, func(tx *sql.Tx) error {
		ctx := context.WithoutCancel(ctx)
		batch, ids, err := readMoving(ctx, tx, due)
		if err != nil {
			return err
		}
		if err := insert(ctx, tx, insertResult, len(batch), func(i int) []any { return batch[i].args(batch[i].key()) }); err != nil {
			return fmt.Errorf("insert settled results: %w", err)
		}
		if err := sumUp(ctx, tx, batch); err != nil {
			return fmt.Errorf("sum up: %w", err)
		}
		const drop = `DELETE FROM fresh WHERE id IN (SELECT value FROM json_each(?))`
		if _, err := tx.ExecContext(ctx, drop, jsonList(ids)); err != nil {
			return fmt.Errorf("delete moved results: %w", err)
		}
		moved = len(batch)
		m.mu.Lock()
		locked = true
		return nil
	})
	if err != nil {
		return err
	}
	for _, d := range due {
		d.settledUpTo(d.moments)
	}
	m.pending -= moved
	return nil
}

// settledUpTo takes the moments, which are sorted, out of what is fresh.
func (s *series) settledUpTo(moments []int64) {
	gone := make(map[uint32]bool, len(moments))
	for _, at := range moments {
		gone[uint32(at)] = true
	}
	s.fresh = slices.DeleteFunc(s.fresh, func(f freshResult) bool { return gone[f.moment] })
	s.settled = max(s.settled, moments[len(moments)-1])
}

// movingColumns are those of fresh or result, as r. Successes, most of all, need not be looked up among the variants.
const movingColumns = `
  r.id, r.outcome, r.variant_id, r.late_ms, r.response_us, r.dns_us, r.tcp_us, r.tls_us, r.ttfb_us, r.transfer_us, r.size_bytes,
  CASE WHEN r.outcome = 1 THEN 0 ELSE (SELECT v.missed_count FROM variant v WHERE v.id = r.variant_id) END,
  CASE WHEN r.outcome = 1 THEN '' ELSE (SELECT v.error_type FROM variant v WHERE v.id = r.variant_id) END`

// eachMoving runs a query that selects movingColumns.
func eachMoving(ctx context.Context, q querier, fn func(id int64, v *moving), query string, args ...any) error {
	var v moving
	var id int64
	targets := append(append([]any{&id}, v.targets()...), &v.missed, &v.errorType)
	return rows(ctx, q, func(r *sql.Rows) error {
		if err := r.Scan(targets...); err != nil {
			return err
		}
		fn(id, &v)
		return nil
	}, query, args...)
}

// readMoving reads the fresh results that are to be moved, by series and moment, and their ids in fresh.
func readMoving(ctx context.Context, tx *sql.Tx, due []dueSeries) ([]moving, []int64, error) {
	var ids []int64
	for _, d := range due {
		for _, at := range d.moments {
			ids = append(ids, freshID(d.id, at))
		}
	}
	const query = `SELECT ` + movingColumns + ` FROM json_each(?) AS j JOIN fresh r ON r.id = j.value`
	out := make([]moving, 0, len(ids))
	err := eachMoving(ctx, tx, func(id int64, v *moving) {
		v.series, v.moment = id&(1<<freshShift-1), id>>freshShift
		out = append(out, *v)
	}, query, jsonList(ids))
	if err != nil {
		return nil, nil, fmt.Errorf("read fresh results: %w", err)
	}
	if len(out) != len(ids) {
		return nil, nil, fmt.Errorf("of %d fresh results %d are there", len(ids), len(out))
	}
	slices.SortFunc(out, func(a, b moving) int { return cmp.Compare(a.key(), b.key()) })
	return out, ids, nil
}
