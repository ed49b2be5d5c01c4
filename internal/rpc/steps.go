package rpc

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/requestid"
)

// unary is the one interceptor of unary calls. Telemetry is a stats handler and so already around it.
func (s *Server) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (resp any, err error) {
	ctx, id := withRequestID(ctx)
	// A trailer, since a header would be sent ahead of an error too, and a client takes that for the beginning of an answer
	// and does not retry. It fails only on a call that is over.
	_ = grpc.SetTrailer(ctx, metadata.Pairs(requestid.Key, id))
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
		if err = s.answer(ctx, info.FullMethod, err); err != nil {
			resp = nil
		}
	}()
	if ctx, err = s.admit(ctx, info.FullMethod); err != nil {
		return nil, err
	}
	if err := s.check(info.FullMethod, req); err != nil {
		return nil, err
	}
	return handle(ctx, req)
}

// stream is the one interceptor of streaming calls; every received message is validated as it is received.
func (s *Server) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
	ctx, id := withRequestID(ss.Context())
	ss.SetTrailer(metadata.Pairs(requestid.Key, id))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.closing, cancel)()
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
		if fault.Is(err, fault.KindCanceled) && s.closing.Err() != nil {
			err = errStopping
		}
		err = s.answer(ctx, info.FullMethod, err)
	}()
	if ctx, err = s.admit(ctx, info.FullMethod); err != nil {
		return err
	}
	guarded := newServerStream(ctx, ss, info, func(m any) error { return s.check(info.FullMethod, m) })
	return handle(srv, guarded)
}

// errStopping is what clients of an interrupted stream get: come back, perhaps to another replica.
var errStopping = fault.Unavailable("the server is stopping")

func withRequestID(ctx context.Context) (context.Context, string) {
	var given string
	if ids := metadata.ValueFromIncomingContext(ctx, requestid.Key); len(ids) > 0 {
		given = ids[0]
	}
	id := requestid.Accept(given)
	return requestid.NewContext(ctx, id), id
}

// admit authenticates and authorises. The returned context always carries a principal, Anonymous at least, so that
// nothing a handler calls on behalf of nobody is mistaken for the service's own work.
func (s *Server) admit(ctx context.Context, fullMethod string) (context.Context, error) {
	p, err := s.signer.Incoming(ctx)
	if err != nil {
		return ctx, fault.Unauthenticated("").Wrap(err)
	}
	ctx = identity.NewContext(ctx, p)
	access, ok := s.access(fullMethod)
	switch {
	case ok && p.Allows(access):
		return ctx, nil
	case ok && access != identity.AccessUnspecified && p.IsAnonymous():
		return ctx, fault.Unauthenticated("")
	case ok && p.Kind == identity.KindUser && p.OrganizationID == "" && access >= identity.AccessViewer && access <= identity.AccessOwner:
		return ctx, fault.Denied("no organization is active").Because("NO_ORGANIZATION")
	}
	return ctx, fault.Denied("")
}

// check applies the rules that stand in the schema.
func (s *Server) check(fullMethod string, m any) error {
	msg, ok := m.(proto.Message)
	if !ok {
		return fault.Internal(fmt.Errorf("message of type %T is not a protobuf", m))
	}
	err := s.validate.Validate(msg)
	if err == nil {
		return nil
	}
	var invalid *protovalidate.ValidationError
	if !errors.As(err, &invalid) {
		return fault.Internal(fmt.Errorf("validate request: %w", err))
	}
	fields := make([]fault.Field, 0, len(invalid.Violations))
	for _, v := range invalid.Violations {
		name := protovalidate.FieldPathString(v.Proto.GetField())
		if s.fieldName != nil {
			name = s.fieldName(fullMethod, name)
		}
		fields = append(fields, fault.Field{Name: name, Message: wording(msg.ProtoReflect().Descriptor(), v)})
	}
	return fault.Invalid("", fields...)
}

// answer turns err into a status and logs what the caller is not told. It is the only place that does either.
func (s *Server) answer(ctx context.Context, fullMethod string, err error) error {
	if err == nil {
		return nil
	}
	switch fault.KindOf(err) {
	case fault.KindInternal:
		attrs := logAttrs(ctx, fullMethod, err)
		var p *panicError
		if errors.As(err, &p) {
			attrs = append(attrs, "stack", p.stack)
		}
		s.log.ErrorContext(ctx, "request failed", attrs...)
	case fault.KindUnavailable, fault.KindDeadline:
		s.logOutage(ctx, fullMethod, err)
	}
	return fault.ToStatus(err).Err()
}

func logAttrs(ctx context.Context, fullMethod string, err error) []any {
	return []any{"method", fullMethod, "request_id", requestid.FromContext(ctx), "error", err.Error()}
}

type panicError struct {
	value any
	stack string
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

func panicked(value any) error {
	return fault.Internal(&panicError{value: value, stack: string(debug.Stack())})
}
