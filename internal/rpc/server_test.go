package rpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/requestid"
)

func TestNewServerNeedsItsParts(t *testing.T) {
	if _, err := NewServer(Config{Service: "x"}); err == nil {
		t.Error("a server without log, signer and policy")
	}
	if _, err := Dial("passthrough:///x", ClientConfig{}); err == nil {
		t.Error("a client without signer")
	}
}

func TestAdmission(t *testing.T) {
	r := run(t, &fake{
		empty: func(context.Context) error { return nil },
		unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			return &testpb.SimpleResponse{}, nil
		},
		output: func(grpc.ServerStreamingServer[testpb.StreamingOutputCallResponse]) error { return nil },
	})
	ctx := testContext(t)
	user := identity.NewContext(ctx, identity.Principal{Kind: identity.KindUser, UserID: "u"})
	forged := metadata.AppendToOutgoingContext(ctx, identity.MetadataKey, "forged")
	call := func(ctx context.Context) error { _, err := r.client.EmptyCall(ctx, &testpb.Empty{}); return err }
	public := func(ctx context.Context) error {
		_, err := r.client.UnaryCall(ctx, &testpb.SimpleRequest{})
		return err
	}
	undeclared := func(ctx context.Context) error {
		_, err := r.client.CacheableUnaryCall(ctx, &testpb.SimpleRequest{})
		return err
	}
	stream := func(ctx context.Context) error {
		s, err := r.client.StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{})
		if err != nil {
			return err
		}
		if _, err = s.Recv(); errors.Is(err, errEOF) {
			return nil
		}
		return err
	}
	service := identity.NewContext(ctx, identity.Principal{Kind: identity.KindService, Name: "events"})
	tests := map[string]struct {
		ctx  context.Context
		call func(context.Context) error
		want codes.Code
	}{
		"enough":                       {member(ctx, identity.RoleEditor), call, codes.OK},
		"more than enough":             {member(ctx, identity.RoleOwner), call, codes.OK},
		"too little":                   {member(ctx, identity.RoleViewer), call, codes.PermissionDenied},
		"nobody":                       {ctx, call, codes.Unauthenticated},
		"without organization":         {user, call, codes.PermissionDenied},
		"public for nobody":            {ctx, public, codes.OK},
		"public for an owner":          {member(ctx, identity.RoleOwner), public, codes.OK},
		"undeclared for an owner":      {member(ctx, identity.RoleOwner), undeclared, codes.PermissionDenied},
		"undeclared for a service":     {service, undeclared, codes.PermissionDenied},
		"undeclared for nobody":        {ctx, undeclared, codes.PermissionDenied},
		"stream for a service":         {service, stream, codes.OK},
		"stream for an owner":          {member(ctx, identity.RoleOwner), stream, codes.PermissionDenied},
		"stream for nobody":            {ctx, stream, codes.Unauthenticated},
		"a service where members only": {service, call, codes.PermissionDenied},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := status.Code(tt.call(tt.ctx)); got != tt.want {
				t.Errorf("code %v, want %v", got, tt.want)
			}
		})
	}
	// What the client puts there by hand is replaced, so it takes a bare connection to send a forgery.
	if err := public(forged); err != nil {
		t.Errorf("stale metadata got through: %v", err)
	}
	if f := fault.FromStatus(status.Convert(call(user))); f.Reason != "NO_ORGANIZATION" {
		t.Errorf("reason %q", f.Reason)
	}
	if records := r.log.records(t); len(records) != 0 {
		t.Errorf("refusals were logged: %v", records)
	}
}

func TestForgedPrincipalIsRefused(t *testing.T) {
	r := run(t, &fake{}, func(_ *Config, c *ClientConfig) {
		other, err := identity.NewSigner([]byte(strings.Repeat("x", 32)))
		if err != nil {
			t.Fatal(err)
		}
		c.Signer = other
	})
	_, err := r.client.UnaryCall(member(testContext(t), identity.RoleOwner), &testpb.SimpleRequest{})
	if got := status.Code(err); got != codes.Unauthenticated {
		t.Errorf("code %v, want Unauthenticated, even where anybody may call", got)
	}
}

