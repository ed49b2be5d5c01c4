package gateway_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/callsig"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/gateway"
)

// What a service sees of a call is what the edge found out, and nothing that the caller claims of itself.
func TestProberCallsInItsOwnName(t *testing.T) {
	o := newOutpost(t)
	var who identity.Principal
	var md metadata.MD
	o.renew = func(ctx context.Context, req *monitorsv1.RenewLeaseRequest) (*monitorsv1.RenewLeaseResponse, error) {
		who, _ = identity.FromContext(ctx)
		md, _ = metadata.FromIncomingContext(ctx)
		return &monitorsv1.RenewLeaseResponse{Lease: &monitorsv1.Lease{Epoch: 7}}, nil
	}
	forged := rpctest.Signer(t).Sign(identity.Principal{Kind: identity.KindService, Name: "events"})
	var trailer metadata.MD
	got, err := o.assignments.RenewLease(o.calling(t, renewMethod, identity.MetadataKey, forged, "x-anything", "else", "x-forwarded-for", "6.6.6.6",
		"x-request-id", "mine"), renewal(), grpc.Trailer(&trailer))
	if err != nil || got.GetLease().GetEpoch() != 7 {
		t.Fatalf("answer %v, %v", got, err)
	}
	if who != aProber {
		t.Errorf("called by %+v, want %+v", who, aProber)
	}
	for key, want := range map[string]string{"x-anything": "", "x-forwarded-for": "127.0.0.1", "x-request-id": "mine", callsig.CertificateKey: "", callsig.SignatureKey: ""} {
		if got := strings.Join(md.Get(key), ","); got != want {
			t.Errorf("%s reached the service as %q, want %q", key, got, want)
		}
	}
	if got := trailer.Get("x-request-id"); len(got) != 1 || got[0] != "mine" {
		t.Errorf("trailer %v", trailer)
	}
}

func TestOnlyAFewMethodsPass(t *testing.T) {
	o := newOutpost(t)
	for _, method := range []string{
		monitorsv1.MonitorsService_ListMonitors_FullMethodName, monitorsv1.CatalogService_WatchCatalog_FullMethodName,
		monitorsv1.EnrolmentService_AuthenticateProber_FullMethodName, eventsv1.FeedService_Subscribe_FullMethodName,
		healthv1.Health_Check_FullMethodName, "/no.such.Service/Method", "/nonsense",
	} {
		err := o.conn.Invoke(o.calling(t, method), method, &emptypb.Empty{}, &emptypb.Empty{})
		wantReason(t, method, err, codes.PermissionDenied, "METHOD_NOT_PASSED")
	}
	if o.asked != 0 {
		t.Errorf("%d certificates were asked for", o.asked)
	}
}

func TestCallsOfStrangers(t *testing.T) {
	o := newOutpost(t)
	o.renew = func(context.Context, *monitorsv1.RenewLeaseRequest) (*monitorsv1.RenewLeaseResponse, error) {
		return &monitorsv1.RenewLeaseResponse{}, nil
	}
	const host = "uptime.example.com"
	now := time.Now()
	good := o.prober.sign(t, renewMethod, host, now)
	half := good.Copy()
	half.Delete(callsig.SignatureKey)
	garbage := good.Copy()
	garbage.Set(callsig.SignatureKey, "v1 garbage")
	borrowed := newProber(t).sign(t, renewMethod, host, now)
	borrowed.Set(callsig.CertificateKey, good.Get(callsig.CertificateKey)...)
	for _, tt := range []struct {
		name, reason string
		md           metadata.MD
	}{
		{"nothing", "NOT_SIGNED", nil},
		{"a certificate alone", "NOT_SIGNED", half},
		{"garbage", "NOT_SIGNED", garbage},
		{"a signature for another method", "BAD_SIGNATURE", o.prober.sign(t, watchMethod, host, now)},
		{"somebody else's certificate", "BAD_SIGNATURE", borrowed},
		{"a signature for another host", "HOST_MISMATCH", o.prober.sign(t, renewMethod, "other.example.com", now)},
		{"a clock that is ahead", "CLOCK_SKEW", o.prober.sign(t, renewMethod, host, now.Add(6*time.Minute))},
		{"a clock that is behind", "CLOCK_SKEW", o.prober.sign(t, renewMethod, host, now.Add(-6*time.Minute))},
		{"a certificate of nobody", "PROBER_REMOVED", newProber(t).sign(t, renewMethod, host, now)},
	} {
		var trailer metadata.MD
		_, err := o.assignments.RenewLease(metadata.NewOutgoingContext(t.Context(), tt.md), renewal(), grpc.Trailer(&trailer))
		wantReason(t, tt.name, err, codes.Unauthenticated, tt.reason)
		if told := len(trailer.Get(callsig.TimeKey)) == 1; told != (tt.reason == "CLOCK_SKEW") {
			t.Errorf("%s: trailer %v", tt.name, trailer)
		}
	}
	for i, want := range []codes.Code{codes.OK, codes.Unauthenticated} {
		_, err := o.assignments.RenewLease(metadata.NewOutgoingContext(t.Context(), good), renewal())
		if status.Code(err) != want {
			t.Errorf("time %d of one signature: %v, want %v", i+1, err, want)
		}
	}
}

