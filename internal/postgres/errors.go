package postgres

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// The conditions that matter here, by SQLSTATE.
const (
	badCharacter         = "22021"
	foreignKeyViolation  = "23503"
	uniqueViolation      = "23505"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	undefinedObject      = "42704"
	duplicateSchema      = "42P06"
	lockNotAvailable     = "55P03"
	adminShutdown        = "57P01"
	crashShutdown        = "57P02"
	idleSessionTimeout   = "57P05"
)

// Retryable reports whether the server gave a transaction up for the sake of another, and the same may succeed if repeated.
func Retryable(err error) bool {
	c := code(err)
	return c == serializationFailure || c == deadlockDetected
}

// IsUnique reports whether err is a violation of the named unique constraint or index; an empty name means any.
func IsUnique(err error, constraint string) bool { return violates(err, uniqueViolation, constraint) }

// IsForeignKey is IsUnique for foreign keys.
func IsForeignKey(err error, constraint string) bool {
	return violates(err, foreignKeyViolation, constraint)
}

// IsNotText reports whether a value was refused because it is no text to PostgreSQL: it holds a NUL, or is not UTF-8. No row
// can hold such a text, so a look-up by it finds nothing.
func IsNotText(err error) bool { return code(err) == badCharacter }

func violates(err error, state, constraint string) bool {
	var p *pgconn.PgError
	return errors.As(err, &p) && p.Code == state && (constraint == "" || p.ConstraintName == constraint)
}

func code(err error) string {
	var p *pgconn.PgError
	if errors.As(err, &p) {
		return p.Code
	}
	return ""
}
