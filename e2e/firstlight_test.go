package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// From an empty folder to the first stored result, as a new user has it.
func TestFirstLight(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("fine")) }))
	defer target.Close()
	began := time.Now()
	s := start(t)
	t.Logf("ready after %v", time.Since(began).Round(time.Millisecond))

	created := time.Now()
	id := s.create(httpMonitor(target.URL, obj{"interval_seconds": 60}))
	e := s.firstEvent(id, 3*time.Second)
	t.Logf("first result %v after the monitor was created", time.Since(created).Round(time.Millisecond))
	if e.Status != "success" || e.StatusCode == nil || *e.StatusCode != 200 {
		t.Errorf("first result is %+v, want success with 200", e)
	}
	s.statusIs(id, "up", 3*time.Second)

	// What is not for people is for machines: one JSON object per line.
	s.stop()
	for line := range strings.Lines(s.output()) {
		var entry struct{ Time, Level, Msg string }
		if strings.HasPrefix(line, "listening on ") || strings.HasPrefix(line, "metrics on ") {
			continue
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Time == "" || entry.Level == "" || entry.Msg == "" {
			t.Errorf("log line %q: %v", line, err)
		}
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	s := start(t, asSolo)
	out, err := exec.Command(binary, "serve", "--data", s.dir, "--listen", "127.0.0.1:0").CombinedOutput()
	if err == nil {
		t.Fatal("a second process on the same folder started")
	}
	if !strings.Contains(string(out), s.dir) || !strings.Contains(string(out), "process") {
		t.Errorf("the refusal does not say what is wrong: %s", out)
	}
	if r := s.do("GET", "/api/uptime/monitors", nil); r.status != 200 {
		t.Errorf("the first process suffered: %d", r.status)
	}
}

func TestNothingWithoutCredentials(t *testing.T) {
	s := start(t)
	for _, path := range []string{"/api/uptime/monitors", "/api/uptime/monitors/1", "/api/auth/session", "/api/uptime/stream", "/api/uptime/audit"} {
		for name, header := range map[string]string{"none": "", "wrong": "Bearer nonsense-of-some-length"} {
			if r := s.do("GET", path, nil, "Authorization", header); r.status != http.StatusUnauthorized {
				t.Errorf("GET %s with %s credentials: %d, want 401: %s", path, name, r.status, r.body)
			}
		}
	}
	for _, path := range []string{"/healthz", "/readyz", "/api/openapi.json", "/api/docs", "/"} {
		if r := s.do("GET", path, nil, "Authorization", ""); r.status != http.StatusOK {
			t.Errorf("GET %s: %d, want 200", path, r.status)
		}
	}
}
