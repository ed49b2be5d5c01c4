package monitors_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/services/monitors"
)

func countIn(s, part string) int { return strings.Count(s, part) }

// check runs a check and returns what the prober was asked to run.
func (h *house) check(id uint32) *checkv1.CheckSpec {
	h.t.Helper()
	if _, err := h.monitors.CheckMonitor(h.editor(), &monitorsv1.CheckMonitorRequest{Id: id}); err != nil {
		h.t.Fatalf("check: %v", err)
	}
	all := h.prober.requests()
	return all[len(all)-1].GetSpec()
}

func TestCheckMonitor(t *testing.T) {
	h := newHouse(t)
	m := h.create(basicMonitor("u", "p"))
	start := time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.UTC)
	h.prober.answer(&checkv1.CheckResult{
		MonitorId: m.GetId(), OrganizationId: org, Region: "local", ScheduledAt: timestamppb.New(start), StartedAt: timestamppb.New(start.Add(time.Millisecond)),
		Status: checkv1.ResultStatus_RESULT_STATUS_FAILURE, ResponseTimeNs: 1_500_000, StatusCode: ptr(uint32(503)),
		DnsNs: ptr(uint64(499_999)), TcpNs: ptr(uint64(500_000)), TtfbNs: ptr(uint64(0)), TransferNs: ptr(uint64(1 << 62)),
		ValidationErrors: []string{"no"}, ResponseHeaders: map[string]string{"Server": "frog"}, ResponseSizeBytes: ptr(uint64(1 << 40)),
		ErrorType: ptr("validation_failed"), ErrorMessage: ptr("fix it"), FailedPhase: checkv1.Phase_PHASE_VALIDATION, Attempt: 2,
		ProberId: "p", ResolvedIp: ptr("192.0.2.7"), IpFamily: checkv1.IpFamily_IP_FAMILY_IPV4, TlsVersion: ptr("1.3"),
		CertExpiresAt: timestamppb.New(start), MonitorType: checkv1.MonitorType_MONITOR_TYPE_HTTP, MonitorUrl: "https://example.com/", MonitorName: "web",
	}, nil)
	got, err := h.monitors.CheckMonitor(h.editor(), &monitorsv1.CheckMonitorRequest{Id: m.GetId(), Region: ptr("local")})
	if err != nil {
		t.Fatal(err)
	}
	cut := timestamppb.New(start.Truncate(time.Millisecond))
	want := &eventsv1.Event{
		EventId: "1-local-1767323045678", MonitorId: 1, OrganizationId: org, Timestamp: timestamppb.New(cut.AsTime().Add(time.Millisecond)), ScheduledAt: cut,
		MonitorType: checkv1.MonitorType_MONITOR_TYPE_HTTP, MonitorUrl: "https://example.com/", MonitorName: "web", Region: "local",
		Status: checkv1.ResultStatus_RESULT_STATUS_FAILURE, StatusCode: ptr(uint32(503)),
		ResponseTimeMs: 2, ResponseTimeUs: 1500, DnsTimeMs: ptr(uint32(0)), DnsTimeUs: ptr(499.999), TcpTimeMs: ptr(uint32(1)), TcpTimeUs: ptr(500.0),
		TtfbMs: ptr(uint32(0)), TtfbUs: ptr(0.0), TransferTimeMs: ptr(uint32(1<<32 - 1)), TransferTimeUs: ptr(float64(1<<62) / 1000),
		ValidationErrors: []string{"no"}, ResponseHeaders: map[string]string{"Server": "frog"}, ResponseSizeBytes: ptr(uint32(1<<32 - 1)),
		ErrorType: ptr("validation_failed"), ErrorMessage: ptr("fix it"), FailedPhase: ptr(checkv1.Phase_PHASE_VALIDATION), Attempt: 2,
		ProberId: "p", ResolvedIp: ptr("192.0.2.7"), IpFamily: ptr(checkv1.IpFamily_IP_FAMILY_IPV4), TlsVersion: ptr("1.3"), CertExpiresAt: cut,
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
	req := h.prober.requests()[0]
	if !req.GetRecord() || req.GetSpec().GetMonitorId() != 1 || req.GetSpec().GetHttpConfig().GetAuth().GetCredentials().GetPassword() != "p" || req.GetSpec().GetVersion() != 1 {
		t.Errorf("the prober was asked %v", req)
	}
	_, err = h.monitors.CheckMonitor(h.editor(), &monitorsv1.CheckMonitorRequest{Id: m.GetId(), Region: ptr("mars")})
	wantField(t, err, "region")
}

