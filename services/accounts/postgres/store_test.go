package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/frogstats/uptime/internal/identity"

	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/services/accounts"
	"github.com/frogstats/uptime/services/accounts/postgres"
	"github.com/frogstats/uptime/services/accounts/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T) accounts.Store {
	t.Helper()
	return openAt(t, postgrestest.DSN(t))
}

func openAt(t testing.TB, dsn string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func TestStore(t *testing.T) { storetest.Run(t, open) }

var at = time.Date(2026, 3, 1, 12, 0, 0, 123e6, time.UTC)

func user(id string) accounts.User {
	return accounts.User{ID: id, Email: id + "@example.com", CreatedAt: at, PasswordChangedAt: at}
}

func update(t testing.TB, s accounts.Store, fn func(tx accounts.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// insertOwners makes the organization "o" with owners u0 to u(n-1).
func insertOwners(t testing.TB, s accounts.Store, n int) {
	t.Helper()
	update(t, s, func(tx accounts.Tx) error {
		err := tx.InsertOrganization(t.Context(), accounts.Organization{ID: "o", Name: "o", CreatedAt: at})
		for i := range n {
			id := fmt.Sprint("u", i)
			err = errors.Join(err, tx.InsertUser(t.Context(), user(id)),
				tx.InsertMember(t.Context(), "o", id, identity.RoleOwner, at))
		}
		return err
	})
}

// Several processes start on one empty database at once, and their updates look serial together; fn runs once.
func TestUpdatesOfSeveralProcessesTakeTurns(t *testing.T) {
	dsn := postgrestest.DSN(t)
	const processes, each = 4, 6
	stores := make([]*postgres.Store, processes)
	var group sync.WaitGroup
	for i := range stores {
		group.Go(func() {
			var err error
			if stores[i], err = postgres.Open(t.Context(), dsn); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if t.Failed() {
		return
	}
	for _, s := range stores {
		t.Cleanup(func() { _ = s.Close() })
	}
	insertOwners(t, stores[0], processes*each)
	runs := make([]int, processes*each)
	for i := range runs {
		group.Go(func() {
			err := stores[i%processes].Update(t.Context(), func(tx accounts.Tx) error {
				runs[i]++
				n, err := tx.CountMembers(t.Context(), "o", identity.RoleOwner)
				if err != nil || n <= 1 {
					return err
				}
				return tx.SetMemberRole(t.Context(), "o", fmt.Sprint("u", i), identity.RoleViewer)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n, err := stores[0].CountMembers(t.Context(), "o", identity.RoleOwner); err != nil || n != 1 {
		t.Errorf("%d owners left, %v, want 1", n, err)
	}
	for i, n := range runs {
		if n != 1 {
			t.Errorf("update %d ran %d times", i, n)
		}
	}
}

// However many updates wait, requests are still told apart: a read needs no turn, and finds a connection.
func TestReadsPassWaitingUpdates(t *testing.T) {
	s := openAt(t, postgrestest.DSN(t)+"&pool_max_conns=2")
	insertOwners(t, s, 1)
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	running, release := make(chan struct{}), make(chan struct{})
	group.Go(func() {
		update(t, s, func(accounts.Tx) error {
			close(running)
			<-release
			return nil
		})
	})
	<-running
	waiting := make(chan error, 8)
	for range cap(waiting) {
		group.Go(func() { waiting <- s.Update(ctx, func(accounts.Tx) error { return nil }) })
	}
	for range 20 {
		if _, err := s.User(t.Context(), "u0"); err != nil {
			t.Error(err)
		}
	}
	if len(waiting) > 0 {
		t.Errorf("an update did not wait for the one before it: %v", <-waiting)
	}
	cancel() // who gives up waiting gets no turn
	for range cap(waiting) {
		if err := <-waiting; !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled update returned %v", err)
		}
	}
	close(release)
	group.Wait()
}

// A refused row leaves the transaction usable, as the store's caller may expect of any engine.
func TestTransactionGoesOnAfterARefusal(t *testing.T) {
	s := openAt(t, postgrestest.DSN(t))
	insertOwners(t, s, 1)
	update(t, s, func(tx accounts.Tx) error {
		twin := user("u1")
		twin.Email = user("u0").Email
		if err := tx.InsertUser(t.Context(), twin); !errors.Is(err, accounts.ErrExists) {
			t.Errorf("twin: %v", err)
		}
		// What no row can hold is not there, rather than a failure of the store.
		for _, odd := range []string{"a\x00b", "\xff"} {
			if _, err := tx.UserByEmail(t.Context(), odd); !errors.Is(err, accounts.ErrNotFound) {
				t.Errorf("user %q: %v", odd, err)
			}
			if err := tx.RevokeKey(t.Context(), "o", odd, at); !errors.Is(err, accounts.ErrNotFound) {
				t.Errorf("revoke %q: %v", odd, err)
			}
			if all, err := tx.Memberships(t.Context(), odd); err != nil || len(all) != 0 {
				t.Errorf("memberships of %q: %v, %v", odd, all, err)
			}
		}
		one := accounts.Session{ID: "s", UserID: "u0", CreatedAt: at, LastUsedAt: at, ExpiresAt: at, UserAgent: "a\x00\xffb"}
		return tx.InsertSession(t.Context(), one, accounts.SecretHash{})
	})
	if in, err := s.Session(t.Context(), "u0", "s"); err != nil || in.Session.UserAgent != "a\uFFFD\uFFFDb" {
		t.Errorf("user agent %q, %v", in.Session.UserAgent, err)
	}
}

// Names and addresses are sorted by their bytes, as SQLite does, whatever the server's language.
func TestOrderIsTheSameEverywhere(t *testing.T) {
	s := openAt(t, postgrestest.DSN(t))
	want := []string{"B", "_", "a", "b"}
	update(t, s, func(tx accounts.Tx) error {
		err := tx.InsertUser(t.Context(), user("u"))
		for _, name := range []string{"a", "_", "b", "B"} {
			err = errors.Join(err, tx.InsertOrganization(t.Context(), accounts.Organization{ID: name, Name: name, CreatedAt: at}),
				tx.InsertMember(t.Context(), name, "u", identity.RoleOwner, at))
		}
		return err
	})
	all, err := s.Memberships(t.Context(), "u")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range all {
		got = append(got, m.Organization.Name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestOpenTellsNoPassword(t *testing.T) {
	for _, dsn := range []string{"postgres://u:canary%zz@h/d", "postgres://u:canary@127.0.0.1:1/d", "password=canary x"} {
		_, err := postgres.Open(t.Context(), dsn)
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("open %s: %v", dsn, err)
		}
	}
}
