package gateway_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
)

const badgeOf7 = "abcdefghijklmnopqrstuvwx"

func withMonitor(status eventsv1.CurrentStatus) func(*backend) {
	return func(b *backend) {
		m := someMonitor(7)
		m.Name = proto.String(`api "<&>`)
		m.Status = &eventsv1.MonitorStatus{CurrentStatus: status}
		b.monitors = []*monitorsv1.Monitor{m}
	}
}

// A badge needs no credentials, is read as a viewer of the monitor's organization would, and may be kept and embedded.
func TestBadge(t *testing.T) {
	e := start(t)
	e.set(withMonitor(eventsv1.CurrentStatus_CURRENT_STATUS_UP))
	got := e.ask(t, "", "GET /api/uptime/badges/"+badgeOf7+"/status.svg")
	if got.status != 200 || got.header.Get("Content-Type") != "image/svg+xml" || got.header.Get("Cache-Control") != "public, max-age=60" ||
		got.header.Get("Cross-Origin-Resource-Policy") != "cross-origin" || got.header.Get("ETag") == "" {
		t.Fatalf("%d %v", got.status, got.header)
	}
	if !strings.Contains(got.body, ">up</text>") || !strings.Contains(got.body, "api &#34;&lt;&amp;&gt;</text>") {
		t.Errorf("badge: %s", got.body)
	}
	p := e.last(t, "GetMonitor").principal
	if p.OrganizationID != orgID || p.Role != identity.RoleViewer {
		t.Errorf("asked as %+v", p)
	}
	again := e.ask(t, "", "GET /api/uptime/badges/"+badgeOf7+"/status.svg\nIf-None-Match: "+got.header.Get("ETag"))
	if again.status != 304 || again.body != "" {
		t.Errorf("the same again: %d %q", again.status, again.body)
	}
	if n := e.count("GetMonitor"); n != 1 {
		t.Errorf("the services were asked %d times for what was just drawn", n)
	}
}

func TestBadgeStates(t *testing.T) {
	for status, word := range map[eventsv1.CurrentStatus]string{
		eventsv1.CurrentStatus_CURRENT_STATUS_UP: "up #1a7f37", eventsv1.CurrentStatus_CURRENT_STATUS_DOWN: "down #c4242e",
		eventsv1.CurrentStatus_CURRENT_STATUS_DEGRADED: "degraded #8a5a00", eventsv1.CurrentStatus_CURRENT_STATUS_UNKNOWN: "unknown #6b7280",
		eventsv1.CurrentStatus_CURRENT_STATUS_PAUSED: "paused #6b7280", eventsv1.CurrentStatus_CURRENT_STATUS_MAINTENANCE: "maintenance #3d5fc4",
		eventsv1.CurrentStatus_CURRENT_STATUS_UNSPECIFIED: "unknown #6b7280",
	} {
		e := start(t)
		e.set(withMonitor(status))
		message, color, _ := strings.Cut(word, " ")
		got := e.ask(t, "", "GET /api/uptime/badges/"+badgeOf7+"/status.json")
		want := `{"schemaVersion":1,"label":"api \"\u003c\u0026\u003e","message":"` + message + `","color":"` + color + `","cacheSeconds":60}`
		if got.body != want || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%v: %s, want %s", status, got.body, want)
		}
	}
}

// Uptime is cut off and not rounded up, and says how much of the time was observed.
func TestBadgeUptime(t *testing.T) {
	tests := []struct {
		up, coverage *float64
		message      string
	}{
		{nil, nil, "unknown"},
		{nil, proto.Float64(0), "unknown"},
		{proto.Float64(100), proto.Float64(100), "100 %"},
		{proto.Float64(99.999), proto.Float64(100), "99.99 %"},
		{proto.Float64(99.5), proto.Float64(99.96), "99.5 %"},
		{proto.Float64(100), proto.Float64(12.345), "100 %, 12.34 % observed"},
		{proto.Float64(0), proto.Float64(100), "0 %"},
	}
	for _, tt := range tests {
		e := start(t)
		e.set(func(b *backend) {
			b.uptime = &eventsv1.Uptime{UptimePercentage: tt.up, CoveragePercentage: tt.coverage}
		})
		got := e.ask(t, "", "GET /api/uptime/badges/"+badgeOf7+"/uptime.json?days=90")
		if !strings.Contains(got.body, `"label":"uptime 90 d","message":"`+tt.message+`"`) {
			t.Errorf("%v of %v: %s", tt.up, tt.coverage, got.body)
		}
	}
}

func TestBadgeResponse(t *testing.T) {
	for want, avg := range map[string]*float64{"unknown": nil, "4.2 ms": proto.Float64(4.21), "123 ms": proto.Float64(123.4), "12.3 s": proto.Float64(12_345)} {
		e := start(t)
		e.set(func(b *backend) { b.stats = &eventsv1.Stats{ResponseTime: &eventsv1.ResponseTime{Avg: avg}} })
		got := e.ask(t, "", "GET /api/uptime/badges/"+badgeOf7+"/response.json")
		if !strings.Contains(got.body, `"label":"response 1 d","message":"`+want+`"`) {
			t.Errorf("%s: %s", want, got.body)
		}
	}
}

func TestBadgeRefusals(t *testing.T) {
	e := start(t)
	e.set(withMonitor(eventsv1.CurrentStatus_CURRENT_STATUS_UP))
	tests := []struct {
		path   string
		status int
	}{
		{"xxxxxxxxxxxxxxxxxxxxxxxx/status.svg", 404}, {"short/status.svg", 404}, {badgeOf7 + "/status.png", 404}, {badgeOf7 + "/other.svg", 404},
		{badgeOf7 + "/status", 404}, {badgeOf7 + "/uptime.svg?days=0", 400}, {badgeOf7 + "/uptime.svg?days=367", 400}, {badgeOf7 + "/uptime.svg?days=x", 400},
		{badgeOf7 + "/uptime.svg?days=1&days=2", 400}, {badgeOf7 + "/uptime.svg?style=round", 400}, {badgeOf7 + "/status.svg?colour=red", 400},
	}
	for _, tt := range tests {
		got := e.ask(t, "", "GET /api/uptime/badges/"+tt.path)
		if got.status != tt.status || strings.Contains(got.header.Get("Cache-Control"), "public") {
			t.Errorf("%s: %d %s", tt.path, got.status, got.body)
		}
	}
	if n := e.count("ResolveBadge"); n != 1 {
		t.Errorf("%d tokens were looked up, want the one that could be one", n)
	}
	e.set(func(b *backend) { b.fail["ResolveBadge"] = fault.Unavailable("away") })
	if got := e.ask(t, "", "GET /api/uptime/badges/"+badgeOf7+"/status.svg"); got.status != 503 {
		t.Errorf("monitors away: %d", got.status)
	}
}
