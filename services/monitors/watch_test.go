package monitors_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/monitors"
)

// patience bounds every wait of the stream tests. Nothing is expected to take nearly as long.
const patience = 30 * time.Second

// arrive makes a region known, the way a prober does.
func (h *house) arrive(region string) {
	h.t.Helper()
	p := monitors.Prober{ID: "prober-" + region, Region: region, Version: "1", Connected: true, LastSeenAt: time.Now()}
	if err := h.store.ProberArrived(h.t.Context(), p, "test"); err != nil {
		h.t.Fatal(err)
	}
}

// eventually polls until ok, within patience.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// assigned opens a stream; the returned function ends it.
func (h *house) assigned(id, region string) (func() *monitorsv1.WatchAssignmentsResponse, context.CancelFunc) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(rpctest.AsService(h.t.Context()), patience)
	h.t.Cleanup(cancel)
	stream, err := h.assignments.WatchAssignments(ctx, &monitorsv1.WatchAssignmentsRequest{ProberId: id, Region: region, Version: "1.2"})
	if err != nil {
		h.t.Fatal(err)
	}
	return func() *monitorsv1.WatchAssignmentsResponse {
		h.t.Helper()
		resp, err := stream.Recv()
		if err != nil {
			h.t.Fatalf("stream: %v", err)
		}
		return resp
	}, cancel
}

// describe says a step in a few words.
func describe(r *monitorsv1.WatchAssignmentsResponse) string {
	switch s := r.GetStep().(type) {
	case *monitorsv1.WatchAssignmentsResponse_Assigned:
		return fmt.Sprintf("assigned %d v%d", s.Assigned.GetSpec().GetMonitorId(), s.Assigned.GetSpec().GetVersion())
	case *monitorsv1.WatchAssignmentsResponse_RemovedMonitorId:
		return fmt.Sprintf("removed %d", s.RemovedMonitorId)
	case *monitorsv1.WatchAssignmentsResponse_SnapshotComplete:
		return "complete"
	case *monitorsv1.WatchAssignmentsResponse_Heartbeat:
		return "beat"
	}
	return "nothing"
}

