package e2e

import (
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
)

// collector takes whatever an OpenTelemetry exporter sends and keeps it as it came over
// the wire: what is not in these bytes was not exported.
type collector struct {
	url string

	mu   sync.Mutex
	seen map[string][]byte // by method
}

// newCollector listens until the test ends.
func newCollector(t testing.TB) *collector {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{url: "http://" + l.Addr().String(), seen: map[string][]byte{}}
	server := grpc.NewServer(grpc.ForceServerCodec(frames{}), grpc.UnknownServiceHandler(c.take))
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("collector: %v", err)
		}
	})
	return c
}

func (c *collector) take(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	var frame []byte
	if err := stream.RecvMsg(&frame); err != nil {
		return err
	}
	c.mu.Lock()
	c.seen[method] = append(c.seen[method], frame...)
	c.mu.Unlock()
	return stream.SendMsg(&[]byte{}) // an empty answer: everything was accepted
}

// exported is what came for a method so far.
func (c *collector) exported(method string) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]byte(nil), c.seen[method]...)
}

const (
	traceExport  = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
	metricExport = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
)

// frames is a codec that leaves messages as they are.
type frames struct{}

func (frames) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

func (frames) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), data...)
	return nil
}

func (frames) Name() string { return "proto" }
