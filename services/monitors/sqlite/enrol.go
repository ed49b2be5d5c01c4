package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/frogstats/uptime/internal/audit"
	auditsqlite "github.com/frogstats/uptime/internal/audit/sqlite"
	"github.com/frogstats/uptime/services/monitors"
)

// ChangeEnrolments implements monitors.Enrolments.
func (s *Store) ChangeEnrolments(ctx context.Context, fn func(tx monitors.EnrolmentTx) error) error {
	return s.db.Write(ctx, func(t *sql.Tx) error { return fn(enrolmentTx{t}) })
}

const selectEnrolled = `
SELECT e.prober_id, e.region, e.version, e.joined_at, e.removed_at,
    (SELECT c.expires_at
    FROM prober_certificate c
    WHERE c.prober_id = e.prober_id AND c.revoked_at IS NULL
    ORDER BY c.used_at IS NULL, c.issued_at DESC
    LIMIT 1)
FROM enrolment e
WHERE e.joined_at IS NOT NULL
ORDER BY e.prober_id`

// Enrolled implements monitors.Enrolments.
func (s *Store) Enrolled(ctx context.Context) (all []monitors.Enrolled, err error) {
	rows, err := s.db.Read().QueryContext(ctx, selectEnrolled)
	if err != nil {
		return nil, fmt.Errorf("list enrolled probers: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var e monitors.Enrolled
		var joined, removed, expires sql.NullInt64
		if err := rows.Scan(&e.ProberID, &e.Region, &e.Version, &joined, &removed, &expires); err != nil {
			return nil, fmt.Errorf("list enrolled probers: %w", err)
		}
		e.JoinedAt, e.RemovedAt, e.ExpiresAt = perhaps(joined), perhaps(removed), perhaps(expires)
		all = append(all, e)
	}
	return all, rows.Err()
}

const (
	certificateColumns = `
SELECT c.fingerprint, c.prober_id, e.region, c.key_hash, c.der, c.issued_at, c.expires_at, c.used_at, c.revoked_at
FROM prober_certificate c
JOIN enrolment e ON e.prober_id = c.prober_id`
	selectCertificate = certificateColumns + `
WHERE c.fingerprint = ?`
	selectCertificateFor = certificateColumns + `
WHERE c.prober_id = ? AND c.key_hash = ? AND c.revoked_at IS NULL
ORDER BY c.issued_at DESC
LIMIT 1`
)

// Certificate implements monitors.Enrolments.
func (s *Store) Certificate(ctx context.Context, fingerprint []byte) (monitors.Certificate, error) {
	c, found, err := certificate(s.db.Read().QueryRowContext(ctx, selectCertificate, fingerprint))
	if err == nil && !found {
		err = monitors.ErrNoCertificate
	}
	return c, err
}

func certificate(row *sql.Row) (c monitors.Certificate, found bool, err error) {
	var issued, expires int64
	var used, revoked sql.NullInt64
	err = row.Scan(&c.Fingerprint, &c.ProberID, &c.Region, &c.KeyHash, &c.DER, &issued, &expires, &used, &revoked)
	if errors.Is(err, sql.ErrNoRows) {
		return monitors.Certificate{}, false, nil
	}
	if err != nil {
		return monitors.Certificate{}, false, fmt.Errorf("read certificate: %w", err)
	}
	c.IssuedAt, c.ExpiresAt, c.UsedAt, c.RevokedAt = fromMillis(issued), fromMillis(expires), perhaps(used), perhaps(revoked)
	return c, true, nil
}

const (
	useCertificate = `
UPDATE prober_certificate
SET used_at = ?
WHERE fingerprint = ? AND used_at IS NULL AND revoked_at IS NULL
RETURNING prober_id, issued_at`
	revokeOlder = `
UPDATE prober_certificate
SET revoked_at = ?
WHERE prober_id = ? AND issued_at <= ? AND fingerprint <> ? AND revoked_at IS NULL`
)

// UseCertificate implements monitors.Enrolments.
func (s *Store) UseCertificate(ctx context.Context, fingerprint []byte, at time.Time) error {
	err := s.db.Write(ctx, func(tx *sql.Tx) error {
		var proberID string
		var issued int64
		err := tx.QueryRowContext(ctx, useCertificate, at.UnixMilli(), fingerprint).Scan(&proberID, &issued)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, revokeOlder, at.UnixMilli(), proberID, issued, fingerprint)
		return err
	})
	if err != nil {
		return fmt.Errorf("note the use of a certificate: %w", err)
	}
	return nil
}

