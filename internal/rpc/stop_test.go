package rpc

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/frogstats/uptime/internal/identity"
)

var (
	errEOF  = io.EOF
	discard = slog.New(slog.DiscardHandler)
)

// soon is far less than the graces used below, and far more than a stop takes.
const soon = 5 * time.Second

func TestStopEndsOpenStreams(t *testing.T) {
	entered := make(chan struct{}, 3)
	r := run(t, &fake{
		output: func(s grpc.ServerStreamingServer[testpb.StreamingOutputCallResponse]) error { // waits on its context
			entered <- struct{}{}
			<-s.Context().Done()
			return s.Context().Err()
		},
		duplex: func(s grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error {
			entered <- struct{}{}
			_, err := s.Recv() // waits for a message that never comes
			return err
		},
	})
	ctx := testContext(t)
	service := identity.NewContext(ctx, identity.Principal{Kind: identity.KindService, Name: "test"})
	output, err := r.client.StreamingOutputCall(service, &testpb.StreamingOutputCallRequest{})
	if err != nil {
		t.Fatal(err)
	}
	duplex, err := r.client.FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	watch, err := healthv1.NewHealthClient(r.conn).Watch(ctx, &healthv1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := watch.Recv(); err != nil || got.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Fatalf("health %v, %v", got, err)
	}
	<-entered
	<-entered

	stop, cancel := context.WithTimeout(ctx, 4*soon)
	defer cancel()
	begun := time.Now()
	if err := r.server.Stop(stop); err != nil {
		t.Errorf("stop: %v", err)
	}
	if took := time.Since(begun); took > soon {
		t.Errorf("stopping took %v with streams open", took)
	}
	if _, err := output.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("stream that waits on its context: %v, want Unavailable", err)
	}
	if _, err := duplex.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("stream that waits in Recv: %v, want Unavailable", err)
	}
	if err := r.server.Stop(stop); err != nil {
		t.Errorf("second stop: %v", err)
	}
}

func TestStopLetsRequestsFinish(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	r := run(t, &fake{empty: func(ctx context.Context) error {
		close(entered)
		<-release
		return ctx.Err()
	}})
	answer := make(chan error, 1)
	ctx := testContext(t)
	go func() {
		_, err := r.client.EmptyCall(member(ctx, identity.RoleOwner), &testpb.Empty{})
		answer <- err
	}()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- r.server.Stop(ctx) }()
	<-r.server.closing.Done()
	close(release)
	if err := <-answer; err != nil {
		t.Errorf("request in progress: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestStopForcesWhatDoesNotEnd(t *testing.T) {
	entered, release, left := make(chan struct{}), make(chan struct{}), make(chan struct{})
	r := run(t, &fake{empty: func(context.Context) error { // ignores its context
		defer close(left)
		close(entered)
		<-release
		return nil
	}})
	answer := make(chan error, 1)
	go func() {
		_, err := r.client.EmptyCall(member(testContext(t), identity.RoleOwner), &testpb.Empty{})
		answer <- err
	}()
	<-entered
	over := errors.New("grace is over")
	ctx, cancel := context.WithTimeoutCause(context.Background(), 10*time.Millisecond, over)
	defer cancel()
	begun := time.Now()
	if err := r.server.Stop(ctx); !errors.Is(err, over) {
		t.Errorf("stop: %v, want the cause of the end", err)
	}
	if took := time.Since(begun); took > soon {
		t.Errorf("forced stop took %v", took)
	}
	if err := <-answer; status.Code(err) != codes.Unavailable {
		t.Errorf("cut-off request: %v", err)
	}
	close(release)
	<-left
}

func TestStreamsCarryTraffic(t *testing.T) {
	const n = 1000
	r := run(t, &fake{duplex: func(s grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error {
		for {
			m, err := s.Recv()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if err := s.Send(&testpb.StreamingOutputCallResponse{Payload: m.GetPayload()}); err != nil {
				return err
			}
		}
	}})
	s, err := r.client.FullDuplexCall(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for i := range n {
			if s.Send(&testpb.StreamingOutputCallRequest{Payload: &testpb.Payload{Body: []byte{byte(i)}}}) != nil {
				return
			}
		}
		_ = s.CloseSend()
	}()
	for i := range n {
		m, err := s.Recv()
		if err != nil || m.GetPayload().GetBody()[0] != byte(i) {
			t.Fatalf("message %d: %v, %v", i, m, err)
		}
	}
	if _, err := s.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("end of stream: %v", err)
	}
}

func TestClientsCancelReachesTheHandler(t *testing.T) {
	ended := make(chan error, 1)
	entered := make(chan struct{})
	r := run(t, &fake{duplex: func(s grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error {
		close(entered)
		_, err := s.Recv()
		ended <- err
		return err
	}})
	ctx, cancel := context.WithCancel(testContext(t))
	s, err := r.client.FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	<-entered
	cancel()
	if err := <-ended; err == nil {
		t.Error("Recv returned a message from a client that hung up")
	}
	if _, err := s.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("client sees %v", err)
	}
	if records := r.log.records(t); len(records) != 0 {
		t.Errorf("a client hanging up was logged: %v", records)
	}
}
