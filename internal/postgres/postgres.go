// Package postgres opens PostgreSQL the way a service wants it: a bounded pool whose statements cannot run for ever, a schema
// of its own, transactions that are repeated when the server asks for it, and a trace of every statement.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/frogstats/uptime/internal/migrate"
)

// The settings used where Options says nothing.
const (
	DefaultMaxConns         = 16
	DefaultStatementTimeout = 10 * time.Second
	DefaultLockTimeout      = 5 * time.Second
	DefaultIdleInTx         = 30 * time.Second
	DefaultConnectTimeout   = 5 * time.Second
)

// Options adjust Open.
type Options struct {
	// Schema holds everything that is made and found through the handle; it is created if need be. A service has one of its
	// own, so that several can share a database. Required.
	Schema string
	// Service names the process to whoever looks at pg_stat_activity; default the schema.
	Service          string
	MaxConns         int32         // default DefaultMaxConns
	StatementTimeout time.Duration // default DefaultStatementTimeout
	LockTimeout      time.Duration // default DefaultLockTimeout
}

// DB is a pool of connections to one schema of a PostgreSQL database. It is safe for concurrent use.
type DB struct {
	pool *pgxpool.Pool
}

// Open connects to dsn, a postgres:// URL or a list of key=value, and makes the schema. A DSN's own settings, such as
// pool_max_conns or statement_timeout, win over opts.
func Open(ctx context.Context, dsn string, opts Options) (*DB, error) {
	cfg, err := configure(dsn, opts)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open postgres: %w", err)
	}
	create := `CREATE SCHEMA IF NOT EXISTS ` + pgx.Identifier{opts.Schema}.Sanitize()
	if _, err := pool.Exec(ctx, create); err != nil && !isUniqueViolation(err) { // two at once: the other one has made it
		pool.Close()
		return nil, fmt.Errorf("open postgres: create schema %s: %w", opts.Schema, err)
	}
	return &DB{pool: pool}, nil
}

func configure(dsn string, opts Options) (*pgxpool.Config, error) {
	if opts.Schema == "" {
		return nil, errors.New("open postgres: a schema is required")
	}
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("open postgres: %w", err) // pgx leaves passwords out of it
	}
	if opts.Service == "" {
		opts.Service = opts.Schema
	}
	params := cfg.ConnConfig.RuntimeParams
	preset := func(name, value string) {
		if _, ok := params[name]; !ok {
			params[name] = value
		}
	}
	preset("application_name", "frogup "+opts.Service)
	preset("statement_timeout", millis(opts.StatementTimeout, DefaultStatementTimeout))
	preset("lock_timeout", millis(opts.LockTimeout, DefaultLockTimeout))
	preset("idle_in_transaction_session_timeout", millis(0, DefaultIdleInTx))
	params["search_path"] = pgx.Identifier{opts.Schema}.Sanitize()
	params["timezone"] = "UTC"
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = DefaultConnectTimeout
	}
	if opts.MaxConns <= 0 {
		opts.MaxConns = DefaultMaxConns
	}
	if !poolSizeIn(dsn) {
		cfg.MaxConns = opts.MaxConns
	}
	cfg.ConnConfig.Tracer = otelpgx.NewTracer(otelpgx.WithTrimSQLInSpanName(), otelpgx.WithDisableConnectionDetailsInAttributes())
	return cfg, nil
}

func millis(d, preset time.Duration) string {
	if d <= 0 {
		d = preset
	}
	return strconv.FormatInt(d.Milliseconds(), 10)
}

// Pool returns the connections, for reading and for single statements.
func (d *DB) Pool() *pgxpool.Pool { return d.pool }

// Write runs fn in a transaction and commits it if fn returns nil; otherwise nothing is changed. The isolation is read
// committed: lock the rows that a decision rests on. When the server gives the transaction up for the sake of another
// (serialization failure, deadlock), fn runs again, so it must have no effect but through tx.
func (d *DB) Write(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return d.transact(ctx, pgx.TxOptions{}, fn)
}

// WriteSerializable is Write, as if transactions ran one after the other.
func (d *DB) WriteSerializable(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return d.transact(ctx, pgx.TxOptions{IsoLevel: pgx.Serializable}, fn)
}

// Snapshot runs fn in a read-only transaction in which all statements see the same state.
func (d *DB) Snapshot(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return d.transact(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, fn)
}

// Migrate applies the migrations in fsys; see migrate.Up. Replicas that start together take turns.
func (d *DB) Migrate(ctx context.Context, fsys fs.FS, opts ...migrate.Option) error {
	// A pool of its own without the time limits: building an index may take longer than any statement of the service may.
	cfg := d.pool.Config()
	for _, name := range []string{"statement_timeout", "idle_in_transaction_session_timeout"} {
		cfg.ConnConfig.RuntimeParams[name] = "0"
	}
	cfg.MaxConns = 4
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer pool.Close()
	db := stdlib.OpenDBFromPool(pool)
	err = migrate.Up(ctx, db, migrate.Postgres, fsys, opts...)
	return errors.Join(err, db.Close())
}

// Close waits for what is running and closes the connections.
func (d *DB) Close() error {
	d.pool.Close()
	return nil
}
