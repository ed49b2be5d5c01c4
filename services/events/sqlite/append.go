package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/frogstats/uptime/services/events"
)

// insertRows is how many rows one INSERT adds: fewer statements are faster, up to a point.
const insertRows = 50

// measured is a row of fresh or result, without its key.
type measured struct {
	outcome                         events.Outcome
	variant, late, response         int64
	dns, tcp, tls, ttfb, xfer, size sql.NullInt64
}

func (m *measured) targets() []any {
	return []any{&m.outcome, &m.variant, &m.late, &m.response, &m.dns, &m.tcp, &m.tls, &m.ttfb, &m.xfer, &m.size}
}

func optional(d time.Duration) sql.NullInt64 {
	if d == events.Absent {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: us(d), Valid: true}
}

func measure(r *events.Result, variant int64) measured {
	m := measured{
		outcome: r.Outcome, variant: variant, late: r.StartedAt.Sub(r.ScheduledAt).Milliseconds(), response: us(r.ResponseTime),
		dns: optional(r.DNS), tcp: optional(r.TCP), tls: optional(r.TLS), ttfb: optional(r.TTFB), xfer: optional(r.Transfer),
	}
	if r.Size != events.Absent {
		m.size = sql.NullInt64{Int64: r.Size, Valid: true}
	}
	return m
}

// newRow is a result on its way into fresh.
type newRow struct {
	series *series
	moment uint32
	measured
}

const measuredColumns = `id, outcome, variant_id, late_ms, response_us, dns_us, tcp_us, tls_us, ttfb_us, transfer_us, size_bytes`

// optionalColumns are those of measured.optionals.
var optionalColumns = [...]string{"dns_us", "tcp_us", "tls_us", "ttfb_us", "transfer_us", "size_bytes"}

// insertResult is the statement that adds n rows to result with those optional columns whose bits are set: binding a value costs
// as much as storing it, and most checks have few of them.
func insertResult(n int, optional byte) string {
	names, row := `id, outcome, variant_id, late_ms, response_us`, `(?, ?, ?, ?, ?`
	for i, name := range optionalColumns {
		if optional&(1<<i) != 0 {
			names, row = names+`, `+name, row+`, ?`
		}
	}
	return `INSERT INTO result (` + names + `) VALUES ` + strings.Repeat(row+`), `, n-1) + row + `)`
}

