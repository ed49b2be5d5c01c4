package gateway_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/rpc"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/gateway"
)

func TestHealth(t *testing.T) {
	var down error
	e := start(t, func(c *gateway.Config) {
		c.Ready = func(context.Context) map[string]error { return map[string]error{"listener": down} }
	})
	if got := e.ask(t, "", "GET /healthz"); got.status != 200 || got.body != `{"status":"ok"}`+"\n" {
		t.Errorf("healthz: %d %s", got.status, got.body)
	}
	if got := e.ask(t, "", "GET /readyz"); got.status != 200 || got.body != `{"status":"ready"}`+"\n" {
		t.Errorf("readyz: %d %s", got.status, got.body)
	}
	want := `{"status":"ready","version":"v1.2.3","components":{"accounts":"ready","alerts":"ready","events":"ready","listener":"ready","monitors":"ready"}}` + "\n"
	if got := e.ask(t, "", "GET /readyz?verbose"); got.body != want {
		t.Errorf("readyz?verbose: %s", got.body)
	}
	down = errors.New("dial tcp 10.0.0.1: secret")
	if got := e.ask(t, "", "GET /readyz?verbose"); got.status != 503 || !strings.Contains(got.body, `"listener":"not ready"`) || strings.Contains(got.body, "secret") {
		t.Errorf("readyz when not: %d %s", got.status, got.body)
	}
}

func TestReadyAsksEveryService(t *testing.T) {
	e := start(t, func(c *gateway.Config) {
		closed := rpctest.Conn(t, "prober", func(grpc.ServiceRegistrar) {})
		c.Conns["prober"] = unreachable{closed}
	})
	got := e.ask(t, "", "GET /readyz?verbose")
	if got.status != 503 || !strings.Contains(got.body, `"prober":"not ready"`) || !strings.Contains(got.body, `"events":"ready"`) {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// unreachable is a connection whose calls fail.
type unreachable struct{ grpc.ClientConnInterface }

func (unreachable) Invoke(context.Context, string, any, any, ...grpc.CallOption) error {
	return fault.Unavailable("")
}

func TestMetrics(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "frogup_up 1\n") })
	e := start(t, func(c *gateway.Config) { c.Metrics = handler })
	e.ask(t, "", "GET /metrics").problem(t, 401, "UNAUTHENTICATED")
	if got := e.ask(t, viewerKey, "GET /metrics"); got.status != 200 || got.body != "frogup_up 1\n" {
		t.Errorf("%d %s", got.status, got.body)
	}
	start(t).ask(t, viewerKey, "GET /metrics").problem(t, 404, "NOT_FOUND")
	e = start(t, func(c *gateway.Config) { c.Metrics, c.MetricsPublic = handler, true })
	if got := e.ask(t, "", "GET /metrics"); got.status != 200 {
		t.Errorf("public: %d %s", got.status, got.body)
	}
}

