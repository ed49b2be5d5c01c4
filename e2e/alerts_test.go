package e2e

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// triggered is one of …/alerts/history.
type triggered struct {
	ID         int
	AlertID    int        `json:"alert_id"`
	MonitorID  int        `json:"monitor_id"`
	At         time.Time  `json:"triggered_at"`
	ResolvedAt *time.Time `json:"resolved_at"`
	Data       struct {
		Condition        string
		Value, Threshold float64
	} `json:"alert_data"`
}

func (s *server) history(monitor int) []triggered {
	s.t.Helper()
	return want[struct{ History []triggered }](s, 200, s.do("GET", fmt.Sprintf("/api/uptime/monitors/%d/alerts/history", monitor), nil)).History
}

// historyIs waits until a monitor's history has n entries, the newest resolved or not.
func (s *server) historyIs(monitor, n int, resolved bool, limit time.Duration) triggered {
	s.t.Helper()
	var newest triggered
	eventually(s.t, limit, fmt.Sprint(n, " entries of history, resolved: ", resolved), func() error {
		all := s.history(monitor)
		if len(all) != n || (all[0].ResolvedAt != nil) != resolved {
			return fmt.Errorf("it is %+v", all)
		}
		newest = all[0]
		return nil
	})
	return newest
}

// Every condition triggers and resolves, once per occasion, with what it saw.
func TestAlertConditions(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, tt := range []struct {
		name       string
		conditions obj
		condition  string
		bad        http.HandlerFunc
		resolves   bool
	}{
		{"consecutive_failures", obj{"consecutive_failures": 3}, "consecutive_failures", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}, true},
		{"response_time_threshold_ms", obj{"response_time_threshold_ms": 150}, "response_time_threshold_ms", func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(300 * time.Millisecond):
			case <-r.Context().Done():
			}
		}, true},
		// Of the last day: seconds of down time stay in it for a day.
		{"uptime_percentage_threshold", obj{"uptime_percentage_threshold": 99.9}, "uptime_percentage_threshold", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := s.of(t)
			k, target := newSink(t), newSite(t, nil)
			id := s.create(httpMonitor(target.url(), obj{"retry_interval_seconds": 1, "confirm_down": 2}))
			s.statusIs(id, "up", 10*time.Second)
			target.behave(tt.bad)
			if !tt.resolves { // asked for when it has happened already: uptime is looked at once a minute
				s.statusIs(id, "down", 15*time.Second)
			}
			rule := s.alert(id, k, "rule", tt.conditions)
			h := s.historyIs(id, 1, false, 90*time.Second)
			if h.AlertID != rule || h.MonitorID != id || h.Data.Condition != tt.condition || h.Data.Threshold == 0 {
				t.Errorf("history says %+v", h)
			}
			d := k.wait(t, "rule", "alert.triggered", 10*time.Second)
			if a := d.notice.Data.Alert; a == nil || a.ID != rule || a.HistoryID != h.ID || !a.TriggeredAt.Equal(h.At) {
				t.Errorf("the message says %+v, history %+v", d.notice, h)
			}
			if list := want[[]struct{ Triggered bool }](s, 200, s.do("GET", fmt.Sprintf("/api/uptime/monitors/%d/alerts", id), nil)); len(list) != 1 || !list[0].Triggered {
				t.Errorf("the rule is %+v", list)
			}
			target.behave(func(http.ResponseWriter, *http.Request) {})
			if !tt.resolves {
				s.statusIs(id, "up", 15*time.Second)
				return
			}
			s.historyIs(id, 1, true, 30*time.Second)
			if r := k.wait(t, "rule", "alert.resolved", 10*time.Second); r.id == d.id {
				t.Error("the resolution has the id of the trigger")
			}
			if again := k.got(func(d delivery) bool { return d.notice.Type == "alert.triggered" }); len(again) != 1 {
				t.Errorf("one occasion was told %d times", len(again))
			}
		})
	}
}

