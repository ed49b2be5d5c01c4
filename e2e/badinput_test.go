package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// problem is the body of an answer that is not a success.
type problem struct {
	Error     string
	Code      string
	Details   []struct{ Field, Message string }
	RequestID string `json:"request_id"`
}

// refused checks that a monitor is refused because of one field, and that the answer says so.
func (s *server) refused(monitor any, field, name string) {
	s.t.Helper()
	s.refusedAt("/api/uptime/monitors", monitor, field, name)
}

// refusedAt is refused for whatever is made by a POST to path.
func (s *server) refusedAt(path string, body any, field, name string) {
	s.t.Helper()
	r := s.do("POST", path, body)
	var p problem
	if err := json.Unmarshal(r.body, &p); err != nil {
		s.t.Errorf("%s: %d %s: %v", name, r.status, r.body, err)
		return
	}
	if r.status != http.StatusBadRequest || p.Code != "INVALID_ARGUMENT" || p.RequestID == "" || p.RequestID != r.header.Get("X-Request-Id") || p.Error == "" {
		s.t.Errorf("%s: %d %s, want 400", name, r.status, r.body)
	}
	for _, d := range p.Details {
		if d.Field == field && d.Message != "" {
			return
		}
	}
	s.t.Errorf("%s: no detail names %q: %s", name, field, r.body)
}

// holdsNothing checks that no monitor was stored and no change recorded.
func (s *server) holdsNothing() {
	s.t.Helper()
	if r := s.do("GET", "/api/uptime/monitors", nil); strings.TrimSpace(string(r.body)) != "[]" {
		s.t.Errorf("something was stored: %s", r.body)
	}
	if r := s.do("GET", "/api/uptime/audit", nil); strings.Contains(string(r.body), "monitor.create") {
		s.t.Errorf("a refused monitor is in the audit log: %s", r.body)
	}
}

func without(m obj, names ...string) obj {
	for _, name := range names {
		delete(m, name)
	}
	return m
}

