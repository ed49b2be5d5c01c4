package accounts

import (
	"context"
	"errors"
	"fmt"
	"time"

	accountsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/accounts/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
)

// setupLife is how long a set-up link works; a restart prints a new one.
const setupLife = 24 * time.Hour

// maxSetupTokens is how many links work at a time. Each start makes one, also of a process that does not get far.
const maxSetupTokens = 100

var (
	errSetupDone  = fault.Precondition("set-up is complete; sign in instead").Because("SETUP_DONE")
	errSetupToken = fault.Denied("the set-up link is not valid or has expired; restart the server for a new one").Because("BAD_SETUP_TOKEN")
)

// GetSetup implements accountsv1.AuthServiceServer.
func (s *Service) GetSetup(ctx context.Context, _ *accountsv1.GetSetupRequest) (*accountsv1.GetSetupResponse, error) {
	exists, err := s.store.AnyUser(ctx)
	if err != nil {
		return nil, fmt.Errorf("get setup: %w", err)
	}
	return &accountsv1.GetSetupResponse{NeedsSetup: !exists}, nil
}

// CompleteSetup implements accountsv1.AuthServiceServer.
func (s *Service) CompleteSetup(ctx context.Context, req *accountsv1.CompleteSetupRequest) (*accountsv1.Session, error) {
	token := hashSecret(req.GetToken())
	// Looked at before the password is hashed, so that strangers cannot make us work; and again inside the transaction.
	if err := mayComplete(ctx, s.store, token); err != nil {
		return nil, fmt.Errorf("complete setup: %w", err)
	}
	first, err := s.firstOwner(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("complete setup: %w", err)
	}
	var in SignedIn
	session := newToken()
	err = s.store.Update(ctx, func(tx Tx) error {
		if err := mayComplete(ctx, tx, token); err != nil {
			return err
		}
		if err := tx.DeleteSetupTokens(ctx); err != nil {
			return err
		}
		actor := identity.NewContext(ctx, identity.Principal{
			Kind: identity.KindUser, UserID: first.user.ID, OrganizationID: first.organization.ID, Role: identity.RoleOwner,
			Name: first.user.Email, RemoteIP: remoteIP(ctx),
		})
		if err := first.insert(actor, tx); err != nil {
			return err
		}
		in, err = beginSession(ctx, tx, first.user, session)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("complete setup: %w", err)
	}
	if err := answerSession(ctx, session, in.Session.ExpiresAt); err != nil {
		return nil, err
	}
	return sessionToProto(in, in.Session.ID), nil
}

func (s *Service) firstOwner(ctx context.Context, req *accountsv1.CompleteSetupRequest) (founding, error) {
	name, err := optionalName("name", req.GetName())
	if err != nil {
		return founding{}, err
	}
	organization, err := optionalName("organization_name", req.GetOrganizationName())
	if err != nil {
		return founding{}, err
	}
	hash, err := s.hasher.Hash(ctx, req.GetPassword())
	if err != nil {
		return founding{}, err
	}
	return newFounding(NormalEmail(req.GetEmail()), name, hash, organization), nil
}

// mayComplete refuses set-up when it is done already, or with a token that is none. It asks for the token first: whoever
// completes set-up takes all tokens away, and then there is a user to be seen.
func mayComplete(ctx context.Context, r Reads, token SecretHash) error {
	expires, err := r.SetupTokenExpiry(ctx, token)
	known := err == nil
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	exists, err := r.AnyUser(ctx)
	switch {
	case err != nil:
		return err
	case exists:
		return errSetupDone
	case !known || !now().Before(expires):
		return errSetupToken
	}
	return nil
}

// founding is a first user with the organization they own.
type founding struct {
	user         User
	organization Organization
}

// newFounding calls the organization DefaultOrganizationName if its name is empty.
func newFounding(email, name, passwordHash, organizationName string) founding {
	if organizationName == "" {
		organizationName = DefaultOrganizationName
	}
	at := now()
	return founding{
		user:         User{ID: newID(), Email: email, Name: name, PasswordHash: passwordHash, CreatedAt: at, PasswordChangedAt: at},
		organization: Organization{ID: newID(), Name: organizationName, CreatedAt: at},
	}
}

// insert stores both, with the rows that say so under the principal of ctx.
func (f founding) insert(ctx context.Context, tx Tx) error {
	if err := tx.InsertUser(ctx, f.user); err != nil {
		return err
	}
	if err := record(ctx, tx, "user.create", "user", f.user.ID, nil, recordOfUser(f.user)); err != nil {
		return err
	}
	return found(ctx, tx, f.organization, f.user)
}

// found stores an organization with its first owner.
func found(ctx context.Context, tx Tx, o Organization, owner User) error {
	if err := tx.InsertOrganization(ctx, o); err != nil {
		return err
	}
	if err := record(ctx, tx, "organization.create", "organization", o.ID, nil, recordOfOrganization(o)); err != nil {
		return err
	}
	if err := tx.InsertMember(ctx, o.ID, owner.ID, identity.RoleOwner, o.CreatedAt); err != nil {
		return err
	}
	m := Member{User: owner, Role: identity.RoleOwner}
	return record(ctx, tx, "member.add", "member", owner.ID, nil, recordOfMember(m))
}
