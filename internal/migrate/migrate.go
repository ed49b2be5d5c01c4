// Package migrate brings a database's schema up to date from numbered .sql files in goose's format
// ("0001_what.sql" with "-- +goose Up"), each applied once, in order.
package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
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
// second with "locked" in the middle. Between processes, PostgreSQL takes an advisory lock, and a SQLite data folder has
// one owner.
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
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return fmt.Errorf("migrate: lock: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	mu.Lock()
	defer mu.Unlock()
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
