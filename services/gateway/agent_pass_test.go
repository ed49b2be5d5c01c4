package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/services/gateway"
)

// An old prober knows less, a newer one more than the edge: messages pass as they are.
func TestMessagesPassUntouched(t *testing.T) {
	o := newOutpost(t)
	unknown := protowire.AppendString(protowire.AppendTag(nil, 4711, protowire.BytesType), "from the future")
	seen := make(chan *monitorsv1.WatchAssignmentsRequest, 1)
	o.watch = func(req *monitorsv1.WatchAssignmentsRequest, s monitorsv1.AssignmentsService_WatchAssignmentsServer) error {
		seen <- req
		out := &monitorsv1.WatchAssignmentsResponse{}
		out.ProtoReflect().SetUnknown(unknown)
		return s.Send(out)
	}
	req := &monitorsv1.WatchAssignmentsRequest{ProberId: "p1", Region: "eu", Version: "0.1"} // no session: version 1
	req.ProtoReflect().SetUnknown(unknown)
	stream, err := o.assignments.WatchAssignments(o.calling(t, watchMethod), req)
	if err != nil {
		t.Fatal(err)
	}
	got, err := stream.Recv()
	if err != nil || !bytes.Equal(got.ProtoReflect().GetUnknown(), unknown) {
		t.Errorf("answer %v, %v", got, err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
	if got := <-seen; got.GetSession() != "" || got.GetVersion() != "0.1" || !bytes.Equal(got.ProtoReflect().GetUnknown(), unknown) {
		t.Errorf("the service saw %v", got)
	}
}

// large is a batch of about a size.
func large(size int) *eventsv1.RecordRequest {
	text := strings.Repeat("x", size)
	return &eventsv1.RecordRequest{Step: &eventsv1.RecordRequest_Batch{Batch: &eventsv1.ResultBatch{
		FirstSeq: 1, Results: []*checkv1.CheckResult{{
			MonitorId: 1, OrganizationId: "o", Region: "eu", ScheduledAt: timestamppb.New(someTime), StartedAt: timestamppb.New(someTime),
			Status: checkv1.ResultStatus_RESULT_STATUS_ERROR, Attempt: 1, ErrorMessage: &text,
		}},
	}}}
}

func TestLargeBatchesAndHalfClose(t *testing.T) {
	o := newOutpost(t)
	o.record = func(s eventsv1.RecorderService_RecordServer) error {
		var n uint64
		for {
			req, err := s.Recv()
			if errors.Is(err, io.EOF) {
				s.SetTrailer(metadata.Pairs("x-said", "goodbye"))
				return s.Send(&eventsv1.RecordResponse{StoredSeq: n})
			}
			if err != nil {
				return err
			}
			n += uint64(len(req.GetBatch().GetResults()[0].GetErrorMessage()))
			if err := s.Send(&eventsv1.RecordResponse{JudgedSeq: n}); err != nil {
				return err
			}
		}
	}
	stream, err := o.recorder.Record(o.calling(t, recordMethod))
	if err != nil {
		t.Fatal(err)
	}
	var sum uint64
	for _, size := range []int{1, 100, 1 << 20, 8 << 20, 0, 65535, 65536, 65537} {
		if err := stream.Send(large(size)); err != nil {
			t.Fatal(err)
		}
		sum += uint64(size)
		if got, err := stream.Recv(); err != nil || got.GetJudgedSeq() != sum {
			t.Fatalf("after %d bytes: %v, %v", size, got, err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if got, err := stream.Recv(); err != nil || got.GetStoredSeq() != sum {
		t.Errorf("after the half-close: %v, %v, want %d", got, err, sum)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) || strings.Join(stream.Trailer().Get("x-said"), "") != "goodbye" {
		t.Errorf("at the end: %v, trailer %v", err, stream.Trailer())
	}
	stream, err = o.recorder.Record(o.calling(t, recordMethod))
	if err != nil {
		t.Fatal(err)
	}
	_ = stream.Send(large(largeMessages)) // fails as soon as the refusal is there
	_, err = stream.Recv()
	wantReason(t, "a message beyond the limit", err, codes.ResourceExhausted, "MESSAGE_TOO_LARGE")
}

func TestErrorsOfServicesPass(t *testing.T) {
	o := newOutpost(t)
	o.renew = func(context.Context, *monitorsv1.RenewLeaseRequest) (*monitorsv1.RenewLeaseResponse, error) {
		return nil, fault.Aborted("another session has begun: 100% ü\n").Because("SESSION_ENDED").After(3 * time.Second)
	}
	_, err := o.assignments.RenewLease(o.calling(t, renewMethod), renewal())
	wantReason(t, "refused by the service", err, codes.Aborted, "SESSION_ENDED")
	if f := fault.FromStatus(status.Convert(err)); f.RetryAfter != 3*time.Second || status.Convert(err).Message() != "another session has begun: 100% ü\n" {
		t.Errorf("arrived as %q, %+v", status.Convert(err).Message(), f)
	}
	o.renew = func(context.Context, *monitorsv1.RenewLeaseRequest) (*monitorsv1.RenewLeaseResponse, error) {
		return nil, errors.New("canary")
	}
	_, err = o.assignments.RenewLease(o.calling(t, renewMethod), renewal())
	if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "canary") {
		t.Errorf("a fault of ours arrives as %v", err)
	}
}

func TestCancellationAndDeadlinesPass(t *testing.T) {
	o := newOutpost(t)
	ended := make(chan error, 1)
	began := make(chan time.Time, 1)
	o.watch = func(_ *monitorsv1.WatchAssignmentsRequest, s monitorsv1.AssignmentsService_WatchAssignmentsServer) error {
		deadline, _ := s.Context().Deadline()
		began <- deadline
		<-s.Context().Done()
		ended <- s.Context().Err()
		return s.Context().Err()
	}
	ctx, cancel := context.WithCancel(o.calling(t, watchMethod))
	if _, err := o.assignments.WatchAssignments(ctx, &monitorsv1.WatchAssignmentsRequest{ProberId: "p1", Region: "eu"}); err != nil {
		t.Fatal(err)
	}
	if deadline := <-began; !deadline.IsZero() {
		t.Errorf("a stream without a deadline got %s", deadline)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the service's context ended with %v", err)
	}

	ctx, cancel = context.WithTimeout(o.calling(t, watchMethod), 300*time.Millisecond)
	defer cancel()
	stream, err := o.assignments.WatchAssignments(ctx, &monitorsv1.WatchAssignmentsRequest{ProberId: "p1", Region: "eu"})
	if err != nil {
		t.Fatal(err)
	}
	if deadline := <-began; deadline.IsZero() || time.Until(deadline) > 300*time.Millisecond {
		t.Errorf("deadline %s", deadline)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("after the deadline: %v", err)
	}
	if err := <-ended; err == nil {
		t.Error("the service's context has not ended")
	}

	var left time.Duration
	o.renew = func(ctx context.Context, _ *monitorsv1.RenewLeaseRequest) (*monitorsv1.RenewLeaseResponse, error) {
		deadline, _ := ctx.Deadline()
		left = time.Until(deadline)
		return &monitorsv1.RenewLeaseResponse{}, nil
	}
	if _, err := o.assignments.RenewLease(o.calling(t, renewMethod), renewal()); err != nil || left <= 0 || left > gateway.ProberCallTime {
		t.Errorf("a call without a deadline got %s, %v", left, err)
	}
}

// A service that takes its time makes the prober wait, and not the edge's memory grow.
func TestSlowServiceHoldsTheProberBack(t *testing.T) {
	o := newOutpost(t)
	release := make(chan struct{})
	o.record = func(s eventsv1.RecorderService_RecordServer) error {
		<-release
		var n uint64
		for {
			if _, err := s.Recv(); errors.Is(err, io.EOF) {
				return s.Send(&eventsv1.RecordResponse{StoredSeq: n})
			} else if err != nil {
				return err
			}
			n++
		}
	}
	stream, err := o.recorder.Record(o.calling(t, recordMethod))
	if err != nil {
		t.Fatal(err)
	}
	const messages, size = 400, 64 << 10
	var sent atomic.Int64
	done := make(chan error, 1)
	go func() {
		for range messages {
			if err := stream.Send(large(size)); err != nil {
				done <- err
				return
			}
			sent.Add(1)
		}
		done <- stream.CloseSend()
	}()
	held := settled(t, &sent)
	if held*size > 8<<20 {
		t.Errorf("%d KiB were taken from the prober while the service read nothing", held*size>>10)
	}
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got, err := stream.Recv(); err != nil || got.GetStoredSeq() != messages {
		t.Errorf("arrived: %v, %v", got, err)
	}
}

// A prober that does not read makes the service wait.
func TestSlowProberHoldsTheServiceBack(t *testing.T) {
	o := newOutpost(t)
	const messages, size = 400, 64 << 10
	var sent atomic.Int64
	o.watch = func(_ *monitorsv1.WatchAssignmentsRequest, s monitorsv1.AssignmentsService_WatchAssignmentsServer) error {
		for range messages {
			if err := s.Send(step(size)); err != nil {
				return err
			}
			sent.Add(1)
		}
		return nil
	}
	stream, err := o.assignments.WatchAssignments(o.calling(t, watchMethod), &monitorsv1.WatchAssignmentsRequest{ProberId: "p1", Region: "eu"})
	if err != nil {
		t.Fatal(err)
	}
	if held := settled(t, &sent); held*size > 8<<20 {
		t.Errorf("%d KiB were taken from the service while the prober read nothing", held*size>>10)
	}
	for n := 0; ; n++ {
		if _, err := stream.Recv(); errors.Is(err, io.EOF) {
			if n != messages {
				t.Errorf("%d messages arrived, want %d", n, messages)
			}
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// step is a message of about a size.
func step(size int) *monitorsv1.WatchAssignmentsResponse {
	return &monitorsv1.WatchAssignmentsResponse{Step: &monitorsv1.WatchAssignmentsResponse_Assigned{
		Assigned: &monitorsv1.Assignment{Cron: strings.Repeat("x", size)},
	}}
}

// settled waits until a count stands still for a while, and returns it.
func settled(t *testing.T, n *atomic.Int64) int64 {
	t.Helper()
	last, since := int64(-1), time.Now()
	for time.Since(since) < 300*time.Millisecond {
		if now := n.Load(); now != last {
			last, since = now, time.Now()
		}
		<-time.After(10 * time.Millisecond)
	}
	return last
}
