package postgres_test

import (
	"context"
	"errors"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/services/monitors"
	"github.com/frogstats/uptime/services/monitors/postgres"
)

// outsider is somebody with a connection of their own, in a transaction.
func outsider(t *testing.T, s *postgres.Store) pgx.Tx {
	t.Helper()
	tx, err := s.Pool().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	return tx
}

func exec(t *testing.T, tx pgx.Tx, sql string, args ...any) {
	t.Helper()
	if _, err := tx.Exec(t.Context(), sql, args...); err != nil {
		t.Error(err)
	}
}

func with(t *testing.T, dsn, setting, value string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(setting, value)
	u.RawQuery = q.Encode()
	return u.String()
}

const lockNow = `SELECT FROM uptime_monitors WHERE id = $1 FOR UPDATE NOWAIT`

func TestMonitorReadInATransactionIsLocked(t *testing.T) {
	s := openAt(t, postgrestest.DSN(t))
	m := insert(t, s, tcp("org", "x"))
	err := s.Write(t.Context(), func(tx monitors.Tx) error {
		if _, err := tx.Monitor(t.Context(), "org", m.ID); err != nil {
			return err
		}
		_, err := s.Pool().Exec(t.Context(), lockNow, m.ID)
		var p *pgconn.PgError
		if !errors.As(err, &p) || p.Code != "55P03" {
			t.Errorf("the row can be locked by others: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := s.Pool().Exec(t.Context(), lockNow, m.ID); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// Stores cannot deadlock among themselves, because each takes the same lock first. With others they can; then the server
// gives the transaction up, and it is made again.
func TestWriteIsRepeatedAfterADeadlock(t *testing.T) {
	s := openAt(t, postgrestest.DSN(t))
	a, b := insert(t, s, tcp("org", "a")), insert(t, s, tcp("org", "b"))
	other := outsider(t, s)
	exec(t, other, lockNow, b.ID)
	done := make(chan struct{})
	go func() {
		defer close(done)
		waitForWaiting(t, s)
		exec(t, other, `SELECT FROM uptime_monitors WHERE id = $1 FOR UPDATE`, a.ID) // it goes on when the store has given way
		if err := other.Commit(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	runs := 0
	err := s.Write(t.Context(), func(tx monitors.Tx) error {
		runs++
		for _, m := range []monitors.Monitor{a, b} {
			m.Version++
			if err := tx.Update(t.Context(), m); err != nil {
				return err
			}
		}
		return nil
	})
	<-done
	if err != nil || runs < 2 {
		t.Fatalf("%d runs, %v", runs, err)
	}
	for _, m := range []monitors.Monitor{a, b} {
		if got, err := s.Monitor(t.Context(), "org", m.ID); err != nil || got.Version != 2 {
			t.Errorf("monitor %d has version %d, %v", m.ID, got.Version, err)
		}
	}
}

// waitForWaiting returns when somebody in the test's database waits for a lock.
func waitForWaiting(t *testing.T, s *postgres.Store) {
	const waiting = `
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0)`
	for found := false; !found; {
		if err := s.Pool().QueryRow(t.Context(), waiting).Scan(&found); err != nil {
			t.Error(err)
			return
		}
	}
}

func TestWriteThatWaitsTooLongIsUnavailable(t *testing.T) {
	s := openAt(t, with(t, postgrestest.DSN(t), "lock_timeout", "50ms"))
	other := outsider(t, s)
	exec(t, other, `SELECT FROM revision FOR UPDATE`)
	err := s.Write(t.Context(), func(monitors.Tx) error {
		t.Error("ran without the lock")
		return nil
	})
	if !fault.Is(err, fault.KindUnavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
	if err := other.Rollback(t.Context()); err != nil {
		t.Error(err)
	}
	insert(t, s, tcp("org", "x"))
}

// Reading waits for no writer.
func TestReadersDoNotWait(t *testing.T) {
	s := openAt(t, with(t, postgrestest.DSN(t), "lock_timeout", "50ms"))
	m := insert(t, s, tcp("org", "before"))
	p := monitors.Prober{ID: "p", Region: "local", LastSeenAt: m.CreatedAt}
	err := s.Write(t.Context(), func(tx monitors.Tx) error {
		changed := m
		changed.Config.Name = "after"
		if err := tx.Update(t.Context(), changed); err != nil {
			return err
		}
		one, err1 := s.Monitor(t.Context(), "org", m.ID)
		list, err2 := s.Monitors(t.Context(), monitors.Filter{OrganizationID: "org", Limit: 10})
		changes, err3 := s.Changes(t.Context(), 0, 10)
		if err := errors.Join(err1, err2, err3, s.ProberArrived(t.Context(), p, "s"), s.ProberSeen(t.Context(), "p", "s", m.CreatedAt)); err != nil {
			return err
		}
		for _, got := range []monitors.Monitor{one, list[0], changes[0]} {
			if got.Config.Name != "before" {
				t.Errorf("a reader sees %q before the commit", got.Config.Name)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