func TestACheckOfAPausedMonitorIsNotRecorded(t *testing.T) {
	h := newHouse(t)
	m := tcpMonitor()
	m.Enabled = ptr(false)
	h.check(h.create(m).GetId())
	if h.prober.requests()[0].GetRecord() {
		t.Error("recorded")
	}
}

func TestCheckMonitorIsRateLimited(t *testing.T) {
	h := newHouse(t)
	a, b := h.create(tcpMonitor()), h.create(tcpMonitor())
	for range 3 {
		h.check(a.GetId())
	}
	_, err := h.monitors.CheckMonitor(h.editor(), &monitorsv1.CheckMonitorRequest{Id: a.GetId()})
	wantCode(t, "fourth check", err, codes.ResourceExhausted)
	if wait := fault.FromStatus(status.Convert(err)).RetryAfter; wait <= 0 || wait > 5*time.Second {
		t.Errorf("retry after %s", wait)
	}
	h.check(b.GetId()) // each monitor has its own limit
	if n := len(h.prober.requests()); n != 4 {
		t.Errorf("the prober was asked %d times", n)
	}
}

func TestTestMonitor(t *testing.T) {
	h := newHouse(t)
	m := basicMonitor("u", "p")
	m.Name, m.IntervalSeconds = nil, nil
	m.HttpConfig.Headers = map[string]string{"X-Token": "t"}
	got, err := h.monitors.TestMonitor(h.editor(), &monitorsv1.TestMonitorRequest{Monitor: m})
	if err != nil {
		t.Fatal(err)
	}
	req := h.prober.requests()[0]
	spec := req.GetSpec()
	if req.GetRecord() || spec.GetMonitorId() != 0 || spec.GetHttpConfig().GetMethod() != "GET" || spec.GetHttpConfig().GetHeaders()["X-Token"] != "t" ||
		spec.GetHttpConfig().GetAuth().GetCredentials().GetUsername() != "u" || spec.GetOrganizationId() != org {
		t.Errorf("the prober was asked %v", req)
	}
	if got.GetEventId() != "" || got.GetStatus() != checkv1.ResultStatus_RESULT_STATUS_SUCCESS {
		t.Errorf("event = %v", got)
	}
	if len(h.list(&monitorsv1.ListMonitorsRequest{})) != 0 {
		t.Error("something was stored")
	}
	bad := httpMonitor()
	bad.HttpConfig.Url = ptr("ftp://x")
	_, err = h.monitors.TestMonitor(h.editor(), &monitorsv1.TestMonitorRequest{Monitor: bad})
	wantField(t, err, "http_config.url")
}

func TestAPIKeyHeaderHasADefault(t *testing.T) {
	h := newHouse(t)
	m := httpMonitor()
	m.HttpConfig.Auth = &checkv1.HttpAuth{
		Type: ptr(checkv1.AuthType_AUTH_TYPE_API_KEY), Credentials: &checkv1.HttpCredentials{HeaderValue: ptr("v")},
	}
	c := h.check(h.create(m).GetId()).GetHttpConfig().GetAuth().GetCredentials()
	if c.GetKey() != "X-API-Key" || c.GetValue() != "v" || c.HeaderName != nil || c.HeaderValue != nil {
		t.Errorf("key %q, value %q", c.GetKey(), c.GetValue())
	}
}

func TestProberTroubles(t *testing.T) {
	h := newHouse(t)
	m := h.create(tcpMonitor())
	h.prober.answer(nil, fault.Exhausted("busy"))
	_, err := h.monitors.CheckMonitor(h.editor(), &monitorsv1.CheckMonitorRequest{Id: m.GetId()})
	wantCode(t, "busy prober", err, codes.ResourceExhausted)
	h.prober.answer(nil, fault.Invalid("what is this", fault.Field{Name: "spec", Message: "no"}))
	_, err = h.monitors.CheckMonitor(h.editor(), &monitorsv1.CheckMonitorRequest{Id: m.GetId()})
	wantCode(t, "prober that refuses our request", err, codes.Internal)

	for name, change := range map[string]func(*monitors.Deps){
		"no prober":      func(d *monitors.Deps) { d.Prober = nil },
		"another region": func(d *monitors.Deps) { d.ProberRegion = "eu" },
	} {
		h := newHouse(t, change)
		m := h.create(tcpMonitor())
		_, err := h.monitors.CheckMonitor(h.editor(), &monitorsv1.CheckMonitorRequest{Id: m.GetId()})
		wantCode(t, name, err, codes.Unavailable)
		_, err = h.monitors.TestMonitor(h.editor(), &monitorsv1.TestMonitorRequest{Monitor: tcpMonitor()})
		wantCode(t, name, err, codes.Unavailable)
	}
}
