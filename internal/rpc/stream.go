package rpc

import (
	"context"

	"google.golang.org/grpc"
)

// serverStream gives a handler the context that ends when the server stops, and validates what it receives.
type serverStream struct {
	grpc.ServerStream
	ctx   context.Context
	check func(m any) error
	pump  *pump // nil for methods that receive one message only
}

func newServerStream(ctx context.Context, ss grpc.ServerStream, info *grpc.StreamServerInfo, check func(any) error) *serverStream {
	s := &serverStream{ServerStream: ss, ctx: ctx, check: check}
	if info.IsClientStream {
		s.pump = newPump(ctx, ss.RecvMsg)
	}
	return s
}

func (s *serverStream) Context() context.Context { return s.ctx }

func (s *serverStream) RecvMsg(m any) error {
	recv := s.ServerStream.RecvMsg
	if s.pump != nil {
		recv = s.pump.recv
	}
	if err := recv(m); err != nil {
		return err
	}
	return s.check(m)
}

// pump receives in a goroutine of its own, because a handler waiting in RecvMsg would otherwise learn nothing of its
// context's end: gRPC ends that wait only with the connection. The goroutine ends with ctx, and with the stream, which
// gRPC closes as soon as the handler has returned.
type pump struct {
	ctx  context.Context
	want chan any
	got  chan error
}

func newPump(ctx context.Context, recv func(m any) error) *pump {
	p := &pump{ctx: ctx, want: make(chan any), got: make(chan error, 1)}
	go func() {
		for {
			select {
			case m := <-p.want:
				p.got <- recv(m)
			case <-ctx.Done():
				return
			}
		}
	}()
	return p
}

// recv fills m. After an error m may still be written to, so it must not be read; generated code drops it.
func (p *pump) recv(m any) error {
	select {
	case p.want <- m:
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
	select {
	case err := <-p.got:
		return err
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}
