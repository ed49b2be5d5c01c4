package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/frogstats/uptime/internal/life"
)

// operators adds the server of what operators and their machines ask of any role. It listens before anything else is
// opened, and stops last.
func (h *house) operators(group *life.Group) error {
	if h.cfg.metricsListen == "" || h.cfg.metricsListen == off {
		return nil
	}
	l, err := net.Listen("tcp", h.cfg.metricsListen)
	if err != nil {
		return fmt.Errorf("metrics-listen: %w", err)
	}
	group.Defer("metrics listener", func(context.Context) error {
		_ = l.Close() // served, it is closed already
		return nil
	})
	server := &http.Server{
		Handler: h.operatorsMux(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(h.log.Handler(), slog.LevelWarn),
	}
	fmt.Fprintf(h.process.Stdout, "metrics on http://%s\n", l.Addr())
	group.Add("metrics", func(ctx context.Context) error {
		failed := make(chan error, 1)
		go func() { failed <- server.Serve(l) }()
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
		}
		stop, cancel := context.WithTimeout(life.Force(ctx), time.Second)
		defer cancel()
		if err := server.Shutdown(stop); err != nil {
			_ = server.Close()
		}
		if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	return nil
}

func (h *house) operatorsMux() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", h.telemetry.Handler())
	mux.HandleFunc("GET /readyz", h.ready.answer(h.process.Version))
	mux.HandleFunc("GET /healthz", h.ready.alive)
	return mux
}
