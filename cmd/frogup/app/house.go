package app

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"google.golang.org/grpc"

	accessv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/access/v1"
	"github.com/frogstats/uptime/internal/datadir"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/life"
	"github.com/frogstats/uptime/internal/mtls"
	"github.com/frogstats/uptime/internal/rpc"
	"github.com/frogstats/uptime/internal/secret"
	"github.com/frogstats/uptime/internal/telemetry"
	"github.com/frogstats/uptime/internal/telemetry/observe"
	"github.com/frogstats/uptime/services/gateway"
)

// house is one process composed of one service or of all. Services meet only over gRPC connections, in memory or over TCP,
// and cannot tell which: the same interceptors run.
type house struct {
	process   Process
	role      role
	cfg       *settings
	log       *slog.Logger
	telemetry *telemetry.Telemetry
	group     *life.Group
	ready     *readiness

	dir    *datadir.Dir // of serve
	locked map[string]bool
	keys   keyring
	tls    *mtls.Source           // nil means plaintext
	memory map[string]*rpc.Memory // of the services in this process

	setupToken string // of the link that creates the first owner; empty once there is one
}

// keyring holds what the services of an installation share.
type keyring struct {
	signer *identity.Signer
	box    *secret.Box // nil where no credentials are sealed
	derive func(label string) []byte
}

// maxMessageBytes lets a batch of results pass with all their headers.
const maxMessageBytes = 16 << 20

// composes reports whether the service named runs in this process.
func (h *house) composes(name string) bool { return h.role.name == serveRole || h.role.name == name }

// run builds what the role consists of and lets it live until ctx ends.
func (h *house) run(ctx context.Context) error {
	h.group = h.innerGroup()
	if err := h.build(ctx); err != nil {
		if uerr := h.group.Unwind(context.WithoutCancel(ctx)); uerr != nil {
			h.log.Error("unwind failed", "error", uerr)
		}
		if ctx.Err() != nil { // told to stop before it had begun
			h.log.Info("stopped while starting", "error", err.Error())
			return nil
		}
		return err
	}
	h.ready.begin()
	return h.group.Run(ctx)
}

func (h *house) announceStop() {
	if h.cfg.shutdownDelay > 0 {
		h.log.Info("stopping: not ready from now on, serving on for a while", "delay", h.cfg.shutdownDelay.String())
	}
	h.ready.stop()
}

// build opens, migrates, constructs and serves, in this order; nothing runs before the group does.
func (h *house) build(ctx context.Context) error {
	found := h.member
	if h.role.name == serveRole {
		found = h.found
	}
	if h.cfg.remote {
		found = h.remoteMember
	}
	if err := found(); err != nil {
		return err
	}
	// Every listener exists before any service: they may call one another in any direction.
	h.memory = map[string]*rpc.Memory{}
	if h.role.name == serveRole {
		for _, r := range rooms {
			h.memory[r.name] = rpc.NewMemory()
		}
	}
	if h.cfg.remote { // behind who knows what: nobody calls it
		h.memory[h.role.name] = rpc.NewMemory()
	}
	for _, r := range rooms {
		if !h.composes(r.name) {
			continue
		}
		if err := h.open(ctx, r.name, r.build); err != nil {
			if h.role.name == r.name {
				return err
			}
			return fmt.Errorf("start %s: %w", r.name, err)
		}
	}
	if err := h.watchParts(); err != nil {
		return err
	}
	if h.composes(gatewayRole) {
		return h.edge()
	}
	return nil
}

// found takes the data folder and its keys.
func (h *house) found() error {
	dir, err := datadir.Open(h.cfg.data)
	if err != nil {
		return err
	}
	h.dir = dir
	h.group.Defer("data folder", func(context.Context) error { return dir.Close() })
	if h.cfg.secretKeyset != "" {
		h.keys.box, err = openKeyset(h.cfg.secretKeyset)
	} else {
		h.keys.box, err = secret.LoadOrCreate(dir.Join("secret.keyset"))
	}
	if err != nil {
		return fmt.Errorf("open secret keys: %w", err)
	}
	h.keys.derive = h.keys.box.Derive
	return h.sign()
}

// member takes the keys that all services share, and this one's certificate.
func (h *house) member() (err error) {
	if h.cfg.secretKeyset != "" {
		if h.keys.box, err = openKeyset(h.cfg.secretKeyset); err != nil {
			return fmt.Errorf("open secret keys: %w", err)
		}
	}
	h.keys.derive = func(label string) []byte { return deriveKey(h.cfg.clusterKey, label) }
	if !h.cfg.plaintext {
		h.tls, err = mtls.Load(mtls.Files{Cert: h.cfg.tlsCert, Key: h.cfg.tlsKey, CA: h.cfg.tlsCA}, h.log)
		if err != nil {
			return err
		}
		if err := h.watchCertificate(); err != nil {
			return fmt.Errorf("measure the certificate: %w", err)
		}
	}
	return h.sign()
}

