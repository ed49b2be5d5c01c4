package alerts

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// Courier delivers what is in a store through send, for tests that bring their own receiver and clock.
type Courier struct{ inner *courier }

// NewCourier makes one.
func NewCourier(store OutboxStore, log *slog.Logger, send func(context.Context, Claim, time.Time) Result) (*Courier, error) {
	f, err := newFigures(nil)
	if err != nil {
		return nil, err
	}
	return &Courier{newCourier(store, log, f, send)}, nil
}

// Observe sends what the courier tells to the providers, before Run.
func (c *Courier) Observe(tp trace.TracerProvider, mp metric.MeterProvider) (err error) {
	c.inner.tracer = newTracer(tp)
	c.inner.figures, err = newFigures(mp)
	return err
}

// Run delivers until ctx ends.
func (c *Courier) Run(ctx context.Context) { c.inner.run(ctx) }

// Nudge says that there are new messages.
func (c *Courier) Nudge() { c.inner.nudge() }

// SendThrough replaces the network, before Run.
func (s *Service) SendThrough(send func(context.Context, Claim, time.Time) Result) {
	s.courier.send = send
}

// Observe sends the service's figures to the provider, before Run.
func (s *Service) Observe(mp metric.MeterProvider) error {
	f, err := newFigures(mp)
	if err != nil {
		return err
	}
	s.courier.figures, s.feed.figures, s.rechecks.figures = f, f, f
	return nil
}
