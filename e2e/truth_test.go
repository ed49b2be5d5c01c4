package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// incident is one of GET /incidents.
type incident struct {
	ID            int
	MonitorID     int    `json:"monitor_id"`
	MonitorName   string `json:"monitor_name"`
	Status        string
	Start         time.Time  `json:"start_time"`
	End           *time.Time `json:"end_time"`
	LastErrorType *string    `json:"last_error_type"`
	FailureCount  int        `json:"failure_count"`
	ResolvedBy    *string    `json:"resolved_by"`
}

// incidents returns a monitor's incidents, newest first; monitor 0 means all.
func (s *server) incidents(monitor int) []incident {
	s.t.Helper()
	path := "/api/uptime/incidents?limit=1000"
	if monitor != 0 {
		path += fmt.Sprintf("&monitor_id=%d", monitor)
	}
	return want[struct{ Incidents []incident }](s, 200, s.do("GET", path, nil)).Incidents
}

// uptime is the answer of …/uptime.
type uptime struct {
	Percentage *float64 `json:"uptime_percentage"`
	Coverage   *float64 `json:"coverage_percentage"`
	Up         float64  `json:"up_seconds"`
	Down       float64  `json:"down_seconds"`
	Unknown    float64  `json:"unknown_seconds"`
	Kept       float64  `json:"maintenance_seconds"`
	Outages    int
	Intervals  []struct {
		Status     string
		Start, End time.Time
	}
}

func (s *server) uptime(id int) uptime {
	s.t.Helper()
	return want[uptime](s, 200, s.do("GET", fmt.Sprintf("/api/uptime/monitors/%d/uptime", id), nil))
}

// states are the states that a monitor has been in, one after the other.
func (s *server) states(id int) []string {
	s.t.Helper()
	var out []string
	for _, in := range s.uptime(id).Intervals {
		out = append(out, in.Status)
	}
	return out
}

// A target that stops is down after the confirming check and not before, and up again
// when it is back: in the status, the transitions, the incident and the webhooks.
func TestTargetStopsAndReturns(t *testing.T) {
	t.Parallel()
	s, k, target := start(t), newSink(t), newSite(t, nil)
	s.channel(k, "ops")
	id := s.create(httpMonitor(target.url(), obj{"name": "shop", "confirm_down": 2, "retry_interval_seconds": 1}))
	s.statusIs(id, "up", 10*time.Second)
	if in := s.incidents(id); len(in) != 0 {
		t.Errorf("a monitor that is up has incidents: %+v", in)
	}

	target.stop()
	s.statusIs(id, "down", 15*time.Second)
	first, second := s.faultsOf(id)
	report := want[struct {
		Since     time.Time
		Incidents []incident `json:"recent_incidents"`
		Checks    []event    `json:"recent_checks"`
	}](s, 200, s.do("GET", fmt.Sprintf("/api/uptime/monitors/%d/status", id), nil))
	if !report.Since.Equal(first.ScheduledAt) && !report.Since.Equal(first.Timestamp) {
		t.Errorf("down since %v, want the first failing check, due at %v", report.Since, first.ScheduledAt)
	}
	if first.errorType() != "connection_refused" || second.errorType() != "connection_refused" {
		t.Errorf("the failing checks say %s and %s", first.errorType(), second.errorType())
	}
	if len(report.Checks) == 0 || len(report.Checks) > 10 {
		t.Errorf("%d recent checks, want 1 to 10", len(report.Checks))
	}
	down := k.wait(t, "ops", "monitor.down", 10*time.Second)
	if down.notice.Data.Monitor.ID != id || down.notice.Data.Monitor.Name != "shop" || down.notice.Data.Incident == nil {
		t.Errorf("the message says %+v", down.notice)
	}
	open := s.incidents(id)
	if len(open) != 1 || open[0].Status != "active" || open[0].End != nil || !open[0].Start.Equal(report.Since) || open[0].FailureCount < 2 || open[0].MonitorName != "shop" {
		t.Fatalf("incidents while down: %+v", open)
	}
	if len(report.Incidents) == 0 {
		eventually(t, 5*time.Second, "the incident in the status", func() error {
			again := want[struct {
				Incidents []incident `json:"recent_incidents"`
			}](s, 200, s.do("GET", fmt.Sprintf("/api/uptime/monitors/%d/status", id), nil))
			if len(again.Incidents) != 1 {
				return fmt.Errorf("there are %d", len(again.Incidents))
			}
			return nil
		})
	}

	target.start()
	s.statusIs(id, "up", 15*time.Second)
	recovered := k.wait(t, "ops", "monitor.recovered", 10*time.Second)
	if recovered.notice.Data.Incident == nil || recovered.notice.Data.Incident.EndTime == nil || recovered.id == down.id {
		t.Errorf("the recovery says %+v", recovered.notice)
	}
	closed := s.incidents(id)
	if len(closed) != 1 || closed[0].Status != "resolved" || closed[0].End == nil || closed[0].ResolvedBy != nil {
		t.Errorf("incidents after recovery: %+v", closed)
	}
	if u := s.uptime(id); u.Outages != 1 || u.Down <= 0 || u.Percentage == nil || *u.Percentage <= 0 || *u.Percentage >= 100 {
		t.Errorf("uptime after one outage: %+v", u)
	}
	if ids := k.got(func(d delivery) bool { return d.notice.Type == "monitor.down" }); len(ids) != 1 {
		t.Errorf("%d attempts to announce one outage", len(ids))
	}
}

