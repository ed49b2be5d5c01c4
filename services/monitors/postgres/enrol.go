package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/internal/audit"
	auditpostgres "github.com/frogstats/uptime/internal/audit/postgres"
	"github.com/frogstats/uptime/services/monitors"
)

// Enrolments are changed so rarely that all wait for each other; readers do not wait.
const lockEnrolments = `LOCK TABLE enrolment IN SHARE ROW EXCLUSIVE MODE`

// ChangeEnrolments implements monitors.Enrolments.
func (s *Store) ChangeEnrolments(ctx context.Context, fn func(tx monitors.EnrolmentTx) error) error {
	return s.db.Write(ctx, func(t pgx.Tx) error {
		if _, err := t.Exec(ctx, lockEnrolments); err != nil {
			return fmt.Errorf("wait for other changes of enrolments: %w", err)
		}
		return fn(enrolmentTx{t})
	})
}

const selectEnrolled = `
SELECT e.prober_id, e.region, e.version, e.joined_at, e.removed_at, newest.expires_at
FROM enrolment e
LEFT JOIN LATERAL (
    SELECT c.expires_at
    FROM prober_certificate c
    WHERE c.prober_id = e.prober_id AND c.revoked_at IS NULL
    ORDER BY c.used_at IS NULL, c.issued_at DESC
    LIMIT 1
) AS newest ON TRUE
WHERE e.joined_at IS NOT NULL
ORDER BY e.prober_id`

// Enrolled implements monitors.Enrolments.
func (s *Store) Enrolled(ctx context.Context) ([]monitors.Enrolled, error) {
	all, err := collect(ctx, s.db, func(row pgx.CollectableRow) (e monitors.Enrolled, err error) {
		var joined, removed, expires *time.Time
		err = row.Scan(&e.ProberID, &e.Region, &e.Version, &joined, &removed, &expires)
		e.JoinedAt, e.RemovedAt, e.ExpiresAt = perhaps(joined), perhaps(removed), perhaps(expires)
		return e, err
	}, selectEnrolled)
	if err != nil {
		return nil, fmt.Errorf("list enrolled probers: %w", err)
	}
	return all, nil
}

const (
	certificateColumns = `
SELECT c.fingerprint, c.prober_id, e.region, c.key_hash, c.der, c.issued_at, c.expires_at, c.used_at, c.revoked_at
FROM prober_certificate c
JOIN enrolment e ON e.prober_id = c.prober_id`
	selectCertificate = certificateColumns + `
WHERE c.fingerprint = $1`
	selectCertificateFor = certificateColumns + `
WHERE c.prober_id = $1 AND c.key_hash = $2 AND c.revoked_at IS NULL
ORDER BY c.issued_at DESC
LIMIT 1`
)

// Certificate implements monitors.Enrolments.
func (s *Store) Certificate(ctx context.Context, fingerprint []byte) (monitors.Certificate, error) {
	c, found, err := certificate(s.db.QueryRow(ctx, selectCertificate, fingerprint))
	if err == nil && !found {
		err = monitors.ErrNoCertificate
	}
	return c, err
}

func certificate(row pgx.Row) (c monitors.Certificate, found bool, err error) {
	var used, revoked *time.Time
	err = row.Scan(&c.Fingerprint, &c.ProberID, &c.Region, &c.KeyHash, &c.DER, &c.IssuedAt, &c.ExpiresAt, &used, &revoked)
	if errors.Is(err, pgx.ErrNoRows) {
		return monitors.Certificate{}, false, nil
	}
	if err != nil {
		return monitors.Certificate{}, false, fmt.Errorf("read certificate: %w", err)
	}
	c.IssuedAt, c.ExpiresAt, c.UsedAt, c.RevokedAt = c.IssuedAt.UTC(), c.ExpiresAt.UTC(), perhaps(used), perhaps(revoked)
	return c, true, nil
}

