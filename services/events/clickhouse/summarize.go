package clickhouse

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/frogstats/uptime/internal/clickhouse"
	"github.com/frogstats/uptime/services/events"
)

// sums are what the projections by_minute, by_hour and by_day keep, in their words: the server matches by text.
const sums = `
count(), sum(missed_count), sumIf(response_rest_us, status = 'success'),
minIf(response_time_us, status = 'success'), maxIf(response_time_us, status = 'success'),
sumIf(dns_time_us, status = 'success' AND dns_time_us >= 0), countIf(status = 'success' AND dns_time_us >= 0),
sumIf(tcp_time_us, status = 'success' AND tcp_time_us >= 0), countIf(status = 'success' AND tcp_time_us >= 0),
sumIf(tls_time_us, status = 'success' AND tls_time_us >= 0), countIf(status = 'success' AND tls_time_us >= 0),
sumIf(ttfb_us, status = 'success' AND ttfb_us >= 0), countIf(status = 'success' AND ttfb_us >= 0),
sumIf(transfer_time_us, status = 'success' AND transfer_time_us >= 0), countIf(status = 'success' AND transfer_time_us >= 0)`

// The bins of a histogram that are none.
const (
	zeroBin = -32768 // durations of zero
	noBin   = 32767  // what is no success
)

// snapshot makes all parts of a query see the same results.
var snapshot = ch.Settings{"enable_shared_storage_snapshot_in_query": 1}