func TestHandlerSeesCallerAndRequest(t *testing.T) {
	want := identity.Principal{Kind: identity.KindAPIKey, UserID: "u", KeyID: "k", OrganizationID: "o", Role: identity.RoleAdmin, Name: "deploy", RemoteIP: "192.0.2.1"}
	var got identity.Principal
	var id string
	r := run(t, &fake{empty: func(ctx context.Context) error {
		got, _ = identity.FromContext(ctx)
		id = requestid.FromContext(ctx)
		return nil
	}})
	ctx := requestid.NewContext(identity.NewContext(testContext(t), want), "req-1")
	var trailer metadata.MD
	if _, err := r.client.EmptyCall(ctx, &testpb.Empty{}, grpc.Trailer(&trailer)); err != nil {
		t.Fatal(err)
	}
	if got != want || id != "req-1" {
		t.Errorf("principal %+v, request id %q", got, id)
	}
	if h := trailer.Get(requestid.Key); len(h) != 1 || h[0] != "req-1" {
		t.Errorf("request id in the answer: %v", h)
	}
	if _, err := r.client.EmptyCall(identity.NewContext(testContext(t), want), &testpb.Empty{}, grpc.Trailer(&trailer)); err != nil {
		t.Fatal(err)
	}
	if h := trailer.Get(requestid.Key); len(h) != 1 || h[0] == "" || h[0] == "req-1" || h[0] != id {
		t.Errorf("request id made by the server: %v, handler saw %q", h, id)
	}
}

func TestAnonymousHandlerContextIsNobody(t *testing.T) {
	var p identity.Principal
	var ok bool
	r := run(t, &fake{unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		p, ok = identity.FromContext(ctx)
		return &testpb.SimpleResponse{}, nil
	}})
	if _, err := r.client.UnaryCall(testContext(t), &testpb.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	if !ok || !p.IsAnonymous() {
		t.Errorf("principal %+v, %v; want Anonymous, established", p, ok)
	}
}

func TestErrorsAreTranslatedOnceAndLoggedOnce(t *testing.T) {
	cause := errors.New("pq: canary at 10.0.0.1")
	errs := map[string]error{
		"unknown": fmt.Errorf("list: %w", cause),
		"known":   fmt.Errorf("list: canary: %w", fault.NotFound("no such monitor").Wrap(cause)),
		"ctx":     fmt.Errorf("list: %w", context.Canceled),
	}
	var which string
	r := run(t, &fake{
		empty: func(context.Context) error { return errs[which] },
		duplex: func(grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error {
			return errs[which]
		},
	})
	ctx := requestid.NewContext(member(testContext(t), identity.RoleOwner), "req-7")
	ask := map[string]func() error{
		"unary": func() error { _, err := r.client.EmptyCall(ctx, &testpb.Empty{}); return err },
		"stream": func() error {
			s, err := r.client.FullDuplexCall(ctx)
			if err != nil {
				return err
			}
			_, err = s.Recv()
			return err
		},
	}
	for kind, call := range ask {
		t.Run(kind, func(t *testing.T) {
			before := len(r.log.records(t))
			for name, want := range map[string]struct {
				code codes.Code
				text string
			}{
				"unknown": {codes.Internal, "internal error"},
				"known":   {codes.NotFound, "no such monitor"},
				"ctx":     {codes.Canceled, "canceled by the caller"},
			} {
				which = name
				st := status.Convert(call())
				if st.Code() != want.code || st.Message() != want.text {
					t.Errorf("%s: %v %q, want %v %q", name, st.Code(), st.Message(), want.code, want.text)
				}
			}
			records := r.log.records(t)[before:]
			if len(records) != 1 {
				t.Fatalf("logged %v, want the unknown error alone", records)
			}
			got := records[0]
			if got["request_id"] != "req-7" || got["service"] != "test" || !strings.Contains(fmt.Sprint(got["error"]), cause.Error()) {
				t.Errorf("log record %v", got)
			}
		})
	}
}

func TestPanicsBecomeErrors(t *testing.T) {
	r := run(t, &fake{
		empty: func(context.Context) error { panic("canary") },
		duplex: func(grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error {
			var nobody *http.Request
			return nobody.Context().Err()
		},
	})
	ctx := member(testContext(t), identity.RoleOwner)
	_, err := r.client.EmptyCall(ctx, &testpb.Empty{})
	if st := status.Convert(err); st.Code() != codes.Internal || st.Message() != "internal error" {
		t.Errorf("unary: %v", st)
	}
	s, err := r.client.FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Recv()
	if st := status.Convert(err); st.Code() != codes.Internal || st.Message() != "internal error" {
		t.Errorf("stream: %v", st)
	}
	records := r.log.records(t)
	if len(records) != 2 {
		t.Fatalf("%d log records, want 2", len(records))
	}
	for _, rec := range records {
		if !strings.Contains(fmt.Sprint(rec["stack"]), "server_test.go") {
			t.Errorf("no stack in %v", rec)
		}
	}
}

func TestUndeclared(t *testing.T) {
	r := run(t, &fake{})
	want := []string{
		"/grpc.testing.TestService/CacheableUnaryCall", "/grpc.testing.TestService/HalfDuplexCall",
		"/grpc.testing.TestService/UnimplementedCall",
	}
	if diff := cmp.Diff(want, r.server.Undeclared()); diff != "" {
		t.Errorf("undeclared methods (-want +got):\n%s", diff)
	}
}

func TestHealthAndReflectionArePublic(t *testing.T) {
	r := run(t, &fake{})
	ctx := testContext(t)
	health := healthv1.NewHealthClient(r.conn)
	for _, tt := range []struct {
		ready bool
		want  healthv1.HealthCheckResponse_ServingStatus
	}{{true, healthv1.HealthCheckResponse_SERVING}, {false, healthv1.HealthCheckResponse_NOT_SERVING}} {
		r.server.SetServing(tt.ready)
		for _, service := range []string{"", "grpc.testing.TestService"} {
			got, err := health.Check(ctx, &healthv1.HealthCheckRequest{Service: service})
			if err != nil || got.GetStatus() != tt.want {
				t.Errorf("health of %q: %v, %v, want %v", service, got, err, tt.want)
			}
		}
	}
	stream, err := reflectionv1.NewServerReflectionClient(r.conn).ServerReflectionInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{},
	}); err != nil {
		t.Fatal(err)
	}
	got, err := stream.Recv()
	if err != nil || len(got.GetListServicesResponse().GetService()) == 0 {
		t.Errorf("reflection: %v, %v", got, err)
	}
}

