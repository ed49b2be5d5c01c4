// Package postgres opens PostgreSQL (15 or later) the way a service wants it: a bounded pool whose statements cannot run for
// ever, a schema of its own, transactions that are repeated when the server asks for it, and a trace of every statement.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/frogstats/uptime/internal/migrate"
)

// DB is a pool of connections to one schema of a PostgreSQL database. It is safe for concurrent use.
//
// A timestamptz is scanned as a time in UTC. After the server was restarted, a single statement may fail once on a connection
// that was in use less than a second before; transactions begin anew on another one.
type DB struct {
	pool  *pgxpool.Pool
	stats *poolStats
}

// Open connects to dsn, a postgres:// URL or a list of key=value, and makes the schema unless it is there. A DSN's own
// settings, such as pool_max_conns or statement_timeout, win over opts. A server that is older than 15 is refused. No error
// holds the password; IsOutage tells which are worth another try. What the pool does is measured until Close.
func Open(ctx context.Context, dsn string, opts Options) (*DB, error) {
	cfg, err := configure(dsn, opts)
	if err != nil {
		return nil, fmt.Errorf("open postgres: %w", err)
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open postgres: %w", err)
	}
	d := &DB{pool: pool}
	if err := d.prepare(ctx, opts); err != nil {
		_ = d.Close() // err says why
		return nil, fmt.Errorf("open postgres: %w", connectFault(err))
	}
	return d, nil
}

func (d *DB) prepare(ctx context.Context, opts Options) (err error) {
	if err := checkVersion(ctx, d.pool); err != nil {
		return err
	}
	if err := createSchema(ctx, d.pool, opts.Schema); err != nil {
		return fmt.Errorf("schema %s: %w", opts.Schema, err)
	}
	if d.stats, err = recordStats(d.pool, opts); err != nil {
		return fmt.Errorf("measure the pool: %w", err)
	}
	return nil
}

// leastVersion is the first that has all that is used: MERGE came with it.
const leastVersion = 15

const serverVersion = `
SELECT current_setting('server_version_num')::integer / 10000, current_setting('server_version')`

func checkVersion(ctx context.Context, pool *pgxpool.Pool) error {
	var major int
	var version string
	if err := pool.QueryRow(ctx, serverVersion).Scan(&major, &version); err != nil {
		return err
	}
	if major < leastVersion {
		return fmt.Errorf("the server is PostgreSQL %s; %d or later is needed", version, leastVersion)
	}
	return nil
}

const schemaExists = `
SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)`

// createSchema asks first: IF NOT EXISTS wants the right to create even where there is nothing to create, and a service's
// role may well lack it.
func createSchema(ctx context.Context, pool *pgxpool.Pool, schema string) error {
	var exists bool
	if err := pool.QueryRow(ctx, schemaExists, schema).Scan(&exists); err != nil || exists {
		return err
	}
	_, err := pool.Exec(ctx, `CREATE SCHEMA IF NOT EXISTS `+pgx.Identifier{schema}.Sanitize())
	if c := code(err); c == uniqueViolation || c == duplicateSchema { // two at once: the other one has made it
		return nil
	}
	return err
}

// Pool returns the connections, for what goes beyond single statements and transactions. Its errors are pgx's.
func (d *DB) Pool() *pgxpool.Pool { return d.pool }

// Write runs fn in a transaction and commits it if fn returns nil; otherwise nothing is changed. The isolation is read
// committed: lock the rows that a decision rests on. When the server gives the transaction up for the sake of another
// (serialization failure, deadlock), fn runs again, so it must have no effect but through tx.
//
// If the database is away or too busy, so that nothing was changed, the error is fault.KindUnavailable. A commit whose answer
// was lost may have happened, and its error is of no such kind. An error of fn that is no outage is returned as it is.
func (d *DB) Write(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return d.transact(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, fn)
}

// WriteSerializable is Write, as if transactions ran one after the other.
func (d *DB) WriteSerializable(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return d.transact(ctx, pgx.TxOptions{IsoLevel: pgx.Serializable}, fn)
}

// Snapshot runs fn in a read-only transaction in which all statements see the same state. It may run again as with Write,
// and outages are as there.
func (d *DB) Snapshot(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return d.transact(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, fn)
}

// How often Migrate tries again to get a lock on a table that the binary before it keeps busy.
const (
	migrateTries = 20
	migrateWait  = time.Second
)

// Migrate applies the migrations in fsys; see migrate.Up. Replicas that start together take turns, each waiting as long as
// ctx allows. Statements may take any time, but not wait for a lock longer than those of the service: whoever waits for a
// table makes all others wait behind. A migration that gives up for that is tried again.
func (d *DB) Migrate(ctx context.Context, fsys fs.FS, opts ...migrate.Option) error {
	cfg := d.pool.Config()
	for _, name := range []string{"statement_timeout", "idle_in_transaction_session_timeout"} {
		cfg.ConnConfig.RuntimeParams[name] = "0"
	}
	cfg.MinConns, cfg.MinIdleConns, cfg.MaxConns = 0, 0, 4
	prepared := cfg.AfterConnect
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		return errors.Join(prepared(ctx, conn), noticeLostClient(ctx, conn))
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer pool.Close()
	db := stdlib.OpenDBFromPool(pool)
	for try := 1; ; try++ {
		err = migrate.Up(ctx, db, migrate.Postgres, fsys, opts...)
		if c := code(err); c != lockNotAvailable && !Retryable(err) || try == migrateTries || !pause(ctx, migrateWait) {
			return errors.Join(err, db.Close())
		}
	}
}

// noticeLostClient lets the server look, in the middle of a long statement, whether anybody still waits for it: without, the
// index that a killed process was building is built to its end, and its lock is held as long. Some systems cannot do it.
func noticeLostClient(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `SET client_connection_check_interval = '2s'`)
	var p *pgconn.PgError
	if errors.As(err, &p) {
		return nil
	}
	return err
}

// Close waits for what is running and closes the connections.
func (d *DB) Close() error {
	err := d.stats.stop()
	d.pool.Close()
	return err
}
