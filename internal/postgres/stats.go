package postgres

import (
	"errors"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// poolName tells the pools of a process apart. The schema does, and shows nothing of the address.
const poolName = "db.client.connection.pool.name"

// poolStats reports what a pool does when metrics are read. otelpgx never stops by itself, so what it registers is noted here.
type poolStats struct {
	metric.MeterProvider
	registered []metric.Registration
}

func recordStats(pool *pgxpool.Pool, opts Options) (*poolStats, error) {
	provider := opts.MeterProvider
	if provider == nil {
		provider = otel.GetMeterProvider()
	}
	s := &poolStats{MeterProvider: provider}
	err := otelpgx.RecordStats(pool, otelpgx.WithStatsMeterProvider(s), otelpgx.WithStatsAttributes(attribute.String(poolName, opts.Schema)))
	return s, err
}

// Meter is the provider's.
func (s *poolStats) Meter(name string, opts ...metric.MeterOption) metric.Meter {
	return notingMeter{s.MeterProvider.Meter(name, opts...), s}
}

func (s *poolStats) stop() (err error) {
	if s == nil {
		return nil
	}
	for _, r := range s.registered {
		err = errors.Join(err, r.Unregister())
	}
	return err
}

type notingMeter struct {
	metric.Meter
	stats *poolStats
}

// RegisterCallback notes what it registers.
func (m notingMeter) RegisterCallback(f metric.Callback, instruments ...metric.Observable) (metric.Registration, error) {
	r, err := m.Meter.RegisterCallback(f, instruments...)
	if err == nil {
		m.stats.registered = append(m.stats.registered, r)
	}
	return r, err
}
