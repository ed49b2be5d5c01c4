package accounts

import (
	"context"
	"errors"
	"time"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/identity"
)

// What a store says about rows. Everything else that it returns is a failure of the store.
var (
	// ErrNotFound reports that no row fits. A row of another organization, or of another user, does not fit.
	ErrNotFound = errors.New("no such row")
	// ErrExists reports that a row with the same identity is there already, such as a user with the same e-mail.
	ErrExists = errors.New("row exists already")
)

// Store keeps accounts. All times that go in are UTC and whole milliseconds, and come out as they went in; a zero time
// stands for none where the type says so. It is safe for concurrent use.
type Store interface {
	Reads
	// AuditRows returns the newest limit rows of the organization that are strictly older than before, newest first. A zero
	// before means from the newest.
	AuditRows(ctx context.Context, organizationID string, before time.Time, limit int) ([]audit.Row, error)
	// TouchSession notes a use at time at, unless a later one is noted already. A session that has ended is not an error.
	TouchSession(ctx context.Context, id string, at time.Time) error
	// TouchKey is TouchSession for a key.
	TouchKey(ctx context.Context, id string, at time.Time) error
	// Update runs fn in one transaction: all that fn wrote is there afterwards if Update returns nil, and nothing of it
	// otherwise. Updates look as if they ran one after the other. Fn may be run again after a conflict, so it must have no
	// effect but through tx, and tx must not be used once fn has returned.
	Update(ctx context.Context, fn func(tx Tx) error) error
}

// Tx is what can be done inside a transaction. Its reads see its own writes.
type Tx interface {
	Reads
	UserWrites
	OrganizationWrites
	MemberWrites
	SessionWrites
	KeyWrites
	SetupWrites
	// Audit adds the row of a change made in the same transaction.
	Audit(ctx context.Context, row audit.Row) error
}

// Reads is what can be asked, in a transaction or outside.
type Reads interface {
	Users
	Organizations
	Members
	Sessions
	Keys
	Setup
}

// Users finds people.
type Users interface {
	// AnyUser reports whether there is a user at all.
	AnyUser(ctx context.Context) (bool, error)
	// User returns the user with this id, password hash included.
	User(ctx context.Context, id string) (User, error)
	// UserByEmail returns the user with this address, spelled as NormalEmail does, password hash included.
	UserByEmail(ctx context.Context, email string) (User, error)
}

// UserWrites changes people.
type UserWrites interface {
	// InsertUser returns ErrExists if the e-mail is taken.
	InsertUser(ctx context.Context, u User) error
	// SetPassword replaces the hash, and the time at which the password itself was last changed.
	SetPassword(ctx context.Context, userID, hash string, changedAt time.Time) error
}

// Organizations finds organizations.
type Organizations interface {
	Organization(ctx context.Context, id string) (Organization, error)
	// FirstOrganization returns the one created first.
	FirstOrganization(ctx context.Context) (Organization, error)
	// CountOrganizations returns how many there are.
	CountOrganizations(ctx context.Context) (int, error)
}

// OrganizationWrites changes organizations.
type OrganizationWrites interface {
	InsertOrganization(ctx context.Context, o Organization) error
	RenameOrganization(ctx context.Context, id, name string) error
}

// Members finds who belongs where.
type Members interface {
	Member(ctx context.Context, organizationID, userID string) (Member, error)
	// Members returns all members of an organization, by e-mail.
	Members(ctx context.Context, organizationID string) ([]Member, error)
	// Memberships returns all organizations of a user, by name, then id.
	Memberships(ctx context.Context, userID string) ([]Membership, error)
	// CountMembers returns how many members have exactly this role.
	CountMembers(ctx context.Context, organizationID string, role identity.Role) (int, error)
}

// MemberWrites changes who belongs where.
type MemberWrites interface {
	// InsertMember returns ErrExists if the user is a member already.
	InsertMember(ctx context.Context, organizationID, userID string, role identity.Role, at time.Time) error
	SetMemberRole(ctx context.Context, organizationID, userID string, role identity.Role) error
	// DeleteMember leaves the user's sessions alone; see MoveSessions.
	DeleteMember(ctx context.Context, organizationID, userID string) error
}

// Sessions finds sessions, also those that have expired; whether one still lives is for the caller to judge.
type Sessions interface {
	// SessionByToken returns the session whose token has this hash.
	SessionByToken(ctx context.Context, hash SecretHash) (SignedIn, error)
	// Session returns a session of this user.
	Session(ctx context.Context, userID, id string) (SignedIn, error)
	// Sessions returns all sessions of a user, newest first.
	Sessions(ctx context.Context, userID string) ([]SignedIn, error)
}

// SessionWrites changes sessions.
type SessionWrites interface {
	InsertSession(ctx context.Context, s Session, token SecretHash) error
	// SetSessionOrganization makes an organization the active one of a session; "" for none.
	SetSessionOrganization(ctx context.Context, id, organizationID string) error
	// MoveSessions makes to the active organization of all the user's sessions in which from was; "" for none.
	MoveSessions(ctx context.Context, userID, from, to string) error
	// DeleteSession ends a session of this user.
	DeleteSession(ctx context.Context, userID, id string) error
	// DeleteOtherSessions ends all sessions of this user save one ("" saves none) and returns how many it ended.
	DeleteOtherSessions(ctx context.Context, userID, except string) (int, error)
	// TrimSessions ends the user's sessions that expire by now or were last used by idleSince, and of the others all but the
	// keep used last.
	TrimSessions(ctx context.Context, userID string, now, idleSince time.Time, keep int) error
}

// Keys finds API keys. A key in the shape of its type holds no secret.
type Keys interface {
	// KeyByHash returns the key whose text has this hash, revoked and expired ones included.
	KeyByHash(ctx context.Context, hash SecretHash) (Key, error)
	Key(ctx context.Context, organizationID, id string) (Key, error)
	// LiveKeys returns the organization's keys that are neither revoked nor expired at time now, newest first.
	LiveKeys(ctx context.Context, organizationID string, now time.Time) ([]Key, error)
	// OperatorKeys returns the live keys, of any organization, that the operator brought along.
	OperatorKeys(ctx context.Context, now time.Time) ([]Key, error)
}

// KeyWrites changes API keys.
type KeyWrites interface {
	// InsertKey returns ErrExists if a key with this hash was ever there, even if it was revoked since.
	InsertKey(ctx context.Context, k Key, secret SecretHash) error
	// RevokeKey returns ErrNotFound also for a key that is revoked already.
	RevokeKey(ctx context.Context, organizationID, id string, at time.Time) error
}

// Setup finds one-time set-up tokens.
type Setup interface {
	// SetupTokenExpiry returns when the token with this hash expires.
	SetupTokenExpiry(ctx context.Context, hash SecretHash) (time.Time, error)
}

// SetupWrites changes set-up tokens.
type SetupWrites interface {
	// AddSetupToken adds one beside those that are there, of which it forgets all that have expired by createdAt, and of the
	// others the oldest until there are keep with the new one.
	AddSetupToken(ctx context.Context, hash SecretHash, createdAt, expiresAt time.Time, keep int) error
	// DeleteSetupTokens leaves none. That there was none is not an error.
	DeleteSetupTokens(ctx context.Context) error
}
