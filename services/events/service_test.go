package events_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/rpc"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/sqlite"
)

// catalogue stands in for the monitors service.
type catalogue struct {
	monitorsv1.UnimplementedCatalogServiceServer
	monitorsv1.UnimplementedMonitorsServiceServer
	monitorsv1.UnimplementedMaintenanceServiceServer

	mu      sync.Mutex
	entries []*monitorsv1.CatalogEntry
	steps   chan *monitorsv1.WatchCatalogResponse
	fresh   *monitorsv1.Monitor                 // known here, not yet in the catalogue's stream
	windows chan *monitorsv1.MaintenanceVersion // nil: it knows of none; nil in it ends the snapshot
}

// WatchMaintenance sends what comes.
func (c *catalogue) WatchMaintenance(req *monitorsv1.WatchMaintenanceRequest, s monitorsv1.MaintenanceService_WatchMaintenanceServer) error {
	if c.windows == nil || !req.GetAll() {
		return c.UnimplementedMaintenanceServiceServer.WatchMaintenance(req, s)
	}
	for {
		select {
		case v := <-c.windows:
			step := &monitorsv1.WatchMaintenanceResponse{Step: &monitorsv1.WatchMaintenanceResponse_SnapshotComplete{SnapshotComplete: &monitorsv1.SnapshotComplete{}}}
			if v != nil {
				step.Step = &monitorsv1.WatchMaintenanceResponse_Upserted{Upserted: v}
			}
			if err := s.Send(step); err != nil {
				return err
			}
		case <-s.Context().Done():
			return nil
		}
	}
}

func (c *catalogue) WatchCatalog(_ *monitorsv1.WatchCatalogRequest, s monitorsv1.CatalogService_WatchCatalogServer) error {
	c.mu.Lock()
	entries := c.entries
	c.mu.Unlock()
	for _, e := range entries {
		if err := s.Send(&monitorsv1.WatchCatalogResponse{Step: &monitorsv1.WatchCatalogResponse_Upserted{Upserted: e}}); err != nil {
			return err
		}
	}
	if err := s.Send(&monitorsv1.WatchCatalogResponse{Step: &monitorsv1.WatchCatalogResponse_SnapshotComplete{SnapshotComplete: &monitorsv1.SnapshotComplete{}}}); err != nil {
		return err
	}
	for {
		select {
		case step := <-c.steps:
			if err := s.Send(step); err != nil {
				return err
			}
		case <-s.Context().Done():
			return nil
		}
	}
}

func (c *catalogue) GetMonitor(ctx context.Context, req *monitorsv1.GetMonitorRequest) (*monitorsv1.Monitor, error) {
	caller, _ := identity.FromContext(ctx)
	if c.fresh == nil || c.fresh.GetId() != req.GetId() || c.fresh.GetOrganizationId() != caller.OrganizationID {
		return nil, fault.NotFound("no such monitor")
	}
	return c.fresh, nil
}

func entry(id uint32, org string) *monitorsv1.CatalogEntry {
	if time.Since(t0) > 100*time.Second { // and then it is a minute old at most
		t0 = time.Now().UTC().Truncate(time.Minute)
	}
	return &monitorsv1.CatalogEntry{
		MonitorId: id, OrganizationId: org, Name: "m", MonitorType: checkv1.MonitorType_MONITOR_TYPE_HTTP, MonitorUrl: "http://127.0.0.1/", Enabled: true,
		Regions: []string{"local"}, ConfirmDown: 2, ConfirmUp: 1, IntervalMs: 60_000, TimeoutMs: 10_000, Quorum: "majority", Version: 1,
		CreatedAt: timestamppb.New(t0.Add(-time.Minute)), UpdatedAt: timestamppb.New(t0.Add(-time.Minute)),
	}
}

// t0 is recent, so that nothing in these tests is overdue. entry sees to it when the tests before took long; within one of them
// it stays.
var t0 = time.Now().UTC().Truncate(time.Minute)

// stubborn is a real result store that can be told to fail.
type stubborn struct {
	events.ResultStore
	failing atomic.Bool
}

var errDisk = errors.New("disk on fire")

func (s *stubborn) Append(ctx context.Context, results []events.Result) (int, error) {
	if s.failing.Load() {
		return 0, errDisk
	}
	return s.ResultStore.Append(ctx, results)
}

// stubbornStates is a real state store that can be told to fail.
type stubbornStates struct {
	events.StateStore
	failing atomic.Bool
}

func (*stubbornStates) Exclusive() bool { return true }

func (s *stubbornStates) Commit(ctx context.Context, c events.Commit) error {
	if s.failing.Load() {
		return errDisk
	}
	return s.StateStore.Commit(ctx, c)
}

// running is a service with its stores, until stop.
type running struct {
	t       *testing.T
	dir     string
	cat     *catalogue
	results *stubborn
	states  *stubbornStates
	service *events.Service
	conn    *grpc.ClientConn
	stop    func()
}

// asEvents makes the calls that nobody caused those of the events service.
var asEvents = rpctest.Client(func(c *rpc.ClientConfig) { c.Service = "events" })

