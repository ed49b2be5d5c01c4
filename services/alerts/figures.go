package alerts

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/frogstats/uptime/internal/telemetry/observe"
)

// figures are what operators watch.
type figures struct {
	entries  metric.Int64Counter // feed entries evaluated
	attempts metric.Int64Counter // by result: delivered, failed, refused
	dead     metric.Int64Counter // messages that will never be delivered
	delay    metric.Float64Histogram
	waited   metric.Float64Histogram // from when a message was due to when it was claimed
	duration metric.Float64Histogram // of attempts, by result
	rechecks metric.Int64Counter     // by result: taken, failed
	sending  atomic.Int64            // attempts that are running
	backlog  atomic.Pointer[Backlog] // of the outbox, as it was lately
	notices  atomic.Int64            // that last
}

func newFigures(p metric.MeterProvider) (*figures, error) {
	if p == nil {
		p = otel.GetMeterProvider()
	}
	m := p.Meter(instrumentation)
	var f figures
	var errs [8]error
	f.entries, errs[0] = m.Int64Counter("frogup_alerts_feed_entries", metric.WithDescription("Feed entries evaluated."))
	f.attempts, errs[1] = m.Int64Counter("frogup_notifications_attempts", metric.WithDescription("Attempts to deliver a notification, by result."))
	f.dead, errs[2] = m.Int64Counter("frogup_notifications_dead", metric.WithDescription("Notifications given up."))
	f.delay, errs[3] = m.Float64Histogram("frogup_notifications_delay", metric.WithUnit("s"),
		metric.WithDescription("From what happened to the delivery that tells of it."),
		metric.WithExplicitBucketBoundaries(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400))
	f.waited, errs[4] = m.Float64Histogram("frogup_notifications_wait", metric.WithUnit("s"),
		metric.WithDescription("From when a notification was due to when a worker took it."),
		metric.WithExplicitBucketBoundaries(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800))
	f.duration, errs[5] = m.Float64Histogram("frogup_notifications_attempt_duration", metric.WithUnit("s"),
		metric.WithDescription("Time of an attempt to deliver, by result."),
		metric.WithExplicitBucketBoundaries(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10))
	f.rechecks, errs[6] = m.Int64Counter("frogup_alerts_rechecks",
		metric.WithDescription("Monitors that were to be checked at once, because others depend on them and fail, by result."))
	set := observe.New(m)
	set.Gauge("frogup_notifications_sending", "", "Attempts to deliver that are running, of the most that may at once: 16.",
		func() float64 { return float64(f.sending.Load()) })
	set.Gauge("frogup_alerts_outbox_messages", "", "Notifications that are not delivered and not given up.",
		func() float64 { return float64(f.lately().Messages) })
	set.Gauge("frogup_alerts_outbox_age", "s", "Age of the oldest of them.", func() float64 {
		if b := f.lately(); b.Messages > 0 {
			return max(now().Sub(b.Oldest), 0).Seconds()
		}
		return 0
	})
	set.Gauge("frogup_alerts_notices_open", "", "Troubles of this installation that last.",
		func() float64 { return float64(f.notices.Load()) })
	errs[7] = set.Register()
	return &f, errors.Join(errs[:]...)
}

func (f *figures) lately() Backlog {
	if b := f.backlog.Load(); b != nil {
		return *b
	}
	return Backlog{}
}

// claimed notes how long a message waited for a worker.
func (f *figures) claimed(ctx context.Context, c Claim, at time.Time) {
	f.waited.Record(ctx, max(at.Sub(c.NextAttemptAt), 0).Seconds())
}

func (f *figures) rechecked(ctx context.Context, err error) {
	result := "taken"
	if err != nil {
		result = "failed"
	}
	f.rechecks.Add(ctx, 1, metric.WithAttributes(attribute.String("result", result)))
}

func (f *figures) took(ctx context.Context, r Result, d time.Duration) {
	f.duration.Record(ctx, d.Seconds(), metric.WithAttributes(attribute.String("result", resultName(r))))
}
