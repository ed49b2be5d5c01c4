package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/frogstats/uptime/services/events"
)

// place is where a result lies in its month.
type place struct {
	moment int64
	series int // index in the view
	fresh  bool
}

// List goes back through the months until the page is full. Months that are skipped whole are not read, only counted.
func (h *History) List(ctx context.Context, q events.ResultQuery) ([]events.Result, error) {
	var out []events.Result
	skip, want := q.Offset, q.Limit
	all := h.between(q.From, upper(q))
	for i := len(all) - 1; i >= 0 && want > 0; i-- {
		err := h.with(ctx, all[i], func(m *month) error {
			page, skipped, err := m.list(ctx, q, skip, want)
			out, skip, want = append(out, page...), skip-skipped, want-len(page)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("list results: %w", err)
		}
	}
	return out, nil
}

// upper is the end of what the query wants; zero is open.
func upper(q events.ResultQuery) time.Time {
	at := q.Before.ScheduledAt
	if at.IsZero() || !q.To.IsZero() && q.To.Before(at) {
		return q.To
	}
	return at.Add(time.Millisecond)
}

// list returns up to limit of the month's results after leaving out skip of them, and how many it left out.
func (m *month) list(ctx context.Context, q events.ResultQuery, skip, limit int) ([]events.Result, int, error) {
	lo, hi := int64(0), m.length()
	if !q.From.IsZero() {
		lo = max(lo, m.moment(q.From))
	}
	if !q.To.IsZero() {
		hi = min(hi, m.moment(q.To))
	}
	if at := q.Before.ScheduledAt; !at.IsZero() {
		hi = min(hi, m.moment(at)+1)
	}
	if lo >= hi {
		return nil, 0, nil
	}
	v, err := m.view(ctx, ofMonitor(q.MonitorID, q.Region), lo, hi)
	if err != nil {
		return nil, 0, err
	}
	defer v.done()
	if skip > 0 && q.Before.ScheduledAt.IsZero() {
		var sum events.Summary
		if err := v.summarize(ctx, &buckets{edges: []int64{lo, hi}, sums: []*events.Summary{&sum}}); err != nil {
			return nil, 0, err
		}
		if n := matching(&sum, q); n <= int64(skip) {
			return nil, int(n), nil
		}
	}
	places, err := v.places(ctx, q, span{lo, hi}, skip+limit)
	if err != nil {
		return nil, 0, err
	}
	skip = min(skip, len(places))
	page, err := v.read(ctx, places[skip:])
	return page, skip, err
}

// places finds the n newest results of all series that the query wants.
func (v *view) places(ctx context.Context, q events.ResultQuery, s span, n int) ([]place, error) {
	var out []place
	for i, series := range v.series {
		hi := s.hi
		if at := q.Before.ScheduledAt; !at.IsZero() && series.region >= q.Before.Region {
			hi = min(hi, v.moment(at)) // of the last slot only the regions that come after
		}
		settled, err := v.settledPlaces(ctx, i, q, span{s.lo, hi}, n)
		if err != nil {
			return nil, err
		}
		fresh, err := v.freshPlaces(ctx, i, q, hi)
		if err != nil {
			return nil, err
		}
		out = append(append(out, settled...), fresh...)
	}
	slices.SortFunc(out, func(a, b place) int {
		return cmp.Or(cmp.Compare(b.moment, a.moment), cmp.Compare(b.series, a.series)) // series are in the order of regions
	})
	return out[:min(n, len(out))], nil
}

// restriction is the part of a query that a row has to meet, for a table r joined, if need be, with its variant v.
func restriction(q events.ResultQuery) (join, where string, args []any) {
	if len(q.Outcomes) > 0 {
		where += ` AND r.outcome IN (` + strings.TrimSuffix(strings.Repeat(`?, `, len(q.Outcomes)), `, `) + `)`
		for _, o := range q.Outcomes {
			args = append(args, int(o))
		}
	}
	if q.ErrorType != "" {
		join, where = ` JOIN variant v ON v.id = r.variant_id`, where+` AND v.error_type = ?`
		args = append(args, q.ErrorType)
	}
	return join, where, args
}

// faultsOnly reports whether no success can meet the query.
func faultsOnly(q events.ResultQuery) bool {
	return q.ErrorType != "" || len(q.Outcomes) > 0 && !slices.Contains(q.Outcomes, events.Success)
}

func (v *view) settledPlaces(ctx context.Context, i int, q events.ResultQuery, s span, n int) ([]place, error) {
	id := v.series[i].id
	join, where, args := restriction(q)
	table := `result r`
	if faultsOnly(q) { // a few among many successes have an index of their own
		table, where = `result r INDEXED BY result_fault`, where+` AND r.outcome <> 1`
	}
	query := `SELECT r.id FROM ` + table + join + ` WHERE r.id >= ? AND r.id < ?` + where + ` ORDER BY r.id DESC LIMIT ? + 0`
	args = append(append([]any{resultID(id, s.lo), resultID(id, s.hi)}, args...), n)
	var out []place
	err := rows(ctx, v.tx, func(r *sql.Rows) error {
		var key int64
		err := r.Scan(&key)
		out = append(out, place{key & (1<<resultShift - 1), i, false})
		return err
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("find settled results: %w", err)
	}
	return out, nil
}

func (v *view) freshPlaces(ctx context.Context, i int, q events.ResultQuery, hi int64) ([]place, error) {
	s := v.series[i]
	var say map[int64]told
	if q.ErrorType != "" {
		all := make([]measured, len(s.fresh))
		for k, f := range s.fresh {
			all[k] = s.at(f)
		}
		var err error
		if say, err = toldBy(ctx, v.tx, all); err != nil {
			return nil, fmt.Errorf("find fresh results: %w", err)
		}
	}
	var out []place
	for _, f := range s.fresh {
		if int64(f.moment) >= hi || len(q.Outcomes) > 0 && !slices.Contains(q.Outcomes, f.outcome) {
			continue
		}
		if q.ErrorType != "" && say[s.at(f).variant].errorType != q.ErrorType {
			continue
		}
		out = append(out, place{int64(f.moment), i, true})
	}
	return out, nil
}

// read returns the results at the places, in their order.
func (v *view) read(ctx context.Context, places []place) ([]events.Result, error) {
	out := make([]events.Result, len(places))
	if err := v.readFresh(ctx, places, out); err != nil {
		return nil, fmt.Errorf("read fresh results: %w", err)
	}
	at := map[int64]int{}
	var ids []int64
	for i, p := range places {
		if !p.fresh {
			id := resultID(v.series[p.series].id, p.moment)
			at[id], ids = i, append(ids, id)
		}
	}
	if len(ids) == 0 {
		return out, nil
	}
	err := v.eachResult(ctx, func(id int64, r *events.Result) error {
		i := at[id]
		locate(r, v.series[places[i].series].seriesKey, v.at(places[i].moment))
		out[i] = *r
		return nil
	}, `json_each(?) AS j CROSS JOIN result r ON r.id = j.value`, jsonList(ids))
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	return out, nil
}

// readFresh fills in those of the places that are fresh: what was measured from memory, the rest from their variants.
func (v *view) readFresh(ctx context.Context, places []place, out []events.Result) error {
	byVariant := map[int64][]int{}
	rows := make([]measured, len(places))
	for i, p := range places {
		if !p.fresh {
			continue
		}
		s := v.series[p.series]
		k, _ := slices.BinarySearchFunc(s.fresh, p.moment, func(f freshResult, m int64) int { return cmp.Compare(int64(f.moment), m) })
		rows[i] = s.at(s.fresh[k])
		byVariant[rows[i].variant] = append(byVariant[rows[i].variant], i)
	}
	if len(byVariant) == 0 {
		return nil
	}
	return v.eachResult(ctx, func(variant int64, r *events.Result) error {
		for _, i := range byVariant[variant] {
			x := *r
			x.Headers, x.ValidationErrors = maps.Clone(r.Headers), slices.Clone(r.ValidationErrors)
			rows[i].fill(&x)
			locate(&x, v.series[places[i].series].seriesKey, v.at(places[i].moment))
			out[i] = x
		}
		return nil
	}, ofVariants, jsonList(slices.Collect(maps.Keys(byVariant))))
}

// ofVariants makes a result of each of the variants in a list, by their numbers, of which nothing was measured.
const ofVariants = `
(SELECT value AS id, 0 AS outcome, value AS variant_id, 0 AS late_ms, 0 AS response_us, NULL AS dns_us, NULL AS tcp_us, NULL AS tls_us,
        NULL AS ttfb_us, NULL AS transfer_us, NULL AS size_bytes FROM json_each(?)) AS r`

// eachResult reads whole results from a FROM clause that names its table r. What it hands to fn still has to be located.
func (v *view) eachResult(ctx context.Context, fn func(id int64, r *events.Result) error, from string, args ...any) error {
	const columns = `
SELECT r.id, r.outcome, r.variant_id, r.late_ms, r.response_us, r.dns_us, r.tcp_us, r.tls_us, r.ttfb_us, r.transfer_us, r.size_bytes,
       v.status_code, v.attempt, v.prober_id, v.resolved_ip, v.ip_family, v.tls_version, v.cert_expires_at, v.error_type, v.error_message,
       v.failed_phase, v.validation_errors, v.missed_count, v.next_at, v.epoch, h.headers,
       c.version, c.organization_id, c.monitor_type, c.monitor_url, c.monitor_name, c.port
FROM `
	const joins = `
JOIN variant v ON v.id = r.variant_id JOIN config c ON c.id = v.config_id LEFT JOIN header_set h ON h.id = v.header_set_id`
	where := ``
	if head, tail, ok := strings.Cut(from, ` WHERE `); ok {
		from, where = head, ` WHERE `+tail
	}
	return rows(ctx, v.tx, func(row *sql.Rows) error {
		var id, cert, next, epoch, version int64
		var m measured
		var r events.Result
		var validation string
		var headers sql.NullString
		err := row.Scan(append(append([]any{&id}, m.targets()...),
			&r.StatusCode, &r.Attempt, &r.ProberID, &r.ResolvedIP, &r.Family, &r.TLSVersion, &cert, &r.ErrorType, &r.ErrorMessage,
			&r.FailedPhase, &validation, &r.MissedCount, &next, &epoch, &headers,
			&version, &r.OrganizationID, &r.Kind, &r.URL, &r.Name, &r.Port)...)
		if err != nil {
			return err
		}
		m.fill(&r)
		r.CertExpiresAt, r.NextScheduledAt, r.ConfigVersion, r.Epoch = moment(cert), moment(next), uint64(version), uint64(epoch)
		if r.ValidationErrors, err = unlist(validation); err != nil {
			return err
		}
		if headers.Valid {
			if err := json.Unmarshal([]byte(headers.String), &r.Headers); err != nil {
				return fmt.Errorf("decode headers: %w", err)
			}
		}
		return fn(id, &r)
	}, columns+from+joins+where, args...)
}

// fill sets what was measured; StartedAt is, until the result is located, only the lateness after the zero time.
func (m *measured) fill(r *events.Result) {
	r.Outcome, r.ResponseTime, r.Size = m.outcome, fromUS(m.response), events.Absent
	r.DNS, r.TCP, r.TLS, r.TTFB, r.Transfer = duration(m.dns), duration(m.tcp), duration(m.tls), duration(m.ttfb), duration(m.xfer)
	r.StartedAt = time.Time{}.Add(fromMS(m.late))
	if m.size.Valid {
		r.Size = m.size.Int64
	}
}

// locate says which result it is.
func locate(r *events.Result, k seriesKey, at time.Time) {
	r.MonitorID, r.Region, r.ScheduledAt = k.monitorID, k.region, at
	r.StartedAt = at.Add(r.StartedAt.Sub(time.Time{}))
}
