// Package postgres keeps accounts in the schema "accounts" of a PostgreSQL database.
package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/frogstats/uptime/internal/audit"
	auditpostgres "github.com/frogstats/uptime/internal/audit/postgres"
	"github.com/frogstats/uptime/internal/postgres"
	"github.com/frogstats/uptime/services/accounts"
)

//go:embed migrations/*.sql
var migrations embed.FS

var (
	_ accounts.Store = (*Store)(nil)
	_ accounts.Tx    = (*tx)(nil)
)

// Schema is where the tables are.
const Schema = "accounts"

// Store is accounts.Store on PostgreSQL. Any number of processes may share the database.
type Store struct {
	reads
	db *postgres.DB
	// turn holds a value while an update of this process runs. Those that wait for it hold no connection, which the reads of
	// every request need.
	turn chan struct{}
}

// Open connects to dsn and brings the schema up to date.
func Open(ctx context.Context, dsn string) (*Store, error) {
	db, err := postgres.Open(ctx, dsn, postgres.Options{Schema: Schema})
	if err != nil {
		return nil, fmt.Errorf("accounts store: %w", err)
	}
	if err := errors.Join(db.Migrate(ctx, migrations), auditpostgres.Migrate(ctx, db)); err != nil {
		return nil, fmt.Errorf("accounts store: %w", errors.Join(err, db.Close()))
	}
	return &Store{reads: reads{db}, db: db, turn: make(chan struct{}, 1)}, nil
}

// Close closes the connections. Repeating it does no harm.
func (s *Store) Close() error { return s.db.Close() }

// lockUpdates ends with the transaction. Its number is ours alone in the database: other schemas lock other things.
const lockUpdates = `
SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ' updates', 0))`

// Update implements accounts.Store. Updates take turns, in all processes: they are short and rare, hashing a password costs
// a hundred times as much. SERIALIZABLE, which notes whole pages of such small tables as read, repeats a third to a half of
// them when they come together, and is not faster.
func (s *Store) Update(ctx context.Context, fn func(accounts.Tx) error) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return fmt.Errorf("update: wait for a turn: %w", ctx.Err())
	}
	return s.db.Write(ctx, func(t pgx.Tx) error {
		if _, err := t.Exec(ctx, lockUpdates); err != nil {
			return fmt.Errorf("update: lock: %w", err)
		}
		return fn(&tx{reads{t}, t})
	})
}

// AuditRows implements accounts.Store.
func (s *Store) AuditRows(ctx context.Context, organizationID string, before time.Time, limit int) ([]audit.Row, error) {
	return auditpostgres.List(ctx, s.db, audit.Filter{OrganizationID: organizationID, Until: before, Limit: limit})
}

// TouchSession implements accounts.Store.
func (s *Store) TouchSession(ctx context.Context, id string, at time.Time) error {
	return s.touch(ctx, touchSession, id, at)
}

const touchSession = `
UPDATE session SET last_used_at = $1 WHERE id = $2 AND last_used_at < $1`

// TouchKey implements accounts.Store.
func (s *Store) TouchKey(ctx context.Context, id string, at time.Time) error {
	return s.touch(ctx, touchKey, id, at)
}

const touchKey = `
UPDATE api_key SET last_used_at = $1 WHERE id = $2 AND (last_used_at IS NULL OR last_used_at < $1)`

func (s *Store) touch(ctx context.Context, query, id string, at time.Time) error {
	if _, err := s.db.Exec(ctx, query, at, id); err != nil {
		return fmt.Errorf("touch: %w", err)
	}
	return nil
}

// reads asks the pool, or inside a transaction the transaction itself.
type reads struct{ q querier }

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// tx is accounts.Tx.
type tx struct {
	reads
	t pgx.Tx
}

// Audit implements accounts.Tx.
func (x *tx) Audit(ctx context.Context, row audit.Row) error {
	return auditpostgres.Insert(ctx, x.t, row)
}

// exec runs a statement and returns how many rows it touched.
func (x *tx) exec(ctx context.Context, what, query string, args ...any) (int, error) {
	done, err := x.t.Exec(ctx, query, args...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	return int(done.RowsAffected()), nil
}

// insert is exec for a new row that says ON CONFLICT DO NOTHING: a violated constraint would end the transaction, and its
// caller may want to go on.
func (x *tx) insert(ctx context.Context, what, query string, args ...any) error {
	n, err := x.exec(ctx, what, query, args...)
	if err == nil && n == 0 {
		return fmt.Errorf("%s: %w", what, accounts.ErrExists)
	}
	return err
}

// execOne is exec for a statement that must find its row.
func (x *tx) execOne(ctx context.Context, what, query string, args ...any) error {
	if !storable(args) {
		return fmt.Errorf("%s: %w", what, accounts.ErrNotFound)
	}
	n, err := x.exec(ctx, what, query, args...)
	if err == nil && n == 0 {
		return fmt.Errorf("%s: %w", what, accounts.ErrNotFound)
	}
	return err
}

// scanValue scans a row of one column.
func scanValue[T any](row scanner) (v T, err error) {
	err = row.Scan(&v)
	return v, err
}

type scanner interface{ Scan(dest ...any) error }

// one scans the only row of a query.
func one[T any](ctx context.Context, q querier, what string, scan func(scanner) (T, error), query string, args ...any) (T, error) {
	found, err := list(ctx, q, what, scan, query, args...)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%s: %w", what, accounts.ErrNotFound)
	}
	if err != nil {
		var none T
		return none, err
	}
	return found[0], nil
}

// list scans all rows of a query.
func list[T any](ctx context.Context, q querier, what string, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	if !storable(args) {
		return nil, nil
	}
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (T, error) { return scan(row) })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return out, nil
}

// storable reports whether a row can hold all texts among args. To ask for another would end the transaction.
func storable(args []any) bool {
	for _, a := range args {
		if s, ok := a.(string); ok && (strings.ContainsRune(s, 0) || !utf8.ValidString(s)) {
			return false
		}
	}
	return true
}

// printable is s without what PostgreSQL cannot hold.
func printable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// stored is a time as it is stored; NULL for none.
func stored(t time.Time) pgtype.Timestamptz { return pgtype.Timestamptz{Time: t, Valid: !t.IsZero()} }

// stamp scans a time that may be NULL.
type stamp struct{ to *time.Time }

// ScanTimestamptz implements pgtype.TimestamptzScanner.
func (s stamp) ScanTimestamptz(v pgtype.Timestamptz) error {
	*s.to = v.Time // zero for NULL, else UTC
	return nil
}

// null stores "" as NULL.
func null(s string) pgtype.Text { return pgtype.Text{String: s, Valid: s != ""} }
