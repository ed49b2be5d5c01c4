package storetest

import (
	"time"

	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/services/accounts"
)

var userCases = []Case{
	{"a user is found by id and by e-mail as it was inserted", func(t TB, s accounts.Store) {
		seed(t, s)
		got, err := s.User(background, id(1))
		same(t, "by id", user(1), got, err)
		got, err = s.UserByEmail(background, "user1@example.com")
		same(t, "by e-mail", user(1), got, err)
	}},
	{"a user who is not there is not found", func(t TB, s accounts.Store) {
		seed(t, s)
		_, err := s.User(background, id(9))
		missing(t, "by id", 0, err)
		_, err = s.UserByEmail(background, "user9@example.com")
		missing(t, "by e-mail", 0, err)
	}},
	{"any user tells an empty store from one with a user", func(t TB, s accounts.Store) {
		got, err := s.AnyUser(background)
		same(t, "empty", false, got, err)
		seed(t, s)
		got, err = s.AnyUser(background)
		same(t, "seeded", true, got, err)
	}},
	{"an e-mail belongs to one user", func(t TB, s accounts.Store) {
		seed(t, s)
		twin := user(3)
		twin.Email = user(1).Email
		refused(t, s, accounts.ErrExists, func(tx accounts.Tx) error { return tx.InsertUser(background, twin) })
	}},
	{"a new password replaces hash and time", func(t TB, s accounts.Store) {
		seed(t, s)
		update(t, s, func(tx accounts.Tx) error { return tx.SetPassword(background, id(1), "new", later(time.Minute)) })
		want := user(1)
		want.PasswordHash, want.PasswordChangedAt = "new", later(time.Minute)
		got, err := s.User(background, id(1))
		same(t, "user 1", want, got, err)
		got, err = s.User(background, id(2))
		same(t, "user 2", user(2), got, err)
		refused(t, s, accounts.ErrNotFound, func(tx accounts.Tx) error { return tx.SetPassword(background, id(9), "new", t0) })
	}},
	{"set-up tokens stand beside each other until they expire or there are too many", func(t TB, s accounts.Store) {
		update(t, s, func(tx accounts.Tx) error { return tx.DeleteSetupTokens(background) })
		add := func(token string, at, expires time.Duration) {
			update(t, s, func(tx accounts.Tx) error {
				return tx.AddSetupToken(background, hash(token), later(at), later(expires), 3)
			})
		}
		want := func(there map[string]time.Duration, gone ...string) {
			for token, expires := range there {
				got, err := s.SetupTokenExpiry(background, hash(token))
				same(t, "token "+token, later(expires), got, err)
			}
			for _, token := range gone {
				_, err := s.SetupTokenExpiry(background, hash(token))
				missing(t, "token "+token, 0, err)
			}
		}
		add("a", 0, time.Hour)
		add("b", time.Minute, 3*time.Hour)
		add("c", 2*time.Minute, 3*time.Hour)
		want(map[string]time.Duration{"a": time.Hour, "b": 3 * time.Hour, "c": 3 * time.Hour})
		add("d", time.Hour, 3*time.Hour) // the moment at which the first expires
		want(map[string]time.Duration{"b": 3 * time.Hour, "c": 3 * time.Hour, "d": 3 * time.Hour}, "a")
		add("e", 0, 3*time.Hour) // by a clock that is behind: the new one counts, however old it seems
		want(map[string]time.Duration{"c": 3 * time.Hour, "d": 3 * time.Hour, "e": 3 * time.Hour}, "b")
		update(t, s, func(tx accounts.Tx) error { return tx.DeleteSetupTokens(background) })
		want(nil, "c", "d", "e")
	}},
}

