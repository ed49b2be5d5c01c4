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

// givesUpOnce makes the server give the first transaction up that changes a monitor, as it does with one of two that wait
// for each other.
const givesUpOnce = `
CREATE SEQUENCE tries;
CREATE FUNCTION give_up_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('tries') = 1 THEN
        RAISE EXCEPTION 'canary' USING ERRCODE = 'deadlock_detected';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER give_up_once AFTER UPDATE ON uptime_monitors FOR EACH ROW EXECUTE FUNCTION give_up_once()`

// Stores cannot deadlock among themselves, because each takes the same lock first. With others they can; then the whole
// transaction is made again.
func TestWriteIsRepeatedAfterADeadlock(t *testing.T) {
	s := openAt(t, postgrestest.DSN(t))
	stored := insert(t, s, tcp("org", "x"))
	if _, err := s.Pool().Exec(t.Context(), givesUpOnce); err != nil {
		t.Fatal(err)
	}
	runs := 0
	err := s.Write(t.Context(), func(tx monitors.Tx) error {
		runs++
		if _, err := tx.Insert(t.Context(), tcp("org", "y")); err != nil {
			return err
		}
		m, err := tx.Monitor(t.Context(), "org", stored.ID)
		if err != nil {
			return err
		}
		m.Version++
		return tx.Update(t.Context(), m)
	})
	if err != nil || runs != 2 {
		t.Fatalf("%d runs, %v, want a second that succeeds", runs, err)
	}
	ms, err := s.Monitors(t.Context(), monitors.Filter{OrganizationID: "org", Limit: 10})
	if err != nil || len(ms) != 2 || ms[1].Version != 2 {
		t.Errorf("%+v, %v, want one inserted and one changed once", ms, err)
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
