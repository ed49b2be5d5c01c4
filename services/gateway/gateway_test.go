package gateway_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// edge is a gateway over real HTTP in front of a backend in memory.
type edge struct {
	*backend
	g   *gateway.Gateway
	srv *httptest.Server
}

func start(t testing.TB, change ...func(*gateway.Config)) *edge {
	t.Helper()
	return startOver(t, nil, change...)
}

// startOver is start over connections with options.
func startOver(t testing.TB, opts []rpctest.Option, change ...func(*gateway.Config)) *edge {
	t.Helper()
	b := newBackend()
	cfg := gateway.Config{Conns: b.conns(t, opts...), Log: slog.New(slog.NewJSONHandler(t.Output(), nil)), Version: "v1.2.3"}
	for _, c := range change {
		c(&cfg)
	}
	g, err := gateway.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(nil)
	srv.Config = g.Server()
	var serving sync.WaitGroup
	handler := srv.Config.Handler
	srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serving.Add(1)
		defer serving.Done()
		handler.ServeHTTP(w, r)
	})
	srv.Start()
	t.Cleanup(serving.Wait) // calls log their end, and Close does not wait for those of HTTP/2
	t.Cleanup(srv.Close)
	t.Cleanup(g.Stop)
	return &edge{b, g, srv}
}

// answer is an HTTP answer that was read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request: first line, headers, an empty line, body. The key, unless empty, goes into Authorization.
func (e *edge) ask(t testing.TB, key, text string) answer {
	t.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	verb, target, _ := strings.Cut(lines[0], " ")
	req, err := http.NewRequestWithContext(t.Context(), verb, e.srv.URL+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	for _, l := range lines[1:] {
		k, v, _ := strings.Cut(l, ": ")
		req.Header.Set(k, v)
	}
	return e.send(t, req)
}

func (e *edge) send(t testing.TB, req *http.Request) answer {
	t.Helper()
	client := e.srv.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

type problem struct {
	Error     string `json:"error"`
	Code      string `json:"code"`
	RequestID string `json:"request_id"`
	Details   []struct {
		Field   string `json:"field"`
		Message string `json:"message"`
	} `json:"details"`
}

// problem checks that the answer is an error in the shape of the contract.
func (a answer) problem(t *testing.T, status int, code string) problem {
	t.Helper()
	if a.status != status {
		t.Errorf("status %d, want %d: %s", a.status, status, a.body)
	}
	if got := a.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("content type %q", got)
	}
	var raw map[string]any
	var p problem
	if err := json.Unmarshal([]byte(a.body), &raw); err != nil {
		t.Fatalf("%v in %q", err, a.body)
	}
	for _, name := range []string{"error", "code", "details", "request_id"} {
		if raw[name] == nil {
			t.Errorf("no %q in %s", name, a.body)
		}
	}
	if len(raw) != 4 {
		t.Errorf("other fields in %s", a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatal(err)
	}
	if p.Code != code {
		t.Errorf("code %q, want %q", p.Code, code)
	}
	if p.RequestID == "" || p.RequestID != a.header.Get("X-Request-Id") {
		t.Errorf("request id %q in the body, %q in the header", p.RequestID, a.header.Get("X-Request-Id"))
	}
	return p
}

func TestNewRefusesAnIncompleteConfig(t *testing.T) {
	b := newBackend()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	if _, err := gateway.New(gateway.Config{Conns: b.conns(t)}); err == nil {
		t.Error("no error without a log")
	}
	conns := b.conns(t)
	delete(conns, "events")
	if _, err := gateway.New(gateway.Config{Conns: conns, Log: log}); err == nil {
		t.Error("no error without a connection to events")
	}
}
