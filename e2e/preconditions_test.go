package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Two people who change one monitor do not overwrite each other unawares.
func TestIfMatch(t *testing.T) {
	t.Parallel()
	s := start(t)
	made := s.do("POST", "/api/uptime/monitors", tcpMonitor("127.0.0.1", 9, obj{"enabled": false}))
	id := want[struct{ ID int }](s, 201, made).ID
	path := fmt.Sprintf("/api/uptime/monitors/%d", id)
	tag := made.header.Get("ETag")
	if read := s.do("GET", path, nil); tag == "" || read.header.Get("ETag") != tag {
		t.Fatalf("ETag %q when made and %q when read", tag, read.header.Get("ETag"))
	}
	changed := s.do("PATCH", path, obj{"name": "mine"}, "If-Match", tag)
	if changed.status != 200 || changed.header.Get("ETag") == tag {
		t.Fatalf("a change with the right ETag: %d, ETag %q", changed.status, changed.header.Get("ETag"))
	}
	for _, verb := range []string{"PATCH", "PUT", "DELETE"} {
		var body any
		if verb != "DELETE" {
			body = obj{"name": "yours"}
		}
		if r := s.do(verb, path, body, "If-Match", tag); r.status != http.StatusPreconditionFailed {
			t.Errorf("%s with an old ETag: %d %s", verb, r.status, r.body)
		}
	}
	if got := want[struct{ Name string }](s, 200, s.do("GET", path, nil)).Name; got != "mine" {
		t.Errorf("the monitor is called %q", got)
	}
	if r := s.do("PATCH", path, obj{"name": "anybody's"}, "If-Match", "*"); r.status != 200 {
		t.Errorf("If-Match *: %d %s", r.status, r.body)
	}
	newest := s.do("GET", path, nil).header.Get("ETag")
	if r := s.do("DELETE", path, nil, "If-Match", newest); r.status != http.StatusNoContent || len(r.body) != 0 {
		t.Errorf("DELETE with the newest ETag: %d %s", r.status, r.body)
	}
	for _, verb := range []string{"GET", "DELETE"} {
		if r := s.do(verb, path, nil); r.status != http.StatusNotFound {
			t.Errorf("%s of a deleted monitor: %d", verb, r.status)
		}
	}
	if list := s.do("GET", "/api/uptime/monitors", nil); strings.TrimSpace(string(list.body)) != "[]" {
		t.Errorf("a deleted monitor is listed: %s", list.body)
	}
}

// A request that is sent twice with one key makes one monitor.
func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	s := start(t)
	const header = "Idempotency-Key"
	monitor := tcpMonitor("127.0.0.1", 9, obj{"enabled": false})
	first := s.do("POST", "/api/uptime/monitors", monitor, header, "k1")
	again := s.do("POST", "/api/uptime/monitors", monitor, header, "k1")
	id := want[struct{ ID int }](s, 201, first).ID
	if other := want[struct{ ID int }](s, 201, again).ID; other != id || first.header.Get("ETag") != again.header.Get("ETag") {
		t.Errorf("the second answer is of monitor %d, the first of %d", other, id)
	}
	monitor["name"] = "another"
	if r := s.do("POST", "/api/uptime/monitors", monitor, header, "k1"); r.status != http.StatusConflict {
		t.Errorf("another monitor under the same key: %d %s", r.status, r.body)
	}
	if other := want[struct{ ID int }](s, 201, s.do("POST", "/api/uptime/monitors", monitor, header, "k2")).ID; other == id {
		t.Error("another key gave the same monitor")
	}
	s.kill()
	s.run()
	monitor["name"] = "port"
	if other := want[struct{ ID int }](s, 201, s.do("POST", "/api/uptime/monitors", monitor, header, "k1")).ID; other != id {
		t.Errorf("after a crash the key gave monitor %d, want %d", other, id)
	}
	if all := want[[]obj](s, 200, s.do("GET", "/api/uptime/monitors", nil)); len(all) != 2 {
		t.Errorf("there are %d monitors, want 2", len(all))
	}
	taken := obj{"external_id": "x-1"}
	want[obj](s, 201, s.do("POST", "/api/uptime/monitors", tcpMonitor("127.0.0.1", 9, taken)))
	if r := s.do("POST", "/api/uptime/monitors", tcpMonitor("127.0.0.1", 9, taken)); r.status != http.StatusConflict {
		t.Errorf("an external_id twice: %d %s", r.status, r.body)
	}
}

