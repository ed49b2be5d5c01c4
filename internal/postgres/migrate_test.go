package postgres_test

import (
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/internal/postgres"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
)

func migration(sql string) fstest.MapFS {
	return fstest.MapFS{"0001_a.sql": {Data: []byte("-- +goose Up\n" + sql)}}
}

// Migrations work in the service's schema, without the limits of its statements, save the one on waiting for locks.
func TestMigrationsRunWithTheirOwnSettings(t *testing.T) {
	dsn := with(t, postgrestest.DSN(t), "statement_timeout=500&idle_in_transaction_session_timeout=500")
	db := postgrestest.OpenAt(t, dsn, postgres.Options{Schema: `we"ird`})
	if err := db.Migrate(t.Context(), migration(`
CREATE TABLE seen AS SELECT current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS lock,
    current_setting('idle_in_transaction_session_timeout') AS idle, current_schema() AS schema;
SELECT pg_sleep(0.7);`)); err != nil {
		t.Fatal(err)
	}
	want := []string{"0", "5s", "0", `we"ird`}
	got := value[[]string](t, db, `SELECT ARRAY[statement, lock, idle, schema] FROM seen`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	if n := value[int](t, db, `SELECT count(*) FROM schema_migrations WHERE version_id = 1`); n != 1 {
		t.Errorf("recorded %d times", n)
	}
}

const waitsForTable = `
SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.relname = 'a' AND NOT l.granted)`

// A busy table is let go again and again, so that the binary before goes on working, until it can be had.
func TestMigrationWaitsForABusyTableInShortTurns(t *testing.T) {
	dsn := postgrestest.DSN(t)
	db := postgrestest.OpenAt(t, dsn, postgres.Options{Schema: "x", LockTimeout: 200 * time.Millisecond})
	watch := postgrestest.OpenAt(t, dsn, postgres.Options{Schema: "x"})
	exec(t, db, `CREATE TABLE a (x INTEGER)`)
	done := make(chan error, 1)
	if err := watch.Write(t.Context(), func(tx pgx.Tx) error {
		if err := do(t.Context(), tx, `LOCK TABLE a IN ROW EXCLUSIVE MODE`); err != nil {
			return err
		}
		go func() { done <- db.Migrate(t.Context(), migration(`ALTER TABLE a ADD COLUMN y INTEGER;`)) }()
		waitFor(t, "the migration to wait", func() bool { return value[bool](t, watch, waitsForTable) })
		waitFor(t, "the migration to give up", func() bool { return !value[bool](t, watch, waitsForTable) })
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	exec(t, db, `SELECT y FROM a`)
}
