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
)

// One missed answer is forgiven, two are not; the first good one counts; and once stopping, nothing is announced any more.
func TestReadinessFollowsTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
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

func TestReadyzOfOperators(t *testing.T) {
	r := newReadiness()
	var bad error
	r.add("events", func(context.Context) error { return bad })
	ask := func() (int, string) {
		w := httptest.NewRecorder()
		r.answer("v1")(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		return w.Code, strings.TrimSpace(w.Body.String())
	}
	expect := func(status int, body string) {
		t.Helper()
		if gotStatus, got := ask(); gotStatus != status || got != body {
			t.Errorf("%d %s, want %d %s", gotStatus, got, status, body)
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
