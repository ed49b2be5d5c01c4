package prober

import (
	"log/slog"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
)

// BenchmarkCheck runs checks that take no time, one after the other, from the slot to the outbox: what is left is the cost of
// the engine itself, with its metrics counted and its spans made by the real SDK.
func BenchmarkCheck(b *testing.B) {
	for _, bm := range []struct {
		name  string
		ratio float64
	}{{"untraced", -1}, {"traced 1 in 1000", 0.001}, {"all traced", 1}} {
		b.Run(bm.name, func(b *testing.B) { benchmarkCheck(b, bm.ratio) })
	}
}

func benchmarkCheck(b *testing.B, ratio float64) {
	m, err := newMetrics(sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())))
	if err != nil {
		b.Fatal(err)
	}
	tp := sdktrace.NewTracerProvider(sdktrace.WithBatcher(tracetest.NewNoopExporter()))
	defer func() { _ = tp.Shutdown(b.Context()) }()
	cfg, err := Config{ProberID: "p1", Region: "local"}.withDefaults()
	if err != nil {
		b.Fatal(err)
	}
	prepare := func(*checkv1.CheckSpec) (check, error) {
		return fakeCheck{"host", func() (time.Duration, checkv1.ResultStatus) { return 0, checkv1.ResultStatus_RESULT_STATUS_SUCCESS }}, nil
	}
	g := newEngine(cfg, prepare, NewMemoryOutbox(1000, 1<<20), m, newTracer(tp, ratio), slog.New(slog.DiscardHandler))
	g.assign(assignment(1, 3600), nil, false)
	e, slot := g.entries[1], time.Now()
	b.ReportAllocs()
	for b.Loop() {
		g.mu.Lock()
		g.start(e, slot)
		g.mu.Unlock()
		g.checks.Wait()
	}
}
