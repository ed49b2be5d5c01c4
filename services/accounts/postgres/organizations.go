package postgres

import (
	"context"
	"time"

	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/services/accounts"
)

const organizationByID = `
SELECT id, name, created_at FROM organization WHERE id = $1`

// Organization implements accounts.Organizations.
func (r reads) Organization(ctx context.Context, id string) (accounts.Organization, error) {
	return one(ctx, r.q, "organization", scanOrganization, organizationByID, id)
}

const firstOrganization = `
SELECT id, name, created_at FROM organization ORDER BY created_at, id LIMIT 1`

// FirstOrganization implements accounts.Organizations.
func (r reads) FirstOrganization(ctx context.Context) (accounts.Organization, error) {
	return one(ctx, r.q, "first organization", scanOrganization, firstOrganization)
}

const countOrganizations = `
SELECT count(*) FROM organization`

// CountOrganizations implements accounts.Organizations.
func (r reads) CountOrganizations(ctx context.Context) (int, error) {
	return one(ctx, r.q, "count organizations", scanValue[int], countOrganizations)
}

func scanOrganization(row scanner) (o accounts.Organization, err error) {
	err = row.Scan(&o.ID, &o.Name, stamp{&o.CreatedAt})
	return o, err
}

const insertOrganization = `
INSERT INTO organization (id, name, created_at) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING`

// InsertOrganization implements accounts.OrganizationWrites.
func (x *tx) InsertOrganization(ctx context.Context, o accounts.Organization) error {
	return x.insert(ctx, "insert organization", insertOrganization, o.ID, o.Name, stored(o.CreatedAt))
}

const renameOrganization = `
UPDATE organization SET name = $1 WHERE id = $2`

// RenameOrganization implements accounts.OrganizationWrites.
func (x *tx) RenameOrganization(ctx context.Context, id, name string) error {
	return x.execOne(ctx, "rename organization", renameOrganization, name, id)
}

const memberByID = `
SELECT u.id, u.email, u.name, u.created_at, u.password_changed_at, m.role, m.created_at
FROM member m JOIN "user" u ON u.id = m.user_id
WHERE m.organization_id = $1 AND m.user_id = $2`

// Member implements accounts.Members.
func (r reads) Member(ctx context.Context, organizationID, userID string) (accounts.Member, error) {
	return one(ctx, r.q, "member", scanMember, memberByID, organizationID, userID)
}

const members = `
SELECT u.id, u.email, u.name, u.created_at, u.password_changed_at, m.role, m.created_at
FROM member m JOIN "user" u ON u.id = m.user_id
WHERE m.organization_id = $1
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
WHERE m.user_id = $1
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
SELECT count(*) FROM member WHERE organization_id = $1 AND role = $2`

// CountMembers implements accounts.Members.
func (r reads) CountMembers(ctx context.Context, organizationID string, role identity.Role) (int, error) {
	return one(ctx, r.q, "count members", scanValue[int], countMembers, organizationID, role)
}

const insertMember = `
INSERT INTO member (organization_id, user_id, role, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING`

// InsertMember implements accounts.MemberWrites.
func (x *tx) InsertMember(ctx context.Context, organizationID, userID string, role identity.Role, at time.Time) error {
	return x.insert(ctx, "insert member", insertMember, organizationID, userID, role, stored(at))
}

const setMemberRole = `
UPDATE member SET role = $1 WHERE organization_id = $2 AND user_id = $3`

// SetMemberRole implements accounts.MemberWrites.
func (x *tx) SetMemberRole(ctx context.Context, organizationID, userID string, role identity.Role) error {
	return x.execOne(ctx, "set member role", setMemberRole, role, organizationID, userID)
}

const deleteMember = `
DELETE FROM member WHERE organization_id = $1 AND user_id = $2`

// DeleteMember implements accounts.MemberWrites.
func (x *tx) DeleteMember(ctx context.Context, organizationID, userID string) error {
	return x.execOne(ctx, "delete member", deleteMember, organizationID, userID)
}
