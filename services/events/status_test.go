package events_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/sqlite"
)

// counting stores count the questions they are asked.
type counting struct {
	events.StateStore
	events.ResultStore
	asked atomic.Int64
}

type countingState struct{ *counting }

func (c countingState) Prune(ctx context.Context, p events.PruneBefore) error {
	return c.StateStore.Prune(ctx, p)
}

func (c countingState) Statuses(ctx context.Context, ids []uint32) ([]events.MonitorStatus, error) {
	c.asked.Add(1)
	return c.StateStore.Statuses(ctx, ids)
}

func (c countingState) Timelines(ctx context.Context, ids []uint32, region string, at []time.Time) (map[uint32][]events.Timeline, error) {
	c.asked.Add(1)
	return c.StateStore.Timelines(ctx, ids, region, at)
}

func (c countingState) Transitions(ctx context.Context, q events.TransitionQuery) ([]events.Transition, error) {
	c.asked.Add(1)
	return c.StateStore.Transitions(ctx, q)
}

type countingResults struct{ *counting }

func (c countingResults) Prune(ctx context.Context, before time.Time) error {
	return c.ResultStore.Prune(ctx, before)
}

func (c countingResults) MeanResponses(ctx context.Context, ids []uint32, since time.Time) (map[uint32]events.Mean, error) {
	c.asked.Add(1)
	return c.ResultStore.MeanResponses(ctx, ids, since)
}

func (c countingResults) Summarize(ctx context.Context, id uint32, region string, edges []time.Time) ([]events.Summary, error) {
	c.asked.Add(1)
	return c.ResultStore.Summarize(ctx, id, region, edges)
}

func (c countingResults) List(ctx context.Context, q events.ResultQuery) ([]events.Result, error) {
	c.asked.Add(1)
	return c.ResultStore.List(ctx, q)
}

