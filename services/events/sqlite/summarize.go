package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"sort"

	"github.com/frogstats/uptime/services/events"
)

// buckets are where a month's results are summed up: sums[i] is for moments in [edges[i], edges[i+1]).
type buckets struct {
	edges     []int64 // rising; clipped to the month
	sums      []*events.Summary
	histogram bool
}

// of returns the summary for a moment that lies within the edges.
func (b *buckets) of(moment int64) *events.Summary {
	i := sort.Search(len(b.edges), func(i int) bool { return b.edges[i] > moment })
	return b.sums[i-1]
}

// span is a stretch of moments, [lo, hi).
type span struct{ lo, hi int64 }

// run is a stretch that is read from one place.
type run struct {
	span
	from source
}

type source int

const (
	fromResults source = iota
	fromMinutes
	fromHours
	fromDays
)

// summarize adds the month's results to b, each from the coarsest place that has it whole within a bucket.
func (v *view) summarize(ctx context.Context, b *buckets) error {
	for _, s := range v.series {
		if err := v.addFresh(ctx, s, b); err != nil {
			return err
		}
		runs, err := v.plan(ctx, s.id, b.edges)
		if err != nil {
			return err
		}
		for _, r := range runs {
			if err := v.addRun(ctx, s.id, r, b); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *view) addFresh(ctx context.Context, s seriesView, b *buckets) error {
	if len(s.fresh) == 0 {
		return nil
	}
	all := make([]measured, len(s.fresh))
	for i, f := range s.fresh {
		all[i] = s.at(f)
	}
	say, err := toldBy(ctx, v.tx, all)
	if err != nil {
		return fmt.Errorf("sum up fresh results: %w", err)
	}
	for i, f := range s.fresh {
		r := moving{measured: all[i]}
		if r.outcome != events.Success {
			r.missed, r.errorType = say[r.variant].missed, say[r.variant].errorType
		}
		r.count(b.of(int64(f.moment)))
	}
	return nil
}

func (v *view) addRun(ctx context.Context, series int64, r run, b *buckets) error {
	lo, hi := resultID(series, r.lo), resultID(series, r.hi)
	if r.from == fromResults {
		const query = `SELECT ` + movingColumns + ` FROM result r WHERE r.id >= ? AND r.id < ?`
		err := eachMoving(ctx, v.tx, func(id int64, m *moving) { m.count(b.of(id & (1<<resultShift - 1))) }, query, lo, hi)
		if err != nil {
			return fmt.Errorf("sum up results: %w", err)
		}
		return nil
	}
	l := map[source]level{fromMinutes: minutes, fromHours: hours, fromDays: days}[r.from]
	err := eachRollup(ctx, v.tx, func(id int64, sum *rollup) {
		b.of(id & (1<<resultShift - 1)).Merge(&sum.Summary)
	}, l.selectRange(b.histogram), lo, hi)
	if err != nil {
		return fmt.Errorf("sum up %s: %w", l.table, err)
	}
	return nil
}

// plan divides the edges' whole stretch into runs: days and hours that lie within a bucket, and what is left over between
// them as minutes where there are any, or as single results.
func (v *view) plan(ctx context.Context, series int64, edges []int64) ([]run, error) {
	var p planner
	for i := 0; i+1 < len(edges); i++ {
		p.bucket(span{edges[i], edges[i+1]})
	}
	if !p.fine {
		return p.runs, nil
	}
	dense, err := v.denseHours(ctx, series, edges[0], edges[len(edges)-1])
	if err != nil {
		return nil, err
	}
	if len(dense) == 0 {
		return p.runs, nil
	}
	q := planner{}
	for _, r := range p.runs {
		if r.from != fromResults {
			q.add(r)
			continue
		}
		for h := hours.floor(r.lo); h < r.hi; h += hours.width {
			part := span{max(r.lo, h), min(r.hi, h+hours.width)}
			if !dense[h] {
				q.add(run{part, fromResults})
				continue
			}
			q.minutesOf(part, edges)
		}
	}
	return q.runs, nil
}

// planner collects runs in the order of time and joins neighbours that come from the same place.
type planner struct {
	runs []run
	fine bool // some runs are finer than hours
}

func (p *planner) add(r run) {
	if r.lo >= r.hi {
		return
	}
	p.fine = p.fine || r.from == fromResults
	if n := len(p.runs); n > 0 && p.runs[n-1].from == r.from && p.runs[n-1].hi == r.lo {
		p.runs[n-1].hi = r.hi
		return
	}
	p.runs = append(p.runs, r)
}

// bucket plans one bucket: whole days in the middle, whole hours around them, single results at the ends.
func (p *planner) bucket(b span) { p.within(b, days, fromDays, p.hoursOf) }

func (p *planner) hoursOf(s span) {
	p.within(s, hours, fromHours, func(s span) { p.add(run{s, fromResults}) })
}

// minutesOf plans a stretch of a dense hour, which may lie in several buckets.
func (p *planner) minutesOf(s span, edges []int64) {
	i := sort.Search(len(edges), func(i int) bool { return edges[i] > s.lo })
	for lo := s.lo; lo < s.hi; i++ {
		hi := s.hi
		if i < len(edges) {
			hi = min(hi, edges[i])
		}
		p.within(span{lo, hi}, minutes, fromMinutes, func(s span) { p.add(run{s, fromResults}) })
		lo = hi
	}
}

// within adds the whole buckets of a level that lie in s, and hands what is left before and after them to rest.
func (p *planner) within(s span, l level, from source, rest func(span)) {
	lo, hi := l.ceil(s.lo), l.floor(s.hi)
	if lo >= hi {
		rest(s)
		return
	}
	rest(span{s.lo, lo})
	p.add(run{span{lo, hi}, from})
	rest(span{hi, s.hi})
}

// denseHours are the starts of the dense hours that overlap [lo, hi).
func (v *view) denseHours(ctx context.Context, series, lo, hi int64) (map[int64]bool, error) {
	const query = `SELECT id FROM rollup_hour WHERE id >= ? AND id < ? AND dense = 1`
	out := map[int64]bool{}
	err := rows(ctx, v.tx, func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		out[id&(1<<resultShift-1)] = true
		return err
	}, query, resultID(series, hours.floor(lo)), resultID(series, hi))
	if err != nil {
		return nil, fmt.Errorf("read dense hours: %w", err)
	}
	return out, nil
}
