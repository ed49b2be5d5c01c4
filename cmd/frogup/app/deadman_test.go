package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/internal/bubbletest"
)

// transport answers without a network.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int) *http.Response {
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(strings.NewReader("OK"))}
}

// journal is a log that is read while it is written.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// ward is a dead-man switch over a process of two parts, with a receiver and a clock of the test's own. It lives in a bubble.
type ward struct {
	t              *testing.T
	ready          *readiness
	prober, events patient
	switchboard    *deadman
	logged         journal
	began          time.Time
	stop           func()

	mu   sync.Mutex
	seen []time.Duration
	fail func(n int) bool
}

func newWard(t *testing.T) *ward {
	w := &ward{t: t, ready: newReadiness(), began: time.Now(), fail: func(int) bool { return false }}
	w.ready.part("prober", &w.prober)
	w.ready.part("events", &w.events)
	w.ready.begin()
	cfg := deadmanSettings{url: "https://pings.example/secret", interval: time.Minute}
	w.switchboard = newDeadman(cfg, "v1", slog.New(slog.NewTextHandler(&w.logged, nil)), w.ready.ailment)
	w.switchboard.client.Transport = transport(w.take)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.switchboard.run(ctx) }()
	w.stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	return w
}

func (w *ward) take(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.Method != http.MethodGet || r.URL.String() != "https://pings.example/secret" || r.UserAgent() != "frogup-deadman/v1" {
		w.t.Errorf("asked %s %s as %s", r.Method, r.URL, r.UserAgent())
	}
	w.seen = append(w.seen, time.Since(w.began))
	if w.fail(len(w.seen)) {
		return nil, errors.New("no way there")
	}
	return answer(http.StatusOK), nil
}

// pings lets time pass and wants so many signs of life in it, the failed ones included.
func (w *ward) pings(d time.Duration, want int) {
	w.t.Helper()
	w.mu.Lock()
	before := len(w.seen)
	w.mu.Unlock()
	<-time.After(d)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if got := len(w.seen) - before; got != want {
		w.t.Errorf("%d pings in %s, want %d: %v", got, d, want, w.seen)
	}
}

func (w *ward) readyz(want int) {
	w.t.Helper()
	if status, body := ask(w.ready.answer("v1"), "/readyz"); status != want {
		w.t.Errorf("readyz answers %d, want %d: %s", status, want, body)
	}
}

// One part that stops its work is enough for silence, and readiness ends with it; when it works again, so do both.
func TestDeadmanIsSilentWhileAPartDoesNotWork(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWard(t)
		defer w.stop()
		w.pings(10*time.Minute-time.Second, 10)
		for round, part := range []*patient{&w.prober, &w.events} {
			part.falls("it hangs")
			w.readyz(503)
			w.pings(time.Hour, 0)
			if n := strings.Count(w.logged.String(), "no sign of life is given"); n != round+1 || !strings.Contains(w.logged.String(), "it hangs") {
				t.Errorf("logged %d times in round %d:\n%s", n, round, &w.logged)
			}
			part.recovers()
			w.readyz(200)
			w.pings(10*time.Second, 1)
			w.pings(5*time.Minute, 5)
		}
		if n := w.switchboard.withheld.Load(); n < 1000 {
			t.Errorf("%d withheld in two hours", n)
		}
		if strings.Contains(w.logged.String(), "secret") {
			t.Errorf("the log tells the URL:\n%s", &w.logged)
		}
	})
}

// A part that is unwell for a moment is no reason for silence.
func TestDeadmanForgivesOneLook(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWard(t)
		defer w.stop()
		w.pings(59*time.Second, 1)
		w.prober.falls("for a moment")
		w.pings(2*time.Second, 0)
		w.prober.recovers()
		w.pings(2*time.Second, 1)
		if w.logged.String() != "" {
			t.Errorf("logged: %s", &w.logged)
		}
	})
}

// A ping that does not arrive is tried again once, soon, and then the interval goes on; nothing is told while stopping.
func TestDeadmanTriesAgain(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWard(t)
		w.mu.Lock()
		w.fail = func(n int) bool { return n == 2 || n == 4 || n == 5 || n == 6 || n == 7 }
		w.mu.Unlock()
		w.pings(5*time.Minute+30*time.Second, 9)
		want := []time.Duration{0, 60 * time.Second, 62 * time.Second, 120 * time.Second, 122 * time.Second, 180 * time.Second,
			182 * time.Second, 240 * time.Second, 300 * time.Second}
		if diff := cmp.Diff(want, w.seen); diff != "" {
			t.Errorf("pings (-want +got):\n%s", diff)
		}
		if n := strings.Count(w.logged.String(), "does not arrive"); n != 1 || strings.Contains(w.logged.String(), "secret") {
			t.Errorf("logged %d times:\n%s", n, &w.logged)
		}
		if s, f := w.switchboard.sent.Load(), w.switchboard.failed.Load(); s != 4 || f != 2 {
			t.Errorf("%d sent and %d failed, want 4 and 2", s, f)
		}
		w.ready.stop()
		w.pings(10*time.Minute, 0)
		w.stop()
	})
}

func TestDeadmanPing(t *testing.T) {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	mux.HandleFunc("GET /ok", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ok", http.StatusFound) })
	mux.HandleFunc("GET /round", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/round", http.StatusFound) })
	mux.HandleFunc("GET /elsewhere", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://"+r.Host+"/ok", http.StatusFound)
	})
	mux.HandleFunc("GET /gone", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
	for path, want := range map[string]string{
		"/ok": "", "/moved": "", "/round": "too many redirects", "/elsewhere": "another scheme", "/gone": "410 Gone",
	} {
		d := newDeadman(deadmanSettings{url: server.URL + path}, "v1", slog.New(slog.DiscardHandler), nil)
		err := d.ping(t.Context())
		d.client.CloseIdleConnections()
		switch {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", path, err, want)
		case err != nil && strings.Contains(err.Error(), server.URL):
			t.Errorf("%s: the error tells the URL: %v", path, err)
		}
	}
}

// A whole server gives signs of life from its start on, and none after its end.
func TestServeGivesSignsOfLife(t *testing.T) {
	pings := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { pings <- struct{}{} }))
	defer server.Close()
	r := launch(t, map[string]string{"FROGUP_DEADMAN": server.URL + "/secret"}, "serve", "--data", t.TempDir(),
		"--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--deadman-interval", "1s", "--log-format", "json")
	operators := r.line("metrics on ")
	r.line("listening on ")
	for range 2 {
		select {
		case <-pings:
		case <-time.After(patience):
			t.Fatal("no sign of life")
		}
	}
	status, body, err := get(operators + "/readyz")
	if err != nil || status != http.StatusOK || !strings.Contains(body, "delivering") || !strings.Contains(body, "alerts database") {
		t.Errorf("readyz: %d %v\n%s", status, err, body)
	}
	if _, metrics, err := get(operators + "/metrics"); err != nil || !strings.Contains(metrics, `frogup_deadman_pings_total{`) {
		t.Errorf("the pings are not counted: %v", err)
	}
	r.stop(exitOK)
	if strings.Contains(r.said(), "secret") {
		t.Errorf("the URL was logged:\n%s", r.said())
	}
}
