package events

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"

	"github.com/frogstats/uptime/internal/telemetry/observe"
)

// metrics are what operators watch. No attribute names a monitor, an organization or a prober.
type metrics struct {
	meter metric.Meter

	received, unjudged, unstored   atomic.Int64 // results
	added, appendFails, commitFail atomic.Int64
	fenced, backfilled             atomic.Int64
	mended, aside                  atomic.Int64 // timelines
	probers, readers               atomic.Int64 // open streams
	evidence                       atomic.Int64
	head                           atomic.Uint64

	appendRows, appendTime, commitTime metric.Float64Histogram
}

func newMetrics(mp metric.MeterProvider) (*metrics, error) {
	if mp == nil {
		mp = otel.GetMeterProvider()
	}
	m := &metrics{meter: mp.Meter(instrumentation)}
	seconds := []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	var errs [3]error
	m.appendRows, errs[0] = m.meter.Float64Histogram("frogup_events_append_rows",
		metric.WithDescription("Results in one insertion into the result store."),
		metric.WithExplicitBucketBoundaries(1, 10, 50, 100, 500, 1000, 2000, 5000, 10_000, 50_000, 100_000))
	m.appendTime, errs[1] = m.meter.Float64Histogram("frogup_events_append_duration", metric.WithUnit("s"),
		metric.WithDescription("Time of an insertion into the result store that succeeded."), metric.WithExplicitBucketBoundaries(seconds...))
	m.commitTime, errs[2] = m.meter.Float64Histogram("frogup_events_commit_duration", metric.WithUnit("s"),
		metric.WithDescription("Time of a commit of judgement that succeeded."), metric.WithExplicitBucketBoundaries(seconds...))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("make instruments: %w", err)
	}
	return m, nil
}

// watch reports what is read when somebody asks.
func (m *metrics) watch(c *court, a *archive, d *mender) error {
	set := observe.New(m.meter)
	set.Counter("frogup_events_received_results", "Results that probers sent, repeated ones included.", m.received.Load)
	set.CounterBy("frogup_events_refused_results", "Results left out for want of room, to be sent again, by what had none.", "queue",
		map[string]func() int64{"judge": m.unjudged.Load, "archive": m.unstored.Load})
	set.Counter("frogup_events_fenced_results", "Results of a lease that was over: stored, and not judged.", m.fenced.Load)
	set.Counter("frogup_events_backfilled_results", "Results of a time when nobody listened, repeated ones included: stored, and not announced.", m.backfilled.Load)
	set.Counter("frogup_events_mended_timelines", "Timelines of monitors that were derived again because results of the past came in.", m.mended.Load)
	set.Counter("frogup_events_unmended_timelines", "Timelines of monitors that were left as they are, because they cannot be derived again from what is stored.", m.aside.Load)
	set.Counter("frogup_events_appended_results", "Results added to the result store, repeated ones not included.", m.added.Load)
	set.Counter("frogup_events_append_failures", "Insertions into the result store that failed, to be tried again.", m.appendFails.Load)
	set.Counter("frogup_events_commit_failures", "Commits of judgement that failed, to be tried again.", m.commitFail.Load)
	set.Counter("frogup_events_evidence", "Pieces of evidence of outages that probers handed over, repeated ones included.", m.evidence.Load)
	set.Gauge("frogup_events_judge_queue", "", "Announcements, transitions and acknowledgements that wait for a commit.", func() float64 { return float64(c.backlog()) })
	set.Gauge("frogup_events_waiting_results", "", "Results of monitors that the catalogue has not named yet.", func() float64 { return float64(c.strangers()) })
	set.Gauge("frogup_events_archive_queue", "", "Results that wait for the result store.", func() float64 { n, _ := a.backlog(); return float64(n) })
	set.Gauge("frogup_events_archive_age", "s", "How long the first of them has waited; 0 if there is none.", func() float64 { _, age := a.backlog(); return age.Seconds() })
	set.Gauge("frogup_events_mend_queue", "", "Monitors whose timelines wait to be derived again.", func() float64 { return float64(d.backlog()) })
	set.Gauge("frogup_events_feed_head", "", "Greatest number in the feed that a reader has seen.", func() float64 { return float64(m.head.Load()) })
	set.Gauge("frogup_events_feed_readers", "", "Open streams of the feed.", func() float64 { return float64(m.readers.Load()) })
	set.Gauge("frogup_events_probers", "", "Open streams of results.", func() float64 { return float64(m.probers.Load()) })
	return set.Register()
}

// saw notes how far the feed reaches.
func (m *metrics) saw(head uint64) {
	for have := m.head.Load(); head > have && !m.head.CompareAndSwap(have, head); have = m.head.Load() {
	}
}

// appended notes one try to insert.
func (m *metrics) appended(ctx context.Context, began time.Time, rows, added int, err error) {
	m.added.Add(int64(added)) // a failure, too, may have added some
	if err != nil {
		m.appendFails.Add(1)
		return
	}
	m.appendRows.Record(ctx, float64(rows))
	m.appendTime.Record(ctx, time.Since(began).Seconds())
}

// committed notes one try to commit.
func (m *metrics) committed(ctx context.Context, began time.Time, err error) {
	if err != nil {
		m.commitFail.Add(1)
		return
	}
	m.commitTime.Record(ctx, time.Since(began).Seconds())
}

// leftOut notes a batch that a full queue did not take.
func (m *metrics) leftOut(results int, in *inflow) {
	if in.judge.out {
		m.unjudged.Add(int64(results))
	}
	if in.store.out {
		m.unstored.Add(int64(results))
	}
}
