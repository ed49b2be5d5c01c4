package app

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// closedPort is an address on which nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	for range 100 {
		// Below the ports that the kernel gives to outgoing connections, so that nobody takes it by chance.
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 12_000+rand.IntN(18_000))); err == nil {
			_ = l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}

// silentPort accepts connections and never says a word.
func silentPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String() // the kernel accepts; nobody reads
}

// echoServer answers with what it was asked, and counts.
func echoServer(t *testing.T, hits *atomic.Int64) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := hits.Add(1)
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/landed", http.StatusFound)
			return
		case "/down":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/second-fails":
			if n == 2 {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}
		w.Header().Set("X-Foo", "bar")
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(w, "%s %s token=%s body=%s", r.Method, r.URL.Path, r.Header.Get("X-Token"), body)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestCheckExitCodes(t *testing.T) {
	var hits atomic.Int64
	server := echoServer(t, &hits)
	for _, tt := range []struct {
		name   string
		args   []string
		code   int
		status string // in the JSON record; empty if nothing was checked
		typ    string
	}{
		{"answer", []string{server.URL}, 0, "success", ""},
		{"status", []string{server.URL + "/down"}, 1, "failure", "validation_failed"},
		{"refused", []string{closedPort(t)}, 1, "failure", "connection_refused"},
		{"connects", []string{silentPort(t)}, 0, "success", ""},
		{"connects, with scheme", []string{"tcp://" + silentPort(t)}, 0, "success", ""},
		{"too slow", []string{"http://" + silentPort(t), "--timeout", "50ms"}, 1, "timeout", "headers_timeout"},
		{"policy", []string{server.URL, "--egress", "public-only"}, 2, "error", "egress_denied"},
		{"policy with exception", []string{server.URL, "--egress", "public-only", "--egress", "allow 127.0.0.0/8"}, 0, "success", ""},
		{"no such policy", []string{server.URL, "--egress", "sometimes"}, 2, "", ""},
		{"redirect", []string{server.URL + "/redirect"}, 0, "success", ""},
		{"no argument", nil, 2, "", ""},
		{"bad target", []string{"example.com"}, 2, "", ""},
		{"bad URL", []string{"http://a b/"}, 2, "", ""},
		{"user in URL", []string{"http://u:p@example.com/"}, 2, "", ""},
		{"bad timeout", []string{server.URL, "--timeout", "-1s"}, 2, "", ""},
		{"bad method", []string{server.URL, "--method", "BREW"}, 2, "", ""},
		{"bad header", []string{server.URL, "-H", "nocolon"}, 2, "", ""},
		{"framing header", []string{server.URL, "-H", "Content-Length: 5"}, 2, "", ""},
		{"bad family", []string{server.URL, "--ip-version", "ipv5"}, 2, "", ""},
		{"other family", []string{server.URL, "--ip-version", "ipv6"}, 2, "", ""},
		{"bad rule", []string{server.URL, "--rule", "color=red"}, 2, "", ""},
		{"HTTP flag for TCP", []string{closedPort(t), "--method", "GET"}, 2, "", ""},
		{"HTTP rule for TCP", []string{closedPort(t), "--rule", "status_code=200"}, 2, "", ""},
		{"bad count", []string{server.URL, "--count", "-1"}, 2, "", ""},
		{"flood", []string{server.URL, "--interval", "1ms"}, 2, "", ""},
		{"unknown flag", []string{server.URL, "--nope"}, 2, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := runVerb(t, t.Context(), nil, "", append([]string{"check", "--json"}, tt.args...)...)
			if got.code != tt.code {
				t.Errorf("exit code %d, want %d; stdout %s stderr %s", got.code, tt.code, got.stdout, got.stderr)
			}
			if tt.status == "" {
				if got.stdout != "" || !strings.HasPrefix(got.stderr, "frogup: ") {
					t.Errorf("stdout %q, stderr %q; want a message on stderr only", got.stdout, got.stderr)
				}
				return
			}
			var record checkRecord
			if err := json.Unmarshal([]byte(got.stdout), &record); err != nil {
				t.Fatalf("%v in %q", err, got.stdout)
			}
			typ := ""
			if record.ErrorType != nil {
				typ = *record.ErrorType
			}
			if record.Status != tt.status || typ != tt.typ {
				t.Errorf("status %q, error_type %q, want %q, %q", record.Status, typ, tt.status, tt.typ)
			}
		})
	}
}

