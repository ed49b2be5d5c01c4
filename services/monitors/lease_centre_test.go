package monitors_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/secret"
	"github.com/frogstats/uptime/services/monitors"
	"github.com/frogstats/uptime/services/monitors/storetest"
)

const testTTL = 10 * time.Second

// centre is the service in a bubble, called directly.
type centre struct {
	t       *testing.T
	store   monitors.Store
	service *monitors.Service
	ctx     context.Context // until the test ends
	all     sync.WaitGroup
}

// inBubble runs a test with a service whose Run runs.
func inBubble(t *testing.T, test func(t *testing.T, c *centre), change ...func(*monitors.Deps)) {
	dir := memory(t)
	if _, err := template(); err != nil {
		t.Fatal(err)
	}
	box, err := secret.Generate()
	if err != nil {
		t.Fatal(err)
	}
	bubbletest.Test(t, func(t *testing.T) {
		c := &centre{t: t, store: openTemplate(t, dir)}
		deps := monitors.Deps{Store: c.store, Log: slog.New(slog.DiscardHandler), Secrets: box, PageKey: []byte("k"), LeaseTTL: testTTL}
		for _, f := range change {
			f(&deps)
		}
		var err error
		if c.service, err = monitors.New(deps); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		c.ctx = ctx
		c.all.Go(func() { _ = c.service.Run(ctx) })
		defer c.all.Wait()
		defer stop()
		test(t, c)
	})
}

// link is a prober's stream, whose messages are kept in words.
type link struct {
	grpc.ServerStream
	ctx    context.Context
	cancel context.CancelFunc
	done   chan error

	mu    sync.Mutex
	heard []*monitorsv1.WatchAssignmentsResponse
}

func (l *link) Context() context.Context { return l.ctx }

func (l *link) Send(r *monitorsv1.WatchAssignmentsResponse) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.GetHeartbeat() == nil {
		l.heard = append(l.heard, r)
	}
	return l.ctx.Err()
}

// words are the messages since the last call.
func (l *link) words() string {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, r := range l.heard {
		switch s := r.GetStep().(type) {
		case *monitorsv1.WatchAssignmentsResponse_Lease:
			out = append(out, fmt.Sprintf("lease %d", s.Lease.GetEpoch()))
		case *monitorsv1.WatchAssignmentsResponse_Assigned:
			a := s.Assigned
			out = append(out, fmt.Sprintf("assigned %d/%d%s", a.GetSpec().GetMonitorId(), a.GetEpoch(), from(" from ", a.GetAccountFrom())))
		case *monitorsv1.WatchAssignmentsResponse_Removal:
			release := ""
			if s.Removal.GetRelease() {
				release = " release"
			}
			out = append(out, fmt.Sprintf("removal %d/%d%s%s", s.Removal.GetMonitorId(), s.Removal.GetEpoch(), release, from(" until ", s.Removal.GetUntil())))
		case *monitorsv1.WatchAssignmentsResponse_Recheck:
			out = append(out, fmt.Sprintf("recheck %d/%d", s.Recheck.GetMonitorId(), s.Recheck.GetEpoch()))
		default:
			out = append(out, describe(r))
		}
	}
	l.heard = nil
	return strings.Join(out, ", ")
}

func from(word string, t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return word + t.AsTime().Format("04:05.000")
}

func (c *centre) open(id, session string, change ...func(*monitorsv1.WatchAssignmentsRequest)) *link {
	ctx, cancel := context.WithCancel(proberContext(c.ctx, id, "eu"))
	l := &link{ctx: ctx, cancel: cancel, done: make(chan error, 1)}
	req := &monitorsv1.WatchAssignmentsRequest{ProberId: id, Region: "eu", Session: session, Durable: true}
	for _, f := range change {
		f(req)
	}
	c.all.Go(func() { l.done <- c.service.WatchAssignments(req, l) })
	synctest.Wait()
	return l
}

func (c *centre) renew(id, session string, change ...func(*monitorsv1.RenewLeaseRequest)) (*monitorsv1.Lease, error) {
	req := &monitorsv1.RenewLeaseRequest{ProberId: id, Session: session}
	for _, f := range change {
		f(req)
	}
	resp, err := c.service.RenewLease(proberContext(context.Background(), id, "eu"), req)
	return resp.GetLease(), err
}

// pass lets time pass in the bubble of a test, and on everybody's clock in a test that has none.
func pass(d time.Duration) { <-time.After(d) }

// keep renews sessions for a while, two times in a time to live.
func (c *centre) keep(d time.Duration, probers ...string) {
	c.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); pass(testTTL / 2) {
		for _, p := range probers {
			if _, err := c.renew(p, "s"); err != nil {
				c.t.Fatalf("%v: renew %s: %v", time.Now(), p, err)
			}
		}
	}
}

func (c *centre) monitor() uint32 {
	c.t.Helper()
	m := storetest.Example("org")
	m.Config.Regions, m.Config.ExternalID, m.Sealed = []string{"eu"}, "", nil
	m.Config.HTTP.Headers, m.Config.HTTP.Auth, m.Config.HTTP.Proxy = nil, monitors.Auth{Type: monitors.AuthNone}, nil
	return c.put(m)
}

func (c *centre) put(m monitors.Monitor) (id uint32) {
	c.t.Helper()
	if err := c.store.Write(context.Background(), func(tx monitors.Tx) (err error) {
		if m.ID == 0 {
			id, err = tx.Insert(context.Background(), m)
			return err
		}
		return tx.Update(context.Background(), m)
	}); err != nil {
		c.t.Fatal(err)
	}
	c.service.Changed()
	synctest.Wait()
	return id
}

func (l *link) want(t *testing.T, what, want string) {
	t.Helper()
	if got := l.words(); got != want {
		t.Fatalf("%s: got %q, want %q", what, got, want)
	}
}