// A change touches the fields that it names and no others, with either verb.
func TestPartialUpdates(t *testing.T) {
	t.Parallel()
	s, target := start(t), newSite(t, nil)
	full := httpMonitor(target.url(), obj{
		"interval_seconds": 3600, "enabled": false, "confirm_down": 4, "confirm_up": 3, "retry_interval_seconds": 7, "degraded_above_ms": 900,
		"labels": obj{"team": "web", "tier": "1"}, "external_id": "x-1", "managed_by": "script", "retries": obj{"attempts": 3, "delay_ms": 50},
		"validation_rules": []obj{{"type": "status_code", "operator": "in", "value": []int{200, 204}}},
		"http_config": obj{"url": target.url(), "method": "POST", "headers": obj{"Accept": "text/plain"}, "body": "hello", "follow_redirects": false,
			"auth": obj{"type": "bearer", "credentials": obj{"token": "t"}}, "timeout_ms": 4321, "ip_version": "ipv4", "max_redirects": 0},
	})
	id := s.create(full)
	path := fmt.Sprintf("/api/uptime/monitors/%d", id)
	for _, verb := range []string{"PUT", "PATCH"} {
		for _, tt := range []struct {
			change obj
			expect func(m obj)
		}{
			{obj{"name": verb}, func(m obj) { m["name"] = verb }},
			{obj{"interval_seconds": 60}, func(m obj) { m["interval_seconds"] = 60.0 }},
			{obj{"interval_seconds": 3600}, func(m obj) { m["interval_seconds"] = 3600.0 }},
			{obj{"http_config": obj{"timeout_ms": 1234}}, func(m obj) { m["http_config"].(obj)["timeout_ms"] = 1234.0 }},
			{obj{"http_config": obj{"follow_redirects": true}}, func(m obj) { m["http_config"].(obj)["follow_redirects"] = true }},
			{obj{"labels": obj{"team": verb}}, func(m obj) { m["labels"] = obj{"team": verb} }},
			{obj{"degraded_above_ms": nil}, func(m obj) { m["degraded_above_ms"] = nil }},
			{obj{"external_id": nil}, func(m obj) { m["external_id"] = nil }},
			{obj{"validation_rules": []obj{}}, func(m obj) { m["validation_rules"] = []any{} }},
			{obj{"external_id": "x-2", "degraded_above_ms": 5}, func(m obj) { m["external_id"], m["degraded_above_ms"] = "x-2", 5.0 }},
			{obj{}, func(obj) {}},
		} {
			before := want[obj](s, 200, s.do("GET", path, nil))
			r := s.do(verb, path, tt.change)
			answer := want[obj](s, 200, r)
			after := want[obj](s, 200, s.do("GET", path, nil))
			tt.expect(before)
			for _, m := range []obj{before, answer, after} {
				maps.DeleteFunc(m, func(k string, _ any) bool {
					return k == "version" || k == "updated_at" || k == "status" || k == "worst_case_alert_delay_ms"
				})
			}
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("%s %s (-want +got):\n%s", verb, encode(t, tt.change), diff)
			}
			if diff := cmp.Diff(after, answer); diff != "" {
				t.Errorf("%s %s answers something else than a read (-read +answer):\n%s", verb, encode(t, tt.change), diff)
			}
		}
	}
}

// Pages of a list hold every monitor once, while others are added and taken away.
func TestPages(t *testing.T) {
	t.Parallel()
	s := start(t)
	const monitors = 120
	made := map[int]bool{}
	for i := range monitors {
		label := "even"
		if i%2 == 1 {
			label = "odd"
		}
		made[s.create(tcpMonitor("127.0.0.1", 9, obj{"name": fmt.Sprint("m", i), "enabled": false, "labels": obj{"parity": label}}))] = true
	}
	next := "/api/uptime/monitors?page_size=25"
	seen := map[int]bool{}
	pages := 0
	for next != "" {
		r := s.do("GET", next, nil)
		page := want[[]struct{ ID int }](s, 200, r)
		for _, m := range page {
			if seen[m.ID] {
				t.Errorf("monitor %d is on two pages", m.ID)
			}
			seen[m.ID] = true
		}
		if pages++; pages > 10 {
			t.Fatal("the pages do not end")
		}
		token := r.header.Get("X-Next-Page-Token")
		next = linkNext(t, r)
		if (token == "") != (next == "") || next != "" && !strings.Contains(next, "page_token="+url.QueryEscape(token)) {
			t.Errorf("page %d: token %q and link %q", pages, token, next)
		}
		if pages == 2 { // what comes while somebody pages does not disturb the pages
			s.create(tcpMonitor("127.0.0.1", 9, obj{"enabled": false}))
		}
	}
	if pages != 5 {
		t.Errorf("%d pages of 25 for %d monitors", pages, monitors)
	}
	for id := range made {
		if !seen[id] {
			t.Errorf("monitor %d is on no page", id)
		}
	}
	odd := s.do("GET", "/api/uptime/monitors?label=parity%3Dodd&page_size=1000", nil)
	if page := want[[]obj](s, 200, odd); len(page) != monitors/2 || linkNext(t, odd) != "" {
		t.Errorf("%d odd monitors, want %d on one page", len(page), monitors/2)
	}
	// A token is bound to its list.
	token := s.do("GET", "/api/uptime/monitors?page_size=25", nil).header.Get("X-Next-Page-Token")
	for _, query := range []string{"page_size=25&enabled=true&page_token=" + url.QueryEscape(token), "page_token=nonsense", "page_size=0", "page_size=1001", "page_size=many"} {
		r := s.do("GET", "/api/uptime/monitors?"+query, nil)
		var p problem
		if err := json.Unmarshal(r.body, &p); err != nil || r.status != http.StatusBadRequest || len(p.Details) == 0 {
			t.Errorf("%s: %d %s", query, r.status, r.body)
		}
	}
}

// linkNext is the target of the header Link with rel="next"; "" without one.
func linkNext(t testing.TB, r reply) string {
	t.Helper()
	link := r.header.Get("Link")
	if link == "" {
		return ""
	}
	target, rest, found := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	if !found || !strings.Contains(rest, `rel="next"`) {
		t.Errorf("Link is %q", link)
	}
	return target
}
