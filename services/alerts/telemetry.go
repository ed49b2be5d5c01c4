package alerts

import (
	"context"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// instrumentation names this package to OpenTelemetry.
const instrumentation = "github.com/frogstats/uptime/services/alerts"

func newTracer(tp trace.TracerProvider) trace.Tracer {
	if tp == nil {
		tp = otel.GetTracerProvider()
	}
	return tp.Tracer(instrumentation)
}

// attempting begins the span and the figures of one attempt. The returned function ends both; without a result the attempt was
// cut off. Nothing here tells where a message goes: the addresses of webhooks are secrets.
func (c *courier) attempting(ctx context.Context, claim Claim) (context.Context, func(*Result)) {
	ctx, span := c.tracer.Start(ctx, "deliver notification", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("frogup.message.id", claim.ID), attribute.String("frogup.message.type", claim.Message.Type),
		attribute.String("frogup.target.kind", string(claim.Target.Kind)), attribute.Int64("frogup.monitor.id", int64(claim.MonitorID)),
		attribute.Int("frogup.attempt", claim.Attempts+1),
	))
	began := time.Now()
	c.figures.sending.Add(1)
	return ctx, func(r *Result) {
		defer span.End()
		c.figures.sending.Add(-1)
		if r == nil {
			span.SetStatus(codes.Error, "cut off")
			return
		}
		c.figures.took(ctx, *r, time.Since(began))
		if r.StatusCode != 0 {
			span.SetAttributes(semconv.HTTPResponseStatusCode(r.StatusCode))
		}
		if !r.OK {
			span.SetStatus(codes.Error, resultName(*r))
		}
	}
}

// resultName is how figures call what came of an attempt.
func resultName(r Result) string {
	switch {
	case r.OK:
		return "delivered"
	case r.Refused:
		return "refused"
	}
	return "failed"
}
