package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	testpb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/frogstats/uptime/internal/identity"
)

const (
	emptyCall  = "/grpc.testing.TestService/EmptyCall"
	unaryCall  = "/grpc.testing.TestService/UnaryCall"
	outputCall = "/grpc.testing.TestService/StreamingOutputCall"
	inputCall  = "/grpc.testing.TestService/StreamingInputCall"
	duplexCall = "/grpc.testing.TestService/FullDuplexCall"
)

var testPolicy = Policy(func(m string) (identity.Access, bool) {
	a, ok := map[string]identity.Access{
		emptyCall: identity.AccessEditor, unaryCall: identity.AccessPublic, outputCall: identity.AccessService,
		inputCall: identity.AccessPublic, duplexCall: identity.AccessPublic,
	}[m]
	return a, ok
})

// fake is a service whose methods the test provides.
type fake struct {
	testpb.UnimplementedTestServiceServer
	empty  func(context.Context) error
	unary  func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error)
	output func(grpc.ServerStreamingServer[testpb.StreamingOutputCallResponse]) error
	input  func(grpc.ClientStreamingServer[testpb.StreamingInputCallRequest, testpb.StreamingInputCallResponse]) error
	duplex func(grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error
}

func (f *fake) EmptyCall(ctx context.Context, _ *testpb.Empty) (*testpb.Empty, error) {
	return &testpb.Empty{}, f.empty(ctx)
}

func (f *fake) UnaryCall(ctx context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	return f.unary(ctx, r)
}

func (f *fake) StreamingOutputCall(_ *testpb.StreamingOutputCallRequest, s grpc.ServerStreamingServer[testpb.StreamingOutputCallResponse]) error {
	return f.output(s)
}

func (f *fake) StreamingInputCall(s grpc.ClientStreamingServer[testpb.StreamingInputCallRequest, testpb.StreamingInputCallResponse]) error {
	return f.input(s)
}

func (f *fake) FullDuplexCall(s grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error {
	return f.duplex(s)
}

// logBuffer collects JSON log records; it is safe for concurrent use.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) records(t *testing.T) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []map[string]any
	for d := json.NewDecoder(bytes.NewReader(l.b.Bytes())); ; {
		var r map[string]any
		if err := d.Decode(&r); err == io.EOF {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
}

func testSigner(t testing.TB) *identity.Signer {
	t.Helper()
	s, err := identity.NewSigner([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// running is a served fake with a client.
type running struct {
	server *Server
	log    *logBuffer
	conn   *grpc.ClientConn
	client testpb.TestServiceClient
}

func run(t testing.TB, f *fake, change ...func(*Config, *ClientConfig)) *running {
	t.Helper()
	r := &running{log: &logBuffer{}}
	server := Config{
		Service: "test", Log: slog.New(slog.NewJSONHandler(r.log, nil)), Signer: testSigner(t), Policy: testPolicy, Reflection: true,
	}
	client := ClientConfig{Signer: testSigner(t)}
	for _, c := range change {
		c(&server, &client)
	}
	var err error
	if r.server, err = NewServer(server); err != nil {
		t.Fatal(err)
	}
	testpb.RegisterTestServiceServer(r.server, f)
	r.server.SetServing(true)
	mem := NewMemory()
	serve(t, r.server, mem)
	if r.conn, err = mem.Dial(client); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.conn.Close() }) // runs before the server's
	r.client = testpb.NewTestServiceClient(r.conn)
	return r
}

// serve serves l until the test ends.
func serve(t testing.TB, s *Server, l net.Listener) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = s.Stop(ctx) // tests that care about its error call it themselves
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func member(ctx context.Context, r identity.Role) context.Context {
	return identity.NewContext(ctx, identity.Principal{Kind: identity.KindUser, UserID: "u", OrganizationID: "o", Role: r})
}
