package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/events"
	eventsclickhouse "github.com/frogstats/uptime/services/events/clickhouse"
	eventssqlite "github.com/frogstats/uptime/services/events/sqlite"
)

// BenchmarkReads measures what a page asks for, over REST, of a fleet with a monitor that has been checked every second for
// thirty days. FROGUP_E2E_FORM chooses the form: solo holds 2,000 monitors, suite 10,000. Percentiles are of single requests;
// the floor is the same request for a monitor of which nothing is stored.
func BenchmarkReads(b *testing.B) {
	fleet := 2_000
	if os.Getenv("FROGUP_E2E_FORM") == "suite" {
		fleet = 10_000
	}
	s := start(b, withArgs("--retention", "2160h"))
	port := acceptAll(b)
	s.createMany(fleet-2, func(i int) obj {
		return tcpMonitor("127.0.0.1", port, obj{"name": fmt.Sprintf("host %05d", i), "interval_seconds": 3600, "labels": obj{"team": fmt.Sprint("t", i%10)}})
	})
	dense := s.create(tcpMonitor("127.0.0.1", port, obj{"name": "dense", "interval_seconds": 3600}))
	empty := s.create(tcpMonitor("127.0.0.1", port, obj{"name": "empty", "enabled": false}))
	s.statusIs(dense, "up", 5*time.Minute)
	owner := want[struct {
		Organization string `json:"organization_id"`
	}](s, 200, s.do("GET", fmt.Sprintf("/api/uptime/monitors/%d", dense), nil)).Organization
	if owner == "" {
		b.Fatal("a monitor does not say whose it is")
	}
	s.stop()
	loadMonth(b, s, uint32(dense), owner)
	s.run()

	month := "uptime?start_date=" + time.Now().UTC().Add(-30*24*time.Hour).Format(time.DateOnly)
	list := func(query string) string { return "/api/uptime/monitors?" + query }
	of := func(id int, what string) string { return fmt.Sprintf("/api/uptime/monitors/%d/%s", id, what) }
	requests := []struct{ name, path, floor string }{
		{"stats30d", of(dense, "stats?period=30d"), of(empty, "stats?period=30d")},
		{"stats24h", of(dense, "stats?period=24h"), of(empty, "stats?period=24h")},
		{"uptime30d", of(dense, month), of(empty, month)},
		{"events100", of(dense, "events?limit=100"), of(empty, "events?limit=100")},
		{"list100", list("page_size=100"), list("page_size=1")},
		{"list500", list("page_size=500"), list("page_size=1")},
		{"listDown", list("page_size=100&status=down"), list("page_size=1")},
		{"listSearch", list("page_size=100&q=host%200123"), list("page_size=1")},
	}
	for _, r := range requests {
		b.Run(r.name, func(b *testing.B) {
			s := s.of(b)
			floor := percentiles(repeat(s, r.floor, 30))
			var took []time.Duration
			for b.Loop() {
				took = append(took, repeat(s, r.path, 1)...)
			}
			p := percentiles(took)
			b.ReportMetric(p[0], "p50-ms")
			b.ReportMetric(p[1], "p95-ms")
			b.ReportMetric(p[0]/floor[0], "x-floor")
			b.ReportMetric(0, "ns/op")
		})
	}
	b.Run("listAll", func(b *testing.B) {
		s := s.of(b)
		n := 0
		for b.Loop() {
			n = s.walk("/api/uptime/monitors?page_size=500")
		}
		if n != fleet {
			b.Errorf("the pages hold %d monitors, want %d", n, fleet)
		}
		b.ReportMetric(float64(n), "monitors")
	})
}

// repeat makes a request n times and returns how long each took.
func repeat(s *server, path string, n int) []time.Duration {
	s.t.Helper()
	took := make([]time.Duration, n)
	for i := range took {
		began := time.Now()
		if r := s.do("GET", path, nil); r.status != 200 {
			s.t.Fatalf("%s: %d %s", path, r.status, r.body)
		}
		took[i] = time.Since(began)
	}
	return took
}

