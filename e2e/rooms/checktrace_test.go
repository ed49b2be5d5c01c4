// Package rooms_test puts services together in one process, over the real server and its interceptors, where a scenario needs to
// see more than the outside does.
package rooms_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/egress"
	"github.com/frogstats/uptime/internal/rpc"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/internal/telemetry"
	"github.com/frogstats/uptime/internal/telemetry/telemetrytest"
	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/sqlite"
	"github.com/frogstats/uptime/services/prober"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// monitors stands in for the monitors service: one monitor, of one port.
type monitors struct {
	monitorsv1.UnimplementedCatalogServiceServer
	monitorsv1.UnimplementedAssignmentsServiceServer
	port int
}

func (m monitors) WatchCatalog(_ *monitorsv1.WatchCatalogRequest, s monitorsv1.CatalogService_WatchCatalogServer) error {
	now := timestamppb.Now()
	entry := &monitorsv1.CatalogEntry{
		MonitorId: 1, OrganizationId: "o1", Name: "m", MonitorType: checkv1.MonitorType_MONITOR_TYPE_TCP, MonitorUrl: "tcp://127.0.0.1:1", Enabled: true,
		Regions: []string{"local"}, ConfirmDown: 1, ConfirmUp: 1, IntervalMs: 1000, TimeoutMs: 1000, Quorum: "majority", Version: 1, CreatedAt: now, UpdatedAt: now,
	}
	for _, step := range []*monitorsv1.WatchCatalogResponse{
		{Step: &monitorsv1.WatchCatalogResponse_Upserted{Upserted: entry}},
		{Step: &monitorsv1.WatchCatalogResponse_SnapshotComplete{SnapshotComplete: &monitorsv1.SnapshotComplete{}}},
	} {
		if err := s.Send(step); err != nil {
			return err
		}
	}
	<-s.Context().Done()
	return nil
}

func (m monitors) WatchAssignments(_ *monitorsv1.WatchAssignmentsRequest, s monitorsv1.AssignmentsService_WatchAssignmentsServer) error {
	spec := &checkv1.CheckSpec{
		MonitorId: 1, OrganizationId: "o1", Name: "m", Version: 1, MonitorType: checkv1.MonitorType_MONITOR_TYPE_TCP,
		TcpConfig: &checkv1.TcpConfig{Host: proto.String("127.0.0.1"), Port: proto.Int32(int32(m.port)), TimeoutMs: proto.Int32(1000)},
	}
	for _, step := range []*monitorsv1.WatchAssignmentsResponse{
		{Step: &monitorsv1.WatchAssignmentsResponse_Assigned{Assigned: &monitorsv1.Assignment{
			Spec: spec, IntervalSeconds: 1, ConfirmDown: 1, RetryIntervalSeconds: 1, Overlap: monitorsv1.Overlap_OVERLAP_SKIP,
		}}},
		{Step: &monitorsv1.WatchAssignmentsResponse_SnapshotComplete{SnapshotComplete: &monitorsv1.SnapshotComplete{}}},
	} {
		if err := s.Send(step); err != nil {
			return err
		}
	}
	<-s.Context().Done()
	return nil
}

// target accepts connections until the test ends.
func target(t *testing.T) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
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
	t.Cleanup(func() { _ = l.Close(); accepting.Wait() })
	return l.Addr().(*net.TCPAddr).Port
}

// as makes connections whose calls are those of a service.
func as(service string) rpctest.Option {
	return rpctest.Client(func(c *rpc.ClientConfig) { c.Service = service })
}

// process is the telemetry of one process that exports to the receiver, until the test ends.
func process(t *testing.T, name string, to *telemetrytest.Receiver) *telemetry.Telemetry {
	t.Helper()
	tel, err := telemetry.New(t.Context(), telemetry.Config{Service: name, Endpoint: to.URL(), SampleRatio: 1e-12}) // only what a check decides
	if err != nil {
		t.Fatal(err)
	}
	// Nobody here takes metrics, which is no fault of the traces.
	t.Cleanup(func() { _ = tel.Shutdown(context.Background()) })
	return tel
}

