package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/frogstats/uptime/internal/sqlite"
	"github.com/frogstats/uptime/services/events"
)

// replayWindow is how much of a monitor's history Replay holds in memory at once.
const replayWindow = 24 * time.Hour

// Replay reads a monitor's results a window at a time, because regions have to be put in order.
func (h *History) Replay(ctx context.Context, monitorID uint32, after map[string]time.Time, fn func(*events.Result) error) error {
	if len(after) == 0 {
		return nil
	}
	from := time.Time{}
	first := true
	for _, t := range after {
		if first || t.Before(from) {
			from, first = t, false
		}
	}
	for _, s := range h.between(from, time.Time{}) {
		err := h.with(ctx, s, func(m *month) error { return m.replay(ctx, monitorID, after, from, fn) })
		if err != nil {
			return fmt.Errorf("replay results: %w", err)
		}
	}
	return nil
}

func (m *month) replay(ctx context.Context, monitorID uint32, after map[string]time.Time, from time.Time, fn func(*events.Result) error) error {
	lo := int64(0)
	if !from.IsZero() {
		lo = max(lo, m.moment(from))
	}
	say := variants{}
	for {
		next, err := m.nextMoment(ctx, monitorID, after, lo)
		if err != nil || next < 0 {
			return err
		}
		lo = next + replayWindow.Milliseconds()
		part, err := m.window(ctx, monitorID, after, say, span{next, min(lo, m.length())})
		if err != nil {
			return err
		}
		for i := range part {
			if err := fn(&part[i]); err != nil {
				return err
			}
		}
	}
}

// nextMoment is where the wanted results at or after lo begin; -1 if there are none. It keeps a start with many monitors that
// have nothing to replay from looking at every day of every month.
func (m *month) nextMoment(ctx context.Context, monitorID uint32, after map[string]time.Time, lo int64) (int64, error) {
	m.mu.RLock()
	next := int64(-1)
	take := func(at int64) {
		if next < 0 || at < next {
			next = at
		}
	}
	var settled []int64
	for _, s := range m.byMonitor[monitorID] {
		last, ok := after[s.region]
		if !ok {
			continue
		}
		first := lo
		if !last.IsZero() {
			first = max(first, m.moment(last)+1)
		}
		if rest := s.between(first, m.length()); len(rest) > 0 {
			take(int64(rest[0].moment))
		}
		if s.settled >= first {
			settled = append(settled, resultID(s.id, first))
		}
	}
	m.mu.RUnlock()
	const query = `SELECT r.id FROM result r WHERE r.id >= ? ORDER BY r.id LIMIT 1`
	for _, id := range settled { // each has a result at or after it
		var first int64
		if err := m.read.QueryRowContext(ctx, query, id).Scan(&first); err != nil {
			return 0, fmt.Errorf("find next result: %w", err)
		}
		take(first & (1<<resultShift - 1))
	}
	return next, nil
}

// window reads the results of a stretch of time that are wanted, in their order.
func (m *month) window(ctx context.Context, monitorID uint32, after map[string]time.Time, say variants, s span) ([]events.Result, error) {
	v, err := m.view(ctx, ofMonitor(monitorID, ""), s.lo, s.hi)
	if err != nil {
		return nil, err
	}
	defer v.done()
	var all []placed
	for i, series := range v.series {
		last, ok := after[series.region]
		if !ok {
			continue
		}
		lo := s.lo
		if !last.IsZero() {
			lo = max(lo, m.moment(last)+1)
		}
		if all, err = v.stretch(ctx, i, span{lo, s.hi}, all); err != nil {
			return nil, err
		}
	}
	if err := v.explain(ctx, say, all); err != nil {
		return nil, fmt.Errorf("read variants: %w", err)
	}
	slices.SortStableFunc(all, func(a, b placed) int { return cmp.Compare(a.moment, b.moment) })
	out := make([]events.Result, len(all))
	for i := range all {
		p := &all[i]
		out[i] = *say[p.variant]
		p.fill(&out[i])
		locate(&out[i], v.series[p.series].seriesKey, v.at(p.moment))
	}
	return out, nil
}

// placed is what was measured, and where it lies.
type placed struct {
	moment int64
	series int // index in the view
	measured
}

// variants is what many results have in common, by number. Most results of a monitor share one, so what is not measured is read,
// and its texts are decoded, once for all of them.
type variants map[int64]*events.Result

