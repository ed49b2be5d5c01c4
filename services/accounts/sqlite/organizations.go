package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/services/accounts"
)

const organizationByID = `
SELECT id, name, created_at FROM organization WHERE id = ?`

// Organization implements accounts.Organizations.
func (r reads) Organization(ctx context.Context, id string) (accounts.Organization, error) {
	return one(r.q.QueryRowContext(ctx, organizationByID, id), "organization", scanOrganization)
}

const firstOrganization = `
SELECT id, name, created_at FROM organization ORDER BY created_at, id LIMIT 1`

// FirstOrganization implements accounts.Organizations.
func (r reads) FirstOrganization(ctx context.Context) (accounts.Organization, error) {
	return one(r.q.QueryRowContext(ctx, firstOrganization), "first organization", scanOrganization)
}

const countOrganizations = `
SELECT count(*) FROM organization`

// CountOrganizations implements accounts.Organizations.
func (r reads) CountOrganizations(ctx context.Context) (int, error) {
	var n int
	if err := r.q.QueryRowContext(ctx, countOrganizations).Scan(&n); err != nil {
		return 0, fmt.Errorf("count organizations: %w", err)
	}
	return n, nil
}

func scanOrganization(row scanner) (o accounts.Organization, err error) {
	err = row.Scan(&o.ID, &o.Name, stamp{&o.CreatedAt})
	return o, err
}

const insertOrganization = `
INSERT INTO organization (id, name, created_at) VALUES (?, ?, ?)`

// InsertOrganization implements accounts.OrganizationWrites.
func (x *tx) InsertOrganization(ctx context.Context, o accounts.Organization) error {
	_, err := x.exec(ctx, "insert organization", insertOrganization, o.ID, o.Name, millis(o.CreatedAt))
	return err
}

const renameOrganization = `
UPDATE organization SET name = ? WHERE id = ?`

// RenameOrganization implements accounts.OrganizationWrites.
func (x *tx) RenameOrganization(ctx context.Context, id, name string) error {
	return x.execOne(ctx, "rename organization", renameOrganization, name, id)
}

const memberByID = `
SELECT u.id, u.email, u.name, u.created_at, u.password_changed_at, m.role, m.created_at
FROM member m JOIN "user" u ON u.id = m.user_id
WHERE m.organization_id = ? AND m.user_id = ?`

// Member implements accounts.Members.
func (r reads) Member(ctx context.Context, organizationID, userID string) (accounts.Member, error) {
	return one(r.q.QueryRowContext(ctx, memberByID, organizationID, userID), "member", scanMember)
}

const members = `
SELECT u.id, u.email, u.name, u.created_at, u.password_changed_at, m.role, m.created_at
FROM member m JOIN "user" u ON u.id = m.user_id
WHERE m.organization_id = ?
ORDER BY u.email`

// Members implements accounts.Members.
func (r reads) Members(ctx context.Context, organizationID string) ([]accounts.Member, error) {
	return list(ctx, r.q, "members", scanMember, members, organizationID)
}

func scanMember(row scanner) (m accounts.Member, err error) {
	err = row.Scan(&m.User.ID, &m.User.Email, &m.User.Name, stamp{&m.User.CreatedAt}, stamp{&m.User.PasswordChangedAt},
		&m.Role, stamp{&m.CreatedAt})
	return m, err
}

const memberships = `
SELECT o.id, o.name, o.created_at, m.role, m.created_at
FROM member m JOIN organization o ON o.id = m.organization_id
WHERE m.user_id = ?
ORDER BY o.name, o.id`

// Memberships implements accounts.Members.
func (r reads) Memberships(ctx context.Context, userID string) ([]accounts.Membership, error) {
	return list(ctx, r.q, "memberships", func(row scanner) (m accounts.Membership, err error) {
		o := &m.Organization
		err = row.Scan(&o.ID, &o.Name, stamp{&o.CreatedAt}, &m.Role, stamp{&m.CreatedAt})
		return m, err
	}, memberships, userID)
}

const countMembers = `
SELECT count(*) FROM member WHERE organization_id = ? AND role = ?`

// CountMembers implements accounts.Members.
func (r reads) CountMembers(ctx context.Context, organizationID string, role identity.Role) (n int, err error) {
	if err := r.q.QueryRowContext(ctx, countMembers, organizationID, role).Scan(&n); err != nil {
		return 0, fmt.Errorf("count members: %w", err)
	}
	return n, nil
}

const insertMember = `
INSERT INTO member (organization_id, user_id, role, created_at) VALUES (?, ?, ?, ?)`

// InsertMember implements accounts.MemberWrites.
func (x *tx) InsertMember(ctx context.Context, organizationID, userID string, role identity.Role, at time.Time) error {
	_, err := x.exec(ctx, "insert member", insertMember, organizationID, userID, role, millis(at))
	return err
}

const setMemberRole = `
UPDATE member SET role = ? WHERE organization_id = ? AND user_id = ?`

// SetMemberRole implements accounts.MemberWrites.
func (x *tx) SetMemberRole(ctx context.Context, organizationID, userID string, role identity.Role) error {
	return x.execOne(ctx, "set member role", setMemberRole, role, organizationID, userID)
}

const deleteMember = `
DELETE FROM member WHERE organization_id = ? AND user_id = ?`

// DeleteMember implements accounts.MemberWrites.
func (x *tx) DeleteMember(ctx context.Context, organizationID, userID string) error {
	return x.execOne(ctx, "delete member", deleteMember, organizationID, userID)
}
