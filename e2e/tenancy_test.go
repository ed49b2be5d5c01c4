package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// secondOrganization makes an organization beside the first and returns a key of its own.
func (s *server) secondOrganization() string {
	s.t.Helper()
	cookie := s.login()
	org := want[struct{ ID string }](s, 201, s.do("POST", "/api/organizations", obj{"name": "Toads"}, bySession(cookie)...))
	want[session](s, 200, s.do("PUT", "/api/auth/session/organization", obj{"organization_id": org.ID}, bySession(cookie)...))
	return want[struct{ Key string }](s, 201, s.do("POST", "/api/organizations/api-keys", obj{"name": "toad", "role": "owner"}, bySession(cookie)...)).Key
}

// What another organization owns is not there: 404 on every path, and no trace in a list.
func TestOrganizationsAreApart(t *testing.T) {
	t.Parallel()
	s, k := start(t), newSink(t)
	id := s.create(tcpMonitor("127.0.0.1", refusing(t), obj{"name": "secret project", "retry_interval_seconds": 1, "external_id": "x-1"}))
	alert := s.alert(id, k, "rule", obj{"consecutive_failures": 1})
	channel := s.channel(k, "ops")
	s.statusIs(id, "down", 15*time.Second)
	k.wait(t, "ops", "monitor.down", 10*time.Second)
	outage := s.incidents(id)[0].ID
	note := want[struct{ ID int }](s, 201, s.do("POST", fmt.Sprintf("/api/uptime/incidents/%d/notes", outage), obj{"text": "secret project"})).ID
	message := want[struct{ Deliveries []struct{ ID string } }](s, 200, s.do("GET", "/api/uptime/deliveries", nil)).Deliveries[0].ID
	key := want[struct{ ID string }](s, 201, s.do("POST", "/api/organizations/api-keys", obj{"name": "spare", "role": "viewer"})).ID
	window := want[struct{ ID int }](s, 201, s.do("POST", windowsPath, obj{"name": "secret project", "monitor_ids": []int{id}, "cron": "0 3 * * *", "duration_seconds": 60})).ID
	group := want[struct{ ID int }](s, 201, s.do("POST", groupsPath, obj{"name": "secret project", "monitor_ids": []int{id}})).ID
	organization := want[session](s, 200, s.do("GET", "/api/auth/session", nil)).Organization.ID

	toad := []string{"Authorization", "Bearer " + s.secondOrganization()}
	monitor := fmt.Sprintf("/api/uptime/monitors/%d", id)
	rule := fmt.Sprintf("%s/alerts/%d", monitor, alert)
	webhook := obj{"alert_type": "webhook", "alert_config": obj{"url": k.url("toad")}, "conditions": obj{"consecutive_failures": 1}}
	for _, tt := range []struct {
		method, path string
		body         any
	}{
		{"GET", monitor, nil},
		{"PUT", monitor, obj{"name": "mine"}},
		{"PATCH", monitor, obj{"name": "mine"}},
		{"DELETE", monitor, nil},
		{"POST", monitor + "/check", obj{}},
		{"GET", monitor + "/events", nil},
		{"GET", monitor + "/stats", nil},
		{"GET", monitor + "/status", nil},
		{"GET", monitor + "/uptime", nil},
		{"GET", monitor + "/buckets", nil},
		{"GET", monitor + "/evidence", nil},
		{"GET", fmt.Sprintf("/api/uptime/incidents/%d/evidence", outage), nil},
		{"GET", monitor + "/alerts", nil},
		{"POST", monitor + "/alerts", webhook},
		{"GET", monitor + "/alerts/history", nil},
		{"PUT", rule, obj{"enabled": false}},
		{"DELETE", rule, nil},
		{"POST", rule + "/test", nil},
		{"GET", fmt.Sprintf("/api/uptime/incidents/%d", outage), nil},
		{"PATCH", fmt.Sprintf("/api/uptime/incidents/%d/acknowledge", outage), nil},
		{"PATCH", fmt.Sprintf("/api/uptime/incidents/%d/acknowledge", outage), obj{"note": "mine"}},
		{"PATCH", fmt.Sprintf("/api/uptime/incidents/%d/resolve", outage), nil},
		{"GET", fmt.Sprintf("/api/uptime/incidents/%d/timeline", outage), nil},
		{"GET", fmt.Sprintf("/api/uptime/incidents/%d/notes", outage), nil},
		{"POST", fmt.Sprintf("/api/uptime/incidents/%d/notes", outage), obj{"text": "mine"}},
		{"PUT", fmt.Sprintf("/api/uptime/incidents/%d/notes/%d", outage, note), obj{"text": "mine"}},
		{"DELETE", fmt.Sprintf("/api/uptime/incidents/%d/notes/%d", outage, note), nil},
		{"GET", "/api/uptime/deliveries/" + message + "/attempts", nil},
		{"POST", "/api/uptime/deliveries/" + message + ":replay", nil},
		{"PUT", fmt.Sprintf("/api/uptime/notification-channels/%d", channel), obj{"name": "mine"}},
		{"POST", fmt.Sprintf("/api/uptime/notification-channels/%d/test", channel), nil},
		{"DELETE", fmt.Sprintf("/api/uptime/notification-channels/%d", channel), nil},
		{"GET", fmt.Sprintf("%s/%d", windowsPath, window), nil},
		{"PUT", fmt.Sprintf("%s/%d", windowsPath, window), obj{"name": "mine"}},
		{"PATCH", fmt.Sprintf("%s/%d", windowsPath, window), obj{"name": "mine"}},
		{"DELETE", fmt.Sprintf("%s/%d", windowsPath, window), nil},
		{"GET", fmt.Sprintf("%s/%d", groupsPath, group), nil},
		{"PUT", fmt.Sprintf("%s/%d", groupsPath, group), obj{"name": "mine"}},
		{"PATCH", fmt.Sprintf("%s/%d", groupsPath, group), obj{"name": "mine"}},
		{"DELETE", fmt.Sprintf("%s/%d", groupsPath, group), nil},
		{"DELETE", "/api/organizations/api-keys/" + key, nil},
		{"PUT", "/api/organizations/" + organization, obj{"name": "Mine"}},
	} {
		theirs := s.do(tt.method, tt.path, tt.body, toad...)
		if theirs.status != http.StatusNotFound {
			t.Errorf("%s %s of another organization: %d %s", tt.method, tt.path, theirs.status, theirs.body)
		}
		if strings.Contains(string(theirs.body), "secret project") {
			t.Errorf("%s %s tells: %s", tt.method, tt.path, theirs.body)
		}
	}
	for path, empty := range map[string]string{
		"/api/uptime/monitors": "[]", "/api/uptime/monitors?q=secret": "[]", "/api/uptime/monitors?external_id=x-1": "[]",
		"/api/uptime/incidents": `"incidents":[]`, "/api/uptime/alerts/history": `"history":[]`, "/api/uptime/deliveries": `"deliveries":[]`,
		"/api/uptime/notification-channels": `"channels":[]`, windowsPath: `"maintenance_windows":[]`, groupsPath: `"groups":[]`,
		fmt.Sprintf("/api/uptime/alerts/history?monitor_id=%d", id): "", fmt.Sprintf("/api/uptime/incidents?monitor_id=%d", id): "",
		"/api/uptime/audit": "", "/api/organizations/members": "", "/api/organizations": "",
	} {
		r := s.do("GET", path, nil, toad...)
		body := strings.ReplaceAll(string(r.body), " ", "")
		if r.status != 200 && r.status != 404 || !strings.Contains(body, empty) || strings.Contains(string(r.body), "secret project") {
			t.Errorf("GET %s by another organization: %d %s", path, r.status, r.body)
		}
	}
	// The same external_id is free in the other organization, and nothing of the first changed.
	if r := s.do("POST", "/api/uptime/monitors", tcpMonitor("127.0.0.1", 9, obj{"external_id": "x-1", "enabled": false}), toad...); r.status != 201 {
		t.Errorf("external_id of another organization: %d %s", r.status, r.body)
	}
	mine := want[struct{ Name string }](s, 200, s.do("GET", monitor, nil))
	if mine.Name != "secret project" {
		t.Errorf("the monitor is now called %q", mine.Name)
	}
	if in := s.incidents(id); len(in) != 1 || in[0].Status != "active" {
		t.Errorf("the incident is now %+v", in)
	}
}

