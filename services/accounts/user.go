package accounts

import (
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Limits of what a person types. The schema checks the same of requests; these serve where no request is involved.
const (
	MinPasswordLength = 10  // characters
	MaxPasswordLength = 256 // characters
	maxEmailBytes     = 254
	maxNameLength     = 100 // characters
)

// User is a person who can sign in.
type User struct {
	ID                string // UUIDv7
	Email             string // as NormalEmail gives it; unique
	Name              string // may be empty
	PasswordHash      string // PHC string
	CreatedAt         time.Time
	PasswordChangedAt time.Time
}

// NormalEmail is the one spelling under which an address is stored and looked up.
func NormalEmail(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// validEmail accepts a bare address of ASCII characters, as NormalEmail spells it.
func validEmail(s string) bool {
	if s == "" || len(s) > maxEmailBytes || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return false
	}
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && a.Name == ""
}

// validPassword looks at the length only: rules about characters make passwords worse.
func validPassword(s string) bool {
	n := utf8.RuneCountInString(s)
	return utf8.ValidString(s) && n >= MinPasswordLength && n <= MaxPasswordLength
}

// cleanName trims a display name. It reports false for one that is too long or holds characters which do not print, because
// names end up in terminals, logs and e-mails. Whether it may be empty is for the caller to say.
func cleanName(s string) (string, bool) {
	s = strings.TrimSpace(s)
	bad := func(r rune) bool { return !unicode.IsPrint(r) }
	return s, utf8.ValidString(s) && utf8.RuneCountInString(s) <= maxNameLength && !strings.ContainsFunc(s, bad)
}

// newID makes an identifier that sorts by time of creation.
func newID() string { return uuid.Must(uuid.NewV7()).String() }
