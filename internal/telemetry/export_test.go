package telemetry

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/frogstats/uptime/internal/telemetry/sampling"
)

// stuckSink takes requests and never answers.
type stuckSink struct {
	coltrace.UnimplementedTraceServiceServer
	asked chan struct{} // capacity 1
}

func (s stuckSink) Export(ctx context.Context, _ *coltrace.ExportTraceServiceRequest) (*coltrace.ExportTraceServiceResponse, error) {
	select {
	case s.asked <- struct{}{}:
	default:
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// troubles are collectors that do not do their work, by what they do instead. Each returns its address.
var troubles = map[string]func(t *testing.T) string{
	"refuses": func(t *testing.T) string {
		l := listen(t)
		_ = l.Close()
		return l.Addr().String()
	},
	"accepts and says nothing": func(t *testing.T) string {
		l := listen(t)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				defer c.Close()
			}
		}()
		t.Cleanup(func() { _ = l.Close(); <-done })
		return l.Addr().String()
	},
	"takes requests and never answers": func(t *testing.T) string {
		l := listen(t)
		srv := grpc.NewServer()
		coltrace.RegisterTraceServiceServer(srv, stuckSink{asked: make(chan struct{}, 1)})
		go func() { _ = srv.Serve(l) }()
		t.Cleanup(srv.Stop)
		return l.Addr().String()
	},
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// However a collector fails, ending spans does not wait for it, what is lost is counted, and a stop is soon over.
func TestACollectorInTroubleHoldsNobodyUp(t *testing.T) {
	for name, trouble := range troubles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tel, err := New(t.Context(), Config{Service: "frogup", Endpoint: "http://" + trouble(t)})
			if err != nil {
				t.Fatal(err)
			}
			const spans = 4 * spanQueue
			tracer := tel.TracerProvider().Tracer("test")
			began := time.Now()
			for range spans {
				_, span := tracer.Start(t.Context(), "x")
				span.End()
			}
			if took := time.Since(began); took > exportTimeout {
				t.Errorf("%d spans took %v: somebody waited for the collector", spans, took)
			}
			if dropped, queued := read(t, tel, `frogup_telemetry_spans_total{result="dropped"}`), read(t, tel, "frogup_telemetry_queued_spans"); dropped < spans-3*spanQueue || dropped+queued > spans || queued > spanQueue {
				t.Errorf("%v dropped and %v queued of %d", dropped, queued, spans)
			}
			began = time.Now()
			if err := tel.Shutdown(context.Background()); err == nil {
				t.Error("a shutdown that lost spans says nothing")
			}
			if took := time.Since(began); took > shutdownGrace+2*time.Second {
				t.Errorf("shutdown took %v", took)
			}
		})
	}
}

// scrape reads /metrics.
func scrape(t testing.TB, tel *Telemetry) string {
	t.Helper()
	rec := httptest.NewRecorder()
	tel.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(rec.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// read returns the value of one series of /metrics.
func read(t testing.TB, tel *Telemetry, series string) float64 {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindStringSubmatch(scrape(t, tel))
	if m == nil {
		t.Fatalf("there is no %s", series)
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestExportedSpansAreCounted(t *testing.T) {
	l := listen(t)
	srv := grpc.NewServer()
	c := &collector{}
	coltrace.RegisterTraceServiceServer(srv, traceSink{c: c})
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(srv.Stop)
	tel := start(t, Config{Service: "frogup", Endpoint: "http://" + l.Addr().String()})
	for range 3 {
		_, span := tel.TracerProvider().Tracer("test").Start(t.Context(), "x")
		span.End()
	}
	if err := tel.traces.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, queued := read(t, tel, `frogup_telemetry_spans_total{result="exported"}`), read(t, tel, "frogup_telemetry_queued_spans"); n != 3 || queued != 0 || c.spans.Load() != 3 {
		t.Errorf("%v exported, %v queued, %d arrived, want 3, 0, 3", n, queued, c.spans.Load())
	}
}

// What is to be kept is kept whatever the ratio; but a trace that was decided elsewhere stays so.
func TestKeep(t *testing.T) {
	tel := start(t, Config{Service: "frogup", Endpoint: "http://127.0.0.1:1", SampleRatio: 1e-12})
	tracer := tel.TracerProvider().Tracer("test")
	sampled := func(ctx context.Context) bool {
		_, span := tracer.Start(ctx, "x")
		defer span.End()
		return span.SpanContext().IsSampled()
	}
	if sampled(t.Context()) {
		t.Error("a trace outside the ratio was kept")
	}
	if !sampled(sampling.Keep(t.Context())) {
		t.Error("a trace that was to be kept was not")
	}
	elsewhere := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, Remote: true})
	if sampled(sampling.Keep(trace.ContextWithSpanContext(t.Context(), elsewhere))) {
		t.Error("a trace that was dropped elsewhere was kept")
	}
}

// Nobody can make series by asking under many names.
func TestHostsMakeNoSeries(t *testing.T) {
	tel := start(t, Config{Service: "frogup"})
	h, err := tel.MeterProvider().Meter("test").Float64Histogram("http.server.request.duration", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(1, 2))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		h.Record(t.Context(), 1.5, metric.WithAttributes(attribute.String("server.address", fmt.Sprint(i)), attribute.Int("server.port", i), attribute.String("http.route", "/x")))
	}
	if got := read(t, tel, `http_server_request_duration_seconds_count{http_route="/x"}`); got != 100 {
		t.Errorf("%v requests in the one series, want 100", got)
	}
	if body := scrape(t, tel); !strings.Contains(body, `http_server_request_duration_seconds_bucket{http_route="/x",le="2"} 100`) || strings.Contains(body, `le="2.5"`) {
		t.Error("the buckets are not the instrument's")
	}
}

// The spans of streams, which stay open for days, are not kept, nor anything under them; the calls beside them are.
func TestStreamsHaveNoSpans(t *testing.T) {
	_ = healthv1.File_grpc_health_v1_health_proto // the contract is linked in
	tel := start(t, Config{Service: "frogup", Endpoint: "http://127.0.0.1:1"})
	tracer := tel.TracerProvider().Tracer("test")
	parent, root := tracer.Start(t.Context(), "root")
	defer root.End()
	for name, want := range map[string]bool{
		"grpc.health.v1.Health/Watch": false, "grpc.health.v1.Health/Check": true, "grpc.health.v1.Health/Nothing": true,
		"grpc.health.v1.HealthCheckRequest/x": true, "no.such.Service/Watch": true, "GET /grpc.health.v1.Health/Watch": true, "GET": true,
	} {
		for _, ctx := range []context.Context{t.Context(), sampling.Keep(t.Context()), parent} {
			for _, kind := range []trace.SpanKind{trace.SpanKindClient, trace.SpanKindServer} {
				ctx, span := tracer.Start(ctx, name, trace.WithSpanKind(kind))
				_, under := tracer.Start(ctx, "SELECT")
				if span.IsRecording() != want || under.IsRecording() != want {
					t.Errorf("%v %s is recorded: %v, and what is under it: %v, want %v", kind, name, span.IsRecording(), under.IsRecording(), want)
				}
				under.End()
				span.End()
			}
		}
	}
}
