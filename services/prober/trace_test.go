package prober

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
)

// recording is a tracer of which every span is seen.
func recording(ratio float64) (*tracer, *tracetest.SpanRecorder) {
	spans := tracetest.NewSpanRecorder()
	return newTracer(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)), ratio), spans
}

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func tracedResult() *checkv1.CheckResult {
	return &checkv1.CheckResult{
		MonitorId: 7, Region: "eu", ProberId: "p1", MonitorName: "canary name", MonitorType: checkv1.MonitorType_MONITOR_TYPE_HTTP,
		MonitorUrl: "https://canary:canary@shop.example/canary?token=canary#canary", Status: checkv1.ResultStatus_RESULT_STATUS_SUCCESS,
		StartedAt: stamp(began), LatenessNs: 2e6, Attempt: 1, ResolvedIp: ptr("192.0.2.1"), StatusCode: ptr(uint32(200)),
		DnsNs: ptr(uint64(1e6)), TcpNs: ptr(uint64(2e6)), TlsNs: ptr(uint64(3e6)), TtfbNs: ptr(uint64(4e6)), TransferNs: ptr(uint64(5e6)),
		ResponseHeaders: map[string]string{"Set-Cookie": "canary"},
	}
}

func TestSpansOfACheck(t *testing.T) {
	failed := func(r *checkv1.CheckResult) {
		r.Status, r.FailedPhase = checkv1.ResultStatus_RESULT_STATUS_TIMEOUT, checkv1.Phase_PHASE_HEADERS
		r.ErrorType, r.ErrorMessage = ptr("headers_timeout"), ptr("canary said nothing")
		r.TransferNs, r.StatusCode = nil, nil
	}
	tests := map[string]struct {
		change func(*checkv1.CheckResult)
		took   time.Duration
		want   map[string]string // span → from the begin to the end, and its error
		attrs  map[string]string // of the check's span
	}{
		"success": {func(*checkv1.CheckResult) {}, 15 * time.Millisecond, map[string]string{
			"check http": "0s-15ms", "dns": "0s-1ms", "connect": "1ms-3ms", "tls": "3ms-6ms", "ttfb": "6ms-10ms", "transfer": "10ms-15ms",
		}, map[string]string{"server.address": "shop.example", "server.port": "443", "url.scheme": "https", "http.response.status_code": "200",
			"network.peer.address": "192.0.2.1", "frogup.monitor.id": "7", "frogup.region": "eu", "frogup.prober.id": "p1", "frogup.check.type": "http",
			"frogup.check.outcome": "success", "frogup.check.attempts": "1", "frogup.check.lateness": "0.002"}},
		"no answer": {failed, 10 * time.Millisecond, map[string]string{
			"check http": "0s-10ms headers_timeout", "dns": "0s-1ms", "connect": "1ms-3ms", "tls": "3ms-6ms", "ttfb": "6ms-10ms headers_timeout",
		}, map[string]string{"error.type": "headers_timeout", "frogup.check.outcome": "timeout"}},
		"third attempt": {func(r *checkv1.CheckResult) { r.Attempt = 3 }, time.Second, map[string]string{
			"check http": "0s-1s", "dns": "985ms-986ms", "connect": "986ms-988ms", "tls": "988ms-991ms", "ttfb": "991ms-995ms", "transfer": "995ms-1s",
		}, map[string]string{"frogup.check.attempts": "3"}},
		"tcp": {func(r *checkv1.CheckResult) {
			r.MonitorType, r.MonitorUrl = checkv1.MonitorType_MONITOR_TYPE_TCP, "tcp://[2001:db8::1]:5432"
			r.DnsNs, r.TlsNs, r.TtfbNs, r.TransferNs, r.StatusCode = nil, nil, nil, nil, nil
		}, 2 * time.Millisecond, map[string]string{"check tcp": "0s-2ms", "connect": "0s-2ms"},
			map[string]string{"server.address": "2001:db8::1", "server.port": "5432"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tracer, rec := recording(1)
			r := tracedResult()
			tt.change(r)
			traceparent := tracer.scheduled(r, began.Add(tt.took), false)
			got := map[string]string{}
			var root sdktrace.ReadOnlySpan
			for _, s := range rec.Ended() {
				text := s.StartTime().Sub(began).String() + "-" + s.EndTime().Sub(began).String()
				if s.Status().Code == codes.Error {
					text += " " + s.Status().Description
				}
				got[s.Name()] = text
				if strings.HasPrefix(s.Name(), "check ") {
					root = s
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Fatalf("-want +got:\n%s", diff)
			}
			attrs := map[string]string{}
			for _, a := range root.Attributes() {
				attrs[string(a.Key)] = a.Value.String()
			}
			for k, v := range tt.attrs {
				if attrs[k] != v {
					t.Errorf("%s is %q, want %q", k, attrs[k], v)
				}
			}
			if root.SpanKind() != trace.SpanKindClient || root.Parent().IsValid() {
				t.Errorf("the check is of kind %v under %v", root.SpanKind(), root.Parent())
			}
			sc := root.SpanContext()
			if want := "00-" + sc.TraceID().String() + "-" + sc.SpanID().String() + "-01"; traceparent != want {
				t.Errorf("traceparent %q, want %q", traceparent, want)
			}
			for _, s := range tracetest.SpanStubsFromReadOnlySpans(rec.Ended()) {
				if s.Name != root.Name() && s.Parent.SpanID() != sc.SpanID() {
					t.Errorf("%s is not under the check", s.Name)
				}
				for _, a := range s.Attributes {
					if strings.Contains(a.Value.String(), "canary") {
						t.Errorf("%s tells %s=%s", s.Name, a.Key, a.Value.String())
					}
				}
				if strings.Contains(s.Name+s.Status.Description, "canary") {
					t.Errorf("%q, %q", s.Name, s.Status.Description)
				}
			}
		})
	}
}

func TestWhichChecksAreTraced(t *testing.T) {
	tests := map[string]struct {
		ratio    float64
		changed  bool
		min, max int // of 10,000
	}{
		"none":                     {-1, false, 0, 0},
		"none, changes neither":    {-1, true, 0, 0},
		"a tenth":                  {0.1, false, 700, 1300},
		"all":                      {1, false, 10_000, 10_000},
		"changes, up to the bound": {1e-12, true, changeBurst, changeBurst},
		"no changes":               {1e-12, false, 0, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) { // no time goes by, so the bound does not refill
				tracer, rec := recording(tt.ratio)
				n := 0
				for range 10_000 {
					if tracer.scheduled(&checkv1.CheckResult{StartedAt: stamp(began)}, began, tt.changed) != "" {
						n++
					}
				}
				if n < tt.min || n > tt.max || n != len(rec.Ended()) {
					t.Errorf("%d of 10,000 traced with %d spans, want %d to %d", n, len(rec.Ended()), tt.min, tt.max)
				}
			})
		})
	}
}

