package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/frogstats/uptime/services/events"
)

// level is a roll-up table: its name and the width of its buckets in milliseconds.
type level struct {
	table string
	width int64
}

var (
	minutes = level{"rollup_minute", 60_000}
	hours   = level{"rollup_hour", 3_600_000}
	days    = level{"rollup_day", 86_400_000}
)

// floor is the start of the bucket that moment lies in. Months start on the hour and the day, so buckets never leave theirs.
func (l level) floor(moment int64) int64 { return moment - moment%l.width }

// ceil is the start of the first bucket at or after moment.
func (l level) ceil(moment int64) int64 { return l.floor(moment + l.width - 1) }

// rollup is one row.
type rollup struct {
	events.Summary
	dense bool
}

const rollupColumns = `id, successes, failures, timeouts, faults, missed_rows, missed_slots, response_us, response_min_us, response_max_us,
       dns_us, dns_count, tcp_us, tcp_count, tls_us, tls_count, ttfb_us, ttfb_count, transfer_us, transfer_count, dense, error_types`

// selectByID reads the rows of a level with the given ids; selectRange those from one id up to, not including, another. The
// histogram is left out where nobody asks for it: it is most of the row.
func (l level) selectByID() string {
	return `SELECT ` + rollupColumns + `, histogram FROM ` + l.table + ` WHERE id IN (SELECT value FROM json_each(?))`
}

func (l level) selectRange(histogram bool) string {
	column := `NULL`
	if histogram {
		column = `histogram`
	}
	return `SELECT ` + rollupColumns + `, ` + column + ` FROM ` + l.table + ` WHERE id >= ? AND id < ?`
}

