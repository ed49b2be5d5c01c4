package events_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/events"
)

// operator stands in for alerts.
type operator struct {
	alertsv1.UnimplementedNoticesServiceServer

	mu    sync.Mutex
	deaf  bool
	open  map[string]*alertsv1.RaiseNoticeRequest
	ended map[string]time.Time
	said  int // raised
}

func (o *operator) RaiseNotice(_ context.Context, req *alertsv1.RaiseNoticeRequest) (*emptypb.Empty, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.deaf {
		return nil, fault.Unavailable("away")
	}
	o.open[req.GetKey()] = req
	o.said++
	return &emptypb.Empty{}, nil
}

func (o *operator) ClearNotice(_ context.Context, req *alertsv1.ClearNoticeRequest) (*emptypb.Empty, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.deaf {
		return nil, fault.Unavailable("away")
	}
	if o.open[req.GetKey()] != nil {
		delete(o.open, req.GetKey())
		o.ended[req.GetKey()] = req.GetEndedAt().AsTime()
	}
	return &emptypb.Empty{}, nil
}

func (o *operator) hear(deaf bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.deaf = deaf
}

func (o *operator) notice(key string) *alertsv1.RaiseNoticeRequest {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.open[key]
}

func (o *operator) end(key string) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ended[key]
}

// TestNotices has each store fail for a while, once while alerts does not listen either, and looks at what the operator is told.
func TestNotices(t *testing.T) {
	for _, key := range []string{"events/history", "events/state"} {
		for name, deaf := range map[string]bool{"told at once": false, "told when somebody listens": true} {
			t.Run(key+" "+name, func(t *testing.T) {
				dir := t.TempDir()
				bubbletest.Test(t, func(t *testing.T) { notices(t, dir, key, deaf) })
			})
		}
	}
}

func notices(t *testing.T, dir, key string, deaf bool) {
	start := time.Now().UTC()
	e := entry(7, "o1")
	e.CreatedAt, e.UpdatedAt = timestamppb.New(start), timestamppb.New(start)
	o := &operator{open: map[string]*alertsv1.RaiseNoticeRequest{key: {Key: key}}, ended: map[string]time.Time{}} // of a former process
	conn := rpctest.Conn(t, "alerts", func(r grpc.ServiceRegistrar) { alertsv1.RegisterNoticesServiceServer(r, o) }, asEvents)
	r := run(t, dir, &catalogue{entries: []*monitorsv1.CatalogEntry{e}}, func(d *events.Deps) { d.Notices = conn })
	p := r.prober()
	p.send(result(7, "o1", start, ok))
	p.sync()
	sleep := func(d time.Duration) {
		time.Sleep(d) //nolint:forbidigo // the bubble's clock, not ours
		synctest.Wait()
	}
	sleep(2 * time.Second)
	if o.notice(key) != nil {
		t.Fatal("what a former process left is not cleared")
	}
	store := &r.results.failing
	if key == "events/state" {
		store = &r.states.failing
	}
	store.Store(true)
	o.hear(deaf)
	from := time.Now()
	p.send(result(7, "o1", start.Add(10*time.Second), fail), result(7, "o1", start.Add(20*time.Second), fail))
	sleep(14 * time.Second)
	if err := r.service.Check(t.Context()); err != nil {
		t.Errorf("after 14 seconds: %v", err)
	}
	sleep(4 * time.Second)
	if err := r.service.Check(t.Context()); (err != nil) != (key == "events/state") {
		t.Errorf("after 18 seconds: %v", err)
	}
	sleep(10 * time.Second)
	if n := o.notice(key); n != nil {
		t.Fatalf("told after 28 seconds: %v", n)
	}
	sleep(6 * time.Second)
	check := func() {
		n := o.notice(key)
		if n == nil {
			t.Fatal("the operator was not told")
		}
		if d := n.GetStartedAt().AsTime().Sub(from); d < 0 || d > 2*time.Second {
			t.Errorf("it began %v after it did", d)
		}
	}
	if !deaf {
		check()
	}
	store.Store(false)
	sleep(10 * time.Second)
	over := time.Now()
	if err := r.service.Check(t.Context()); err != nil {
		t.Errorf("all is well: %v", err)
	}
	if deaf {
		sleep(time.Minute)
		o.hear(false)
		sleep(3 * time.Second)
	}
	if o.notice(key) != nil || o.said != 1 {
		t.Errorf("still told of, or not once: %d", o.said)
	}
	if end := o.end(key); end.Before(from.Add(30*time.Second)) || end.After(over) {
		t.Errorf("it ended %v after it began, and was over after %v", end.Sub(from), over.Sub(from))
	}
	p.sync()
	p.close()
	r.stop()
}