// Summarize takes one query: of each level of roll-ups what belongs to it, and the results of minutes that an edge cuts.
func (s *Results) Summarize(ctx context.Context, monitorID uint32, region string, edges []time.Time) ([]events.Summary, error) {
	out := make([]events.Summary, max(len(edges)-1, 0))
	if len(out) == 0 {
		return nil, nil
	}
	owners, err := s.ownersOf(ctx, monitorID)
	if err != nil {
		return nil, fmt.Errorf("summarize results: %w", err)
	}
	if len(owners) == 0 {
		return out, nil
	}
	c := cutAt(edges, fewHours)
	query, args := c.summaries(owners, monitorID, region)
	var row sumRow
	err = s.each(ch.Context(ctx, ch.WithSettings(snapshot)), func(rows driver.Rows) error {
		if err := row.scan(rows); err != nil {
			return err
		}
		i, ok := slices.BinarySearch(c.edges, row.bucket)
		if !ok || i >= len(out) {
			return fmt.Errorf("the server returned a bucket at %d that was not asked for", row.bucket)
		}
		row.addTo(&out[i])
		return nil
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("summarize results: %w", err)
	}
	return out, nil
}

// branch is one SELECT of a query: where its rows are and in which bucket they fall.
type branch struct {
	level         string // of the roll-ups, "" for the results themselves
	bucket, where string
}

func (c *cuts) branches() []branch {
	var out []branch
	within := map[level][]int64{hours: c.days, minutes: c.hours}
	for _, l := range c.levels {
		out = append(out, branch{l.name, c.bucket(`toInt64(toUnixTimestamp(`+l.start+`)) * 1000`, within[l], longer[l]), c.of(l)})
	}
	if rest := c.restStarts(); len(rest) > 0 {
		out = append(out, branch{"", c.bucket(`toUnixTimestamp64Milli(timestamp)`, rest, c.rest.unit), c.ragged()})
	}
	return out
}

// from is the WHERE clause of a branch.
func (b *branch) from(owners []string, monitorID uint32, region string) *condition {
	w := &condition{}
	if b.level == "" {
		w.ofMonitor(owners, monitorID)
	} else {
		w.and(`monitor_id = ?`, monitorID)
	}
	if region != "" {
		w.and(`region = ?`, region)
	}
	w.and(b.where)
	return w
}

// using is the end of a SELECT that names the projection it is for. The server would find it by itself, in three times the
// time, and looks for another one where a part does not have it.
func (b *branch) using(prefix string) string {
	if b.level == "" {
		return using("")
	}
	return using(prefix + b.level)
}

func using(projection string) string {
	if projection == "" {
		return ` SETTINGS optimize_use_projections = 0`
	}
	return ` SETTINGS preferred_optimize_projection_name = '` + projection + `'`
}

// packedBin is a bin with its count in eight bytes, two and six, big-endian: the driver reads lists of numbers slowly.
const packedBin = `char(bitShiftRight(bitAnd(bin, 65535), 8), bitAnd(bin, 255), bitShiftRight(n, 40), bitShiftRight(n, 32), bitShiftRight(n, 24),
bitShiftRight(n, 16), bitShiftRight(n, 8), n)`

// eachBin unpacks bins.
func eachBin(packed string, fn func(bin int, n int64)) {
	for b := []byte(packed); len(b) >= 8; b = b[8:] {
		fn(int(int16(binary.BigEndian.Uint16(b))), int64(binary.BigEndian.Uint64(b)&(1<<48-1)))
	}
}

// summaries is the query and its arguments. Its rows are either sums or, with status 0, the bins of a histogram.
func (c *cuts) summaries(owners []string, monitorID uint32, region string) (string, []any) {
	var query, bins strings.Builder
	var args, binArgs []any
	for i, b := range c.branches() {
		w := b.from(owners, monitorID, region)
		query.WriteString(`SELECT ` + b.bucket + ` AS bucket, toUInt8(status), toString(error_type), ` + sums +
			`, '' FROM monitor_events WHERE ` + w.text.String() +
			` GROUP BY bucket, status, error_type` + b.using("by_") + ` UNION ALL `)
		args = append(args, w.args...)
		if i > 0 {
			bins.WriteString(` UNION ALL `)
		}
		bins.WriteString(`SELECT ` + b.bucket + ` AS bucket, response_bin AS bin, count() AS n FROM monitor_events WHERE ` + w.text.String() +
			` AND response_bin < ` + fmt.Sprint(noBin) + ` GROUP BY bucket, bin` + b.using("bins_by_"))
		binArgs = append(binArgs, w.args...)
	}
	query.WriteString(`SELECT bucket, toUInt8(0), '', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, arrayStringConcat(groupArray(` + packedBin + `))
FROM (` + bins.String() + `) GROUP BY bucket`)
	return query.String(), append(args, binArgs...)
}

// sumRow is a row of summaries.
type sumRow struct {
	bucket                        int64
	outcome                       uint8
	errorType                     string
	n, missed                     uint64
	rest, least, most             int64
	dns, tcp, tls, ttfb, transfer struct {
		sum int64
		n   uint64
	}
	bins string // packed
}

func (r *sumRow) scan(rows driver.Rows) error {
	return rows.Scan(&r.bucket, &r.outcome, &r.errorType, &r.n, &r.missed, &r.rest, &r.least, &r.most,
		&r.dns.sum, &r.dns.n, &r.tcp.sum, &r.tcp.n, &r.tls.sum, &r.tls.n, &r.ttfb.sum, &r.ttfb.n, &r.transfer.sum, &r.transfer.n,
		&r.bins)
}

// addTo adds what the row says to a summary.
func (r *sumRow) addTo(s *events.Summary) {
	n := int64(r.n)
	switch o := events.Outcome(r.outcome); o {
	case 0:
		eachBin(r.bins, func(bin int, n int64) {
			if bin == zeroBin {
				s.Histogram.AddZeros(n)
				return
			}
			s.Histogram.AddBin(bin, n)
		})
	case events.Success:
		mean := func(sum int64, n uint64) events.Mean { return events.Mean{Sum: fromUS(sum), Count: int64(n)} }
		s.Merge(&events.Summary{
			Successes: n,
			Response: events.Spread{
				Mean: mean(r.rest+r.dns.sum+r.tcp.sum+r.tls.sum+r.ttfb.sum+r.transfer.sum, r.n), Min: fromUS(r.least), Max: fromUS(r.most),
			},
			DNS: mean(r.dns.sum, r.dns.n), TCP: mean(r.tcp.sum, r.tcp.n), TLS: mean(r.tls.sum, r.tls.n), TTFB: mean(r.ttfb.sum, r.ttfb.n),
			Transfer: mean(r.transfer.sum, r.transfer.n),
		})
	default:
		part := events.Summary{ErrorTypes: map[events.ErrorKey]int64{{Outcome: o, Type: r.errorType}: n}}
		switch o {
		case events.Failure:
			part.Failures = n
		case events.Timeout:
			part.Timeouts = n
		case events.ObserverFault:
			part.ObserverFaults = n
		case events.Missed:
			part.MissedRows, part.MissedSlots = n, int64(r.missed)
		}
		s.Merge(&part)
	}
}

// Count adds up the roll-ups' counts.
func (s *Results) Count(ctx context.Context, q events.ResultQuery) (int64, error) {
	from, to := time.UnixMilli(0), forever
	if q.From.After(from) {
		from = q.From
	}
	if !q.To.IsZero() && q.To.Before(to) {
		to = q.To
	}
	if !from.Before(to) {
		return 0, nil
	}
	owners, err := s.ownersOf(ctx, q.MonitorID)
	if err != nil || len(owners) == 0 {
		return 0, wrap("count results", err)
	}
	c := cutAt([]time.Time{from, to}, fewHours)
	var query strings.Builder
	var args []any
	for i, b := range c.branches() {
		w := b.from(owners, q.MonitorID, q.Region)
		w.what(&q)
		if i > 0 {
			query.WriteString(` UNION ALL `)
		}
		query.WriteString(`SELECT count() AS n FROM monitor_events WHERE ` + w.text.String() + b.using("by_"))
		args = append(args, w.args...)
	}
	var n uint64
	err = s.conn.QueryRow(ch.Context(ctx, ch.WithSettings(snapshot)), `SELECT sum(n) FROM (`+query.String()+`)`, args...).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count results: %w", clickhouse.Outage(ctx, err))
	}
	return int64(n), nil
}