// insertResults adds settled results, insertRows at a time.
func insertResults(ctx context.Context, tx *sql.Tx, batch []moving) error {
	type shape struct {
		n        int
		optional byte
	}
	prepared := map[shape]*sql.Stmt{}
	defer func() {
		for _, s := range prepared {
			s.Close()
		}
	}()
	args := make([]any, 0, insertRows*11)
	for part := range slices.Chunk(batch, insertRows) {
		k := shape{n: len(part)}
		for i := range part {
			k.optional |= part[i].has()
		}
		statement := prepared[k]
		if statement == nil {
			var err error
			if statement, err = tx.PrepareContext(ctx, insertResult(k.n, k.optional)); err != nil {
				return err
			}
			prepared[k] = statement
		}
		args = args[:0]
		for i := range part {
			args = part[i].appendArgs(args, part[i].key(), k.optional)
		}
		if _, err := statement.ExecContext(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// appendArgs appends the values of a row with those optional columns whose bits are set.
func (m *measured) appendArgs(args []any, id int64, optional byte) []any {
	args = append(args, id, int64(m.outcome), m.variant, m.late, m.response)
	for i, v := range m.optionals() {
		switch {
		case optional&(1<<i) == 0:
		case v.Valid:
			args = append(args, v.Int64)
		default:
			args = append(args, nil)
		}
	}
	return args
}

// append adds the results that are not there, in one transaction. All must lie in the month.
func (m *month) append(ctx context.Context, results []*events.Result) (int, error) {
	m.turn.Lock()
	defer m.turn.Unlock()
	var added []newRow
	locked := false
	defer func() {
		if locked {
			m.mu.Unlock()
		}
	}()
	err := m.db.Write(ctx, func(tx *sql.Tx) (err error) {
		// Statements need no way to be interrupted one by one: the whole is short, and BeginTx has the context.
		ctx := context.WithoutCancel(ctx)
		if added, err = m.pick(ctx, tx, results); err != nil {
			return err
		}
		if len(added) == 0 {
			return nil
		}
		if _, err := tx.ExecContext(ctx, putBlock, m.lastBlock+1, encodeBlock(added)); err != nil {
			return fmt.Errorf("insert results: %w", err)
		}
		m.mu.Lock()
		locked = true
		return nil
	})
	if err != nil {
		m.dict.forget()
		return 0, err
	}
	if len(added) == 0 {
		return 0, nil
	}
	m.lastBlock++
	m.blocks[m.lastBlock] = &block{len(added), len(added)}
	var row []byte
	for i := range added {
		r := &added[i]
		if m.byID[r.series.id] == nil {
			m.enter(r.series)
		}
		row = r.encode(row[:0])
		r.series.remember(r.moment, m.lastBlock, &r.measured, row)
	}
	m.pending += len(added)
	return len(added), nil
}

func encodeBlock(list []newRow) []byte {
	b := make([]byte, 0, 24*len(list))
	for i := range list {
		r := &list[i]
		b = r.encode(rowHead(b, r.series.id, r.moment))
	}
	return b
}

// pick makes rows of the results that are neither in the file nor given before.
func (m *month) pick(ctx context.Context, tx *sql.Tx, results []*events.Result) ([]newRow, error) {
	out := make([]newRow, 0, len(results))
	given := make(map[int64]bool, len(results))
	born := map[seriesKey]*series{}
	for _, r := range results {
		s, err := m.seriesOf(ctx, tx, r, born)
		if err != nil {
			return nil, err
		}
		moment := uint32(m.moment(r.ScheduledAt))
		id := resultID(s.id, int64(moment))
		if given[id] {
			continue
		}
		given[id] = true
		there, err := m.has(ctx, tx, s, moment)
		if err != nil {
			return nil, err
		}
		if there {
			continue
		}
		variant, err := m.dict.variantOf(ctx, tx, s, r)
		if err != nil {
			return nil, err
		}
		out = append(out, newRow{s, moment, measure(r, variant)})
	}
	return out, nil
}

// seriesOf finds or makes a series. What it makes is in born until the transaction is committed. Only writers change the
// maps, and they take turns, so reading them needs no lock here.
func (m *month) seriesOf(ctx context.Context, tx *sql.Tx, r *events.Result, born map[seriesKey]*series) (*series, error) {
	k := seriesKey{r.MonitorID, r.Region}
	if s := m.byKey[k]; s != nil {
		return s, nil
	}
	if s := born[k]; s != nil {
		return s, nil
	}
	const query = `INSERT INTO series (monitor_id, region) VALUES (?, ?) RETURNING id`
	s := &series{seriesKey: k, settled: -1}
	if err := tx.QueryRowContext(ctx, query, k.monitorID, k.region).Scan(&s.id); err != nil {
		return nil, fmt.Errorf("put series: %w", err)
	}
	born[k] = s
	return s, nil
}

// has reports whether the file has the result already. Only one that is older than what is settled has to be looked up.
func (m *month) has(ctx context.Context, tx *sql.Tx, s *series, moment uint32) (bool, error) {
	if _, ok := s.find(moment); ok {
		return true, nil
	}
	if int64(moment) > s.settled {
		return false, nil
	}
	const query = `SELECT EXISTS (SELECT 1 FROM result WHERE id = ?)`
	var there bool
	if err := tx.QueryRowContext(ctx, query, resultID(s.id, int64(moment))).Scan(&there); err != nil {
		return false, fmt.Errorf("look up result: %w", err)
	}
	return there, nil
}
