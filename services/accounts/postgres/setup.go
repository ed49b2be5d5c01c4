package postgres

import (
	"context"
	"time"

	"github.com/frogstats/uptime/services/accounts"
)

const setupTokenExpiry = `
SELECT expires_at FROM setup_token WHERE token_hash = $1`

// SetupTokenExpiry implements accounts.Setup.
func (r reads) SetupTokenExpiry(ctx context.Context, hash accounts.SecretHash) (time.Time, error) {
	return one(ctx, r.q, "set-up token", scanValue[time.Time], setupTokenExpiry, hash[:])
}

const insertSetupToken = `
INSERT INTO setup_token (token_hash, created_at, expires_at) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING`

const trimSetupTokens = `
DELETE FROM setup_token
WHERE token_hash NOT IN (
    SELECT token_hash FROM setup_token
    WHERE expires_at > $1
    ORDER BY created_at DESC, token_hash
    LIMIT $2)`

// AddSetupToken implements accounts.SetupWrites.
func (x *tx) AddSetupToken(ctx context.Context, hash accounts.SecretHash, createdAt, expiresAt time.Time, keep int) error {
	if _, err := x.exec(ctx, "trim set-up tokens", trimSetupTokens, stored(createdAt), keep-1); err != nil {
		return err
	}
	return x.insert(ctx, "insert set-up token", insertSetupToken, hash[:], stored(createdAt), stored(expiresAt))
}

const deleteSetupTokens = `
DELETE FROM setup_token`

// DeleteSetupTokens implements accounts.SetupWrites.
func (x *tx) DeleteSetupTokens(ctx context.Context) error {
	_, err := x.exec(ctx, "delete set-up tokens", deleteSetupTokens)
	return err
}