// TestStatusOfManyMonitorsAsksNoMore holds the list of monitors to a number of questions that does not depend on its length.
// That each is one query, or one per file, is the stores' promise.
func TestStatusOfManyMonitorsAsksNoMore(t *testing.T) {
	const monitors = 300
	cat := &catalogue{steps: make(chan *monitorsv1.WatchCatalogResponse)}
	for id := range uint32(monitors) {
		cat.entries = append(cat.entries, entry(id+1, "o1"))
	}
	dir := t.TempDir()
	state, err := sqlite.OpenState(t.Context(), filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	history, err := sqlite.OpenHistory(t.Context(), filepath.Join(dir, "history"), sqlite.HistoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	both := &counting{StateStore: state, ResultStore: history}
	conn := rpctest.Conn(t, "monitors", func(r grpc.ServiceRegistrar) {
		monitorsv1.RegisterCatalogServiceServer(r, cat)
		monitorsv1.RegisterMonitorsServiceServer(r, cat)
	}, asEvents)
	s, err := events.New(events.Deps{State: countingState{both}, Results: countingResults{both}, Monitors: conn, Log: slog.New(slog.DiscardHandler), PageKey: []byte("key")})
	if err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, service: s, conn: rpctest.Conn(t, "events", s.Register)}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	defer func() {
		cancel()
		for _, err := range []error{<-ran, state.Close(), history.Close()} {
			if err != nil {
				t.Error(err)
			}
		}
	}()
	var batch []*checkv1.CheckResult
	for id := range uint32(monitors) {
		batch = append(batch, result(id+1, "o1", t0.Add(-time.Minute), ok), result(id+1, "o1", t0, ok))
	}
	p := r.prober()
	client := eventsv1.NewStatusServiceClient(r.conn)
	ask := func(n int) []*eventsv1.MonitorStatus {
		ids := make([]uint32, n)
		for i := range ids {
			ids[i] = uint32(i + 1)
		}
		resp, err := client.BatchGetStatuses(rpctest.AsService(t.Context()), &eventsv1.BatchGetStatusesRequest{MonitorIds: ids})
		if err != nil {
			t.Fatal(err)
		}
		return resp.GetStatuses()
	}
	eventually(t, "the catalogue", func() bool { return len(ask(monitors)) == monitors })
	p.send(batch...)
	p.sync()
	count := func(n int) int64 {
		before := both.asked.Load()
		for _, st := range ask(n) {
			if st.GetCurrentStatus() != up || st.AverageResponseTime_24H == nil || st.GetAverageResponseTime_24H() != 12.346 || st.GetUptimePercentage_24H() != 100 {
				t.Fatalf("status %v", st)
			}
		}
		return both.asked.Load() - before
	}
	one, many := count(1), count(monitors)
	if one != many || many > 5 {
		t.Errorf("%d questions for one monitor, %d for %d", one, many, monitors)
	}
}

// TestStatusRow looks at everything that a status says.
func TestStatusRow(t *testing.T) {
	two := entry(7, "o1")
	two.Regions = []string{"local", "far"}
	r := run(t, t.TempDir(), &catalogue{entries: []*monitorsv1.CatalogEntry{two}})
	p := r.prober()
	created := r.status(7)
	if created.GetCurrentStatus() != eventsv1.CurrentStatus_CURRENT_STATUS_UNKNOWN || !created.GetSince().AsTime().Equal(two.GetCreatedAt().AsTime()) ||
		created.GetStatus().LastCheckedAt != nil || created.GetStatus().UptimePercentage_24H != nil || created.GetStatus().AverageResponseTime_24H != nil {
		t.Errorf("before the first check: %v", created)
	}
	p.send(result(7, "o1", t0.Add(-20*time.Second), ok), result(7, "o1", t0.Add(-10*time.Second), fail), result(7, "o1", t0, fail))
	p.sync()
	s := r.status(7).GetStatus()
	if s.GetCurrentStatus() != down || s.GetConsecutiveFailures() != 2 || s.GetConsecutiveSuccesses() != 0 || s.GetLastErrorType() != "connection_refused" ||
		s.GetLastError() != "refused" || !s.GetLastCheckedAt().AsTime().Equal(t0.Add(2*time.Millisecond)) || !s.GetNextCheckAt().AsTime().Equal(t0.Add(time.Minute)) {
		t.Errorf("status %v", s)
	}
	if len(s.GetRegions()) != 2 || s.GetRegions()[0].GetRegion() != "far" || s.GetRegions()[0].LastResponseTimeMs != nil ||
		s.GetRegions()[1].GetStatus() != down || s.GetRegions()[1].GetLastResponseTimeMs() != 12.346 || s.GetRegions()[1].GetLastError() != "refused" {
		t.Errorf("regions %v", s.GetRegions())
	}
	if pct := s.GetUptimePercentage_24H(); pct <= 0 || pct >= 100 || pct != s.GetUptimePercentage_30D() {
		t.Errorf("uptime %v, %v", pct, s.GetUptimePercentage_30D())
	}
	client := eventsv1.NewStatusServiceClient(r.conn)
	for status, want := range map[eventsv1.CurrentStatus]string{down: "[7]", up: "[]"} {
		ids, err := client.ListMonitorIds(rpctest.AsService(t.Context()), &eventsv1.ListMonitorIdsRequest{OrganizationId: "o1", Status: status})
		if err != nil || fmt.Sprint(ids.GetMonitorIds()) != want {
			t.Errorf("monitors that are %v: %v, %v; want %v", status, ids.GetMonitorIds(), err, want)
		}
	}

	one := proto.CloneOf(two)
	one.Regions, one.Version, one.UpdatedAt = []string{"local"}, 2, timestamppb.New(t0)
	r.cat.steps <- &monitorsv1.WatchCatalogResponse{Step: &monitorsv1.WatchCatalogResponse_Upserted{Upserted: one}}
	eventually(t, "the region to be gone", func() bool { return len(r.status(7).GetRegions()) == 1 })
}
