package postgres

import (
	"context"
	"time"

	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/services/accounts"
)

const sessionByToken = `
SELECT s.id, s.user_id, s.organization_id, s.created_at, s.last_used_at, s.expires_at, s.ip, s.user_agent,
    u.email, u.name, u.created_at, u.password_changed_at, m.role, o.name, o.created_at
FROM session s
    JOIN "user" u ON u.id = s.user_id
    LEFT JOIN member m ON m.organization_id = s.organization_id AND m.user_id = s.user_id
    LEFT JOIN organization o ON o.id = m.organization_id
WHERE s.token_hash = $1`

// SessionByToken implements accounts.Sessions.
func (r reads) SessionByToken(ctx context.Context, hash accounts.SecretHash) (accounts.SignedIn, error) {
	return one(ctx, r.q, "session by token", scanSession, sessionByToken, hash[:])
}

const sessionByID = `
SELECT s.id, s.user_id, s.organization_id, s.created_at, s.last_used_at, s.expires_at, s.ip, s.user_agent,
    u.email, u.name, u.created_at, u.password_changed_at, m.role, o.name, o.created_at
FROM session s
    JOIN "user" u ON u.id = s.user_id
    LEFT JOIN member m ON m.organization_id = s.organization_id AND m.user_id = s.user_id
    LEFT JOIN organization o ON o.id = m.organization_id
WHERE s.user_id = $1 AND s.id = $2`

// Session implements accounts.Sessions.
func (r reads) Session(ctx context.Context, userID, id string) (accounts.SignedIn, error) {
	return one(ctx, r.q, "session", scanSession, sessionByID, userID, id)
}

const sessions = `
SELECT s.id, s.user_id, s.organization_id, s.created_at, s.last_used_at, s.expires_at, s.ip, s.user_agent,
    u.email, u.name, u.created_at, u.password_changed_at, m.role, o.name, o.created_at
FROM session s
    JOIN "user" u ON u.id = s.user_id
    LEFT JOIN member m ON m.organization_id = s.organization_id AND m.user_id = s.user_id
    LEFT JOIN organization o ON o.id = m.organization_id
WHERE s.user_id = $1
ORDER BY s.created_at DESC, s.id DESC`

// Sessions implements accounts.Sessions.
func (r reads) Sessions(ctx context.Context, userID string) ([]accounts.SignedIn, error) {
	return list(ctx, r.q, "sessions", scanSession, sessions, userID)
}

func scanSession(row scanner) (in accounts.SignedIn, err error) {
	s, u, o := &in.Session, &in.User, &in.Organization
	var organizationID, role, organizationName *string
	err = row.Scan(&s.ID, &s.UserID, &organizationID, stamp{&s.CreatedAt}, stamp{&s.LastUsedAt}, stamp{&s.ExpiresAt}, &s.IP,
		&s.UserAgent, &u.Email, &u.Name, stamp{&u.CreatedAt}, stamp{&u.PasswordChangedAt},
		&role, &organizationName, stamp{&o.CreatedAt})
	u.ID = s.UserID
	if organizationID != nil {
		s.OrganizationID = *organizationID
	}
	if role != nil {
		in.Role, o.ID, o.Name = identity.Role(*role), *organizationID, *organizationName
	}
	return in, err
}

const insertSession = `
INSERT INTO session (id, token_hash, user_id, organization_id, created_at, last_used_at, expires_at, ip, user_agent)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING`

// InsertSession implements accounts.SessionWrites.
func (x *tx) InsertSession(ctx context.Context, s accounts.Session, token accounts.SecretHash) error {
	return x.insert(ctx, "insert session", insertSession, s.ID, token[:], s.UserID, null(s.OrganizationID),
		stored(s.CreatedAt), stored(s.LastUsedAt), stored(s.ExpiresAt), printable(s.IP), printable(s.UserAgent))
}

const setSessionOrganization = `
UPDATE session SET organization_id = $1 WHERE id = $2`

// SetSessionOrganization implements accounts.SessionWrites.
func (x *tx) SetSessionOrganization(ctx context.Context, id, organizationID string) error {
	return x.execOne(ctx, "set session organization", setSessionOrganization, null(organizationID), id)
}

const moveSessions = `
UPDATE session SET organization_id = $1 WHERE user_id = $2 AND organization_id = $3`

// MoveSessions implements accounts.SessionWrites.
func (x *tx) MoveSessions(ctx context.Context, userID, from, to string) error {
	_, err := x.exec(ctx, "move sessions", moveSessions, null(to), userID, from)
	return err
}

const deleteSession = `
DELETE FROM session WHERE user_id = $1 AND id = $2`

// DeleteSession implements accounts.SessionWrites.
func (x *tx) DeleteSession(ctx context.Context, userID, id string) error {
	return x.execOne(ctx, "delete session", deleteSession, userID, id)
}

const deleteOtherSessions = `
DELETE FROM session WHERE user_id = $1 AND id <> $2`

// DeleteOtherSessions implements accounts.SessionWrites.
func (x *tx) DeleteOtherSessions(ctx context.Context, userID, except string) (int, error) {
	return x.exec(ctx, "delete other sessions", deleteOtherSessions, userID, except)
}

const trimSessions = `
DELETE FROM session
WHERE user_id = $1 AND (expires_at <= $2 OR last_used_at <= $3 OR id NOT IN (
    SELECT id FROM session
    WHERE user_id = $1 AND expires_at > $2 AND last_used_at > $3
    ORDER BY last_used_at DESC, id DESC
    LIMIT $4))`

// TrimSessions implements accounts.SessionWrites.
func (x *tx) TrimSessions(ctx context.Context, userID string, now, idleSince time.Time, keep int) error {
	_, err := x.exec(ctx, "trim sessions", trimSessions, userID, stored(now), stored(idleSince), keep)
	return err
}
