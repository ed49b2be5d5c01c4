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
	g := newEngine(cfg, prepare, nil, NewMemoryOutbox(1000, 1<<20), m, newTracer(tp, ratio), slog.New(slog.DiscardHandler))
	defer g.pool.close()
	g.assign(assignment(1, 3600), nil, false)
	s := g.shardOf(1)
	e, slot := s.entries[1], time.Now().UnixMilli()
	b.ReportAllocs()
	for b.Loop() {
		s.mu.Lock()
		if g.limits.try(e.plan.host) != granted {
			b.Fatal("no permit")
		}
		s.start(e, slot)
		s.mu.Unlock()
		g.pool.run(s.jobs[0])
		s.jobs = s.jobs[:0]
		g.checks.Wait()
	}
}
