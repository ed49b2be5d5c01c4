package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// One trace shows a request on its way from the edge to the store, and one a check on its way from the prober to the history.
func TestSuiteTraces(t *testing.T) {
	t.Parallel()
	otlp := newReceiver(t)
	s := start(t, asSuite, withArgs("--otlp-endpoint", otlp.url, "--trace-ratio", "1", "--check-trace-ratio", "1"))
	target := newSite(t, nil)
	id := s.create(httpMonitor(target.url(), nil))
	s.statusIs(id, "up", 20*time.Second)

	ways := map[string][]string{
		"POST /api/uptime/monitors": {"frogup-gateway", "frogup-monitors", "frogup-monitors → postgresql"},
		"check http":                {"frogup-prober", "frogup-events", "frogup-events → clickhouse"},
	}
	for root, way := range ways {
		eventually(t, 30*time.Second, "a trace of "+root, func() error {
			nearest := errors.New("there is none")
			for _, trace := range otlp.traces() {
				if !slices.ContainsFunc(trace, func(s span) bool { return s.GetName() == root }) {
					continue
				}
				been := passed(trace)
				if missing := slices.DeleteFunc(slices.Clone(way), func(place string) bool { return slices.Contains(been, place) }); len(missing) > 0 {
					nearest = fmt.Errorf("it does not pass %s:\n%s", strings.Join(missing, ", "), sketch(trace))
					continue
				}
				if err := connected(trace); err != nil {
					nearest = fmt.Errorf("%w:\n%s", err, sketch(trace))
					continue
				}
				t.Logf("%s:\n%s", root, sketch(trace))
				return nil
			}
			return nearest
		})
	}
}

// maxQueries is how often one request may ask the stores.
const maxQueries = 5

// No request costs more than a handful of queries, however many monitors there are.
func TestSuiteQueriesPerRequest(t *testing.T) {
	t.Parallel()
	otlp := newReceiver(t)
	s := start(t, asSuite, withArgs("--otlp-endpoint", otlp.url, "--trace-ratio", "1", "--check-trace-ratio", "0"))
	target := newSite(t, nil)
	var id int
	for i := range 20 {
		id = s.create(httpMonitor(target.url(), obj{"name": fmt.Sprint("monitor ", i)}))
	}
	s.statusIs(id, "up", 20*time.Second)
	one := fmt.Sprintf("/api/uptime/monitors/%d", id)
	paths := map[string]string{ // by name of the route's span
		"GET /api/uptime/monitors":                     "/api/uptime/monitors?page_size=100",
		"GET /api/uptime/monitors/{id}":                one,
		"GET /api/uptime/monitors/{monitor_id}/status": one + "/status",
		"GET /api/uptime/monitors/{monitor_id}/events": one + "/events?limit=100",
		"GET /api/uptime/monitors/{monitor_id}/stats":  one + "/stats?hours=720",
		"GET /api/uptime/monitors/{monitor_id}/uptime": one + "/uptime?start_date=2026-11-01",
		"GET /api/uptime/incidents":                    "/api/uptime/incidents",
	}
	for _, path := range paths {
		if r := s.do("GET", path, nil); r.status != 200 {
			t.Fatalf("%s: %d %s", path, r.status, r.body)
		}
	}
	s.stop() // sends what is still held back
	for route := range paths {
		trace := latest(otlp.traces(), route)
		queries := slices.DeleteFunc(slices.Clone(trace), func(s span) bool { return !isQuery(s, trace) })
		t.Logf("%s: %d queries", route, len(queries))
		if len(queries) > maxQueries || len(queries) == 0 {
			t.Errorf("%s takes %d queries, want 1 to %d:\n%s", route, len(queries), maxQueries, sketch(trace))
		}
	}
}

// latest is the newest trace that the gateway began under a name.
func latest(traces map[string][]span, name string) []span {
	var newest []span
	var began uint64
	for _, trace := range traces {
		for _, s := range trace {
			if s.service == "frogup-gateway" && s.GetName() == name && s.GetStartTimeUnixNano() > began {
				newest, began = trace, s.GetStartTimeUnixNano()
			}
		}
	}
	return newest
}

// isQuery tells a statement from what a driver does around it: taking a connection from the pool, beginning and ending
// a transaction, and preparing the statement, whose span lies within the statement's own.
func isQuery(s span, trace []span) bool {
	within := slices.ContainsFunc(trace, func(p span) bool {
		return p.database() != "" && string(p.GetSpanId()) == string(s.GetParentSpanId()) && p.GetName() == s.GetName()
	})
	return s.database() != "" && !within && !slices.Contains([]string{"pool.acquire", "BEGIN", "COMMIT"}, s.GetName())
}
