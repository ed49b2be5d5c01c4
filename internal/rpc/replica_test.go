package rpc

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/frogstats/uptime/internal/identity"
)

// replica is a server on a port of its own that counts its calls.
type replica struct {
	*Server
	address string
	calls   atomic.Int64
}

// newReplica serves f on address until the test ends.
func newReplica(t testing.TB, address string, f *fake, change ...func(*Config)) *replica {
	t.Helper()
	cfg := Config{Service: "test", Log: discard, Signer: testSigner(t), Policy: testPolicy}
	for _, c := range change {
		c(&cfg)
	}
	server, err := NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{Server: server}
	counted := *f
	counted.empty = func(ctx context.Context) error {
		r.calls.Add(1)
		if f.empty != nil {
			return f.empty(ctx)
		}
		return nil
	}
	testpb.RegisterTestServiceServer(server, &counted)
	server.SetServing(true)
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	r.address = l.Addr().String()
	serve(t, server, l)
	return r
}

// die ends the server as a crash does: every connection breaks, nothing is said.
func (r *replica) die() { r.grpc.Stop() }

// toAll connects to all replicas at once.
func toAll(t testing.TB, idempotent []string, replicas ...*replica) testpb.TestServiceClient {
	t.Helper()
	var addresses []string
	for _, r := range replicas {
		addresses = append(addresses, r.address)
	}
	conn, err := Dial(strings.Join(addresses, ","), ClientConfig{Signer: testSigner(t), Idempotent: idempotent})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return testpb.NewTestServiceClient(conn)
}

// everywhere calls until each replica has been reached.
func everywhere(t *testing.T, ctx context.Context, client testpb.TestServiceClient, replicas ...*replica) {
	t.Helper()
	missing := func(r *replica) bool { return r.calls.Load() == 0 }
	for slices.ContainsFunc(replicas, missing) {
		if _, err := client.EmptyCall(ctx, &testpb.Empty{}, grpc.WaitForReady(true)); err != nil {
			t.Fatalf("while connecting: %v", err)
		}
	}
}

func TestCallsGoOnWhenAReplicaDies(t *testing.T) {
	a, b := newReplica(t, "127.0.0.1:0", &fake{}), newReplica(t, "127.0.0.1:0", &fake{})
	client := toAll(t, []string{emptyCall}, a, b)
	ctx := member(testContext(t), identity.RoleOwner)
	everywhere(t, ctx, client, a, b)
	a.die()
	before := b.calls.Load()
	for i := range 200 {
		if _, err := client.EmptyCall(ctx, &testpb.Empty{}); err != nil {
			t.Fatalf("call %d after a replica died: %v", i, err)
		}
	}
	if got := b.calls.Load() - before; got != 200 {
		t.Errorf("the other replica answered %d of 200 calls", got)
	}

	// It comes back at the same address, and gets its share again.
	again := newReplica(t, a.address, &fake{})
	everywhere(t, ctx, client, again)
}

// A connection that breaks while a call is in progress: what only reads is asked again, what changes is not, because
// nobody knows whether it was done.
func TestChangesAreNeverRepeated(t *testing.T) {
	for name, tt := range map[string]struct {
		idempotent []string
		want       codes.Code
		calls      int64
	}{
		"reads":   {[]string{emptyCall}, codes.OK, 2},
		"changes": {nil, codes.Unavailable, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var total atomic.Int64
			var dying atomic.Pointer[replica]
			f := &fake{empty: func(ctx context.Context) error {
				if total.Add(1) > 1 {
					return nil
				}
				go dying.Load().die()
				<-ctx.Done() // the connection breaks under the first call
				return ctx.Err()
			}}
			a := newReplica(t, "127.0.0.1:0", f)
			dying.Store(a)
			replicas := []*replica{a}
			if name == "reads" { // the second attempt finds another; the first call must go to a
				replicas = append(replicas, newReplica(t, "127.0.0.1:0", &fake{empty: func(ctx context.Context) error {
					if total.Load() == 0 {
						return status.Error(codes.Unavailable, "not yet")
					}
					total.Add(1)
					return nil
				}}))
			}
			client := toAll(t, tt.idempotent, replicas...)
			_, err := client.EmptyCall(member(testContext(t), identity.RoleOwner), &testpb.Empty{}, grpc.WaitForReady(true))
			if status.Code(err) != tt.want || total.Load() != tt.calls {
				t.Errorf("%v after %d calls, want %v after %d", err, total.Load(), tt.want, tt.calls)
			}
		})
	}
}

// Asked to connect anew, a client loses no call and no open stream.
func TestConnectionAge(t *testing.T) {
	release := make(chan struct{})
	r := newReplica(t, "127.0.0.1:0", &fake{
		output: func(s grpc.ServerStreamingServer[testpb.StreamingOutputCallResponse]) error {
			<-release
			return s.Send(&testpb.StreamingOutputCallResponse{})
		},
	}, func(c *Config) { c.ConnectionAge = 100 * time.Millisecond })
	client := toAll(t, nil, r, r)
	ctx := testContext(t)
	stream, err := client.StreamingOutputCall(identity.NewContext(ctx, identity.Principal{Kind: identity.KindService, Name: "test"}),
		&testpb.StreamingOutputCallRequest{}, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	for begun := time.Now(); time.Since(begun) < 500*time.Millisecond; {
		if _, err := client.EmptyCall(member(ctx, identity.RoleOwner), &testpb.Empty{}); err != nil {
			t.Fatalf("after %v: %v", time.Since(begun), err)
		}
	}
	close(release)
	if _, err := stream.Recv(); err != nil {
		t.Errorf("the stream was cut: %v", err)
	}
}

func TestHealthNames(t *testing.T) {
	r := run(t, &fake{})
	for _, serving := range []bool{true, false} {
		r.server.SetServing(serving)
		want := healthv1.HealthCheckResponse_NOT_SERVING
		if serving {
			want = healthv1.HealthCheckResponse_SERVING
		}
		for _, name := range []string{"", "test", "grpc.testing.TestService"} {
			got, err := healthv1.NewHealthClient(r.conn).Check(testContext(t), &healthv1.HealthCheckRequest{Service: name})
			if err != nil || got.GetStatus() != want {
				t.Errorf("health of %q: %v, %v, want %v", name, got.GetStatus(), err, want)
			}
		}
	}
}

func TestListOfAddresses(t *testing.T) {
	conn, err := Dial("127.0.0.1:1,nonsense", ClientConfig{Signer: testSigner(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = testpb.NewTestServiceClient(conn).EmptyCall(testContext(t), &testpb.Empty{})
	if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), `"nonsense"`) {
		t.Errorf("got %v, want the bad address named", err)
	}
}

func TestReads(t *testing.T) {
	got := Reads("grpc.testing")
	if slices.Contains(got, "/grpc.testing.TestService/EmptyCall") {
		t.Errorf("EmptyCall is taken for a read: %v", got)
	}
	if want := "/grpc.testing.LoadBalancerStatsService/GetClientStats"; !slices.Contains(got, want) {
		t.Errorf("%s is not among %v", want, got)
	}
	if len(Reads("no.such.package")) != 0 {
		t.Error("methods of a package that is not there")
	}
}
