package accounts

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/types/known/emptypb"

	accountsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/accounts/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
)

// ListMembers implements accountsv1.OrganizationsServiceServer.
func (s *Service) ListMembers(ctx context.Context, _ *accountsv1.ListMembersRequest) (*accountsv1.ListMembersResponse, error) {
	all, err := s.store.Members(ctx, caller(ctx).OrganizationID)
	if err != nil {
		return nil, fmt.Errorf("list members: %w", err)
	}
	out := &accountsv1.ListMembersResponse{}
	for _, m := range all {
		out.Members = append(out.Members, memberToProto(m))
	}
	return out, nil
}

var (
	errPasswordMissing = badField("password", "is required, because there is no user with this e-mail yet")
	errPasswordTaken   = badField("password", "must be left out, because a user with this e-mail exists and has a password")
)

// AddMember implements accountsv1.OrganizationsServiceServer.
func (s *Service) AddMember(ctx context.Context, req *accountsv1.AddMemberRequest) (*accountsv1.Member, error) {
	p := caller(ctx)
	role := roleFromProto(req.GetRole())
	if err := mayGrant(p.Role, role); err != nil {
		return nil, err
	}
	candidate, err := s.candidate(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("add member: %w", err)
	}
	m := Member{Role: role, CreatedAt: now()}
	err = s.store.Update(ctx, func(tx Tx) error {
		if m.User, err = findOrInsert(ctx, tx, candidate); err != nil {
			return err
		}
		err := tx.InsertMember(ctx, p.OrganizationID, m.User.ID, role, m.CreatedAt)
		if errors.Is(err, ErrExists) {
			return fault.Conflict("this user is a member already").Wrap(err)
		}
		if err != nil {
			return err
		}
		return record(ctx, tx, "member.add", "member", m.User.ID, nil, recordOfMember(m))
	})
	if err != nil {
		return nil, fmt.Errorf("add member: %w", err)
	}
	return memberToProto(m), answerHeader(ctx, httpCodeKey, "201")
}

// candidate is the user that the request describes; the password hash is empty if no password was given. A password that
// would be refused anyway is not hashed.
func (s *Service) candidate(ctx context.Context, req *accountsv1.AddMemberRequest) (User, error) {
	name, err := optionalName("name", req.GetName())
	if err != nil {
		return User{}, err
	}
	at := now()
	u := User{ID: newID(), Email: NormalEmail(req.GetEmail()), Name: name, CreatedAt: at, PasswordChangedAt: at}
	if req.Password == nil {
		return u, nil
	}
	if _, err := s.store.UserByEmail(ctx, u.Email); err == nil {
		return User{}, errPasswordTaken
	} else if !errors.Is(err, ErrNotFound) {
		return User{}, err
	}
	u.PasswordHash, err = s.hasher.Hash(ctx, req.GetPassword())
	return u, err
}

// findOrInsert returns the user with the candidate's e-mail, who is made if need be.
func findOrInsert(ctx context.Context, tx Tx, candidate User) (User, error) {
	u, err := tx.UserByEmail(ctx, candidate.Email)
	given := candidate.PasswordHash != ""
	switch {
	case err == nil && given:
		return User{}, errPasswordTaken
	case err == nil:
		return u, nil
	case !errors.Is(err, ErrNotFound):
		return User{}, err
	case !given:
		return User{}, errPasswordMissing
	}
	if err := tx.InsertUser(ctx, candidate); err != nil {
		return User{}, err
	}
	return candidate, record(ctx, tx, "user.create", "user", candidate.ID, nil, recordOfUser(candidate))
}

// UpdateMember implements accountsv1.OrganizationsServiceServer.
func (s *Service) UpdateMember(ctx context.Context, req *accountsv1.UpdateMemberRequest) (*accountsv1.Member, error) {
	p := caller(ctx)
	role := roleFromProto(req.GetRole())
	var after Member
	err := s.store.Update(ctx, func(tx Tx) error {
		before, err := manageable(ctx, tx, p, req.GetUserId(), role)
		if err != nil {
			return err
		}
		if err := mayGrant(p.Role, role); err != nil {
			return err
		}
		after = before
		after.Role = role
		if before.Role == role {
			return nil
		}
		if err := tx.SetMemberRole(ctx, p.OrganizationID, before.User.ID, role); err != nil {
			return err
		}
		return record(ctx, tx, "member.update", "member", before.User.ID, recordOfMember(before), recordOfMember(after))
	})
	if err != nil {
		return nil, fmt.Errorf("update member: %w", err)
	}
	return memberToProto(after), nil
}

// RemoveMember implements accountsv1.OrganizationsServiceServer. Keys that the member made belong to the organization and
// stay; its administrators see who made which.
func (s *Service) RemoveMember(ctx context.Context, req *accountsv1.RemoveMemberRequest) (*emptypb.Empty, error) {
	p := caller(ctx)
	err := s.store.Update(ctx, func(tx Tx) error {
		m, err := manageable(ctx, tx, p, req.GetUserId(), "")
		if err != nil {
			return err
		}
		if err := tx.DeleteMember(ctx, p.OrganizationID, m.User.ID); err != nil {
			return err
		}
		left, err := tx.Memberships(ctx, m.User.ID)
		if err != nil {
			return err
		}
		next := home(left)
		if err := tx.MoveSessions(ctx, m.User.ID, p.OrganizationID, next.Organization.ID); err != nil {
			return err
		}
		return record(ctx, tx, "member.remove", "member", m.User.ID, recordOfMember(m), nil)
	})
	if err != nil {
		return nil, fmt.Errorf("remove member: %w", err)
	}
	return &emptypb.Empty{}, answerHeader(ctx, httpCodeKey, "204")
}

// manageable returns the member if p may give them the role to, or remove them if to is "", and an owner is left afterwards.
func manageable(ctx context.Context, tx Tx, p identity.Principal, userID string, to identity.Role) (Member, error) {
	m, err := tx.Member(ctx, p.OrganizationID, userID)
	if err != nil {
		return Member{}, orNotFound(err, "member")
	}
	if err := mayManage(p.Role, m.Role); err != nil {
		return Member{}, err
	}
	owners, err := tx.CountMembers(ctx, p.OrganizationID, identity.RoleOwner)
	if err != nil {
		return Member{}, err
	}
	return m, mayLeaveOwners(m.Role, to, owners)
}
