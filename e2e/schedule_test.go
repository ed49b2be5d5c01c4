package e2e

import (
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// tryServe starts a server that is not expected to start; nil if it does.
func tryServe(t testing.TB, args ...string) error {
	t.Helper()
	c := exec.Command(binary, append([]string{"serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0"}, args...)...)
	done := make(chan error, 1)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { done <- c.Wait() }()
	select {
	case err := <-done:
		return err
	case <-time.After(20 * time.Second):
		_ = c.Process.Kill()
		t.Logf("frogup serve %v started: %v", args, <-done)
		return nil
	}
}

// A cron schedule of seconds fires on the second, and the sixth field stands last.
func TestCron(t *testing.T) {
	t.Parallel()
	s, target := start(t), newSite(t, nil)
	monitor := httpMonitor(target.url(), obj{"cron": "* * * * * */2", "timezone": "Asia/Kathmandu"})
	delete(monitor, "interval_seconds")
	id := s.create(monitor)
	var rows []event
	eventually(t, 15*time.Second, "four slots", func() error {
		if rows = s.events(id, ""); len(rows) < 5 {
			return fmt.Errorf("%d rows", len(rows))
		}
		return nil
	})
	for i, e := range rows[:4] { // the fifth is the first check, which comes at once
		if at := e.ScheduledAt; at.Second()%2 != 0 || at.Nanosecond() != 0 || i > 0 && rows[i-1].ScheduledAt.Sub(at) != 2*time.Second {
			t.Errorf("slots at %v", at)
		}
	}
}

// With overlap "parallel" a slow check does not cost the next slots.
func TestOverlapParallel(t *testing.T) {
	t.Parallel()
	slow := newSite(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(2500 * time.Millisecond):
		case <-r.Context().Done():
		}
	})
	s := start(t)
	id := s.create(httpMonitor(slow.url(), obj{"overlap": "parallel", "http_config": obj{"url": slow.url(), "timeout_ms": 4000}}))
	eventually(t, 20*time.Second, "five results", func() error {
		rows := s.events(id, "&status=success")
		if len(rows) < 5 {
			return fmt.Errorf("%d so far", len(rows))
		}
		return nil
	})
	for _, e := range s.events(id, "&status=missed") {
		if e.errorType() == "overlap" {
			t.Errorf("missed because of overlap: %+v", e)
		}
	}
}

// A stop in order loses nothing: whatever the target has answered is stored.
func TestStopLosesNothing(t *testing.T) {
	t.Parallel()
	s, target := start(t), newSite(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(time.Duration(r.ContentLength+1) * 150 * time.Millisecond): // some are in flight at any moment
		case <-r.Context().Done():
		}
	})
	var ids []int
	for i := range 40 {
		ids = append(ids, s.create(httpMonitor(target.url(), obj{"http_config": obj{
			"url": target.url(), "method": "POST", "body": strings.Repeat("x", i%4), "timeout_ms": 3000,
		}})))
	}
	for range 2 {
		<-time.After(1300 * time.Millisecond)
		s.stop()
		asked := target.hits.Load()
		s.run()
		stored, later := int64(0), int64(0)
		for _, id := range ids {
			want[obj](s, 200, s.do("PATCH", fmt.Sprintf("/api/uptime/monitors/%d", id), obj{"enabled": false}))
		}
		eventually(t, 15*time.Second, "what was asked to be stored", func() error {
			later, stored = target.hits.Load()-asked, 0
			for _, id := range ids {
				for _, e := range s.events(id, "&status=success&status=failure&status=timeout&status=error") {
					if e.errorType() == "connection_reset" { // cut off by the end of the grace
						t.Errorf("monitor %d: %s", id, text(e.ErrorMessage))
					}
					stored++
				}
			}
			if stored != asked+later {
				return fmt.Errorf("%d requests before the stop and %d after, %d results", asked, later, stored)
			}
			return nil
		})
		for _, id := range ids {
			want[obj](s, 200, s.do("PATCH", fmt.Sprintf("/api/uptime/monitors/%d", id), obj{"enabled": true}))
		}
	}
}
