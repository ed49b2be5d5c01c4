package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/frogstats/uptime/services/accounts"
)

const anyUser = `
SELECT EXISTS (SELECT 1 FROM "user")`

// AnyUser implements accounts.Users.
func (r reads) AnyUser(ctx context.Context) (bool, error) {
	var exists bool
	if err := r.q.QueryRowContext(ctx, anyUser).Scan(&exists); err != nil {
		return false, fmt.Errorf("any user: %w", err)
	}
	return exists, nil
}

const userByID = `
SELECT id, email, name, password_hash, created_at, password_changed_at
FROM "user" WHERE id = ?`

// User implements accounts.Users.
func (r reads) User(ctx context.Context, id string) (accounts.User, error) {
	return one(r.q.QueryRowContext(ctx, userByID, id), "user", scanUser)
}

const userByEmail = `
SELECT id, email, name, password_hash, created_at, password_changed_at
FROM "user" WHERE email = ?`

// UserByEmail implements accounts.Users.
func (r reads) UserByEmail(ctx context.Context, email string) (accounts.User, error) {
	return one(r.q.QueryRowContext(ctx, userByEmail, email), "user by email", scanUser)
}

func scanUser(row scanner) (u accounts.User, err error) {
	err = row.Scan(&u.ID, &u.Email, &u.Name, &u.PasswordHash, stamp{&u.CreatedAt}, stamp{&u.PasswordChangedAt})
	return u, err
}

const insertUser = `
INSERT INTO "user" (id, email, name, password_hash, created_at, password_changed_at)
VALUES (?, ?, ?, ?, ?, ?)`

// InsertUser implements accounts.UserWrites.
func (x *tx) InsertUser(ctx context.Context, u accounts.User) error {
	_, err := x.exec(ctx, "insert user", insertUser,
		u.ID, u.Email, u.Name, u.PasswordHash, millis(u.CreatedAt), millis(u.PasswordChangedAt))
	return err
}

const setPassword = `
UPDATE "user" SET password_hash = ?, password_changed_at = ? WHERE id = ?`

// SetPassword implements accounts.UserWrites.
func (x *tx) SetPassword(ctx context.Context, userID, hash string, changedAt time.Time) error {
	return x.execOne(ctx, "set password", setPassword, hash, millis(changedAt), userID)
}