func TestAudit(t *testing.T) {
	e := start(t)
	row := func(id string, second int) *auditv1.AuditEntry {
		return &auditv1.AuditEntry{Id: id, At: timestamppb.New(someTime.Add(time.Duration(second) * time.Second)), Action: "x"}
	}
	e.audit["accounts"] = []*auditv1.AuditEntry{row("a9", 9), row("a5", 5), row("a1", 1)}
	e.audit["monitors"] = []*auditv1.AuditEntry{row("m7", 7), row("m5", 5), row("m4", 4)}
	e.audit["alerts"] = []*auditv1.AuditEntry{row("l5", 5)}
	ids := func(a answer) (out []string, lastAt string) {
		var body struct {
			Entries []struct{ ID, At string }
		}
		if err := json.Unmarshal([]byte(a.body), &body); err != nil {
			t.Fatalf("%v in %s", err, a.body)
		}
		for _, e := range body.Entries {
			out, lastAt = append(out, e.ID), e.At
		}
		return out, lastAt
	}
	all, _ := ids(e.ask(t, adminKey, "GET /api/uptime/audit"))
	if want := []string{"a9", "m7", "m5", "l5", "a5", "m4", "a1"}; !slices.Equal(all, want) {
		t.Errorf("all: %v, want %v", all, want)
	}
	// Whatever the page size, paging by the last time neither skips nor repeats a row, even one of the same instant.
	for limit := 3; limit <= 7; limit++ {
		var got []string
		query := "?limit=" + string(rune('0'+limit))
		for pages := 0; pages < 10; pages++ {
			page, at := ids(e.ask(t, adminKey, "GET /api/uptime/audit"+query))
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
			query = "?limit=" + string(rune('0'+limit)) + "&before=" + at
		}
		if !slices.Equal(got, all) {
			t.Errorf("pages of %d: %v, want %v", limit, got, all)
		}
	}
	e.ask(t, adminKey, "GET /api/uptime/audit?limit=0").problem(t, 400, "INVALID_ARGUMENT")
	e.ask(t, adminKey, "GET /api/uptime/audit?befor=x").problem(t, 400, "INVALID_ARGUMENT")
	e.ask(t, editorKey, "GET /api/uptime/audit").problem(t, 403, "PERMISSION_DENIED")
	e.ask(t, "", "GET /api/uptime/audit").problem(t, 401, "UNAUTHENTICATED")
	e.set(func(b *backend) { b.fail["ListAuditEntries:alerts"] = fault.Unavailable("") })
	e.ask(t, adminKey, "GET /api/uptime/audit").problem(t, 503, "UNAVAILABLE")
}

func TestCompression(t *testing.T) {
	e := start(t)
	for id := range uint32(20) {
		e.monitors = append(e.monitors, someMonitor(id+1))
	}
	plain := e.ask(t, viewerKey, "GET /api/uptime/monitors\nAccept-Encoding: identity")
	packed := e.ask(t, viewerKey, "GET /api/uptime/monitors\nAccept-Encoding: gzip")
	if packed.header.Get("Content-Encoding") != "gzip" || len(packed.body) >= len(plain.body) {
		t.Fatalf("encoding %q, %d of %d bytes", packed.header.Get("Content-Encoding"), len(packed.body), len(plain.body))
	}
	zr, err := gzip.NewReader(strings.NewReader(packed.body))
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := io.ReadAll(zr)
	if err != nil || string(unpacked) != plain.body {
		t.Errorf("unpacked to something else: %v", err)
	}
	if small := e.ask(t, viewerKey, "GET /api/uptime/monitors/1\nAccept-Encoding: gzip"); small.header.Get("Content-Encoding") != "" {
		t.Error("a small answer was compressed")
	}
}

func TestRequestID(t *testing.T) {
	e := start(t)
	if got := e.ask(t, "", "GET /healthz\nX-Request-Id: mine_1.2-3"); got.header.Get("X-Request-Id") != "mine_1.2-3" {
		t.Errorf("a sane id was not kept: %q", got.header.Get("X-Request-Id"))
	}
	for _, bad := range []string{"a b", "<script>", strings.Repeat("x", 65)} {
		if got := e.ask(t, "", "GET /healthz\nX-Request-Id: "+bad).header.Get("X-Request-Id"); got == bad || got == "" {
			t.Errorf("%q became %q", bad, got)
		}
	}
}

func TestSpansAreNamedByRoute(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	e := start(t, func(c *gateway.Config) { c.TracerProvider = trace.NewTracerProvider(trace.WithSpanProcessor(spans)) })
	e.ask(t, viewerKey, "GET /api/uptime/monitors/99")
	e.ask(t, "", "GET /healthz")
	var names []string
	for _, s := range spans.Ended() {
		names = append(names, s.Name())
	}
	if want := []string{"GET /api/uptime/monitors/{id}"}; !slices.Equal(names, want) {
		t.Errorf("spans %v, want %v", names, want)
	}
}

