package telemetry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	colmetric "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, cfg Config) *Telemetry {
	t.Helper()
	tel, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond) // the collector may be missing
		defer cancel()
		_ = tel.Shutdown(ctx) // a second time, in tests that do it themselves
	})
	return tel
}

func TestMetricsAreServed(t *testing.T) {
	tel := start(t, Config{Service: "frogup", Version: "1.2.3"})
	counter, err := tel.MeterProvider().Meter("test").Int64Counter("frogup_checks", metric.WithUnit("{check}"))
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(t.Context(), 3, metric.WithAttributes(attribute.String("status", "success")))
	rec := httptest.NewRecorder()
	tel.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(rec.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`frogup_checks_total{status="success"} 3`, "go_goroutines", "process_open_fds", `service_version="1.2.3"`} {
		if !strings.Contains(string(body), want) {
			t.Errorf("%q is missing from /metrics", want)
		}
	}
}

func TestWithoutCollectorThereAreIDsButNoRecording(t *testing.T) {
	tel := start(t, Config{Service: "frogup"})
	_, span := tel.TracerProvider().Tracer("test").Start(t.Context(), "x")
	defer span.End()
	if !span.SpanContext().IsValid() || span.IsRecording() {
		t.Errorf("span context valid: %v, recording: %v", span.SpanContext().IsValid(), span.IsRecording())
	}
	if err := tel.Flush(t.Context()); err != nil {
		t.Error(err)
	}
}

// collector counts what reaches it.
type collector struct {
	coltrace.UnimplementedTraceServiceServer
	colmetric.UnimplementedMetricsServiceServer
	spans, points atomic.Int32
}

type traceSink struct {
	coltrace.UnimplementedTraceServiceServer
	c *collector
}

type metricSink struct {
	colmetric.UnimplementedMetricsServiceServer
	c *collector
}

func (s traceSink) Export(_ context.Context, r *coltrace.ExportTraceServiceRequest) (*coltrace.ExportTraceServiceResponse, error) {
	for _, rs := range r.GetResourceSpans() {
		for _, ss := range rs.GetScopeSpans() {
			s.c.spans.Add(int32(len(ss.GetSpans())))
		}
	}
	return &coltrace.ExportTraceServiceResponse{}, nil
}

func (s metricSink) Export(_ context.Context, r *colmetric.ExportMetricsServiceRequest) (*colmetric.ExportMetricsServiceResponse, error) {
	for _, rm := range r.GetResourceMetrics() {
		for _, sm := range rm.GetScopeMetrics() {
			s.c.points.Add(int32(len(sm.GetMetrics())))
		}
	}
	return &colmetric.ExportMetricsServiceResponse{}, nil
}

func TestFlushExports(t *testing.T) {
	c := &collector{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	coltrace.RegisterTraceServiceServer(srv, traceSink{c: c})
	colmetric.RegisterMetricsServiceServer(srv, metricSink{c: c})
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(srv.Stop)

	tel := start(t, Config{Service: "frogup", Instance: "a", Endpoint: "http://" + l.Addr().String()})
	_, span := tel.TracerProvider().Tracer("test").Start(t.Context(), "x")
	span.End()
	counter, err := tel.MeterProvider().Meter("test").Int64Counter("frogup_x")
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(t.Context(), 1)
	if err := tel.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.spans.Load() != 1 || c.points.Load() == 0 {
		t.Errorf("%d spans, %d metrics arrived", c.spans.Load(), c.points.Load())
	}
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAMissingCollectorStopsNothing(t *testing.T) {
	tel := start(t, Config{Service: "frogup", Endpoint: "http://127.0.0.1:1"})
	_, span := tel.TracerProvider().Tracer("test").Start(t.Context(), "x")
	span.End()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := tel.Flush(ctx); err == nil {
		t.Error("flushed to nobody")
	}
}

func TestSamplerRatio(t *testing.T) {
	for ratio, want := range map[float64]string{0: "1", 1: "1", 0.5: "0.5", 7: "1", -1: "1"} {
		if got := newSampler(ratio).Description(); !strings.Contains(got, "TraceIDRatioBased{"+want+"}") && !(want == "1" && strings.Contains(got, "root:AlwaysOn")) {
			t.Errorf("ratio %v gives %s", ratio, got)
		}
	}
}

func TestSetGlobal(t *testing.T) {
	tel := start(t, Config{Service: "frogup"})
	var out bytes.Buffer
	tel.SetGlobal(slog.New(slog.NewTextHandler(&out, nil)))
	if otel.GetTracerProvider() != tel.TracerProvider() || otel.GetMeterProvider() != tel.MeterProvider() {
		t.Error("the process's defaults are others")
	}
	otel.Handle(errors.New("collector is away"))
	if !strings.Contains(out.String(), "collector is away") {
		t.Errorf("the log says %q", out.String())
	}
}