func TestCheckRules(t *testing.T) {
	var hits atomic.Int64
	server := echoServer(t, &hits)
	for _, tt := range []struct {
		rule string
		path string
		code int
	}{
		{"status_code=200", "/", 0},
		{"status_code=503", "/down", 0}, // what is expected is no failure
		{"status_code=200", "/down", 1},
		{"status_code!=200", "/", 1},
		{"status_code=200,204", "/", 0},
		{"status_code!=200,204", "/", 1},
		{"response_time<1m", "/", 0},
		{"response_time>1m", "/", 1},
		{"size<1000", "/", 0},
		{"size>1000", "/", 1},
		{"body~token=", "/", 0},
		{"body~TOKEN=", "/", 1},
		{"body/i~TOKEN=", "/", 0},
		{"body!~token=", "/", 1},
		{"body/i!~TOKEN=", "/", 1},
		{"body!~absent", "/", 0},
		{"header:x-foo", "/", 0},
		{"header:X-Bar", "/", 1},
		{"header:X-Foo=bar", "/", 0},
		{"header:X-Foo=ba", "/", 1},
		{"header:X-Foo~ba", "/", 0},
	} {
		got := runVerb(t, t.Context(), nil, "", "check", server.URL+tt.path, "--rule", tt.rule)
		if got.code != tt.code {
			t.Errorf("--rule %q on %s: exit code %d, want %d\n%s%s", tt.rule, tt.path, got.code, tt.code, got.stdout, got.stderr)
		}
		if tt.code == 1 && !strings.Contains(got.stdout, "\n  rule         ✘ ") {
			t.Errorf("--rule %q: no broken rule in\n%s", tt.rule, got.stdout)
		}
	}
	if got := runVerb(t, t.Context(), nil, "", "check", silentPort(t), "--rule", "response_time>1m"); got.code != 1 {
		t.Errorf("response_time of a TCP check: exit code %d, want 1\n%s%s", got.code, got.stdout, got.stderr)
	}
}

func TestCheckRequest(t *testing.T) {
	var hits atomic.Int64
	server := echoServer(t, &hits)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"/a", "-H", "X-Token:  s3cret "}, "GET /a token=s3cret body="},
		{[]string{"/a", "--data", "hello"}, "POST /a token= body=hello"},
		{[]string{"/a", "--data", "hello", "--method", "put"}, "PUT /a token= body=hello"},
		{[]string{"/redirect"}, "GET /landed token= body="},
	} {
		args := append([]string{"check", server.URL + tt.args[0], "--rule", "body~" + tt.want, "--rule", fmt.Sprintf("size<%d", len(tt.want)+1)}, tt.args[1:]...)
		if got := runVerb(t, t.Context(), nil, "", args...); got.code != 0 {
			t.Errorf("%q: exit code %d\n%s%s", tt.args, got.code, got.stdout, got.stderr)
		}
	}
	got := runVerb(t, t.Context(), nil, "", "check", server.URL+"/redirect", "--no-follow", "--rule", "status_code=302", "--rule", "header:Location=/landed")
	if got.code != 0 {
		t.Errorf("--no-follow: exit code %d\n%s%s", got.code, got.stdout, got.stderr)
	}
}

func TestCheckSeries(t *testing.T) {
	var hits atomic.Int64
	server := echoServer(t, &hits)
	got := runVerb(t, t.Context(), nil, "", "check", server.URL+"/second-fails", "--count", "3", "--interval", "10ms")
	lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
	if got.code != 1 || hits.Load() != 3 || len(lines) != 7 || lines[5] != "3 checks: 2 success, 1 failure" ||
		!strings.HasPrefix(lines[6], "response time of the successes: min ") {
		t.Errorf("exit code %d, %d requests, printed\n%s", got.code, hits.Load(), got.stdout)
	}

	got = runVerb(t, t.Context(), nil, "", "check", server.URL, "--count", "2", "--interval", "10ms", "--json")
	dec := json.NewDecoder(strings.NewReader(got.stdout))
	var statuses []string
	for dec.More() {
		var record checkRecord
		if err := dec.Decode(&record); err != nil {
			t.Fatal(err)
		}
		statuses = append(statuses, record.Status)
	}
	if diff := cmp.Diff([]string{"success", "success"}, statuses); diff != "" || strings.Count(got.stdout, "\n") != 2 {
		t.Errorf("want one line of JSON per check, got\n%s", got.stdout)
	}
}

func TestCheckInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var hits atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if hits.Add(1) == 3 {
			cancel()
			<-r.Context().Done() // so that the third check cannot end otherwise
		}
	}))
	defer server.Close()
	got := runVerb(t, ctx, nil, "", "check", server.URL, "--count", "0", "--interval", "10ms")
	if got.code != 0 || !strings.Contains(got.stdout, "\n2 checks: 2 success\n") {
		t.Errorf("endless series: exit code %d, printed\n%s%s", got.code, got.stdout, got.stderr)
	}
	got = runVerb(t, ctx, nil, "", "check", server.URL)
	if got.code != 2 || got.stderr != "frogup: interrupted\n" || got.stdout != "" {
		t.Errorf("interrupted at once: exit code %d, printed\n%s%s", got.code, got.stdout, got.stderr)
	}
}

// The environment of a server must not leak into a check: FROGUP_DATA is a folder there.
func TestCheckIgnoresServeEnvironment(t *testing.T) {
	var hits atomic.Int64
	server := echoServer(t, &hits)
	env := map[string]string{"FROGUP_DATA": "/var/lib/frogup", "FROGUP_EGRESS": "public-only", "FROGUP_TIMEOUT": "x"}
	got := runVerb(t, t.Context(), env, "", "check", server.URL, "--rule", "body~GET / token= body=")
	if got.code != 0 {
		t.Errorf("exit code %d\n%s%s", got.code, got.stdout, got.stderr)
	}
}

func TestCheckTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // it will complain: nobody trusts it
	server.StartTLS()
	defer server.Close()
	got := runVerb(t, t.Context(), nil, "", "check", server.URL)
	for _, want := range []string{"✘ failure  certificate_invalid", "  tls    ", "✘ failed", "expires      valid until ", "✘ not valid", "signed by itself", "failed in    tls"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("%q is not in\n%s", want, got.stdout)
		}
	}
	if got.code != 1 {
		t.Errorf("exit code %d, want 1", got.code)
	}
}

// With its authority a certificate is fine, over http, tls and tcp alike, and its rules are shown one by one.
func TestCheckTrustedTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Strict-Transport-Security", "max-age=86400; includeSubDomains")
		_, _ = io.WriteString(w, `{"status":"ok","left":7}`)
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	defer server.Close()
	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	address := server.Listener.Addr().String()
	for _, tt := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{server.URL, "--ca", authority, "--rule", "http_version=2", "--rule", "json:$.status=ok", "--rule", "json:$.left>9", "--rule", "cert_days>30"}, 1, []string{
			"✘ failure  validation_failed  200 OK", "certificate  " + address + "  ✔ valid", "names        example.com, *.example.com, 127.0.0.1, ::1",
			"security     HSTS for 1 day with subdomains", "rule         ✔ http_version", "rule         ✘ json_path $.left", "got 7",
		}},
		{[]string{"tls://" + address, "--ca", authority, "--rule", "cert_valid", "--rule", "cert_issuer~Acme"}, 0, []string{
			"✔ success", "tls://" + address, "issuer       O=Acme Co", "rule         ✔ certificate_valid", "rule         ✔ certificate_issuer",
		}},
		{[]string{address, "--tls", "--ca", authority, "--sni", "example.com"}, 0, []string{"✔ success", "tcp://" + address, "✔ valid"}},
		{[]string{address, "--tls", "--insecure"}, 0, []string{"✔ success", "✘ not valid", "signed by itself"}},
		{[]string{address, "--ca", authority}, 2, nil},
		{[]string{server.URL, "--tls"}, 2, nil},
		{[]string{server.URL, "--ca", authority, "--insecure"}, 2, nil},
		{[]string{server.URL, "--ca", os.DevNull}, 2, nil},
		{[]string{server.URL, "--cert", authority}, 2, nil},
		{[]string{server.URL, "--http-version", "3"}, 2, nil},
		{[]string{server.URL, "--proxy", "ftp://p:1"}, 2, nil},
		{[]string{server.URL, "--server", "http://127.0.0.1:1"}, 2, nil},
	} {
		got := runVerb(t, t.Context(), nil, "", append([]string{"check"}, tt.args...)...)
		for _, want := range tt.want {
			if !strings.Contains(got.stdout, want) {
				t.Errorf("%q: %q is not in\n%s%s", tt.args, want, got.stdout, got.stderr)
			}
		}
		if got.code != tt.code {
			t.Errorf("%q: exit code %d, want %d\n%s%s", tt.args, got.code, tt.code, got.stdout, got.stderr)
		}
	}
}