// stretch adds what was measured in one series, the fresh results last.
func (v *view) stretch(ctx context.Context, i int, s span, to []placed) ([]placed, error) {
	series := v.series[i]
	if s.lo >= s.hi {
		return to, nil
	}
	const query = `
SELECT r.id, r.outcome, r.variant_id, r.late_ms, r.response_us, r.dns_us, r.tcp_us, r.tls_us, r.ttfb_us, r.transfer_us, r.size_bytes
FROM result r WHERE r.id >= ? AND r.id < ?`
	p, id := placed{series: i}, int64(0)
	targets := append([]any{&id}, p.targets()...)
	err := rows(ctx, v.tx, func(row *sql.Rows) error {
		err := row.Scan(targets...)
		p.moment = id & (1<<resultShift - 1)
		to = append(to, p)
		return err
	}, query, resultID(series.id, s.lo), resultID(series.id, s.hi))
	if err != nil {
		return nil, fmt.Errorf("read settled results: %w", err)
	}
	for _, f := range series.fresh {
		if at := int64(f.moment); at >= s.lo && at < s.hi {
			to = append(to, placed{at, i, series.at(f)})
		}
	}
	return to, nil
}

// explain reads the variants that are not known yet.
func (v *view) explain(ctx context.Context, say variants, all []placed) error {
	if len(say) > maxRemembered {
		clear(say)
	}
	var missing []int64
	for i := range all {
		id := all[i].variant
		if _, ok := say[id]; !ok {
			say[id] = nil
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	err := v.eachResult(ctx, func(id int64, r *events.Result) error {
		say[id] = r
		return nil
	}, ofVariants, jsonList(missing))
	if err != nil {
		return err
	}
	for _, id := range missing {
		if say[id] == nil {
			return fmt.Errorf("%w: variant %d is not there", sqlite.ErrCorrupt, id)
		}
	}
	return nil
}

// LastSlots looks at the two newest months: a series that is silent for longer than that is not merely late.
func (h *History) LastSlots(ctx context.Context, q events.SlotQuery) (map[uint32]time.Time, error) {
	if !q.Until.IsZero() {
		return h.lastSlotsUntil(ctx, q)
	}
	region, out := q.Region, map[uint32]time.Time{}
	all := h.between(time.Time{}, time.Time{})
	for _, s := range all[max(len(all)-2, 0):] {
		err := h.with(ctx, s, func(m *month) error { return m.lastSlots(ctx, region, out) })
		if err != nil {
			return nil, fmt.Errorf("read last slots: %w", err)
		}
	}
	return out, nil
}

// lastSlotsUntil looks up one after the other, which costs no more than together where there is no server.
func (h *History) lastSlotsUntil(ctx context.Context, q events.SlotQuery) (map[uint32]time.Time, error) {
	out := map[uint32]time.Time{}
	for _, id := range q.MonitorIDs {
		rows, err := h.List(ctx, events.ResultQuery{MonitorID: id, Region: q.Region, To: q.Until.Add(time.Millisecond), Limit: 1})
		if err != nil {
			return nil, fmt.Errorf("read last slots: %w", err)
		}
		if len(rows) > 0 {
			out[id] = rows[0].LastSlot()
		}
	}
	return out, nil
}

func (m *month) lastSlots(ctx context.Context, region string, out map[uint32]time.Time) error {
	v, err := m.view(ctx, ofRegion(region), 0, m.length())
	if err != nil {
		return err
	}
	defer v.done()
	settled, err := v.newestSettled(ctx)
	if err != nil {
		return err
	}
	var places []place
	for i, s := range v.series {
		p := place{settled[s.id], i, false}
		if _, ok := settled[s.id]; !ok {
			p.moment = -1
		}
		if n := len(s.fresh); n > 0 && int64(s.fresh[n-1].moment) > p.moment {
			p = place{int64(s.fresh[n-1].moment), i, true}
		}
		if p.moment >= 0 {
			places = append(places, p)
		}
	}
	list, err := v.read(ctx, places)
	if err != nil {
		return err
	}
	for i := range list {
		id, at := list[i].MonitorID, list[i].LastSlot()
		if at.After(out[id]) {
			out[id] = at
		}
	}
	return nil
}

// newestSettled is the newest settled moment of each series in the view that has any.
func (v *view) newestSettled(ctx context.Context) (map[int64]int64, error) {
	ids := make([]int64, len(v.series))
	for i, s := range v.series {
		ids[i] = s.id
	}
	const query = `
SELECT s.value, (SELECT r.id FROM result r WHERE r.id >= s.value << 32 AND r.id < (s.value + 1) << 32 ORDER BY r.id DESC LIMIT 1) AS newest
FROM json_each(?) AS s WHERE newest IS NOT NULL`
	out := make(map[int64]int64, len(ids))
	err := rows(ctx, v.tx, scanPair(func(id, newest int64) { out[id] = newest & (1<<resultShift - 1) }), query, jsonList(ids))
	if err != nil {
		return nil, fmt.Errorf("read newest results: %w", err)
	}
	return out, nil
}
