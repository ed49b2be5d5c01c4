package sqlite_test

import (
	"bytes"
	"crypto/rand"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/sqlite"
)

// twoMonths fills a folder with results of February and March and closes it.
func twoMonths(t *testing.T, dir string) (feb, mar []events.Result) {
	t.Helper()
	h, err := sqlite.OpenHistory(t.Context(), dir, sqlite.HistoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 900 {
		feb = append(feb, tcp(7, time.Date(2026, 2, 10, 0, 0, i, 0, time.UTC)))
		mar = append(mar, tcp(7, time.Date(2026, 3, 10, 0, 0, i, 0, time.UTC)))
	}
	for _, part := range [][]events.Result{feb, mar} {
		if _, err := h.Append(t.Context(), part); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Maintain(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	return feb, mar
}

func TestDamagedMonthIsSetAside(t *testing.T) {
	tests := []struct {
		name   string
		damage func(b []byte) []byte
	}{
		{"no database at all", func(b []byte) []byte { return []byte(strings.Repeat("garbage ", 4096)) }},
		{"cut off", func(b []byte) []byte { return b[:4096*3] }},
		{"overwritten in the middle", func(b []byte) []byte {
			if _, err := rand.Read(b[8192 : len(b)-4096]); err != nil {
				t.Fatal(err)
			}
			return b
		}},
	}
	for _, month := range []string{"2026-02.db", "2026-03.db"} {
		for _, tt := range tests {
			t.Run(month+" "+tt.name, func(t *testing.T) {
				dir := t.TempDir()
				feb, mar := twoMonths(t, dir)
				path := filepath.Join(dir, month)
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, tt.damage(b), 0o600); err != nil {
					t.Fatal(err)
				}
				whole, lost := mar, feb
				if month == "2026-03.db" {
					whole, lost = feb, mar
				}
				checkSetAside(t, dir, path, whole, lost)
			})
		}
	}
}

func checkSetAside(t *testing.T, dir, path string, whole, lost []events.Result) {
	t.Helper()
	var told bytes.Buffer
	h, err := sqlite.OpenHistory(t.Context(), dir, sqlite.HistoryOptions{Log: slog.New(slog.NewTextHandler(&told, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}()
	// Reading finds the damage, or writing does; neither fails, and neither hides what is whole.
	if _, err := h.List(t.Context(), events.ResultQuery{MonitorID: 7, Limit: 10_000}); err != nil {
		t.Errorf("list: %v", err)
	}
	from, to := whole[0].ScheduledAt, whole[len(whole)-1].ScheduledAt.Add(time.Second)
	sums, err := h.Summarize(t.Context(), 7, "", []time.Time{from, to})
	if err != nil || sums[0].Successes != int64(len(whole)) {
		t.Errorf("of the whole month %d of %d are summed up, error %v", sums[0].Successes, len(whole), err)
	}
	fresh := tcp(8, lost[0].ScheduledAt)
	if n, err := h.Append(t.Context(), []events.Result{fresh}); err != nil || n != 1 {
		t.Errorf("append to the month that was damaged: %d, %v", n, err)
	}
	if got, err := h.List(t.Context(), events.ResultQuery{MonitorID: 8, Limit: 10}); err != nil || len(got) != 1 {
		t.Errorf("list what was appended: %v, %v", got, err)
	}
	aside, err := filepath.Glob(path + ".broken-*")
	if err != nil || len(aside) == 0 {
		t.Errorf("nothing was set aside: %v", err)
	}
	if !strings.Contains(told.String(), "set aside") || !strings.Contains(told.String(), "level=ERROR") {
		t.Errorf("nobody was told:\n%s", told.String())
	}
}

func TestStrangeFilesAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	names := []string{"2026-03.db.broken-20260401T000000.000Z", "notes.txt", "2026-13.db", "old.db", "2026-03.db-journal-backup"}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h := openHistory(t, dir)
	if _, err := h.Append(t.Context(), []events.Result{tcp(1, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))}); err != nil {
		t.Fatal(err)
	}
	if err := h.Prune(t.Context(), time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "2026-03.db*")); len(left) != 2 {
		t.Errorf("left: %v", left)
	}
}