func TestIdempotent(t *testing.T) {
	got, err := gateway.Idempotent("accounts")
	if err != nil || !slices.Contains(got, "/frogstats.uptime.accounts.v1.IdentityService/ResolveApiKey") ||
		!slices.Contains(got, "/frogstats.uptime.accounts.v1.AuthService/GetSession") || slices.Contains(got, "/frogstats.uptime.accounts.v1.AuthService/Login") {
		t.Errorf("%v, %v", got, err)
	}
	conn, err := rpc.Dial("passthrough:///nowhere", rpc.ClientConfig{Signer: rpctest.Signer(t), Idempotent: got})
	if err != nil {
		t.Fatalf("a client does not take it: %v", err)
	}
	_ = conn.Close()
}

func TestTooLargeAnAnswerIsNotALimit(t *testing.T) {
	e := start(t)
	e.fail["ListEvents"] = status.Error(codes.ResourceExhausted, "grpc: received message larger than max (5 vs. 4)")
	got := e.ask(t, viewerKey, "GET /api/uptime/monitors/1/events")
	if got.problem(t, 500, "INTERNAL"); strings.Contains(got.body, "grpc") {
		t.Errorf("answered %s", got.body)
	}
}

func TestPanicIsAnswered(t *testing.T) {
	e := start(t, func(c *gateway.Config) {
		c.MetricsPublic = true
		c.Metrics = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret") })
	})
	got := e.ask(t, "", "GET /metrics")
	if got.problem(t, 500, "INTERNAL"); strings.Contains(got.body, "secret") {
		t.Errorf("answered %s", got.body)
	}
}

func TestSite(t *testing.T) {
	client := fstest.MapFS{
		"index.html":         {Data: []byte("<!doctype html><title>client</title>")},
		"assets/app-1234.js": {Data: bytes.Repeat([]byte("x"), 2000)},
	}
	e := start(t, func(c *gateway.Config) { c.Client = client })
	tests := []struct {
		path, kind, cache string
		status            int
	}{
		{"/", "text/html; charset=utf-8", "no-cache", 200},
		{"/uptime/7/edit", "text/html; charset=utf-8", "no-cache", 200},
		{"/assets/app-1234.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable", 200},
		{"/assets/app-0000.js", "application/json", "no-store", 404},
		{"/../go.mod", "application/json", "no-store", 404},
	}
	for _, tt := range tests {
		got := e.ask(t, "", "GET "+tt.path)
		if got.status != tt.status || got.header.Get("Content-Type") != tt.kind || got.header.Get("Cache-Control") != tt.cache {
			t.Errorf("%s: %d %q %q", tt.path, got.status, got.header.Get("Content-Type"), got.header.Get("Cache-Control"))
		}
		if tag := got.header.Get("ETag"); tag != "" {
			if again := e.ask(t, "", "GET "+tt.path+"\nIf-None-Match: \"other\", W/"+tag); again.status != 304 || again.body != "" {
				t.Errorf("%s: %d when it is known", tt.path, again.status)
			}
		}
	}
	if got := e.ask(t, "", "POST /\n\n{}"); got.status != 405 || got.header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST /: %d", got.status)
	}
}

