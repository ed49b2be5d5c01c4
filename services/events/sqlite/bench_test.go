package sqlite_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	internal "github.com/frogstats/uptime/internal/sqlite"
	"github.com/frogstats/uptime/internal/sqlite/sqlitetest"
	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/sqlite"
)

// epoch is of a monitor that changes hands every four hours, in a region where others do.
func epoch(id uint32, slot time.Time) uint64 { return uint64(40_000 + int64(id) + slot.Unix()/14400*7) }

// fleet makes plain successes of many monitors: of each, one per interval, in the order of time.
func fleet(monitors, rounds int, interval time.Duration, kind func(id uint32, slot time.Time) events.Result) [][]events.Result {
	start := time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC)
	out := make([][]events.Result, rounds)
	for i := range out {
		for id := range uint32(monitors) {
			slot := start.Add(time.Duration(i)*interval + time.Duration(id)*interval/time.Duration(monitors)).Truncate(time.Millisecond)
			out[i] = append(out[i], kind(id+1, slot))
		}
	}
	return out
}

func tcp(id uint32, slot time.Time) events.Result {
	n := time.Duration(id*7919+uint32(slot.UnixMilli()/100)*104729) % 1000
	return events.Result{
		MonitorID: id, OrganizationID: "0192f3c4-0000-7000-8000-000000000001", Region: "local", ScheduledAt: slot, StartedAt: slot.Add(n * time.Millisecond / 100),
		Outcome: events.Success, ResponseTime: (18_000 + 12*n) * time.Microsecond, DNS: (300 + n) * time.Microsecond, TCP: (17_700 + 11*n) * time.Microsecond,
		TLS: events.Absent, TTFB: events.Absent, Transfer: events.Absent, Size: events.Absent, Attempt: 1, ProberID: "local-1",
		ResolvedIP: "192.0.2.10", Family: 1, ConfigVersion: 1, Epoch: epoch(id, slot), Kind: 2, URL: fmt.Sprintf("tcp://host-%d.example.com:443", id), Name: fmt.Sprint("host ", id), Port: 443,
	}
}

func https(id uint32, slot time.Time) events.Result {
	r := tcp(id, slot)
	n := time.Duration(slot.UnixMilli()/100*7+int64(id)) % 1000
	r.Kind, r.URL, r.Port, r.TLSVersion, r.CertExpiresAt = 1, fmt.Sprintf("https://host-%d.example.com/health", id), 0, "1.3", slot.Truncate(24*time.Hour).AddDate(0, 2, 0)
	r.TLS, r.TTFB, r.Transfer = (21_000+9*n)*time.Microsecond, (45_000+20*n)*time.Microsecond, (900+n)*time.Microsecond
	r.ResponseTime = r.DNS + r.TCP + r.TLS + r.TTFB + r.Transfer
	r.StatusCode, r.Size = 200, int64(12_000+n)
	r.Headers = map[string]string{
		"Content-Type": "application/json", "Server": "nginx", "Date": slot.Format(time.RFC1123), "Cache-Control": "no-cache",
		"X-Request-Id": fmt.Sprint(slot.UnixNano(), id), "Strict-Transport-Security": "max-age=31536000", "Etag": fmt.Sprint(slot.Unix(), id),
	}
	return r
}

// size is what a folder takes on disk.
func size(t testing.TB, dir string) int64 {
	t.Helper()
	var sum int64
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		sum += info.Size()
	}
	return sum
}

func TestBytesPerResult(t *testing.T) {
	tests := []struct {
		name             string
		monitors, rounds int
		interval         time.Duration
		kind             func(uint32, time.Time) events.Result
		most             float64
	}{
		{"tcp every second", 3, 3600, time.Second, tcp, 60},
		{"https every second", 3, 3600, time.Second, https, 90},
		{"tcp every minute", 7, 1440, time.Minute, tcp, 70},
		{"https every minute", 7, 1440, time.Minute, https, 100},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			h, err := sqlite.OpenHistory(t.Context(), dir, sqlite.HistoryOptions{})
			if err != nil {
				t.Fatal(err)
			}
			n, began := 0, time.Now()
			var batch []events.Result
			for i, part := range fleet(tt.monitors, tt.rounds, tt.interval, tt.kind) {
				if batch = append(batch, part...); i%20 != 19 {
					continue
				}
				added, err := h.Append(t.Context(), batch)
				if err != nil {
					t.Fatal(err)
				}
				n, batch = n+added, batch[:0]
				if i%60 == 59 {
					if err := h.Maintain(t.Context(), false); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := h.Maintain(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			took := time.Since(began)
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
			got := float64(size(t, dir)) / float64(n)
			t.Logf("%d results, %.1f bytes each, %.0f results/s", n, got, float64(n)/took.Seconds())
			if got > tt.most {
				t.Errorf("more than %v bytes", tt.most)
			}
		})
	}
}

// BenchmarkAppend stores batches of 1000 results of 2000 monitors that are checked every second, maintenance included, and in
// the same run plain rows of the same columns into one table, as the floor.
func BenchmarkAppend(b *testing.B) {
	const monitors, batch = 2000, 1000
	var floor float64
	b.Run("floor", func(b *testing.B) { floor = floorRate(b, batch) })
	for _, kind := range []struct {
		name string
		make func(uint32, time.Time) events.Result
	}{{"tcp", tcp}, {"https", https}} {
		b.Run(kind.name, func(b *testing.B) {
			h := openHistory(b, b.TempDir())
			var queue []events.Result
			start := time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC)
			n, second := 0, 0
			for b.Loop() {
				if len(queue) == 0 {
					b.StopTimer()
					for id := range uint32(monitors) {
						queue = append(queue, kind.make(id+1, start.Add(time.Duration(second)*time.Second)))
					}
					second++
					b.StartTimer()
				}
				added, err := h.Append(b.Context(), queue[:batch])
				if err != nil {
					b.Fatal(err)
				}
				queue, n = queue[batch:], n+added
				if n%(30*monitors) == 0 {
					if err := h.Maintain(b.Context(), false); err != nil {
						b.Fatal(err)
					}
				}
			}
			rate := float64(n) / b.Elapsed().Seconds()
			b.ReportMetric(rate, "results/s")
			b.ReportMetric(floor/rate, "x-floor")
		})
	}
}

// floorRate inserts plain rows of the same width, 50 per statement and batch per transaction.
func floorRate(b *testing.B, batch int) float64 {
	db := sqlitetest.OpenAt(b, filepath.Join(b.TempDir(), "floor.db"), internal.Options{Synchronous: internal.Full})
	const create = `CREATE TABLE floor (a INTEGER, b INTEGER, c INTEGER, d INTEGER, e INTEGER, f INTEGER, g INTEGER, h INTEGER, i INTEGER, j INTEGER, k INTEGER)`
	const one = `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	query := `INSERT INTO floor VALUES ` + strings.Repeat(one+`, `, 49) + one
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	must(db.Write(b.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(create)
		return err
	}))
	args := make([]any, 50*11)
	n := 0
	for b.Loop() {
		must(db.Write(b.Context(), func(tx *sql.Tx) error {
			stmt, err := tx.Prepare(query)
			must(err)
			defer stmt.Close()
			for range batch / 50 {
				for i := range args {
					args[i] = int64(n*7919 + i)
				}
				if _, err := stmt.Exec(args...); err != nil {
					return err
				}
				n += 50
			}
			return nil
		}))
	}
	rate := float64(n) / b.Elapsed().Seconds()
	b.ReportMetric(rate, "rows/s")
	return rate
}
