package accounts

import (
	"time"

	"github.com/frogstats/uptime/internal/identity"
)

const (
	sessionIdle = 14 * 24 * time.Hour // without a request a session ends after this
	sessionLife = 90 * 24 * time.Hour // and in any case after this

	// touchEvery is how stale last_used_at may be. Writing it at every request would make each read a write.
	touchEvery = time.Minute

	// maxSessions is how many live sessions a user keeps; the longest unused end first. It bounds what a script that signs in
	// before each request leaves behind.
	maxSessions = 100

	maxUserAgentBytes = 256
)

// Session is one sign-in of one user.
type Session struct {
	ID             string // UUIDv7; public, unlike the token
	UserID         string
	OrganizationID string // active organization; "" for none
	CreatedAt      time.Time
	LastUsedAt     time.Time // at most touchEvery late
	ExpiresAt      time.Time // the end at the latest
	IP             string    // that signed in; "" if unknown
	UserAgent      string    // that signed in
}

// live reports whether the session still stands at time now.
func (s Session) live(now time.Time) bool {
	return now.Before(s.ExpiresAt) && now.Before(s.LastUsedAt.Add(sessionIdle))
}

// SignedIn is a session with whom and what it stands for. The user's password hash is not filled in.
type SignedIn struct {
	Session      Session
	User         User
	Organization Organization  // zero if the user is not, or no longer, a member of the active organization
	Role         identity.Role // in Organization; "" likewise
}

// now is the time as it is stored: UTC, whole milliseconds.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
