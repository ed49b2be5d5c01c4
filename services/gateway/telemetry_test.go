package gateway_test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/frogstats/uptime/internal/rpc"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/internal/telemetry"
	"github.com/frogstats/uptime/internal/telemetry/telemetrytest"
	"github.com/frogstats/uptime/services/gateway"
)

// observed sends the telemetry of both ends of every connection to the providers.
func observed(tp trace.TracerProvider, mp metric.MeterProvider) []rpctest.Option {
	return []rpctest.Option{
		rpctest.Server(func(c *rpc.Config) { c.TracerProvider, c.MeterProvider = tp, mp }),
		rpctest.Client(func(c *rpc.ClientConfig) { c.TracerProvider, c.MeterProvider = tp, mp }),
	}
}

// tracedEdge is an edge of which every span and every line of the log is seen.
func tracedEdge(t *testing.T, change ...func(*gateway.Config)) (*edge, *tracetest.SpanRecorder, *syncBuffer) {
	t.Helper()
	spans, log := tracetest.NewSpanRecorder(), &syncBuffer{}
	tp := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	e := startOver(t, observed(tp, nil), append(change, func(c *gateway.Config) {
		c.TracerProvider, c.Log = tp, telemetry.NewLogger(log, telemetry.LogOptions{})
	})...)
	return e, spans, log
}

// syncBuffer is a buffer that many may write to.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// ended waits for a number of spans: the edge's own ends a moment after the client has its answer.
func ended(t *testing.T, spans *tracetest.SpanRecorder, n int) []sdktrace.ReadOnlySpan {
	t.Helper()
	timeout, tick := time.After(10*time.Second), time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if got := spans.Ended(); len(got) >= n {
			return got
		}
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("%d spans, want %d", len(spans.Ended()), n)
		}
	}
}

func named(spans []sdktrace.ReadOnlySpan, name string, kind trace.SpanKind) sdktrace.ReadOnlySpan {
	for _, s := range spans {
		if s.Name() == name && s.SpanKind() == kind {
			return s
		}
	}
	return nil
}

func attr(s sdktrace.ReadOnlySpan, key string) string {
	for _, a := range s.Attributes() {
		if a.Key == attribute.Key(key) {
			return a.Value.String()
		}
	}
	return ""
}

// One request is one trace, from the edge into the service, and the log names it.
func TestOneTraceIntoTheService(t *testing.T) {
	e, rec, log := tracedEdge(t)
	e.monitors = append(e.monitors, someMonitor(7))
	if got := e.ask(t, viewerKey, "GET /api/uptime/monitors/7?x=1\nX-Forwarded-For: 203.0.113.9"); got.status != 400 {
		t.Fatalf("an unknown parameter gave %d", got.status)
	}
	if got := e.ask(t, viewerKey, "GET /api/uptime/monitors/7"); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	const getMonitor = "frogstats.uptime.monitors.v1.MonitorsService/GetMonitor"
	spans := ended(t, rec, 6) // the key is asked for once: 1 + 2, then 1 + 2
	client := named(spans, getMonitor, trace.SpanKindClient)
	server := named(spans, getMonitor, trace.SpanKindServer)
	if client == nil || server == nil {
		t.Fatalf("spans %v", tracetest.SpanStubsFromReadOnlySpans(spans))
	}
	var edge sdktrace.ReadOnlySpan
	for _, s := range spans {
		if s.SpanContext().SpanID() == client.Parent().SpanID() {
			edge = s
		}
	}
	if edge == nil || edge.Name() != "GET /api/uptime/monitors/{id}" || edge.SpanKind() != trace.SpanKindServer || edge.Parent().IsValid() {
		t.Fatalf("the call is under %v", edge)
	}
	if server.Parent().SpanID() != client.SpanContext().SpanID() || server.SpanContext().TraceID() != edge.SpanContext().TraceID() {
		t.Error("the service's span is not under the call")
	}
	want := map[string]string{
		"http.route": "/api/uptime/monitors/{id}", "http.request.method": "GET", "http.response.status_code": "200", "url.path": "/api/uptime/monitors/7",
	}
	for key, value := range want {
		if got := attr(edge, key); got != value {
			t.Errorf("%s is %q, want %q", key, got, value)
		}
	}
	for _, s := range spans {
		if strings.Contains(attr(s, "client.address"), "203.0.113.9") {
			t.Error("a stranger's X-Forwarded-For is believed")
		}
	}
	if got := loggedTraces(t, log.String(), "GET", 200); !slices.Equal(got, []string{edge.SpanContext().TraceID().String()}) {
		t.Errorf("the log names the traces %v, want %s", got, edge.SpanContext().TraceID())
	}
}

// loggedTraces lists the traces of the requests in the log that ended with a status.
func loggedTraces(t *testing.T, log, method string, status float64) (out []string) {
	t.Helper()
	for line := range strings.Lines(log) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatal(err)
		}
		if id, _ := fields["trace_id"].(string); fields["msg"] == "request" && fields["method"] == method && fields["status"] == status {
			out = append(out, id)
		}
	}
	return out
}

