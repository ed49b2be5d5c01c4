package postgres_test

import (
	"slices"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/frogstats/uptime/internal/postgres"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
)

// Pools of one process are told apart by their schema, and are not heard of any more once they are closed.
func TestPoolIsMeasuredUntilItIsClosed(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	pools := func() (names []string) {
		var all metricdata.ResourceMetrics
		if err := reader.Collect(t.Context(), &all); err != nil {
			t.Fatal(err)
		}
		for _, scope := range all.ScopeMetrics {
			for _, m := range scope.Metrics {
				gauge, ok := m.Data.(metricdata.Gauge[int64])
				if m.Name != "pgxpool.max_connections" || !ok {
					continue
				}
				for _, p := range gauge.DataPoints {
					name, _ := p.Attributes.Value("db.client.connection.pool.name")
					names = append(names, name.AsString())
				}
			}
		}
		slices.Sort(names)
		return names
	}
	dsn := postgrestest.DSN(t)
	open := func(schema string) *postgres.DB {
		db, err := postgres.Open(t.Context(), dsn, postgres.Options{Schema: schema, MeterProvider: provider})
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	first, second := open("accounts"), open("monitors")
	if got := pools(); !slices.Equal(got, []string{"accounts", "monitors"}) {
		t.Errorf("pools %q, want both", got)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if got := pools(); !slices.Equal(got, []string{"monitors"}) {
		t.Errorf("pools %q, want the one that is open", got)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if got := pools(); len(got) != 0 {
		t.Errorf("pools %q, want none", got)
	}
}