func (l level) put() string {
	return `REPLACE INTO ` + l.table + ` (` + rollupColumns + `, histogram)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
}

// eachRollup runs a query that selects rollupColumns and a histogram.
func eachRollup(ctx context.Context, q querier, fn func(id int64, r *rollup), query string, args ...any) error {
	return rows(ctx, q, func(row *sql.Rows) error {
		var r rollup
		var id, response, least, most, dns, tcp, tls, ttfb, xfer int64
		var types sql.NullString
		var histogram sql.RawBytes
		err := row.Scan(&id, &r.Successes, &r.Failures, &r.Timeouts, &r.ObserverFaults, &r.MissedRows, &r.MissedSlots,
			&response, &least, &most, &dns, &r.DNS.Count, &tcp, &r.TCP.Count, &tls, &r.TLS.Count, &ttfb, &r.TTFB.Count,
			&xfer, &r.Transfer.Count, &r.dense, &types, &histogram)
		if err != nil {
			return err
		}
		r.Response = events.Spread{Mean: events.Mean{Sum: fromUS(response), Count: r.Successes}, Min: fromUS(least), Max: fromUS(most)}
		r.DNS.Sum, r.TCP.Sum, r.TLS.Sum, r.TTFB.Sum, r.Transfer.Sum = fromUS(dns), fromUS(tcp), fromUS(tls), fromUS(ttfb), fromUS(xfer)
		if r.ErrorTypes, err = decodeTypes(types.String); err != nil {
			return err
		}
		if err := r.Histogram.MergeEncoded(histogram); err != nil {
			return err
		}
		fn(id, &r)
		return nil
	}, query, args...)
}

func (r *rollup) args(id int64) []any {
	return []any{
		id, r.Successes, r.Failures, r.Timeouts, r.ObserverFaults, r.MissedRows, r.MissedSlots,
		us(r.Response.Sum), us(r.Response.Min), us(r.Response.Max), us(r.DNS.Sum), r.DNS.Count, us(r.TCP.Sum), r.TCP.Count,
		us(r.TLS.Sum), r.TLS.Count, us(r.TTFB.Sum), r.TTFB.Count, us(r.Transfer.Sum), r.Transfer.Count, flag(r.dense),
		encodeTypes(r.ErrorTypes), r.Histogram.Encode(),
	}
}

// encodeTypes writes counts as {"2:connection_refused": 5}; none is NULL.
func encodeTypes(types map[events.ErrorKey]int64) sql.NullString {
	if len(types) == 0 {
		return sql.NullString{}
	}
	out := make(map[string]int64, len(types))
	for k, n := range types {
		out[strconv.Itoa(int(k.Outcome))+":"+k.Type] = n
	}
	b, err := json.Marshal(out)
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return sql.NullString{String: string(b), Valid: true}
}

func decodeTypes(text string) (map[events.ErrorKey]int64, error) {
	if text == "" {
		return nil, nil
	}
	var in map[string]int64
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		return nil, fmt.Errorf("decode error types: %w", err)
	}
	out := make(map[events.ErrorKey]int64, len(in))
	for k, n := range in {
		outcome, kind, _ := strings.Cut(k, ":")
		o, err := strconv.Atoi(outcome)
		if err != nil {
			return nil, fmt.Errorf("decode error types: %w", err)
		}
		out[events.ErrorKey{Outcome: events.Outcome(o), Type: kind}] = n
	}
	return out, nil
}

// sumUp counts settled results, which are in the table result already, in the roll-ups.
func sumUp(ctx context.Context, tx *sql.Tx, batch []moving) error {
	hourly, daily := group(batch, hours, nil), group(batch, days, nil)
	var born []int64 // hours that have become dense
	grown := map[int64]bool{}
	err := fold(ctx, tx, hours, hourly, func(id int64, r *rollup) {
		switch {
		case r.dense:
			grown[id] = true
		case r.Rows(0) > denseRows:
			r.dense = true
			born = append(born, id)
		}
	})
	if err != nil {
		return err
	}
	if err := fold(ctx, tx, days, daily, nil); err != nil {
		return err
	}
	byMinute := group(batch, minutes, func(r *moving) bool {
		return grown[resultID(r.series, hours.floor(r.moment))]
	})
	if err := fold(ctx, tx, minutes, byMinute, nil); err != nil {
		return err
	}
	for _, id := range born {
		if err := divide(ctx, tx, id); err != nil {
			return err
		}
	}
	return nil
}

// group sums up results by the buckets of a level; only those that want allows.
func group(batch []moving, l level, want func(*moving) bool) map[int64]*rollup {
	out := map[int64]*rollup{}
	for i := range batch {
		r := &batch[i]
		if want != nil && !want(r) {
			continue
		}
		id := resultID(r.series, l.floor(r.moment))
		if out[id] == nil {
			out[id] = &rollup{}
		}
		r.count(&out[id].Summary)
	}
	return out
}

// fold adds what came new to what is stored, and stores it. finish may change each sum before.
func fold(ctx context.Context, tx *sql.Tx, l level, added map[int64]*rollup, finish func(id int64, r *rollup)) error {
	if len(added) == 0 {
		return nil
	}
	ids := slices.Sorted(maps.Keys(added))
	err := eachRollup(ctx, tx, func(id int64, stored *rollup) {
		stored.Merge(&added[id].Summary)
		added[id] = stored
	}, l.selectByID(), jsonList(ids))
	if err != nil {
		return fmt.Errorf("read %s: %w", l.table, err)
	}
	put, err := tx.PrepareContext(ctx, l.put())
	if err != nil {
		return fmt.Errorf("put %s: %w", l.table, err)
	}
	defer put.Close()
	for _, id := range ids {
		r := added[id]
		if finish != nil {
			finish(id, r)
		}
		if _, err := put.ExecContext(ctx, r.args(id)...); err != nil {
			return fmt.Errorf("put %s: %w", l.table, err)
		}
	}
	return nil
}

// divide makes the minutes of an hour that has become dense, from all its results.
func divide(ctx context.Context, tx *sql.Tx, hour int64) error {
	const query = `SELECT ` + movingColumns + ` FROM result r WHERE r.id >= ? AND r.id < ?`
	var all []moving
	err := eachMoving(ctx, tx, func(id int64, v *moving) {
		v.series, v.moment = id>>resultShift, id&(1<<resultShift-1)
		all = append(all, *v)
	}, query, hour, hour+hours.width)
	if err != nil {
		return fmt.Errorf("read dense hour: %w", err)
	}
	return fold(ctx, tx, minutes, group(all, minutes, nil), nil)
}