func TestNewServerIsNotServing(t *testing.T) {
	srv, err := NewServer(Config{Service: "x", Log: discard, Signer: testSigner(t), Policy: testPolicy})
	if err != nil {
		t.Fatal(err)
	}
	mem := NewMemory()
	serve(t, srv, mem)
	conn, err := mem.Dial(ClientConfig{Signer: testSigner(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	got, err := healthv1.NewHealthClient(conn).Check(testContext(t), &healthv1.HealthCheckRequest{})
	if err != nil || got.GetStatus() != healthv1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health %v, %v", got, err)
	}
}

func TestOneServerOnTwoListeners(t *testing.T) {
	r := run(t, &fake{empty: func(context.Context) error { return nil }})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, r.server, l)
	conn, err := Dial(l.Addr().String(), ClientConfig{Signer: testSigner(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ctx := member(testContext(t), identity.RoleOwner)
	for name, c := range map[string]testpb.TestServiceClient{"memory": r.client, "tcp": testpb.NewTestServiceClient(conn)} {
		if _, err := c.EmptyCall(ctx, &testpb.Empty{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLargeRequestsAreRefused(t *testing.T) {
	r := run(t, &fake{unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		return &testpb.SimpleResponse{}, nil
	}}, func(s *Config, _ *ClientConfig) { s.MaxRecvBytes = 1 << 10 })
	send := func(n int) codes.Code {
		_, err := r.client.UnaryCall(testContext(t), &testpb.SimpleRequest{Payload: &testpb.Payload{Body: make([]byte, n)}})
		return status.Code(err)
	}
	if got := send(1 << 9); got != codes.OK {
		t.Errorf("small: %v", got)
	}
	if got := send(1 << 11); got != codes.ResourceExhausted {
		t.Errorf("large: %v", got)
	}
}

func TestDetailsOfADownstreamErrorPassThrough(t *testing.T) {
	inner := fault.Invalid("bad", fault.Field{Name: "url", Message: "must be a URL"}).GRPCStatus().Err()
	r := run(t, &fake{empty: func(context.Context) error { return fmt.Errorf("ask canary: %w", inner) }})
	_, err := r.client.EmptyCall(member(testContext(t), identity.RoleOwner), &testpb.Empty{})
	st := status.Convert(err)
	if st.Message() != "bad" || len(st.Details()) != 2 {
		t.Fatalf("status %v", st)
	}
	if bad, ok := st.Details()[1].(*errdetails.BadRequest); !ok || bad.GetFieldViolations()[0].GetField() != "url" {
		t.Errorf("details %v", st.Details())
	}
}