const (
	selectAuthority = `
SELECT certificate, sealed_key, made_at
FROM authority`
	insertAuthority = `
INSERT INTO authority (only, certificate, sealed_key, made_at)
VALUES (1, ?, ?, ?)
ON CONFLICT (only) DO NOTHING`
)

// Authority implements monitors.Enrolments.
func (s *Store) Authority(ctx context.Context) (monitors.Authority, bool, error) {
	return authority(ctx, s.db.Read())
}

func authority(ctx context.Context, q querier) (a monitors.Authority, found bool, err error) {
	var made int64
	err = q.QueryRowContext(ctx, selectAuthority).Scan(&a.Certificate, &a.SealedKey, &made)
	if errors.Is(err, sql.ErrNoRows) {
		return monitors.Authority{}, false, nil
	}
	if err != nil {
		return monitors.Authority{}, false, fmt.Errorf("read authority: %w", err)
	}
	a.MadeAt = fromMillis(made)
	return a, true, nil
}

// KeepAuthority implements monitors.Enrolments.
func (s *Store) KeepAuthority(ctx context.Context, a monitors.Authority) (kept monitors.Authority, err error) {
	err = s.db.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, insertAuthority, a.Certificate, a.SealedKey, a.MadeAt.UnixMilli()); err != nil {
			return err
		}
		var err error
		kept, _, err = authority(ctx, tx)
		return err
	})
	if err != nil {
		return monitors.Authority{}, fmt.Errorf("keep authority: %w", err)
	}
	return kept, nil
}

// enrolmentTx implements monitors.EnrolmentTx. The write lock is held from its start.
type enrolmentTx struct{ *sql.Tx }

var _ monitors.EnrolmentTx = enrolmentTx{}

const (
	enrolmentColumns = `
SELECT prober_id, region, organization_id, token_hash, token_expires_at, key_hash, version, enrolled_at, joined_at, removed_at
FROM enrolment`
	selectEnrolment = enrolmentColumns + `
WHERE prober_id = ?`
	selectEnrolmentOf = enrolmentColumns + `
WHERE token_hash = ?`
)

// Enrolment implements monitors.EnrolmentTx.
func (t enrolmentTx) Enrolment(ctx context.Context, proberID string) (monitors.Enrolment, bool, error) {
	return enrolment(t.QueryRowContext(ctx, selectEnrolment, proberID))
}

// EnrolmentOf implements monitors.EnrolmentTx.
func (t enrolmentTx) EnrolmentOf(ctx context.Context, tokenHash []byte) (monitors.Enrolment, bool, error) {
	return enrolment(t.QueryRowContext(ctx, selectEnrolmentOf, tokenHash))
}

func enrolment(row *sql.Row) (e monitors.Enrolment, found bool, err error) {
	var expires, enrolled int64
	var joined, removed sql.NullInt64
	err = row.Scan(&e.ProberID, &e.Region, &e.OrganizationID, &e.TokenHash, &expires, &e.KeyHash, &e.Version, &enrolled, &joined, &removed)
	if errors.Is(err, sql.ErrNoRows) {
		return monitors.Enrolment{}, false, nil
	}
	if err != nil {
		return monitors.Enrolment{}, false, fmt.Errorf("read enrolment: %w", err)
	}
	e.TokenExpiresAt, e.EnrolledAt, e.JoinedAt, e.RemovedAt = fromMillis(expires), fromMillis(enrolled), perhaps(joined), perhaps(removed)
	return e, true, nil
}

