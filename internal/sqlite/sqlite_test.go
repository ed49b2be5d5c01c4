package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"github.com/frogstats/uptime/internal/sqlite"
	"github.com/frogstats/uptime/internal/sqlite/sqlitetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var schema = fstest.MapFS{"0001_things.sql": {Data: []byte(`-- +goose Up
CREATE TABLE thing (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE CHECK (name <> ''),
    kind TEXT REFERENCES kind (name)
) STRICT;
CREATE TABLE kind (name TEXT PRIMARY KEY) STRICT;
`)}}

const (
	insertThing = `INSERT INTO thing (id, name, kind) VALUES (?, ?, ?)`
	countThings = `SELECT count(*) FROM thing`
)

func insert(t *testing.T, db *sqlite.DB, id any, name string, kind any) error {
	t.Helper()
	return db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), insertThing, id, name, kind)
		return err
	})
}

func count(t *testing.T, db *sqlite.DB) (n int) {
	t.Helper()
	if err := db.Read().QueryRowContext(t.Context(), countThings).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWriteCommitsOrChangesNothing(t *testing.T) {
	db := sqlitetest.OpenMigrated(t, schema)
	if err := insert(t, db, 1, "a", nil); err != nil {
		t.Fatal(err)
	}
	refuse := errors.New("no")
	err := db.Write(t.Context(), func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(t.Context(), insertThing, 2, "b", nil); err != nil {
			return err
		}
		return refuse
	})
	if !errors.Is(err, refuse) {
		t.Errorf("write: %v, want the function's error", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = db.Write(t.Context(), func(tx *sql.Tx) error {
			_, _ = tx.ExecContext(t.Context(), insertThing, 3, "c", nil)
			panic("canary")
		})
	}()
	ctx, cancel := context.WithCancel(t.Context())
	err = db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, insertThing, 4, "d", nil)
		cancel()
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("write with a cancelled context: %v", err)
	}
	if n := count(t, db); n != 1 {
		t.Errorf("%d rows, want the first alone", n)
	}
	if err := insert(t, db, 5, "e", nil); err != nil {
		t.Errorf("write after failures: %v", err)
	}
}

func TestWritesTakeTurns(t *testing.T) {
	db := sqlitetest.OpenMigrated(t, schema)
	const writers, each = 16, 10
	var wg sync.WaitGroup
	var inside int // unguarded on purpose: the race detector and the final count judge
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				err := db.Write(t.Context(), func(tx *sql.Tx) error {
					inside++
					_, err := tx.ExecContext(t.Context(), insertThing, nil, fmt.Sprintf("%d-%d", w, i), nil)
					return err
				})
				if err != nil {
					t.Error(err)
				}
				_ = count(t, db) // readers run beside writers
			}
		})
	}
	wg.Wait()
	if n := count(t, db); n != writers*each || inside != n {
		t.Errorf("%d rows, %d writes, want %d", n, inside, writers*each)
	}
}

func TestWaitingToWriteCanBeGivenUp(t *testing.T) {
	db := sqlitetest.OpenMigrated(t, schema)
	err := db.Write(t.Context(), func(*sql.Tx) error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		return db.Write(ctx, func(*sql.Tx) error { return nil })
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("second write: %v", err)
	}
}

func TestReadersSeeCommitsOnly(t *testing.T) {
	db := sqlitetest.OpenMigrated(t, schema)
	err := db.Write(t.Context(), func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(t.Context(), insertThing, 1, "a", nil); err != nil {
			return err
		}
		if n := count(t, db); n != 0 {
			t.Errorf("a reader sees %d uncommitted rows", n)
		}
		return nil
	})
	if err != nil || count(t, db) != 1 {
		t.Errorf("after commit: %d rows, %v", count(t, db), err)
	}
	if _, err := db.Read().ExecContext(t.Context(), `DELETE FROM thing`); err == nil || count(t, db) != 1 {
		t.Error("the read pool can write")
	}
}

func TestErrorsAreTold(t *testing.T) {
	db := sqlitetest.OpenMigrated(t, schema)
	if err := insert(t, db, 1, "a", nil); err != nil {
		t.Fatal(err)
	}
	wrap := func(err error) error { return fmt.Errorf("create thing: %w", err) }
	tests := map[string]struct {
		err                      error
		constraint, unique, fkey bool
	}{
		"same name":         {insert(t, db, 2, "a", nil), true, true, false},
		"same key":          {insert(t, db, 1, "b", nil), true, true, false},
		"same key, wrapped": {wrap(insert(t, db, 1, "b", nil)), true, true, false},
		"check":             {insert(t, db, 2, "", nil), true, false, false},
		"foreign key":       {insert(t, db, 2, "b", "unknown"), true, false, true},
		"something else":    {errors.New("UNIQUE constraint failed"), false, false, false},
		"nothing":           {nil, false, false, false},
	}
	for name, tt := range tests {
		if got := sqlite.IsConstraint(tt.err); got != tt.constraint {
			t.Errorf("%s: IsConstraint(%v) = %v", name, tt.err, got)
		}
		if got := sqlite.IsUnique(tt.err); got != tt.unique {
			t.Errorf("%s: IsUnique(%v) = %v", name, tt.err, got)
		}
		if got := sqlite.IsForeignKey(tt.err); got != tt.fkey {
			t.Errorf("%s: IsForeignKey(%v) = %v", name, tt.err, got)
		}
		if sqlite.IsBusy(tt.err) || sqlite.IsFull(tt.err) || sqlite.IsCorrupt(tt.err) {
			t.Errorf("%s: %v taken for busy, full or corrupt", name, tt.err)
		}
	}
}

func TestAnotherProcessHoldingTheLockIsBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	opts := sqlite.Options{BusyTimeout: time.Millisecond}
	a, b := sqlitetest.OpenAt(t, path, opts), sqlitetest.OpenAt(t, path, opts)
	err := a.Write(t.Context(), func(*sql.Tx) error {
		return b.Write(t.Context(), func(*sql.Tx) error { return nil })
	})
	if !sqlite.IsBusy(err) {
		t.Errorf("second writer: %v, want busy", err)
	}
}

func TestFullDiskIsTold(t *testing.T) {
	db := sqlitetest.OpenMigrated(t, schema)
	err := db.Write(t.Context(), func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(t.Context(), `PRAGMA max_page_count = 1`); err != nil { // the closest thing to a full disk
			return err
		}
		for i := range 10_000 {
			if _, err := tx.ExecContext(t.Context(), insertThing, nil, fmt.Sprintf("%0100d", i), nil); err != nil {
				return err
			}
		}
		return nil
	})
	if !sqlite.IsFull(err) {
		t.Errorf("got %v, want full", err)
	}
	if n := count(t, db); n != 0 {
		t.Errorf("%d rows of a transaction that failed", n)
	}
}

func TestSettings(t *testing.T) {
	db := sqlitetest.OpenAt(t, filepath.Join(t.TempDir(), "x.db"), sqlite.Options{Synchronous: sqlite.Full, CacheKiB: 4096})
	tests := map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "temp_store": "2", "busy_timeout": "5000",
		"cache_size": "-4096", "journal_size_limit": fmt.Sprint(sqlite.DefaultJournalSizeLimit),
	}
	for pragma, want := range tests {
		err := db.Write(t.Context(), func(tx *sql.Tx) error {
			var got string
			if err := tx.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil {
				return err
			}
			if got != want {
				t.Errorf("writer: %s = %s, want %s", pragma, got, want)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", pragma, err)
		}
	}
	if got, want := db.Read().Stats().MaxOpenConnections, max(4, runtime.NumCPU()); got != want {
		t.Errorf("%d readers, want %d", got, want)
	}
}

func TestFileIsPrivateAndOddNamesWork(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c#d%20é&mode=memory")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "x?y=z.db")
	db := sqlitetest.OpenAt(t, path, sqlite.Options{})
	if err := db.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	if db.Path() != path {
		t.Errorf("path %s", db.Path())
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %o", suffix, mode)
		}
	}
}

func TestRelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	db := sqlitetest.OpenAt(t, "a b%.db", sqlite.Options{})
	if err := db.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("a b%.db"); err != nil {
		t.Error(err)
	}
}

func TestCloseFoldsTheLogIn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	if err := insert(t, db, 1, "a", nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the log is still there: %v", err)
	}
	if err := insert(t, db, 2, "b", nil); err == nil {
		t.Error("a write after close succeeded")
	}
	again := sqlitetest.OpenAt(t, path, sqlite.Options{})
	if n := count(t, again); n != 1 {
		t.Errorf("%d rows after opening again", n)
	}
}

func TestQuickCheck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		if err := insert(t, db, nil, fmt.Sprintf("%0200d", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.QuickCheck(t.Context()); err != nil {
		t.Errorf("sound file: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(raw) / 2; i < len(raw)/2+8192; i++ {
		raw[i] = 0xa5
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	broken, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := broken.QuickCheck(t.Context()); !errors.Is(err, sqlite.ErrCorrupt) || !sqlite.IsCorrupt(err) {
		t.Errorf("damaged file: %v, want ErrCorrupt", err)
	}
	_ = broken.Close() // may fail on the damage
}

func TestOpenRefusesWhatIsNoDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, []byte("this is a text, and not a short one either, of more than a hundred bytes in all; so it is long enough for a header"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), path, sqlite.Options{}); !sqlite.IsCorrupt(err) {
		t.Errorf("got %v, want corrupt", err)
	}
	if _, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "missing", "x.db"), sqlite.Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing folder: %v", err)
	}
}
