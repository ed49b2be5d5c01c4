package accounts

import (
	"context"
	"fmt"

	accountsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/accounts/v1"
	"github.com/frogstats/uptime/internal/identity"
)

// ListOrganizations implements accountsv1.OrganizationsServiceServer. A key sees the one that it belongs to.
func (s *Service) ListOrganizations(ctx context.Context, _ *accountsv1.ListOrganizationsRequest) (*accountsv1.ListOrganizationsResponse, error) {
	p := caller(ctx)
	out := &accountsv1.ListOrganizationsResponse{}
	if p.Kind == identity.KindAPIKey {
		o, err := s.store.Organization(ctx, p.OrganizationID)
		if err != nil {
			return nil, fmt.Errorf("list organizations: %w", err)
		}
		out.Organizations = append(out.Organizations, organizationToProto(o, p.Role))
		return out, nil
	}
	all, err := s.store.Memberships(ctx, p.UserID)
	if err != nil {
		return nil, fmt.Errorf("list organizations: %w", err)
	}
	for _, m := range all {
		out.Organizations = append(out.Organizations, organizationToProto(m.Organization, m.Role))
	}
	return out, nil
}

// CreateOrganization implements accountsv1.OrganizationsServiceServer. The active organization stays what it was.
func (s *Service) CreateOrganization(ctx context.Context, req *accountsv1.CreateOrganizationRequest) (*accountsv1.Organization, error) {
	p, err := signedIn(ctx)
	if err != nil {
		return nil, err
	}
	name, err := givenName("name", req.GetName())
	if err != nil {
		return nil, err
	}
	o := Organization{ID: newID(), Name: name, CreatedAt: now()}
	err = s.store.Update(ctx, func(tx Tx) error {
		if err := mayFound(ctx, tx, s.alone); err != nil {
			return err
		}
		u, err := tx.User(ctx, p.UserID)
		if err != nil {
			return err
		}
		return found(actingIn(ctx, o.ID), tx, o, u)
	})
	if err != nil {
		return nil, fmt.Errorf("create organization: %w", err)
	}
	return organizationToProto(o, identity.RoleOwner), answerHeader(ctx, httpCodeKey, "201")
}

// UpdateOrganization implements accountsv1.OrganizationsServiceServer.
func (s *Service) UpdateOrganization(ctx context.Context, req *accountsv1.UpdateOrganizationRequest) (*accountsv1.Organization, error) {
	p := caller(ctx)
	if req.GetId() != p.OrganizationID { // also when it exists: the caller is asking as a member of another
		return nil, orNotFound(ErrNotFound, "organization")
	}
	name, err := givenName("name", req.GetName())
	if err != nil {
		return nil, err
	}
	var after Organization
	err = s.store.Update(ctx, func(tx Tx) error {
		before, err := tx.Organization(ctx, p.OrganizationID)
		if err != nil {
			return orNotFound(err, "organization")
		}
		after = before
		after.Name = name
		if after == before {
			return nil
		}
		if err := tx.RenameOrganization(ctx, before.ID, name); err != nil {
			return err
		}
		return record(ctx, tx, "organization.update", "organization", before.ID, recordOfOrganization(before), recordOfOrganization(after))
	})
	if err != nil {
		return nil, fmt.Errorf("update organization: %w", err)
	}
	return organizationToProto(after, p.Role), nil
}
