package e2e

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	tracecollector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
)

// receiver is an OTLP receiver that keeps the spans.
type receiver struct {
	tracecollector.UnimplementedTraceServiceServer
	url string

	mu    sync.Mutex
	spans []span
}

// span is one that was exported, with what it says of its process.
type span struct {
	*tracev1.Span
	service string
}

// newReceiver listens until the test ends.
func newReceiver(t testing.TB) *receiver {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{url: "http://" + l.Addr().String()}
	server := grpc.NewServer()
	tracecollector.RegisterTraceServiceServer(server, r)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("receiver: %v", err)
		}
	})
	return r
}

func (r *receiver) Export(_ context.Context, req *tracecollector.ExportTraceServiceRequest) (*tracecollector.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, resource := range req.GetResourceSpans() {
		service := ""
		for _, a := range resource.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				r.spans = append(r.spans, span{s, service})
			}
		}
	}
	return &tracecollector.ExportTraceServiceResponse{}, nil
}

// traces are the spans that came so far, by trace.
func (r *receiver) traces() map[string][]span {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[string][]span{}
	for _, s := range r.spans {
		all[string(s.GetTraceId())] = append(all[string(s.GetTraceId())], s)
	}
	return all
}

func (s span) attribute(key string) string {
	for _, a := range s.GetAttributes() {
		if a.GetKey() == key {
			if a.GetValue().GetStringValue() != "" {
				return a.GetValue().GetStringValue()
			}
			return fmt.Sprint(a.GetValue().GetIntValue())
		}
	}
	return ""
}

// database is the kind of store that the span's query went to; "" is none.
func (s span) database() string {
	if system := s.attribute("db.system.name"); system != "" {
		return system
	}
	return s.attribute("db.system")
}

// passed lists where the trace went: each service and each kind of store that a service asked, once.
func passed(trace []span) []string {
	var out []string
	for _, s := range trace {
		out = append(out, s.service)
		if db := s.database(); db != "" {
			out = append(out, s.service+" → "+db)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// connected reports whether every span but one has its parent in the trace.
func connected(trace []span) error {
	ids := map[string]bool{}
	for _, s := range trace {
		ids[string(s.GetSpanId())] = true
	}
	var roots []string
	for _, s := range trace {
		if !ids[string(s.GetParentSpanId())] {
			roots = append(roots, s.service+" "+s.GetName())
		}
	}
	if len(roots) != 1 {
		return fmt.Errorf("%d spans have no parent: %s", len(roots), strings.Join(roots, ", "))
	}
	return nil
}

func sketch(trace []span) string {
	slices.SortFunc(trace, func(a, b span) int { return int(a.GetStartTimeUnixNano()) - int(b.GetStartTimeUnixNano()) })
	depth := map[string]int{}
	var out strings.Builder
	for _, s := range trace {
		d := depth[string(s.GetParentSpanId())]
		depth[string(s.GetSpanId())] = d + 1
		fmt.Fprintf(&out, "%s%s: %s %s (%d links)\n", strings.Repeat("  ", d), s.service, s.GetName(), s.database(), len(s.GetLinks()))
	}
	return out.String()
}