// A proxy that does not pass the Host header on is told of; with the public URL known it does not matter.
func TestPublicHost(t *testing.T) {
	o := newOutpost(t, func(c *gateway.Config) { c.PublicHost = "public.example.com" })
	o.renew = func(context.Context, *monitorsv1.RenewLeaseRequest) (*monitorsv1.RenewLeaseResponse, error) {
		return &monitorsv1.RenewLeaseResponse{}, nil
	}
	ctx := metadata.NewOutgoingContext(t.Context(), o.prober.sign(t, renewMethod, "public.example.com", time.Now()))
	if _, err := o.assignments.RenewLease(ctx, renewal()); err != nil {
		t.Error(err)
	}
}

func TestJoinNeedsNoCertificate(t *testing.T) {
	o := newOutpost(t)
	var who identity.Principal
	var from []string
	o.join = func(ctx context.Context, req *monitorsv1.JoinProberRequest) (*monitorsv1.ProberCertificate, error) {
		who, _ = identity.FromContext(ctx)
		from = metadata.ValueFromIncomingContext(ctx, "x-forwarded-for")
		if req.GetToken() != "good" {
			return nil, fault.Unauthenticated("the token is not known").Because("TOKEN_UNKNOWN")
		}
		return &monitorsv1.ProberCertificate{ProberId: "p9"}, nil
	}
	client := monitorsv1.NewEnrolmentServiceClient(o.conn)
	forged := rpctest.Signer(t).Sign(identity.Principal{Kind: identity.KindService, Name: "events"})
	ctx := metadata.AppendToOutgoingContext(t.Context(), identity.MetadataKey, forged)
	got, err := client.JoinProber(ctx, &monitorsv1.JoinProberRequest{Token: "good", CertificateRequest: []byte{1}})
	if err != nil || got.GetProberId() != "p9" || who != identity.Anonymous || strings.Join(from, ",") != "127.0.0.1" {
		t.Errorf("%v, %v, by %+v from %v", got, err, who, from)
	}
	_, err = client.JoinProber(t.Context(), &monitorsv1.JoinProberRequest{Token: "bad", CertificateRequest: []byte{1}})
	wantReason(t, "bad token", err, codes.Unauthenticated, "TOKEN_UNKNOWN")
	_, err = client.JoinProber(t.Context(), &monitorsv1.JoinProberRequest{Token: "good", CertificateRequest: make([]byte, gateway.MaxJoinMessage)})
	wantReason(t, "too large", err, codes.ResourceExhausted, "MESSAGE_TOO_LARGE")
}

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
	<-ended

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
		time.Sleep(10 * time.Millisecond)
	}
	return last
}

