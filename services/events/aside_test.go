package events_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/events"
)

// distant is a real result store whose reads can be made to fail, or to wait until their callers give up.
type distant struct {
	events.ResultStore
	how   atomic.Int32
	reads atomic.Int32 // of those that an answer can do without
}

const (
	near = iota
	refusing
	silent
)

func (d *distant) reach(ctx context.Context) error {
	switch d.how.Load() {
	case refusing:
		return fault.Unavailable("results cannot be read at the moment").Wrap(errDisk)
	case silent:
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return nil
}

func (d *distant) MeanResponses(ctx context.Context, ids []uint32, since time.Time) (map[uint32]events.Mean, error) {
	d.reads.Add(1)
	if err := d.reach(ctx); err != nil {
		return nil, err
	}
	return d.ResultStore.MeanResponses(ctx, ids, since)
}

func (d *distant) List(ctx context.Context, q events.ResultQuery) ([]events.Result, error) {
	d.reads.Add(1)
	if err := d.reach(ctx); err != nil {
		return nil, err
	}
	return d.ResultStore.List(ctx, q)
}

func (d *distant) Summarize(ctx context.Context, id uint32, region string, edges []time.Time) ([]events.Summary, error) {
	if err := d.reach(ctx); err != nil {
		return nil, err
	}
	return d.ResultStore.Summarize(ctx, id, region, edges)
}

// TestHistoryAway asks for states while the history is away, on a clock of its own: they are told without what only the history
// knows, and few wait for it.
func TestHistoryAway(t *testing.T) {
	for name, how := range map[string]int32{"refusing": refusing, "silent": silent} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			bubbletest.Test(t, func(t *testing.T) { historyAway(t, dir, how) })
		})
	}
}

func historyAway(t *testing.T, dir string, how int32) {
	start := time.Now().UTC()
	e := entry(7, "o1")
	e.CreatedAt, e.UpdatedAt = timestamppb.New(start), timestamppb.New(start)
	d := &distant{}
	r := run(t, dir, &catalogue{entries: []*monitorsv1.CatalogEntry{e}}, func(deps *events.Deps) {
		d.ResultStore = deps.Results
		deps.Results = d
	})
	defer r.stop()
	p := r.prober()
	defer p.close()
	p.send(result(7, "o1", start, ok))
	p.sync()
	synctest.Wait()
	statuses := eventsv1.NewStatusServiceClient(r.conn)
	// ask asks for the page's status row, and reports whether it was whole, how long that took and how often the history was read.
	ask := func() (whole bool, took time.Duration, reads int32) {
		t.Helper()
		began, before := time.Now(), d.reads.Load()
		resp, err := statuses.BatchGetStatuses(rpctest.AsService(t.Context()), &eventsv1.BatchGetStatusesRequest{MonitorIds: []uint32{7}})
		if err != nil || len(resp.GetStatuses()) != 1 || resp.GetStatuses()[0].GetCurrentStatus() != up {
			t.Fatalf("%v, %v; want up", resp, err)
		}
		return resp.GetStatuses()[0].AverageResponseTime_24H != nil, time.Since(began), d.reads.Load() - before
	}
	expect := func(when string, whole bool, took time.Duration, reads int32) {
		t.Helper()
		if w, tk, n := ask(); w != whole || tk.Round(100*time.Millisecond) != took || n != reads {
			t.Errorf("%s: whole %v after %v and %d reads, want %v, %v and %d", when, w, tk, n, whole, took, reads)
		}
	}
	wait := time.Duration(0)
	if how == silent {
		wait = 2 * time.Second
	}
	expect("before", true, 0, 1)
	d.how.Store(how)
	expect("the first", false, wait, 1)
	expect("the next", false, 0, 0)
	if s := r.status(7); s.GetCurrentStatus() != up || len(s.GetRecentChecks()) != 0 || s.GetStatus().AverageResponseTime_24H != nil {
		t.Errorf("the report: %v", s)
	}
	if _, err := eventsv1.NewEventsServiceClient(r.conn).GetStats(as("o1"), &eventsv1.GetStatsRequest{MonitorId: 7}); how == refusing && status.Code(err) != codes.Unavailable {
		t.Errorf("statistics, which are nothing without it: %v, want Unavailable", err)
	}
	time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock, not ours
	crowd(t, d, ask)

	d.how.Store(near)
	expect("back, but not known to be", false, 0, 0)
	time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock, not ours
	expect("back", true, 0, 1)
	if s := r.status(7); len(s.GetRecentChecks()) != 1 {
		t.Errorf("the report once it is back: %v", s)
	}
}

// crowd lets many ask at once; one of them finds out whether the history is back.
func crowd(t *testing.T, d *distant, ask func() (bool, time.Duration, int32)) {
	t.Helper()
	before := d.reads.Load()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if whole, _, _ := ask(); whole {
				t.Error("whole, although the history is away")
			}
		})
	}
	wg.Wait()
	if n := d.reads.Load() - before; n != 1 {
		t.Errorf("%d of a crowd asked the history, want 1", n)
	}
}
