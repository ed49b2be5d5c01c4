// Package rpc is the house gRPC server and client: every service speaks through them, whether over TCP or in memory, so
// that identity, validation, errors, traces and request ids work the same everywhere.
//
// A request passes these steps in this order, unary or stream: recover a panic, telemetry, request id, authenticate,
// authorise, validate, handler; and every error, whichever step it comes from, is turned into a status once, on the way
// out. See (*Server).unary, which can be read top to bottom.
package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"buf.build/go/protovalidate"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc/filters"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/frogstats/uptime/internal/identity"
)

// DefaultMaxRecvBytes is the largest request message accepted when Config does not say.
const DefaultMaxRecvBytes = 4 << 20

// The server closes connections after a while, so that clients find the replicas that have come up meanwhile. Open streams
// are left alone: they would all resume, but at the price of a snapshot each.
const (
	keepaliveTime    = 2 * time.Minute
	keepaliveTimeout = 20 * time.Second
	keepaliveMinTime = 10 * time.Second // clients that ping more often are cut off
	maxConnectionAge = 30 * time.Minute // by default; grpc adds ±10 %
	forceGrace       = time.Second      // for handlers to notice that their connection was cut
)

// Config is what a server needs. Service, Log, Signer and Policy are required.
type Config struct {
	Service        string // short name for logs, e.g. "monitors"
	Log            *slog.Logger
	Signer         *identity.Signer
	Policy         Policy
	MaxRecvBytes   int                              // 0 means DefaultMaxRecvBytes
	Reflection     bool                             // serve gRPC reflection, publicly
	Credentials    credentials.TransportCredentials // nil means plaintext
	ConnectionAge  time.Duration                    // after which clients are asked to connect anew; 0 means 30 minutes
	TracerProvider trace.TracerProvider             // nil means the global one
	MeterProvider  metric.MeterProvider             // nil means the global one
	// FieldName renames the field of a violation before it is answered; path is the proto path, such as
	// "monitor.tcp_config.port". Nil leaves it. TrimBody is one.
	FieldName func(fullMethod, path string) string
}

// Server is a gRPC server with the house interceptors, health and, if asked for, reflection.
// It is a grpc.ServiceRegistrar; register everything before Serve.
type Server struct {
	grpc      *grpc.Server
	health    *health.Server
	name      string
	log       *slog.Logger
	signer    *identity.Signer
	policy    Policy
	validate  protovalidate.Validator
	fieldName func(fullMethod, path string) string
	outages   outages

	closing context.Context // done when Stop begins; every stream's context ends with it
	close   context.CancelFunc
}

// NewServer builds a server. It fails only on an incomplete Config.
func NewServer(cfg Config) (*Server, error) {
	if cfg.Service == "" || cfg.Log == nil || cfg.Signer == nil || cfg.Policy == nil {
		return nil, errors.New("rpc server needs a service name, a log, a signer and a policy")
	}
	validate, err := protovalidate.New()
	if err != nil {
		return nil, fmt.Errorf("rpc server: validator: %w", err)
	}
	s := &Server{
		health: health.NewServer(), name: cfg.Service, log: cfg.Log.With("service", cfg.Service), signer: cfg.Signer,
		policy: cfg.Policy, validate: validate, fieldName: cfg.FieldName,
	}
	s.closing, s.close = context.WithCancel(context.Background())
	s.grpc = grpc.NewServer(s.options(cfg)...)
	s.health.SetServingStatus("", healthv1.HealthCheckResponse_NOT_SERVING)
	s.health.SetServingStatus(cfg.Service, healthv1.HealthCheckResponse_NOT_SERVING)
	healthv1.RegisterHealthServer(s.grpc, s.health)
	if cfg.Reflection {
		reflection.Register(s.grpc)
	}
	return s, nil
}

func (s *Server) options(cfg Config) []grpc.ServerOption {
	maxRecv := cfg.MaxRecvBytes
	if maxRecv <= 0 {
		maxRecv = DefaultMaxRecvBytes
	}
	age := cfg.ConnectionAge
	if age <= 0 {
		age = maxConnectionAge
	}
	opts := []grpc.ServerOption{
		grpc.StatsHandler(otelgrpc.NewServerHandler(telemetryOptions(cfg.TracerProvider, cfg.MeterProvider)...)),
		grpc.UnaryInterceptor(s.unary),
		grpc.StreamInterceptor(s.stream),
		grpc.MaxRecvMsgSize(maxRecv),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time: keepaliveTime, Timeout: keepaliveTimeout, MaxConnectionAge: age,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveMinTime, PermitWithoutStream: true}),
	}
	if cfg.Credentials != nil {
		opts = append(opts, grpc.Creds(cfg.Credentials))
	}
	return opts
}

// telemetryOptions is shared by both ends. Health checks are left out: they come every few seconds and say nothing.
func telemetryOptions(tp trace.TracerProvider, mp metric.MeterProvider) []otelgrpc.Option {
	opts := []otelgrpc.Option{
		otelgrpc.WithFilter(filters.Not(filters.HealthCheck())),
		otelgrpc.WithPropagators(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})),
	}
	if tp != nil {
		opts = append(opts, otelgrpc.WithTracerProvider(tp))
	}
	if mp != nil {
		opts = append(opts, otelgrpc.WithMeterProvider(mp))
	}
	return opts
}

// RegisterService makes Server a grpc.ServiceRegistrar.
func (s *Server) RegisterService(desc *grpc.ServiceDesc, impl any) {
	s.grpc.RegisterService(desc, impl)
}

// Undeclared lists, sorted, the registered methods for which the policy names no access, and which are therefore denied to
// everybody. A service's test wants it empty.
func (s *Server) Undeclared() []string {
	var out []string
	for service, info := range s.grpc.GetServiceInfo() {
		for _, m := range info.Methods {
			full := "/" + service + "/" + m.Name
			if a, ok := s.access(full); !ok || a == identity.AccessUnspecified {
				out = append(out, full)
			}
		}
	}
	slices.Sort(out)
	return out
}

// SetServing announces over the health service whether the server as a whole, under "" and under its short name, and each
// registered service, is ready. A new server is not.
func (s *Server) SetServing(ready bool) {
	st := healthv1.HealthCheckResponse_NOT_SERVING
	if ready {
		st = healthv1.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus("", st)
	s.health.SetServingStatus(s.name, st)
	for service := range s.grpc.GetServiceInfo() {
		s.health.SetServingStatus(service, st)
	}
}

// Serve accepts connections on l until Stop, and returns nil then. It may be called for several listeners at once, such as
// a TCP port and a Memory.
func (s *Server) Serve(l net.Listener) error {
	if err := s.grpc.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	return nil
}

// Stop announces NOT_SERVING, ends the contexts of open streams, lets requests in progress finish until ctx is done, and
// then cuts the rest off. It returns an error only if it had to. Repeating it does no harm.
//
// The streams come first because a graceful stop by itself never returns while one is open.
func (s *Server) Stop(ctx context.Context) error {
	s.health.Shutdown()
	s.close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.grpc.GracefulStop()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.grpc.Stop()
	select {
	case <-done:
	case <-time.After(forceGrace): // a handler that ignores its context; waiting on would only lose more
	}
	return fmt.Errorf("graceful stop: %w", context.Cause(ctx))
}
