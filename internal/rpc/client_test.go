package rpc

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	testpb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
)

func TestPrincipalOnTheWayOut(t *testing.T) {
	var got identity.Principal
	handler := &fake{unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		got, _ = identity.FromContext(ctx)
		return &testpb.SimpleResponse{}, nil
	}}
	user := identity.Principal{Kind: identity.KindUser, UserID: "u", OrganizationID: "o", Role: identity.RoleAdmin, RemoteIP: "192.0.2.9"}
	service := identity.Principal{Kind: identity.KindService, Name: "alerts"}
	asService := service
	asService.RemoteIP = user.RemoteIP

	withUser := func(ctx context.Context) context.Context { return identity.NewContext(ctx, user) }
	same := func(ctx context.Context) context.Context { return ctx }
	nobody := func(ctx context.Context) context.Context { return identity.NewContext(ctx, identity.Anonymous) }
	tests := map[string]struct {
		service string
		ctx     func(context.Context) context.Context
		want    identity.Principal
	}{
		"a user's request":              {"alerts", withUser, user},
		"own work":                      {"alerts", same, service},
		"nobody's request":              {"alerts", nobody, identity.Anonymous},
		"own work during a request":     {"alerts", func(ctx context.Context) context.Context { return AsService(withUser(ctx)) }, asService},
		"own work, nobody's request":    {"alerts", func(ctx context.Context) context.Context { return AsService(nobody(ctx)) }, service},
		"at the edge: a user":           {"", withUser, user},
		"at the edge: nothing":          {"", same, identity.Anonymous},
		"at the edge: nobody":           {"", nobody, identity.Anonymous},
		"at the edge: no service to be": {"", func(ctx context.Context) context.Context { return AsService(withUser(ctx)) }, user},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := run(t, handler, func(_ *Config, c *ClientConfig) { c.Service = tt.service })
			if _, err := r.client.UnaryCall(tt.ctx(testContext(t)), &testpb.SimpleRequest{}); err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("callee saw %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestUnaryCallsHaveADeadline(t *testing.T) {
	var left time.Duration
	var bounded bool
	r := run(t, &fake{unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		var at time.Time
		at, bounded = ctx.Deadline()
		left = time.Until(at)
		return &testpb.SimpleResponse{}, nil
	}})
	call := func(ctx context.Context) {
		t.Helper()
		if _, err := r.client.UnaryCall(ctx, &testpb.SimpleRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	call(context.Background())
	if !bounded || left > DefaultTimeout || left < DefaultTimeout/2 {
		t.Errorf("deadline by default: %v, %v left", bounded, left)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	call(ctx)
	if !bounded || left < 50*time.Minute {
		t.Errorf("deadline of the caller: %v, %v left", bounded, left)
	}
}

func TestDeadlineEndsTheCall(t *testing.T) {
	r := run(t, &fake{unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}, func(_ *Config, c *ClientConfig) { c.Timeout = 20 * time.Millisecond })
	_, err := r.client.UnaryCall(context.Background(), &testpb.SimpleRequest{})
	if !fault.Is(err, fault.KindDeadline) {
		t.Errorf("got %v, want a deadline", err)
	}
}

func TestOnlyIdempotentMethodsAreRetried(t *testing.T) {
	var calls atomic.Int32
	flaky := func() error {
		if calls.Add(1) < 3 {
			return fault.Unavailable("later")
		}
		return nil
	}
	r := run(t, &fake{
		empty: func(context.Context) error { return flaky() },
		unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			return &testpb.SimpleResponse{}, flaky()
		},
	}, func(_ *Config, c *ClientConfig) { c.Idempotent = []string{emptyCall} })
	ctx := member(testContext(t), identity.RoleOwner)
	if _, err := r.client.EmptyCall(ctx, &testpb.Empty{}); err != nil || calls.Load() != 3 {
		t.Errorf("idempotent: %v after %d calls, want success after 3", err, calls.Load())
	}
	calls.Store(0)
	if _, err := r.client.UnaryCall(ctx, &testpb.SimpleRequest{}); !fault.Is(err, fault.KindUnavailable) || calls.Load() != 1 {
		t.Errorf("other: %v after %d calls, want one", err, calls.Load())
	}
}

func TestServiceConfig(t *testing.T) {
	for _, bad := range []string{"", "/", "x", "//Method"} {
		if _, err := serviceConfig([]string{bad}); err == nil {
			t.Errorf("method %q was accepted", bad)
		}
	}
	for _, good := range [][]string{nil, {"/pkg.Service/"}, {"/pkg.Service/Get", "/pkg.Service/List"}} {
		if cfg, err := serviceConfig(good); err != nil || !json.Valid([]byte(cfg)) {
			t.Errorf("%v gave %s, %v", good, cfg, err)
		}
	}
}

func TestOneTraceOverBothEnds(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	t.Cleanup(func() { _ = tp.Shutdown(context.Background()) })
	r := run(t, &fake{unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		return &testpb.SimpleResponse{}, nil
	}}, func(s *Config, c *ClientConfig) { s.TracerProvider, c.TracerProvider = tp, tp })
	ctx := testContext(t)
	if _, err := r.client.UnaryCall(ctx, &testpb.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := healthv1.NewHealthClient(r.conn).Check(ctx, &healthv1.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	if err := r.server.Stop(ctx); err != nil { // the server's span ends after the answer is sent
		t.Fatal(err)
	}
	got := spans.GetSpans()
	if len(got) != 2 {
		t.Fatalf("%d spans, want the client's and the server's, and none for health", len(got))
	}
	if a, b := got[0].SpanContext.TraceID(), got[1].SpanContext.TraceID(); a != b || !a.IsValid() {
		t.Errorf("trace ids %v and %v", a, b)
	}
}
