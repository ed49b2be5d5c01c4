package events_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/clickhouse/clickhousetest"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/clickhouse"
)

// absent is a real result store that does not answer at all while it is told not to.
type absent struct {
	events.ResultStore
	gone  atomic.Bool
	asked atomic.Int64 // while it was gone
}

var errAway = errors.New("nobody listens")

func (a *absent) away() error {
	if !a.gone.Load() {
		return nil
	}
	a.asked.Add(1)
	return fault.Unavailable("").Wrap(errAway)
}

func (a *absent) Append(ctx context.Context, r []events.Result) (int, error) {
	if err := a.away(); err != nil {
		return 0, err
	}
	return a.ResultStore.Append(ctx, r)
}

func (a *absent) List(ctx context.Context, q events.ResultQuery) ([]events.Result, error) {
	if err := a.away(); err != nil {
		return nil, err
	}
	return a.ResultStore.List(ctx, q)
}

func (a *absent) Count(ctx context.Context, q events.ResultQuery) (int64, error) {
	if err := a.away(); err != nil {
		return 0, err
	}
	return a.ResultStore.Count(ctx, q)
}

func (a *absent) Summarize(ctx context.Context, id uint32, region string, edges []time.Time) ([]events.Summary, error) {
	if err := a.away(); err != nil {
		return nil, err
	}
	return a.ResultStore.Summarize(ctx, id, region, edges)
}

func (a *absent) MeanResponses(ctx context.Context, ids []uint32, since time.Time) (map[uint32]events.Mean, error) {
	if err := a.away(); err != nil {
		return nil, err
	}
	return a.ResultStore.MeanResponses(ctx, ids, since)
}

func (a *absent) Replay(ctx context.Context, id uint32, after map[string]time.Time, fn func(*events.Result) error) error {
	if err := a.away(); err != nil {
		return err
	}
	return a.ResultStore.Replay(ctx, id, after, fn)
}

func (a *absent) LastSlots(ctx context.Context, q events.SlotQuery) (map[uint32]time.Time, error) {
	if err := a.away(); err != nil {
		return nil, err
	}
	return a.ResultStore.LastSlots(ctx, q)
}

// asksForResults are the calls that only the history can answer.
func asksForResults(conn grpc.ClientConnInterface) map[string]error {
	c, ctx := eventsv1.NewEventsServiceClient(conn), as("o1")
	_, list := c.ListEvents(ctx, &eventsv1.ListEventsRequest{MonitorId: 7})
	_, stats := c.GetStats(ctx, &eventsv1.GetStatsRequest{MonitorId: 7})
	_, buckets := c.ListBuckets(ctx, &eventsv1.ListBucketsRequest{MonitorId: 7})
	return map[string]error{"events": list, "stats": stats, "buckets": buckets}
}

