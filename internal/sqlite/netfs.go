package sqlite

import "fmt"

// NetworkFSError reports that a database would lie on a network file system. The write-ahead log needs memory shared between
// processes and locks that hold, and such file systems promise neither.
type NetworkFSError struct {
	Dir  string
	Type string // e.g. "nfs"
}

func (e *NetworkFSError) Error() string {
	return fmt.Sprintf("%s is on a network file system (%s), where SQLite databases get damaged; use a local disk", e.Dir, e.Type)
}
