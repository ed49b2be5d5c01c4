package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/sqlite"
)

// However often the process is killed: it starts again, its files are intact, what it had
// shown is still there, and every outage is announced exactly once by name.
func TestKill(t *testing.T) {
	t.Parallel()
	kills := 4
	if long {
		kills = 50
	}
	s, k := start(t), newSink(t)
	s.channel(k, "ops")
	f := newFlock(t, s, k)
	for n := range kills {
		// Outages begin and end all the while, so a random moment falls into everything.
		<-time.After(time.Duration(300+rand.IntN(2700)) * time.Millisecond)
		f.pause.Lock()
		s.kill()
		s.form.intact(s)
		s.run()
		f.pause.Unlock()
		f.stillThere(n + 1)
		if t.Failed() {
			break
		}
	}
	f.finish()
	t.Logf("%d kills, %d outages of %d monitors, %d results remembered", kills, f.outages, len(f.flaky), len(f.shown))
}

// flock is monitors under load: a few whose targets come and go, and many that are fine.
type flock struct {
	t       *testing.T
	s       *server
	k       *sink
	steady  []int
	flaky   []*flaky
	pause   sync.RWMutex // held for writing while there is no server
	stop    context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	shown   map[string]event // results that the API has answered
	outages int
}

// flaky is a monitor with a target of its own, and with a rule beside the channel.
type flaky struct {
	id      int
	target  *site
	outages int
}

func newFlock(t *testing.T, s *server, k *sink) *flock { return newFlockOf(t, s, k, 40) }

