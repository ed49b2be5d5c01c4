package migrate_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/internal/migrate"
	"github.com/frogstats/uptime/internal/postgres"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
)

const schema = "svc"

func open(t *testing.T, dsn, schema string) *postgres.DB {
	t.Helper()
	return postgrestest.OpenAt(t, dsn, postgres.Options{Schema: schema, MaxConns: 4})
}

func run(t *testing.T, db *postgres.DB, sql string, args ...any) {
	t.Helper()
	if _, err := db.Pool().Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func ask[T any](t *testing.T, db *postgres.DB, sql string, args ...any) (v T) {
	t.Helper()
	if err := db.Pool().QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); !done(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// slow is a statement that takes for ever while the table knob says so.
const slow = `SELECT pg_sleep(CASE WHEN EXISTS (SELECT FROM knob) THEN 600 ELSE 0 END);`

var (
	// once leaves a trace each time that it is applied.
	once = fstest.MapFS{"0001_a.sql": file("CREATE TABLE a (x INTEGER);\nSELECT pg_sleep(0.2);\nINSERT INTO a VALUES (1);")}
	// long is killed in the middle of its second statement.
	long = fstest.MapFS{"0001_a.sql": file("CREATE TABLE a (x INTEGER);\n" + slow + "\nINSERT INTO a VALUES (1);")}
	// index is killed while its index is being built.
	index = fstest.MapFS{"0001_a.sql": {Data: []byte("-- +goose NO TRANSACTION\n-- +goose Up\n" +
		"CREATE TABLE IF NOT EXISTS a (x INTEGER);\nDROP INDEX CONCURRENTLY IF EXISTS a_x;\nCREATE INDEX CONCURRENTLY a_x ON a (x);")}}
)

// TestChild is the other process of the tests below, which migrates and may be killed.
func TestChild(t *testing.T) {
	series := map[string]fstest.MapFS{"once": once, "long": long, "index": index}[os.Getenv("MIGRATE_CHILD")]
	if series == nil {
		return
	}
	if err := open(t, os.Getenv("MIGRATE_DSN"), schema).Migrate(t.Context(), series); err != nil {
		t.Fatal(err)
	}
}

// child starts another process that applies a series.
func child(t *testing.T, series, dsn string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), "MIGRATE_CHILD="+series, "MIGRATE_DSN="+dsn)
	var said strings.Builder
	cmd.Stdout = &said
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("another process said: %s", said.String())
		}
	})
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func TestProcessesTakeTurns(t *testing.T) {
	dsn := postgrestest.DSN(t)
	db := open(t, dsn, schema)
	others := []*exec.Cmd{child(t, "once", dsn), child(t, "once", dsn), child(t, "once", dsn)}
	var group sync.WaitGroup
	for range 3 { // several of one process too
		group.Go(func() {
			if err := db.Migrate(t.Context(), once); err != nil {
				t.Error(err)
			}
		})
	}
	for _, o := range others {
		if err := o.Wait(); err != nil {
			t.Error(err)
		}
	}
	group.Wait()
	if n := ask[int](t, db, `SELECT count(*) FROM a`); n != 1 {
		t.Errorf("applied %d times", n)
	}
	if n := ask[int](t, db, `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'`); n != 0 {
		t.Errorf("%d locks are left", n)
	}
}

// The lock of a killed process does not outlive it, even in the middle of a statement, and what it began is undone or redone.
func TestMigrationOfAKilledProcess(t *testing.T) {
	for name, tt := range map[string]struct {
		series  string
		files   fstest.MapFS
		running string // what pg_stat_activity shows of it in the middle
		check   string
	}{
		"one transaction": {"long", long, "%pg_sleep%", `SELECT (SELECT count(*) FROM a) = 1`},
		"no transaction": {"index", index, "CREATE INDEX CONCURRENTLY%",
			`SELECT indisvalid AND indisready FROM pg_index WHERE indexrelid = 'a_x'::regclass`},
	} {
		t.Run(name, func(t *testing.T) {
			dsn := postgrestest.DSN(t)
			db := open(t, dsn, schema)
			run(t, db, `CREATE TABLE knob ()`)
			run(t, db, `INSERT INTO knob DEFAULT VALUES`)
			var release func()
			if tt.series == "index" { // an index is not ready while a transaction that writes to its table is open
				run(t, db, `CREATE TABLE a (x INTEGER)`)
				tx, err := db.Pool().Begin(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				release = func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }
				defer release()
				if _, err := tx.Exec(t.Context(), `INSERT INTO a VALUES (1)`); err != nil {
					t.Fatal(err)
				}
			}
			other := child(t, tt.series, dsn)
			waitFor(t, "the migration to be in the middle", func() bool {
				return ask[bool](t, db, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
					AND state = 'active' AND query LIKE $1 AND wait_event_type IN ('Timeout', 'Lock'))`, tt.running)
			})
			if err := other.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = other.Wait()
			waitFor(t, "the server to notice", func() bool {
				return !ask[bool](t, db, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
					AND pid <> pg_backend_pid() AND query LIKE $1)`, tt.running)
			})
			if release != nil {
				if ask[bool](t, db, tt.check) {
					t.Error("the index was ready: there is nothing to mend")
				}
				release()
			}
			run(t, db, `DELETE FROM knob`)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			for range 2 {
				if err := db.Migrate(ctx, tt.files); err != nil {
					t.Fatal(err)
				}
			}
			if !ask[bool](t, db, tt.check) {
				t.Error("the migration is not whole")
			}
		})
	}
}