// Roles bound what a key may do.
func TestRoles(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.create(tcpMonitor("127.0.0.1", 9, obj{"enabled": false}))
	monitor := fmt.Sprintf("/api/uptime/monitors/%d", id)
	for _, tt := range []struct {
		role               string
		read, write, admin int
	}{
		{"viewer", 200, 403, 403},
		{"editor", 200, 200, 403},
		{"admin", 200, 200, 200},
		{"owner", 200, 200, 200},
	} {
		key := want[struct{ Key string }](s, 201, s.do("POST", "/api/organizations/api-keys", obj{"name": tt.role, "role": tt.role})).Key
		as := []string{"Authorization", "Bearer " + key}
		if r := s.do("GET", monitor, nil, as...); r.status != tt.read {
			t.Errorf("%s reads: %d", tt.role, r.status)
		}
		if r := s.do("PATCH", monitor, obj{"name": tt.role}, as...); r.status != tt.write {
			t.Errorf("%s writes: %d %s", tt.role, r.status, r.body)
		}
		if r := s.do("GET", "/api/uptime/audit", nil, as...); r.status != tt.admin {
			t.Errorf("%s audits: %d %s", tt.role, r.status, r.body)
		}
		if r := s.do("GET", "/api/organizations/api-keys", nil, as...); r.status != tt.admin {
			t.Errorf("%s lists keys: %d %s", tt.role, r.status, r.body)
		}
		if r := s.do("GET", "/api/uptime/notices", nil, as...); r.status != tt.admin {
			t.Errorf("%s reads notices: %d %s", tt.role, r.status, r.body)
		}
		prober := obj{"id": "of-" + tt.role, "region": "eu"}
		if r := s.do("POST", "/api/uptime/probers", prober, as...); r.status != tt.admin {
			t.Errorf("%s enrols a prober: %d %s", tt.role, r.status, r.body)
		}
		removed := http.StatusNoContent
		if tt.admin != http.StatusOK {
			removed = tt.admin
		}
		if r := s.do("DELETE", "/api/uptime/probers/of-"+tt.role, nil, as...); r.status != removed {
			t.Errorf("%s removes a prober: %d %s", tt.role, r.status, r.body)
		}
	}
}
