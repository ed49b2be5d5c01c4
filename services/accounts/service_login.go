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

// errCredentials is the one answer to a wrong password and to an unknown e-mail, so that nobody learns who has an account.
var errCredentials = fault.Unauthenticated("e-mail or password is wrong").Because("BAD_CREDENTIALS")

// refusalStep is what the time of a refused sign-in is rounded up to. Noting it for an account that exists waits for the disk,
// and nobody shall measure whether that happened.
const refusalStep = 100 * time.Millisecond

// Login implements accountsv1.AuthServiceServer.
func (s *Service) Login(ctx context.Context, req *accountsv1.LoginRequest) (*accountsv1.Session, error) {
	start := time.Now()
	email, ip := NormalEmail(req.GetEmail()), remoteIP(ctx)
	who := attempterOf(ip, email)
	if err := s.attempt(who); err != nil {
		return nil, err
	}
	u, err := s.store.UserByEmail(ctx, email)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("login: %w", err)
	}
	// For nobody the hash is empty, and checking it takes as long.
	ok, stale, err := s.hasher.Verify(ctx, u.PasswordHash, req.GetPassword())
	if err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	if !ok {
		err := s.refuseLogin(ctx, u, ip)
		roundUp(ctx, start)
		return nil, err
	}
	replaced := ""
	if stale {
		if replaced, err = s.hasher.Hash(ctx, req.GetPassword()); err != nil {
			return nil, fmt.Errorf("login: %w", err)
		}
	}
	in, token, err := s.login(ctx, u, replaced)
	if err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	s.attempts.forgive(who)
	if err := answerSession(ctx, token, in.Session.ExpiresAt); err != nil {
		return nil, err
	}
	return sessionToProto(in, in.Session.ID), nil
}

// roundUp waits until whole steps have passed since start.
func roundUp(ctx context.Context, start time.Time) {
	t := time.NewTimer(refusalStep - time.Since(start)%refusalStep)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// attempt counts one password attempt and refuses it when there were too many.
func (s *Service) attempt(who attempter) error {
	if wait := s.attempts.take(who); wait > 0 {
		return fault.Exhausted("too many attempts; wait a little").Because("TOO_MANY_ATTEMPTS").After(wait)
	}
	return nil
}

// refuseLogin notes the wrong password in the account's audit log. There is none for an unknown e-mail, and the e-mail itself
// is not written anywhere: it may be a password in the wrong field.
func (s *Service) refuseLogin(ctx context.Context, u User, ip string) error {
	s.log.InfoContext(ctx, "login refused", "user_id", u.ID, "ip", ip)
	if u.ID == "" {
		return errCredentials
	}
	err := s.store.Update(ctx, func(tx Tx) error {
		all, err := tx.Memberships(ctx, u.ID)
		if err != nil {
			return err
		}
		at := home(all)
		// Nobody is signed in, so the row has no actor; it tells to whom it happened, and from where.
		nobody := identity.NewContext(ctx, identity.Principal{OrganizationID: at.Organization.ID, RemoteIP: ip})
		return record(nobody, tx, "session.login_failed", "user", u.ID, nil, recordOfUser(u))
	})
	if err != nil {
		return fmt.Errorf("login: %w", err)
	}
	return errCredentials
}

// login begins a session for u, whose password was right, and stores newHash in place of the old unless it is empty.
func (s *Service) login(ctx context.Context, u User, newHash string) (in SignedIn, token string, err error) {
	token = newToken() // always a new one: what the client brought along may be known to somebody else
	err = s.store.Update(ctx, func(tx Tx) error {
		fresh, err := tx.User(ctx, u.ID)
		if err != nil {
			return err
		}
		if fresh.PasswordHash != u.PasswordHash { // changed since we looked; the password given may be the old one
			return errCredentials
		}
		if newHash != "" {
			if err := tx.SetPassword(ctx, u.ID, newHash, u.PasswordChangedAt); err != nil {
				return err
			}
		}
		if err := endPrevious(ctx, tx); err != nil {
			return err
		}
		in, err = beginSession(ctx, tx, u, token)
		return err
	})
	return in, token, err
}

// endPrevious ends the session with which the client signs in anew.
func endPrevious(ctx context.Context, tx Tx) error {
	p := caller(ctx)
	if p.Kind != identity.KindUser || p.SessionID == "" {
		return nil
	}
	old, err := tx.Session(ctx, p.UserID, p.SessionID)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := tx.DeleteSession(ctx, p.UserID, p.SessionID); err != nil {
		return err
	}
	return record(ctx, tx, "session.revoke", "session", p.SessionID, recordOfSession(old.Session), nil)
}

// beginSession stores a session of u in its home organization, and the audit row that says so.
func beginSession(ctx context.Context, tx Tx, u User, token string) (SignedIn, error) {
	all, err := tx.Memberships(ctx, u.ID)
	if err != nil {
		return SignedIn{}, err
	}
	m := home(all)
	at := now()
	in := SignedIn{
		Session: Session{
			ID: newID(), UserID: u.ID, OrganizationID: m.Organization.ID, CreatedAt: at, LastUsedAt: at,
			ExpiresAt: at.Add(sessionLife), IP: remoteIP(ctx), UserAgent: userAgent(ctx),
		},
		User: u, Organization: m.Organization, Role: m.Role,
	}
	if err := tx.InsertSession(ctx, in.Session, hashSecret(token)); err != nil {
		return SignedIn{}, err
	}
	if err := tx.TrimSessions(ctx, u.ID, at, at.Add(-sessionIdle), maxSessions); err != nil {
		return SignedIn{}, err
	}
	p := sessionPrincipal(in)
	p.RemoteIP = in.Session.IP
	return in, record(identity.NewContext(ctx, p), tx, "session.login", "session", in.Session.ID, nil, recordOfSession(in.Session))
}