// percentiles are the 50th and the 95th in milliseconds.
func percentiles(took []time.Duration) [2]float64 {
	slices.Sort(took)
	at := func(q float64) float64 { return float64(took[int(q*float64(len(took)-1))].Microseconds()) / 1000 }
	return [2]float64{at(0.5), at(0.95)}
}

// walk reads all pages of the monitors and counts them.
func (s *server) walk(path string) int {
	s.t.Helper()
	n, next := 0, path
	for next != "" {
		r := s.do("GET", next, nil)
		n += len(want[[]obj](s, 200, r))
		next = ""
		if token := r.header.Get("X-Next-Page-Token"); token != "" {
			next = path + "&page_token=" + token
		}
	}
	return n
}

// createMany makes monitors, several at a time.
func (s *server) createMany(n int, monitor func(i int) obj) {
	s.t.Helper()
	var wg sync.WaitGroup
	work := make(chan int)
	for range 8 {
		wg.Go(func() {
			for i := range work {
				if r, err := s.try(context.Background(), "POST", "/api/uptime/monitors", monitor(i)); err != nil || r.status != 201 {
					s.t.Errorf("create monitor %d: %d %s %v", i, r.status, r.body, err)
				}
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	wg.Wait()
}

// acceptAll is a port that takes every connection and closes it.
func acceptAll(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

// loadMonth stores what thirty days of checks every second leave behind, straight into the result store of a server that is
// not running.
func loadMonth(b *testing.B, s *server, id uint32, owner string) {
	b.Helper()
	store, done := openResults(b, s)
	const days, batch = 30, 50_000
	end := time.Now().UTC().Truncate(time.Second).Add(-time.Minute)
	rng := rand.New(rand.NewPCG(1, 2))
	results := make([]events.Result, 0, batch)
	flush := func() {
		if _, err := store.Append(b.Context(), results); err != nil {
			b.Fatal(err)
		}
		results = results[:0]
	}
	for at := end.Add(-days * 24 * time.Hour); at.Before(end); at = at.Add(time.Second) {
		results = append(results, oneResult(rng, id, owner, at))
		if len(results) == batch {
			flush()
		}
	}
	flush()
	if err := store.Maintain(b.Context(), true); err != nil {
		b.Fatal(err)
	}
	done()
}

func oneResult(rng *rand.Rand, id uint32, owner string, at time.Time) events.Result {
	took := time.Duration(18_000+rng.ExpFloat64()*2_000) * time.Microsecond
	r := events.Result{
		MonitorID: id, OrganizationID: owner, Region: "local", ScheduledAt: at, StartedAt: at.Add(time.Duration(rng.IntN(3)) * time.Millisecond),
		Outcome: events.Success, ResponseTime: took, DNS: events.Absent, TCP: took, TLS: events.Absent, TTFB: events.Absent, Transfer: events.Absent,
		Size: events.Absent, Attempt: 1, ProberID: "p/local", ResolvedIP: "127.0.0.1", Family: 1, ConfigVersion: 1, Kind: 2,
		URL: "tcp://127.0.0.1:1", Name: "dense", Port: 1,
	}
	if rng.IntN(5000) == 0 {
		r.Outcome, r.ErrorType, r.ErrorMessage = events.Failure, "connection_refused", "connection refused"
	}
	return r
}

// openResults opens the result store that the server uses when it runs.
func openResults(b *testing.B, s *server) (events.ResultStore, func()) {
	b.Helper()
	if f, ok := s.form.(*suite); ok {
		store, err := eventsclickhouse.OpenResults(b.Context(), f.history, eventsclickhouse.Options{})
		if err != nil {
			b.Fatal(err)
		}
		return store, func() { closed(b, store) }
	}
	store, err := eventssqlite.OpenHistory(b.Context(), strings.TrimSuffix(s.dir, "/")+"/history", eventssqlite.HistoryOptions{})
	if err != nil {
		b.Fatal(err)
	}
	return store, func() { closed(b, store) }
}

func closed(b *testing.B, store interface{ Close() error }) {
	b.Helper()
	if err := store.Close(); err != nil {
		b.Fatal(err)
	}
}
