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

// Logout implements accountsv1.AuthServiceServer. A session that has ended meanwhile is what was asked for.
func (s *Service) Logout(ctx context.Context, _ *accountsv1.LogoutRequest) (*emptypb.Empty, error) {
	p, err := signedIn(ctx)
	if err != nil {
		return nil, err
	}
	err = s.endSession(ctx, p, p.SessionID, "session.logout")
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("logout: %w", err)
	}
	return &emptypb.Empty{}, answerHeader(ctx, httpCodeKey, "204", sessionClearKey, "1")
}

// RevokeSession implements accountsv1.AuthServiceServer.
func (s *Service) RevokeSession(ctx context.Context, req *accountsv1.RevokeSessionRequest) (*emptypb.Empty, error) {
	p, err := signedIn(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.endSession(ctx, p, req.GetId(), "session.revoke"); err != nil {
		return nil, fmt.Errorf("revoke session: %w", orNotFound(err, "session"))
	}
	if req.GetId() == p.SessionID {
		return &emptypb.Empty{}, answerHeader(ctx, httpCodeKey, "204", sessionClearKey, "1")
	}
	return &emptypb.Empty{}, answerHeader(ctx, httpCodeKey, "204")
}

func (s *Service) endSession(ctx context.Context, p identity.Principal, id, action string) error {
	return s.store.Update(ctx, func(tx Tx) error {
		in, err := tx.Session(ctx, p.UserID, id)
		if err != nil {
			return err
		}
		if err := tx.DeleteSession(ctx, p.UserID, id); err != nil {
			return err
		}
		return record(ctx, tx, action, "session", id, recordOfSession(in.Session), nil)
	})
}

// GetSession implements accountsv1.AuthServiceServer.
func (s *Service) GetSession(ctx context.Context, _ *accountsv1.GetSessionRequest) (*accountsv1.Session, error) {
	p := caller(ctx)
	if p.Kind == identity.KindAPIKey {
		return s.keySession(ctx, p)
	}
	in, err := s.store.Session(ctx, p.UserID, p.SessionID)
	if errors.Is(err, ErrNotFound) {
		return nil, errSessionEnded
	}
	if err != nil {
		return nil, fmt.Errorf("get session: %w", err)
	}
	return sessionToProto(in, p.SessionID), nil
}

// keySession tells a program who its key is.
func (s *Service) keySession(ctx context.Context, p identity.Principal) (*accountsv1.Session, error) {
	k, err := s.store.Key(ctx, p.OrganizationID, p.KeyID)
	if errors.Is(err, ErrNotFound) {
		return nil, errBadKey
	}
	if err != nil {
		return nil, fmt.Errorf("get session: %w", err)
	}
	u, err := s.store.User(ctx, k.CreatedBy)
	if err != nil {
		return nil, fmt.Errorf("get session: %w", err)
	}
	o, err := s.store.Organization(ctx, k.OrganizationID)
	if err != nil {
		return nil, fmt.Errorf("get session: %w", err)
	}
	return &accountsv1.Session{
		User: userToProto(u), Organization: organizationToProto(o, k.Role), CreatedAt: timeToProto(k.CreatedAt),
		ExpiresAt: timeToProto(k.ExpiresAt), LastUsedAt: timeToProto(k.LastUsedAt), Current: true,
	}, nil
}

// ListSessions implements accountsv1.AuthServiceServer.
func (s *Service) ListSessions(ctx context.Context, _ *accountsv1.ListSessionsRequest) (*accountsv1.ListSessionsResponse, error) {
	p, err := signedIn(ctx)
	if err != nil {
		return nil, err
	}
	all, err := s.store.Sessions(ctx, p.UserID)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	out, at := &accountsv1.ListSessionsResponse{}, now()
	for _, in := range all {
		if in.Session.live(at) {
			out.Sessions = append(out.Sessions, sessionToProto(in, p.SessionID))
		}
	}
	return out, nil
}

// SetActiveOrganization implements accountsv1.AuthServiceServer.
func (s *Service) SetActiveOrganization(ctx context.Context, req *accountsv1.SetActiveOrganizationRequest) (*accountsv1.Session, error) {
	p, err := signedIn(ctx)
	if err != nil {
		return nil, err
	}
	var after SignedIn
	err = s.store.Update(ctx, func(tx Tx) error {
		if _, err := tx.Member(ctx, req.GetOrganizationId(), p.UserID); err != nil {
			return orNotFound(err, "organization")
		}
		before, err := tx.Session(ctx, p.UserID, p.SessionID)
		if errors.Is(err, ErrNotFound) {
			return errSessionEnded
		}
		if err != nil {
			return err
		}
		if err := tx.SetSessionOrganization(ctx, p.SessionID, req.GetOrganizationId()); err != nil {
			return err
		}
		if after, err = tx.Session(ctx, p.UserID, p.SessionID); err != nil {
			return err
		}
		return record(actingIn(ctx, req.GetOrganizationId()), tx, "session.switch_organization", "session", p.SessionID,
			recordOfSession(before.Session), recordOfSession(after.Session))
	})
	if err != nil {
		return nil, fmt.Errorf("set active organization: %w", err)
	}
	return sessionToProto(after, p.SessionID), nil
}

// ChangePassword implements accountsv1.AuthServiceServer. The current password is asked for, and attempts are counted, so
// that a session left open somewhere does not become the account.
func (s *Service) ChangePassword(ctx context.Context, req *accountsv1.ChangePasswordRequest) (*emptypb.Empty, error) {
	p, err := signedIn(ctx)
	if err != nil {
		return nil, err
	}
	who := attempterOf(p.RemoteIP, "user "+p.UserID)
	if err := s.attempt(who); err != nil {
		return nil, err
	}
	u, err := s.store.User(ctx, p.UserID)
	if err != nil {
		return nil, fmt.Errorf("change password: %w", err)
	}
	ok, _, err := s.hasher.Verify(ctx, u.PasswordHash, req.GetCurrentPassword())
	if err != nil {
		return nil, fmt.Errorf("change password: %w", err)
	}
	if !ok {
		return nil, s.refusePasswordChange(ctx, u)
	}
	s.attempts.forgive(who)
	hash, err := s.hasher.Hash(ctx, req.GetNewPassword())
	if err != nil {
		return nil, fmt.Errorf("change password: %w", err)
	}
	if err := s.changePassword(ctx, p, u, hash); err != nil {
		return nil, fmt.Errorf("change password: %w", err)
	}
	return &emptypb.Empty{}, answerHeader(ctx, httpCodeKey, "204")
}

func (s *Service) refusePasswordChange(ctx context.Context, u User) error {
	err := s.store.Update(ctx, func(tx Tx) error {
		return record(ctx, tx, "user.password_change_failed", "user", u.ID, nil, nil)
	})
	if err != nil {
		return fmt.Errorf("change password: %w", err)
	}
	return badField("current_password", "is wrong")
}

func (s *Service) changePassword(ctx context.Context, p identity.Principal, u User, hash string) error {
	return s.store.Update(ctx, func(tx Tx) error {
		fresh, err := tx.User(ctx, u.ID)
		if err != nil {
			return err
		}
		if fresh.PasswordHash != u.PasswordHash {
			return fault.Aborted("the password was changed by somebody else at the same time")
		}
		at := now()
		if err := tx.SetPassword(ctx, u.ID, hash, at); err != nil {
			return err
		}
		ended, err := tx.DeleteOtherSessions(ctx, u.ID, p.SessionID)
		if err != nil {
			return err
		}
		return record(ctx, tx, "user.password_change", "user", u.ID,
			passwordRecord{ChangedAt: u.PasswordChangedAt}, passwordRecord{ChangedAt: at, SessionsEnded: ended})
	})
}
