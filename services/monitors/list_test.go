package monitors_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/services/monitors"
)

// list reads one page.
func (h *house) list(req *monitorsv1.ListMonitorsRequest) []*monitorsv1.Monitor {
	h.t.Helper()
	resp, err := h.monitors.ListMonitors(as(h.t, org, identity.RoleViewer), req)
	if err != nil {
		h.t.Fatalf("list %v: %v", req, err)
	}
	return resp.GetMonitors()
}

func namesOf(ms []*monitorsv1.Monitor) string {
	var names []string
	for _, m := range ms {
		names = append(names, m.GetName())
	}
	return strings.Join(names, " ")
}

func TestListFilters(t *testing.T) {
	h := newHouse(t)
	web, db, off := httpMonitor(), tcpMonitor(), httpMonitor()
	web.Labels = map[string]string{"team": "a", "env": "prod=1"}
	db.ExternalId, db.Labels = ptr("e1"), map[string]string{"team": "b"}
	off.Name, off.Enabled = ptr("OFF"), ptr(false)
	w, d, o := h.create(web), h.create(db), h.create(off)
	h.events.set(w.GetId(), eventsv1.CurrentStatus_CURRENT_STATUS_DOWN)
	tests := []struct {
		name string
		req  *monitorsv1.ListMonitorsRequest
		want string
	}{
		{"all, newest first", &monitorsv1.ListMonitorsRequest{}, "OFF db web"},
		{"enabled", &monitorsv1.ListMonitorsRequest{Enabled: ptr(true)}, "db web"},
		{"disabled", &monitorsv1.ListMonitorsRequest{Enabled: ptr(false)}, "OFF"},
		{"kind", &monitorsv1.ListMonitorsRequest{MonitorType: ptr(checkv1.MonitorType_MONITOR_TYPE_TCP)}, "db"},
		{"region", &monitorsv1.ListMonitorsRequest{Region: ptr("local")}, "OFF db web"},
		{"no such region", &monitorsv1.ListMonitorsRequest{Region: ptr("mars")}, ""},
		{"text", &monitorsv1.ListMonitorsRequest{Q: ptr("Off")}, "OFF"},
		{"text in the URL", &monitorsv1.ListMonitorsRequest{Q: ptr("EXAMPLE.com")}, "OFF web"},
		{"label", &monitorsv1.ListMonitorsRequest{Label: []string{"team"}}, "db web"},
		{"label with a value", &monitorsv1.ListMonitorsRequest{Label: []string{"team=a", "env=prod=1"}}, "web"},
		{"external id", &monitorsv1.ListMonitorsRequest{ExternalId: ptr("e1")}, "db"},
		{"down", &monitorsv1.ListMonitorsRequest{Status: ptr(eventsv1.CurrentStatus_CURRENT_STATUS_DOWN)}, "web"},
		{"up", &monitorsv1.ListMonitorsRequest{Status: ptr(eventsv1.CurrentStatus_CURRENT_STATUS_UP)}, ""},
		{"unknown, not seen yet", &monitorsv1.ListMonitorsRequest{Status: ptr(eventsv1.CurrentStatus_CURRENT_STATUS_UNKNOWN)}, "db"},
		{"paused, not seen yet", &monitorsv1.ListMonitorsRequest{Status: ptr(eventsv1.CurrentStatus_CURRENT_STATUS_PAUSED)}, "OFF"},
	}
	for _, tt := range tests {
		if got := namesOf(h.list(tt.req)); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	// Every status filter agrees with the status that is shown.
	h.events.set(d.GetId(), eventsv1.CurrentStatus_CURRENT_STATUS_UNKNOWN)
	h.events.set(o.GetId(), eventsv1.CurrentStatus_CURRENT_STATUS_UP)
	for _, shown := range h.list(&monitorsv1.ListMonitorsRequest{}) {
		for n := range eventsv1.CurrentStatus_name {
			s := eventsv1.CurrentStatus(n)
			if n == 0 {
				continue
			}
			listed := slices.ContainsFunc(h.list(&monitorsv1.ListMonitorsRequest{Status: &s}), func(m *monitorsv1.Monitor) bool {
				return m.GetId() == shown.GetId()
			})
			if listed != (shown.GetStatus().GetCurrentStatus() == s) {
				t.Errorf("%s reads as %v; listed under %v: %v", shown.GetName(), shown.GetStatus().GetCurrentStatus(), s, listed)
			}
		}
	}
	_, err := h.monitors.ListMonitors(h.editor(), &monitorsv1.ListMonitorsRequest{Label: []string{"ok", "=x"}})
	wantField(t, err, "label[1]")
}

func TestListPages(t *testing.T) {
	h := newHouse(t)
	var want []uint32
	for i := range 23 {
		m := httpMonitor()
		m.Name = ptr(fmt.Sprint("m", i))
		want = append([]uint32{h.create(m).GetId()}, want...)
	}
	req := &monitorsv1.ListMonitorsRequest{PageSize: ptr(int32(5)), Q: ptr("m")}
	var got []uint32
	for range 10 {
		resp, err := h.monitors.ListMonitors(h.editor(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range resp.GetMonitors() {
			got = append(got, m.GetId())
		}
		if resp.GetNextPageToken() == "" {
			break
		}
		req.PageToken = ptr(resp.GetNextPageToken())
	}
	if !slices.Equal(got, want) {
		t.Errorf("pages together %v, want %v", got, want)
	}
	token := req.GetPageToken()
	bound := map[string]func() error{
		"other filter": func() error {
			_, err := h.monitors.ListMonitors(h.editor(), &monitorsv1.ListMonitorsRequest{PageToken: &token, Q: ptr("M")})
			return err
		},
		"no filter": func() error {
			_, err := h.monitors.ListMonitors(h.editor(), &monitorsv1.ListMonitorsRequest{PageToken: &token})
			return err
		},
		"other organization": func() error {
			_, err := h.monitors.ListMonitors(as(t, "org-2", identity.RoleEditor), req)
			return err
		},
		"changed": func() error {
			bad := []byte(token)
			bad[len(bad)/2] ^= 1
			_, err := h.monitors.ListMonitors(h.editor(), &monitorsv1.ListMonitorsRequest{PageToken: ptr(string(bad)), Q: ptr("m")})
			return err
		},
	}
	for name, list := range bound {
		if _, ok := refused(list(), "page_token"); !ok {
			t.Errorf("%s: the token was accepted", name)
		}
	}
	req.PageSize = ptr(int32(7)) // only the size may change
	if _, err := h.monitors.ListMonitors(h.editor(), req); err != nil {
		t.Errorf("another page size: %v", err)
	}
	_, err := h.monitors.ListMonitors(h.editor(), &monitorsv1.ListMonitorsRequest{PageSize: ptr(int32(0))})
	wantField(t, err, "page_size")
}

func TestStatusComesFromEvents(t *testing.T) {
	h := newHouse(t)
	a, b := h.create(httpMonitor()), h.create(tcpMonitor())
	h.events.set(a.GetId(), eventsv1.CurrentStatus_CURRENT_STATUS_UP)
	ms := h.list(&monitorsv1.ListMonitorsRequest{})
	if got := []eventsv1.CurrentStatus{ms[0].GetStatus().GetCurrentStatus(), ms[1].GetStatus().GetCurrentStatus()}; got[0] != eventsv1.CurrentStatus_CURRENT_STATUS_UNKNOWN || got[1] != eventsv1.CurrentStatus_CURRENT_STATUS_UP {
		t.Errorf("statuses = %v", got)
	}
	if h.events.caller.Kind != identity.KindService || h.events.caller.Name != "monitors" || len(h.events.asked) != 1 {
		t.Errorf("asked %v times by %+v", len(h.events.asked), h.events.caller)
	}
	h.events.fail(fault.Unavailable("down"))
	for _, m := range h.list(&monitorsv1.ListMonitorsRequest{}) {
		if m.Status != nil {
			t.Errorf("status %v although the events service does not answer", m.GetStatus())
		}
	}
	if got, err := h.monitors.GetMonitor(h.editor(), &monitorsv1.GetMonitorRequest{Id: b.GetId()}); err != nil || got.Status != nil {
		t.Errorf("get: %v, %v", got.GetStatus(), err)
	}
	_, err := h.monitors.ListMonitors(h.editor(), &monitorsv1.ListMonitorsRequest{Status: ptr(eventsv1.CurrentStatus_CURRENT_STATUS_UP)})
	wantCode(t, "filter by status", err, codes.Unavailable)
	h.events.fail(fault.Invalid("what is this"))
	_, err = h.monitors.ListMonitors(h.editor(), &monitorsv1.ListMonitorsRequest{Status: ptr(eventsv1.CurrentStatus_CURRENT_STATUS_UP)})
	wantCode(t, "what events thinks of our request is not the caller's", err, codes.Internal)
}

func TestWithoutEvents(t *testing.T) {
	h := newHouse(t, func(d *monitors.Deps) { d.Events = nil })
	h.create(httpMonitor())
	if ms := h.list(&monitorsv1.ListMonitorsRequest{}); len(ms) != 1 || ms[0].Status != nil {
		t.Errorf("list = %v", ms)
	}
	_, err := h.monitors.ListMonitors(h.editor(), &monitorsv1.ListMonitorsRequest{Status: ptr(eventsv1.CurrentStatus_CURRENT_STATUS_UP)})
	wantCode(t, "filter by status", err, codes.Unavailable)
}