const useCertificate = `
WITH used AS (
    UPDATE prober_certificate
    SET used_at = $2
    WHERE fingerprint = $1 AND used_at IS NULL AND revoked_at IS NULL
    RETURNING prober_id, issued_at
)
UPDATE prober_certificate c
SET revoked_at = $2
FROM used
WHERE c.prober_id = used.prober_id AND c.issued_at <= used.issued_at AND c.fingerprint <> $1 AND c.revoked_at IS NULL`

// UseCertificate implements monitors.Enrolments.
func (s *Store) UseCertificate(ctx context.Context, fingerprint []byte, at time.Time) error {
	err := s.db.Write(ctx, func(t pgx.Tx) error {
		if _, err := t.Exec(ctx, lockEnrolments); err != nil {
			return err
		}
		_, err := t.Exec(ctx, useCertificate, fingerprint, millis(at))
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
INSERT INTO authority (one, certificate, sealed_key, made_at)
VALUES (TRUE, $1, $2, $3)
ON CONFLICT (one) DO NOTHING`
)

// Authority implements monitors.Enrolments.
func (s *Store) Authority(ctx context.Context) (monitors.Authority, bool, error) {
	return authority(ctx, s.db)
}

func authority(ctx context.Context, q querier) (a monitors.Authority, found bool, err error) {
	err = q.QueryRow(ctx, selectAuthority).Scan(&a.Certificate, &a.SealedKey, &a.MadeAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return monitors.Authority{}, false, nil
	}
	if err != nil {
		return monitors.Authority{}, false, fmt.Errorf("read authority: %w", err)
	}
	a.MadeAt = a.MadeAt.UTC()
	return a, true, nil
}

// KeepAuthority implements monitors.Enrolments. Whoever comes second waits for the first to commit, and its second statement
// sees what was committed.
func (s *Store) KeepAuthority(ctx context.Context, a monitors.Authority) (kept monitors.Authority, err error) {
	err = s.db.Write(ctx, func(t pgx.Tx) error {
		if _, err := t.Exec(ctx, insertAuthority, a.Certificate, a.SealedKey, millis(a.MadeAt)); err != nil {
			return err
		}
		var err error
		kept, _, err = authority(ctx, t)
		return err
	})
	if err != nil {
		return monitors.Authority{}, fmt.Errorf("keep authority: %w", err)
	}
	return kept, nil
}

// enrolmentTx implements monitors.EnrolmentTx. The lock on changes is held from its start.
type enrolmentTx struct{ pgx.Tx }

var _ monitors.EnrolmentTx = enrolmentTx{}

const (
	enrolmentColumns = `
SELECT prober_id, region, organization_id, token_hash, token_expires_at, key_hash, version, enrolled_at, joined_at, removed_at
FROM enrolment`
	selectEnrolment = enrolmentColumns + `
WHERE prober_id = $1`
	selectEnrolmentOf = enrolmentColumns + `
WHERE token_hash = $1`
)

// Enrolment implements monitors.EnrolmentTx.
func (t enrolmentTx) Enrolment(ctx context.Context, proberID string) (monitors.Enrolment, bool, error) {
	return enrolment(t.QueryRow(ctx, selectEnrolment, proberID))
}

// EnrolmentOf implements monitors.EnrolmentTx.
func (t enrolmentTx) EnrolmentOf(ctx context.Context, tokenHash []byte) (monitors.Enrolment, bool, error) {
	return enrolment(t.QueryRow(ctx, selectEnrolmentOf, tokenHash))
}

func enrolment(row pgx.Row) (e monitors.Enrolment, found bool, err error) {
	var joined, removed *time.Time
	err = row.Scan(&e.ProberID, &e.Region, &e.OrganizationID, &e.TokenHash, &e.TokenExpiresAt, &e.KeyHash, &e.Version, &e.EnrolledAt, &joined, &removed)
	if errors.Is(err, pgx.ErrNoRows) {
		return monitors.Enrolment{}, false, nil
	}
	if err != nil {
		return monitors.Enrolment{}, false, fmt.Errorf("read enrolment: %w", err)
	}
	e.TokenExpiresAt, e.EnrolledAt, e.JoinedAt, e.RemovedAt = e.TokenExpiresAt.UTC(), e.EnrolledAt.UTC(), perhaps(joined), perhaps(removed)
	return e, true, nil
}

// The region is there when the statement ends, which is when the reference to it is checked.
const upsertEnrolment = `
WITH known AS (
    INSERT INTO region (code, name)
    VALUES ($2, $2)
    ON CONFLICT (code) DO NOTHING
)
INSERT INTO enrolment (prober_id, region, organization_id, token_hash, token_expires_at, key_hash, version, enrolled_at, joined_at, removed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (prober_id) DO UPDATE SET
    region = excluded.region, organization_id = excluded.organization_id, token_hash = excluded.token_hash,
    token_expires_at = excluded.token_expires_at, key_hash = excluded.key_hash, version = excluded.version,
    enrolled_at = excluded.enrolled_at, joined_at = excluded.joined_at, removed_at = excluded.removed_at`

// PutEnrolment implements monitors.EnrolmentTx.
func (t enrolmentTx) PutEnrolment(ctx context.Context, e monitors.Enrolment) error {
	_, err := t.Exec(ctx, upsertEnrolment, e.ProberID, e.Region, e.OrganizationID, e.TokenHash, millis(e.TokenExpiresAt), e.KeyHash,
		e.Version, millis(e.EnrolledAt), orNull(e.JoinedAt), orNull(e.RemovedAt))
	if err != nil {
		return fmt.Errorf("put enrolment: %w", err)
	}
	return nil
}

const selectIsProber = `SELECT EXISTS (SELECT FROM prober WHERE id = $1)`

// IsProber implements monitors.EnrolmentTx.
func (t enrolmentTx) IsProber(ctx context.Context, id string) (is bool, err error) {
	if err := t.QueryRow(ctx, selectIsProber, id).Scan(&is); err != nil {
		return false, fmt.Errorf("look for prober: %w", err)
	}
	return is, nil
}

const markProber = `
UPDATE prober
SET removed_at = $1, connected = connected AND $2
WHERE id = $3`

// MarkProber implements monitors.EnrolmentTx.
func (t enrolmentTx) MarkProber(ctx context.Context, id string, removedAt time.Time) error {
	if _, err := t.Exec(ctx, markProber, orNull(removedAt), removedAt.IsZero(), id); err != nil {
		return fmt.Errorf("mark prober: %w", err)
	}
	return nil
}

const insertCertificate = `
INSERT INTO prober_certificate (fingerprint, prober_id, key_hash, der, issued_at, expires_at, used_at, revoked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`

// AddCertificate implements monitors.EnrolmentTx.
func (t enrolmentTx) AddCertificate(ctx context.Context, c monitors.Certificate) error {
	_, err := t.Exec(ctx, insertCertificate, c.Fingerprint, c.ProberID, c.KeyHash, c.DER, millis(c.IssuedAt), millis(c.ExpiresAt),
		orNull(c.UsedAt), orNull(c.RevokedAt))
	if err != nil {
		return fmt.Errorf("add certificate: %w", err)
	}
	return nil
}

// CertificateFor implements monitors.EnrolmentTx.
func (t enrolmentTx) CertificateFor(ctx context.Context, proberID string, keyHash []byte) (monitors.Certificate, bool, error) {
	return certificate(t.QueryRow(ctx, selectCertificateFor, proberID, keyHash))
}

const revokeCertificates = `
UPDATE prober_certificate
SET revoked_at = $1
WHERE prober_id = $2 AND revoked_at IS NULL`

// RevokeCertificates implements monitors.EnrolmentTx.
func (t enrolmentTx) RevokeCertificates(ctx context.Context, proberID string, at time.Time) error {
	if _, err := t.Exec(ctx, revokeCertificates, millis(at), proberID); err != nil {
		return fmt.Errorf("revoke certificates: %w", err)
	}
	return nil
}

// Audit implements monitors.EnrolmentTx.
func (t enrolmentTx) Audit(ctx context.Context, r audit.Row) error {
	return auditpostgres.Insert(ctx, t.Tx, r)
}

// orNull is a time, or NULL for the zero one.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = millis(t)
	return &t
}

// perhaps is a time, or the zero one for NULL.
func perhaps(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
