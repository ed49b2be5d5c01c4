package rpctest

import (
	"context"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/frogstats/uptime/internal/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type whoami struct {
	testpb.UnimplementedTestServiceServer
	got identity.Principal
}

func (w *whoami) EmptyCall(ctx context.Context, _ *testpb.Empty) (*testpb.Empty, error) {
	w.got, _ = identity.FromContext(ctx)
	return &testpb.Empty{}, nil
}

func access(a identity.Access) Option {
	return Policy(func(string) (identity.Access, bool) { return a, true })
}

func TestConnCarriesThePrincipalThroughTheRealServer(t *testing.T) {
	tests := map[string]struct {
		access identity.Access
		as     func(context.Context) context.Context
		want   codes.Code
		kind   identity.Kind
	}{
		"editor":         {identity.AccessEditor, func(ctx context.Context) context.Context { return AsUser(ctx, "o", identity.RoleEditor) }, codes.OK, identity.KindUser},
		"viewer":         {identity.AccessEditor, func(ctx context.Context) context.Context { return AsUser(ctx, "o", identity.RoleViewer) }, codes.PermissionDenied, ""},
		"key":            {identity.AccessEditor, func(ctx context.Context) context.Context { return AsKey(ctx, "o", identity.RoleAdmin) }, codes.OK, identity.KindAPIKey},
		"service":        {identity.AccessService, AsService, codes.OK, identity.KindService},
		"nobody":         {identity.AccessViewer, Anonymous, codes.Unauthenticated, ""},
		"nothing at all": {identity.AccessViewer, func(ctx context.Context) context.Context { return ctx }, codes.Unauthenticated, ""},
		"nobody, public": {identity.AccessPublic, Anonymous, codes.OK, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := &whoami{}
			conn := Conn(t, "whoami", func(r grpc.ServiceRegistrar) { testpb.RegisterTestServiceServer(r, w) }, access(tt.access))
			_, err := testpb.NewTestServiceClient(conn).EmptyCall(tt.as(t.Context()), &testpb.Empty{})
			if got := status.Code(err); got != tt.want || w.got.Kind != tt.kind {
				t.Errorf("code %v as %q, want %v as %q", got, w.got.Kind, tt.want, tt.kind)
			}
		})
	}
}
