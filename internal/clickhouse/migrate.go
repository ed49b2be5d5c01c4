package clickhouse

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/frogstats/uptime/internal/migrate"
)

// MigrateOption changes how Migrate works.
type MigrateOption func(*migration)

type migration struct{ table string }

// Table keeps the record of what was applied in a table of its own, so that several series of migrations can share a
// database. The default is "schema_migrations".
func Table(name string) MigrateOption { return func(m *migration) { m.table = name } }

// Migrate applies the migrations in fsys that have not been; see migrate.Up and Facts.
//
// ClickHouse has no transactions around changes of the schema, so a migration that is interrupted is repeated from its
// first statement, and every statement must be one that does no harm the second time: IF NOT EXISTS, OR REPLACE. A
// backfill belongs into the service, or must be deduplicated by token.
//
// Processes that start together take turns, as far as one server can make them: see takeTurn. Where it cannot (over HTTP,
// or when the addresses are several servers'), they may run the same statements at once, which the rule above allows.
func (d *DB) Migrate(ctx context.Context, fsys fs.FS, opts ...MigrateOption) error {
	m := migration{table: "schema_migrations"}
	for _, o := range opts {
		o(&m)
	}
	cfg := *d.cfg
	// Building an index may take longer than any statement of the service may; and nothing here may be put off.
	cfg.Settings = maps.Clone(cfg.Settings)
	maps.Copy(cfg.Settings, clickhouse.Settings{"max_execution_time": 0, "async_insert": 0})
	cfg.ReadTimeout = 24 * time.Hour
	cfg.MaxOpenConns, cfg.MaxIdleConns = 2, 2
	var http transport
	http.serve(&cfg)
	defer http.close()

	endTurn, err := takeTurn(ctx, &cfg, m.table)
	if err != nil {
		return fmt.Errorf("migrate: take turns: %w", err)
	}
	defer endTurn()
	db := clickhouse.OpenDB(&cfg)
	if err := startRecord(ctx, db, m.table, FactsFor(d.cluster)); err != nil {
		return errors.Join(fmt.Errorf("migrate: record of what was applied: %w", err), db.Close())
	}
	err = migrate.Up(ctx, db, migrate.ClickHouse, Render(fsys, FactsFor(d.cluster)), migrate.Table(m.table))
	return errors.Join(err, db.Close())
}

// startRecord makes goose's table of applied migrations before goose does, which knows no clusters, and of an error tells
// only that the connection on which it happened was closed. A table that is there needs no right to make one.
func startRecord(ctx context.Context, db *sql.DB, name string, f Facts) error {
	var begun uint64
	err := db.QueryRowContext(ctx, `SELECT count() FROM `+name+` WHERE version_id = 0`).Scan(&begun)
	if err != nil && Code(err) != unknownTable {
		return err
	}
	if err != nil || f.OnCluster != "" { // a server may have come to the cluster
		if _, err := db.ExecContext(ctx, recordTable(name, f)); err != nil {
			return fmt.Errorf("make %s: %w", name, err)
		}
	}
	if begun > 0 {
		return nil
	}
	if _, err := db.ExecContext(ctx, `INSERT INTO `+name+` (version_id, is_applied) VALUES (0, 1)`); err != nil {
		return fmt.Errorf("begin %s: %w", name, err)
	}
	return nil
}

func recordTable(name string, f Facts) string {
	return `CREATE TABLE IF NOT EXISTS ` + name + ` ` + f.OnCluster + `
		(version_id Int64, is_applied UInt8, date Date DEFAULT now(), tstamp DateTime DEFAULT now())
		ENGINE = ` + f.Replicated + `MergeTree ORDER BY version_id`
}

// turnQuery runs until it is cancelled: it never finds a row, and looks for one ten times a second.
const turnQuery = `SELECT number FROM system.numbers WHERE sleepEachRow(0.1) = 1 SETTINGS max_block_size = 1, max_threads = 1`

const turnWait = 100 * time.Millisecond

// takeTurn waits until no other process migrates, and returns what ends the turn. ClickHouse has no advisory locks, but a
// server refuses a query whose identifier is that of a running one. So the turn is a query that runs for as long as the
// connection lasts: it ends by itself if the process does. A query over HTTP would go on without the process.
func takeTurn(ctx context.Context, cfg *clickhouse.Options, table string) (func(), error) {
	if cfg.Protocol == clickhouse.HTTP {
		return func() {}, nil
	}
	c, err := clickhouse.Open(cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	identified := clickhouse.Context(ctx, clickhouse.WithQueryID("migrate "+cfg.Auth.Database+"."+table))
	for {
		rows, err := c.Query(identified, turnQuery)
		if err == nil {
			return func() {
				cancel()
				_ = rows.Close() // cancelled, as it should be
				_ = c.Close()
			}, nil
		}
		if Code(err) != sameQueryRunning {
			cancel()
			return nil, errors.Join(err, c.Close())
		}
		select {
		case <-time.After(turnWait):
		case <-ctx.Done():
		}
	}
}