// What a region's prober found is shown as if it had been found here.
func TestCheckFrom(t *testing.T) {
	const event = `{"timestamp":"2026-11-22T10:00:00.000Z","monitor_type":"http","monitor_url":"https://example.com/","status":"failure","status_code":503,
"response_time_ms":9,"response_time_us":9000,"dns_time_us":1000,"tcp_time_us":2000,"tls_time_us":3000,"ttfb_us":2500,"transfer_time_us":500,
"error_type":"validation_failed","error_message":"It answered, but not as expected","failed_phase":"validation","validation_errors":["status_code equals 200: got 503"],
"resolved_ip":"192.0.2.9","ip_family":"ipv4","tls_version":"1.3","response_headers":{"Server":"x"},"response_size_bytes":12,"attempt":1,
"details":{"certificates":[{"peer":"example.com:443","subject":"CN=example.com","issuer":"CN=R","names":["example.com"],"not_after":"2027-11-22T10:00:00.000Z","key":"ECDSA P-256","signature_algorithm":"SHA256-RSA","valid":true}],
"addresses":[{"ip":"2001:db8::1","duration_us":250000,"error_type":"connection_refused"},{"ip":"192.0.2.9","duration_us":2000,"error_type":null}],
"assertions":[{"type":"status_code","operator":"equals","value":200,"actual":503,"passed":false,"problem":"got 503"}],
"warnings":["mind this"],"http_version":"HTTP/2.0","final_url":"https://example.com/","redirects":[],"dns_cached":true}}`
	var asked atomic.Pointer[http.Request]
	var body atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r)
		b, _ := io.ReadAll(r.Body)
		body.Store(string(b))
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, event)
	}))
	defer server.Close()
	got := runVerb(t, t.Context(), nil, "", "check", "https://example.com", "--from", "eu-west", "--server", server.URL, "--api-key", "k", "--rule", "status_code=200", "--timeout", "3s")
	for _, want := range []string{
		"✘ failure  validation_failed  503 Service Unavailable", "dns ", "2.00 ms", "tried        2001:db8::1      250.0 ms  ✘ connection_refused",
		"address      192.0.2.9 port 443 (ipv4)", "known from an earlier check", "certificate  example.com:443  ✔ valid", "key          ECDSA P-256",
		"rule         ✘ status_code equals 200: got 503", "remark       ! mind this", "HTTP/2.0, 12 bytes",
	} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("%q is not in\n%s%s", want, got.stdout, got.stderr)
		}
	}
	r := asked.Load()
	if got.code != 1 || r == nil || r.Method != http.MethodPost || r.URL.Path != "/api/uptime/monitors/test" || r.URL.Query().Get("region") != "eu-west" ||
		r.Header.Get("Authorization") != "Bearer k" {
		t.Errorf("exit code %d, asked %+v", got.code, r)
	}
	for _, want := range []string{`"url":"https://example.com"`, `"timeout_ms":3000`, `"regions":["eu-west"]`, `"type":"status_code"`} {
		if sent, _ := body.Load().(string); !strings.Contains(sent, want) {
			t.Errorf("%s is not in %s", want, sent)
		}
	}
}

func TestCheckHelp(t *testing.T) {
	got := runVerb(t, t.Context(), nil, "", "check", "--help")
	for _, want := range []string{"exit code is 0", "--rule 'body~\"ok\"'", "status_code!=500,503", "--ip-version", "--egress"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("%q is not in the help", want)
		}
	}
	if got.code != 0 {
		t.Errorf("exit code %d, want 0", got.code)
	}
}
