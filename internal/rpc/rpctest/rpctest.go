// Package rpctest runs a service on the real server in memory, with the real interceptors, for tests.
package rpctest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/rpc"
)

const stopGrace = 5 * time.Second

// Option changes how Conn builds the server or the connection.
type Option func(*setup)

type setup struct {
	server rpc.Config
	client rpc.ClientConfig
}

// Policy sets who may call what, in place of rpc.HousePolicy.
func Policy(p rpc.Policy) Option { return func(s *setup) { s.server.Policy = p } }

// Log sends the server's log to l instead of the test's output.
func Log(l *slog.Logger) Option { return func(s *setup) { s.server.Log = l } }

// Server changes the server's configuration.
func Server(change func(*rpc.Config)) Option { return func(s *setup) { change(&s.server) } }

// Client changes the connection's configuration.
func Client(change func(*rpc.ClientConfig)) Option { return func(s *setup) { change(&s.client) } }

// Signer returns the signer that all test servers and connections share.
func Signer(t testing.TB) *identity.Signer {
	t.Helper()
	s, err := identity.NewSigner([]byte("a key that only tests know, 32 bytes and more"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Conn serves what register registers, under the short name service, until the test ends, and returns a connection to it.
// Calls carry the principal of their context (see AsUser, AsKey, AsService) and are anonymous without one.
func Conn(t testing.TB, service string, register func(grpc.ServiceRegistrar), opts ...Option) *grpc.ClientConn {
	t.Helper()
	s := setup{
		server: rpc.Config{
			Service: service, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Signer: Signer(t), Reflection: true,
		},
		client: rpc.ClientConfig{Signer: Signer(t)},
	}
	for _, o := range opts {
		o(&s)
	}
	if s.server.Policy == nil {
		policy, err := rpc.HousePolicy()
		if err != nil {
			t.Fatal(err)
		}
		s.server.Policy = policy
	}
	srv, err := rpc.NewServer(s.server)
	if err != nil {
		t.Fatal(err)
	}
	register(srv)
	srv.SetServing(true)
	mem := rpc.NewMemory()
	served := make(chan error, 1)
	go func() { served <- srv.Serve(mem) }()
	conn, err := mem.Dial(s.client)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
		defer cancel()
		if err := conn.Close(); err != nil {
			t.Errorf("close connection: %v", err)
		}
		if err := srv.Stop(ctx); err != nil {
			t.Errorf("stop server: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return conn
}

// UserID is the id of the user that AsUser signs in.
const UserID = "01920000-0000-7000-8000-000000000001"

// AsUser returns ctx carrying a signed-in user with role in organization org. An empty org is a user without an active one.
func AsUser(ctx context.Context, org string, role identity.Role) context.Context {
	return identity.NewContext(ctx, identity.Principal{
		Kind: identity.KindUser, UserID: UserID, OrganizationID: org, Role: role,
		SessionID: "session-1", Name: "user@example.com", RemoteIP: "192.0.2.1",
	})
}

// AsKey returns ctx carrying an API key with role in organization org.
func AsKey(ctx context.Context, org string, role identity.Role) context.Context {
	return identity.NewContext(ctx, identity.Principal{
		Kind: identity.KindAPIKey, UserID: UserID, OrganizationID: org, Role: role,
		KeyID: "key-1", Name: "deploy", RemoteIP: "192.0.2.1",
	})
}

// AsService returns ctx carrying one of our own services.
func AsService(ctx context.Context) context.Context {
	return identity.NewContext(ctx, identity.Principal{Kind: identity.KindService, Name: "test"})
}

// Anonymous returns ctx carrying nobody.
func Anonymous(ctx context.Context) context.Context {
	return identity.NewContext(ctx, identity.Anonymous)
}
