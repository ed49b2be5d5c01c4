package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"

	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/requestid"
)

// DefaultTimeout bounds a unary call whose context has no deadline.
const DefaultTimeout = 10 * time.Second

const (
	clientKeepaliveTime = 30 * time.Second // keeps address translators on the way awake; servers allow down to keepaliveMinTime
	memoryBufferBytes   = 256 << 10        // per direction and connection
)

// reconnect is far quicker than gRPC's own two minutes: a service that comes back is wanted back.
var reconnect = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 3 * time.Second},
	MinConnectTimeout: 5 * time.Second,
}

// ClientConfig is what a connection needs. Signer is required.
type ClientConfig struct {
	Signer *identity.Signer
	// Service is the name of the calling service, and makes calls whose context has no principal its own work. Leave it
	// empty at the edge: there, a call without a principal must be anonymous.
	Service        string
	Timeout        time.Duration                    // of unary calls without a deadline; 0 means DefaultTimeout
	MaxRecvBytes   int                              // 0 means DefaultMaxRecvBytes
	Idempotent     []string                         // "/pkg.Service/Method", or "/pkg.Service/" for all; retried on Unavailable
	Credentials    credentials.TransportCredentials // nil means plaintext
	TracerProvider trace.TracerProvider             // nil means the global one
	MeterProvider  metric.MeterProvider             // nil means the global one
}

// Dial makes a connection to a gRPC target such as "dns:///monitors:7000" or "127.0.0.1:7000", or to a list of addresses with
// commas between them. It connects when first used, spreads calls over all addresses that answer, and looks the name up
// again when a connection is lost.
func Dial(target string, cfg ClientConfig) (*grpc.ClientConn, error) {
	if strings.Contains(target, ",") {
		target = listScheme + ":///" + target
	}
	return dial(target, cfg, grpc.WithResolvers(listBuilder{}))
}

// Memory is a listener without a network, for services of one process and for tests. Hand it to Server.Serve, then Dial.
type Memory struct{ *bufconn.Listener }

// NewMemory makes a listener.
func NewMemory() *Memory { return &Memory{bufconn.Listen(memoryBufferBytes)} }

// Dial makes a connection to whatever server serves m. The same interceptors run as over a network.
func (m *Memory) Dial(cfg ClientConfig) (*grpc.ClientConn, error) {
	// Without passthrough the name would be looked up in the DNS before the dialer ever saw it.
	return dial("passthrough:///memory", cfg, grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		return m.Listener.DialContext(ctx)
	}))
}

func dial(target string, cfg ClientConfig, extra ...grpc.DialOption) (*grpc.ClientConn, error) {
	if cfg.Signer == nil {
		return nil, errors.New("rpc client needs a signer")
	}
	serviceConfig, err := serviceConfig(cfg.Idempotent)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", target, err)
	}
	creds := cfg.Credentials
	if creds == nil {
		creds = insecure.NewCredentials()
	}
	maxRecv := cfg.MaxRecvBytes
	if maxRecv <= 0 {
		maxRecv = DefaultMaxRecvBytes
	}
	c := &client{signer: cfg.Signer, service: cfg.Service, timeout: cfg.Timeout}
	if c.timeout <= 0 {
		c.timeout = DefaultTimeout
	}
	conn, err := grpc.NewClient(target, append([]grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithStatsHandler(otelgrpc.NewClientHandler(telemetryOptions(cfg.TracerProvider, cfg.MeterProvider)...)),
		grpc.WithUnaryInterceptor(c.unary),
		grpc.WithStreamInterceptor(c.stream),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithDisableServiceConfig(), // what the DNS says about retries is not ours
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxRecv)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: clientKeepaliveTime, Timeout: keepaliveTimeout}),
		grpc.WithConnectParams(reconnect),
	}, extra...)...)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", target, err)
	}
	return conn, nil
}

type client struct {
	signer  *identity.Signer
	service string
	timeout time.Duration
}

func (c *client) unary(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	return call(c.outgoing(ctx), method, req, reply, conn, opts...)
}

func (c *client) stream(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return open(c.outgoing(ctx), desc, conn, method, opts...)
}

// outgoing adds who calls, and under which request.
func (c *client) outgoing(ctx context.Context) context.Context {
	if id := requestid.FromContext(ctx); id != "" {
		md, _ := metadata.FromOutgoingContext(ctx) // a copy
		if md == nil {
			md = metadata.MD{}
		}
		md.Set(requestid.Key, id)
		ctx = metadata.NewOutgoingContext(ctx, md)
	}
	return c.signer.Outgoing(ctx, c.principal(ctx))
}

func (c *client) principal(ctx context.Context) identity.Principal {
	p, ok := identity.FromContext(ctx)
	if (ok && !isAsService(ctx)) || c.service == "" {
		return p
	}
	return identity.Principal{Kind: identity.KindService, Name: c.service, RemoteIP: p.RemoteIP}
}

type asServiceKey struct{}

// AsService returns ctx whose calls are made in the calling service's own name, whoever's request ctx belongs to. Decide
// first that the request may cause the work: the callee can no longer tell.
func AsService(ctx context.Context) context.Context {
	return context.WithValue(ctx, asServiceKey{}, true)
}

func isAsService(ctx context.Context) bool {
	on, _ := ctx.Value(asServiceKey{}).(bool)
	return on
}

// serviceConfig asks for round robin, and for retries of the methods that may be repeated.
func serviceConfig(idempotent []string) (string, error) {
	type name struct {
		Service string `json:"service"`
		Method  string `json:"method,omitempty"`
	}
	var names []name
	for _, full := range idempotent {
		service, method, ok := strings.Cut(strings.TrimPrefix(full, "/"), "/")
		if !ok || service == "" {
			return "", fmt.Errorf("idempotent method %q is not of the form /service/method", full)
		}
		names = append(names, name{service, method})
	}
	cfg := map[string]any{"loadBalancingConfig": []any{map[string]any{"round_robin": map[string]any{}}}}
	if len(names) > 0 {
		cfg["methodConfig"] = []any{map[string]any{"name": names, "retryPolicy": map[string]any{
			"maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "2s", "backoffMultiplier": 2,
			"retryableStatusCodes": []string{"UNAVAILABLE"},
		}}}
	}
	b, err := json.Marshal(cfg)
	return string(b), err
}
