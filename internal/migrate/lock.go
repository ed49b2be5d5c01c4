package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/pressly/goose/v3/lock"
)

// lockEvery is how often a waiting process asks for the lock. It asks rather than queues: a statement that waits in the server
// holds a snapshot, and CREATE INDEX CONCURRENTLY in the process that has the lock would wait for that one's end.
const lockEvery = 200 * time.Millisecond

// sessionLock lets one process at a time apply a series of migrations in PostgreSQL. It waits as long as its context allows,
// for nobody knows how long the other one's migrations take; goose's own gives up after minutes. The lock is the session's,
// so it ends with the process that had it, however that ended.
type sessionLock struct{ table string }

var _ lock.SessionLocker = sessionLock{}

func newSessionLock(table string) sessionLock { return sessionLock{table: table} }

// id is one per series: services that share a database do not wait for each other.
func (l sessionLock) id(ctx context.Context, conn *sql.Conn) (int64, error) {
	var schema string
	if err := conn.QueryRowContext(ctx, `SELECT current_schema()`).Scan(&schema); err != nil {
		return 0, err
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "migrations %s.%s", schema, l.table)
	return int64(h.Sum64()), nil
}

// SessionLock implements lock.SessionLocker.
func (l sessionLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	id, err := l.id(ctx, conn)
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	tick := time.NewTicker(lockEvery)
	defer tick.Stop()
	for {
		var mine bool
		if err := conn.QueryRowContext(ctx, `SELECT pg_try_advisory_lock($1)`, id).Scan(&mine); err != nil {
			return fmt.Errorf("lock: %w", err)
		}
		if mine {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("lock: another process is migrating: %w", ctx.Err())
		}
	}
}

// SessionUnlock implements lock.SessionLocker.
func (l sessionLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	id, err := l.id(ctx, conn)
	if err != nil {
		return fmt.Errorf("unlock: %w", err)
	}
	var was bool
	if err := conn.QueryRowContext(ctx, `SELECT pg_advisory_unlock($1)`, id).Scan(&was); err != nil {
		return fmt.Errorf("unlock: %w", err)
	}
	if !was {
		return errors.New("unlock: the lock was lost meanwhile")
	}
	return nil
}
