package postgres

import (
	"context"
	"time"

	"github.com/frogstats/uptime/services/accounts"
)

const anyUser = `
SELECT EXISTS (SELECT 1 FROM "user")`

// AnyUser implements accounts.Users.
func (r reads) AnyUser(ctx context.Context) (bool, error) {
	return one(ctx, r.q, "any user", scanValue[bool], anyUser)
}

const userByID = `
SELECT id, email, name, password_hash, created_at, password_changed_at
FROM "user" WHERE id = $1`

// User implements accounts.Users.
func (r reads) User(ctx context.Context, id string) (accounts.User, error) {
	return one(ctx, r.q, "user", scanUser, userByID, id)
}

const userByEmail = `
SELECT id, email, name, password_hash, created_at, password_changed_at
FROM "user" WHERE email = $1`

// UserByEmail implements accounts.Users.
func (r reads) UserByEmail(ctx context.Context, email string) (accounts.User, error) {
	return one(ctx, r.q, "user by email", scanUser, userByEmail, email)
}

func scanUser(row scanner) (u accounts.User, err error) {
	err = row.Scan(&u.ID, &u.Email, &u.Name, &u.PasswordHash, stamp{&u.CreatedAt}, stamp{&u.PasswordChangedAt})
	return u, err
}

const insertUser = `
INSERT INTO "user" (id, email, name, password_hash, created_at, password_changed_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING`

// InsertUser implements accounts.UserWrites.
func (x *tx) InsertUser(ctx context.Context, u accounts.User) error {
	return x.insert(ctx, "insert user", insertUser,
		u.ID, u.Email, u.Name, u.PasswordHash, stored(u.CreatedAt), stored(u.PasswordChangedAt))
}

const setPassword = `
UPDATE "user" SET password_hash = $1, password_changed_at = $2 WHERE id = $3`

// SetPassword implements accounts.UserWrites.
func (x *tx) SetPassword(ctx context.Context, userID, hash string, changedAt time.Time) error {
	return x.execOne(ctx, "set password", setPassword, hash, stored(changedAt), userID)
}