func TestWatchAssignments(t *testing.T) {
	h := newHouse(t)
	h.arrive("eu")
	a, b := h.create(basicMonitor("u", "p")), h.create(tcpMonitor())
	off := tcpMonitor()
	off.Enabled = ptr(false)
	c := h.create(off)
	far := tcpMonitor()
	far.Regions = []string{"eu"}
	d := h.create(far)
	gone := h.create(tcpMonitor())
	if _, err := h.monitors.DeleteMonitor(h.editor(), &monitorsv1.DeleteMonitorRequest{Id: gone.GetId()}); err != nil {
		t.Fatal(err)
	}
	next, _ := h.assigned("p1", "local")
	first := next()
	if got := first.GetAssigned(); got.GetSpec().GetHttpConfig().GetAuth().GetCredentials().GetPassword() != "p" ||
		got.GetIntervalSeconds() != 30 || got.GetConfirmDown() != 2 || got.GetRetryIntervalSeconds() != 10 ||
		got.GetOverlap() != monitorsv1.Overlap_OVERLAP_SKIP || got.GetSpec().GetHttpConfig().GetTimeoutMs() != 10000 ||
		got.GetSpec().GetName() != "web" || got.GetSpec().GetOrganizationId() != org ||
		!got.GetActiveSince().AsTime().Equal(a.GetCreatedAt().AsTime()) {
		t.Errorf("assignment = %v", got)
	}
	expect := func(want ...string) {
		t.Helper()
		for _, w := range want {
			got := describe(next())
			for got == "beat" {
				got = describe(next())
			}
			if got != w {
				t.Fatalf("got %q, want %q", got, w)
			}
		}
	}
	id := func(m *monitorsv1.Monitor) uint32 { return m.GetId() }
	expect(fmt.Sprintf("assigned %d v1", id(b)), "complete")
	change := func(m *monitorsv1.Monitor, body *monitorsv1.Monitor) *monitorsv1.Monitor {
		t.Helper()
		got, err := h.update(m.GetId(), body)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	change(a, &monitorsv1.Monitor{Name: ptr("renamed")})
	expect(fmt.Sprintf("assigned %d v2", id(a)))
	change(b, &monitorsv1.Monitor{Enabled: ptr(false)})
	expect(fmt.Sprintf("removed %d", id(b)))
	change(b, &monitorsv1.Monitor{Name: ptr("still off")}) // nothing for a prober
	on := change(c, &monitorsv1.Monitor{Enabled: ptr(true)})
	resp := next()
	if describe(resp) != fmt.Sprintf("assigned %d v2", id(c)) || !resp.GetAssigned().GetActiveSince().AsTime().Equal(on.GetUpdatedAt().AsTime()) {
		t.Errorf("after enabling: %v, want active since %v", resp, on.GetUpdatedAt().AsTime())
	}
	change(d, &monitorsv1.Monitor{Regions: []string{"eu", "local"}})
	expect(fmt.Sprintf("assigned %d v2", id(d)))
	change(d, &monitorsv1.Monitor{Regions: []string{"eu"}})
	expect(fmt.Sprintf("removed %d", id(d)))
	if _, err := h.monitors.DeleteMonitor(h.editor(), &monitorsv1.DeleteMonitorRequest{Id: id(a)}); err != nil {
		t.Fatal(err)
	}
	expect(fmt.Sprintf("removed %d", id(a)))
}

func TestAssignmentsBeat(t *testing.T) {
	h := newHouse(t)
	next, _ := h.assigned("p1", "local")
	if got := describe(next()); got != "complete" {
		t.Fatalf("got %q", got)
	}
	began := time.Now()
	if got := describe(next()); got != "beat" {
		t.Errorf("got %q, want a beat", got)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the beat took %s", took)
	}
}

func TestProbersAndRegions(t *testing.T) {
	h := newHouse(t)
	prober := func(id string) *monitorsv1.Prober {
		resp, err := h.monitors.ListProbers(h.editor(), &monitorsv1.ListProbersRequest{})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range resp.GetProbers() {
			if p.GetId() == id {
				return p
			}
		}
		return nil
	}
	region := func(code string) *monitorsv1.Region {
		resp, err := h.monitors.ListRegions(h.editor(), &monitorsv1.ListRegionsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range resp.GetRegions() {
			if r.GetCode() == code {
				return r
			}
		}
		return nil
	}
	if r := region("local"); !r.GetIsLocal() || r.GetIsHealthy() || r.LastSeenAt != nil || r.GetName() != "Local" {
		t.Errorf("local before any prober: %v", r)
	}
	m := tcpMonitor()
	m.Regions = []string{"mars"}
	_, err := h.monitors.CreateMonitor(h.editor(), &monitorsv1.CreateMonitorRequest{Monitor: m})
	if got, _ := refused(err, "regions[0]"); got != `unknown region "mars"` {
		t.Errorf("unknown region: %q (%v)", got, err)
	}
	next, cancel := h.assigned("p1", "mars")
	next()
	h.create(m)
	if p := prober("p1"); !p.GetConnected() || p.GetRegion() != "mars" || p.GetVersion() != "1.2" || time.Since(p.GetLastSeenAt().AsTime()) > patience {
		t.Errorf("prober: %v", p)
	}
	if r := region("mars"); !r.GetIsHealthy() || r.GetProbers() != 1 || r.GetIsLocal() || r.LastSeenAt == nil {
		t.Errorf("mars: %v", r)
	}
	// The prober comes back before its old stream is seen to end.
	next, cancelSecond := h.assigned("p1", "mars")
	next() // it has arrived
	cancel()
	eventually(t, "end of the first stream", func() bool { return countIn(h.log.String(), "prober left") == 1 })
	if p := prober("p1"); !p.GetConnected() {
		t.Error("the end of the old stream disconnected the new one")
	}
	cancelSecond()
	eventually(t, "departure", func() bool { return !prober("p1").GetConnected() })
	if r := region("mars"); r.GetIsHealthy() || r.GetProbers() != 0 || r.LastSeenAt == nil {
		t.Errorf("mars without its prober: %v", r)
	}
	stream, err := h.assignments.WatchAssignments(rpctest.AsService(t.Context()), &monitorsv1.WatchAssignmentsRequest{ProberId: "p", Region: "no way/"})
	if err == nil {
		_, err = stream.Recv()
	}
	wantField(t, err, "region")
}

func TestSecretsThatDoNotOpenAreNotAssigned(t *testing.T) {
	h := newHouse(t)
	m := h.create(basicMonitor("u", "p"))
	fine := h.create(tcpMonitor())
	err := h.store.Write(t.Context(), func(tx monitors.Tx) error { // as after a restore from another machine
		row, err := tx.Monitor(t.Context(), org, m.GetId())
		if err != nil {
			return err
		}
		row.Sealed[len(row.Sealed)-1] ^= 1
		return tx.Update(t.Context(), row)
	})
	if err != nil {
		t.Fatal(err)
	}
	next, _ := h.assigned("p1", "local")
	for _, want := range []string{fmt.Sprintf("assigned %d v1", fine.GetId()), "complete"} {
		if got := describe(next()); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if countIn(h.log.String(), "monitor is not assigned") == 0 {
		t.Error("nothing is in the log")
	}
	_, err = h.monitors.CheckMonitor(h.editor(), &monitorsv1.CheckMonitorRequest{Id: m.GetId()})
	wantCode(t, "check", err, codes.Internal)
	// It can be renamed, and healed by new credentials.
	if _, err := h.update(m.GetId(), &monitorsv1.Monitor{Name: ptr("renamed")}); err != nil {
		t.Errorf("rename: %v", err)
	}
	_, err = h.update(m.GetId(), &monitorsv1.Monitor{HttpConfig: &checkv1.HttpConfig{Auth: &checkv1.HttpAuth{Type: ptr(checkv1.AuthType_AUTH_TYPE_BASIC)}}})
	wantField(t, err, "http_config.auth.credentials.username")
	if _, err := h.update(m.GetId(), basicMonitor("u", "new")); err != nil {
		t.Errorf("new credentials: %v", err)
	}
	for describe(next()) != fmt.Sprintf("assigned %d v3", m.GetId()) {
	}
}

func TestWatchCatalog(t *testing.T) {
	h := newHouse(t)
	full := fullMonitor(0)
	full.Regions = nil
	full.DependsOn = []uint32{h.behind()}
	m := h.create(full)
	ctx, cancel := context.WithTimeout(rpctest.AsService(t.Context()), patience)
	defer cancel()
	stream, err := h.catalog.WatchCatalog(ctx, &monitorsv1.WatchCatalogRequest{Subscriber: "events"})
	if err != nil {
		t.Fatal(err)
	}
	next := func() *monitorsv1.WatchCatalogResponse {
		t.Helper()
		for {
			resp, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			if resp.GetHeartbeat() == nil {
				return resp
			}
		}
	}
	if parent := next().GetUpserted(); parent.GetMonitorId() != full.DependsOn[0] || len(parent.GetDependsOn()) != 0 {
		t.Errorf("parent = %v", parent)
	}
	got := next().GetUpserted()
	if !slices.Equal(got.GetDependsOn(), full.DependsOn) || got.GetWorstCaseAlertDelayMs() != m.GetWorstCaseAlertDelayMs() || got.GetWorstCaseAlertDelayMs() == 0 {
		t.Errorf("depends on %v, and takes %d ms", got.GetDependsOn(), got.GetWorstCaseAlertDelayMs())
	}
	if got.GetMonitorId() != m.GetId() || got.GetOrganizationId() != org || got.GetName() != "one" || !got.GetEnabled() ||
		got.GetMonitorUrl() != "https://one.example/" || got.GetIntervalMs() != 30_000 || got.GetTimeoutMs() != 1000 ||
		got.GetConfirmDown() != 3 || got.GetConfirmUp() != 2 || got.GetRetryIntervalSeconds() != 5 || got.GetQuorum() != "any" ||
		got.GetDegradedAboveMs() != 500 || got.GetVersion() != 1 || len(got.GetRegions()) != 1 || got.GetMonitorType() != checkv1.MonitorType_MONITOR_TYPE_HTTP {
		t.Errorf("entry = %v", got)
	}
	if next().GetSnapshotComplete() == nil {
		t.Error("the snapshot is not complete")
	}
	if _, err := h.update(m.GetId(), &monitorsv1.Monitor{Enabled: ptr(false)}); err != nil {
		t.Fatal(err)
	}
	if got := next().GetUpserted(); got.GetEnabled() || got.GetVersion() != 2 {
		t.Errorf("after disabling: %v", got)
	}
	if _, err := h.monitors.DeleteMonitor(h.editor(), &monitorsv1.DeleteMonitorRequest{Id: m.GetId()}); err != nil {
		t.Fatal(err)
	}
	if got := next().GetRemovedMonitorId(); got != m.GetId() {
		t.Errorf("removed %d", got)
	}
	other := tcpMonitor()
	other.TcpConfig.Host = ptr("::1")
	if h.create(other); next().GetUpserted().GetMonitorUrl() != "tcp://[::1]:5432" {
		t.Error("URL of a tcp monitor")
	}
}

// TestCatalogMissesNothing opens streams while monitors are changed: each must end with what the store has.
func TestCatalogMissesNothing(t *testing.T) {
	h := newHouse(t)
	const n = 150
	done := make(chan error, 1)
	go func() {
		done <- func() error {
			for i := range n {
				m, err := h.monitors.CreateMonitor(h.editor(), &monitorsv1.CreateMonitorRequest{Monitor: tcpMonitor()})
				if err != nil {
					return err
				}
				if _, err := h.update(m.GetId(), &monitorsv1.Monitor{Name: ptr(fmt.Sprint("n", i))}); err != nil {
					return err
				}
				if i%3 == 0 {
					if _, err := h.monitors.DeleteMonitor(h.editor(), &monitorsv1.DeleteMonitorRequest{Id: m.GetId()}); err != nil {
						return err
					}
				}
			}
			_, err := h.monitors.CreateMonitor(h.editor(), &monitorsv1.CreateMonitorRequest{Monitor: httpMonitor()}) // the last
			return err
		}()
	}()
	results := make(chan map[uint32]uint64, 4)
	for range cap(results) {
		go func() { results <- h.follow(n) }()
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for range cap(results) {
		seen := <-results
		if len(seen) != n-n/3+1 {
			t.Errorf("a stream ended with %d monitors, want %d", len(seen), n-n/3+1)
		}
		for id, version := range seen {
			if want := uint64(2); version != want && int(id) != n+1 {
				t.Errorf("monitor %d: last seen version %d, want %d", id, version, want)
			}
		}
	}
}

// follow reads the catalogue until the http monitor comes, and returns the versions of what there is then.
func (h *house) follow(int) map[uint32]uint64 {
	ctx, cancel := context.WithTimeout(rpctest.AsService(h.t.Context()), patience)
	defer cancel()
	seen := map[uint32]uint64{}
	stream, err := h.catalog.WatchCatalog(ctx, &monitorsv1.WatchCatalogRequest{})
	for err == nil {
		var resp *monitorsv1.WatchCatalogResponse
		if resp, err = stream.Recv(); err != nil {
			break
		}
		if e := resp.GetUpserted(); e != nil {
			seen[e.GetMonitorId()] = e.GetVersion()
			if e.GetMonitorType() == checkv1.MonitorType_MONITOR_TYPE_HTTP {
				return seen
			}
		}
		delete(seen, resp.GetRemovedMonitorId())
	}
	h.t.Errorf("catalogue: %v", err)
	return nil
}
