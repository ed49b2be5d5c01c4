package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	internal "github.com/frogstats/uptime/internal/sqlite"
	"github.com/frogstats/uptime/internal/sqlite/sqlitetest"
	"github.com/frogstats/uptime/services/events"
)

// BenchmarkReplay reads 90 days of a monitor that is checked every 30 s, in the order of time, and in the same run the same
// columns of the same rows without anything around them.
func BenchmarkReplay(b *testing.B) {
	const days, perDay = 90, 2880
	dir := b.TempDir()
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	h := openHistory(b, dir)
	for day := range days {
		batch := make([]events.Result, 0, perDay)
		for i := range perDay {
			batch = append(batch, https(1, start.Add(time.Duration(day*perDay+i)*30*time.Second)))
		}
		if _, err := h.Append(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		if err := h.Maintain(b.Context(), true); err != nil {
			b.Fatal(err)
		}
	}
	var floor time.Duration // of one pass
	b.Run("floor", func(b *testing.B) {
		files, err := filepath.Glob(filepath.Join(dir, "*.db"))
		if err != nil {
			b.Fatal(err)
		}
		var months []*internal.DB
		for _, f := range files {
			months = append(months, sqlitetest.OpenAt(b, f, internal.Options{}))
		}
		for b.Loop() {
			if n := readBare(b, months); n != days*perDay {
				b.Fatalf("%d rows", n)
			}
		}
		floor = b.Elapsed() / time.Duration(b.N)
	})
	b.Run("replay", func(b *testing.B) {
		for b.Loop() {
			n := 0
			err := h.Replay(b.Context(), 1, map[string]time.Time{"local": start.Add(-1)}, func(*events.Result) error {
				n++
				return nil
			})
			if err != nil || n != days*perDay {
				b.Fatal(n, err)
			}
		}
		b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(floor), "x-floor")
	})
}

func readBare(b *testing.B, months []*internal.DB) (n int) {
	const query = `SELECT id, outcome, variant_id, late_ms, response_us, dns_us, tcp_us, tls_us, ttfb_us, transfer_us, size_bytes FROM result`
	for _, db := range months {
		n += readMonth(b, db, query)
	}
	return n
}

func readMonth(b *testing.B, db *internal.DB, query string) (n int) {
	rows, err := db.Read().QueryContext(b.Context(), query)
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	var v [11]sql.NullInt64
	to := make([]any, len(v))
	for i := range v {
		to[i] = &v[i]
	}
	for rows.Next() {
		if err := rows.Scan(to...); err != nil {
			b.Fatal(err)
		}
		n++
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
	return n
}
