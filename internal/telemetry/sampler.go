package telemetry

import (
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/frogstats/uptime/internal/telemetry/sampling"
)

// newSampler decides for traces that begin here; one that began elsewhere is kept if it was kept there. Streams have no spans.
func newSampler(ratio float64) sdktrace.Sampler {
	if ratio <= 0 || ratio > 1 {
		ratio = 1
	}
	return streamless{sdktrace.ParentBased(sampler{sdktrace.TraceIDRatioBased(ratio)})}
}

// sampler keeps what sampling.Keep says is to be kept, and of the rest what the ratio keeps.
type sampler struct{ sdktrace.Sampler }

func (s sampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	if sampling.Kept(p.ParentContext) {
		return sdktrace.SamplingResult{Decision: sdktrace.RecordAndSample}
	}
	return s.Sampler.ShouldSample(p)
}

// streamless drops the spans of gRPC streams. Ours stay open as long as the process: their spans would never be exported, and
// every query made for them would go into one trace without end. Their metrics are kept.
type streamless struct{ sdktrace.Sampler }

func (s streamless) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	if (p.Kind == trace.SpanKindClient || p.Kind == trace.SpanKindServer) && isStream(p.Name) {
		return sdktrace.SamplingResult{Decision: sdktrace.Drop, Tracestate: trace.SpanContextFromContext(p.ParentContext).TraceState()}
	}
	return s.Sampler.ShouldSample(p)
}

// isStream reports whether a span's name is that of a streaming method, such as "grpc.health.v1.Health/Watch".
func isStream(name string) bool {
	service, method, ok := strings.Cut(name, "/")
	if !ok || strings.Contains(service, " ") { // "GET /path"
		return false
	}
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		return false
	}
	sd, ok := d.(protoreflect.ServiceDescriptor)
	if !ok {
		return false
	}
	m := sd.Methods().ByName(protoreflect.Name(method))
	return m != nil && (m.IsStreamingClient() || m.IsStreamingServer())
}
