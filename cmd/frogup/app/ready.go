package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/frogstats/uptime/internal/identity"
)

// A service is ready when its database answers. One slow answer is no reason to send everybody away, two are.
const (
	askEvery    = 2 * time.Second
	askTimeout  = 3 * time.Second
	missesToBad = 2
	peerTimeout = 2 * time.Second
)

var (
	errStarting   = errors.New("starting")
	errStopping   = errors.New("stopping")
	errNotServing = errors.New("not serving")
)

// readiness knows whether this process should be given work, and what that depends on.
type readiness struct {
	mu     sync.Mutex
	phase  error // nil between start and stop
	stores []storeCheck
	set    map[string]func(serving bool) // of the services in this process
	peers  map[string]*grpc.ClientConn
	needed map[string]bool // peers without which nothing works
	parts  map[string]*component
	spared map[string]func(context.Context) error
}

type storeCheck struct {
	service string
	ask     func(context.Context) error
}

func newReadiness() *readiness {
	return &readiness{
		phase: errStarting, set: map[string]func(bool){}, peers: map[string]*grpc.ClientConn{}, needed: map[string]bool{},
		parts: map[string]*component{}, spared: map[string]func(context.Context) error{},
	}
}

// add makes a service's readiness depend on its database.
func (r *readiness) add(service string, ask func(context.Context) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stores = append(r.stores, storeCheck{service, ask})
}

// spare shows a store that this process goes on without.
func (r *readiness) spare(name string, ask func(context.Context) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spared[name] = ask
}

// sparedNow asks the stores that this process goes on without, all at once.
func (r *readiness) sparedNow(ctx context.Context) map[string]error {
	r.mu.Lock()
	spared := maps.Clone(r.spared)
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	found := gather[error]{}
	for name, ask := range spared {
		found.Go(name, func() error { return ask(ctx) })
	}
	return found.wait()
}

func (r *readiness) watch(service string, set func(bool)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set[service] = set
}

func (r *readiness) peer(name string, conn *grpc.ClientConn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.peers[name] = conn
}

func (r *readiness) need(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.needed[name] = true
}

func (r *readiness) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.phase = nil
}

// stop says everywhere that no more work is wanted.
func (r *readiness) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.phase = errStopping
	for _, set := range r.set {
		set(false)
	}
}

// tell passes on the readiness of one service, unless the process is stopping.
func (r *readiness) tell(service string, serving bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.phase == nil {
		r.set[service](serving)
	}
}

// ofProcess is what the gateway adds to what it finds out about its peers.
func (r *readiness) ofProcess(ctx context.Context) map[string]error {
	r.mu.Lock()
	phase := r.phase
	r.mu.Unlock()
	if phase != nil {
		return map[string]error{"process": phase}
	}
	return r.partsNow(ctx)
}

// storesOf asks the stores of a service, of every service if it is "", all at once.
func (r *readiness) storesOf(ctx context.Context, service string) map[string]error {
	r.mu.Lock()
	stores := slices.Clone(r.stores)
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	found := gather[error]{}
	for _, s := range stores {
		if service == "" || s.service == service {
			found.Go(s.service+" database", func() error { return s.ask(ctx) })
		}
	}
	return found.wait()
}

// peersNow asks the peers, all at once.
func (r *readiness) peersNow(ctx context.Context) map[string]error {
	r.mu.Lock()
	peers := maps.Clone(r.peers)
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(identity.NewContext(ctx, identity.Anonymous), peerTimeout)
	defer cancel()
	found := gather[error]{}
	for name, conn := range peers {
		found.Go(name, func() error {
			answer, err := healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{Service: name})
			if err == nil && answer.GetStatus() != healthv1.HealthCheckResponse_SERVING {
				err = errNotServing
			}
			return err
		})
	}
	return found.wait()
}

// follow asks the stores of a service now and then until ctx ends, and passes on what it finds.
func (r *readiness) follow(ctx context.Context, service string, log *slog.Logger) error {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for misses := 0; ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		var bad error
		for what, err := range r.storesOf(ctx, service) {
			if err != nil {
				bad = errors.Join(bad, errors.New(what+": "+err.Error()))
			}
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case bad == nil:
			if misses >= missesToBad {
				log.Info("ready again")
				r.tell(service, true)
			}
			misses = 0
		default:
			if misses++; misses == missesToBad {
				log.Error("not ready: the store does not answer", "error", bad.Error())
				r.tell(service, false)
			}
		}
	}
}