const (
	strangersTrace  = "0af7651916cd43dd8448eb211c80319c"
	strangersParent = "00-" + strangersTrace + "-b7ad6b7169203331-01"
)

// Who is not a trusted proxy cannot have requests recorded, nor say anything to the services behind.
func TestTracesFromOutside(t *testing.T) {
	for name, trusted := range map[string]bool{"stranger": false, "trusted proxy": true} {
		t.Run(name, func(t *testing.T) {
			e, rec, _ := tracedEdge(t, func(c *gateway.Config) {
				if trusted {
					c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
				}
			})
			e.ask(t, viewerKey, "GET /api/uptime/monitors/7\ntraceparent: "+strangersParent+"\nbaggage: a=b")
			edge := named(ended(t, rec, 5), "GET /api/uptime/monitors/{id}", trace.SpanKindServer)
			if edge == nil {
				t.Fatal("no span")
			}
			within := edge.SpanContext().TraceID().String() == strangersTrace
			if within != trusted || (len(edge.Links()) == 1) == trusted {
				t.Errorf("in the trace from outside: %v, links %v", within, edge.Links())
			}
			if got := e.last(t, "GetMonitor").meta.Get("baggage"); len(got) != 0 {
				t.Errorf("baggage %v went through", got)
			}
		})
	}
}

// Streams, health checks and scrapes leave no spans, and neither do the calls that are made for them.
func TestWhatIsNotTraced(t *testing.T) {
	tel := telemetrytest.New(t)
	e, rec, _ := tracedEdge(t, func(c *gateway.Config) { c.Metrics = tel.Handler() })
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		if got := e.ask(t, viewerKey, "GET "+path); got.status != 200 {
			t.Errorf("%s: %d", path, got.status)
		}
	}
	l := e.listen(t, adminKey, "/api/uptime/stream")
	l.close()
	l.ended(t, 5*time.Second)
	e.ask(t, viewerKey, "GET /api/uptime/monitors/7") // the last span to come
	var names []string
	for _, s := range ended(t, rec, 3) {
		names = append(names, s.Name())
	}
	const method = "frogstats.uptime.monitors.v1.MonitorsService/GetMonitor"
	slices.Sort(names)
	if diff := cmp.Diff([]string{"GET /api/uptime/monitors/{id}", method, method}, names); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Rate, errors and duration by route and by method; and streams.
func TestRatesErrorsDurations(t *testing.T) {
	tel := telemetrytest.New(t)
	e := startOver(t, observed(nil, tel.MeterProvider()), func(c *gateway.Config) { c.MeterProvider = tel.MeterProvider() })
	e.monitors = append(e.monitors, someMonitor(7))
	for range 2 {
		e.ask(t, viewerKey, "GET /api/uptime/monitors/7")
	}
	e.ask(t, viewerKey, "GET /api/uptime/monitors/99")
	e.ask(t, viewerKey, "GET /nowhere/at/all")
	count := func(name string, labels ...string) func() float64 {
		return func() float64 { return tel.Sum(t, name, labels...) }
	}
	const requests, calls = "http_server_request_duration_seconds_count", "rpc_server_call_duration_seconds_count"
	const route, method = `http_route="/api/uptime/monitors/{id}"`, `rpc_method="frogstats.uptime.monitors.v1.MonitorsService/GetMonitor"`
	l := e.listen(t, adminKey, "/api/uptime/stream")
	for what, is := range map[string]struct {
		value func() float64
		want  float64
	}{
		"good requests":     {count(requests, route, `http_response_status_code="200"`), 2},
		"bad requests":      {count(requests, route, `http_response_status_code="404"`), 1},
		"good calls":        {count(calls, method, `rpc_response_status_code="OK"`), 2},
		"bad calls":         {count(calls, method, `rpc_response_status_code="NOT_FOUND"`), 1},
		"calls made":        {count("rpc_client_call_duration_seconds_count", method), 3},
		"open streams":      {count("frogup_gateway_streams"), 1},
		"streams asked for": {count("frogup_gateway_streams_asked_total", `result="opened"`), 1},
	} {
		becomes(t, what, is.value, is.want)
	}
	l.close()
	becomes(t, "open streams", count("frogup_gateway_streams"), 0)
	e.g.Stop()
	if got := e.ask(t, adminKey, "GET /api/uptime/stream"); got.status != 503 {
		t.Errorf("a stream after the end: %d", got.status)
	}
	becomes(t, "refused streams", count("frogup_gateway_streams_asked_total", `result="refused"`), 1)
	if strings.Contains(tel.Scrape(t), "nowhere") {
		t.Error("a path that is no route makes a series")
	}
}

// becomes waits for a figure: requests are counted a moment after the client has its answer.
func becomes(t *testing.T, what string, value func() float64, want float64) {
	t.Helper()
	timeout, tick := time.After(10*time.Second), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for {
		if value() == want {
			return
		}
		select {
		case <-tick.C:
		case <-timeout:
			t.Errorf("%s: %v, want %v", what, value(), want)
			return
		}
	}
}
