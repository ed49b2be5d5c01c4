package monitors_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
)

func TestCreateFillsDefaults(t *testing.T) {
	h := newHouse(t)
	var header metadata.MD
	got, err := h.monitors.CreateMonitor(h.editor(), &monitorsv1.CreateMonitorRequest{Monitor: httpMonitor()}, grpc.Header(&header))
	if err != nil {
		t.Fatal(err)
	}
	if code, tag := header.Get("x-http-code"), header.Get("etag"); len(code) != 1 || code[0] != "201" || len(tag) != 1 || tag[0] != `"v1"` {
		t.Errorf("x-http-code %q, etag %q", code, tag)
	}
	if at := got.GetCreatedAt().AsTime(); time.Since(at) > time.Minute || at.Nanosecond()%1e6 != 0 {
		t.Errorf("created at %s, want now in whole milliseconds", at)
	}
	want := &monitorsv1.Monitor{
		Id: 1, OrganizationId: org, Name: ptr("web"), MonitorType: ptr(checkv1.MonitorType_MONITOR_TYPE_HTTP),
		IntervalSeconds: ptr(int32(30)), Enabled: ptr(true),
		HttpConfig: &checkv1.HttpConfig{
			Url: ptr("https://example.com/"), Method: ptr("GET"), FollowRedirects: ptr(true), TimeoutMs: ptr(int32(10000)),
			Auth:      &checkv1.HttpAuth{Type: ptr(checkv1.AuthType_AUTH_TYPE_NONE), HasCredentials: ptr(false)},
			IpVersion: ptr(checkv1.IpVersion_IP_VERSION_ANY), MaxRedirects: ptr(int32(10)),
			HttpVersion: ptr(checkv1.HttpVersion_HTTP_VERSION_ANY), Cookies: ptr(true),
		},
		Regions: []string{"local"}, Retries: &checkv1.Retries{Attempts: ptr(int32(1)), DelayMs: ptr(int32(0))},
		ConfirmDown: ptr(int32(2)), ConfirmUp: ptr(int32(1)), RetryIntervalSeconds: ptr(int32(10)),
		Overlap: ptr(monitorsv1.Overlap_OVERLAP_SKIP), Quorum: ptr("majority"), WorstCaseAlertDelayMs: 60000,
		CreatedAt: got.GetCreatedAt(), UpdatedAt: got.GetCreatedAt(), CreatedBy: rpctest.UserID, Version: 1,
		Status: &eventsv1.MonitorStatus{
			MonitorId: 1, CurrentStatus: eventsv1.CurrentStatus_CURRENT_STATUS_UNKNOWN,
			Since: got.GetCreatedAt(), UpdatedAt: got.GetCreatedAt(),
		},
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	again, err := h.monitors.GetMonitor(as(t, org, identity.RoleViewer), &monitorsv1.GetMonitorRequest{Id: 1}, grpc.Header(&header))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, again, protocmp.Transform()); diff != "" || header.Get("etag")[0] != `"v1"` {
		t.Errorf("read (-want +got):\n%s etag %q", diff, header.Get("etag"))
	}
}

func TestCreateTCP(t *testing.T) {
	h := newHouse(t)
	m := tcpMonitor()
	m.TcpConfig.Host = ptr("[2001:DB8:0::1]")
	m.IntervalSeconds, m.Cron, m.Timezone = nil, ptr("*/10 * * * *"), ptr("Europe/Berlin")
	m.Enabled = ptr(false)
	got := h.create(m)
	want := &checkv1.TcpConfig{
		Host: ptr("2001:db8::1"), Port: ptr(int32(5432)), TimeoutMs: ptr(int32(10000)), IpVersion: ptr(checkv1.IpVersion_IP_VERSION_ANY),
		Banner: ptr(false), Tls: ptr(false),
	}
	if diff := cmp.Diff(want, got.GetTcpConfig(), protocmp.Transform()); diff != "" {
		t.Errorf("tcp_config (-want +got):\n%s", diff)
	}
	if got.HttpConfig != nil || got.IntervalSeconds != nil || got.GetCron() != "*/10 * * * *" || got.GetRetryIntervalSeconds() != 20 {
		t.Errorf("got %v", got)
	}
	if s := got.GetStatus().GetCurrentStatus(); s != eventsv1.CurrentStatus_CURRENT_STATUS_PAUSED {
		t.Errorf("status of a disabled monitor = %v", s)
	}
}