// A receiver that fails for a while gets one message, by one id, until it accepts it.
func TestReceiverFailsForAWhile(t *testing.T) {
	t.Parallel()
	s, k := start(t), newSink(t)
	s.channel(k, "ops", "down")
	var tries atomic.Int64
	k.reply(func(delivery) int {
		if tries.Add(1) == 1 {
			return http.StatusInternalServerError
		}
		return http.StatusNoContent
	})
	id := s.create(tcpMonitor("127.0.0.1", refusing(t), obj{"retry_interval_seconds": 1}))
	s.statusIs(id, "down", 15*time.Second)
	d := k.wait(t, "ops", "monitor.down", 30*time.Second)
	all := k.got(func(delivery) bool { return true })
	if len(all) != 2 || all[0].id != d.id || all[1].id != d.id || all[0].answered != 500 {
		t.Errorf("attempts %+v", all)
	}
	type row struct {
		ID, State string
		Attempts  int
		Code      *int    `json:"last_status_code"`
		Error     *string `json:"last_error"`
	}
	var rows []row
	eventually(t, 10*time.Second, "the delivery to be recorded", func() error {
		rows = want[struct{ Deliveries []row }](s, 200, s.do("GET", "/api/uptime/deliveries", nil)).Deliveries
		if len(rows) != 1 || rows[0].State != "delivered" {
			return fmt.Errorf("%+v", rows)
		}
		return nil
	})
	if rows[0].ID != d.id || rows[0].Attempts != 2 || rows[0].Code == nil || *rows[0].Code != 204 {
		t.Errorf("delivery %+v", rows[0])
	}
}

// A receiver that is slow holds up nobody else.
func TestSlowReceiverHoldsUpNobody(t *testing.T) {
	t.Parallel()
	s, k := start(t), newSink(t)
	s.channel(k, "slow", "down")
	s.channel(k, "quick", "down")
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	k.reply(func(d delivery) int {
		if d.to == "slow" {
			<-release
		}
		return http.StatusOK
	})
	var ids []int
	for range 3 {
		ids = append(ids, s.create(tcpMonitor("127.0.0.1", refusing(t), obj{"retry_interval_seconds": 1})))
	}
	for _, id := range ids {
		s.statusIs(id, "down", 15*time.Second)
	}
	eventually(t, 8*time.Second, "three messages to the quick receiver", func() error {
		if got := k.got(func(d delivery) bool { return d.to == "quick" }); len(got) != 3 {
			return fmt.Errorf("%d came", len(got))
		}
		return nil
	})
}

// Whoever acknowledges an incident says that it is being worked on, not that it is over.
func TestAcknowledgedIncidentRecovers(t *testing.T) {
	t.Parallel()
	s, k, target := start(t), newSink(t), newSite(t, nil)
	s.channel(k, "ops")
	id := s.create(httpMonitor(target.url(), obj{"retry_interval_seconds": 1}))
	s.statusIs(id, "up", 10*time.Second)
	target.stop()
	s.statusIs(id, "down", 15*time.Second)
	k.wait(t, "ops", "monitor.down", 10*time.Second)
	path := fmt.Sprintf("/api/uptime/incidents/%d", s.incidents(id)[0].ID)
	for range 2 { // twice is no mistake
		acked := want[struct {
			Status string
			By     *string    `json:"acknowledged_by"`
			At     *time.Time `json:"acknowledged_at"`
		}](s, 200, s.do("PATCH", path+"/acknowledge", nil))
		if acked.Status != "acknowledged" || acked.By == nil || acked.At == nil {
			t.Errorf("acknowledged: %+v", acked)
		}
	}
	target.start()
	s.statusIs(id, "up", 15*time.Second)
	k.wait(t, "ops", "monitor.recovered", 10*time.Second)
	if in := s.incidents(id); len(in) != 1 || in[0].Status != "resolved" || in[0].ResolvedBy != nil || in[0].End == nil {
		t.Errorf("incidents %+v", in)
	}
	if r := s.do("PATCH", path+"/acknowledge", nil); r.status < 400 || r.status >= 500 {
		t.Errorf("acknowledging what is over: %d %s", r.status, r.body)
	}
}
