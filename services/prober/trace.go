package prober

import (
	"context"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/internal/telemetry/sampling"
)

// instrumentation names this package to OpenTelemetry.
const instrumentation = "github.com/frogstats/uptime/services/prober"

// DefaultCheckSampleRatio is the share of checks that are traced if nobody says otherwise: at 10,000 checks a second, ten.
const DefaultCheckSampleRatio = 0.001

// A check that turned out otherwise than the one before is worth a trace, but an outage of thousands is not worth thousands.
const (
	tracedChanges = 10  // a second
	changeBurst   = 100 // at once
)

// tracer makes the spans of checks: one for the check and one for each phase in it. They are made once the check is over, from
// what was measured, so that the decision knows the outcome, and a check that is not traced costs one random number.
type tracer struct {
	otel    trace.Tracer
	ratio   float64 // negative: nothing is traced
	changes *rate.Limiter
}

func newTracer(tp trace.TracerProvider, ratio float64) *tracer {
	if tp == nil {
		tp = otel.GetTracerProvider()
	}
	return &tracer{otel: tp.Tracer(instrumentation), ratio: ratio, changes: rate.NewLimiter(tracedChanges, changeBurst)}
}

// scheduled traces a check that ended at end, if it is one of those that are traced, and returns the traceparent of its span,
// or "". changed says that the outcome is not that of the check before.
func (t *tracer) scheduled(r *checkv1.CheckResult, end time.Time, changed bool) string {
	if !t.wants(changed) {
		return ""
	}
	return t.kept(r, end)
}

// wants decides whether a check is traced.
func (t *tracer) wants(changed bool) bool {
	return t.ratio >= 0 && (rand.Float64() < t.ratio || changed && t.changes.Allow())
}

// kept traces a check that wants chose.
func (t *tracer) kept(r *checkv1.CheckResult, end time.Time) string {
	return t.record(sampling.Keep(context.Background()), r, end)
}

// within traces a check that ended at end as part of the request of ctx, if that is traced.
func (t *tracer) within(ctx context.Context, r *checkv1.CheckResult, end time.Time) string {
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return ""
	}
	return t.record(ctx, r, end)
}

func (t *tracer) record(ctx context.Context, r *checkv1.CheckResult, end time.Time) string {
	ctx, span := t.otel.Start(ctx, "check "+typeName(r.GetMonitorType()), trace.WithSpanKind(trace.SpanKindClient),
		trace.WithTimestamp(r.GetStartedAt().AsTime()), trace.WithAttributes(checkAttributes(r)...))
	if !span.IsRecording() {
		return ""
	}
	t.recordPhases(ctx, r, end)
	markFailed(span, r)
	span.End(trace.WithTimestamp(end))
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier.Get("traceparent")
}

// recordPhases makes the spans of the last attempt's phases. They follow one another without gaps and end with the check; over
// redirects each phase is the sum over the hops.
func (t *tracer) recordPhases(ctx context.Context, r *checkv1.CheckResult, end time.Time) {
	phases := [...]struct {
		name   string
		ns     *uint64
		failed bool
	}{
		{"dns", r.DnsNs, r.GetFailedPhase() == checkv1.Phase_PHASE_DNS},
		{"connect", r.TcpNs, r.GetFailedPhase() == checkv1.Phase_PHASE_CONNECT},
		{"tls", r.TlsNs, r.GetFailedPhase() == checkv1.Phase_PHASE_TLS},
		{"ttfb", r.TtfbNs, r.GetFailedPhase() == checkv1.Phase_PHASE_REQUEST || r.GetFailedPhase() == checkv1.Phase_PHASE_HEADERS},
		{"transfer", r.TransferNs, r.GetFailedPhase() == checkv1.Phase_PHASE_BODY},
	}
	at := end
	for _, p := range phases {
		if p.ns != nil {
			at = at.Add(-time.Duration(*p.ns))
		}
	}
	if began := r.GetStartedAt().AsTime(); at.Before(began) { // the wall clock was set meanwhile
		at = began
	}
	for _, p := range phases {
		if p.ns == nil {
			continue
		}
		_, span := t.otel.Start(ctx, p.name, trace.WithTimestamp(at))
		if p.failed {
			markFailed(span, r)
		}
		at = at.Add(time.Duration(*p.ns))
		span.End(trace.WithTimestamp(at))
	}
}

// markFailed says what was wrong, by its type: messages may hold what the target said.
func markFailed(span trace.Span, r *checkv1.CheckResult) {
	if r.GetStatus() == checkv1.ResultStatus_RESULT_STATUS_SUCCESS {
		return
	}
	span.SetAttributes(semconv.ErrorTypeKey.String(r.GetErrorType()))
	span.SetStatus(codes.Error, r.GetErrorType())
}

// checkAttributes tell which check it was and what came of it. Of the URL only scheme, host and port: the rest may be secret.
func checkAttributes(r *checkv1.CheckResult) []attribute.KeyValue {
	attrs := append(make([]attribute.KeyValue, 0, 12),
		attribute.Int64("frogup.monitor.id", int64(r.GetMonitorId())),
		attribute.String("frogup.region", r.GetRegion()),
		attribute.String("frogup.prober.id", r.GetProberId()),
		attribute.String("frogup.check.type", typeName(r.GetMonitorType())),
		attribute.String("frogup.check.outcome", statusName(r.GetStatus())),
		attribute.Int64("frogup.check.attempts", int64(r.GetAttempt())),
		attribute.Float64("frogup.check.lateness", time.Duration(r.GetLatenessNs()).Seconds()),
	)
	if r.ResolvedIp != nil {
		attrs = append(attrs, semconv.NetworkPeerAddress(r.GetResolvedIp()))
	}
	if r.StatusCode != nil {
		attrs = append(attrs, semconv.HTTPResponseStatusCode(int(r.GetStatusCode())))
	}
	u, err := url.Parse(r.GetMonitorUrl())
	if err != nil {
		return attrs
	}
	attrs = append(attrs, semconv.ServerAddress(u.Hostname()))
	if port := portOf(u); port != 0 {
		attrs = append(attrs, semconv.ServerPort(port))
	}
	if u.Scheme != "tcp" {
		attrs = append(attrs, semconv.URLScheme(u.Scheme))
	}
	return attrs
}

// portOf is the port that is dialled; 0 if it cannot be told.
func portOf(u *url.URL) int {
	switch {
	case u.Port() != "":
		port, _ := strconv.Atoi(u.Port())
		return port
	case u.Scheme == "http":
		return 80
	case u.Scheme == "https":
		return 443
	}
	return 0
}

// typeName is a monitor type as the wire has it.
func typeName(t checkv1.MonitorType) string {
	return strings.ToLower(strings.TrimPrefix(t.String(), "MONITOR_TYPE_"))
}
