package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/services/accounts"
)

// insertSessions stores sessions; the token of each is its id.
func insertSessions(t TB, s accounts.Store, all ...accounts.Session) {
	t.Helper()
	update(t, s, func(tx accounts.Tx) error {
		for _, one := range all {
			if err := tx.InsertSession(background, one, hash(one.ID)); err != nil {
				return err
			}
		}
		return nil
	})
}

// sessionIDs are the user's, newest first.
func sessionIDs(t TB, s accounts.Store, userID string) []string {
	t.Helper()
	all, err := s.Sessions(background, userID)
	if err != nil {
		t.Fatalf("sessions: %v", err)
	}
	var out []string
	for _, in := range all {
		out = append(out, in.Session.ID)
	}
	return out
}

var sessionCases = []Case{
	{"a session is found by token and by id, with whom and what it stands for", func(t TB, s accounts.Store) {
		seed(t, s)
		one := session(1, 1, organization(1).ID)
		insertSessions(t, s, one)
		want := accounts.SignedIn{Session: one, User: bare(user(1)), Organization: organization(1), Role: identity.RoleOwner}
		got, err := s.SessionByToken(background, hash(one.ID))
		same(t, "by token", want, got, err)
		got, err = s.Session(background, id(1), one.ID)
		same(t, "by id", want, got, err)
		_, err = s.SessionByToken(background, hash("another"))
		missing(t, "by another token", 0, err)
		_, err = s.Session(background, id(2), one.ID)
		missing(t, "as another user", 0, err)
	}},
	{"a session without an organization stands for none", func(t TB, s accounts.Store) {
		seed(t, s)
		one := session(1, 1, "")
		insertSessions(t, s, one)
		got, err := s.SessionByToken(background, hash(one.ID))
		same(t, "session", accounts.SignedIn{Session: one, User: bare(user(1))}, got, err)
	}},
	{"a session has the role of this moment", func(t TB, s accounts.Store) {
		seed(t, s)
		one := session(1, 1, organization(1).ID)
		insertSessions(t, s, one)
		update(t, s, func(tx accounts.Tx) error {
			return tx.SetMemberRole(background, organization(1).ID, id(1), identity.RoleViewer)
		})
		got, err := s.SessionByToken(background, hash(one.ID))
		same(t, "role", identity.RoleViewer, got.Role, err)
		update(t, s, func(tx accounts.Tx) error { return tx.DeleteMember(background, organization(1).ID, id(1)) })
		got, err = s.SessionByToken(background, hash(one.ID))
		same(t, "after removal", accounts.SignedIn{Session: one, User: bare(user(1))}, got, err)
	}},
	{"sessions are listed newest first, without those of others", func(t TB, s accounts.Store) {
		seed(t, s)
		insertSessions(t, s, session(2, 1, ""), session(3, 1, ""), session(1, 1, ""), session(4, 2, ""))
		same(t, "ids", []string{id(203), id(202), id(201)}, sessionIDs(t, s, id(1)), nil)
	}},
	{"a token belongs to one session", func(t TB, s accounts.Store) {
		seed(t, s)
		insertSessions(t, s, session(1, 1, ""))
		refused(t, s, accounts.ErrExists, func(tx accounts.Tx) error {
			return tx.InsertSession(background, session(2, 2, ""), hash(id(201)))
		})
	}},
	{"a use is noted, and never turned back", func(t TB, s accounts.Store) {
		seed(t, s)
		insertSessions(t, s, session(1, 1, ""), session(2, 1, ""))
		for _, at := range []time.Time{later(time.Hour), later(time.Minute)} {
			same(t, "touch", 0, 0, s.TouchSession(background, id(201), at))
		}
		got, err := s.Session(background, id(1), id(201))
		same(t, "touched", later(time.Hour), got.Session.LastUsedAt, err)
		got, err = s.Session(background, id(1), id(202))
		same(t, "other", later(2*time.Second), got.Session.LastUsedAt, err)
		same(t, "touch of nothing", 0, 0, s.TouchSession(background, id(9), t0))
	}},
	{"the active organization changes for one session", func(t TB, s accounts.Store) {
		seed(t, s)
		insertSessions(t, s, session(1, 1, organization(1).ID), session(2, 1, organization(1).ID))
		update(t, s, func(tx accounts.Tx) error { return tx.SetSessionOrganization(background, id(201), "") })
		got, err := s.Session(background, id(1), id(201))
		same(t, "changed", "", got.Session.OrganizationID, err)
		got, err = s.Session(background, id(1), id(202))
		same(t, "other", organization(1).ID, got.Session.OrganizationID, err)
		refused(t, s, accounts.ErrNotFound, func(tx accounts.Tx) error { return tx.SetSessionOrganization(background, id(9), "") })
	}},
	{"sessions move from one organization only", func(t TB, s accounts.Store) {
		seed(t, s)
		insertSessions(t, s, session(1, 1, organization(1).ID), session(2, 1, organization(2).ID), session(3, 2, organization(1).ID))
		update(t, s, func(tx accounts.Tx) error { return tx.MoveSessions(background, id(1), organization(1).ID, "") })
		for _, want := range []accounts.Session{session(1, 1, ""), session(2, 1, organization(2).ID), session(3, 2, organization(1).ID)} {
			got, err := s.Session(background, want.UserID, want.ID)
			same(t, "session", want, got.Session, err)
		}
		update(t, s, func(tx accounts.Tx) error {
			return tx.MoveSessions(background, id(1), organization(2).ID, organization(1).ID)
		})
		got, err := s.Session(background, id(1), id(202))
		same(t, "moved", organization(1).ID, got.Session.OrganizationID, err)
	}},
	{"a session is ended by its own user", func(t TB, s accounts.Store) {
		seed(t, s)
		insertSessions(t, s, session(1, 1, ""), session(2, 1, ""))
		refused(t, s, accounts.ErrNotFound, func(tx accounts.Tx) error { return tx.DeleteSession(background, id(2), id(201)) })
		update(t, s, func(tx accounts.Tx) error { return tx.DeleteSession(background, id(1), id(201)) })
		_, err := s.SessionByToken(background, hash(id(201)))
		missing(t, "ended", 0, err)
		same(t, "left", []string{id(202)}, sessionIDs(t, s, id(1)), nil)
	}},
	{"all other sessions of one user are ended", func(t TB, s accounts.Store) {
		seed(t, s)
		insertSessions(t, s, session(1, 1, ""), session(2, 1, ""), session(3, 1, ""), session(4, 2, ""))
		var n int
		update(t, s, func(tx accounts.Tx) (err error) {
			n, err = tx.DeleteOtherSessions(background, id(1), id(202))
			return err
		})
		same(t, "ended", 2, n, nil)
		same(t, "own", []string{id(202)}, sessionIDs(t, s, id(1)), nil)
		same(t, "of another", []string{id(204)}, sessionIDs(t, s, id(2)), nil)
		update(t, s, func(tx accounts.Tx) (err error) {
			n, err = tx.DeleteOtherSessions(background, id(1), "")
			return err
		})
		same(t, "none saved", 1, n, nil)
	}},
	{"trimming ends the expired, the idle and the too many", func(t TB, s accounts.Store) {
		seed(t, s)
		var all []accounts.Session
		for n := 1; n <= 6; n++ {
			all = append(all, session(n, 1, ""))
		}
		all[5].ExpiresAt = later(time.Minute)       // ends exactly now
		all[4].LastUsedAt = later(-time.Hour)       // idle since exactly then
		all[0].LastUsedAt = later(30 * time.Second) // the oldest, yet used last
		insertSessions(t, s, append(all, session(7, 2, ""))...)
		update(t, s, func(tx accounts.Tx) error {
			return tx.TrimSessions(background, id(1), later(time.Minute), later(-time.Hour), 3)
		})
		same(t, "left", []string{id(204), id(203), id(201)}, sessionIDs(t, s, id(1)), nil)
		same(t, "of another", []string{id(207)}, sessionIDs(t, s, id(2)), nil)
	}},
}

