package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"google.golang.org/grpc"

	accessv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/access/v1"
	"github.com/frogstats/uptime/internal/datadir"
	"github.com/frogstats/uptime/internal/egress"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/life"
	"github.com/frogstats/uptime/internal/rpc"
	"github.com/frogstats/uptime/internal/secret"
	"github.com/frogstats/uptime/internal/telemetry"
)

// house is one process composed of services that meet only over gRPC connections in
// memory: the same interceptors run as between machines.
type house struct {
	process   Process
	cfg       serveConfig
	log       *slog.Logger
	egress    *egress.Policy
	telemetry *telemetry.Telemetry
	group     *life.Group

	dir     *datadir.Dir
	secrets *secret.Box
	signer  *identity.Signer
	memory  map[string]*rpc.Memory

	setupToken string // of the link that creates the first owner; empty once there is one
}

// maxMessageBytes lets a batch of results pass with all their headers.
const maxMessageBytes = 16 << 20

// room is a service as the house needs it.
type room interface {
	Register(grpc.ServiceRegistrar)
}

// rooms in starting order; they stop in reverse. The prober comes last, because it
// gives work to all others.
var rooms = []struct {
	name  string
	build func(h *house, ctx context.Context) (room, error)
}{
	{"accounts", (*house).accounts},
	{"events", (*house).events},
	{"alerts", (*house).alerts},
	{"monitors", (*house).monitors},
	{"prober", (*house).prober},
}

// build opens, migrates, constructs and serves, in this order; nothing runs before
// the group does.
func (h *house) build(ctx context.Context) error {
	if err := h.found(); err != nil {
		return err
	}
	// Every listener exists before any service: they may call one another in any direction.
	h.memory = map[string]*rpc.Memory{}
	for _, r := range rooms {
		h.memory[r.name] = rpc.NewMemory()
	}
	for _, r := range rooms {
		if err := h.open(ctx, r.name, r.build); err != nil {
			return fmt.Errorf("start %s: %w", r.name, err)
		}
	}
	return h.edge()
}

// found takes the data folder and its keys.
func (h *house) found() error {
	dir, err := datadir.Open(h.cfg.data)
	if err != nil {
		return err
	}
	h.dir = dir
	h.group.Defer("data folder", func(context.Context) error { return dir.Close() })
	keyset, err := h.process.secretEnv("FROGUP_SECRET_KEYSET")
	if err != nil {
		return err
	}
	if keyset != "" {
		h.secrets, err = secret.FromEnv(keyset)
	} else {
		h.secrets, err = secret.LoadOrCreate(dir.Join("secret.keyset"))
	}
	if err != nil {
		return fmt.Errorf("open secret keys: %w", err)
	}
	if h.signer, err = identity.NewSigner(h.secrets.Derive("principal")); err != nil {
		return fmt.Errorf("make signer: %w", err)
	}
	return nil
}

// open builds a room with its stores and workers, and then the task that serves it:
// what is added later stops earlier, so no call reaches a room whose store is closed.
func (h *house) open(ctx context.Context, name string, build func(*house, context.Context) (room, error)) error {
	server, err := rpc.NewServer(rpc.Config{
		Service: name, Log: h.log, Signer: h.signer, Policy: rpc.PolicyByOption(accessv1.E_Access), MaxRecvBytes: maxMessageBytes,
		FieldName: rpc.TrimBody,
	})
	if err != nil {
		return err
	}
	r, err := build(h, ctx)
	if err != nil {
		return err
	}
	r.Register(server)
	if missing := server.Undeclared(); len(missing) > 0 {
		return fmt.Errorf("methods without an access declaration: %v", missing)
	}
	listener := h.memory[name]
	h.group.Add(name+" server", func(ctx context.Context) error {
		server.SetServing(true)
		failed := make(chan error, 1)
		go func() { failed <- server.Serve(listener) }()
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
		}
		if err := server.Stop(life.Force(ctx)); err != nil {
			return err
		}
		return <-failed
	})
	return nil
}

// slowestCheck bounds calls that wait for a check on demand: the longest timeout that a monitor may have, ten attempts aside.
const slowestCheck = 330 * time.Second

// conn is caller's connection to the service named to; it is closed with the process.
func (h *house) conn(to, caller string) (*grpc.ClientConn, error) {
	return h.connFor(to, caller, rpc.DefaultTimeout)
}

// connFor is conn with the time that a call may take.
func (h *house) connFor(to, caller string, timeout time.Duration) (*grpc.ClientConn, error) {
	conn, err := h.memory[to].Dial(rpc.ClientConfig{Signer: h.signer, Service: caller, Timeout: timeout, MaxRecvBytes: maxMessageBytes})
	if err != nil {
		return nil, fmt.Errorf("connect %s to %s: %w", caller, to, err)
	}
	h.group.Defer(caller+" to "+to, func(context.Context) error { return conn.Close() })
	return conn, nil
}

// hostName names this process's prober.
func hostName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "localhost"
	}
	return name
}
