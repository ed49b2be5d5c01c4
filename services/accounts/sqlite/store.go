// Package sqlite keeps accounts in one SQLite file.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"time"

	"github.com/frogstats/uptime/internal/audit"
	auditsqlite "github.com/frogstats/uptime/internal/audit/sqlite"
	"github.com/frogstats/uptime/internal/sqlite"
	"github.com/frogstats/uptime/services/accounts"
)

//go:embed migrations/*.sql
var migrations embed.FS

var (
	_ accounts.Store = (*Store)(nil)
	_ accounts.Tx    = (*tx)(nil)
)

// Store is accounts.Store on SQLite.
type Store struct {
	reads
	db *sqlite.DB
}

// Open opens the file at path, creates it if need be, and brings its schema up to date.
//
// A commit waits for the disk: changes are rare here, and a password changed or a key revoked must stay so when the power
// fails.
func Open(ctx context.Context, path string) (*Store, error) {
	db, err := sqlite.Open(ctx, path, sqlite.Options{Synchronous: sqlite.Full})
	if err != nil {
		return nil, fmt.Errorf("accounts store: %w", err)
	}
	if err := errors.Join(db.Migrate(ctx, migrations), auditsqlite.Migrate(ctx, db)); err != nil {
		return nil, fmt.Errorf("accounts store: %w", errors.Join(err, db.Close()))
	}
	return &Store{reads: reads{db.Read()}, db: db}, nil
}

// Close closes the file. Repeating it does no harm.
func (s *Store) Close() error { return s.db.Close() }

// Update implements accounts.Store. There is one writer, so fn runs exactly once.
func (s *Store) Update(ctx context.Context, fn func(accounts.Tx) error) error {
	return s.db.Write(ctx, func(t *sql.Tx) error { return fn(&tx{reads{t}, t}) })
}

// AuditRows implements accounts.Store.
func (s *Store) AuditRows(ctx context.Context, organizationID string, before time.Time, limit int) ([]audit.Row, error) {
	return auditsqlite.List(ctx, s.db.Read(), audit.Filter{OrganizationID: organizationID, Until: before, Limit: limit})
}

// TouchSession implements accounts.Store.
func (s *Store) TouchSession(ctx context.Context, id string, at time.Time) error {
	return s.touch(ctx, touchSession, id, at)
}

const touchSession = `
UPDATE session SET last_used_at = ?1 WHERE id = ?2 AND last_used_at < ?1`

// TouchKey implements accounts.Store.
func (s *Store) TouchKey(ctx context.Context, id string, at time.Time) error {
	return s.touch(ctx, touchKey, id, at)
}

const touchKey = `
UPDATE api_key SET last_used_at = ?1 WHERE id = ?2 AND (last_used_at IS NULL OR last_used_at < ?1)`

func (s *Store) touch(ctx context.Context, query, id string, at time.Time) error {
	return s.db.Write(ctx, func(t *sql.Tx) error {
		if _, err := t.ExecContext(ctx, query, millis(at), id); err != nil {
			return fmt.Errorf("touch: %w", err)
		}
		return nil
	})
}

// reads asks the pool of readers, or inside a transaction the transaction itself.
type reads struct{ q querier }

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// tx is accounts.Tx.
type tx struct {
	reads
	t *sql.Tx
}

// Audit implements accounts.Tx.
func (x *tx) Audit(ctx context.Context, row audit.Row) error {
	return auditsqlite.Insert(ctx, x.t, row)
}

// exec runs a statement and returns how many rows it touched.
func (x *tx) exec(ctx context.Context, what, query string, args ...any) (int, error) {
	res, err := x.t.ExecContext(ctx, query, args...)
	if sqlite.IsUnique(err) {
		return 0, fmt.Errorf("%s: %w", what, accounts.ErrExists)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	return int(n), nil
}

// execOne is exec for a statement that must find its row.
func (x *tx) execOne(ctx context.Context, what, query string, args ...any) error {
	n, err := x.exec(ctx, what, query, args...)
	if err == nil && n == 0 {
		return fmt.Errorf("%s: %w", what, accounts.ErrNotFound)
	}
	return err
}

type scanner interface{ Scan(dest ...any) error }

// one scans the only row of a query.
func one[T any](row *sql.Row, what string, scan func(scanner) (T, error)) (T, error) {
	v, err := scan(row)
	if errors.Is(err, sql.ErrNoRows) {
		err = accounts.ErrNotFound
	}
	if err != nil {
		var none T
		return none, fmt.Errorf("%s: %w", what, err)
	}
	return v, nil
}

// list scans all rows of a query.
func list[T any](ctx context.Context, q querier, what string, scan func(scanner) (T, error), query string, args ...any) (out []T, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return out, nil
}

// millis is a time as it is stored; NULL for none.
func millis(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMilli(), Valid: !t.IsZero()}
}

func fromMillis(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return time.UnixMilli(ms.Int64).UTC()
}

// stamp scans a time that may be NULL.
type stamp struct{ to *time.Time }

func (s stamp) Scan(v any) error {
	var ms sql.NullInt64
	if err := ms.Scan(v); err != nil {
		return err
	}
	*s.to = fromMillis(ms)
	return nil
}

// null stores "" as NULL.
func null(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }
