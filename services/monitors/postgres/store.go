// Package postgres keeps monitors in a schema of a PostgreSQL database, for any number of replicas of the service.
package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/frogstats/uptime/internal/audit"
	auditpostgres "github.com/frogstats/uptime/internal/audit/postgres"
	"github.com/frogstats/uptime/internal/postgres"
	"github.com/frogstats/uptime/services/monitors"
)

//go:embed migrations/*.sql
var migrations embed.FS

const schema = "monitors"

// Store is a monitors.Store. It is safe for concurrent use, and several may share a database. What cannot be done because
// the database is away, or too busy, is answered as fault.KindUnavailable.
type Store struct{ db *postgres.DB }

var _ monitors.Store = (*Store)(nil)

// Open connects to dsn and brings the tables in the schema "monitors" up to date.
func Open(ctx context.Context, dsn string) (*Store, error) {
	db, err := postgres.Open(ctx, dsn, postgres.Options{Schema: schema})
	if err != nil {
		return nil, fmt.Errorf("open monitors store: %w", err)
	}
	if err := errors.Join(db.Migrate(ctx, migrations), auditpostgres.Migrate(ctx, db)); err != nil {
		return nil, errors.Join(fmt.Errorf("open monitors store: %w", err), db.Close())
	}
	return &Store{db: db}, nil
}

// Close closes the connections. Repeating it does no harm.
func (s *Store) Close() error { return s.db.Close() }

// Every writer takes this lock first and holds it until its transaction has become visible. That makes writes come one after
// the other and revs rise in the order of visibility, and there is no second lock to take in the wrong order. It costs no
// more than numbering the changes does anyway.
const lockWrites = `
SELECT rev
FROM revision
FOR UPDATE`

// Write implements monitors.Configurations. If an outsider's locks make the server give the transaction up, fn runs again.
func (s *Store) Write(ctx context.Context, fn func(tx monitors.Tx) error) error {
	return s.db.Write(ctx, func(t pgx.Tx) error {
		if _, err := t.Exec(ctx, lockWrites); err != nil {
			return fmt.Errorf("wait for other writers: %w", err)
		}
		return fn(tx{t})
	})
}

// AuditRows implements monitors.Configurations.
func (s *Store) AuditRows(ctx context.Context, f audit.Filter) ([]audit.Row, error) {
	return auditpostgres.List(ctx, s.db, f)
}

// tx implements monitors.Tx. The lock on writing is held from its start.
type tx struct{ pgx.Tx }

var _ monitors.Tx = tx{}

// Audit implements monitors.Tx.
func (t tx) Audit(ctx context.Context, r audit.Row) error { return auditpostgres.Insert(ctx, t.Tx, r) }

// querier is the database, or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

const selectAnswer = `
SELECT fingerprint, body, etag, at
FROM answer
WHERE organization_id = $1 AND key = $2 AND at >= $3`

// Answer implements monitors.Configurations.
func (s *Store) Answer(ctx context.Context, k monitors.AnswerKey, since time.Time) (monitors.Answer, bool, error) {
	return answer(ctx, s.db, k, since)
}

// Answer implements monitors.Tx.
func (t tx) Answer(ctx context.Context, k monitors.AnswerKey, since time.Time) (monitors.Answer, bool, error) {
	return answer(ctx, t, k, since)
}

func answer(ctx context.Context, q querier, k monitors.AnswerKey, since time.Time) (a monitors.Answer, found bool, err error) {
	err = q.QueryRow(ctx, selectAnswer, k.OrganizationID, k.Key, millis(since)).Scan(&a.Fingerprint, &a.Body, &a.ETag, &a.At)
	if errors.Is(err, pgx.ErrNoRows) {
		return monitors.Answer{}, false, nil
	}
	if err != nil {
		return monitors.Answer{}, false, fmt.Errorf("read answer: %w", err)
	}
	return a, true, nil
}

// Both in one round trip. What is to be forgotten must not be the row that is written: one statement touches a row once.
const keepAnswer = `
WITH forgotten AS (
    DELETE FROM answer
    WHERE at < $7 AND NOT (organization_id = $1 AND key = $2)
)
INSERT INTO answer (organization_id, key, fingerprint, body, etag, at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (organization_id, key) DO UPDATE SET
    fingerprint = excluded.fingerprint, body = excluded.body, etag = excluded.etag, at = excluded.at`

// KeepAnswer implements monitors.Tx.
func (t tx) KeepAnswer(ctx context.Context, k monitors.AnswerKey, a monitors.Answer, forget time.Time) error {
	_, err := t.Exec(ctx, keepAnswer, k.OrganizationID, k.Key, a.Fingerprint, a.Body, a.ETag, millis(a.At), millis(forget))
	if err != nil {
		return fmt.Errorf("keep answer: %w", err)
	}
	return nil
}

// millis cuts t to what is stored.
func millis(t time.Time) time.Time { return time.UnixMilli(t.UnixMilli()).UTC() }
