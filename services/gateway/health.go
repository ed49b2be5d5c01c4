package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
)

const readyTimeout = 2 * time.Second

// errNotServing is a service that answers and says that it is not ready.
var errNotServing = errors.New("not serving")

func (g *Gateway) healthz(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

type readiness struct {
	Status     string            `json:"status"`
	Version    string            `json:"version,omitempty"`
	Components map[string]string `json:"components,omitempty"`
}

// readyz tells strangers whether all is well, and with ?verbose which component is not, but never why.
func (g *Gateway) readyz(w http.ResponseWriter, r *http.Request) {
	found := g.readyComponents(r.Context())
	answer, status := readiness{Status: "ready"}, http.StatusOK
	components := make(map[string]string, len(found))
	for name, err := range found {
		components[name] = "ready"
		if err != nil {
			components[name] = "not ready"
			answer.Status, status = "not ready", http.StatusServiceUnavailable
			requestOf(r.Context()).cause = err
		}
	}
	if r.URL.Query().Has("verbose") {
		answer.Version, answer.Components = g.cfg.Version, components
	}
	writeJSON(w, status, answer)
}

// readyComponents asks every service at once.
func (g *Gateway) readyComponents(ctx context.Context) map[string]error {
	ctx, cancel := context.WithTimeout(identity.NewContext(ctx, identity.Anonymous), readyTimeout)
	defer cancel()
	var (
		mu    sync.Mutex
		wg    sync.WaitGroup
		found = map[string]error{}
	)
	for name, conn := range g.cfg.Conns {
		wg.Go(func() {
			answer, err := healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{})
			if err == nil && answer.GetStatus() != healthv1.HealthCheckResponse_SERVING {
				err = errNotServing
			}
			mu.Lock()
			defer mu.Unlock()
			found[name] = err
		})
	}
	wg.Wait()
	if g.cfg.Ready != nil {
		for name, err := range g.cfg.Ready(ctx) {
			found[name] = err
		}
	}
	return found
}

func (g *Gateway) metrics(w http.ResponseWriter, r *http.Request) {
	if g.cfg.Metrics == nil {
		g.noRoute(w, r, nil)
		return
	}
	if !g.cfg.MetricsPublic && !requestOf(r.Context()).principal.Allows(identity.AccessViewer) {
		g.fail(w, r, fault.Denied("a member of an organization only"))
		return
	}
	g.cfg.Metrics.ServeHTTP(w, r)
}

// writeJSON is for the small answers of the edge itself.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // fails only when nobody reads any more
}
