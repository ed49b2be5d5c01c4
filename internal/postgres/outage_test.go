package postgres_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/postgres"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
)

// uses are all ways to use a DB.
func uses(t *testing.T, db *postgres.DB) map[string]func() error {
	ask := func(tx pgx.Tx) error { return do(t.Context(), tx, `SELECT x FROM a`) }
	return map[string]func() error{
		"query": func() error {
			r, err := db.Query(t.Context(), `SELECT x FROM a`)
			if err != nil {
				return err
			}
			_, err = pgx.CollectRows(r, pgx.RowTo[int])
			return err
		},
		"one row": func() error {
			var n int
			return db.QueryRow(t.Context(), `SELECT count(*) FROM a`).Scan(&n)
		},
		"statement": func() error {
			_, err := db.Exec(t.Context(), `DELETE FROM a WHERE x < 0`)
			return err
		},
		"write":        func() error { return db.Write(t.Context(), ask) },
		"serializable": func() error { return db.WriteSerializable(t.Context(), ask) },
		"snapshot":     func() error { return db.Snapshot(t.Context(), ask) },
	}
}

func TestOutageIsUnavailable(t *testing.T) {
	server := postgrestest.Start(t)
	db := postgrestest.OpenAt(t, server.DSN(), postgres.Options{Schema: "x"})
	exec(t, db, `CREATE TABLE a (x INTEGER)`)
	for name, end := range map[string]func(){"killed": server.Kill, "stopped": server.Stop} {
		for use, do := range uses(t, db) {
			if err := do(); err != nil {
				t.Errorf("%s, before it was %s: %v", use, name, err)
			}
		}
		end()
		for use, do := range uses(t, db) {
			err := do()
			var f *fault.Error
			if !errors.As(err, &f) || f.Kind != fault.KindUnavailable || f.Public != "" || f.Unwrap() == nil {
				t.Errorf("%s while the server is %s: %v, want unavailable in our own words, with its cause", use, name, err)
			}
		}
		server.Start()
		for range db.Pool().Stat().MaxConns() { // those that have not noticed yet
			if err := uses(t, db)["statement"](); err == nil {
				break
			} else if !fault.Is(err, fault.KindUnavailable) {
				t.Errorf("after it was %s: %v", name, err)
			}
		}
	}
}

// What fails while rows are read, after the query itself was accepted, is an outage too; and what is no outage is none.
func TestWhatCountsAsOutage(t *testing.T) {
	db := postgrestest.OpenAt(t, postgrestest.DSN(t), postgres.Options{Schema: "x", StatementTimeout: 100 * time.Millisecond})
	ask := func(sql string) error {
		r, err := db.Query(t.Context(), sql)
		if err != nil {
			return err
		}
		_, err = pgx.CollectRows(r, pgx.RowTo[string])
		return err
	}
	if err := ask(`SELECT pg_sleep(600)::text`); !fault.Is(err, fault.KindUnavailable) || state(err) != "57014" {
		t.Errorf("a statement that takes too long: %v", err)
	}
	if err := ask(`SELECT (1/0)::text`); fault.Is(err, fault.KindUnavailable) || state(err) != "22012" {
		t.Errorf("a statement that fails by itself: %v", err)
	}
	var n int
	if err := db.QueryRow(t.Context(), `SELECT 1 WHERE FALSE`).Scan(&n); !errors.Is(err, pgx.ErrNoRows) || fault.Is(err, fault.KindUnavailable) {
		t.Errorf("no row: %v", err)
	}
	own := errors.New("fn's own")
	if err := db.Write(t.Context(), func(pgx.Tx) error { return own }); !errors.Is(err, own) || fault.Is(err, fault.KindUnavailable) {
		t.Errorf("fn's own error: %v", err)
	}
}

// A commit whose answer is lost may have happened. "Unavailable" would invite the client to make the change again. One that
// only read is another matter.
func TestLostAnswerToACommit(t *testing.T) {
	dsn := postgrestest.DSN(t)
	road := postgrestest.NewRoad(t, dsn)
	db := postgrestest.OpenAt(t, road.DSN(), postgres.Options{Schema: "x"})
	exec(t, db, `CREATE TABLE a (x INTEGER)`)
	road.LoseCommits()
	insert := func(tx pgx.Tx) error { return do(t.Context(), tx, `INSERT INTO a VALUES (1)`) }
	for name, write := range map[string]func() error{
		"write":        func() error { return db.Write(t.Context(), insert) },
		"serializable": func() error { return db.WriteSerializable(t.Context(), insert) },
	} {
		if err := write(); !fault.Is(err, fault.KindInternal) || !strings.Contains(err.Error(), "commit") {
			t.Errorf("%s: %v, want internal", name, err)
		}
	}
	if err := db.Snapshot(t.Context(), func(pgx.Tx) error { return nil }); !fault.Is(err, fault.KindUnavailable) {
		t.Errorf("snapshot: %v, want unavailable", err)
	}
	direct := postgrestest.OpenAt(t, dsn, postgres.Options{Schema: "x"})
	if n := value[int](t, direct, `SELECT count(*) FROM a`); n != 2 {
		t.Errorf("%d rows; the test wants commits that happened", n)
	}
}
