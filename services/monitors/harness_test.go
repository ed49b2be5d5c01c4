package monitors_test

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	accessv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/access/v1"
	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	proberv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/prober/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/rpc"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/internal/secret"
	"github.com/frogstats/uptime/services/monitors"
	"github.com/frogstats/uptime/services/monitors/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is the service on a real server and a real store, between a fake events service and a fake prober.
type house struct {
	t           *testing.T
	path        string
	store       *sqlite.Store
	box         *secret.Box
	events      *fakeEvents
	prober      *fakeProber
	log         *buffer
	conn        *grpc.ClientConn
	monitors    monitorsv1.MonitorsServiceClient
	assignments monitorsv1.AssignmentsServiceClient
	catalog     monitorsv1.CatalogServiceClient
	audit       auditv1.AuditServiceClient
	maintenance monitorsv1.MaintenanceServiceClient
}

func newHouse(t *testing.T, change ...func(*monitors.Deps)) *house {
	t.Helper()
	h := &house{t: t, path: filepath.Join(t.TempDir(), "monitors.db"), events: &fakeEvents{}, prober: &fakeProber{}, log: &buffer{}}
	var err error
	if h.store, err = sqlite.Open(t.Context(), h.path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.store.Close(); err != nil {
			t.Error(err)
		}
	})
	if h.box, err = secret.Generate(); err != nil {
		t.Fatal(err)
	}
	h.serve(change...)
	return h
}

// serve starts a service on the house's store and points the clients to it.
func (h *house) serve(change ...func(*monitors.Deps)) {
	h.t.Helper()
	policy := rpctest.Policy(rpc.PolicyByOption(accessv1.E_Access))
	self := rpctest.Client(func(c *rpc.ClientConfig) { c.Service = "monitors" })
	deps := monitors.Deps{
		Store: twice{h.store}, Log: slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Secrets: h.box,
		PageKey: h.box.Derive("monitors pages"),
		Events: rpctest.Conn(h.t, "events", func(r grpc.ServiceRegistrar) {
			eventsv1.RegisterStatusServiceServer(r, h.events)
		}, policy, self),
		Prober: rpctest.Conn(h.t, "prober", func(r grpc.ServiceRegistrar) {
			proberv1.RegisterProberServiceServer(r, h.prober)
		}, policy, self),
	}
	for _, c := range change {
		c(&deps)
	}
	service, err := monitors.New(deps)
	if err != nil {
		h.t.Fatal(err)
	}
	h.conn = rpctest.Conn(h.t, "monitors", service.Register, policy,
		rpctest.Server(func(c *rpc.Config) { c.FieldName = rpc.TrimBody }), rpctest.Log(deps.Log))
	h.monitors = monitorsv1.NewMonitorsServiceClient(h.conn)
	h.assignments = monitorsv1.NewAssignmentsServiceClient(h.conn)
	h.catalog = monitorsv1.NewCatalogServiceClient(h.conn)
	h.audit = auditv1.NewAuditServiceClient(h.conn)
	h.maintenance = monitorsv1.NewMaintenanceServiceClient(h.conn)
}

const org = "org-1"

// editor is a context of somebody who may change monitors of org. Pairs are metadata of the request.
func (h *house) editor(pairs ...string) context.Context {
	return as(h.t, org, identity.RoleEditor, pairs...)
}

func as(t *testing.T, organization string, role identity.Role, pairs ...string) context.Context {
	return metadata.AppendToOutgoingContext(rpctest.AsUser(t.Context(), organization, role), pairs...)
}

// create stores a monitor and fails the test if that is refused.
func (h *house) create(m *monitorsv1.Monitor) *monitorsv1.Monitor {
	h.t.Helper()
	out, err := h.monitors.CreateMonitor(h.editor(), &monitorsv1.CreateMonitorRequest{Monitor: m})
	if err != nil {
		h.t.Fatalf("create: %v %v", err, fault.FromStatus(status.Convert(err)).Fields)
	}
	return out
}

func ptr[T any](v T) *T { return &v }

// httpMonitor and tcpMonitor are the least that is accepted.
func httpMonitor() *monitorsv1.Monitor {
	return &monitorsv1.Monitor{
		Name: ptr("web"), MonitorType: ptr(checkv1.MonitorType_MONITOR_TYPE_HTTP), IntervalSeconds: ptr(int32(30)),
		HttpConfig: &checkv1.HttpConfig{Url: ptr("https://example.com/")},
	}
}

func tcpMonitor() *monitorsv1.Monitor {
	return &monitorsv1.Monitor{
		Name: ptr("db"), MonitorType: ptr(checkv1.MonitorType_MONITOR_TYPE_TCP), IntervalSeconds: ptr(int32(30)),
		TcpConfig: &checkv1.TcpConfig{Host: ptr("db.internal"), Port: ptr(int32(5432))},
	}
}

