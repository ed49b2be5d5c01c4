// Package gateway is the edge: the one service that the outside talks to. It speaks REST on one side and gRPC on the
// other, finds out who is asking, and keeps no data.
//
// A request passes these steps in this order: request id, telemetry, recover a panic, access log, security headers, limits,
// compression, and then dispatch: find the route, authenticate, refuse what another site sent, check parameters and body,
// and hand it to the generated handler, which calls the service. Whether the caller may do it is decided there, not here.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"

	accountsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/accounts/v1"
	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
)

// DefaultMaxBodyBytes allows for a monitor whose own request body is 1 MiB, every byte of it escaped once.
const DefaultMaxBodyBytes = 2 << 20

const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
)

// A proxy may send all its clients over one connection. The window of a connection is that of many streams, so that one whose
// service takes its time does not stop the others.
const (
	maxProxyStreams  = 1000
	connectionWindow = 32 << 20
	streamWindow     = 256 << 10
	http2PingAfter   = 30 * time.Second // of silence: a prober whose line is cut is noticed
	http2PingTimeout = 15 * time.Second
)

// Config is what the gateway needs. Conns and Log are required.
type Config struct {
	// Conns are connections by the name of the service: accounts, monitors, events and alerts; others, such as prober, count
	// for readiness only. Every call that the gateway makes carries a principal in its context.
	Conns map[string]grpc.ClientConnInterface
	Log   *slog.Logger

	Version        string         // told by /readyz?verbose
	TrustedProxies []netip.Prefix // whose X-Forwarded-* headers count; empty means nobody's
	PublicHost     string         // under which remote probers may call, whatever Host header a proxy sends; "" means none such
	MaxBodyBytes   int64          // of one request; 0 means DefaultMaxBodyBytes

	// Ready adds components to readiness, by name; a nil error is ready. May be nil.
	Ready func(ctx context.Context) map[string]error
	// Metrics serves /metrics, to callers with at least the role viewer; nil answers 404.
	Metrics       http.Handler
	MetricsPublic bool // serve /metrics to everybody

	// Client is the built web client, with index.html at its root; nil means the one that is built in.
	Client fs.FS

	TracerProvider trace.TracerProvider // nil means the global one
	MeterProvider  metric.MeterProvider // nil means the global one
}

// Gateway answers HTTP. Build it with New.
type Gateway struct {
	cfg     Config
	log     *slog.Logger
	routes  routes
	mux     *runtime.ServeMux
	auth    authenticator
	origins *http.CrossOriginProtection
	site    *site
	handler http.Handler
	streams *streams
	agents  *agents
	feed    eventsv1.FeedServiceClient
	audits  []auditSource
}

// New builds the gateway. It connects to nothing yet, and starts nothing.
func New(cfg Config) (*Gateway, error) {
	if cfg.Log == nil {
		return nil, errors.New("gateway needs a log")
	}
	for _, name := range []string{"accounts", "monitors", "events", "alerts"} {
		if cfg.Conns[name] == nil {
			return nil, fmt.Errorf("gateway needs a connection to %s", name)
		}
	}
	if cfg.MaxBodyBytes <= 0 {
		cfg.MaxBodyBytes = DefaultMaxBodyBytes
	}
	g := &Gateway{
		cfg: cfg, log: cfg.Log.With("service", "gateway"),
		auth:    authenticator{identity: accountsv1.NewIdentityServiceClient(cfg.Conns["accounts"])},
		origins: http.NewCrossOriginProtection(),
		streams: newStreams(),
		feed:    eventsv1.NewFeedServiceClient(cfg.Conns["events"]),
	}
	for _, name := range []string{"accounts", "monitors", "alerts"} {
		g.audits = append(g.audits, auditSource{name, auditv1.NewAuditServiceClient(cfg.Conns[name])})
	}
	var err error
	if g.mux, g.routes, err = g.newMux(); err != nil {
		return nil, err
	}
	if err := g.addOwn(); err != nil {
		return nil, err
	}
	if g.site, err = newSite(cfg.Client); err != nil {
		return nil, err
	}
	g.agents = newAgents(g)
	if err := g.watch(); err != nil {
		return nil, fmt.Errorf("gateway metrics: %w", err)
	}
	rest, err := g.chain(http.HandlerFunc(g.dispatch))
	if err != nil {
		return nil, err
	}
	g.handler = g.split(rest)
	return g, nil
}

// split tells the calls of remote probers from everything else that comes to the port.
func (g *Gateway) split(rest http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isAgentCall(r) {
			g.agents.answer(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	})
}

// addOwn adds the endpoints that no service has.
func (g *Gateway) addOwn() error {
	docs, err := g.docs()
	if err != nil {
		return err
	}
	own := []struct {
		pattern string
		public  bool
		stream  bool
		serve   http.HandlerFunc
	}{
		{"/healthz", true, false, g.healthz},
		{"/readyz", true, false, g.readyz},
		{"/metrics", g.cfg.MetricsPublic, false, g.metrics},
		{"/api/openapi.json", true, false, docs.document},
		{"/api/docs", true, false, docs.page},
		{"/api/docs/{file}", true, false, docs.file},
		{"/api/uptime/audit", false, false, g.audit},
		{"/api/uptime/stream", false, true, g.stream},
		{"/api/uptime/badges/{token}/{file}", true, false, newBadges(g).serve},
	}
	for _, o := range own {
		rt := &route{verb: http.MethodGet, public: o.public, stream: o.stream, timeout: callTimeout, serve: o.serve}
		rt.setPattern(o.pattern)
		g.routes = append(g.routes, rt)
	}
	return nil
}

// Handler returns the whole of it.
func (g *Gateway) Handler() http.Handler { return g.handler }

// Server returns an HTTP server with the limits that the edge relies on. Its Shutdown ends open streams first. It speaks HTTP/2
// in the clear too, as proxies do that let gRPC through.
func (g *Gateway) Server() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	s := &http.Server{
		Protocols: protocols,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxProxyStreams, MaxReceiveBufferPerConnection: connectionWindow, MaxReceiveBufferPerStream: streamWindow,
			SendPingTimeout: http2PingAfter, PingTimeout: http2PingTimeout,
		},
		Handler:           g.handler,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelWarn),
	}
	s.RegisterOnShutdown(g.Stop)
	return s
}

// Stop ends open streams, which a server's graceful shutdown would otherwise wait for. New ones are refused from then on.
func (g *Gateway) Stop() { g.streams.stop() }
