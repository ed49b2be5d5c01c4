// Package sqlitetest lends a fresh SQLite database to a test.
package sqlitetest

import (
	"context"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/frogstats/uptime/internal/sqlite"
)

// Open returns an empty database in the test's own folder, closed when the test ends.
func Open(t testing.TB) *sqlite.DB {
	t.Helper()
	return OpenAt(t, filepath.Join(t.TempDir(), "test.db"), sqlite.Options{})
}

// OpenMigrated is Open with the migrations in fsys applied.
func OpenMigrated(t testing.TB, fsys fs.FS) *sqlite.DB {
	t.Helper()
	db := Open(t)
	if err := db.Migrate(context.Background(), fsys); err != nil {
		t.Fatal(err)
	}
	return db
}

// OpenAt opens the file at path, closed when the test ends.
func OpenAt(t testing.TB, path string, opts sqlite.Options) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(context.Background(), path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close database: %v", err)
		}
	})
	return db
}
