// Package telemetry sets up what a process tells about itself: traces and metrics over OpenTelemetry, the same metrics for
// Prometheus, and logs with slog.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const (
	metricInterval = 15 * time.Second
	// shutdownGrace bounds Shutdown: a collector that does not answer must not make a process slow to stop.
	shutdownGrace = 2 * time.Second
)

// Config says who tells, and to whom.
type Config struct {
	Service     string  // service.name
	Version     string  // service.version
	Instance    string  // service.instance.id; "" leaves it out
	Endpoint    string  // OTLP over gRPC, as a URL such as "http://collector:4317"; "" exports nothing
	SampleRatio float64 // share of new traces that are kept, 0 < r ≤ 1; 0 means all; see also sampling.Keep
}

// Telemetry holds the providers. Hand them to what needs them.
type Telemetry struct {
	traces   *sdktrace.TracerProvider
	metrics  *sdkmetric.MeterProvider
	registry *prometheus.Registry
}

// New sets everything up. It does not wait for the collector: without one the process runs on, and says so in the log. Without
// an endpoint, traces are not recorded, but every request still has a trace id for the log.
func New(ctx context.Context, cfg Config) (*Telemetry, error) {
	res := describe(cfg)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	pull, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo())
	if err != nil {
		return nil, fmt.Errorf("telemetry: prometheus: %w", err)
	}
	metricOptions := []sdkmetric.Option{sdkmetric.WithResource(res), sdkmetric.WithReader(pull), sdkmetric.WithView(boundedHosts)}
	if cfg.Endpoint == "" {
		return &Telemetry{
			traces:   sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithSampler(sdktrace.NeverSample())),
			metrics:  sdkmetric.NewMeterProvider(metricOptions...),
			registry: registry,
		}, nil
	}
	spans, push, err := exporters(ctx, cfg.Endpoint)
	if err != nil {
		return nil, err
	}
	pipe := newSpanPipe(spans)
	t := &Telemetry{
		traces: sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithSampler(newSampler(cfg.SampleRatio)),
			sdktrace.WithSpanProcessor(pipe)),
		metrics:  sdkmetric.NewMeterProvider(append(metricOptions, sdkmetric.WithReader(push))...),
		registry: registry,
	}
	if err := pipe.watch(t.metrics); err != nil {
		return nil, errors.Join(err, t.Shutdown(ctx))
	}
	return t, nil
}

// boundedHosts leaves the name of the server out of HTTP metrics: it is what the client says in Host, so that anybody could
// make any number of series.
var boundedHosts = sdkmetric.NewView(sdkmetric.Instrument{Name: "http.server.*"},
	sdkmetric.Stream{AttributeFilter: attribute.NewDenyKeysFilter("server.address", "server.port")})

func describe(cfg Config) *resource.Resource {
	attrs := []attribute.KeyValue{attribute.String("service.name", cfg.Service), attribute.String("service.version", cfg.Version)}
	if cfg.Instance != "" {
		attrs = append(attrs, attribute.String("service.instance.id", cfg.Instance))
	}
	return resource.NewSchemaless(attrs...)
}

func exporters(ctx context.Context, endpoint string) (sdktrace.SpanExporter, sdkmetric.Reader, error) {
	spans, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpointURL(endpoint), otlptracegrpc.WithTimeout(exportTimeout))
	if err != nil {
		return nil, nil, fmt.Errorf("telemetry: trace exporter: %w", err)
	}
	points, err := otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithEndpointURL(endpoint), otlpmetricgrpc.WithTimeout(exportTimeout))
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("telemetry: metric exporter: %w", err), spans.Shutdown(ctx))
	}
	return spans, sdkmetric.NewPeriodicReader(points, sdkmetric.WithInterval(metricInterval), sdkmetric.WithTimeout(exportTimeout)), nil
}

// TracerProvider makes tracers.
func (t *Telemetry) TracerProvider() trace.TracerProvider { return t.traces }

// MeterProvider makes meters.
func (t *Telemetry) MeterProvider() metric.MeterProvider { return t.metrics }

// Handler serves the metrics in Prometheus's formats, for /metrics.
func (t *Telemetry) Handler() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// SetGlobal makes these providers the process's defaults, for libraries that ask for no other, and sends what OpenTelemetry
// itself has to complain about to log. Only the composition of a process calls it.
func (t *Telemetry) SetGlobal(log *slog.Logger) {
	otel.SetTracerProvider(t.traces)
	otel.SetMeterProvider(t.metrics)
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.Warn("telemetry export failed", "error", err.Error())
	}))
}

// Flush sends what is still held back.
func (t *Telemetry) Flush(ctx context.Context) error {
	if err := errors.Join(t.traces.ForceFlush(ctx), t.metrics.ForceFlush(ctx)); err != nil {
		return fmt.Errorf("flush telemetry: %w", err)
	}
	return nil
}

// Shutdown flushes and ends the exporters, within two seconds; what a collector does not take by then is lost. Do it last of
// all.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, shutdownGrace)
	defer cancel()
	traces := make(chan error, 1)
	go func() { traces <- t.traces.Shutdown(ctx) }()
	if err := errors.Join(t.metrics.Shutdown(ctx), <-traces); err != nil {
		return fmt.Errorf("shut down telemetry: %w", err)
	}
	return nil
}
