package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/services/gateway"
)

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
			select {
			case <-over:
				t.Fatal("the stream ended although nobody was removed")
			case <-time.After(200 * time.Millisecond):
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
		<-time.After(10 * time.Millisecond)
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