func TestMigrationWhoseServerWasKilled(t *testing.T) {
	server := postgrestest.Start(t)
	db := open(t, server.DSN(), schema)
	run(t, db, `CREATE TABLE knob ()`)
	run(t, db, `INSERT INTO knob DEFAULT VALUES`)
	failed := make(chan error, 1)
	go func() { failed <- db.Migrate(t.Context(), long) }()
	waitFor(t, "the migration to be in the middle", func() bool {
		return ask[bool](t, db, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')`)
	})
	server.Kill()
	if err := <-failed; err == nil {
		t.Error("migrated without a server")
	}
	server.Start()
	if err := db.Write(t.Context(), func(pgx.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	run(t, db, `DELETE FROM knob`)
	if err := db.Migrate(t.Context(), long); err != nil {
		t.Fatal(err)
	}
	if n := ask[int](t, db, `SELECT count(*) FROM a`); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

// A binary that is older than the database starts, and changes nothing.
func TestOlderBinary(t *testing.T) {
	older := fstest.MapFS{"0001_a.sql": file(`CREATE TABLE a (x INTEGER);`)}
	newer := fstest.MapFS{"0001_a.sql": older["0001_a.sql"], "0002_b.sql": file(`ALTER TABLE a ADD COLUMN y INTEGER;`)}
	db := open(t, postgrestest.DSN(t), schema)
	for _, files := range []fstest.MapFS{newer, older, {}, newer} {
		if err := db.Migrate(t.Context(), files); err != nil {
			t.Fatalf("with %d files: %v", len(files), err)
		}
		if n := ask[int](t, db, `SELECT max(version_id) FROM schema_migrations`); n != 2 {
			t.Errorf("with %d files the database is at %d", len(files), n)
		}
	}
	run(t, db, `SELECT y FROM a`)
}

// A series waits for its own kind only, as long as its context allows, and says what it waited for.
func TestWaitingForALongMigration(t *testing.T) {
	dsn := postgrestest.DSN(t)
	db, other := open(t, dsn, schema), open(t, dsn, "other")
	run(t, db, `CREATE TABLE knob ()`)
	run(t, db, `INSERT INTO knob DEFAULT VALUES`)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	first := make(chan error, 1)
	go func() { first <- db.Migrate(ctx, long) }()
	waitFor(t, "the migration to be in the middle", func() bool {
		return ask[bool](t, db, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep')`)
	})
	if err := other.Migrate(t.Context(), once); err != nil {
		t.Errorf("another schema: %v", err)
	}
	if err := db.Migrate(t.Context(), fstest.MapFS{"0001_b.sql": file(`CREATE TABLE b (x INTEGER);`)}, migrate.Table("b_migrations")); err != nil {
		t.Errorf("another series: %v", err)
	}
	short, end := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer end()
	if err := db.Migrate(short, long); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "another process is migrating") {
		t.Errorf("the same series: %v", err)
	}
	second := make(chan error, 1)
	go func() { second <- db.Migrate(t.Context(), long) }()
	run(t, db, `DELETE FROM knob`)
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the cancelled migration: %v", err)
	}
	if err := <-second; err != nil {
		t.Errorf("the one after it: %v", err)
	}
	if n := ask[int](t, db, `SELECT count(*) FROM a`); n != 1 {
		t.Errorf("applied %d times", n)
	}
}