// newFlockOf has so many monitors that are fine.
func newFlockOf(t *testing.T, s *server, k *sink, fine int) *flock {
	f := &flock{t: t, s: s, k: k, shown: map[string]event{}}
	steady := newSite(t, nil)
	for i := range fine {
		f.steady = append(f.steady, s.create(tcpMonitor("127.0.0.1", steady.port(), obj{"name": fmt.Sprint("steady ", i), "confirm_down": 1})))
	}
	for i := range 4 {
		one := &flaky{target: newSite(t, nil)}
		one.id = s.create(httpMonitor(one.target.url(), obj{"name": fmt.Sprint("flaky ", i), "retry_interval_seconds": 1}))
		s.alert(one.id, k, fmt.Sprint("rule-", i), obj{"consecutive_failures": 2})
		s.statusIs(one.id, "up", 15*time.Second)
		f.flaky = append(f.flaky, one)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.stop = cancel
	for _, one := range f.flaky {
		f.running.Go(func() { f.flap(ctx, one) })
	}
	f.running.Go(func() { f.watch(ctx) })
	t.Cleanup(func() { cancel(); f.running.Wait() })
	return f
}

// flap lets a target fail until the API says that it is down, and work until it says up.
func (f *flock) flap(ctx context.Context, one *flaky) {
	for {
		one.target.behave(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		if !f.reaches(ctx, one.id, "down") {
			return
		}
		one.outages++
		one.target.behave(func(http.ResponseWriter, *http.Request) {})
		if !f.reaches(ctx, one.id, "up") {
			return
		}
	}
}

// reaches waits for a state; false when the test is over.
func (f *flock) reaches(ctx context.Context, id int, state string) bool {
	tick := time.NewTicker(150 * time.Millisecond)
	defer tick.Stop()
	for {
		var status struct {
			Current string `json:"current_status"`
		}
		if f.read(ctx, fmt.Sprintf("/api/uptime/monitors/%d/status", id), &status) && status.Current == state {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// read asks the server; false if it was killed meanwhile.
func (f *flock) read(ctx context.Context, path string, into any) bool {
	f.pause.RLock()
	base := f.s.base
	f.pause.RUnlock()
	req, err := http.NewRequestWithContext(ctx, "GET", base+path, nil)
	if err != nil {
		return false
	}
	req.Header.Set("Authorization", "Bearer "+adminKey)
	resp, err := restClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK && json.NewDecoder(resp.Body).Decode(into) == nil
}

// watch remembers the results that the API shows.
func (f *flock) watch(ctx context.Context) {
	for ctx.Err() == nil {
		for _, one := range f.flaky {
			var page struct{ Events []event }
			if f.read(ctx, fmt.Sprintf("/api/uptime/monitors/%d/events?limit=20", one.id), &page) {
				f.mu.Lock()
				for _, e := range page.Events {
					if e.Status != "missed" { // a missed row may still grow
						f.shown[e.EventID] = e
					}
				}
				f.mu.Unlock()
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// stillThere checks that everything that was shown is shown again.
func (f *flock) stillThere(kills int) {
	f.t.Helper()
	f.mu.Lock()
	shown := maps.Clone(f.shown)
	f.mu.Unlock()
	stored := map[string]event{}
	for _, one := range f.flaky {
		for _, e := range f.s.events(one.id, "") {
			stored[e.EventID] = e
		}
	}
	for id, e := range shown {
		if got, ok := stored[id]; !ok || got.Status != e.Status || !got.ScheduledAt.Equal(e.ScheduledAt) {
			f.t.Errorf("after kill %d the result %+v is %+v (there: %v)", kills, e, got, ok)
		}
	}
}

// finish ends the load, lets everything recover, and compares what happened with what was told.
func (f *flock) finish() {
	f.t.Helper()
	f.stop()
	f.running.Wait()
	for _, one := range f.flaky {
		one.target.behave(func(http.ResponseWriter, *http.Request) {})
		since := time.Now()
		eventually(f.t, 30*time.Second, fmt.Sprint("monitor ", one.id, " to recover"), func() error {
			var page struct{ Events []event }
			if !f.read(f.t.Context(), fmt.Sprintf("/api/uptime/monitors/%d/events?limit=1&status=success", one.id), &page) ||
				len(page.Events) == 0 || page.Events[0].ScheduledAt.Before(since) {
				return errors.New("no success since its target works")
			}
			return nil
		})
		f.s.statusIs(one.id, "up", 30*time.Second)
	}
	f.stillThere(-1)
	f.s.quiet(90 * time.Second)
	told, ids := map[string]string{}, map[string]string{} // cause → id and back
	for _, d := range f.k.got(func(delivery) bool { return true }) {
		cause := d.to + ": " + d.notice.cause()
		if other, ok := told[cause]; ok && other != d.id {
			f.t.Errorf("%s was told as %s and as %s", cause, other, d.id)
		}
		if other, ok := ids[d.id]; ok && other != cause {
			f.t.Errorf("%s tells of %s and of %s", d.id, other, cause)
		}
		told[cause], ids[d.id] = d.id, cause
	}
	for i, one := range f.flaky {
		f.outages += one.outages
		all := f.s.incidents(one.id)
		// The last outage may have ended before anybody saw it in the API.
		if len(all) < one.outages || len(all) > one.outages+1 {
			f.t.Errorf("monitor %d went down %d times and has %d incidents", one.id, one.outages, len(all))
		}
		f.announced("ops", one.id, len(all), "monitor.down", "monitor.recovered")
		f.announced(fmt.Sprint("rule-", i), one.id, len(all), "alert.triggered", "alert.resolved")
	}
}

// quiet waits until every incident is over, and every message delivered.
func (s *server) quiet(limit time.Duration) {
	s.t.Helper()
	quiet := 0
	eventually(s.t, limit, "every message to be delivered", func() error {
		left := want[struct{ Deliveries []obj }](s, 200, s.do("GET", "/api/uptime/deliveries?state=pending&limit=1000", nil)).Deliveries
		open := want[struct{ Incidents []incident }](s, 200, s.do("GET", "/api/uptime/incidents?status=open&limit=1000", nil)).Incidents
		if len(left) > 0 || len(open) > 0 {
			quiet = 0
			return fmt.Errorf("%d messages are pending, %d incidents open", len(left), len(open))
		}
		if quiet++; quiet < 50 { // what was observed may not have reached the rules yet
			return errors.New("it has only just become quiet")
		}
		return nil
	})
}

// announced checks that a receiver was told of n outages, beginning and end.
func (f *flock) announced(to string, monitor, n int, begin, end string) {
	f.t.Helper()
	began, ended := map[string]bool{}, map[string]bool{}
	for _, d := range f.k.got(func(d delivery) bool { return d.to == to && d.notice.Data.Monitor.ID == monitor }) {
		switch d.notice.Type {
		case begin:
			began[d.id] = true
		case end:
			ended[d.id] = true
			for _, id := range d.notice.Data.Supersedes {
				began[id] = true // told with the end, because it had not got through
			}
		}
	}
	if len(began) != n || len(ended) != n {
		f.t.Errorf("%s was told of %d beginnings and %d ends of %d outages of monitor %d", to, len(began), len(ended), n, monitor)
	}
}

// checkFiles opens a copy of every database, as the next start would, and lets SQLite
// check it. It is a copy so that the next start still has everything to recover itself.
func checkFiles(t testing.TB, dir string) {
	t.Helper()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	checked := 0
	err := filepath.WalkDir(copied, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".db") {
			return err
		}
		db, err := sqlite.Open(context.Background(), path, sqlite.Options{})
		if err != nil {
			return fmt.Errorf("%s: %w", d.Name(), err)
		}
		checked++
		return errors.Join(db.QuickCheck(context.Background()), db.Close())
	})
	if err != nil {
		t.Errorf("after a kill: %v", err)
	}
	if checked < 5 {
		t.Errorf("%d databases in %s, want one of each service that has one and one of this month", checked, dir)
	}
}
