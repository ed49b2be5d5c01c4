package sqlite

import (
	"context"
	"time"

	"github.com/frogstats/uptime/services/accounts"
)

const setupTokenExpiry = `
SELECT expires_at FROM setup_token WHERE token_hash = ?`

// SetupTokenExpiry implements accounts.Setup.
func (r reads) SetupTokenExpiry(ctx context.Context, hash accounts.SecretHash) (time.Time, error) {
	return one(r.q.QueryRowContext(ctx, setupTokenExpiry, hash[:]), "set-up token", func(row scanner) (t time.Time, err error) {
		err = row.Scan(stamp{&t})
		return t, err
	})
}

const insertSetupToken = `
INSERT INTO setup_token (token_hash, created_at, expires_at) VALUES (?, ?, ?)`

const trimSetupTokens = `
DELETE FROM setup_token
WHERE token_hash NOT IN (
    SELECT token_hash FROM setup_token
    WHERE expires_at > ?
    ORDER BY created_at DESC, token_hash
    LIMIT ?)`

// AddSetupToken implements accounts.SetupWrites.
func (x *tx) AddSetupToken(ctx context.Context, hash accounts.SecretHash, createdAt, expiresAt time.Time, keep int) error {
	if _, err := x.exec(ctx, "trim set-up tokens", trimSetupTokens, millis(createdAt), keep-1); err != nil {
		return err
	}
	_, err := x.exec(ctx, "insert set-up token", insertSetupToken, hash[:], millis(createdAt), millis(expiresAt))
	return err
}

const deleteSetupTokens = `
DELETE FROM setup_token`

// DeleteSetupTokens implements accounts.SetupWrites.
func (x *tx) DeleteSetupTokens(ctx context.Context) error {
	_, err := x.exec(ctx, "delete set-up tokens", deleteSetupTokens)
	return err
}
