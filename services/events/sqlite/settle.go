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

// enough is how many fresh results of s are worth settling. The first time since the file was opened it differs from series to
// series: monitors that began together would else all be due together ever after, and appends would wait for all of them.
func (s *series) enough() int {
	if s.paced {
		return settleRows
	}
	return 1 + int(uint64(s.id)*0x9e3779b97f4a7c15>>32%settleRows)
}

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
		for n < len(due) && (n == 0 || count+len(due[n].fresh) <= settleBatch) {
			count += len(due[n].fresh)
			n++
		}
		if err := m.settleBatch(ctx, due[:n]); err != nil {
			return fmt.Errorf("settle results: %w", err)
		}
		due = due[n:]
	}
	return m.sweep(ctx)
}

// dueSeries are fresh results of one series that are to be settled.
type dueSeries struct {
	*series
	fresh []freshResult
}

func (m *month) due(now int64, all bool) []dueSeries {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var out []dueSeries
	for _, s := range m.byID {
		if len(s.fresh) == 0 || !all && len(s.fresh) < s.enough() && now-int64(s.fresh[0].moment) < settleAge.Milliseconds() {
			continue
		}
		for part := range slices.Chunk(slices.Clone(s.fresh), settleBatch) { // there may be a backlog of one series
			out = append(out, dueSeries{s, part})
		}
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
	for i := range due { // less what somebody else has settled meanwhile
		d := &due[i]
		d.fresh = slices.DeleteFunc(d.fresh, func(f freshResult) bool { _, still := d.find(f.moment); return !still })
	}
	moved := 0
	err := m.db.Write(ctx, func(tx *sql.Tx) error {
		ctx := context.WithoutCancel(ctx)
		batch, err := move(ctx, tx, due)
		if err != nil {
			return err
		}
		if err := insertResults(ctx, tx, batch); err != nil {
			return fmt.Errorf("insert settled results: %w", err)
		}
		if err := sumUp(ctx, tx, batch); err != nil {
			return fmt.Errorf("sum up: %w", err)
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
		d.paced = true
		for id, n := range d.forget(d.fresh) {
			m.blocks[id].fresh -= n
		}
	}
	m.pending -= moved
	return nil
}

// movingColumns are those of result, as r. Successes, most of all, need not be looked up among the variants.
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

// move makes rows of result of what is fresh, by series and moment.
func move(ctx context.Context, tx *sql.Tx, due []dueSeries) ([]moving, error) {
	var out []moving
	var all []measured
	for _, d := range due {
		for _, f := range d.fresh {
			at, _ := d.find(f.moment)
			var v measured
			v.decode(d.rows[d.series.fresh[at].at:]) // the offset may have changed since
			out = append(out, moving{series: d.id, moment: int64(f.moment), measured: v})
			all = append(all, v)
		}
	}
	say, err := toldBy(ctx, tx, all)
	if err != nil {
		return nil, fmt.Errorf("read fresh results: %w", err)
	}
	for i := range out {
		if v := &out[i]; v.outcome != events.Success {
			v.missed, v.errorType = say[v.variant].missed, say[v.variant].errorType
		}
	}
	slices.SortFunc(out, func(a, b moving) int { return cmp.Compare(a.key(), b.key()) })
	return out, nil
}
