// Package clickhouse opens ClickHouse for a service.
package clickhouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Options adjust Open.
type Options struct {
	Service string // names the process in the server's logs
}

// DB is a pool of connections to one database.
type DB struct {
	conn driver.Conn
}

// Open connects to dsn, such as clickhouse://user:password@host:9000/database, or http://… for the HTTP protocol.
func Open(ctx context.Context, dsn string, opts Options) (*DB, error) {
	cfg, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("open clickhouse: %w", err)
	}
	conn, err := clickhouse.Open(cfg)
	if err != nil {
		return nil, fmt.Errorf("open clickhouse: %w", err)
	}
	if err := conn.Ping(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("open clickhouse: %w", err)
	}
	return &DB{conn: conn}, nil
}

// Conn returns the connections.
func (d *DB) Conn() driver.Conn { return d.conn }

// Close closes them.
func (d *DB) Close() error { return d.conn.Close() }