// report is what /readyz answers. It names what is not ready, and leaves why to the log.
type report struct {
	Status     string            `json:"status"`
	Version    string            `json:"version"`
	Components map[string]string `json:"components,omitempty"`
	Stores     map[string]string `json:"stores,omitempty"`
	Peers      map[string]string `json:"peers,omitempty"`
}

const (
	readyText    = "ready"
	notReadyText = "not ready"
	delayedText  = "delayed" // what this process goes on without
)

// look asks everything that this process consists of and depends on. Peers are shown, but only those count without which this
// process can do nothing: were it otherwise, one service that is away would take all others with it.
func (r *readiness) look(ctx context.Context, version string) report {
	out := report{
		Status: readyText, Version: version, Components: map[string]string{}, Stores: map[string]string{}, Peers: map[string]string{},
	}
	r.mu.Lock()
	phase, needed := r.phase, maps.Clone(r.needed)
	r.mu.Unlock()
	if phase != nil {
		out.Status = phase.Error()
	}
	word := func(err error, counts bool) string {
		if err == nil {
			return readyText
		}
		if counts && phase == nil {
			out.Status = notReadyText
		}
		return notReadyText
	}
	for name, err := range r.partsNow(ctx) {
		out.Components[name] = word(err, true)
	}
	for name, err := range r.storesOf(ctx, "") {
		out.Stores[name] = word(err, true)
	}
	for name, err := range r.sparedNow(ctx) {
		out.Stores[name] = readyText
		if err != nil {
			out.Stores[name] = delayedText
		}
	}
	for name, err := range r.peersNow(ctx) {
		out.Peers[name] = word(err, needed[name])
	}
	return out
}

// answer serves /readyz: a line for each part for people, or JSON for programs that ask for it.
func (r *readiness) answer(version string) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		out := r.look(req.Context(), version)
		status := http.StatusOK
		if out.Status != readyText {
			status = http.StatusServiceUnavailable
		}
		r.mu.Lock()
		needed := maps.Clone(r.needed)
		r.mu.Unlock()
		send(w, req, status, out, func(w io.Writer) {
			fmt.Fprintln(w, out.Status)
			lines(w, "", out.Components)
			stores := maps.Clone(out.Stores)
			for name, said := range stores {
				if said == delayedText {
					stores[name] += "; this process goes on without it"
				}
			}
			lines(w, "", stores)
			peers := maps.Clone(out.Peers)
			for name, said := range peers {
				if said != readyText && !needed[name] {
					peers[name] += "; this process goes on without it"
				}
			}
			lines(w, "peer ", peers)
		})
	}
}

// alive serves /healthz: the process runs, and what it does was like this when it was last looked at. Nothing is asked here,
// because whoever decides about restarts must be answered at once.
func (r *readiness) alive(w http.ResponseWriter, req *http.Request) {
	out := struct {
		Status     string            `json:"status"`
		Components map[string]string `json:"components,omitempty"`
	}{"ok", map[string]string{}}
	r.mu.Lock()
	for name, p := range r.parts {
		out.Components[name] = p.state()
	}
	r.mu.Unlock()
	send(w, req, http.StatusOK, out, func(w io.Writer) {
		fmt.Fprintln(w, out.Status)
		lines(w, "", out.Components)
	})
}

// send answers in JSON if the request says so, and otherwise in text.
func send(w http.ResponseWriter, req *http.Request, status int, doc any, text func(io.Writer)) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Vary", "Accept")
	if req.URL.Query().Get("format") == "json" || strings.Contains(req.Header.Get("Accept"), "application/json") {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(doc) // fails only when nobody reads any more
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	text(w)
}

// lines writes names and what is said of each, one below the other.
func lines(w io.Writer, prefix string, said map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(said)) {
		fmt.Fprintf(w, "%-20s %s\n", prefix+name, said[name])
	}
}

// gather collects named answers of functions that run at once.
type gather[T any] struct {
	mu    sync.Mutex
	group sync.WaitGroup
	found map[string]T
}

func (g *gather[T]) Go(name string, fn func() T) {
	g.group.Go(func() {
		v := fn()
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.found == nil {
			g.found = map[string]T{}
		}
		g.found[name] = v
	})
}

func (g *gather[T]) wait() map[string]T {
	g.group.Wait()
	return g.found
}
