package prober

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	proberv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/prober/v1"
	"github.com/frogstats/uptime/internal/egress"
	"github.com/frogstats/uptime/internal/rpc"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/internal/telemetry/telemetrytest"
)

// recorder stands in for the events service: it breaks the first streams after a
// batch each, without acknowledging.
type recorder struct {
	eventsv1.UnimplementedRecorderServiceServer

	mu      sync.Mutex
	breaks  int
	parents []map[uint32]string // of each batch
	slots   []*eventsv1.LastSlot
	rows    map[string]int // event id → times received
	got     chan struct{}  // capacity 1
}

func (r *recorder) Record(s eventsv1.RecorderService_RecordServer) error {
	for {
		req, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		b := req.GetBatch()
		if b == nil {
			continue
		}
		r.mu.Lock()
		r.parents = append(r.parents, b.GetTraceparents())
		for _, x := range b.GetResults() {
			r.rows[x.GetScheduledAt().AsTime().String()+x.GetMonitorUrl()]++
		}
		broken := r.breaks > 0
		if broken {
			r.breaks--
		}
		r.mu.Unlock()
		if broken {
			return errors.New("the store is away")
		}
		last := b.GetFirstSeq() + uint64(len(b.GetResults())) - 1
		if err := s.Send(&eventsv1.RecordResponse{JudgedSeq: last, StoredSeq: last}); err != nil {
			return err
		}
		select {
		case r.got <- struct{}{}:
		default:
		}
	}
}

func (r *recorder) ListLastSlots(context.Context, *eventsv1.ListLastSlotsRequest) (*eventsv1.ListLastSlotsResponse, error) {
	return &eventsv1.ListLastSlotsResponse{Slots: r.slots}, nil
}

func eventsConn(t *testing.T, r *recorder) grpc.ClientConnInterface {
	r.rows, r.got = map[string]int{}, make(chan struct{}, 1)
	return rpctest.Conn(t, "events", func(s grpc.ServiceRegistrar) { eventsv1.RegisterRecorderServiceServer(s, r) },
		rpctest.Client(asProber))
}

// assigner stands in for the monitors service: each stream sends its script.
type assigner struct {
	monitorsv1.UnimplementedAssignmentsServiceServer

	mu      sync.Mutex
	scripts [][]*monitorsv1.WatchAssignmentsResponse
}

func (a *assigner) WatchAssignments(_ *monitorsv1.WatchAssignmentsRequest, s monitorsv1.AssignmentsService_WatchAssignmentsServer) error {
	a.mu.Lock()
	script := a.scripts[0]
	last := len(a.scripts) == 1
	if !last {
		a.scripts = a.scripts[1:]
	}
	a.mu.Unlock()
	for _, step := range script {
		if err := s.Send(step); err != nil {
			return err
		}
	}
	if !last {
		return errors.New("lost")
	}
	<-s.Context().Done()
	return nil
}

func assigned(a *monitorsv1.Assignment) *monitorsv1.WatchAssignmentsResponse {
	return &monitorsv1.WatchAssignmentsResponse{Step: &monitorsv1.WatchAssignmentsResponse_Assigned{Assigned: a}}
}

var complete = &monitorsv1.WatchAssignmentsResponse{Step: &monitorsv1.WatchAssignmentsResponse_SnapshotComplete{SnapshotComplete: &monitorsv1.SnapshotComplete{}}}

func TestUplinkSendsAgainUntilAcknowledged(t *testing.T) {
	r := &recorder{breaks: 2}
	box := NewMemoryOutbox(100, 1<<20)
	m, err := newMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	u := newUplink(eventsConn(t, r), Config{ProberID: "p", Region: "local"}, box, m, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { u.run(ctx) })
	for i := range 10 {
		put(t, box, &checkv1.CheckResult{
			MonitorId: 1, Region: "local", ScheduledAt: stamp(time.UnixMilli(int64(i))), StartedAt: stamp(time.UnixMilli(int64(i))),
			Status: checkv1.ResultStatus_RESULT_STATUS_SUCCESS,
		}, "")
	}
	limit, done := context.WithTimeout(t.Context(), 20*time.Second)
	defer done()
	if left := u.drain(limit); left != 0 {
		t.Errorf("%d results are left", left)
	}
	cancel()
	wg.Wait()
	if len(r.rows) != 10 {
		t.Errorf("%d different results arrived, want 10", len(r.rows))
	}
	again := 0
	for _, n := range r.rows {
		again = max(again, n)
	}
	if again < 2 {
		t.Error("nothing was sent twice although two streams broke unacknowledged")
	}
}