func TestRemovedProberIsCutOff(t *testing.T) {
	for _, reads := range []bool{true, false} {
		t.Run(fmt.Sprint("reads ", reads), func(t *testing.T) {
			o := newOutpost(t)
			o.g.SetProberTimes(50*time.Millisecond, 200*time.Millisecond)
			over := make(chan struct{})
			o.watch = func(_ *monitorsv1.WatchAssignmentsRequest, s monitorsv1.AssignmentsService_WatchAssignmentsServer) error {
				defer close(over)
				for {
					size := 64 << 10
					if reads {
						size = 10
						select {
						case <-time.After(5 * time.Millisecond):
						case <-s.Context().Done():
						}
					}
					if err := s.Send(step(size)); err != nil {
						return err
					}
				}
			}
			stream, err := o.assignments.WatchAssignments(o.calling(t, watchMethod), &monitorsv1.WatchAssignmentsRequest{ProberId: "p1", Region: "eu"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Recv(); err != nil {
				t.Fatal(err)
			}
			o.set(func(c *centre) { c.away = true }) // whoever cannot be asked has removed nobody
			o.g.ForgetProbers()
			time.Sleep(200 * time.Millisecond)
			select {
			case <-over:
				t.Fatal("the stream ended although nobody was removed")
			default:
			}
			o.set(func(c *centre) { c.away, c.owners = false, map[string]string{} })
			<-over
			if !reads {
				return // it finds out when it reads again
			}
			for err == nil {
				_, err = stream.Recv()
			}
			wantReason(t, "the stream of a removed prober", err, codes.Unauthenticated, "PROBER_REMOVED")
		})
	}
}

// A certificate is asked for once in a while, not at each call.
func TestOwnersAreRemembered(t *testing.T) {
	o := newOutpost(t)
	o.renew = func(context.Context, *monitorsv1.RenewLeaseRequest) (*monitorsv1.RenewLeaseResponse, error) {
		return &monitorsv1.RenewLeaseResponse{}, nil
	}
	for range 20 {
		if _, err := o.assignments.RenewLease(o.calling(t, renewMethod), renewal()); err != nil {
			t.Fatal(err)
		}
	}
	if o.asked > 2 {
		t.Errorf("asked %d times", o.asked)
	}
}

func TestStopEndsProbersStreams(t *testing.T) {
	o := newOutpost(t)
	o.watch = func(_ *monitorsv1.WatchAssignmentsRequest, s monitorsv1.AssignmentsService_WatchAssignmentsServer) error {
		if err := s.Send(step(1)); err != nil {
			return err
		}
		<-s.Context().Done()
		return s.Context().Err()
	}
	stream, err := o.assignments.WatchAssignments(o.calling(t, watchMethod), &monitorsv1.WatchAssignmentsRequest{ProberId: "p1", Region: "eu"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	o.g.Stop()
	if _, err := stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("after the stop: %v", err)
	}
}

func TestCallsOfOneProberAreBounded(t *testing.T) {
	o := newOutpost(t)
	o.watch = func(_ *monitorsv1.WatchAssignmentsRequest, s monitorsv1.AssignmentsService_WatchAssignmentsServer) error {
		if err := s.Send(step(1)); err != nil {
			return err
		}
		<-s.Context().Done()
		return s.Context().Err()
	}
	var cancels []context.CancelFunc
	watch := func() error {
		ctx, cancel := context.WithCancel(o.calling(t, watchMethod))
		cancels = append(cancels, cancel)
		stream, err := o.assignments.WatchAssignments(ctx, &monitorsv1.WatchAssignmentsRequest{ProberId: "p1", Region: "eu"})
		if err != nil {
			return err
		}
		_, err = stream.Recv()
		return err
	}
	for i := range gateway.MaxCallsOfProber {
		if err := watch(); err != nil {
			t.Fatalf("stream %d: %v", i, err)
		}
	}
	if err := watch(); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("one too many: %v", err)
	}
	for _, cancel := range cancels {
		cancel()
	}
	for range 1000 {
		if err := watch(); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("places are not given back")
}

// What a proxy makes of a call that speaks HTTP/1.1 to the server is told in words.
func TestCallOverHTTP1(t *testing.T) {
	o := newOutpost(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, o.srv.URL+renewMethod, strings.NewReader("\x00\x00\x00\x00\x00"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/grpc")
	got := o.send(t, req)
	if got.status != http.StatusOK || got.header.Get("Grpc-Status") != fmt.Sprint(int(codes.FailedPrecondition)) || !strings.Contains(got.header.Get("Grpc-Message"), "HTTP/2") {
		t.Errorf("%d %v", got.status, got.header)
	}
}

func TestBadFrames(t *testing.T) {
	o := newOutpost(t)
	o.join = func(context.Context, *monitorsv1.JoinProberRequest) (*monitorsv1.ProberCertificate, error) {
		return &monitorsv1.ProberCertificate{}, nil
	}
	client := &http.Client{Transport: &http.Transport{Protocols: unencryptedHTTP2()}}
	defer client.CloseIdleConnections()
	post := func(body string, headers ...string) http.Header {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, o.srv.URL+monitorsv1.EnrolmentService_JoinProber_FullMethodName, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/grpc+proto")
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		for k, v := range resp.Trailer {
			resp.Header[k] = v
		}
		return resp.Header
	}
	for name, tt := range map[string]struct {
		body    string
		headers []string
		want    codes.Code
	}{
		"compressed":           {"\x01\x00\x00\x00\x00", nil, codes.InvalidArgument},
		"a codec":              {"\x00\x00\x00\x00\x00", []string{"Grpc-Encoding", "gzip"}, codes.InvalidArgument},
		"announced too large":  {"\x00\xff\xff\xff\xff", nil, codes.ResourceExhausted},
		"half of a head":       {"\x00\x00", nil, codes.Canceled},
		"half of a message":    {"\x00\x00\x00\x00\x05ab", nil, codes.Canceled},
		"no message":           {"", nil, codes.Internal},
		"against the schema":   {"\x00\x00\x00\x00\x00", nil, codes.InvalidArgument},
		"identity is no codec": {"\x00\x00\x00\x00\x00", []string{"Grpc-Encoding", "identity"}, codes.InvalidArgument},
	} {
		if got := post(tt.body, tt.headers...).Get("Grpc-Status"); got != fmt.Sprint(int(tt.want)) {
			t.Errorf("%s: status %s, want %d", name, got, tt.want)
		}
	}
}

func unencryptedHTTP2() *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return p
}

// REST is there beside gRPC, over HTTP/2 as well.
func TestRESTOverHTTP2(t *testing.T) {
	o := newOutpost(t)
	client := &http.Client{Transport: &http.Transport{Protocols: unencryptedHTTP2()}}
	defer client.CloseIdleConnections()
	resp, err := client.Get(o.srv.URL + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
		t.Errorf("%s over %s", resp.Status, resp.Proto)
	}
}

func TestCallsOverTLS(t *testing.T) {
	o := newOutpost(t)
	o.renew = func(context.Context, *monitorsv1.RenewLeaseRequest) (*monitorsv1.RenewLeaseResponse, error) {
		return &monitorsv1.RenewLeaseResponse{}, nil
	}
	srv := httptest.NewUnstartedServer(nil)
	srv.Config = o.g.Server()
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	roots := srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	conn, err := grpc.NewClient("passthrough:///"+srv.Listener.Addr().String(), grpc.WithAuthority("example.com"),
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, ServerName: "example.com"})))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx := metadata.NewOutgoingContext(t.Context(), o.prober.sign(t, renewMethod, "example.com", time.Now()))
	if _, err := monitorsv1.NewAssignmentsServiceClient(conn).RenewLease(ctx, renewal()); err != nil {
		t.Error(err)
	}
}

func TestTimeoutOf(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1H": time.Hour, "2M": 2 * time.Minute, "3S": 3 * time.Second, "4m": 4 * time.Millisecond, "5u": 5 * time.Microsecond, "6n": 6,
		"99999999H": 2562047 * time.Hour, "0S": 0, "": -1, "S": -1, "1": -1, "1x": -1, "-1S": -1, "123456789S": -1, "1.5S": -1,
	} {
		r := &http.Request{Header: http.Header{"Grpc-Timeout": {text}}}
		got, ok := gateway.TimeoutOf(r)
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%q is %s, %v; want %s", text, got, ok, want)
		}
	}
}
