// Package telemetrytest reads what a process tells about itself, for tests: metrics as Prometheus gets them, and spans as a
// collector does.
package telemetrytest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"

	"github.com/frogstats/uptime/internal/telemetry"
)

// Metrics is the telemetry of a process that exports nothing.
type Metrics struct{ *telemetry.Telemetry }

// New sets up telemetry until the test ends.
func New(t testing.TB) Metrics {
	t.Helper()
	tel, err := telemetry.New(t.Context(), telemetry.Config{Service: "test", Version: "v0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tel.Shutdown(context.Background()); err != nil {
			t.Errorf("shut down telemetry: %v", err)
		}
	})
	return Metrics{tel}
}

// Sum adds up the series of /metrics with the name and, among others, the labels, given as key="value". There being none is 0.
func (m Metrics) Sum(t testing.TB, name string, labels ...string) float64 {
	t.Helper()
	sum, _ := m.find(t, name, labels)
	return sum
}

// Has reports whether there is a series with the name and the labels.
func (m Metrics) Has(t testing.TB, name string, labels ...string) bool {
	t.Helper()
	_, n := m.find(t, name, labels)
	return n > 0
}

func (m Metrics) find(t testing.TB, name string, labels []string) (sum float64, n int) {
	t.Helper()
	for line := range strings.SplitSeq(m.Scrape(t), "\n") {
		series, value, _ := strings.Cut(line, " ")
		if at := strings.LastIndexByte(line, ' '); at > 0 { // label values may hold blanks
			series, value = line[:at], line[at+1:]
		}
		if base, _, _ := strings.Cut(series, "{"); base != name || !hasAll(series, labels) {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		sum += v
		n++
	}
	return sum, n
}

func hasAll(series string, labels []string) bool {
	for _, l := range labels {
		if !strings.Contains(series, "{"+l) && !strings.Contains(series, ","+l) {
			return false
		}
	}
	return true
}

// Scrape returns /metrics as it is.
func (m Metrics) Scrape(t testing.TB) string {
	t.Helper()
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(rec.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// Receiver is a collector that keeps the spans that it is sent.
type Receiver struct {
	coltrace.UnimplementedTraceServiceServer
	url string

	mu    sync.Mutex
	spans []*tracev1.Span
	came  chan struct{} // closed and replaced when some come
}

// NewReceiver listens for OTLP over gRPC until the test ends.
func NewReceiver(t testing.TB) *Receiver {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Receiver{url: "http://" + l.Addr().String(), came: make(chan struct{})}
	srv := grpc.NewServer()
	coltrace.RegisterTraceServiceServer(srv, r)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Stop()
		if err := <-served; err != nil {
			t.Errorf("receiver: %v", err)
		}
	})
	return r
}

// URL is where it listens, for telemetry.Config.Endpoint.
func (r *Receiver) URL() string { return r.url }

// Export takes spans; it is called over gRPC.
func (r *Receiver) Export(_ context.Context, req *coltrace.ExportTraceServiceRequest) (*coltrace.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rs := range req.GetResourceSpans() {
		for _, ss := range rs.GetScopeSpans() {
			r.spans = append(r.spans, ss.GetSpans()...)
		}
	}
	close(r.came)
	r.came = make(chan struct{})
	return &coltrace.ExportTraceServiceResponse{}, nil
}

// Wait returns every span that has come as soon as enough of them have, by the word of its argument.
func (r *Receiver) Wait(t testing.TB, enough func([]*tracev1.Span) bool) []*tracev1.Span {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		r.mu.Lock()
		spans, came := append([]*tracev1.Span(nil), r.spans...), r.came
		r.mu.Unlock()
		if enough(spans) {
			return spans
		}
		select {
		case <-came:
		case <-timeout:
			t.Fatalf("not the spans that were waited for:\n%s", Outline(spans))
		}
	}
}

// Outline lists spans for people.
func Outline(spans []*tracev1.Span) string {
	var b strings.Builder
	for _, s := range spans {
		fmt.Fprintf(&b, "%x %x under %x: %s (%v)\n", s.GetTraceId(), s.GetSpanId(), s.GetParentSpanId(), s.GetName(), s.GetAttributes())
	}
	return b.String()
}
