package migrate_test

import (
	"context"
	"database/sql"
	"embed"
	"io/fs"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"

	"github.com/frogstats/uptime/internal/migrate"
	"github.com/frogstats/uptime/internal/sqlite"
	"github.com/frogstats/uptime/internal/sqlite/sqlitetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func file(sql string) *fstest.MapFile { return &fstest.MapFile{Data: []byte("-- +goose Up\n" + sql)} }

func has(t *testing.T, db *sqlite.DB, table string) bool {
	t.Helper()
	var n int
	err := db.Read().QueryRowContext(t.Context(), `SELECT count(*) FROM sqlite_master WHERE name = ?`, table).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n == 1
}

func TestUpAppliesEachOnceInOrder(t *testing.T) {
	db := sqlitetest.Open(t)
	first := fstest.MapFS{"0001_a.sql": file(`CREATE TABLE a (x INTEGER);`)}
	second := fstest.MapFS{"0001_a.sql": first["0001_a.sql"], "0002_b.sql": file(`ALTER TABLE a ADD COLUMN y INTEGER;`)}
	for _, fsys := range []fs.FS{first, first, second, second} {
		if err := db.Migrate(t.Context(), fsys); err != nil {
			t.Fatal(err)
		}
	}
	var n int
	if err := db.Read().QueryRowContext(t.Context(), `SELECT count(y) FROM a`).Scan(&n); err != nil {
		t.Error(err)
	}
	if !has(t, db, "schema_migrations") {
		t.Error("no record of what was applied")
	}
}

func TestFailedMigrationLeavesNothing(t *testing.T) {
	db := sqlitetest.Open(t)
	err := db.Migrate(t.Context(), fstest.MapFS{
		"0001_a.sql": file(`CREATE TABLE a (x INTEGER);`),
		"0002_b.sql": file("CREATE TABLE b (x INTEGER);\nCREATE TABLE a (x INTEGER);"),
	})
	if err == nil {
		t.Fatal("a table was made twice")
	}
	if !has(t, db, "a") || has(t, db, "b") {
		t.Errorf("a: %v, b: %v; want the first migration whole and nothing of the second", has(t, db, "a"), has(t, db, "b"))
	}
	if err := db.Migrate(t.Context(), fstest.MapFS{
		"0001_a.sql": file(`CREATE TABLE a (x INTEGER);`), "0002_b.sql": file(`CREATE TABLE b (x INTEGER);`),
	}); err != nil || !has(t, db, "b") {
		t.Errorf("mended migration: %v", err)
	}
}

func TestSeveralSeriesInOneDatabase(t *testing.T) {
	db := sqlitetest.Open(t)
	if err := db.Migrate(t.Context(), fstest.MapFS{"0001_a.sql": file(`CREATE TABLE a (x INTEGER);`)}); err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context(), fstest.MapFS{"0001_b.sql": file(`CREATE TABLE b (x INTEGER);`)}, migrate.Table("other")); err != nil {
		t.Fatal(err)
	}
	if !has(t, db, "a") || !has(t, db, "b") || !has(t, db, "other") {
		t.Error("a series is missing")
	}
}

//go:embed testdata/migrations/*.sql
var embedded embed.FS

func TestWhereMigrationsLie(t *testing.T) {
	below, err := fs.Sub(embedded, "testdata")
	if err != nil {
		t.Fatal(err)
	}
	within, err := fs.Sub(embedded, "testdata/migrations")
	if err != nil {
		t.Fatal(err)
	}
	for name, fsys := range map[string]fs.FS{"in a folder": below, "at the top": within} {
		db := sqlitetest.Open(t)
		if err := db.Migrate(t.Context(), fsys); err != nil || !has(t, db, "embedded") {
			t.Errorf("%s: %v", name, err)
		}
	}
	db := sqlitetest.Open(t)
	if err := db.Migrate(t.Context(), fstest.MapFS{}); err != nil {
		t.Errorf("no migrations at all: %v", err)
	}
}

func TestConcurrentUpThroughSeveralHandles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	fsys := fstest.MapFS{
		"0001_a.sql": file("CREATE TABLE a (x INTEGER);\nINSERT INTO a VALUES (1);"), "0002_b.sql": file(`INSERT INTO a VALUES (2);`),
	}
	var wg sync.WaitGroup
	for range 8 {
		db := sqlitetest.OpenAt(t, path, sqlite.Options{})
		wg.Go(func() {
			if err := db.Migrate(t.Context(), fsys); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var n int
	if err := sqlitetest.OpenAt(t, path, sqlite.Options{}).Read().QueryRowContext(t.Context(), `SELECT count(*) FROM a`).Scan(&n); err != nil || n != 2 {
		t.Errorf("%d rows, %v, want 2", n, err)
	}
}

func TestCancelledUp(t *testing.T) {
	db := sqlitetest.Open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Migrate(ctx, fstest.MapFS{"0001_a.sql": file(`CREATE TABLE a (x INTEGER);`)}); err == nil || has(t, db, "a") {
		t.Errorf("migrated with a cancelled context: %v", err)
	}
	if err := db.Write(t.Context(), func(*sql.Tx) error { return nil }); err != nil {
		t.Errorf("the writer is not free: %v", err)
	}
}
