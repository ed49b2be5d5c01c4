package sqlite

import (
	"database/sql"
	"io/fs"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/frogstats/uptime/internal/sqlite"
	"github.com/frogstats/uptime/services/monitors"
)

// A file of the first version keeps its monitors, its deleted ones and the numbers it has given out.
func TestMigrationKeepsMonitors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "monitors.db")
	first, err := fs.ReadFile(migrations, "migrations/0001_monitors.sql")
	if err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context(), fstest.MapFS{"0001_monitors.sql": {Data: first}}); err != nil {
		t.Fatal(err)
	}
	const rows = `INSERT INTO uptime_monitors VALUES
  (7, 'o', 'web', 'http', 30, NULL, NULL, 1, '{"url":"https://example.com/","method":"GET","auth":{"type":"none"},"timeout_ms":1000}', NULL, x'01',
   '[]', '["local"]', 1, 0, 2, 1, NULL, 'skip', 'majority', NULL, '{"k":"v"}', 'e', NULL, 'web', 1, 2, 3, 'u', 4, 5, NULL),
  (9, 'o', 'gone', 'tcp', NULL, '* * * * *', 'UTC', 0, NULL, '{"host":"h","port":1}', NULL,
   '[]', '["local"]', 1, 0, 2, 1, NULL, 'skip', 'majority', NULL, '{}', 'e', NULL, 'gone', 1, 2, 3, 'u', 2, 6, 10);
   UPDATE sqlite_sequence SET seq = 11 WHERE name = 'uptime_monitors'`
	if err := db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), rows)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	changes, err := s.Changes(t.Context(), 0, 10)
	if err != nil || len(changes) != 2 {
		t.Fatalf("changes %v, %v", changes, err)
	}
	web, gone := changes[0], changes[1]
	if web.ID != 7 || web.Config.HTTP.URL != "https://example.com/" || web.Config.Labels["k"] != "v" || web.Config.ExternalID != "e" ||
		len(web.Sealed) != 1 || web.Version != 4 || web.Rev != 5 || web.Config.HTTP.Timeout.Duration() != time.Second {
		t.Errorf("kept %+v", web)
	}
	if gone.ID != 9 || !gone.Deleted() || gone.Config.TCP.Port != 1 || gone.Config.Cron != "* * * * *" {
		t.Errorf("kept %+v", gone)
	}
	m := monitors.Monitor{OrganizationID: "o", Version: 1, CreatedBy: "u", Config: monitors.Config{
		Name: "cert", Type: monitors.TypeTLS, Interval: 60, TLS: &monitors.TLSConfig{Host: "h", Port: 443}, Overlap: monitors.OverlapSkip,
		Rules: []monitors.Rule{}, Regions: []string{"local"}, Labels: map[string]string{}, Quorum: "all",
	}}
	if err := s.Write(t.Context(), func(tx monitors.Tx) (err error) {
		m.ID, err = tx.Insert(t.Context(), m)
		return err
	}); err != nil || m.ID != 12 {
		t.Errorf("the next monitor has the number %d, %v, want 12", m.ID, err)
	}
}