// faultsOf returns a monitor's first two results that are not successes. A verdict does
// not wait for the result to be stored, so there may be a moment between them.
func (s *server) faultsOf(id int) (first, second event) {
	s.t.Helper()
	var bad []event
	eventually(s.t, 5*time.Second, "the failing checks", func() error {
		if bad = s.events(id, "&status=failure&status=timeout"); len(bad) < 2 {
			return fmt.Errorf("%d are stored", len(bad))
		}
		return nil
	})
	return bad[len(bad)-1], bad[len(bad)-2]
}

// One failing check among good ones is no outage.
func TestOneFailureIsNotDown(t *testing.T) {
	t.Parallel()
	s, target := start(t), newSite(t, nil)
	id := s.create(httpMonitor(target.url(), obj{"confirm_down": 3, "retry_interval_seconds": 1}))
	s.statusIs(id, "up", 10*time.Second)
	target.behave(func(w http.ResponseWriter, _ *http.Request) {
		target.behave(func(http.ResponseWriter, *http.Request) {})
		w.WriteHeader(http.StatusInternalServerError)
	})
	eventually(t, 10*time.Second, "a success after a failure", func() error {
		seen := s.events(id, "")
		for i, e := range seen {
			if e.Status == "failure" && i > 0 && seen[0].Status == "success" {
				return nil
			}
		}
		return fmt.Errorf("%d results", len(seen))
	})
	for _, state := range s.states(id) {
		if state == "down" {
			t.Errorf("one failure of three made the monitor down: %v", s.states(id))
		}
	}
	if in := s.incidents(id); len(in) != 0 {
		t.Errorf("one failure made incidents: %+v", in)
	}
}

// A paused monitor has no data, which is not 100 %.
func TestPausedIsNoData(t *testing.T) {
	t.Parallel()
	s, target := start(t), newSite(t, nil)
	never := s.create(httpMonitor(target.url(), obj{"enabled": false}))
	paused := s.create(httpMonitor(target.url(), nil))
	s.statusIs(paused, "up", 10*time.Second)
	want[obj](s, 200, s.do("PATCH", fmt.Sprintf("/api/uptime/monitors/%d", paused), obj{"enabled": false}))
	s.statusIs(paused, "paused", 10*time.Second)
	s.statusIs(never, "paused", 10*time.Second)

	type figures struct {
		Percentage *float64 `json:"uptime_percentage"`
		Total      *int     `json:"total_checks"`
		Day        *float64 `json:"uptime_percentage_24h"`
		Average    *float64 `json:"average_response_time_24h"`
		Time       struct{ Avg, P95 *float64 }
	}
	path := fmt.Sprintf("/api/uptime/monitors/%d", never)
	stats := want[figures](s, 200, s.do("GET", path+"/stats", nil))
	if stats.Percentage != nil || stats.Time.Avg != nil || stats.Total == nil || *stats.Total != 0 {
		t.Errorf("stats of a monitor that never ran: %+v", stats)
	}
	if u := s.uptime(never); u.Percentage != nil || u.Up != 0 || u.Down != 0 {
		t.Errorf("uptime of a monitor that never ran: %+v", u)
	}
	status := want[struct{ Status figures }](s, 200, s.do("GET", path, nil)).Status
	if status.Day != nil || status.Average != nil {
		t.Errorf("status of a monitor that never ran: %+v", status)
	}
	for _, b := range want[struct{ Buckets []figures }](s, 200, s.do("GET", path+"/buckets", nil)).Buckets {
		if b.Percentage != nil || b.Total != nil {
			t.Errorf("bucket of a monitor that never ran: %+v", b)
		}
	}
	if target.hits.Load() == 0 {
		t.Error("the other monitor did not run")
	}

	// Time that goes by in the pause is neither up nor down, and brings no results.
	before, hits := s.uptime(paused), target.hits.Load()
	eventually(t, 15*time.Second, "three paused seconds", func() error {
		if u := s.uptime(paused); u.Unknown < before.Unknown+3 {
			return fmt.Errorf("unknown for %v s", u.Unknown)
		}
		return nil
	})
	after := s.uptime(paused)
	if after.Up > before.Up+1 || after.Down != 0 || target.hits.Load() > hits+1 {
		t.Errorf("in the pause: %+v, before %+v; %d checks more", after, before, target.hits.Load()-hits)
	}
	if after.Coverage == nil || *after.Coverage >= 100 {
		t.Errorf("coverage with a pause in it: %v", after.Coverage)
	}
}
