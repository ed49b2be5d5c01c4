package telemetry

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// The bounds that keep a collector's trouble to itself.
const (
	spanQueue     = 4096             // spans in memory that are not exported yet; the next ones are dropped
	spanBatch     = 512              // spans in one request
	spanEvery     = 2 * time.Second  // how long a few spans wait for company
	exportTimeout = 10 * time.Second // of one request, tries included
	endGrace      = time.Second      // for an exporter that was told to end
)

// spanPipe is the way of spans to the collector. Ending a span never waits: what finds the queue full is dropped and counted.
type spanPipe struct {
	sdktrace.SpanProcessor
	exporter sdktrace.SpanExporter

	ending context.Context // ends when nobody waits for exports any more
	end    context.CancelFunc
	over   chan struct{} // closed when the exporter is shut down

	pending                   atomic.Int64
	exported, failed, dropped atomic.Int64
}

func newSpanPipe(exporter sdktrace.SpanExporter) *spanPipe {
	p := &spanPipe{exporter: exporter, over: make(chan struct{})}
	p.ending, p.end = context.WithCancel(context.Background())
	p.SpanProcessor = sdktrace.NewBatchSpanProcessor(exit{p},
		sdktrace.WithMaxQueueSize(spanQueue+spanBatch), // never full: a flush, too, takes a place
		sdktrace.WithMaxExportBatchSize(spanBatch), sdktrace.WithBatchTimeout(spanEvery), sdktrace.WithExportTimeout(exportTimeout))
	return p
}

// OnEnd queues a span. Counting what is pending here rather than in the processor's own queue tells how much is lost.
func (p *spanPipe) OnEnd(s sdktrace.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	if p.pending.Add(1) > spanQueue || p.ending.Err() != nil {
		p.pending.Add(-1)
		p.dropped.Add(1)
		return
	}
	p.SpanProcessor.OnEnd(s)
}

// Shutdown exports what is queued until ctx ends. What is left then is given up: the exporter is told to end, and given a moment
// for it.
func (p *spanPipe) Shutdown(ctx context.Context) error {
	err := p.SpanProcessor.Shutdown(ctx)
	p.end()
	select {
	case <-p.over:
	case <-time.After(endGrace):
	}
	return err
}

// exit is the exporter as the processor sees it.
type exit struct{ p *spanPipe }

func (e exit) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(e.p.ending, func() { cancel(errEnding) })()
	n, err := int64(len(spans)), e.p.ending.Err()
	if err == nil {
		err = e.p.exporter.ExportSpans(ctx, spans)
	}
	e.p.pending.Add(-n)
	if err != nil {
		e.p.failed.Add(n)
		return err
	}
	e.p.exported.Add(n)
	return nil
}

var errEnding = errors.New("the process ends")

func (e exit) Shutdown(ctx context.Context) error {
	defer close(e.p.over)
	return e.p.exporter.Shutdown(ctx)
}

// watch counts what becomes of spans, by result.
func (p *spanPipe) watch(mp metric.MeterProvider) error {
	meter := mp.Meter("github.com/frogstats/uptime/internal/telemetry")
	spans, err := meter.Int64ObservableCounter("frogup_telemetry_spans",
		metric.WithDescription("Spans that ended and were sampled, by what became of them: exported, failed, or dropped for want of room."))
	if err != nil {
		return fmt.Errorf("telemetry: span counter: %w", err)
	}
	queued, err := meter.Int64ObservableGauge("frogup_telemetry_queued_spans", metric.WithDescription("Spans that wait for the collector."))
	if err != nil {
		return fmt.Errorf("telemetry: span gauge: %w", err)
	}
	result := func(s string) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(attribute.String("result", s)))
	}
	exported, failed, dropped := result("exported"), result("failed"), result("dropped")
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		o.ObserveInt64(spans, p.exported.Load(), exported)
		o.ObserveInt64(spans, p.failed.Load(), failed)
		o.ObserveInt64(spans, p.dropped.Load(), dropped)
		o.ObserveInt64(queued, p.pending.Load())
		return nil
	}, spans, queued)
	if err != nil {
		return fmt.Errorf("telemetry: watch spans: %w", err)
	}
	return nil
}
