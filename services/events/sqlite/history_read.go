package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/frogstats/uptime/services/events"
)

// Summarize sums up what lies between neighbouring edges.
func (h *History) Summarize(ctx context.Context, monitorID uint32, region string, edges []time.Time) ([]events.Summary, error) {
	sums := make([]events.Summary, max(len(edges)-1, 0))
	if len(sums) == 0 {
		return nil, nil
	}
	if err := h.sumInto(ctx, ofMonitor(monitorID, region), edges, sums, true); err != nil {
		return nil, fmt.Errorf("summarize results: %w", err)
	}
	return sums, nil
}

// Count adds up what the roll-ups say.
func (h *History) Count(ctx context.Context, q events.ResultQuery) (int64, error) {
	from, to := q.From, q.To
	all := h.between(from, to)
	if len(all) == 0 {
		return 0, nil
	}
	if from.IsZero() {
		from = all[0].start
	}
	if to.IsZero() {
		to = all[len(all)-1].start.AddDate(0, 1, 0)
	}
	if !from.Before(to) {
		return 0, nil
	}
	var sum [1]events.Summary
	if err := h.sumInto(ctx, ofMonitor(q.MonitorID, q.Region), []time.Time{from, to}, sum[:], false); err != nil {
		return 0, fmt.Errorf("count results: %w", err)
	}
	return matching(&sum[0], q), nil
}

// matching is how many of the results in a summary a query wants.
func matching(s *events.Summary, q events.ResultQuery) int64 {
	outcomes := q.Outcomes
	if len(outcomes) == 0 {
		outcomes = []events.Outcome{events.Success, events.Failure, events.Timeout, events.ObserverFault, events.Missed}
	}
	var n int64
	for i, o := range outcomes {
		if slices.Contains(outcomes[:i], o) {
			continue
		}
		if q.ErrorType != "" {
			n += s.ErrorTypes[events.ErrorKey{Outcome: o, Type: q.ErrorType}]
			continue
		}
		n += s.Rows(o)
	}
	return n
}

// sumInto sums up every month that the edges reach into.
func (h *History) sumInto(ctx context.Context, pick func(*month) []*series, edges []time.Time, sums []events.Summary, histogram bool) error {
	for _, s := range h.between(edges[0], edges[len(edges)-1]) {
		err := h.with(ctx, s, func(m *month) error {
			b := m.clip(edges, sums)
			b.histogram = histogram
			v, err := m.view(ctx, pick, b.edges[0], b.edges[len(b.edges)-1])
			if err != nil {
				return err
			}
			defer v.done()
			return v.summarize(ctx, b)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// clip is the part of the edges that lies in the month, of which there is some.
func (m *month) clip(edges []time.Time, sums []events.Summary) *buckets {
	b := &buckets{}
	for i := range sums {
		lo, hi := max(m.moment(edges[i]), 0), min(m.moment(edges[i+1]), m.length())
		if lo >= hi {
			continue
		}
		if len(b.edges) == 0 {
			b.edges = append(b.edges, lo)
		}
		b.edges = append(b.edges, hi)
		b.sums = append(b.sums, &sums[i])
	}
	return b
}

// MeanResponses reads the hours since since, and what lies before the first of them more finely.
func (h *History) MeanResponses(ctx context.Context, monitorIDs []uint32, since time.Time) (map[uint32]events.Mean, error) {
	out := map[uint32]events.Mean{}
	for _, s := range h.between(since, time.Time{}) {
		err := h.with(ctx, s, func(m *month) error { return m.meanResponses(ctx, monitorIDs, since, out) })
		if err != nil {
			return nil, fmt.Errorf("read mean response times: %w", err)
		}
	}
	return out, nil
}

func (m *month) meanResponses(ctx context.Context, monitorIDs []uint32, since time.Time, out map[uint32]events.Mean) error {
	lo, hi := max(m.moment(since), 0), m.length()
	v, err := m.view(ctx, ofMonitors(monitorIDs), lo, hi)
	if err != nil {
		return err
	}
	defer v.done()
	if len(v.series) == 0 {
		return nil
	}
	owner := make(map[int64]uint32, len(v.series))
	ids := make([]int64, 0, len(v.series))
	for _, s := range v.series {
		if _, twice := owner[s.id]; twice { // an id was given twice
			continue
		}
		owner[s.id] = s.monitorID
		ids = append(ids, s.id)
		mean := out[s.monitorID]
		for _, f := range s.fresh {
			if f.outcome == events.Success {
				mean.Merge(events.Mean{Sum: fromUS(int64(f.response)), Count: 1})
			}
		}
		out[s.monitorID] = mean
	}
	err = v.settledMeans(ctx, ids, lo, func(series, sum, count int64) {
		mean := out[owner[series]]
		mean.Merge(events.Mean{Sum: fromUS(sum), Count: count})
		out[owner[series]] = mean
	})
	for _, id := range monitorIDs {
		if out[id].Count == 0 {
			delete(out, id)
		}
	}
	return err
}

// settledMeans adds up the settled results of many series from lo to the end of the month, in four queries: whole hours,
// minutes of the first hour where that is dense, results up to the first whole minute there, and results where it is not.
func (v *view) settledMeans(ctx context.Context, ids []int64, lo int64, add func(series, sum, count int64)) error {
	const (
		wholeHours = `
SELECT s.value, SUM(h.response_us), SUM(h.successes) FROM json_each(?1) AS s
CROSS JOIN rollup_hour h ON h.id >= (s.value << 32) + ?2 AND h.id < (s.value + 1) << 32 GROUP BY s.value`
		denseMinutes = `
SELECT s.value, SUM(m.response_us), SUM(m.successes) FROM json_each(?1) AS s
CROSS JOIN rollup_hour h ON h.id = (s.value << 32) + ?4 AND h.dense = 1
CROSS JOIN rollup_minute m ON m.id >= (s.value << 32) + ?2 AND m.id < (s.value << 32) + ?3 GROUP BY s.value`
		denseResults = `
SELECT s.value, SUM(r.response_us), COUNT(*) FROM json_each(?1) AS s
CROSS JOIN rollup_hour h ON h.id = (s.value << 32) + ?4 AND h.dense = 1
CROSS JOIN result r ON r.id >= (s.value << 32) + ?2 AND r.id < (s.value << 32) + ?3 AND r.outcome = 1 GROUP BY s.value`
		sparseResults = `
SELECT s.value, SUM(r.response_us), COUNT(*) FROM json_each(?1) AS s
CROSS JOIN rollup_hour h ON h.id = (s.value << 32) + ?4 AND h.dense = 0
CROSS JOIN result r ON r.id >= (s.value << 32) + ?2 AND r.id < (s.value << 32) + ?3 AND r.outcome = 1 GROUP BY s.value`
	)
	hour, nextHour, nextMinute := hours.floor(lo), hours.ceil(lo), minutes.ceil(lo)
	list := jsonList(ids)
	scan := func(r *sql.Rows) error {
		var series, sum, count int64
		err := r.Scan(&series, &sum, &count)
		add(series, sum, count)
		return err
	}
	for _, q := range []struct {
		query string
		args  []any
	}{
		{wholeHours, []any{list, nextHour}},
		{denseMinutes, []any{list, nextMinute, nextHour, hour}},
		{denseResults, []any{list, lo, nextMinute, hour}},
		{sparseResults, []any{list, lo, nextHour, hour}},
	} {
		if err := rows(ctx, v.tx, scan, q.query, q.args...); err != nil {
			return fmt.Errorf("sum up response times: %w", err)
		}
	}
	return nil
}
