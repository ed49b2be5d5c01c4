package rpc

import (
	"context"
	"errors"
	"io"
	"testing"

	"google.golang.org/grpc"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// BenchmarkUnary is one call through memory with every step of the house on the way.
func BenchmarkUnary(b *testing.B) {
	r := run(b, &fake{unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		return &testpb.SimpleResponse{}, nil
	}})
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.client.UnaryCall(ctx, &testpb.SimpleRequest{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkClientStream is one message of a long stream, received by way of the pump.
func BenchmarkClientStream(b *testing.B) {
	r := run(b, &fake{input: func(s grpc.ClientStreamingServer[testpb.StreamingInputCallRequest, testpb.StreamingInputCallResponse]) error {
		for {
			if _, err := s.Recv(); errors.Is(err, io.EOF) {
				return s.SendAndClose(&testpb.StreamingInputCallResponse{})
			} else if err != nil {
				return err
			}
		}
	}})
	s, err := r.client.StreamingInputCall(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	m := &testpb.StreamingInputCallRequest{Payload: &testpb.Payload{Body: make([]byte, 200)}}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Send(m); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := s.CloseAndRecv(); err != nil {
		b.Fatal(err)
	}
}
