package alerts

import (
	"errors"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
)

// figures are what operators watch.
type figures struct {
	entries  metric.Int64Counter // feed entries evaluated
	attempts metric.Int64Counter // by result: delivered, failed, refused
	dead     metric.Int64Counter // messages that will never be delivered
	delay    metric.Float64Histogram
}

func newFigures(p metric.MeterProvider) (*figures, error) {
	if p == nil {
		p = otel.GetMeterProvider()
	}
	m := p.Meter("github.com/frogstats/uptime/services/alerts")
	var f figures
	var errs [4]error
	f.entries, errs[0] = m.Int64Counter("frogup_alerts_feed_entries", metric.WithDescription("Feed entries evaluated."))
	f.attempts, errs[1] = m.Int64Counter("frogup_notifications_attempts", metric.WithDescription("Attempts to deliver a notification, by result."))
	f.dead, errs[2] = m.Int64Counter("frogup_notifications_dead", metric.WithDescription("Notifications given up."))
	f.delay, errs[3] = m.Float64Histogram("frogup_notifications_delay", metric.WithUnit("s"),
		metric.WithDescription("From what happened to the delivery that tells of it."),
		metric.WithExplicitBucketBoundaries(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400))
	return &f, errors.Join(errs[:]...)
}
