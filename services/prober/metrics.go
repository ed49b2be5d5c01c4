package prober

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
)

// Stats counts slots since the prober started. Started slots end as Finished ones;
// Finished + Missed are all the slots that were due.
type Stats struct {
	Started  uint64
	Finished uint64
	Missed   uint64
}

// metrics counts for Prometheus and for Stats.
type metrics struct {
	nStarted, nFinished, nMissed atomic.Uint64

	lateness metric.Float64Histogram
	results  metric.Int64Counter
	skipped  metric.Int64Counter

	byStatus map[checkv1.ResultStatus]metric.MeasurementOption
	byReason map[missedReason]metric.MeasurementOption
}

func newMetrics() (*metrics, error) {
	meter := otel.Meter("github.com/frogstats/uptime/services/prober")
	m := &metrics{byStatus: map[checkv1.ResultStatus]metric.MeasurementOption{}, byReason: map[missedReason]metric.MeasurementOption{}}
	var err error
	if m.lateness, err = meter.Float64Histogram("frogup_prober_lateness", metric.WithUnit("s"),
		metric.WithDescription("Time from when a slot was due to when its check started."),
		metric.WithExplicitBucketBoundaries(.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10)); err != nil {
		return nil, fmt.Errorf("lateness histogram: %w", err)
	}
	if m.results, err = meter.Int64Counter("frogup_prober_results",
		metric.WithDescription("Checks that ended, by status.")); err != nil {
		return nil, fmt.Errorf("result counter: %w", err)
	}
	if m.skipped, err = meter.Int64Counter("frogup_prober_missed_slots",
		metric.WithDescription("Due slots that did not run, by reason.")); err != nil {
		return nil, fmt.Errorf("missed counter: %w", err)
	}
	// Attribute sets are made once: they would cost more than the counting.
	for status := range checkv1.ResultStatus_name {
		s := checkv1.ResultStatus(status)
		m.byStatus[s] = metric.WithAttributeSet(attribute.NewSet(attribute.String("status", statusName(s))))
	}
	for reason := range missedMessages {
		m.byReason[reason] = metric.WithAttributeSet(attribute.NewSet(attribute.String("reason", string(reason))))
	}
	return m, nil
}

func (m *metrics) started(late time.Duration) {
	m.nStarted.Add(1)
	m.lateness.Record(context.Background(), late.Seconds())
}

func (m *metrics) finished(s checkv1.ResultStatus) {
	m.nFinished.Add(1)
	m.results.Add(context.Background(), 1, m.byStatus[s])
}

func (m *metrics) missed(n int, why missedReason) {
	m.nMissed.Add(uint64(n))
	m.skipped.Add(context.Background(), int64(n), m.byReason[why])
}

func (m *metrics) stats() Stats {
	return Stats{Started: m.nStarted.Load(), Finished: m.nFinished.Load(), Missed: m.nMissed.Load()}
}

// watch reports the sizes that are only known by asking.
func (m *metrics) watch(g *engine, o Outbox) error {
	meter := otel.Meter("github.com/frogstats/uptime/services/prober")
	monitors, err := meter.Int64ObservableGauge("frogup_prober_monitors", metric.WithDescription("Monitors that this prober runs."))
	if err != nil {
		return fmt.Errorf("monitor gauge: %w", err)
	}
	pending, err := meter.Int64ObservableGauge("frogup_prober_outbox_results", metric.WithDescription("Results that are not acknowledged as stored."))
	if err != nil {
		return fmt.Errorf("outbox gauge: %w", err)
	}
	dropped, err := meter.Int64ObservableCounter("frogup_prober_outbox_dropped", metric.WithDescription("Results given up for want of room."))
	if err != nil {
		return fmt.Errorf("dropped counter: %w", err)
	}
	_, err = meter.RegisterCallback(func(_ context.Context, ob metric.Observer) error {
		ob.ObserveInt64(monitors, int64(g.size()))
		ob.ObserveInt64(pending, int64(o.Pending()))
		ob.ObserveInt64(dropped, int64(o.Dropped()))
		return nil
	}, monitors, pending, dropped)
	if err != nil {
		return fmt.Errorf("register gauges: %w", err)
	}
	return nil
}