// Bad input is answered with the field and the reason, and nothing of it is stored.
func TestBadInput(t *testing.T) {
	t.Parallel()
	s := start(t)
	const url = "http://127.0.0.1/"
	web := func(more obj) obj { return httpMonitor(url, more) }
	config := func(more obj) obj {
		c := obj{"url": url}
		for k, v := range more {
			c[k] = v
		}
		return web(obj{"http_config": c})
	}
	address := func(u string) obj { return config(obj{"url": u}) }
	dns := func(servers ...string) obj { return web(obj{"dns_config": obj{"servers": servers}}) }
	port := func(host string, port any) obj {
		return tcpMonitor("x", 1, obj{"tcp_config": obj{"host": host, "port": port}})
	}
	for _, tt := range []struct {
		name, field string
		monitor     any
	}{
		{"name absent", "name", without(web(nil), "name")},
		{"name empty", "name", web(obj{"name": ""})},
		{"name null", "name", web(obj{"name": nil})},
		{"name blank", "name", web(obj{"name": "   "})},
		{"name too long", "name", web(obj{"name": strings.Repeat("ü", 201)})},
		{"name with a control character", "name", web(obj{"name": "a\u0000b"})},
		{"interval 0", "interval_seconds", web(obj{"interval_seconds": 0})},
		{"interval negative", "interval_seconds", web(obj{"interval_seconds": -1})},
		{"interval 86401", "interval_seconds", web(obj{"interval_seconds": 86401})},
		{"interval with a fraction", "interval_seconds", web(obj{"interval_seconds": 1.5})},
		{"interval beyond 32 bits", "interval_seconds", web(obj{"interval_seconds": 1 << 40})},
		{"interval as a word", "interval_seconds", web(obj{"interval_seconds": "often"})},
		{"neither interval nor cron", "interval_seconds", without(web(nil), "interval_seconds")},
		{"interval and cron", "cron", web(obj{"cron": "* * * * *"})},
		{"cron that never fires", "cron", without(web(obj{"cron": "0 0 30 2 *"}), "interval_seconds")},
		{"cron of four fields", "cron", without(web(obj{"cron": "* * * *"}), "interval_seconds")},
		{"cron with a 61st minute", "cron", without(web(obj{"cron": "61 * * * *"}), "interval_seconds")},
		{"unknown time zone", "timezone", without(web(obj{"cron": "0 * * * *", "timezone": "Mars/Olympus"}), "interval_seconds")},
		{"type absent", "monitor_type", without(web(nil), "monitor_type")},
		{"type unknown", "monitor_type", web(obj{"monitor_type": "pigeon"})},
		{"type as a name of the schema", "monitor_type", web(obj{"monitor_type": "MONITOR_TYPE_HTTP"})},
		{"http without its config", "http_config", without(web(nil), "http_config")},
		{"tcp without its config", "tcp_config", without(tcpMonitor("h", 1, nil), "tcp_config")},
		{"both configs", "tcp_config", web(obj{"tcp_config": obj{"host": "h", "port": 1}})},
		{"port 0", "tcp_config.port", port("h", 0)},
		{"port 65536", "tcp_config.port", port("h", 65536)},
		{"port absent", "tcp_config.port", tcpMonitor("", 0, obj{"tcp_config": obj{"host": "h"}})},
		{"host empty", "tcp_config.host", port("", 1)},
		{"host is a URL", "tcp_config.host", port("http://example.com", 1)},
		{"host with a port", "tcp_config.host", port("example.com:80", 1)},
		{"host with a blank", "tcp_config.host", port("exa mple.com", 1)},
		{"unknown field", "colour", web(obj{"colour": "green"})},
		{"unknown nested field", "http_config.urll", config(obj{"urll": "x"})},
		{"URL empty", "http_config.url", address("")},
		{"URL of ftp", "http_config.url", address("ftp://example.com/")},
		{"URL of file", "http_config.url", address("file:///etc/passwd")},
		{"URL of gopher", "http_config.url", address("gopher://example.com/")},
		{"URL without a scheme", "http_config.url", address("example.com")},
		{"URL without a host", "http_config.url", address("http:///path")},
		{"URL with a password", "http_config.url", address("http://user:pass@example.com/")},
		{"URL with port 65536", "http_config.url", address("http://example.com:65536/")},
		{"URL with a line end", "http_config.url", address("http://example.com/\r\nX: y")},
		{"method unknown", "http_config.method", config(obj{"method": "BREW"})},
		{"header value with CR LF", "http_config.headers", config(obj{"headers": obj{"X-A": "b\r\nX-C: d"}})},
		{"header name with a colon", "http_config.headers", config(obj{"headers": obj{"X-A: b": "c"}})},
		{"timeout 0", "http_config.timeout_ms", config(obj{"timeout_ms": 0})},
		{"timeout too long", "http_config.timeout_ms", config(obj{"timeout_ms": 300001})},
		{"address family unknown", "http_config.ip_version", config(obj{"ip_version": "ipv5"})},
		{"auth unknown", "http_config.auth.type", config(obj{"auth": obj{"type": "kerberos"}})},
		{"bearer without a token", "http_config.auth.credentials.token", config(obj{"auth": obj{"type": "bearer"}})},
		{"unknown region", "regions[0]", web(obj{"regions": []string{"atlantis"}})},
		{"confirm_down 0", "confirm_down", web(obj{"confirm_down": 0})},
		{"quorum of more regions than there are", "quorum", web(obj{"quorum": "2"})},
		{"overlap unknown", "overlap", web(obj{"overlap": "queue"})},
		{"name server is a name", "dns_config.servers[0]", dns("dns.example.com")},
		{"name server is a URL", "dns_config.servers[0]", dns("https://192.0.2.53/")},
		{"name server with port 0", "dns_config.servers[1]", dns("192.0.2.53", "192.0.2.54:0")},
		{"name server with port 65536", "dns_config.servers[0]", dns("[2001:db8::53]:65536")},
		{"name server with a zone", "dns_config.servers[0]", dns("fe80::1%eth0")},
		{"name server of nobody", "dns_config.servers[0]", dns("0.0.0.0")},
		{"name server empty", "dns_config.servers", dns("")},
		{"name server twice", "dns_config.servers[1]", dns("192.0.2.53", "192.0.2.53:53")},
		{"five name servers", "dns_config.servers", dns("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5")},
		{"TTL negative", "dns_config.max_ttl_seconds", web(obj{"dns_config": obj{"max_ttl_seconds": -1}})},
		{"TTL of more than a day", "dns_config.max_ttl_seconds", web(obj{"dns_config": obj{"max_ttl_seconds": 86401}})},
		{"unknown field of DNS", "dns_config.server", web(obj{"dns_config": obj{"server": "192.0.2.53"}})},
	} {
		s.refusedNear(tt.monitor, tt.field, tt.name)
	}
	for name, body := range map[string]string{
		"not JSON": `{"name":`, "a list": `[]`, "a word": `"monitor"`, "null": `null`, "two documents": `{} {}`, "a field twice": `{"name":"a","name":"b"}`,
		"not UTF-8": "{\"name\":\"\xff\"}",
	} {
		r := s.do("POST", "/api/uptime/monitors", body)
		var p problem
		if err := json.Unmarshal(r.body, &p); err != nil || r.status != http.StatusBadRequest || p.Error == "" {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	if r := s.do("POST", "/api/uptime/monitors", web(obj{"http_config": obj{"url": url, "body": strings.Repeat("x", 4<<20)}})); r.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body of 4 MiB: %d %s", r.status, tail(string(r.body), 200))
	}
	if r := s.do("POST", "/api/uptime/monitors", web(nil), "Content-Type", "text/plain"); r.status != http.StatusUnsupportedMediaType {
		t.Errorf("a body that claims to be text: %d %s", r.status, r.body)
	}
	if r := s.do("GET", "/api/uptime/monitors", nil, "X-Big", strings.Repeat("x", 128<<10)); r.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("headers of 128 KiB: %d", r.status)
	}
	s.holdsNothing()
}

