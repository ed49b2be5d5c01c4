package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// seen is a request as a target got it.
type seen struct {
	method, path, body string
	header             http.Header
}

// recorder remembers the last request of each path.
type recorder struct {
	mu   sync.Mutex
	last map[string]seen
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last[req.URL.Path] = seen{req.Method, req.URL.Path, string(body), req.Header}
	if req.URL.Path == "/moved" {
		http.Redirect(w, req, "/there", http.StatusFound)
	}
}

func (r *recorder) at(path string) seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last[path]
}

// What a monitor says is what its target gets: method, headers, body, credentials.
func TestRequestsAsConfigured(t *testing.T) {
	t.Parallel()
	s, r := start(t), &recorder{last: map[string]seen{}}
	target := newSite(t, r.ServeHTTP)
	check := func(t *testing.T, path string, config obj) seen {
		t.Helper()
		s := s.of(t)
		config["url"] = "http://" + target.addr + path
		e := s.firstEvent(s.create(httpMonitor("", obj{"interval_seconds": daily, "http_config": config})), 10*time.Second)
		if e.Status != "success" {
			t.Errorf("%v: %s %s", config, e.Status, text(e.ErrorMessage))
		}
		return r.at(path)
	}
	for _, method := range []string{"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"} {
		config := obj{"method": method, "headers": obj{"X-Frog": "green", "Content-Type": "text/plain"}}
		if method != "GET" && method != "HEAD" {
			config["body"] = "ribbit " + method
		}
		got := check(t, "/"+method, config)
		body, _ := config["body"].(string)
		if got.method != method || got.body != body || got.header.Get("X-Frog") != "green" || got.header.Get("Content-Type") != "text/plain" {
			t.Errorf("%s became %+v", method, got)
		}
		if got.header.Get("User-Agent") == "" || got.header.Get("Authorization") != "" {
			t.Errorf("%s has User-Agent %q and Authorization %q", method, got.header.Get("User-Agent"), got.header.Get("Authorization"))
		}
	}
	if got := check(t, "/agent", obj{"user_agent": "Frog/1.0"}); got.header.Get("User-Agent") != "Frog/1.0" {
		t.Errorf("User-Agent %q", got.header.Get("User-Agent"))
	}
	for kind, tt := range map[string]struct {
		credentials  obj
		name, header string
	}{
		"none":          {nil, "Authorization", ""},
		"basic":         {obj{"username": "Aladdin", "password": "open sesame"}, "Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
		"bearer":        {obj{"token": "abc.def"}, "Authorization", "Bearer abc.def"},
		"api_key":       {obj{"value": "k-123"}, "X-Api-Key", "k-123"},
		"custom_header": {obj{"header_name": "X-Pond", "header_value": "deep"}, "X-Pond", "deep"},
	} {
		auth := obj{"type": kind}
		if tt.credentials != nil {
			auth["credentials"] = tt.credentials
		}
		if got := check(t, "/auth/"+kind, obj{"auth": auth}); got.header.Get(tt.name) != tt.header {
			t.Errorf("auth %s sent %s %q, want %q", kind, tt.name, got.header.Get(tt.name), tt.header)
		}
	}

	check(t, "/moved", obj{"follow_redirects": false}) // a redirect is an answer: 200 to 399 passes
	if got := r.at("/there"); got.method != "" {
		t.Errorf("a redirect was followed to %+v", got)
	}
	check(t, "/moved", obj{})
	if got := r.at("/there"); got.method != "GET" {
		t.Error("a redirect was not followed")
	}
}

// Addresses of both families are checked as what they are, and the result names them.
func TestAddressFamilies(t *testing.T) {
	t.Parallel()
	six, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skipf("this machine has no IPv6 loopback: %v", err)
	}
	t.Cleanup(func() { _ = six.Close() })
	go func() { _ = http.Serve(six, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})) }()
	port := portOf(t, six.Addr().String())
	four := newSite(t, nil)
	s := start(t)
	for _, tt := range []struct {
		name, url, ip, family string
		monitor               obj
	}{
		{"tcp over IPv6", fmt.Sprintf("tcp://[::1]:%d", port), "::1", "ipv6", tcpMonitor("::1", port, nil)},
		{"http over IPv6", fmt.Sprintf("http://[::1]:%d/", port), "::1", "ipv6", httpMonitor(fmt.Sprintf("http://[::1]:%d/", port), nil)},
		{"tcp over IPv4", fmt.Sprintf("tcp://127.0.0.1:%d", four.port()), "127.0.0.1", "ipv4", tcpMonitor("127.0.0.1", four.port(), nil)},
		{"a name, IPv4 only", fmt.Sprintf("tcp://localhost:%d", four.port()), "127.0.0.1", "ipv4",
			tcpMonitor("", 0, obj{"tcp_config": obj{"host": "localhost", "port": four.port(), "ip_version": "ipv4"}})},
	} {
		e := s.firstEvent(s.create(tt.monitor), 10*time.Second)
		if e.Status != "success" || e.MonitorURL != tt.url || text(e.ResolvedIP) != fmt.Sprintf("%q", tt.ip) || text(e.IPFamily) != fmt.Sprintf("%q", tt.family) {
			t.Errorf("%s: %s of %s, connected to %s (%s): %s", tt.name, e.Status, e.MonitorURL, text(e.ResolvedIP), text(e.IPFamily), text(e.ErrorMessage))
		}
	}
}