// insertKeys stores keys; the text of each is its id.
func insertKeys(t TB, s accounts.Store, all ...accounts.Key) {
	t.Helper()
	update(t, s, func(tx accounts.Tx) error {
		var errs []error
		for _, one := range all {
			errs = append(errs, tx.InsertKey(background, one, hash(one.ID)))
		}
		return errors.Join(errs...)
	})
}

var keyCases = []Case{
	{"a key is found by hash, and by id in its organization", func(t TB, s accounts.Store) {
		seed(t, s)
		plain, full := key(1, organization(1).ID), key(2, organization(1).ID)
		full.Operator, full.ExpiresAt, full.LastUsedAt, full.RevokedAt = true, later(time.Hour), later(time.Minute), later(2*time.Minute)
		insertKeys(t, s, plain, full)
		for _, want := range []accounts.Key{plain, full} {
			got, err := s.KeyByHash(background, hash(want.ID))
			same(t, "by hash", want, got, err)
			got, err = s.Key(background, organization(1).ID, want.ID)
			same(t, "by id", want, got, err)
			_, err = s.Key(background, organization(2).ID, want.ID)
			missing(t, "in another organization", 0, err)
		}
		_, err := s.KeyByHash(background, hash("another"))
		missing(t, "by another hash", 0, err)
	}},
	{"a key's text is taken for ever", func(t TB, s accounts.Store) {
		seed(t, s)
		insertKeys(t, s, key(1, organization(1).ID))
		update(t, s, func(tx accounts.Tx) error { return tx.RevokeKey(background, organization(1).ID, id(301), t0) })
		refused(t, s, accounts.ErrExists, func(tx accounts.Tx) error {
			return tx.InsertKey(background, key(2, organization(2).ID), hash(id(301)))
		})
	}},
	{"live keys are listed newest first, without those of others", func(t TB, s accounts.Store) {
		seed(t, s)
		var all []accounts.Key
		for n := 1; n <= 5; n++ {
			all = append(all, key(n, organization(1).ID))
		}
		all[1].RevokedAt = t0
		all[2].ExpiresAt = later(time.Hour)                    // ends exactly now
		all[3].ExpiresAt = later(time.Hour + time.Millisecond) // lives a moment longer
		all[0].Operator, all[1].Operator, all[2].Operator = true, true, true
		insertKeys(t, s, append(all, key(6, organization(2).ID))...)
		got, err := s.LiveKeys(background, organization(1).ID, later(time.Hour))
		same(t, "live", []accounts.Key{all[4], all[3], all[0]}, got, err)
		got, err = s.OperatorKeys(background, later(time.Hour))
		same(t, "operator's", []accounts.Key{all[0]}, got, err)
	}},
	{"a key is revoked once, in its organization", func(t TB, s accounts.Store) {
		seed(t, s)
		insertKeys(t, s, key(1, organization(1).ID), key(2, organization(1).ID))
		revoke := func(organizationID string, at time.Time) func(accounts.Tx) error {
			return func(tx accounts.Tx) error { return tx.RevokeKey(background, organizationID, id(301), at) }
		}
		refused(t, s, accounts.ErrNotFound, revoke(organization(2).ID, t0))
		update(t, s, revoke(organization(1).ID, later(time.Minute)))
		refused(t, s, accounts.ErrNotFound, revoke(organization(1).ID, later(time.Hour)))
		got, err := s.Key(background, organization(1).ID, id(301))
		same(t, "revoked", later(time.Minute), got.RevokedAt, err)
		got, err = s.Key(background, organization(1).ID, id(302))
		same(t, "other", time.Time{}, got.RevokedAt, err)
	}},
	{"a key's use is noted, and never turned back", func(t TB, s accounts.Store) {
		seed(t, s)
		insertKeys(t, s, key(1, organization(1).ID))
		for _, at := range []time.Time{later(time.Hour), later(time.Minute)} {
			same(t, fmt.Sprint("touch ", at), 0, 0, s.TouchKey(background, id(301), at))
		}
		got, err := s.Key(background, organization(1).ID, id(301))
		same(t, "touched", later(time.Hour), got.LastUsedAt, err)
	}},
}