// TestStartsWithoutItsHistory has a process die after it has stored results and before it has judged them, and the next one
// start while the history is away. It judges what comes, from what is stored of states; it says what it cannot tell; and when the
// history is back, the timeline is what it would have been.
func TestStartsWithoutItsHistory(t *testing.T) {
	dir := t.TempDir()
	bubbletest.Test(t, func(t *testing.T) {
		start := time.Now().UTC()
		at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
		sleep := func(until time.Time) {
			time.Sleep(time.Until(until)) //nolint:forbidigo // the bubble's clock, not ours
			synctest.Wait()
		}
		e := entry(7, "o1")
		e.CreatedAt, e.UpdatedAt = timestamppb.New(start), timestamppb.New(start)
		cat := &catalogue{entries: []*monitorsv1.CatalogEntry{e}}
		r := run(t, dir, cat)
		p := r.prober()
		p.send(result(7, "o1", start, ok))
		p.sync()
		p.close()
		store := r.results.ResultStore
		left := []events.Result{stored(7, at(1), events.Failure), stored(7, at(2), events.Failure), stored(7, at(3), events.Success)}
		if _, err := store.Append(t.Context(), left); err != nil {
			t.Fatal(err)
		}
		r.stop()
		sleep(at(4))

		o := &operator{open: map[string]*alertsv1.RaiseNoticeRequest{}, ended: map[string]time.Time{}}
		alerts := rpctest.Conn(t, "alerts", func(r grpc.ServiceRegistrar) { alertsv1.RegisterNoticesServiceServer(r, o) }, asEvents)
		history := &absent{}
		history.gone.Store(true)
		r = run(t, dir, cat, func(d *events.Deps) {
			history.ResultStore = d.Results
			d.Results, d.Notices = history, alerts
		})
		head := feedHead(t, r)
		p = r.prober()
		p.send(result(7, "o1", at(4), ok), result(7, "o1", at(5), ok))
		p.await(func(ack *eventsv1.RecordResponse) bool { return ack.GetJudgedSeq() == p.seq })
		if s := r.status(7); s.GetCurrentStatus() != up || !s.GetStatus().GetLastCheckedAt().AsTime().Equal(at(5).Add(2*time.Millisecond)) {
			t.Errorf("while the history is away: %v, checked %v", s.GetCurrentStatus(), s.GetStatus().GetLastCheckedAt().AsTime())
		}
		for what, err := range asksForResults(r.conn) {
			if st := status.Convert(err); st.Code() != codes.Unavailable || !strings.Contains(st.Message(), "delayed") {
				t.Errorf("%s while it is away: %v", what, err)
			}
		}
		sleep(at(5))
		if err := r.service.Check(t.Context()); err != nil {
			t.Errorf("not ready: %v", err)
		}
		if r.service.History(t.Context()) == nil || o.notice("events/history") == nil {
			t.Error("nobody is told that the history is delayed")
		}
		history.gone.Store(false)
		p.sync()
		sleep(at(6))
		if err := r.service.History(t.Context()); err != nil || o.notice("events/history") != nil {
			t.Errorf("it is back, and still delayed: %v", err)
		}
		for what, err := range asksForResults(r.conn) {
			if err != nil {
				t.Errorf("%s once it is back: %v", what, err)
			}
		}
		end := at(6).Format(time.RFC3339)
		u, err := eventsv1.NewEventsServiceClient(r.conn).GetUptime(as("o1"), &eventsv1.GetUptimeRequest{MonitorId: 7, EndDate: &end})
		if err != nil || u.GetDownSeconds() != 120 || u.GetOutages() != 1 || u.GetUnknownSeconds() != 0 {
			t.Errorf("%v seconds down in %d outages, %v unknown, want the two minutes that were stored and not judged; %v",
				u.GetDownSeconds(), u.GetOutages(), u.GetUnknownSeconds(), err)
		}
		for _, told := range transitionsAfter(t, r, head) { // a silence may be: it was one, as far as could be known
			if told.GetTransition().GetTo() == down {
				t.Errorf("announced of what is over: %v", told)
			}
		}
		p.close()
		r.stop()
	})
}

// TestStopsWithoutItsHistory: who never had a history has taken nothing from probers, and ends in order.
func TestStopsWithoutItsHistory(t *testing.T) {
	dir := t.TempDir()
	r := run(t, dir, &catalogue{entries: []*monitorsv1.CatalogEntry{entry(7, "o1")}})
	p := r.prober()
	p.send(result(7, "o1", t0, ok))
	p.sync()
	p.close()
	r.stop()
	history := &absent{}
	history.gone.Store(true)
	r = run(t, dir, r.cat, func(d *events.Deps) {
		history.ResultStore = d.Results
		d.Results = history
	})
	p = r.prober()
	p.send(result(7, "o1", t0.Add(time.Minute), ok))
	p.await(func(ack *eventsv1.RecordResponse) bool { return ack.GetJudgedSeq() == p.seq })
	p.close()
	r.stop()
}

// TestStartsWithoutClickHouse starts beside a server that is down and has no tables yet.
func TestStartsWithoutClickHouse(t *testing.T) {
	server := clickhousetest.Start(t)
	server.Kill()
	history, err := clickhouse.OpenLate(t.Context(), server.DSN(), clickhouse.Options{Retention: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := history.Close(); err != nil {
			t.Error(err)
		}
	}()
	r := run(t, t.TempDir(), &catalogue{entries: []*monitorsv1.CatalogEntry{entry(7, "o1")}}, func(d *events.Deps) { d.Results = history })
	p := r.prober()
	p.send(result(7, "o1", t0.Add(-time.Minute), ok), result(7, "o1", t0, ok))
	p.await(func(ack *eventsv1.RecordResponse) bool {
		if ack.GetStoredSeq() != 0 {
			t.Fatal("said to be stored while there is no store")
		}
		return ack.GetJudgedSeq() == p.seq
	})
	if s := r.status(7); s.GetCurrentStatus() != up {
		t.Errorf("without a history: %v", s.GetCurrentStatus())
	}
	if err := history.Ping(t.Context()); !fault.Is(err, fault.KindUnavailable) {
		t.Errorf("ping: %v", err)
	}
	server.Start()
	p.sync()
	list, err := eventsv1.NewEventsServiceClient(r.conn).ListEvents(as("o1"), &eventsv1.ListEventsRequest{MonitorId: 7})
	if err != nil || len(list.GetEvents()) != 2 {
		t.Errorf("%d events once it is back, want 2; %v", len(list.GetEvents()), err)
	}
	if err := history.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	p.close()
	r.stop()
}
