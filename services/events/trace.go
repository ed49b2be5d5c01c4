package events

import (
	"context"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
)

// instrumentation names this package to OpenTelemetry.
const instrumentation = "github.com/frogstats/uptime/services/events"

// origins are the spans of the traced checks behind some work. Results of many checks are stored together, so the first is the
// parent of what is done, and the others are linked to it. Most work has none, and makes no spans.
type origins []trace.SpanContext

// maxLinks is what a span can hold.
const maxLinks = 128

// with adds more origins, as far as there is room.
func (o origins) with(more origins) origins {
	return append(o, more[:min(1+maxLinks-len(o), len(more))]...)
}

// parentOf reads the traceparent of the result at a place of a batch. It is not valid if the check is not traced.
func parentOf(b *eventsv1.ResultBatch, place int) trace.SpanContext {
	text, ok := b.GetTraceparents()[uint32(place)]
	if !ok {
		return trace.SpanContext{}
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": text})
	if sc := trace.SpanContextFromContext(ctx); sc.IsSampled() {
		return sc
	}
	return trace.SpanContext{}
}

type tracer struct{ otel trace.Tracer }

func newTracer(tp trace.TracerProvider) tracer {
	if tp == nil {
		tp = otel.GetTracerProvider()
	}
	return tracer{tp.Tracer(instrumentation)}
}

// recorded makes the span of each traced check's arrival and judgement, since began.
func (t tracer) recorded(from origins, began time.Time, judged bool) {
	for _, sc := range from {
		_, span := t.otel.Start(trace.ContextWithRemoteSpanContext(context.Background(), sc), "record",
			trace.WithSpanKind(trace.SpanKindConsumer), trace.WithTimestamp(began))
		if !judged {
			span.SetStatus(codes.Error, "no room to judge")
		}
		span.End()
	}
}

// start begins the span of some work on results, under which the store's own spans are. Without origins there is none.
func (t tracer) start(ctx context.Context, name string, from origins, attrs ...attribute.KeyValue) (context.Context, trace.Span) {
	if len(from) == 0 {
		return ctx, trace.SpanFromContext(context.Background())
	}
	links := make([]trace.Link, 0, len(from)-1)
	for _, sc := range from[1:] {
		links = append(links, trace.Link{SpanContext: sc})
	}
	return t.otel.Start(trace.ContextWithRemoteSpanContext(ctx, from[0]), name, trace.WithLinks(links...), trace.WithAttributes(attrs...))
}

// end ends a span with what came of it.
func end(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, "store failed") // what a driver says stays in our own log
	}
	span.End()
}
