// Package migrate brings a database's schema up to date from numbered .sql files in goose's format
// ("0001_what.sql" with "-- +goose Up"), each applied once, in order.
//
// Migrations only add, so that each tolerates the binary before it: while one is rolled out, both run. A binary that is older
// than the database knows fewer files than were applied, and starts all the same.
//
// A process may be killed at any point. In PostgreSQL and SQLite a migration is one transaction together with its record, so
// it is there as a whole or not at all. One that says "-- +goose NO TRANSACTION" is run again from its beginning, so each of
// its statements must do no harm when repeated: IF NOT EXISTS, and for an index that is built concurrently, which the killed
// process may have left behind invalid,
//
//	DROP INDEX CONCURRENTLY IF EXISTS x;
//	CREATE INDEX CONCURRENTLY x ON …;
package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/pressly/goose/v3"
)

// Dialect names the engine's SQL.
type Dialect string

// The engines.
const (
	SQLite     Dialect = Dialect(goose.DialectSQLite3)
	Postgres   Dialect = Dialect(goose.DialectPostgres)
	ClickHouse Dialect = Dialect(goose.DialectClickHouse)
)

// Option changes how Up works.
type Option func(*settings)

type settings struct{ table string }

// Table keeps the record of what was applied in a table of its own, so that several series of migrations can share a
// database. The default is "schema_migrations".
func Table(name string) Option { return func(s *settings) { s.table = name } }

// mu lets one migration run at a time in this process: two handles may lead to the same file, and SQLite would answer the
// second with "locked" in the middle. A SQLite data folder has one owner; in PostgreSQL a lock holds between processes too.
var mu sync.Mutex

// Up applies what is missing. Migrations are the .sql files in the folder "migrations" of fsys, if there is one, else at
// its top. Each runs in its own transaction unless it says "-- +goose NO TRANSACTION". No file at all is not an error.
func Up(ctx context.Context, db *sql.DB, dialect Dialect, fsys fs.FS, opts ...Option) error {
	s := settings{table: "schema_migrations"}
	for _, o := range opts {
		o(&s)
	}
	if info, err := fs.Stat(fsys, "migrations"); err == nil && info.IsDir() {
		if fsys, err = fs.Sub(fsys, "migrations"); err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
	}
	options := []goose.ProviderOption{
		goose.WithVerbose(false), goose.WithDisableGlobalRegistry(true), goose.WithTableName(s.table),
	}
	if dialect == Postgres {
		options = append(options, goose.WithSessionLocker(newSessionLock(s.table)))
	} else {
		mu.Lock()
		defer mu.Unlock()
	}
	provider, err := goose.NewProvider(goose.Dialect(dialect), db, fsys, options...)
	if errors.Is(err, goose.ErrNoMigrations) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}
