// Package postgres keeps the alerts service's data in a PostgreSQL schema that any number of replicas may share.
//
// Locks are taken in one order, so that no two transactions wait for each other: the cursor of evaluation, then the rows of
// targets, then whatever belongs to them. Evaluation, and every change of what it reads and writes, groups included, runs under
// the lock of the cursor; claims, and every change of a target's messages, run under the lock of the target.
package postgres

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/internal/audit"
	auditpostgres "github.com/frogstats/uptime/internal/audit/postgres"
	"github.com/frogstats/uptime/internal/postgres"
	"github.com/frogstats/uptime/services/alerts"
)

// schema is where the tables are.
const schema = "alerts"

//go:embed migrations/*.sql
var migrations embed.FS

// Store is an alerts.Store. Make it with Open.
type Store struct{ db *postgres.DB }

var _ alerts.Store = (*Store)(nil)

// Open connects to dsn and brings the schema "alerts" up to date.
func Open(ctx context.Context, dsn string) (*Store, error) {
	db, err := postgres.Open(ctx, dsn, postgres.Options{Schema: schema})
	if err != nil {
		return nil, fmt.Errorf("open alerts store: %w", err)
	}
	err = db.Migrate(ctx, migrations)
	if err == nil {
		err = auditpostgres.Migrate(ctx, db)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open alerts store: %w", err), db.Close())
	}
	return &Store{db: db}, nil
}

// Close waits for what is running and closes the connections.
func (s *Store) Close() error { return s.db.Close() }

// AuditRows implements alerts.AuditStore.
func (s *Store) AuditRows(ctx context.Context, f audit.Filter) ([]audit.Row, error) {
	return auditpostgres.List(ctx, s.db, f)
}

// querier is a transaction or the database.
type querier interface {
	Query(ctx context.Context, query string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, query string, args ...any) pgx.Row
}

// collect runs a query and scans all its rows.
func collect[T any](ctx context.Context, q querier, scan func(pgx.Row) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
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
func number[N int64 | uint32](row pgx.Row) (n N, err error) {
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

// millis is a time as it is stored: PostgreSQL would keep microseconds.
func millis(t time.Time) time.Time { return time.UnixMilli(t.UnixMilli()).UTC() }

// maybeMillis is NULL for the zero time.
func maybeMillis(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = millis(t)
	return &t
}

// fromMaybe is the zero time for NULL.
func fromMaybe(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// object is v as it goes into a JSONB column.
func object(v any) (string, error) {
	raw, err := json.Marshal(v)
	return jsonNUL.Replace(string(raw)), err
}

// What a target answered may hold a NUL, which PostgreSQL cannot keep; it must not stop evaluation. An escaped backslash is
// matched first, so that a text of these six letters stays what it is.
var jsonNUL = strings.NewReplacer(`\\`, `\\`, `\u0000`, `\ufffd`)

// text is s as it goes into a TEXT column.
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// document is a JSONB column that is passed on as it is, without the blanks that PostgreSQL puts in.
type document json.RawMessage

// ScanBytes implements pgtype.BytesScanner.
func (d *document) ScanBytes(b []byte) error {
	if *d = nil; b == nil || string(b) == "null" {
		return nil
	}
	var tight bytes.Buffer
	if err := json.Compact(&tight, b); err != nil {
		return err
	}
	*d = tight.Bytes()
	return nil
}

// sealed is never NULL, though a target may have nothing to hide.
func sealed(c alerts.Config) []byte {
	if c.Sealed == nil {
		return []byte{}
	}
	return c.Sealed
}

// list is ids for ANY and ALL, to which NULL would be unknown.
func list(ids []uint32) []uint32 {
	if ids == nil {
		return []uint32{}
	}
	return ids
}

// where builds the conditions of a list.
type where struct {
	clauses []string
	args    []any
}

// arg adds an argument and returns its placeholder.
func (w *where) arg(v any) string {
	w.args = append(w.args, v)
	return "$" + strconv.Itoa(len(w.args))
}

// and adds a condition; each ? in it stands for one of the values.
func (w *where) and(clause string, values ...any) {
	for _, v := range values {
		clause = strings.Replace(clause, "?", w.arg(v), 1)
	}
	w.clauses = append(w.clauses, clause)
}

// in demands that column is one of values, if there are any.
func in[T ~string](w *where, column string, values []T) {
	if len(values) == 0 {
		return
	}
	texts := make([]string, 0, len(values))
	for _, v := range values {
		texts = append(texts, string(v))
	}
	w.and(column+" = ANY (?)", texts)
}

func (w *where) String() string { return " WHERE " + strings.Join(w.clauses, " AND ") }

// count is how many rows of from meet w.
func (w *where) count(ctx context.Context, q querier, from string) (int, error) {
	n, err := number[int64](q.QueryRow(ctx, "SELECT count(*) FROM "+from+w.String(), w.args...))
	return int(n), err
}

// listing is a list that is read one window at a time.
type listing[T any] struct {
	query, from, order string
	where              where
	behind             string // condition for what follows the window's place; empty without one
	place              []any
	window             alerts.Window
	scan               func(pgx.Row) (T, error)
}

// read returns the window and how many rows there are in all, both as of one moment: each row of the window says how many
// there are, so that one statement does. Only a window that is empty has to ask.
func (l listing[T]) read(ctx context.Context, db *postgres.DB) (rows []T, total int, err error) {
	w := where{slices.Clone(l.where.clauses), slices.Clone(l.where.args)}
	if l.behind != "" {
		w.and(l.behind, l.place...)
	}
	counted := "SELECT (SELECT count(*) FROM " + l.from + l.where.String() + "), " + strings.TrimPrefix(strings.TrimSpace(l.query), "SELECT ")
	query := counted + w.String() + " ORDER BY " + l.order + " LIMIT " + w.arg(l.window.Limit) + " OFFSET " + w.arg(l.window.Offset)
	scan := func(row pgx.Row) (T, error) { return l.scan(numbered{row, &total}) }
	if rows, err = collect(ctx, db, scan, query, w.args...); err != nil || len(rows) > 0 || l.first() {
		return rows, total, err
	}
	if total, err = l.where.count(ctx, db, l.from); err != nil {
		return nil, 0, fmt.Errorf("count: %w", err)
	}
	return rows, total, nil
}

// first reports whether nothing stands before the window.
func (l listing[T]) first() bool { return l.behind == "" && l.window.Offset == 0 }

// numbered is a row with a count before its own columns.
type numbered struct {
	pgx.Row
	count *int
}

func (r numbered) Scan(dest ...any) error { return r.Row.Scan(append([]any{r.count}, dest...)...) }