// Probers that cannot be, and channels that ask for what there is not, are refused with the field and the reason.
func TestBadProbersAndChannels(t *testing.T) {
	t.Parallel()
	s := start(t)
	const probers, channels = "/api/uptime/probers", "/api/uptime/notification-channels"
	channel := func(events ...any) obj {
		return obj{"type": "webhook", "name": "ops", "config": obj{"url": "https://hooks.example.com/"}, "trigger_events": events}
	}
	for _, tt := range []struct {
		name, path, field string
		body              any
	}{
		{"region absent", probers, "region", obj{}},
		{"region empty", probers, "region", obj{"region": ""}},
		{"region with a blank", probers, "region", obj{"region": "eu west"}},
		{"region with a quote", probers, "region", obj{"region": "eu'; reboot; '"}},
		{"region that ends in a dash", probers, "region", obj{"region": "eu-"}},
		{"region too long", probers, "region", obj{"region": strings.Repeat("x", 65)}},
		{"id empty", probers, "id", obj{"region": "eu", "id": ""}},
		{"id with a slash", probers, "id", obj{"region": "eu", "id": "host/eu"}},
		{"id too long", probers, "id", obj{"region": "eu", "id": strings.Repeat("x", 129)}},
		{"token of less than a minute", probers, "valid_seconds", obj{"region": "eu", "valid_seconds": 59}},
		{"token of more than a week", probers, "valid_seconds", obj{"region": "eu", "valid_seconds": 604801}},
		{"unknown field of a prober", probers, "regions", obj{"regions": []string{"eu"}}},
		{"event unknown", channels, "trigger_events[1]", channel("operator", "operators")},
		{"event as a name of the schema", channels, "trigger_events[0]", channel("TRIGGER_EVENT_OPERATOR")},
		{"event twice", channels, "trigger_events", channel("operator", "operator")},
	} {
		s.refusedAt(tt.path, tt.body, tt.field, tt.name)
	}
	for _, query := range []string{"limit=0", "limit=1001", "limit=many", "open=perhaps"} {
		r := s.do("GET", "/api/uptime/notices?"+query, nil)
		var p problem
		field, _, _ := strings.Cut(query, "=")
		if err := json.Unmarshal(r.body, &p); err != nil || r.status != http.StatusBadRequest || len(p.Details) != 1 || p.Details[0].Field != field {
			t.Errorf("notices with %s: %d %s", query, r.status, r.body)
		}
	}
	if r := s.do("GET", probers, nil); strings.Contains(string(r.body), `"eu"`) {
		t.Errorf("a refused prober was stored: %s", r.body)
	}
	if r := s.do("GET", channels, nil); strings.Contains(string(r.body), `"ops"`) {
		t.Errorf("a refused channel was stored: %s", r.body)
	}
	if r := s.do("GET", "/api/uptime/audit", nil); strings.Contains(string(r.body), "prober.enrol") || strings.Contains(string(r.body), "channel.create") {
		t.Errorf("a refusal is in the audit log: %s", r.body)
	}
}

// refusedNear is refused, where the detail may name a part of the field: one header of
// http_config.headers.
func (s *server) refusedNear(monitor any, field, name string) {
	s.t.Helper()
	r := s.do("POST", "/api/uptime/monitors", monitor)
	var p problem
	if err := json.Unmarshal(r.body, &p); err != nil {
		s.t.Errorf("%s: %d %s: %v", name, r.status, r.body, err)
		return
	}
	for _, d := range p.Details {
		if strings.HasPrefix(d.Field, field+"[") || strings.HasPrefix(d.Field, field+".") {
			field = d.Field
		}
	}
	s.refused(monitor, field, name)
}
