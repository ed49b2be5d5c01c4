package sqlite

import (
	"context"
	"fmt"
	"slices"
	"time"

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
	for {
		next, err := m.nextMoment(ctx, monitorID, after, lo)
		if err != nil || next < 0 {
			return err
		}
		lo = next + replayWindow.Milliseconds()
		part, err := m.window(ctx, monitorID, after, span{next, min(lo, m.length())})
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
		if err := m.db.Read().QueryRowContext(ctx, query, id).Scan(&first); err != nil {
			return 0, fmt.Errorf("find next result: %w", err)
		}
		take(first & (1<<resultShift - 1))
	}
	return next, nil
}

// window reads the results of a stretch of time that are wanted, in their order.
func (m *month) window(ctx context.Context, monitorID uint32, after map[string]time.Time, s span) ([]events.Result, error) {
	v, err := m.view(ctx, ofMonitor(monitorID, ""), s.lo, s.hi)
	if err != nil {
		return nil, err
	}
	defer v.done()
	var out []events.Result
	for i, series := range v.series {
		last, ok := after[series.region]
		if !ok {
			continue
		}
		lo := s.lo
		if !last.IsZero() {
			lo = max(lo, m.moment(last)+1)
		}
		part, err := v.stretch(ctx, i, span{lo, s.hi})
		if err != nil {
			return nil, err
		}
		out = append(out, part...)
	}
	slices.SortStableFunc(out, func(a, b events.Result) int { return a.ScheduledAt.Compare(b.ScheduledAt) })
	return out, nil
}

// stretch reads the results of one series, the fresh ones last.
func (v *view) stretch(ctx context.Context, i int, s span) ([]events.Result, error) {
	series := v.series[i]
	var out []events.Result
	if s.lo >= s.hi {
		return nil, nil
	}
	err := v.eachResult(ctx, func(id int64, r *events.Result) error {
		locate(r, series.seriesKey, v.at(id&(1<<resultShift-1)))
		out = append(out, *r)
		return nil
	}, `result r WHERE r.id >= ? AND r.id < ?`, resultID(series.id, s.lo), resultID(series.id, s.hi))
	if err != nil {
		return nil, fmt.Errorf("read settled results: %w", err)
	}
	var places []place
	for _, f := range series.fresh {
		if at := int64(f.moment); at >= s.lo && at < s.hi {
			places = append(places, place{at, i, true})
		}
	}
	fresh, err := v.read(ctx, places)
	return append(out, fresh...), err
}

// LastSlots looks at the two newest months: a series that is silent for longer than that is not merely late.
func (h *History) LastSlots(ctx context.Context, region string) (map[uint32]time.Time, error) {
	out := map[uint32]time.Time{}
	all := h.between(time.Time{}, time.Time{})
	for _, s := range all[max(len(all)-2, 0):] {
		err := h.with(ctx, s, func(m *month) error { return m.lastSlots(ctx, region, out) })
		if err != nil {
			return nil, fmt.Errorf("read last slots: %w", err)
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