func basicMonitor(username, password string) *monitorsv1.Monitor {
	m := httpMonitor()
	m.HttpConfig.Auth = &checkv1.HttpAuth{
		Type:        ptr(checkv1.AuthType_AUTH_TYPE_BASIC),
		Credentials: &checkv1.HttpCredentials{Username: &username, Password: &password},
	}
	return m
}

// wantCode fails the test unless err has that code.
func wantCode(t *testing.T, what string, err error, want codes.Code) {
	t.Helper()
	if got := status.Code(err); got != want {
		t.Errorf("%s: got %v (%v), want %v", what, got, err, want)
	}
}

// refused returns the message about a field that err complains of.
func refused(err error, field string) (string, bool) {
	f := fault.FromStatus(status.Convert(err))
	if f == nil || f.Kind != fault.KindInvalid && f.Kind != fault.KindConflict {
		return "", false
	}
	for _, v := range f.Fields {
		if v.Name == field {
			return v.Message, true
		}
	}
	return "", false
}

// wantField fails the test unless err is a refusal of that field.
func wantField(t *testing.T, err error, field string) {
	t.Helper()
	if _, ok := refused(err, field); !ok {
		f := fault.FromStatus(status.Convert(err))
		if f == nil {
			t.Errorf("accepted, want a refusal of %s", field)
			return
		}
		t.Errorf("got %v %+v, want a refusal of %s", f.Kind, f.Fields, field)
	}
}

// buffer is a log that several goroutines write.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// fakeEvents answers what a test puts into it.
type fakeEvents struct {
	eventsv1.UnimplementedStatusServiceServer
	mu     sync.Mutex
	rows   map[uint32]eventsv1.CurrentStatus
	err    error
	asked  [][]uint32
	caller identity.Principal
}

func (e *fakeEvents) set(id uint32, s eventsv1.CurrentStatus) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.rows == nil {
		e.rows = map[uint32]eventsv1.CurrentStatus{}
	}
	e.rows[id] = s
}

func (e *fakeEvents) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.err = err
}

func (e *fakeEvents) BatchGetStatuses(ctx context.Context, req *eventsv1.BatchGetStatusesRequest) (*eventsv1.BatchGetStatusesResponse, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = append(e.asked, req.GetMonitorIds())
	e.caller, _ = identity.FromContext(ctx)
	if e.err != nil {
		return nil, e.err
	}
	resp := &eventsv1.BatchGetStatusesResponse{}
	for _, id := range req.GetMonitorIds() {
		if s, ok := e.rows[id]; ok {
			resp.Statuses = append(resp.Statuses, &eventsv1.MonitorStatus{MonitorId: id, CurrentStatus: s})
		}
	}
	return resp, nil
}

func (e *fakeEvents) ListMonitorIds(_ context.Context, req *eventsv1.ListMonitorIdsRequest) (*eventsv1.ListMonitorIdsResponse, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		return nil, e.err
	}
	resp := &eventsv1.ListMonitorIdsResponse{}
	for id, s := range e.rows {
		if s == req.GetStatus() {
			resp.MonitorIds = append(resp.MonitorIds, id)
		}
	}
	return resp, nil
}

// fakeProber answers one result and remembers what it was asked.
type fakeProber struct {
	proberv1.UnimplementedProberServiceServer
	mu     sync.Mutex
	result *checkv1.CheckResult
	err    error
	asked  []*proberv1.RunCheckRequest
}

func (p *fakeProber) answer(r *checkv1.CheckResult, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.result, p.err = r, err
}

func (p *fakeProber) requests() []*proberv1.RunCheckRequest {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*proberv1.RunCheckRequest(nil), p.asked...)
}

func (p *fakeProber) RunCheck(_ context.Context, req *proberv1.RunCheckRequest) (*proberv1.RunCheckResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, req)
	if p.err != nil {
		return nil, p.err
	}
	if p.result != nil {
		return &proberv1.RunCheckResponse{Result: p.result}, nil
	}
	return &proberv1.RunCheckResponse{Result: &checkv1.CheckResult{
		MonitorId: req.GetSpec().GetMonitorId(), OrganizationId: req.GetSpec().GetOrganizationId(), Region: "local",
		Status: checkv1.ResultStatus_RESULT_STATUS_SUCCESS, ScheduledAt: timestamppb.New(time.UnixMilli(1_700_000_000_123)),
		StartedAt: timestamppb.New(time.UnixMilli(1_700_000_000_124)), Attempt: 1,
	}}, nil
}
