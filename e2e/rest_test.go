package e2e

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// obj is a JSON object.
type obj = map[string]any

// want decodes r's body into a T and fails the test if the status is another.
func want[T any](s *server, status int, r reply) T {
	s.t.Helper()
	var v T
	if r.status != status {
		s.t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	if len(r.body) > 0 {
		if err := json.Unmarshal(r.body, &v); err != nil {
			s.t.Fatalf("decode %s: %v", r.body, err)
		}
	}
	return v
}

// event is the part of an event that scenarios look at.
type event struct {
	EventID          string    `json:"event_id"`
	MonitorID        int       `json:"monitor_id"`
	Region           string    `json:"region"`
	Timestamp        time.Time `json:"timestamp"`
	ScheduledAt      time.Time `json:"scheduled_at"`
	Status           string    `json:"status"`
	StatusCode       *int      `json:"status_code"`
	ResponseTimeMS   int       `json:"response_time_ms"`
	ErrorType        *string   `json:"error_type"`
	ErrorMessage     *string   `json:"error_message"`
	FailedPhase      *string   `json:"failed_phase"`
	ValidationErrors []string  `json:"validation_errors"`
	MissedCount      int       `json:"missed_count"`
	DNSTimeMS        *int      `json:"dns_time_ms"`
	TCPTimeMS        *int      `json:"tcp_time_ms"`
	Attempt          int       `json:"attempt"`
	MonitorURL       string    `json:"monitor_url"`
	ResolvedIP       *string   `json:"resolved_ip"`
	IPFamily         *string   `json:"ip_family"`
	TotalUS          float64   `json:"response_time_us"`
	DNSUS            *float64  `json:"dns_time_us"`
	TCPUS            *float64  `json:"tcp_time_us"`
	TLSUS            *float64  `json:"tls_time_us"`
	TTFBUS           *float64  `json:"ttfb_us"`
	TransferUS       *float64  `json:"transfer_time_us"`
}

func (e event) errorType() string {
	if e.ErrorType == nil {
		return ""
	}
	return *e.ErrorType
}

func (e event) phase() string {
	if e.FailedPhase == nil {
		return ""
	}
	return *e.FailedPhase
}

// create stores a monitor and returns its id.
func (s *server) create(monitor obj) int {
	s.t.Helper()
	return want[struct{ ID int }](s, 201, s.do("POST", "/api/uptime/monitors", monitor)).ID
}

func httpMonitor(url string, more obj) obj {
	m := obj{"name": "web", "monitor_type": "http", "interval_seconds": 1, "http_config": obj{"url": url, "timeout_ms": 2000}}
	for k, v := range more {
		m[k] = v
	}
	return m
}

func tcpMonitor(host string, port int, more obj) obj {
	m := obj{"name": "port", "monitor_type": "tcp", "interval_seconds": 1, "tcp_config": obj{"host": host, "port": port, "timeout_ms": 2000}}
	for k, v := range more {
		m[k] = v
	}
	return m
}

// events reads every stored result of a monitor, newest first.
func (s *server) events(id int, query string) []event {
	s.t.Helper()
	var all []event
	token := ""
	for {
		path := fmt.Sprintf("/api/uptime/monitors/%d/events?limit=1000%s", id, query)
		if token != "" {
			path += "&page_token=" + token
		}
		page := want[struct {
			Events     []event
			Pagination struct {
				Next *string `json:"next_page_token"`
			}
		}](s, 200, s.do("GET", path, nil))
		all = append(all, page.Events...)
		if page.Pagination.Next == nil {
			return all
		}
		token = *page.Pagination.Next
	}
}

// firstEvent waits for a monitor's first result that ran.
func (s *server) firstEvent(id int, limit time.Duration) event {
	s.t.Helper()
	var found event
	eventually(s.t, limit, "a first result", func() error {
		for _, e := range s.events(id, "") {
			if e.Status != "missed" {
				found = e
				return nil
			}
		}
		return fmt.Errorf("monitor %d has none", id)
	})
	return found
}

// statusIs waits until a monitor's current status is what.
func (s *server) statusIs(id int, what string, limit time.Duration) {
	s.t.Helper()
	eventually(s.t, limit, "monitor "+fmt.Sprint(id)+" to be "+what, func() error {
		st := want[struct {
			Current string `json:"current_status"`
		}](s, 200, s.do("GET", fmt.Sprintf("/api/uptime/monitors/%d/status", id), nil))
		if st.Current != what {
			return fmt.Errorf("it is %s", st.Current)
		}
		return nil
	})
}
