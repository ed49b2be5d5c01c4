package e2e

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

const windowsPath = "/api/uptime/maintenance-windows"

// In a maintenance window nothing is announced and everything is kept; when it ends, by being deleted or by itself, the difference is.
func TestMaintenance(t *testing.T) {
	t.Parallel()
	s, k := start(t), newSink(t)
	id := s.create(tcpMonitor("127.0.0.1", refusing(t), obj{"retry_interval_seconds": 1, "enabled": false, "labels": obj{"team": "db"}}))
	s.channel(k, "ops")
	window := want[struct {
		ID     int
		Active bool
	}](s, 201, s.do("POST", windowsPath, obj{
		"name": "move", "labels": []string{"team=db"}, "starts_at": time.Now().Add(-time.Minute).UTC().Format(time.RFC3339), "ends_at": time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
	}))
	if !window.Active {
		t.Error("the window is not active")
	}
	s.quiet(time.Minute) // alerts have heard of it meanwhile
	want[struct{}](s, 200, s.do("PATCH", fmt.Sprintf("/api/uptime/monitors/%d", id), obj{"enabled": true}))
	type incidents struct {
		Incidents []struct {
			Status      string
			Maintenance bool
		}
	}
	var kept incidents
	eventually(s.t, 20*time.Second, "the outage", func() error {
		if kept = want[incidents](s, 200, s.do("GET", "/api/uptime/incidents", nil)); len(kept.Incidents) == 0 {
			return errors.New("there is none")
		}
		return nil
	})
	if !kept.Incidents[0].Maintenance || kept.Incidents[0].Status != "active" {
		t.Errorf("outage in maintenance: %+v", kept)
	}
	shows := func() string {
		return want[struct {
			Status struct {
				Current string `json:"current_status"`
			}
		}](s, 200, s.do("GET", fmt.Sprintf("/api/uptime/monitors/%d", id), nil)).Status.Current
	}
	s.statusIs(id, "down", 5*time.Second) // what the checks see
	if got := shows(); got != "maintenance" {
		t.Errorf("the monitor shows %s", got)
	}
	if u := s.uptime(id); u.Kept == 0 || u.Down != 0 || u.Percentage != nil {
		t.Errorf("uptime in maintenance: %+v", u)
	}
	if got := k.got(func(delivery) bool { return true }); len(got) != 0 {
		t.Fatalf("%d messages in maintenance", len(got))
	}
	if r := s.do("DELETE", fmt.Sprintf("%s/%d", windowsPath, window.ID), nil); r.status != 204 {
		t.Fatalf("delete: %d %s", r.status, r.body)
	}
	k.wait(t, "ops", "monitor.down", 15*time.Second)
	if got := shows(); got != "down" {
		t.Errorf("after maintenance the monitor shows %s", got)
	}
	if u := s.uptime(id); u.Kept == 0 || u.Down == 0 || u.Outages != 1 {
		t.Errorf("uptime after maintenance: %+v", u)
	}
}