const upsertEnrolment = `
INSERT INTO enrolment (prober_id, region, organization_id, token_hash, token_expires_at, key_hash, version, enrolled_at, joined_at, removed_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (prober_id) DO UPDATE SET
    region = excluded.region, organization_id = excluded.organization_id, token_hash = excluded.token_hash,
    token_expires_at = excluded.token_expires_at, key_hash = excluded.key_hash, version = excluded.version,
    enrolled_at = excluded.enrolled_at, joined_at = excluded.joined_at, removed_at = excluded.removed_at`

// PutEnrolment implements monitors.EnrolmentTx.
func (t enrolmentTx) PutEnrolment(ctx context.Context, e monitors.Enrolment) error {
	if _, err := t.ExecContext(ctx, insertRegion, e.Region, e.Region); err != nil {
		return fmt.Errorf("make region: %w", err)
	}
	_, err := t.ExecContext(ctx, upsertEnrolment, e.ProberID, e.Region, e.OrganizationID, e.TokenHash, e.TokenExpiresAt.UnixMilli(), e.KeyHash,
		e.Version, e.EnrolledAt.UnixMilli(), orNull(e.JoinedAt), orNull(e.RemovedAt))
	if err != nil {
		return fmt.Errorf("put enrolment: %w", err)
	}
	return nil
}

const selectIsProber = `SELECT EXISTS (SELECT 1 FROM prober WHERE id = ?)`

// IsProber implements monitors.EnrolmentTx.
func (t enrolmentTx) IsProber(ctx context.Context, id string) (is bool, err error) {
	if err := t.QueryRowContext(ctx, selectIsProber, id).Scan(&is); err != nil {
		return false, fmt.Errorf("look for prober: %w", err)
	}
	return is, nil
}

const markProber = `
UPDATE prober
SET removed_at = ?, connected = connected AND ?
WHERE id = ?`

// MarkProber implements monitors.EnrolmentTx.
func (t enrolmentTx) MarkProber(ctx context.Context, id string, removedAt time.Time) error {
	if _, err := t.ExecContext(ctx, markProber, orNull(removedAt), removedAt.IsZero(), id); err != nil {
		return fmt.Errorf("mark prober: %w", err)
	}
	return nil
}

const insertCertificate = `
INSERT INTO prober_certificate (fingerprint, prober_id, key_hash, der, issued_at, expires_at, used_at, revoked_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)`

// AddCertificate implements monitors.EnrolmentTx.
func (t enrolmentTx) AddCertificate(ctx context.Context, c monitors.Certificate) error {
	_, err := t.ExecContext(ctx, insertCertificate, c.Fingerprint, c.ProberID, c.KeyHash, c.DER, c.IssuedAt.UnixMilli(), c.ExpiresAt.UnixMilli(),
		orNull(c.UsedAt), orNull(c.RevokedAt))
	if err != nil {
		return fmt.Errorf("add certificate: %w", err)
	}
	return nil
}

// CertificateFor implements monitors.EnrolmentTx.
func (t enrolmentTx) CertificateFor(ctx context.Context, proberID string, keyHash []byte) (monitors.Certificate, bool, error) {
	return certificate(t.QueryRowContext(ctx, selectCertificateFor, proberID, keyHash))
}

const revokeCertificates = `
UPDATE prober_certificate
SET revoked_at = ?
WHERE prober_id = ? AND revoked_at IS NULL`

// RevokeCertificates implements monitors.EnrolmentTx.
func (t enrolmentTx) RevokeCertificates(ctx context.Context, proberID string, at time.Time) error {
	if _, err := t.ExecContext(ctx, revokeCertificates, at.UnixMilli(), proberID); err != nil {
		return fmt.Errorf("revoke certificates: %w", err)
	}
	return nil
}

// Audit implements monitors.EnrolmentTx.
func (t enrolmentTx) Audit(ctx context.Context, r audit.Row) error {
	return auditsqlite.Insert(ctx, t.Tx, r)
}

// orNull is a time, or NULL for the zero one.
func orNull(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMilli(), Valid: !t.IsZero()}
}

// perhaps is a time, or the zero one for NULL.
func perhaps(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return fromMillis(ms.Int64)
}