var organizationCases = []Case{
	{"an organization is found as it was inserted, and renamed alone", func(t TB, s accounts.Store) {
		seed(t, s)
		update(t, s, func(tx accounts.Tx) error { return tx.RenameOrganization(background, organization(1).ID, "Lake") })
		want := organization(1)
		want.Name = "Lake"
		got, err := s.Organization(background, want.ID)
		same(t, "renamed", want, got, err)
		got, err = s.Organization(background, organization(2).ID)
		same(t, "other", organization(2), got, err)
		_, err = s.Organization(background, id(9))
		missing(t, "unknown", 0, err)
		refused(t, s, accounts.ErrNotFound, func(tx accounts.Tx) error { return tx.RenameOrganization(background, id(9), "x") })
	}},
	{"the first organization is the oldest", func(t TB, s accounts.Store) {
		_, err := s.FirstOrganization(background)
		missing(t, "empty", 0, err)
		seed(t, s)
		oldest := organization(3)
		oldest.CreatedAt = later(-time.Hour)
		update(t, s, func(tx accounts.Tx) error { return tx.InsertOrganization(background, oldest) })
		got, err := s.FirstOrganization(background)
		same(t, "first", oldest, got, err)
	}},
	{"organizations are counted, also in a transaction", func(t TB, s accounts.Store) {
		n, err := s.CountOrganizations(background)
		same(t, "of an empty store", 0, n, err)
		seed(t, s)
		before, err := s.CountOrganizations(background)
		if err != nil || before == 0 {
			t.Fatalf("%d, %v", before, err)
		}
		update(t, s, func(tx accounts.Tx) error {
			if err := tx.InsertOrganization(background, organization(3)); err != nil {
				return err
			}
			n, err := tx.CountOrganizations(background)
			same(t, "with the transaction's own", before+1, n, err)
			return nil
		})
		n, err = s.CountOrganizations(background)
		same(t, "after it", before+1, n, err)
	}},
	{"a member is found in its organization only", func(t TB, s accounts.Store) {
		seed(t, s)
		got, err := s.Member(background, organization(1).ID, id(1))
		same(t, "member", accounts.Member{User: bare(user(1)), Role: identity.RoleOwner, CreatedAt: t0}, got, err)
		_, err = s.Member(background, organization(2).ID, id(1))
		missing(t, "in another organization", 0, err)
	}},
	{"members are listed by e-mail, without those of others", func(t TB, s accounts.Store) {
		seed(t, s)
		early := user(3)
		early.Email = "aaa@example.com"
		update(t, s, func(tx accounts.Tx) error {
			if err := tx.InsertUser(background, early); err != nil {
				return err
			}
			return tx.InsertMember(background, organization(1).ID, id(3), identity.RoleViewer, later(time.Hour))
		})
		got, err := s.Members(background, organization(1).ID)
		same(t, "members", []accounts.Member{
			{User: bare(early), Role: identity.RoleViewer, CreatedAt: later(time.Hour)},
			{User: bare(user(1)), Role: identity.RoleOwner, CreatedAt: t0},
		}, got, err)
		got, err = s.Members(background, id(9))
		same(t, "of nothing", nil, got, err)
	}},
	{"memberships are listed by name, without those of others", func(t TB, s accounts.Store) {
		seed(t, s)
		a := accounts.Organization{ID: id(190), Name: "A", CreatedAt: later(time.Hour)}
		update(t, s, func(tx accounts.Tx) error {
			if err := tx.InsertOrganization(background, a); err != nil {
				return err
			}
			return tx.InsertMember(background, a.ID, id(1), identity.RoleAdmin, later(time.Hour))
		})
		got, err := s.Memberships(background, id(1))
		same(t, "memberships", []accounts.Membership{
			{Organization: a, Role: identity.RoleAdmin, CreatedAt: later(time.Hour)},
			{Organization: organization(1), Role: identity.RoleOwner, CreatedAt: t0},
		}, got, err)
	}},
	{"a user is a member once", func(t TB, s accounts.Store) {
		seed(t, s)
		refused(t, s, accounts.ErrExists, func(tx accounts.Tx) error {
			return tx.InsertMember(background, organization(1).ID, id(1), identity.RoleViewer, t0)
		})
	}},
	{"a role changes in one organization, and counts there", func(t TB, s accounts.Store) {
		seed(t, s)
		update(t, s, func(tx accounts.Tx) error {
			if err := tx.InsertMember(background, organization(2).ID, id(1), identity.RoleOwner, t0); err != nil {
				return err
			}
			return tx.SetMemberRole(background, organization(1).ID, id(1), identity.RoleViewer)
		})
		got, err := s.Member(background, organization(1).ID, id(1))
		same(t, "changed", identity.RoleViewer, got.Role, err)
		n, err := s.CountMembers(background, organization(1).ID, identity.RoleOwner)
		same(t, "owners left", 0, n, err)
		n, err = s.CountMembers(background, organization(2).ID, identity.RoleOwner)
		same(t, "owners elsewhere", 2, n, err)
		refused(t, s, accounts.ErrNotFound, func(tx accounts.Tx) error {
			return tx.SetMemberRole(background, organization(1).ID, id(2), identity.RoleAdmin)
		})
	}},
	{"a deleted member is gone there and stays elsewhere", func(t TB, s accounts.Store) {
		seed(t, s)
		update(t, s, func(tx accounts.Tx) error {
			if err := tx.InsertMember(background, organization(2).ID, id(1), identity.RoleViewer, t0); err != nil {
				return err
			}
			return tx.DeleteMember(background, organization(1).ID, id(1))
		})
		_, err := s.Member(background, organization(1).ID, id(1))
		missing(t, "deleted", 0, err)
		got, err := s.Member(background, organization(2).ID, id(1))
		same(t, "kept", identity.RoleViewer, got.Role, err)
		refused(t, s, accounts.ErrNotFound, func(tx accounts.Tx) error {
			return tx.DeleteMember(background, organization(1).ID, id(1))
		})
	}},
}