func TestCreateIgnoresReadOnlyFields(t *testing.T) {
	h := newHouse(t)
	m := httpMonitor()
	m.Id, m.OrganizationId, m.CreatedBy, m.Version, m.WorstCaseAlertDelayMs = 99, "org-2", "eve", 9, 1
	m.CreatedAt = timestamppb.New(time.Unix(1, 0))
	m.Status = &eventsv1.MonitorStatus{CurrentStatus: eventsv1.CurrentStatus_CURRENT_STATUS_UP}
	m.HttpConfig.Auth = &checkv1.HttpAuth{HasCredentials: ptr(true)}
	got := h.create(m)
	if got.GetId() != 1 || got.GetOrganizationId() != org || got.GetCreatedBy() != rpctest.UserID || got.GetVersion() != 1 ||
		got.GetStatus().GetCurrentStatus() != eventsv1.CurrentStatus_CURRENT_STATUS_UNKNOWN || got.GetHttpConfig().GetAuth().GetHasCredentials() {
		t.Errorf("read-only fields were taken: %v", got)
	}
}

func TestIdempotencyKey(t *testing.T) {
	h := newHouse(t)
	create := func(key string, m *monitorsv1.Monitor) (*monitorsv1.Monitor, metadata.MD, error) {
		var header metadata.MD
		got, err := h.monitors.CreateMonitor(h.editor("idempotency-key", key), &monitorsv1.CreateMonitorRequest{Monitor: m}, grpc.Header(&header))
		return got, header, err
	}
	first, _, err := create("k1", basicMonitor("u", "p"))
	if err != nil {
		t.Fatal(err)
	}
	// What happens to the monitor in between does not change the first answer.
	if _, err := h.monitors.DeleteMonitor(h.editor(), &monitorsv1.DeleteMonitorRequest{Id: first.GetId()}); err != nil {
		t.Fatal(err)
	}
	second, header, err := create("k1", basicMonitor("u", "p"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second, protocmp.Transform()); diff != "" {
		t.Errorf("second answer (-first +second):\n%s", diff)
	}
	if header.Get("x-http-code")[0] != "201" || header.Get("etag")[0] != `"v1"` {
		t.Errorf("headers of the second answer: %v", header)
	}
	_, _, err = create("k1", basicMonitor("u", "other"))
	wantCode(t, "same key, other body", err, codes.AlreadyExists)
	if third, _, err := create("k2", basicMonitor("u", "p")); err != nil || third.GetId() == first.GetId() {
		t.Errorf("another key: %v, %v", third.GetId(), err)
	}
	elsewhere, err := h.monitors.CreateMonitor(as(t, "org-2", identity.RoleEditor, "idempotency-key", "k1"),
		&monitorsv1.CreateMonitorRequest{Monitor: basicMonitor("u", "p")})
	if err != nil || elsewhere.GetOrganizationId() != "org-2" {
		t.Errorf("the same key in another organization: %v, %v", elsewhere, err)
	}
	for _, key := range []string{"", "   ", strings.Repeat("x", 201)} {
		_, _, err := create(key, httpMonitor())
		wantField(t, err, "Idempotency-Key")
	}
	if _, _, err := create(strings.Repeat("x", 200), httpMonitor()); err != nil {
		t.Errorf("a key of 200 bytes: %v", err)
	}
}

func TestRefusedRequestsKeepNoAnswer(t *testing.T) {
	h := newHouse(t)
	ctx := h.editor("idempotency-key", "k")
	bad := httpMonitor()
	bad.HttpConfig.Url = ptr("ftp://example.com")
	_, err := h.monitors.CreateMonitor(ctx, &monitorsv1.CreateMonitorRequest{Monitor: bad})
	wantField(t, err, "http_config.url")
	if _, err := h.monitors.CreateMonitor(ctx, &monitorsv1.CreateMonitorRequest{Monitor: httpMonitor()}); err != nil {
		t.Errorf("the corrected request under the same key: %v", err)
	}
}

func TestIdempotencyKeyUnderConcurrency(t *testing.T) {
	h := newHouse(t)
	const n = 16
	got := make([]*monitorsv1.Monitor, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			var err error
			if got[i], err = h.monitors.CreateMonitor(h.editor("idempotency-key", "k"), &monitorsv1.CreateMonitorRequest{Monitor: httpMonitor()}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, m := range got {
		if !proto.Equal(m, got[0]) {
			t.Errorf("answers differ: %v and %v", m, got[0])
		}
	}
	if all := h.list(&monitorsv1.ListMonitorsRequest{}); len(all) != 1 {
		t.Errorf("%d monitors were made", len(all))
	}
}

func TestExternalIDIsUnique(t *testing.T) {
	h := newHouse(t)
	a, b := httpMonitor(), tcpMonitor()
	a.ExternalId, b.ExternalId = ptr("x"), ptr("x")
	first := h.create(a)
	_, err := h.monitors.CreateMonitor(h.editor(), &monitorsv1.CreateMonitorRequest{Monitor: b})
	wantCode(t, "second with the same", err, codes.AlreadyExists)
	wantField(t, err, "external_id")
	b.ExternalId = nil
	second := h.create(b)
	_, err = h.monitors.UpdateMonitor(h.editor(), &monitorsv1.UpdateMonitorRequest{Id: second.GetId(), Monitor: &monitorsv1.Monitor{ExternalId: ptr("x")}})
	wantCode(t, "update to the same", err, codes.AlreadyExists)
	if _, err := h.monitors.CreateMonitor(as(t, "org-2", identity.RoleEditor), &monitorsv1.CreateMonitorRequest{Monitor: a}); err != nil {
		t.Errorf("the same in another organization: %v", err)
	}
	if _, err := h.monitors.DeleteMonitor(h.editor(), &monitorsv1.DeleteMonitorRequest{Id: first.GetId()}); err != nil {
		t.Fatal(err)
	}
	h.create(a)
}

func TestWhoMayDoWhat(t *testing.T) {
	h := newHouse(t)
	m := h.create(httpMonitor())
	viewer := as(t, org, identity.RoleViewer)
	_, err := h.monitors.CreateMonitor(viewer, &monitorsv1.CreateMonitorRequest{Monitor: httpMonitor()})
	wantCode(t, "create as viewer", err, codes.PermissionDenied)
	_, err = h.monitors.ListMonitors(rpctest.Anonymous(t.Context()), &monitorsv1.ListMonitorsRequest{})
	wantCode(t, "list as nobody", err, codes.Unauthenticated)
	stranger := as(t, "org-2", identity.RoleOwner)
	_, err = h.monitors.GetMonitor(stranger, &monitorsv1.GetMonitorRequest{Id: m.GetId()})
	wantCode(t, "get from elsewhere", err, codes.NotFound)
	_, err = h.monitors.UpdateMonitor(stranger, &monitorsv1.UpdateMonitorRequest{Id: m.GetId(), Monitor: &monitorsv1.Monitor{Name: ptr("x")}})
	wantCode(t, "update from elsewhere", err, codes.NotFound)
	_, err = h.monitors.DeleteMonitor(stranger, &monitorsv1.DeleteMonitorRequest{Id: m.GetId()})
	wantCode(t, "delete from elsewhere", err, codes.NotFound)
	_, err = h.monitors.CheckMonitor(stranger, &monitorsv1.CheckMonitorRequest{Id: m.GetId()})
	wantCode(t, "check from elsewhere", err, codes.NotFound)
	if len(h.prober.requests()) != 0 {
		t.Error("a stranger's request reached the prober")
	}
	stream, err := h.assignments.WatchAssignments(as(t, org, identity.RoleOwner), &monitorsv1.WatchAssignmentsRequest{ProberId: "p", Region: "local"})
	if err == nil {
		_, err = stream.Recv()
	}
	wantCode(t, "watch assignments as a person", err, codes.PermissionDenied)
}
