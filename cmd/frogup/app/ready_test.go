package app

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/frogstats/uptime/internal/bubbletest"
)

// One missed answer is forgiven, two are not; the first good one counts; and once stopping, nothing is announced any more.
func TestReadinessFollowsTheStore(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		r := newReadiness()
		var away atomic.Bool
		var told []bool
		r.add("events", func(context.Context) error {
			if away.Load() {
				return errors.New("away")
			}
			return nil
		})
		r.add("alerts", func(context.Context) error { return errors.New("another's") })
		r.watch("events", func(serving bool) { told = append(told, serving) })
		r.begin()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.follow(ctx, "events", slog.New(slog.DiscardHandler)) }()
		asked := func() { // once more
			<-time.After(askEvery)
			synctest.Wait()
		}
		expect := func(when string, want ...bool) {
			t.Helper()
			if len(told) != len(want) || len(want) > 0 && told[len(told)-1] != want[len(want)-1] {
				t.Errorf("%s: told %v, want %v", when, told, want)
			}
		}
		asked()
		expect("all well")
		away.Store(true)
		asked()
		away.Store(false)
		asked()
		expect("one miss")
		away.Store(true)
		asked()
		asked()
		asked()
		expect("three misses", false)
		away.Store(false)
		asked()
		expect("back", false, true)
		away.Store(true)
		asked()
		asked()
		expect("away again", false, true, false)
		r.stop()
		expect("stopping", false, true, false, false)
		away.Store(false)
		asked()
		expect("well while stopping", false, true, false, false)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// ask is what a person, or a program that asks for JSON, gets.
func ask(h http.HandlerFunc, target string, accept ...string) (int, string) {
	w, req := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, target, nil)
	for _, kind := range accept {
		req.Header.Set("Accept", kind)
	}
	h(w, req)
	return w.Code, strings.TrimSpace(w.Body.String())
}

func TestReadyzOfOperators(t *testing.T) {
	r := newReadiness()
	var bad error
	r.add("events", func(context.Context) error { return bad })
	expect := func(status int, body string) {
		t.Helper()
		for target, accept := range map[string]string{"/readyz": "application/json, text/plain;q=0.5", "/readyz?format=json": "*/*"} {
			if gotStatus, got := ask(r.answer("v1"), target, accept); gotStatus != status || got != body {
				t.Errorf("%s: %d %s, want %d %s", target, gotStatus, got, status, body)
			}
		}
	}
	expect(503, `{"status":"starting","version":"v1","stores":{"events database":"ready"}}`)
	r.begin()
	expect(200, `{"status":"ready","version":"v1","stores":{"events database":"ready"}}`)
	bad = errors.New("dial postgres://secret")
	expect(503, `{"status":"not ready","version":"v1","stores":{"events database":"not ready"}}`)
	bad = nil
	r.stop()
	expect(503, `{"status":"stopping","version":"v1","stores":{"events database":"ready"}}`)
}

// patient is a room that does its work or not.
type patient struct{ ill atomic.Pointer[string] }

func (p *patient) Check(context.Context) error {
	if why := p.ill.Load(); why != nil {
		return errors.New(*why)
	}
	return nil
}

func (p *patient) falls(why string) { p.ill.Store(&why) }
func (p *patient) recovers()        { p.ill.Store(nil) }

// Each part has a line of its own, and one that does not do its work makes the process not ready; why is for the log.
func TestReadyzByPart(t *testing.T) {
	r := newReadiness()
	var prober, events patient
	r.part("prober", &prober)
	r.part("events", &events)
	r.part("accounts", struct{}{}) // cannot tell
	r.add("events", func(context.Context) error { return nil })
	r.begin()
	expect := func(status int, body string) {
		t.Helper()
		if gotStatus, got := ask(r.answer("v1"), "/readyz"); gotStatus != status || got != body {
			t.Errorf("%d\n%s\nwant %d\n%s", gotStatus, got, status, body)
		}
	}
	expect(200, "ready\nscheduling           ready\nstoring              ready\nevents database      ready")
	prober.falls("slots are not taken: secret")
	expect(503, "not ready\nscheduling           not ready\nstoring              ready\nevents database      ready")
	if status, got := ask(r.answer("v1"), "/readyz", "application/json"); status != 503 ||
		got != `{"status":"not ready","version":"v1","components":{"scheduling":"not ready","storing":"ready"},"stores":{"events database":"ready"}}` {
		t.Errorf("%d %s", status, got)
	}
	if found := r.ofProcess(t.Context()); len(found) != 2 || found["scheduling"] == nil || found["storing"] != nil {
		t.Errorf("what the gateway tells: %v", found)
	}
	prober.recovers()
	expect(200, "ready\nscheduling           ready\nstoring              ready\nevents database      ready")
}

// A store that the process goes on without is shown, and keeps nothing from being ready.
func TestReadyzWithoutHistory(t *testing.T) {
	r := newReadiness()
	var bad error
	r.add("events", func(context.Context) error { return nil })
	r.spare("events history", func(context.Context) error { return bad })
	r.begin()
	expect := func(text, doc string) {
		t.Helper()
		if status, got := ask(r.answer("v1"), "/readyz"); status != 200 || got != text {
			t.Errorf("%d\n%s\nwant 200\n%s", status, got, text)
		}
		if status, got := ask(r.answer("v1"), "/readyz?format=json"); status != 200 || got != doc {
			t.Errorf("%d %s, want 200 %s", status, got, doc)
		}
		if err := r.ailment(t.Context()); err != nil {
			t.Errorf("the process should be believed: %v", err)
		}
	}
	expect("ready\nevents database      ready\nevents history       ready",
		`{"status":"ready","version":"v1","stores":{"events database":"ready","events history":"ready"}}`)
	bad = errors.New("dial clickhouse://secret")
	expect("ready\nevents database      ready\nevents history       delayed; this process goes on without it",
		`{"status":"ready","version":"v1","stores":{"events database":"ready","events history":"delayed"}}`)
}

// Being alive is told at once, whatever the parts do; what is wrong, and that it is over, is logged once.
func TestPartsAreFollowed(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		r := newReadiness()
		var prober patient
		r.part("prober", &prober)
		r.begin()
		var logged journal
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.followParts(ctx, slog.New(slog.NewTextHandler(&logged, nil))) }()
		expect := func(after time.Duration, body string, errors, infos int) {
			t.Helper()
			<-time.After(after)
			synctest.Wait()
			if status, got := ask(r.alive, "/healthz"); status != 200 || got != body {
				t.Errorf("%d %q, want %q", status, got, body)
			}
			if e, i := strings.Count(logged.String(), "level=ERROR"), strings.Count(logged.String(), "level=INFO"); e != errors || i != infos {
				t.Errorf("%d errors and %d infos, want %d and %d:\n%s", e, i, errors, infos, &logged)
			}
		}
		expect(0, "ok\nscheduling           starting", 0, 0)
		expect(askEvery, "ok\nscheduling           ready", 0, 0)
		prober.falls("slots are not taken")
		expect(askEvery, "ok\nscheduling           not ready", 0, 0) // one miss is forgiven
		expect(askEvery, "ok\nscheduling           not ready", 1, 0)
		expect(10*askEvery, "ok\nscheduling           not ready", 1, 0)
		if !strings.Contains(logged.String(), "slots are not taken") {
			t.Errorf("the log does not say why: %s", &logged)
		}
		prober.recovers()
		expect(askEvery, "ok\nscheduling           ready", 1, 1)
		if _, got := ask(r.alive, "/healthz?format=json"); got != `{"status":"ok","components":{"scheduling":"ready"}}` {
			t.Error(got)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