// A failed attempt is repeated within its slot, and one that degrades is told apart.
func TestRetriesAndDegraded(t *testing.T) {
	t.Parallel()
	s, k := start(t), newSink(t)
	s.channel(k, "ops", "degraded", "recovery")
	var mu sync.Mutex
	tries := 0
	flaky := newSite(t, func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if tries++; tries < 3 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	e := s.firstEvent(s.create(httpMonitor(flaky.url(), obj{"interval_seconds": daily, "retries": obj{"attempts": 3, "delay_ms": 10}})), 10*time.Second)
	if e.Status != "success" || e.Attempt != 3 {
		t.Errorf("two failing attempts of three: %s at attempt %d", e.Status, e.Attempt)
	}

	slow := newSite(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(200 * time.Millisecond):
		case <-r.Context().Done():
		}
	})
	id := s.create(httpMonitor(slow.url(), obj{"degraded_above_ms": 100}))
	s.statusIs(id, "degraded", 10*time.Second)
	k.wait(t, "ops", "monitor.degraded", 10*time.Second)
	if in := s.incidents(id); len(in) != 0 {
		t.Errorf("slow is not down, and yet: %+v", in)
	}
	slow.behave(func(http.ResponseWriter, *http.Request) {})
	s.statusIs(id, "up", 10*time.Second)
	if states := s.states(id); slices.Contains(states, "down") {
		t.Errorf("states %v", states)
	}
}

// Checks by hand run at once, are stored like any other, and are not a way to flood.
func TestCheckByHand(t *testing.T) {
	t.Parallel()
	s, target := start(t), newSite(t, nil)
	id := s.create(httpMonitor(target.url(), obj{"interval_seconds": daily}))
	first := s.firstEvent(id, 10*time.Second)
	path := fmt.Sprintf("/api/uptime/monitors/%d/check", id)
	byHand := want[event](s, 200, s.do("POST", path, obj{}))
	if byHand.Status != "success" || byHand.EventID == first.EventID {
		t.Errorf("by hand: %+v", byHand)
	}
	eventually(t, 10*time.Second, "the check in the history", func() error {
		for _, e := range s.events(id, "") {
			if e.EventID == byHand.EventID && e.Status == byHand.Status {
				return nil
			}
		}
		return fmt.Errorf("%s is not there", byHand.EventID)
	})
	var limited reply
	ran := 2 // the first check and the one by hand
	for range 10 {
		if limited = s.do("POST", path, obj{}); limited.status != 200 {
			break
		}
		ran++
	}
	if limited.status != http.StatusTooManyRequests || limited.header.Get("Retry-After") == "" {
		t.Errorf("ten checks at once: %d, Retry-After %q", limited.status, limited.header.Get("Retry-After"))
	}
	if r := s.do("POST", path, obj{"region": "atlantis"}); r.status != http.StatusBadRequest && r.status != http.StatusTooManyRequests {
		t.Errorf("a check from nowhere: %d %s", r.status, r.body)
	}
	eventually(t, 10*time.Second, "all checks in the history", func() error {
		if got := len(s.events(id, "")); got != ran {
			return fmt.Errorf("%d of %d are there", got, ran)
		}
		return nil
	})
	tried := want[event](s, 200, s.do("POST", "/api/uptime/monitors/test", obj{"monitor_type": "http", "http_config": obj{"url": target.url()}}))
	if tried.Status != "success" || tried.EventID != "" || tried.MonitorID != 0 || len(s.events(id, "")) != ran {
		t.Errorf("an unsaved configuration: %+v", tried)
	}
}
