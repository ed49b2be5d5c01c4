package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"

	"google.golang.org/grpc"

	"github.com/frogstats/uptime/internal/life"
	"github.com/frogstats/uptime/internal/rpc"
	"github.com/frogstats/uptime/services/gateway"
)

// edge builds the gateway on connections of its own, opens its port, and adds the
// task that serves it.
func (h *house) edge() error {
	conns := map[string]grpc.ClientConnInterface{}
	for _, r := range rooms {
		// No service name: whoever is not signed in must stay nobody.
		conn, err := h.memory[r.name].Dial(rpc.ClientConfig{Signer: h.signer, Timeout: slowestCheck, MaxRecvBytes: maxMessageBytes})
		if err != nil {
			return fmt.Errorf("connect gateway to %s: %w", r.name, err)
		}
		h.group.Defer("gateway to "+r.name, func(context.Context) error { return conn.Close() })
		conns[r.name] = conn
	}
	var proxies []netip.Prefix
	for _, s := range h.cfg.trustedProxies {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return fmt.Errorf("--trusted-proxy %q is not a CIDR", s)
		}
		proxies = append(proxies, p)
	}
	g, err := gateway.New(gateway.Config{
		Conns: conns, Log: h.log, Version: h.process.Version, TrustedProxies: proxies,
		Metrics: h.telemetry.Handler(), MetricsPublic: h.cfg.metricsPublic,
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
		h.announce(l)
		return serveHTTP(ctx, g, l)
	})
	return nil
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
