// Package sqlite keeps the alerts service's data in one SQLite file.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/frogstats/uptime/internal/audit"
	auditsqlite "github.com/frogstats/uptime/internal/audit/sqlite"
	"github.com/frogstats/uptime/internal/sqlite"
	"github.com/frogstats/uptime/services/alerts"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Store is an alerts.Store. Make it with Open.
type Store struct {
	db    *sqlite.DB
	polls *polls
}

var _ alerts.Store = (*Store)(nil)

// Open opens the file at path, creates it if need be, and brings its schema up to date.
func Open(ctx context.Context, path string) (*Store, error) {
	db, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		return nil, fmt.Errorf("open alerts store: %w", err)
	}
	if err := errors.Join(db.Migrate(ctx, migrations), auditsqlite.Migrate(ctx, db)); err != nil {
		return nil, errors.Join(fmt.Errorf("open alerts store: %w", err), db.Close())
	}
	return &Store{db, newPolls(db.Read())}, nil
}

// Close closes the file.
func (s *Store) Close() error { return errors.Join(s.polls.close(), s.db.Close()) }

// AuditRows implements alerts.AuditStore.
func (s *Store) AuditRows(ctx context.Context, f audit.Filter) ([]audit.Row, error) {
	return auditsqlite.List(ctx, s.db.Read(), f)
}

// querier is a transaction or the pool of readers.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// scanner is a row, alone or among others.
type scanner interface{ Scan(dest ...any) error }

// collect runs a query and scans all its rows.
func collect[T any](ctx context.Context, q querier, scan func(scanner) (T, error), query string, args ...any) (out []T, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// number scans a row of one integer.
func number[N int64 | uint32](row scanner) (n N, err error) {
	err = row.Scan(&n)
	return n, err
}

// wrap says what failed; nil stays nil.
func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// millis is a time as it is stored.
func millis(t time.Time) int64 { return t.UnixMilli() }

// maybeMillis is NULL for the zero time.
func maybeMillis(t time.Time) sql.NullInt64 {
	if t.IsZero() {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: t.UnixMilli(), Valid: true}
}

func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// fromMaybe is the zero time for NULL.
func fromMaybe(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return fromMillis(ms.Int64)
}

// text is v as JSON. What is stored that way here always can be.
func text(v any) (string, error) {
	raw, err := json.Marshal(v)
	return string(raw), err
}

// list is ids as JSON, for json_each.
func list(ids []uint32) string {
	raw, err := text(ids)
	if err != nil || ids == nil {
		return "[]"
	}
	return raw
}

// where builds the conditions of a list.
type where struct {
	clauses []string
	args    []any
}

func (w *where) and(clause string, args ...any) {
	w.clauses = append(w.clauses, clause)
	w.args = append(w.args, args...)
}

// in demands that column is one of values, if there are any.
func in[T ~string](w *where, column string, values []T) {
	if len(values) == 0 {
		return
	}
	w.and(column + " IN (?" + strings.Repeat(", ?", len(values)-1) + ")")
	for _, v := range values {
		w.args = append(w.args, string(v))
	}
}

func (w *where) String() string { return " WHERE " + strings.Join(w.clauses, " AND ") }

// count is how many rows of from meet w.
func (w *where) count(ctx context.Context, q querier, from string) (int, error) {
	n, err := number[int64](q.QueryRowContext(ctx, "SELECT count(*) FROM "+from+w.String(), w.args...))
	return int(n), err
}
