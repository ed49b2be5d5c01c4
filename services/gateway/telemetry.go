package gateway

import (
	"encoding/binary"
	"math/rand/v2"
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/frogstats/uptime/internal/telemetry/observe"
)

// traced opens a span and counts. Its name and the label of its figures are the route's pattern, which dispatch finds; what has
// no route is named after its verb alone.
//
// A trace that began outside goes on here only if a proxy that we trust says so: a stranger could otherwise have every request
// of theirs recorded. Of others the span is a link.
func (g *Gateway) traced(next http.Handler) http.Handler {
	opts := []otelhttp.Option{
		otelhttp.WithFilter(isTraced),
		otelhttp.WithPropagators(propagation.TraceContext{}), // baggage from outside would travel on to every service
		otelhttp.WithPublicEndpointFn(func(r *http.Request) bool {
			peer, ok := parseIP(r.RemoteAddr)
			return !ok || !isTrusted(peer, g.cfg.TrustedProxies)
		}),
	}
	if g.cfg.TracerProvider != nil {
		opts = append(opts, otelhttp.WithTracerProvider(g.cfg.TracerProvider))
	}
	if g.cfg.MeterProvider != nil {
		opts = append(opts, otelhttp.WithMeterProvider(g.cfg.MeterProvider))
	}
	h := otelhttp.NewHandler(next, "http", opts...)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isTraced(r) {
			r = r.WithContext(trace.ContextWithSpanContext(r.Context(), untraced()))
		}
		h.ServeHTTP(w, r)
	})
}

// isTraced is false for what comes every few seconds and says nothing, and for streams, whose span would end days later.
func isTraced(r *http.Request) bool {
	switch r.URL.Path {
	case "/healthz", "/readyz", "/metrics", streamPath:
		return false
	}
	return true
}

// untraced is the context of a trace that is not kept. Without one, each call made on behalf of the request, such as the
// authentication that open streams repeat, would begin a trace of its own.
func untraced() trace.SpanContext {
	var c trace.SpanContextConfig
	binary.NativeEndian.PutUint64(c.TraceID[:], rand.Uint64()|1)
	binary.NativeEndian.PutUint64(c.TraceID[8:], rand.Uint64())
	binary.NativeEndian.PutUint64(c.SpanID[:], rand.Uint64()|1)
	return trace.NewSpanContext(c)
}

// nameSpan tells the span of a request what was found out about it.
func nameSpan(r *http.Request, q *request) {
	r.Pattern = q.route.verb + " " + q.route.pattern // otelhttp reads it afterwards
	span := trace.SpanFromContext(r.Context())
	span.SetAttributes(semconv.HTTPRoute(q.route.pattern))
	if q.client.ip != "" {
		span.SetAttributes(semconv.ClientAddress(q.client.ip)) // rather than what X-Forwarded-For claims
	}
}

// watch reports the figures of open streams.
func (g *Gateway) watch() error {
	mp := g.cfg.MeterProvider
	if mp == nil {
		mp = otel.GetMeterProvider()
	}
	s := g.streams
	set := observe.New(mp.Meter("github.com/frogstats/uptime/services/gateway"))
	set.Gauge("frogup_gateway_streams", "", "Open streams of server-sent events.", func() float64 { return float64(s.count()) })
	set.CounterBy("frogup_gateway_streams_asked", "Streams of server-sent events that were asked for, by result.", "result",
		map[string]func() int64{"opened": s.opened.Load, "refused": s.refused.Load})
	a := g.agents
	set.Gauge("frogup_gateway_prober_streams", "", "Open streams of remote probers.", func() float64 { return float64(a.streaming.Load()) })
	set.CounterBy("frogup_gateway_prober_calls", "Calls of remote probers, by result; streams whose prober was removed count once more.", "result",
		map[string]func() int64{"passed": a.passed.Load, "unauthenticated": a.strangers.Load, "refused": a.turnedAway.Load})
	return set.Register()
}