func run(t *testing.T, dir string, cat *catalogue, change ...func(*events.Deps)) *running {
	t.Helper()
	ctx := t.Context()
	state, err := sqlite.OpenState(ctx, filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	history, err := sqlite.OpenHistory(ctx, filepath.Join(dir, "history"), sqlite.HistoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if cat.steps == nil {
		cat.steps = make(chan *monitorsv1.WatchCatalogResponse)
	}
	monitors := rpctest.Conn(t, "monitors", func(r grpc.ServiceRegistrar) {
		monitorsv1.RegisterCatalogServiceServer(r, cat)
		monitorsv1.RegisterMonitorsServiceServer(r, cat)
		monitorsv1.RegisterMaintenanceServiceServer(r, cat)
	}, asEvents)
	r := &running{t: t, dir: dir, cat: cat, results: &stubborn{ResultStore: history}, states: &stubbornStates{StateStore: state}}
	deps := events.Deps{State: r.states, Results: r.results, Evidence: state, Monitors: monitors, Log: slog.New(slog.DiscardHandler), PageKey: []byte("page key of a test, long enough")}
	for _, c := range change {
		c(&deps)
	}
	s, err := events.New(deps)
	if err != nil {
		t.Fatal(err)
	}
	r.service, r.conn = s, rpctest.Conn(t, "events", s.Register)
	runCtx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(runCtx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run ended with %v", err)
		}
		if err := errors.Join(state.Close(), history.Close()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	t.Cleanup(r.stop)
	client := eventsv1.NewEventsServiceClient(r.conn)
	for _, e := range cat.entries {
		eventually(t, "the catalogue", func() bool {
			_, err := client.GetStatus(as(e.GetOrganizationId()), &eventsv1.GetStatusRequest{MonitorId: e.GetMonitorId()})
			return err == nil
		})
	}
	return r
}

// prober is a record stream.
type prober struct {
	t       *testing.T
	r       *running
	stream  eventsv1.RecorderService_RecordClient
	seq     uint64
	parents map[uint32]string // of the next batches
	close   context.CancelFunc
}

func (r *running) prober() *prober { return r.proberFrom(0) }

// proberFrom opens a stream whose live lane begins with a sequence number; 0 is an old prober's.
func (r *running) proberFrom(live uint64) *prober {
	r.t.Helper()
	ctx, cancel := context.WithCancel(rpctest.AsService(r.t.Context()))
	stream, err := eventsv1.NewRecorderServiceClient(r.conn).Record(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	p := &prober{t: r.t, r: r, stream: stream, close: cancel}
	r.t.Cleanup(cancel)
	if err := stream.Send(&eventsv1.RecordRequest{Step: &eventsv1.RecordRequest_Hello{Hello: &eventsv1.RecordHello{ProberId: "p", Region: "local", LiveFrom: live}}}); err != nil {
		r.t.Fatal(err)
	}
	return p
}

func result(id uint32, org string, at time.Time, status checkv1.ResultStatus) *checkv1.CheckResult {
	r := &checkv1.CheckResult{
		MonitorId: id, OrganizationId: org, Region: "local", ScheduledAt: timestamppb.New(at), StartedAt: timestamppb.New(at.Add(2 * time.Millisecond)),
		Status: status, ResponseTimeNs: 12_345_678, TcpNs: proto.Uint64(1_500_000), StatusCode: proto.Uint32(200), Attempt: 1, ProberId: "p",
		ConfigVersion: 1, MonitorType: checkv1.MonitorType_MONITOR_TYPE_HTTP, MonitorUrl: "http://127.0.0.1/", MonitorName: "m",
		NextScheduledAt: timestamppb.New(at.Add(time.Minute)),
	}
	if status != checkv1.ResultStatus_RESULT_STATUS_SUCCESS {
		r.ErrorType, r.ErrorMessage = proto.String("connection_refused"), proto.String("refused")
	}
	return r
}

const (
	ok   = checkv1.ResultStatus_RESULT_STATUS_SUCCESS
	fail = checkv1.ResultStatus_RESULT_STATUS_FAILURE
)

// send sends results without waiting.
func (p *prober) send(results ...*checkv1.CheckResult) {
	p.t.Helper()
	b := &eventsv1.ResultBatch{FirstSeq: p.seq + 1, Results: results, Traceparents: p.parents}
	err := p.stream.Send(&eventsv1.RecordRequest{Step: &eventsv1.RecordRequest_Batch{Batch: b}})
	if err != nil && !errors.Is(err, io.EOF) { // a stream that has ended says why when it is read
		p.t.Fatal(err)
	}
	p.seq += uint64(len(results))
}

// sync waits until everything sent is judged and stored, and the timelines tell of it.
func (p *prober) sync() {
	p.t.Helper()
	for {
		ack, err := p.stream.Recv()
		if err != nil {
			p.t.Fatal(err)
		}
		if ack.GetJudgedSeq() == p.seq && ack.GetStoredSeq() == p.seq {
			p.r.mended()
			return
		}
	}
}

// mended waits until the timelines tell of all that is stored, which results that come late take a moment for.
func (r *running) mended() {
	r.t.Helper()
	for range 3000 {
		if r.service.Mending() == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond) //nolint:forbidigo // there is nothing else to wait for
	}
	r.t.Fatal("timelines are not mended in time")
}

func (r *running) status(id uint32) *eventsv1.StatusReport {
	r.t.Helper()
	s, err := eventsv1.NewEventsServiceClient(r.conn).GetStatus(as("o1"), &eventsv1.GetStatusRequest{MonitorId: id})
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func as(org string) context.Context {
	return rpctest.AsUser(context.Background(), org, identity.RoleViewer)
}

// eventually polls until cond holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		<-tick.C
	}
}
