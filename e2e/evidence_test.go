package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// found is one piece of evidence.
type found struct {
	MonitorID    int       `json:"monitor_id"`
	Region       string    `json:"region"`
	ScheduledAt  time.Time `json:"scheduled_at"`
	Cause        string    `json:"cause"`
	Summary      string    `json:"summary"`
	FirstFailure struct {
		event
		Headers map[string]string `json:"response_headers"`
		Details struct {
			Certificates []struct {
				Valid    bool
				Problems []string
			}
		}
	} `json:"first_failure"`
	Body *struct {
		Text *string
		Size int `json:"size_bytes"`
	}
	Steps []struct {
		Kind, Outcome, Target string
		Resolver              *string
		StatusCode            *int `json:"status_code"`
	}
}

// evidence waits for what was found out about a monitor's first incident, and returns the incident too.
func (s *server) evidence(id int) (incident, found, []byte) {
	s.t.Helper()
	var in incident
	eventually(s.t, 20*time.Second, "the incident", func() error {
		all := s.incidents(id)
		if len(all) == 0 {
			return errors.New("there is none")
		}
		in = all[len(all)-1]
		return nil
	})
	var list struct{ Evidence []found }
	var raw []byte
	eventually(s.t, 30*time.Second, "the evidence", func() error {
		r := s.do("GET", fmt.Sprintf("/api/uptime/incidents/%d/evidence", in.ID), nil)
		raw = r.body
		list = want[struct{ Evidence []found }](s, 200, r)
		if len(list.Evidence) == 0 {
			return errors.New("there is none")
		}
		return nil
	})
	if len(list.Evidence) != 1 {
		s.t.Fatalf("one region's outage has %d pieces of evidence: %s", len(list.Evidence), raw)
	}
	e := list.Evidence[0]
	if e.MonitorID != id || e.Region != "local" || !e.ScheduledAt.Equal(in.Start) {
		s.t.Errorf("evidence of monitor %d, region %s, slot %v for an incident of %d since %v", e.MonitorID, e.Region, e.ScheduledAt, id, in.Start)
	}
	return in, e, raw
}

// An outage is told with its cause: what the first failing check saw, and what was found out at once.
func TestOutagesHaveEvidence(t *testing.T) {
	t.Parallel()
	f, trusting := faults(t)
	names, err := faulttest.StartDNS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = names.Close() })
	names.SetTTL(1)
	names.Set("shop.test", faulttest.Records, "127.0.0.1")
	s := start(t, trusting)
	const token, password = "t0ken-in-the-query-0815", "passw0rd-0815"
	closing, failing := newSite(t, nil), newSite(t, nil)
	quick := obj{"retry_interval_seconds": 1}
	closed := s.create(tcpMonitor("127.0.0.1", closing.port(), quick))
	page := s.create(httpMonitor(failing.url()+"status?page=1&token="+token, obj{"retry_interval_seconds": 1, "http_config": obj{
		"url": failing.url() + "status?page=1&token=" + token, "timeout_ms": 2000,
		"auth": obj{"type": "basic", "credentials": obj{"username": "frog", "password": password}},
	}}))
	named := s.create(tcpMonitor("shop.test", failing.port(), obj{
		"retry_interval_seconds": 1, "dns_config": obj{"servers": []string{names.Addr().String()}, "max_ttl_seconds": 0},
	}))
	expired := s.create(httpMonitor(f.URL(faulttest.TLSExpired), quick))
	for _, id := range []int{closed, page, named} {
		s.statusIs(id, "up", 15*time.Second)
	}
	closing.stop()
	failing.behave(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Why", "the database")
		w.Header().Set("Set-Cookie", "session=cookie-0815")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "out of <b>order</b>\n"+r.URL.String()+"\n"+r.Header.Get("Authorization")+"\n")
	})
	names.Set("shop.test", faulttest.NXDomain)
	for _, id := range []int{closed, page, named, expired} {
		s.statusIs(id, "down", 20*time.Second)
	}

	t.Run("a closed port", func(t *testing.T) {
		_, e, _ := s.of(t).evidence(closed)
		if e.Cause != "port_closed" || !strings.Contains(e.Summary, strconv.Itoa(closing.port())) || e.FirstFailure.errorType() != "connection_refused" || e.Body != nil {
			t.Errorf("%+v", e)
		}
	})
	t.Run("an expired certificate", func(t *testing.T) {
		_, e, _ := s.of(t).evidence(expired)
		if e.Cause != "certificate" || e.FirstFailure.errorType() != "certificate_expired" || len(e.FirstFailure.Details.Certificates) != 1 || len(e.FirstFailure.Details.Certificates[0].Problems) == 0 {
			t.Errorf("%+v", e)
		}
	})
	t.Run("a name that is gone", func(t *testing.T) {
		_, e, _ := s.of(t).evidence(named)
		if e.Cause != "dns_name_gone" || !strings.Contains(e.Summary, "shop.test") || e.FirstFailure.errorType() != "dns_nxdomain" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("a server that fails", func(t *testing.T) {
		_, e, raw := s.of(t).evidence(page)
		if e.Cause != "server_error" || e.FirstFailure.StatusCode == nil || *e.FirstFailure.StatusCode != 503 || e.FirstFailure.Headers["X-Why"] != "the database" {
			t.Errorf("%+v", e)
		}
		if e.Body == nil || e.Body.Text == nil || !strings.HasPrefix(*e.Body.Text, "out of <b>order</b>\n") {
			t.Errorf("body %+v", e.Body)
		}
		for _, secret := range []string{token, password, "cookie-0815", "ZnJvZzpwYXNzdzByZC0wODE1"} {
			if strings.Contains(string(raw), secret) {
				t.Errorf("%s stands in %s", secret, raw)
			}
		}
		if last := e.Steps[len(e.Steps)-1]; last.Kind != "http" || last.Outcome != "failed" || last.StatusCode == nil || *last.StatusCode != 503 {
			t.Errorf("steps %+v", e.Steps)
		}
	})
	t.Run("by monitor and by the command", func(t *testing.T) {
		s := s.of(t)
		in, e, _ := s.evidence(closed)
		list := want[struct{ Evidence []found }](s, 200, s.do("GET", fmt.Sprintf("/api/uptime/monitors/%d/evidence?limit=1&start_date=%s", closed, in.Start.Format(time.RFC3339Nano)), nil))
		if len(list.Evidence) != 1 || list.Evidence[0].Summary != e.Summary {
			t.Errorf("of the monitor: %+v", list.Evidence)
		}
		if r := s.do("GET", "/api/uptime/incidents/4000000000/evidence", nil); r.status != 404 {
			t.Errorf("evidence of no incident: %d %s", r.status, r.body)
		}
		env := []string{"FROGUP_SERVER=" + s.base, "FROGUP_API_KEY=" + adminKey}
		for _, args := range [][]string{{"evidence", "--incident", strconv.Itoa(in.ID)}, {"evidence", strconv.Itoa(closed)}, {"get", strconv.Itoa(closed)}} {
			stdout, stderr, code := frogup(t, env, append([]string{"monitors"}, args...)...)
			if code != 0 || !strings.Contains(stdout, e.Summary) || !strings.Contains(stdout, "port_closed") {
				t.Errorf("frogup monitors %v: exit code %d\n%s%s", args, code, stdout, stderr)
			}
		}
	})
}