func TestProberEndToEnd(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	})
	defer accepting.Wait()
	defer l.Close()
	target := &checkv1.TcpConfig{Host: ptr("127.0.0.1"), Port: ptr(int32(l.Addr().(*net.TCPAddr).Port)), TimeoutMs: ptr(int32(1000))}
	one, two := assignment(1, 1), assignment(2, 1)
	one.Spec.TcpConfig, two.Spec.TcpConfig = target, target

	a := &assigner{scripts: [][]*monitorsv1.WatchAssignmentsResponse{
		{assigned(one), assigned(two), complete}, // then the stream is lost
		{assigned(one), complete},                // two has gone meanwhile
	}}
	r := &recorder{slots: []*eventsv1.LastSlot{{MonitorId: 1, ScheduledAt: stamp(time.Now().Add(-time.Minute))}}}
	monitors := rpctest.Conn(t, "monitors", func(s grpc.ServiceRegistrar) { monitorsv1.RegisterAssignmentsServiceServer(s, a) }, rpctest.Client(asProber))
	policy, err := egress.ParsePolicy([]string{"private"})
	if err != nil {
		t.Fatal(err)
	}
	tel := telemetrytest.New(t)
	s, err := New(Config{ProberID: "p", Region: "local"}, Deps{
		Monitors: monitors, Events: eventsConn(t, r), Egress: policy, Log: slog.New(slog.DiscardHandler), MeterProvider: tel.MeterProvider(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()

	limit, done := context.WithTimeout(t.Context(), 20*time.Second)
	defer done()
	for s.engine.size() != 1 || s.Stats().Finished < 3 {
		select {
		case <-r.got:
		case <-limit.Done():
			t.Fatalf("%d monitors, %+v", s.engine.size(), s.Stats())
		}
	}
	resp, err := s.RunCheck(t.Context(), &proberv1.RunCheckRequest{Spec: one.GetSpec(), Record: true})
	if err != nil || resp.GetResult().GetStatus() != checkv1.ResultStatus_RESULT_STATUS_SUCCESS || resp.GetResult().TcpNs == nil {
		t.Errorf("check now = %v, %v", resp.GetResult(), err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("run ended with %v", err)
	}
	if m := s.Stats().Missed; m < 58 || m > 61 {
		t.Errorf("%d missed slots, want the minute before the start", m)
	}
	if n := tel.Sum(t, "frogup_prober_streams_lost_total", `stream="assignments"`); n != 1 {
		t.Errorf("%v lost streams of assignments are counted, want 1", n)
	}
	if got, want := tel.Sum(t, "frogup_prober_results_total", `status="success"`), float64(s.Stats().Finished); got != want {
		t.Errorf("%v successes are counted of %v checks", got, want)
	}
}

// A rule that fails is the target's fault; one that cannot be read is refused whole.
func TestPrepare(t *testing.T) {
	c := NewChecker(nil, nil)
	http := func(url string, list ...*checkv1.ValidationRule) *checkv1.CheckSpec {
		return &checkv1.CheckSpec{MonitorType: checkv1.MonitorType_MONITOR_TYPE_HTTP, HttpConfig: &checkv1.HttpConfig{Url: ptr(url)}, ValidationRules: list}
	}
	if _, err := c.prepare(http("http://127.0.0.1:1/")); err != nil {
		t.Errorf("a plain check is refused: %v", err)
	}
	bad := []*checkv1.CheckSpec{
		{}, http("ftp://127.0.0.1/"), http("http://127.0.0.1/", &checkv1.ValidationRule{Type: checkv1.RuleType_RULE_TYPE_STATUS_CODE}),
		{MonitorType: checkv1.MonitorType_MONITOR_TYPE_TCP, TcpConfig: &checkv1.TcpConfig{Host: ptr("a"), Port: ptr(int32(65536))}},
	}
	if i := slices.IndexFunc(bad, func(s *checkv1.CheckSpec) bool { _, err := c.prepare(s); return err == nil }); i >= 0 {
		t.Errorf("%v is accepted", bad[i])
	}
}

func ptr[T any](v T) *T { return &v }

// asProber makes a connection that calls as the prober does.
func asProber(c *rpc.ClientConfig) { c.Service = "prober" }
