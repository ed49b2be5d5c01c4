package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"google.golang.org/grpc"

	"github.com/frogstats/uptime/internal/life"
	"github.com/frogstats/uptime/internal/rpc"
	"github.com/frogstats/uptime/services/gateway"
)

// edge builds the gateway on connections of its own, opens its port, and adds the
// task that serves it.
func (h *house) edge() error {
	conns, err := h.edgeConns()
	if err != nil {
		return err
	}
	proxies, err := h.cfg.proxies()
	if err != nil {
		return err
	}
	g, err := gateway.New(gateway.Config{
		Conns: conns, Log: h.log, Version: h.process.Version, TrustedProxies: proxies, Ready: h.ready.ofProcess,
		Metrics: h.telemetry.Handler(), MetricsPublic: h.cfg.metricsPublic, PublicHost: hostOf(h.cfg.publicURL),
	})
	if err != nil {
		return fmt.Errorf("start gateway: %w", err)
	}
	l, err := net.Listen("tcp", h.cfg.listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	h.group.Defer("rest listener", func(context.Context) error {
		_ = l.Close() // served, it is closed already
		return nil
	})
	h.group.Add("rest", func(ctx context.Context) error {
		h.announce("http://", l)
		return serveHTTP(ctx, g, l)
	})
	return nil
}

// hostOf is the host of a URL; "" if there is none.
func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Host
}

// edgeConns connects the gateway to every service. A prober of another machine does not count for readiness: without it
// nothing but checks on demand fails here.
func (h *house) edgeConns() (map[string]grpc.ClientConnInterface, error) {
	conns := map[string]grpc.ClientConnInterface{}
	for _, r := range rooms {
		idempotent, err := gatewayReads(r.name)
		if err != nil {
			return nil, err
		}
		// No service name: whoever is not signed in must stay nobody.
		conn, err := h.dial(r.name, gatewayRole, rpc.ClientConfig{Timeout: slowestCheck, Idempotent: idempotent})
		if err != nil {
			return nil, err
		}
		if h.composes(r.name) {
			conns[r.name] = conn
			continue
		}
		if r.name != "prober" {
			h.ready.need(r.name)
			conns[r.name] = conn
		}
	}
	return conns, nil
}

// serveHTTP serves until ctx ends, then ends event streams and lets requests finish.
func serveHTTP(ctx context.Context, g *gateway.Gateway, l net.Listener) error {
	server := g.Server()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	g.Stop()
	stop, cancel := context.WithTimeout(life.Force(ctx), requestGrace)
	defer cancel()
	if err := server.Shutdown(stop); err != nil {
		_ = server.Close()
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// announce prints the one line that programs wait for, and the set-up link if there is one.
func (h *house) announce(scheme string, l net.Listener) {
	fmt.Fprintf(h.process.Stdout, "listening on %s%s\n", scheme, l.Addr())
	if h.setupToken == "" {
		return
	}
	base := h.cfg.publicURL
	switch {
	case base != "":
	case h.role.name == serveRole:
		base = "http://" + l.Addr().String()
	default: // the gateway is another process
		base = "http://<gateway>"
	}
	fmt.Fprintf(h.process.Stdout, "create the first owner at %s/setup?token=%s\n", base, h.setupToken)
}
