package storetest

import (
	"errors"
	"sync"
	"time"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/services/accounts"
)

func auditRow(n int, organizationID string, at time.Time) audit.Row {
	return audit.Row{
		ID: id(400 + n), At: at, OrganizationID: organizationID, ActorKind: "user", ActorID: id(1), ActorName: "user1@example.com",
		IP: "192.0.2.7", Action: "member.update", ObjectKind: "member", ObjectID: id(2),
		Before: []byte(`{"role":"viewer"}`), After: []byte(`{"role":"admin"}`), RequestID: "r",
	}
}

var errSabotage = errors.New("the transaction is to fail")

var transactionCases = []Case{
	{"a failed transaction leaves nothing, its audit row included", func(t TB, s accounts.Store) {
		seed(t, s)
		refused(t, s, errSabotage, func(tx accounts.Tx) error {
			if err := errors.Join(tx.InsertUser(background, user(3)), tx.Audit(background, auditRow(1, organization(1).ID, t0)),
				tx.RenameOrganization(background, organization(1).ID, "Gone")); err != nil {
				return err
			}
			return errSabotage
		})
		_, err := s.User(background, id(3))
		missing(t, "user", 0, err)
		got, err := s.Organization(background, organization(1).ID)
		same(t, "organization", organization(1), got, err)
		rows, err := s.AuditRows(background, organization(1).ID, time.Time{}, 10)
		same(t, "audit rows", nil, rows, err)
	}},
	{"a transaction sees what it wrote", func(t TB, s accounts.Store) {
		seed(t, s)
		update(t, s, func(tx accounts.Tx) error {
			if err := tx.InsertUser(background, user(3)); err != nil {
				return err
			}
			got, err := tx.User(background, id(3))
			same(t, "user", user(3), got, err)
			return nil
		})
	}},
	{"transactions look as if they ran one after the other", func(t TB, s accounts.Store) {
		seed(t, s)
		const owners = 6
		update(t, s, func(tx accounts.Tx) error {
			for n := 11; n < 10+owners; n++ {
				if err := errors.Join(tx.InsertUser(background, user(n)),
					tx.InsertMember(background, organization(1).ID, id(n), identity.RoleOwner, t0)); err != nil {
					return err
				}
			}
			return nil
		})
		// Everybody steps down unless they are the last.
		var group sync.WaitGroup
		all := []string{id(1)}
		for n := 11; n < 10+owners; n++ {
			all = append(all, id(n))
		}
		for _, userID := range all {
			group.Go(func() {
				err := s.Update(background, func(tx accounts.Tx) error {
					n, err := tx.CountMembers(background, organization(1).ID, identity.RoleOwner)
					if err != nil || n <= 1 {
						return err
					}
					return tx.SetMemberRole(background, organization(1).ID, userID, identity.RoleViewer)
				})
				if err != nil {
					t.Errorf("step down: %v", err)
				}
			})
		}
		group.Wait()
		n, err := s.CountMembers(background, organization(1).ID, identity.RoleOwner)
		same(t, "owners left", 1, n, err)
	}},
	{"audit rows are listed newest first, of one organization, before a time", func(t TB, s accounts.Store) {
		seed(t, s)
		org := organization(1).ID
		created := auditRow(2, org, later(2*time.Second))
		created.Before, created.IP = nil, ""
		rows := []audit.Row{auditRow(1, org, later(time.Second)), created, auditRow(3, org, later(3*time.Second))}
		update(t, s, func(tx accounts.Tx) error {
			for _, r := range append(rows, auditRow(4, organization(2).ID, t0)) {
				if err := tx.Audit(background, r); err != nil {
					return err
				}
			}
			return nil
		})
		got, err := s.AuditRows(background, org, time.Time{}, 10)
		same(t, "all", []audit.Row{rows[2], rows[1], rows[0]}, got, err)
		got, err = s.AuditRows(background, org, time.Time{}, 2)
		same(t, "two", []audit.Row{rows[2], rows[1]}, got, err)
		got, err = s.AuditRows(background, org, later(2*time.Second), 10)
		same(t, "older", []audit.Row{rows[0]}, got, err)
	}},
}
