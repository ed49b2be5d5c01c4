package sqlite

import (
	"errors"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// ErrCorrupt reports a file whose structure is damaged.
var ErrCorrupt = errors.New("database file is damaged")

// primary is the low byte of an extended result code.
const primary = 0xff

func code(err error) (int, bool) {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0, false
	}
	return e.Code(), true
}

// IsConstraint reports whether err says that a constraint of any kind was violated.
func IsConstraint(err error) bool {
	c, ok := code(err)
	return ok && c&primary == sqlite3.SQLITE_CONSTRAINT
}

// IsUnique reports whether err says that a UNIQUE or PRIMARY KEY constraint was violated.
func IsUnique(err error) bool {
	c, ok := code(err)
	return ok && (c == sqlite3.SQLITE_CONSTRAINT_UNIQUE || c == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY || c == sqlite3.SQLITE_CONSTRAINT_ROWID)
}

// IsForeignKey reports whether err says that a FOREIGN KEY constraint was violated.
func IsForeignKey(err error) bool {
	c, ok := code(err)
	return ok && c == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY
}

// IsBusy reports whether err says that another process held the lock for longer than the busy timeout.
func IsBusy(err error) bool {
	c, ok := code(err)
	return ok && (c&primary == sqlite3.SQLITE_BUSY || c&primary == sqlite3.SQLITE_LOCKED)
}

// IsFull reports whether err says that the disk is full.
func IsFull(err error) bool {
	c, ok := code(err)
	return ok && c&primary == sqlite3.SQLITE_FULL
}

// IsCorrupt reports whether err says that the file is damaged or is no database.
func IsCorrupt(err error) bool {
	c, ok := code(err)
	return errors.Is(err, ErrCorrupt) || ok && (c&primary == sqlite3.SQLITE_CORRUPT || c&primary == sqlite3.SQLITE_NOTADB)
}