// What is named by its content is packed as well as it can be, for those who take it so; who does not gets the same bytes plain.
func TestScriptsArePacked(t *testing.T) {
	script, err := os.ReadFile("site.go")
	if err != nil {
		t.Fatal(err)
	}
	script = bytes.Repeat(script, 20)
	e := start(t, func(c *gateway.Config) {
		c.Client = fstest.MapFS{"index.html": {Data: []byte("<!doctype html>")}, "assets/app-1.js": {Data: script}, "assets/noise-1.png": {Data: noise(t, 4000)}}
	})
	for accepted, packed := range map[string]bool{
		"gzip": true, "br, GZIP;q=0.5": true, "*": true, "br, *;q=0.1": true,
		"identity": false, "br": false, "gzip;q=0": false, "gzip; q=0.000, *": false, "*;q=0": false,
	} {
		got := e.ask(t, "", "GET /assets/app-1.js\nAccept-Encoding: "+accepted)
		if got.status != 200 || !slices.Equal(got.header.Values("Vary"), []string{"Accept-Encoding"}) || (got.header.Get("Content-Encoding") == "gzip") != packed {
			t.Errorf("%s: %d, encoding %q, vary %q", accepted, got.status, got.header.Get("Content-Encoding"), got.header.Values("Vary"))
			continue
		}
		body := got.body
		if packed {
			zr, err := gzip.NewReader(strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			plain, err := io.ReadAll(zr)
			if err != nil {
				t.Fatal(err)
			}
			var best bytes.Buffer
			zw, _ := gzip.NewWriterLevel(&best, gzip.BestCompression) // a level that there is
			_, _ = zw.Write(script)
			_ = zw.Close()
			if len(body) > best.Len() {
				t.Errorf("%s: %d bytes, and %d are enough", accepted, len(body), best.Len())
			}
			body = string(plain)
		}
		if body != string(script) {
			t.Errorf("%s: other bytes", accepted)
		}
	}
	if got := e.ask(t, "", "GET /assets/noise-1.png\nAccept-Encoding: gzip"); got.header.Get("Content-Encoding") != "" {
		t.Error("what cannot be packed was")
	}
}

func noise(t *testing.T, n int) []byte {
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBuiltInPages(t *testing.T) {
	e := start(t)
	for _, path := range []string{"/", "/setup?token=x", "/uptime", "/uptime/create", "/uptime/7", "/uptime/7/edit", "/uptime/notifications?tab=dead", "/icon.svg", "/api/docs", "/api/openapi.json", "/api/docs/docs.js"} {
		got := e.ask(t, "", "GET "+path)
		if got.status != 200 {
			t.Errorf("%s: %d", path, got.status)
		}
		policy := got.header.Get("Content-Security-Policy")
		if strings.Contains(policy, "unsafe") || !strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", path, policy)
		}
		// The policy forbids these, so a page that had them would be broken.
		for _, bad := range []string{"<script>", "<style", " style=", " onclick=", "javascript:"} {
			if strings.Contains(got.header.Get("Content-Type"), "html") && strings.Contains(got.body, bad) {
				t.Errorf("%s: has %q", path, bad)
			}
		}
	}
	e.ask(t, "", "GET /api/docs/nothing.js").problem(t, 404, "NOT_FOUND")
}

// A reload of any of the client's pages gives its first page, which is asked for each time; what that names is kept for good.
func TestClientIsServed(t *testing.T) {
	e := start(t)
	first := e.ask(t, "", "GET /")
	names := regexp.MustCompile(`(?:src|href)="(/assets/[^"]+)"`).FindAllStringSubmatch(first.body, -1)
	if len(names) < 2 {
		t.Fatalf("the first page names %v, not a script and a style", names)
	}
	for _, name := range names {
		got := e.ask(t, "", "GET "+name[1])
		if got.status != 200 || got.header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
			t.Errorf("%s: %d %q", name[1], got.status, got.header.Get("Cache-Control"))
		}
	}
	for _, path := range []string{"/uptime", "/uptime/", "/uptime/create", "/uptime/7", "/uptime/7/edit", "/uptime/incidents?all=true"} {
		got := e.ask(t, "", "GET "+path)
		if got.status != 200 || got.body != first.body || got.header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %d %q", path, got.status, got.header.Get("Cache-Control"))
		}
	}
	// A page of an older build that asks for what is no longer there is told so, and not given a page as a script.
	e.ask(t, "", "GET /assets/index-00000000.js").problem(t, 404, "NOT_FOUND")
	e.ask(t, "", "GET /assets/nothing").problem(t, 404, "NOT_FOUND")
}