// watchCertificate reports when the certificate expires. Reading it is a look at the files too, so that one that was renewed
// shows without a handshake.
func (h *house) watchCertificate() error {
	set := observe.New(h.telemetry.MeterProvider().Meter("github.com/frogstats/uptime/cmd/frogup"))
	set.Gauge("frogup_certificate_expiry", "s", "When the certificate in use expires, in seconds since 1970.", func() float64 {
		return float64(h.tls.NotAfter().Unix())
	})
	return set.Register()
}

func (h *house) sign() (err error) {
	if h.keys.signer, err = identity.NewSigner(h.keys.derive("principal")); err != nil {
		return fmt.Errorf("make signer: %w", err)
	}
	return nil
}

// deriveKey makes the key for one purpose. All replicas of all services arrive at the same.
func deriveKey(clusterKey, label string) []byte {
	key, err := hkdf.Key(sha256.New, []byte(clusterKey), nil, "frogup/"+label, sha256.Size)
	if err != nil { // only for more output than HKDF can give
		panic(fmt.Sprintf("derive key: %v", err))
	}
	return key
}

// open builds a room with its stores and workers, and then the task that serves it:
// what is added later stops earlier, so no call reaches a room whose store is closed.
func (h *house) open(ctx context.Context, name string, build func(*house, context.Context) (room, error)) error {
	cfg := rpc.Config{
		Service: name, Log: h.log, Signer: h.keys.signer, Policy: rpc.PolicyByOption(accessv1.E_Access), MaxRecvBytes: maxMessageBytes,
		FieldName: rpc.TrimBody, Reflection: h.cfg.reflection,
	}
	if h.tls != nil {
		cfg.Credentials = h.tls.Server()
	}
	server, err := rpc.NewServer(cfg)
	if err != nil {
		return err
	}
	r, err := build(h, ctx)
	if err != nil {
		return err
	}
	h.ready.part(name, r)
	r.Register(server)
	if missing := server.Undeclared(); len(missing) > 0 {
		return fmt.Errorf("methods without an access declaration: %v", missing)
	}
	listener, err := h.listener(name)
	if err != nil {
		return err
	}
	h.ready.watch(name, server.SetServing)
	h.group.Add(name+" readiness", func(ctx context.Context) error { return h.ready.follow(ctx, name, h.logOf(name)) })
	h.group.Add(name+" server", func(ctx context.Context) error {
		h.ready.tell(name, true)
		return serveGRPC(ctx, server, listener)
	})
	return nil
}

// listener is in memory in serve, else a port.
func (h *house) listener(name string) (net.Listener, error) {
	if m := h.memory[name]; m != nil {
		return m, nil
	}
	l, err := net.Listen("tcp", h.cfg.listen)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	h.group.Defer(name+" listener", func(context.Context) error {
		_ = l.Close() // served, it is closed already
		return nil
	})
	h.group.Add(name+" announcement", func(context.Context) error {
		h.announce("grpc://", l)
		return nil
	})
	return l, nil
}

// serveGRPC serves until ctx ends, and then lets requests finish.
func serveGRPC(ctx context.Context, server *rpc.Server, l net.Listener) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	if err := server.Stop(life.Force(ctx)); err != nil {
		return err
	}
	return <-failed
}

// slowestCheck bounds calls that wait for a check on demand: the longest timeout that a monitor may have, ten attempts aside.
const slowestCheck = 330 * time.Second

// conn is caller's connection to the service named to; it is closed with the process.
func (h *house) conn(to, caller string) (*grpc.ClientConn, error) {
	return h.connFor(to, caller, rpc.DefaultTimeout)
}

// connFor is conn with the time that a call may take.
func (h *house) connFor(to, caller string, timeout time.Duration) (*grpc.ClientConn, error) {
	return h.dial(to, caller, rpc.ClientConfig{Service: caller, Timeout: timeout, Idempotent: reads(to)})
}

// dial connects in memory if the service runs in this process, else to its address. Nothing is waited for: a service that
// is not there yet is called again by whoever needs it.
func (h *house) dial(to, caller string, cfg rpc.ClientConfig) (*grpc.ClientConn, error) {
	cfg.Signer, cfg.MaxRecvBytes = h.keys.signer, maxMessageBytes
	var conn *grpc.ClientConn
	var err error
	if m := h.memory[to]; m != nil {
		conn, err = m.Dial(cfg)
	} else {
		if h.tls != nil {
			cfg.Credentials = h.tls.Client("")
		}
		conn, err = rpc.Dial(*h.cfg.peers[to], cfg)
	}
	if err != nil {
		return nil, fmt.Errorf("connect %s to %s: %w", caller, to, err)
	}
	h.group.Defer(caller+" to "+to, func(context.Context) error { return conn.Close() })
	h.ready.peer(to, conn)
	return conn, nil
}

// reads are the methods of a service that may be asked again when it is away for a moment.
func reads(to string) []string {
	return slices.Concat(rpc.Reads("frogstats.uptime."+to+".v1"), rpc.Reads("frogstats.uptime.audit.v1"))
}

// gatewayReads are those that the gateway calls.
func gatewayReads(to string) ([]string, error) {
	rest, err := gateway.Idempotent(to)
	if err != nil {
		return nil, err
	}
	all := append(rest, reads(to)...)
	slices.Sort(all)
	return slices.Compact(all), nil
}
