// Package storetest is what every accounts.Store must do, as tests that any engine can run.
package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/services/accounts"
)

// TB is the part of testing.TB that a case uses, so that the suite can itself be tested.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Case is one promise of the store, checked on an empty one.
type Case struct {
	Name  string
	Check func(t TB, s accounts.Store)
}

// Cases are all the promises.
func Cases() []Case {
	var all []Case
	for _, c := range [][]Case{userCases, organizationCases, sessionCases, keyCases, transactionCases} {
		all = append(all, c...)
	}
	return all
}

// Run checks every promise, each on a fresh store that open makes and closes when its test ends.
func Run(t *testing.T, open func(t *testing.T) accounts.Store) {
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) { c.Check(t, open(t)) })
	}
}

// t0 is long after the epoch and has milliseconds, so that an engine which cuts them off is found out.
var t0 = time.Date(2026, 3, 1, 12, 0, 0, 123e6, time.UTC)

func later(d time.Duration) time.Time { return t0.Add(d) }

// id makes the n-th identifier; they sort by n.
func id(n int) string { return fmt.Sprintf("01920000-0000-7000-8000-%012d", n) }

func hash(s string) accounts.SecretHash { return sha256.Sum256([]byte(s)) }

func user(n int) accounts.User {
	return accounts.User{
		ID: id(n), Email: fmt.Sprintf("user%d@example.com", n), Name: fmt.Sprintf("User %d", n),
		PasswordHash: fmt.Sprintf("hash of %d", n), CreatedAt: later(time.Duration(n) * time.Second), PasswordChangedAt: t0,
	}
}

// bare is a user as it comes without its password hash.
func bare(u accounts.User) accounts.User {
	u.PasswordHash = ""
	return u
}

func organization(n int) accounts.Organization {
	return accounts.Organization{ID: id(100 + n), Name: fmt.Sprintf("Organization %d", n), CreatedAt: later(time.Duration(n) * time.Second)}
}

func session(n, userN int, organizationID string) accounts.Session {
	return accounts.Session{
		ID: id(200 + n), UserID: id(userN), OrganizationID: organizationID, CreatedAt: later(time.Duration(n) * time.Second),
		LastUsedAt: later(time.Duration(n) * time.Second), ExpiresAt: later(1000 * time.Hour), IP: "192.0.2.7", UserAgent: "tests/1.0",
	}
}

func key(n int, organizationID string) accounts.Key {
	return accounts.Key{
		ID: id(300 + n), OrganizationID: organizationID, Name: fmt.Sprintf("key %d", n), Role: identity.RoleEditor,
		Prefix: fmt.Sprintf("upt_%d", n), CreatedBy: id(1), CreatedAt: later(time.Duration(n) * time.Second),
	}
}

// seed makes users 1 and 2 and organizations 1 and 2; user 1 owns the first, user 2 the second.
func seed(t TB, s accounts.Store) {
	t.Helper()
	update(t, s, func(tx accounts.Tx) error {
		for n := 1; n <= 2; n++ {
			if err := errors.Join(tx.InsertUser(background, user(n)), tx.InsertOrganization(background, organization(n)),
				tx.InsertMember(background, organization(n).ID, id(n), identity.RoleOwner, later(0))); err != nil {
				return err
			}
		}
		return nil
	})
}

var background = context.Background()

func update(t TB, s accounts.Store, fn func(tx accounts.Tx) error) {
	t.Helper()
	if err := s.Update(background, fn); err != nil {
		t.Fatalf("update: %v", err)
	}
}

// refused expects the transaction to fail with want, and with nothing else.
func refused(t TB, s accounts.Store, want error, fn func(tx accounts.Tx) error) {
	t.Helper()
	if err := s.Update(background, fn); !errors.Is(err, want) {
		t.Errorf("update returned %v, want %v", err, want)
	}
}

func same[T any](t TB, what string, want, got T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func missing[T any](t TB, what string, _ T, err error) {
	t.Helper()
	if !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("%s: got error %v, want ErrNotFound", what, err)
	}
}
