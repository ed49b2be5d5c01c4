// Package sqlite keeps monitors in one SQLite file.
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
	"github.com/frogstats/uptime/services/monitors"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Store is a monitors.Store. It is safe for concurrent use.
type Store struct{ db *sqlite.DB }

var _ monitors.Store = (*Store)(nil)

// Open opens the file at path, made if need be, and brings its tables up to date. A commit survives a power cut: there are
// few, and each is somebody's work.
func Open(ctx context.Context, path string) (*Store, error) {
	db, err := sqlite.Open(ctx, path, sqlite.Options{Synchronous: sqlite.Full})
	if err != nil {
		return nil, fmt.Errorf("open monitors store: %w", err)
	}
	if err := errors.Join(db.Migrate(ctx, migrations), auditsqlite.Migrate(ctx, db)); err != nil {
		return nil, errors.Join(fmt.Errorf("open monitors store: %w", err), db.Close())
	}
	return &Store{db: db}, nil
}

// Close closes the file. Repeating it does no harm.
func (s *Store) Close() error { return s.db.Close() }

// Write implements monitors.Configurations.
func (s *Store) Write(ctx context.Context, fn func(tx monitors.Tx) error) error {
	return s.db.Write(ctx, func(t *sql.Tx) error { return fn(tx{t}) })
}

// AuditRows implements monitors.Configurations.
func (s *Store) AuditRows(ctx context.Context, f audit.Filter) ([]audit.Row, error) {
	return auditsqlite.List(ctx, s.db.Read(), f)
}

// tx implements monitors.Tx. The write lock is held from its start, so what it reads cannot change.
type tx struct{ *sql.Tx }

var _ monitors.Tx = tx{}

// Audit implements monitors.Tx.
func (t tx) Audit(ctx context.Context, r audit.Row) error { return auditsqlite.Insert(ctx, t.Tx, r) }

// querier is what a read needs: the pool of readers, or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

const selectAnswer = `
SELECT fingerprint, body, etag, at
FROM answer
WHERE organization_id = ? AND key = ? AND at >= ?`

// Answer implements monitors.Configurations.
func (s *Store) Answer(ctx context.Context, k monitors.AnswerKey, since time.Time) (monitors.Answer, bool, error) {
	return answer(ctx, s.db.Read(), k, since)
}

// Answer implements monitors.Tx.
func (t tx) Answer(ctx context.Context, k monitors.AnswerKey, since time.Time) (monitors.Answer, bool, error) {
	return answer(ctx, t, k, since)
}

func answer(ctx context.Context, q querier, k monitors.AnswerKey, since time.Time) (a monitors.Answer, found bool, err error) {
	var at int64
	err = q.QueryRowContext(ctx, selectAnswer, k.OrganizationID, k.Key, since.UnixMilli()).
		Scan(&a.Fingerprint, &a.Body, &a.ETag, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return monitors.Answer{}, false, nil
	}
	if err != nil {
		return monitors.Answer{}, false, fmt.Errorf("read answer: %w", err)
	}
	a.At = fromMillis(at)
	return a, true, nil
}

const (
	deleteAnswers = `DELETE FROM answer WHERE at < ?`
	insertAnswer  = `
INSERT INTO answer (organization_id, key, fingerprint, body, etag, at)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (organization_id, key) DO UPDATE SET
    fingerprint = excluded.fingerprint, body = excluded.body, etag = excluded.etag, at = excluded.at`
)

// KeepAnswer implements monitors.Tx.
func (t tx) KeepAnswer(ctx context.Context, k monitors.AnswerKey, a monitors.Answer, forget time.Time) error {
	if _, err := t.ExecContext(ctx, deleteAnswers, forget.UnixMilli()); err != nil {
		return fmt.Errorf("forget old answers: %w", err)
	}
	if _, err := t.ExecContext(ctx, insertAnswer, k.OrganizationID, k.Key, a.Fingerprint, a.Body, a.ETag, a.At.UnixMilli()); err != nil {
		return fmt.Errorf("keep answer: %w", err)
	}
	return nil
}

func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
