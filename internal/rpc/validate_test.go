package rpc

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
)

func TestValidation(t *testing.T) {
	s := newSchema(t)
	var trim bool
	desc := &grpc.ServiceDesc{
		ServiceName: "test.Things", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Create", Handler: func(srv any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
			in := dynamicpb.NewMessage(s.create)
			if err := decode(in); err != nil {
				return nil, err
			}
			return interceptor(ctx, in, &grpc.UnaryServerInfo{Server: srv, FullMethod: "/test.Things/Create"},
				func(context.Context, any) (any, error) { return &emptypb.Empty{}, nil })
		}}},
		Streams: []grpc.StreamDesc{{StreamName: "Upload", ClientStreams: true, Handler: func(_ any, ss grpc.ServerStream) error {
			for {
				if err := ss.RecvMsg(dynamicpb.NewMessage(s.create)); errors.Is(err, errEOF) {
					return ss.SendMsg(&emptypb.Empty{})
				} else if err != nil {
					return err
				}
			}
		}}},
	}
	srv, err := NewServer(Config{
		Service: "things", Log: discard, Signer: testSigner(t), Policy: policyByOption(s.files, s.access),
		FieldName: func(method, path string) string {
			if trim {
				return trimBody(s.files, method, path)
			}
			return path
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.RegisterService(desc, struct{}{})
	mem := NewMemory()
	serve(t, srv, mem)
	conn, err := mem.Dial(ClientConfig{Signer: testSigner(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })

	ctx := member(testContext(t), identity.RoleEditor)
	upload := func(ports ...uint32) error {
		stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, "/test.Things/Upload")
		if err != nil {
			return err
		}
		for _, p := range ports {
			if err := stream.SendMsg(s.request(p)); err != nil && !errors.Is(err, errEOF) {
				return err
			}
		}
		if err := stream.CloseSend(); err != nil {
			return err
		}
		return stream.RecvMsg(&emptypb.Empty{})
	}
	create := func(m proto.Message) error { return conn.Invoke(ctx, "/test.Things/Create", m, &emptypb.Empty{}) }

	if err := errors.Join(create(s.request(443)), upload(1, 2, 65535)); err != nil {
		t.Errorf("valid requests: %v", err)
	}
	for name, tt := range map[string]struct {
		err   error
		field string
	}{
		"unary":               {create(s.request(70000)), "monitor.port"},
		"stream, second part": {upload(1, 70000, 3), "monitor.port"},
	} {
		f := fault.FromStatus(status.Convert(tt.err))
		if f == nil || f.Kind != fault.KindInvalid || len(f.Fields) != 1 || f.Fields[0].Name != tt.field || f.Fields[0].Message != "must be between 1 and 65535, not 70000" {
			t.Errorf("%s: %+v", name, f)
		}
	}
	trim = true
	f := fault.FromStatus(status.Convert(create(s.request(70000))))
	if f == nil || len(f.Fields) != 1 || f.Fields[0].Name != "port" {
		t.Errorf("trimmed: %+v", f)
	}
	if got := srv.Undeclared(); len(got) != 0 {
		t.Errorf("undeclared %v", got)
	}
}