// run runs a service until the test ends.
func run(t *testing.T, name string, service func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- service(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("%s ended with %v", name, err)
		}
	})
}

// TestOneTraceFromCheckToStore runs a check of one process and follows it through the stream into the stores of another, as a
// collector sees it.
func TestOneTraceFromCheckToStore(t *testing.T) {
	receiver := telemetrytest.NewReceiver(t)
	dir := t.TempDir()
	state, err := sqlite.OpenState(t.Context(), filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	history, err := sqlite.OpenHistory(t.Context(), filepath.Join(dir, "history"), sqlite.HistoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(state.Close(), history.Close()); err != nil {
			t.Error(err)
		}
	})
	m := monitors{port: target(t)}
	serve := func(r grpc.ServiceRegistrar) {
		monitorsv1.RegisterCatalogServiceServer(r, m)
		monitorsv1.RegisterAssignmentsServiceServer(r, m)
	}
	log := slog.New(slog.DiscardHandler)
	e, err := events.New(events.Deps{
		State: state, Results: history, Monitors: rpctest.Conn(t, "monitors", serve, as("events")), Log: log,
		PageKey: []byte("page key of a test, long enough"), TracerProvider: process(t, "events", receiver).TracerProvider(),
	})
	if err != nil {
		t.Fatal(err)
	}
	policy, err := egress.ParsePolicy([]string{"private"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := prober.New(prober.Config{ProberID: "p", Region: "local", CheckSampleRatio: 1}, prober.Deps{
		Monitors: rpctest.Conn(t, "monitors", serve, as("prober")), Events: rpctest.Conn(t, "events", e.Register, as("prober")),
		Egress: policy, Log: log, TracerProvider: process(t, "prober", receiver).TracerProvider(),
	})
	if err != nil {
		t.Fatal(err)
	}
	run(t, "events", e.Run)
	run(t, "prober", p.Run)

	var got map[string]*tracev1.Span
	receiver.Wait(t, func(all []*tracev1.Span) bool {
		got = whole(all)
		return got != nil
	})
	check := got["check tcp"]
	if len(check.GetParentSpanId()) != 0 || check.GetKind() != tracev1.Span_SPAN_KIND_CLIENT {
		t.Errorf("the check is %v under %x", check.GetKind(), check.GetParentSpanId())
	}
	for name, s := range got {
		if name != "check tcp" && string(s.GetParentSpanId()) != string(check.GetSpanId()) {
			t.Errorf("%s is not under the check", name)
		}
	}
	at := func(ns uint64) time.Time { return time.Unix(0, int64(ns)) }
	if connect := got["connect"]; at(connect.GetStartTimeUnixNano()).Before(at(check.GetStartTimeUnixNano())) || connect.GetEndTimeUnixNano() > check.GetEndTimeUnixNano() {
		t.Errorf("connecting from %v to %v is not within the check from %v to %v", at(connect.GetStartTimeUnixNano()), at(connect.GetEndTimeUnixNano()),
			at(check.GetStartTimeUnixNano()), at(check.GetEndTimeUnixNano()))
	}
	if got["record"].GetStartTimeUnixNano() < check.GetEndTimeUnixNano() || got["append results"].GetStartTimeUnixNano() < got["record"].GetStartTimeUnixNano() {
		t.Error("recorded before checked, or appended before recorded")
	}
}

// whole returns the spans of one trace that has all of them, by name; nil if there is none.
func whole(all []*tracev1.Span) map[string]*tracev1.Span {
	traces := map[string]map[string]*tracev1.Span{}
	for _, s := range all {
		id := string(s.GetTraceId())
		if traces[id] == nil {
			traces[id] = map[string]*tracev1.Span{}
		}
		traces[id][s.GetName()] = s
	}
	for _, spans := range traces {
		if spans["check tcp"] != nil && spans["connect"] != nil && spans["record"] != nil && spans["append results"] != nil && spans["commit judgement"] != nil {
			return spans
		}
	}
	return nil
}
