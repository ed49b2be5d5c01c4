package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/frogstats/uptime/internal/postgres"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
)

func state(err error) string {
	var p *pgconn.PgError
	if errors.As(err, &p) {
		return p.Code
	}
	return ""
}

func do(ctx context.Context, tx pgx.Tx, sql string, args ...any) error {
	_, err := tx.Exec(ctx, sql, args...)
	return err
}

func TestLimitsEndWhatTakesTooLong(t *testing.T) {
	dsn := postgrestest.DSN(t)
	db := postgrestest.OpenAt(t, dsn, postgres.Options{
		Schema: "x", MaxConns: 1, StatementTimeout: 100 * time.Millisecond, LockTimeout: 50 * time.Millisecond,
	})
	exec(t, db, `CREATE TABLE a (x INTEGER)`)
	if _, err := db.Pool().Exec(t.Context(), `SELECT pg_sleep(600)`); state(err) != "57014" {
		t.Errorf("a statement that sleeps: %v", err)
	}
	err := db.Write(t.Context(), func(tx pgx.Tx) error {
		return errors.Join(do(t.Context(), tx, `INSERT INTO a VALUES (1)`), do(t.Context(), tx, `SELECT pg_sleep(600)`))
	})
	if state(err) != "57014" || value[int](t, db, `SELECT count(*) FROM a`) != 0 {
		t.Errorf("a transaction that sleeps: %v", err)
	}
	other := postgrestest.OpenAt(t, dsn, postgres.Options{Schema: "x"})
	if err := other.Write(t.Context(), func(tx pgx.Tx) error {
		if err := do(t.Context(), tx, `LOCK TABLE a`); err != nil {
			return err
		}
		if _, err := db.Pool().Exec(t.Context(), `INSERT INTO a VALUES (1)`); state(err) != "55P03" {
			t.Errorf("a statement that waits for a lock: %v", err)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// meeting lets two transactions reach the same point before either goes on, the first time that both run.
type meeting struct{ group sync.WaitGroup }

func newMeeting() *meeting {
	m := &meeting{}
	m.group.Add(2)
	return m
}

func (m *meeting) come(run int) {
	if run == 1 {
		m.group.Done()
		m.group.Wait()
	}
}

func TestTransactionsThatConflictBothSucceed(t *testing.T) {
	// Each reads what the other one writes: no order explains both reads.
	skew := func(ctx context.Context, tx pgx.Tx, mine, others int, meet func()) error {
		var sum int
		if err := tx.QueryRow(ctx, `SELECT sum(x) FROM a WHERE id = $1`, others).Scan(&sum); err != nil {
			return err
		}
		meet()
		return do(ctx, tx, `UPDATE a SET x = $1 WHERE id = $2`, sum+1, mine)
	}
	deadlock := func(ctx context.Context, tx pgx.Tx, mine, others int, meet func()) error {
		if err := do(ctx, tx, `UPDATE a SET x = x + 1 WHERE id = $1`, mine); err != nil {
			return err
		}
		meet()
		return do(ctx, tx, `UPDATE a SET x = x + 1 WHERE id = $1`, others)
	}
	for name, tt := range map[string]struct {
		write func(*postgres.DB, context.Context, func(pgx.Tx) error) error
		fn    func(ctx context.Context, tx pgx.Tx, mine, others int, meet func()) error
		want  string
	}{
		"serialization failure": {(*postgres.DB).WriteSerializable, skew, "[1 2]"},
		"deadlock":              {(*postgres.DB).Write, deadlock, "[2 2]"},
		"serializable deadlock": {(*postgres.DB).WriteSerializable, deadlock, "[2 2]"},
	} {
		t.Run(name, func(t *testing.T) {
			dsn := with(t, postgrestest.DSN(t), "options=-c%20deadlock_timeout%3D50ms")
			db := postgrestest.OpenAt(t, dsn, postgres.Options{Schema: "x"})
			exec(t, db, `CREATE TABLE a (id INTEGER PRIMARY KEY, x INTEGER NOT NULL)`)
			exec(t, db, `INSERT INTO a VALUES (0, 0), (1, 0)`)
			meet := newMeeting()
			var group sync.WaitGroup
			var runs [2]int
			for i := range 2 {
				group.Go(func() {
					if err := tt.write(db, t.Context(), func(tx pgx.Tx) error {
						runs[i]++
						return tt.fn(t.Context(), tx, i, 1-i, func() { meet.come(runs[i]) })
					}); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			got := value[[]int32](t, db, `SELECT array_agg(x ORDER BY x) FROM a`)
			if s := fmt.Sprint(got); s != tt.want {
				t.Errorf("rows %s, want %s", s, tt.want)
			}
			if runs[0]+runs[1] < 3 {
				t.Errorf("runs %v: there was no conflict", runs)
			}
		})
	}
}

func TestManyConflictsAreWorkedOff(t *testing.T) {
	db := postgrestest.Open(t, "x")
	exec(t, db, `CREATE TABLE a (x INTEGER NOT NULL)`)
	exec(t, db, `INSERT INTO a VALUES (0)`)
	const workers, each = 8, 5
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for range each {
				if err := db.WriteSerializable(t.Context(), func(tx pgx.Tx) error {
					var x int
					if err := tx.QueryRow(t.Context(), `SELECT x FROM a`).Scan(&x); err != nil {
						return err
					}
					return do(t.Context(), tx, `UPDATE a SET x = $1`, x+1)
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if got := value[int](t, db, `SELECT x FROM a`); got != workers*each {
		t.Errorf("counted %d, want %d", got, workers*each)
	}
}

func TestRepeatingEnds(t *testing.T) {
	db := postgrestest.Open(t, "x")
	conflict := func(runs *int, stop func()) func(pgx.Tx) error {
		return func(tx pgx.Tx) error {
			*runs++
			stop()
			return do(context.Background(), tx, `DO $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END $$`)
		}
	}
	var runs int
	if err := db.Write(t.Context(), conflict(&runs, func() {})); !postgres.Retryable(err) || runs < 5 || runs > 20 {
		t.Errorf("a conflict that never ends: %v after %d runs", err, runs)
	}
	ctx, cancel := context.WithCancel(t.Context())
	runs = 0
	if err := db.Write(ctx, conflict(&runs, cancel)); !postgres.Retryable(err) || runs != 1 {
		t.Errorf("a conflict of somebody who has gone: %v after %d runs", err, runs)
	}
}

// However a transaction is left, nothing of it stays, and its only connection is free and outside any transaction.
func TestLeavingATransaction(t *testing.T) {
	db := postgrestest.OpenAt(t, postgrestest.DSN(t), postgres.Options{Schema: "x", MaxConns: 1})
	exec(t, db, `CREATE TABLE a (x INTEGER PRIMARY KEY)`)
	insert := func(ctx context.Context, tx pgx.Tx) error { return do(ctx, tx, `INSERT INTO a VALUES (1)`) }
	refuse := errors.New("no")
	ways := map[string]func(){
		"error": func() {
			err := db.Write(t.Context(), func(tx pgx.Tx) error { return errors.Join(insert(t.Context(), tx), refuse) })
			if !errors.Is(err, refuse) {
				t.Error(err)
			}
		},
		"panic": func() {
			defer func() {
				if recover() != "panic" {
					t.Error("the panic was lost")
				}
			}()
			_ = db.Write(t.Context(), func(tx pgx.Tx) error {
				if err := insert(t.Context(), tx); err != nil {
					t.Error(err)
				}
				panic("panic")
			})
		},
		"end of the goroutine": func() {
			var group sync.WaitGroup
			group.Go(func() {
				_ = db.Write(t.Context(), func(tx pgx.Tx) error {
					if err := insert(t.Context(), tx); err != nil {
						t.Error(err)
					}
					runtime.Goexit()
					return nil
				})
			})
			group.Wait()
		},
		"cancelled between statements": func() {
			ctx, cancel := context.WithCancel(t.Context())
			err := db.Write(ctx, func(tx pgx.Tx) error {
				defer cancel()
				return insert(ctx, tx)
			})
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		},
		"cancelled in a statement": func() {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			err := db.Write(ctx, func(tx pgx.Tx) error {
				return errors.Join(insert(ctx, tx), do(ctx, tx, `SELECT pg_sleep(600)`))
			})
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		},
		"a fault that was passed over": func() {
			err := db.Write(t.Context(), func(tx pgx.Tx) error {
				_ = do(t.Context(), tx, `SELECT 1 / 0`)
				return nil
			})
			if !errors.Is(err, pgx.ErrTxCommitRollback) {
				t.Error(err)
			}
		},
		"its connection killed": func() {
			err := db.Write(t.Context(), func(tx pgx.Tx) error {
				return errors.Join(insert(t.Context(), tx), do(t.Context(), tx, `SELECT pg_terminate_backend(pg_backend_pid())`))
			})
			if state(err) != "57P01" {
				t.Error(err)
			}
		},
	}
	for name, leave := range ways {
		t.Run(name, func(t *testing.T) {
			leave()
			if n := value[int](t, db, `SELECT count(*) FROM a`); n != 0 {
				t.Errorf("%d rows stayed", n)
			}
			if n := db.Pool().Stat().AcquiredConns(); n != 0 {
				t.Errorf("%d connections are taken", n)
			}
			// A server takes a moment to notice that a client has gone.
			waitFor(t, "all transactions to end", func() bool { return value[int](t, db, openTransactions) == 0 })
		})
	}
}

const openTransactions = `
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid() AND backend_type = 'client backend'`

func waitFor(t testing.TB, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); !done(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestSnapshotSeesOneStateAndWritesNothing(t *testing.T) {
	db := postgrestest.Open(t, "x")
	exec(t, db, `CREATE TABLE a (x INTEGER)`)
	err := db.Snapshot(t.Context(), func(tx pgx.Tx) error {
		for range 2 {
			var n int
			if err := tx.QueryRow(t.Context(), `SELECT count(*) FROM a`).Scan(&n); err != nil || n != 0 {
				t.Errorf("%d rows, %v", n, err)
			}
			exec(t, db, `INSERT INTO a VALUES (1)`)
		}
		return do(t.Context(), tx, `INSERT INTO a VALUES (1)`)
	})
	if state(err) != "25006" {
		t.Errorf("a write in a snapshot: %v", err)
	}
}

func TestConstraintsAreToldApart(t *testing.T) {
	db := postgrestest.Open(t, "x")
	exec(t, db, `CREATE TABLE a (x INTEGER CONSTRAINT a_x UNIQUE, y INTEGER CONSTRAINT a_y UNIQUE CONSTRAINT a_self REFERENCES a (x), z TEXT)`)
	exec(t, db, `INSERT INTO a VALUES (1, 1)`)
	try := func(sql string, args ...any) error {
		_, err := db.Pool().Exec(t.Context(), sql, args...)
		return err
	}
	x, y, self := try(`INSERT INTO a VALUES (1, NULL)`), try(`INSERT INTO a VALUES (2, 1)`), try(`INSERT INTO a VALUES (3, 9)`)
	odd := try(`INSERT INTO a VALUES (4, NULL, $1)`, "a\x00")
	if !postgres.IsUnique(x, "a_x") || !postgres.IsUnique(x, "") || postgres.IsUnique(x, "a_y") || !postgres.IsUnique(y, "a_y") {
		t.Errorf("unique: %v, %v", x, y)
	}
	if !postgres.IsForeignKey(self, "a_self") || postgres.IsForeignKey(self, "a_x") || postgres.IsUnique(self, "") || postgres.IsForeignKey(x, "") {
		t.Errorf("foreign key: %v", self)
	}
	if !postgres.IsNotText(odd) || postgres.IsNotText(x) || postgres.IsUnique(nil, "") || postgres.Retryable(x) {
		t.Errorf("not a text: %v", odd)
	}
}

// Connections that a restart has killed do not fail transactions, however many lie in the pool.
func TestPoolOutlivesARestart(t *testing.T) {
	server := postgrestest.Start(t)
	db := postgrestest.OpenAt(t, server.DSN(), postgres.Options{Schema: "x", MaxConns: 6})
	exec(t, db, `CREATE TABLE a (x INTEGER)`)
	fill := func() {
		t.Helper()
		var all []interface{ Release() }
		for range 6 {
			c, err := db.Pool().Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, c)
		}
		for _, c := range all {
			c.Release()
		}
	}
	for i, end := range []func(){server.Kill, server.Stop} {
		fill()
		end()
		var connect *pgconn.ConnectError
		err := db.Write(t.Context(), func(tx pgx.Tx) error { return nil })
		if !errors.As(err, &connect) || !errors.As(err, new(*net.OpError)) {
			t.Errorf("without a server: %v", err)
		}
		server.Start()
		fill()
		server.Kill()
		server.Start()
		if err := db.Write(t.Context(), func(tx pgx.Tx) error { return do(t.Context(), tx, `INSERT INTO a VALUES (1)`) }); err != nil {
			t.Errorf("after the restart: %v", err)
		}
		if n := value[int](t, db, `SELECT count(*) FROM a`); n != i+1 {
			t.Errorf("%d rows, want %d", n, i+1)
		}
	}
}
