// Package observe reports numbers that are read when somebody asks for metrics: what they measure pays an atomic increment, or
// nothing at all.
package observe

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Set gathers what one callback reads. Units are UCUM codes, such as "s" or "By"; "" is a plain number. The functions are
// called from any goroutine, whenever metrics are read, and must not block.
type Set struct {
	meter   metric.Meter
	what    []metric.Observable
	observe []func(metric.Observer)
	errs    []error
}

// New makes an empty set.
func New(m metric.Meter) *Set { return &Set{meter: m} }

// Gauge adds a number that goes up and down.
func (s *Set) Gauge(name, unit, text string, value func() float64) {
	g, err := s.meter.Float64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(text))
	s.add(g, err, func(o metric.Observer) { o.ObserveFloat64(g, value()) })
}

// Counter adds a number that only goes up.
func (s *Set) Counter(name, text string, value func() int64) {
	c, err := s.meter.Int64ObservableCounter(name, metric.WithDescription(text))
	s.add(c, err, func(o metric.Observer) { o.ObserveInt64(c, value()) })
}

// CounterBy adds a counter with one attribute, key; values has its few values.
func (s *Set) CounterBy(name, text, key string, values map[string]func() int64) {
	c, err := s.meter.Int64ObservableCounter(name, metric.WithDescription(text))
	sets := make(map[string]metric.ObserveOption, len(values))
	for v := range values {
		sets[v] = metric.WithAttributeSet(attribute.NewSet(attribute.String(key, v)))
	}
	s.add(c, err, func(o metric.Observer) {
		for v, value := range values {
			o.ObserveInt64(c, value(), sets[v])
		}
	})
}

func (s *Set) add(what metric.Observable, err error, observe func(metric.Observer)) {
	s.what, s.observe, s.errs = append(s.what, what), append(s.observe, observe), append(s.errs, err)
}

// Register begins to report.
func (s *Set) Register() error {
	if err := errors.Join(s.errs...); err != nil {
		return fmt.Errorf("make instruments: %w", err)
	}
	_, err := s.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, observe := range s.observe {
			observe(o)
		}
		return nil
	}, s.what...)
	if err != nil {
		return fmt.Errorf("register instruments: %w", err)
	}
	return nil
}
