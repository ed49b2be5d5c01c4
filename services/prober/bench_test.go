package prober

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/services/prober/nettest"
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

// instantLoop ends every check at once, well.
type instantLoop struct {
	tcpLoop
	result nettest.TestResult
}

func (l *instantLoop) Start(runs []nettest.TCPRun) {
	for _, run := range runs {
		l.result.Timestamp = time.Now()
		run.Sink.Done(run.Tag, &l.result, nil)
	}
}

// BenchmarkPlainCheck is what a check that only connects costs besides connecting, from the slot to the outbox and out of it;
// overloaded, every second slot is missed.
func BenchmarkPlainCheck(b *testing.B) {
	b.Run("on time", func(b *testing.B) { benchmarkPlain(b, false) })
	b.Run("overloaded", func(b *testing.B) { benchmarkPlain(b, true) })
}

func benchmarkPlain(b *testing.B, overloaded bool) {
	m, err := newMetrics(sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())))
	if err != nil {
		b.Fatal(err)
	}
	cfg, err := Config{ProberID: "p1", Region: "local"}.withDefaults()
	if err != nil {
		b.Fatal(err)
	}
	checker, box := NewChecker(nil, nil), NewMemoryOutbox(100_000, 1<<30)
	newLoop := func() (tcpLoop, error) {
		real, err := nettest.NewTCPLoop(checker.network, nettest.LoopOptions{})
		span := nettest.Span{Duration: time.Millisecond, Valid: true}
		return &instantLoop{tcpLoop: real, result: nettest.TestResult{
			Protocol: "tcp", Status: nettest.StatusSuccess, Latency: time.Millisecond, Phases: nettest.Phases{Connect: span}, ResolvedIP: netip.MustParseAddr("127.1.2.3"),
		}}, err
	}
	g := newEngine(cfg, checker.prepare, newLoop, box, m, newTracer(nil, 0.001), slog.New(slog.DiscardHandler))
	s := g.shards[0]
	g.shards = g.shards[:1]
	defer g.cutOff()
	const monitors = 10_000
	for id := range uint32(monitors) {
		a := assignment(id+1, 1)
		a.Spec.OrganizationId, a.Spec.Name = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b", "a monitor of the fleet"
		a.Spec.TcpConfig = &checkv1.TcpConfig{Host: ptr("127.1.2.3"), Port: ptr(int32(80))}
		g.assign(a, &lastSlot{at: time.Now()}, false)
	}
	now := time.Now()
	step := tick
	if overloaded {
		step = 2 * time.Second
	}
	var buf []byte
	b.ReportAllocs()
	b.ResetTimer()
	for m.nFinished.Load() < uint64(b.N) {
		for now = now.Add(step); s.collect(now) <= 0 || len(s.starts) > 0; {
			s.loop.Start(s.starts)
			s.starts = s.starts[:0]
		}
		for box.Pending() >= batchResults {
			batch, err := box.Read(b.Context(), box.Stored(), batchResults, buf)
			if err != nil {
				b.Fatal(err)
			}
			buf = batch.Frames
			box.Ack(batch.First + uint64(batch.Count) - 1)
		}
	}
	b.ReportMetric(float64(m.nMissed.Load())/float64(m.nFinished.Load()), "missed/check")
}
