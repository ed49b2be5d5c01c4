package postgres

import (
	"context"
	"time"

	"github.com/frogstats/uptime/services/accounts"
)

const keyByHash = `
SELECT id, organization_id, name, role, prefix, created_by, operator, created_at, expires_at, last_used_at, revoked_at
FROM api_key WHERE secret_hash = $1`

// KeyByHash implements accounts.Keys.
func (r reads) KeyByHash(ctx context.Context, hash accounts.SecretHash) (accounts.Key, error) {
	return one(ctx, r.q, "key by hash", scanKey, keyByHash, hash[:])
}

const keyByID = `
SELECT id, organization_id, name, role, prefix, created_by, operator, created_at, expires_at, last_used_at, revoked_at
FROM api_key WHERE organization_id = $1 AND id = $2`

// Key implements accounts.Keys.
func (r reads) Key(ctx context.Context, organizationID, id string) (accounts.Key, error) {
	return one(ctx, r.q, "key", scanKey, keyByID, organizationID, id)
}

const liveKeys = `
SELECT id, organization_id, name, role, prefix, created_by, operator, created_at, expires_at, last_used_at, revoked_at
FROM api_key
WHERE organization_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
ORDER BY created_at DESC, id DESC`

// LiveKeys implements accounts.Keys.
func (r reads) LiveKeys(ctx context.Context, organizationID string, now time.Time) ([]accounts.Key, error) {
	return list(ctx, r.q, "live keys", scanKey, liveKeys, organizationID, stored(now))
}

const operatorKeys = `
SELECT id, organization_id, name, role, prefix, created_by, operator, created_at, expires_at, last_used_at, revoked_at
FROM api_key
WHERE operator AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1)
ORDER BY created_at DESC, id DESC`

// OperatorKeys implements accounts.Keys.
func (r reads) OperatorKeys(ctx context.Context, now time.Time) ([]accounts.Key, error) {
	return list(ctx, r.q, "operator keys", scanKey, operatorKeys, stored(now))
}

func scanKey(row scanner) (k accounts.Key, err error) {
	err = row.Scan(&k.ID, &k.OrganizationID, &k.Name, &k.Role, &k.Prefix, &k.CreatedBy, &k.Operator,
		stamp{&k.CreatedAt}, stamp{&k.ExpiresAt}, stamp{&k.LastUsedAt}, stamp{&k.RevokedAt})
	return k, err
}

const insertKey = `
INSERT INTO api_key (id, organization_id, name, role, secret_hash, prefix, created_by, operator,
    created_at, expires_at, last_used_at, revoked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT DO NOTHING`

// InsertKey implements accounts.KeyWrites.
func (x *tx) InsertKey(ctx context.Context, k accounts.Key, secret accounts.SecretHash) error {
	return x.insert(ctx, "insert key", insertKey, k.ID, k.OrganizationID, k.Name, k.Role, secret[:], k.Prefix, k.CreatedBy,
		k.Operator, stored(k.CreatedAt), stored(k.ExpiresAt), stored(k.LastUsedAt), stored(k.RevokedAt))
}

const revokeKey = `
UPDATE api_key SET revoked_at = $1 WHERE organization_id = $2 AND id = $3 AND revoked_at IS NULL`

// RevokeKey implements accounts.KeyWrites.
func (x *tx) RevokeKey(ctx context.Context, organizationID, id string, at time.Time) error {
	return x.execOne(ctx, "revoke key", revokeKey, stored(at), organizationID, id)
}