// A check by hand belongs to the request that asked for it.
func TestCheckWithinARequest(t *testing.T) {
	tracer, rec := recording(-1)
	ctx, request := tracer.otel.Start(t.Context(), "request")
	if tracer.within(ctx, tracedResult(), began.Add(time.Second)) == "" {
		t.Fatal("the check of a traced request is not traced")
	}
	for _, s := range rec.Ended() {
		if s.SpanContext().TraceID() != request.SpanContext().TraceID() {
			t.Errorf("%s is in another trace", s.Name())
		}
	}
	unsampled := request.SpanContext().WithTraceFlags(0)
	if tracer.within(t.Context(), tracedResult(), began) != "" || tracer.within(trace.ContextWithSpanContext(t.Context(), unsampled), tracedResult(), began) != "" {
		t.Error("a check is traced although its request is not")
	}
}

// Traceparents stay with their results until these are acknowledged, and go with them when they are dropped.
func TestOutboxKeepsTraceparents(t *testing.T) {
	o := NewMemoryOutbox(4, 1<<20).(*memoryOutbox)
	for i := range 6 { // the first two are dropped
		parent := ""
		if i%2 == 1 {
			parent = string(rune('a' + i))
		}
		put(t, o, &checkv1.CheckResult{MonitorId: uint32(i)}, parent)
	}
	b, err := o.Read(t.Context(), 0, 10, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[uint32]string{1: "d", 3: "f"}, b.Traceparents); diff != "" || b.First != 3 {
		t.Errorf("batch from %d: %s", b.First, diff)
	}
	if b, _ := o.Read(t.Context(), 2, 1, nil); b.Traceparents != nil {
		t.Errorf("an untraced result has %v", b.Traceparents)
	}
	o.Ack(6)
	if len(o.traces) != 0 {
		t.Errorf("left behind: %v", o.traces)
	}
}

// The uplink carries them, again after a stream that broke.
func TestUplinkCarriesTraceparents(t *testing.T) {
	r := &recorder{breaks: 1}
	box := NewMemoryOutbox(100, 1<<20)
	m, err := newMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	u := newUplink(eventsConn(t, r), Config{ProberID: "p", Region: "local"}, box, m, slog.New(slog.DiscardHandler))
	for i := range 3 {
		result := tracedResult()
		result.Region, result.ScheduledAt = "local", stamp(began.Add(time.Duration(i)*time.Second))
		result.StartedAt = stamp(time.Now())
		put(t, box, result, []string{"", "parent", ""}[i])
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { u.run(ctx) })
	limit, done := context.WithTimeout(t.Context(), 20*time.Second)
	defer done()
	if left := u.drain(limit); left != 0 {
		t.Errorf("%d results are left", left)
	}
	cancel()
	wg.Wait()
	if diff := cmp.Diff([]map[uint32]string{{1: "parent"}, {1: "parent"}}, r.parents); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if n := m.uplinkLost.Load(); n != 1 {
		t.Errorf("%d losses counted, want 1", n)
	}
}
