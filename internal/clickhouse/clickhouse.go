// Package clickhouse opens ClickHouse the way a service wants it: a bounded pool whose queries cannot run for ever, errors
// that say what went wrong and never what the password is, and a trace and a measurement of every statement.
package clickhouse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// The settings used where neither Options nor the DSN says anything.
const (
	DefaultMaxConns     = 16
	DefaultDialTimeout  = 5 * time.Second
	DefaultQueryTimeout = 30 * time.Second
)

// readGrace is how much longer than a query may run the client waits for a word from the server.
const readGrace = 5 * time.Second

// Options adjust Open.
type Options struct {
	Service  string // names the process in system.query_log; default "frogup"
	MaxConns int    // default DefaultMaxConns
	// DialTimeout bounds connecting, and waiting for a connection while all are in use; default DefaultDialTimeout.
	DialTimeout time.Duration
	// QueryTimeout bounds a statement on the server (max_execution_time) and, a little longer, the silence of a server that
	// has stopped answering. A context's deadline takes its place. Default DefaultQueryTimeout; whole seconds.
	QueryTimeout time.Duration
	// Settings are the server's settings for every statement, such as async_insert.
	Settings map[string]any
	// Cluster names the cluster on which Migrate makes tables, with replicated engines; "" is a server alone.
	Cluster string

	TracerProvider trace.TracerProvider // nil means the global one
	MeterProvider  metric.MeterProvider // nil means the global one
}

// DB is a pool of connections to one database. It is safe for concurrent use.
type DB struct {
	cfg     *clickhouse.Options
	http    transport
	cluster string
	conn    *conn
}

// Open connects to dsn, such as clickhouse://user:password@host:9000/database, or http://… for the HTTP protocol. Data
// is compressed with LZ4 unless the DSN says otherwise with compress=…; whatever a DSN says wins over opts. A user whose
// profile is readonly=1 cannot be used, because every statement carries settings; readonly=2 can.
func Open(ctx context.Context, dsn string, opts Options) (*DB, error) {
	cfg, err := configure(dsn, opts)
	if err != nil {
		return nil, fmt.Errorf("open clickhouse: %w", err)
	}
	d := &DB{cfg: cfg, cluster: opts.Cluster}
	d.http.serve(cfg)
	driverConn, err := clickhouse.Open(cfg)
	if err != nil {
		return nil, fmt.Errorf("open clickhouse: %w", withoutPassword(err, cfg.Auth.Password))
	}
	if d.conn, err = instrument(driverConn, cfg.Auth.Database, opts.TracerProvider, opts.MeterProvider); err != nil {
		return nil, errors.Join(fmt.Errorf("open clickhouse: %w", err), driverConn.Close())
	}
	if err := d.Ping(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open clickhouse: %w", err), d.Close())
	}
	return d, nil
}

func configure(dsn string, opts Options) (*clickhouse.Options, error) {
	cfg, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		return nil, err // the driver leaves credentials out of it
	}
	if cfg.Auth.Database == "" {
		cfg.Auth.Database = "default"
	}
	if cfg.Compression == nil {
		cfg.Compression = &clickhouse.Compression{Method: clickhouse.CompressionLZ4}
	}
	if opts.QueryTimeout <= 0 {
		opts.QueryTimeout = DefaultQueryTimeout
	}
	cfg.DialTimeout = cmp.Or(cfg.DialTimeout, opts.DialTimeout, DefaultDialTimeout)
	cfg.ReadTimeout = cmp.Or(cfg.ReadTimeout, opts.QueryTimeout+readGrace)
	cfg.MaxOpenConns = cmp.Or(cfg.MaxOpenConns, opts.MaxConns, DefaultMaxConns)
	cfg.MaxIdleConns = cmp.Or(cfg.MaxIdleConns, cfg.MaxOpenConns) // a connection is cheaper to keep than to make
	settings := clickhouse.Settings{"max_execution_time": int(max(opts.QueryTimeout, time.Second) / time.Second)}
	maps.Copy(settings, opts.Settings)
	maps.Copy(settings, cfg.Settings)
	cfg.Settings = settings
	cfg.ClientInfo.Products = append(cfg.ClientInfo.Products, struct{ Name, Version string }{cmp.Or(opts.Service, "frogup"), "1"})
	return cfg, nil
}

// Conn returns the connections. Every statement sent through them is traced and measured.
func (d *DB) Conn() driver.Conn { return d.conn }

// Ping asks whether the server answers.
func (d *DB) Ping(ctx context.Context) error {
	return withoutPassword(d.conn.Ping(ctx), d.cfg.Auth.Password)
}

// Cluster is the cluster that Open was told, "" for a server alone.
func (d *DB) Cluster() string { return d.cluster }

// Close closes the connections.
func (d *DB) Close() error {
	defer d.http.close()
	return d.conn.Close()
}
