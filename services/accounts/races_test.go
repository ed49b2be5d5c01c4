package accounts_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	accountsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/accounts/v1"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/accounts"
)

// meddling is the real store in which something happens between two steps of a request.
type meddling struct {
	accounts.Store
	afterUser func(u accounts.User)
	touch     error
}

func (m meddling) UserByEmail(ctx context.Context, email string) (accounts.User, error) {
	u, err := m.Store.UserByEmail(ctx, email)
	m.afterUser(u)
	return u, err
}

func (m meddling) User(ctx context.Context, id string) (accounts.User, error) {
	u, err := m.Store.User(ctx, id)
	m.afterUser(u)
	return u, err
}

func (m meddling) TouchSession(context.Context, string, time.Time) error { return m.touch }

func (m meddling) TouchKey(context.Context, string, time.Time) error { return m.touch }

// meddle serves the world's store through another service.
func (w *world) meddle(m meddling) *accounts.Service {
	m.Store = w.store
	return accounts.New(accounts.Deps{Store: m, Log: slog.New(slog.NewTextHandler(w.log, nil)), Passwords: cheap})
}

// changesPassword puts another hash in place as soon as the old one has been read.
func (w *world) changesPassword() meddling {
	return meddling{afterUser: func(u accounts.User) {
		err := w.store.Update(context.Background(), func(tx accounts.Tx) error {
			return tx.SetPassword(context.Background(), u.ID, "changed meanwhile", u.PasswordChangedAt)
		})
		if err != nil {
			w.t.Errorf("change password: %v", err)
		}
	}}
}

func TestPasswordThatIsChangedDuringLoginDoesNotSignIn(t *testing.T) {
	w := newWorld(t)
	auth := accountsv1.NewAuthServiceClient(rpctest.Conn(t, "accounts", w.meddle(w.changesPassword()).Register, policy()))
	_, err := auth.Login(stranger("192.0.2.1"), &accountsv1.LoginRequest{Email: ownerEmail, Password: ownerPassword})
	wantCode(t, "login", err, codes.Unauthenticated)
	u, err := w.store.UserByEmail(t.Context(), ownerEmail)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := w.store.Sessions(t.Context(), u.ID); err != nil || len(all) != 0 {
		t.Errorf("sessions: %v, %v", all, err)
	}
}

func TestPasswordThatIsChangedTwiceAtOnceChangesOnce(t *testing.T) {
	w := newWorld(t)
	ctx := w.owner()
	auth := accountsv1.NewAuthServiceClient(rpctest.Conn(t, "accounts", w.meddle(w.changesPassword()).Register, policy()))
	_, err := auth.ChangePassword(ctx, &accountsv1.ChangePasswordRequest{CurrentPassword: ownerPassword, NewPassword: "new password"})
	wantCode(t, "change password", err, codes.Aborted)
	u, err := w.store.UserByEmail(t.Context(), ownerEmail)
	if err != nil || u.PasswordHash != "changed meanwhile" {
		t.Errorf("the later change won: %v", err)
	}
}

func TestUserWhoAppearsWhileBeingAddedKeepsTheirPassword(t *testing.T) {
	w := newWorld(t)
	ctx := w.owner()
	own := accounts.User{ID: "01920000-0000-7000-8000-000000000001", Email: "toad@example.com", PasswordHash: "own", CreatedAt: long, PasswordChangedAt: long}
	orgs := accountsv1.NewOrganizationsServiceClient(rpctest.Conn(t, "accounts", w.meddle(meddling{afterUser: func(accounts.User) {
		if err := w.store.Update(t.Context(), func(tx accounts.Tx) error { return tx.InsertUser(t.Context(), own) }); err != nil {
			t.Errorf("insert user: %v", err)
		}
	}}).Register, policy()))
	password := toadPassword
	_, err := orgs.AddMember(ctx, &accountsv1.AddMemberRequest{Email: own.Email, Role: accountsv1.Role_ROLE_VIEWER, Password: &password})
	wantField(t, "add member", err, "password")
	if u, err := w.store.UserByEmail(t.Context(), own.Email); err != nil || u != own {
		t.Errorf("user is %+v, %v", u, err)
	}
}

func TestUseThatCannotBeNotedLocksNobodyOut(t *testing.T) {
	w := newWorld(t)
	s, token := w.login(ownerEmail, ownerPassword)
	k, err := w.orgs.CreateApiKey(w.with(token), &accountsv1.CreateApiKeyRequest{Name: "k", Role: accountsv1.Role_ROLE_VIEWER})
	if err != nil {
		t.Fatal(err)
	}
	// Sign in long ago, so that the use is due to be noted.
	old := accounts.Session{
		ID: "01920000-0000-7000-8000-000000000001", UserID: s.GetUser().GetId(), CreatedAt: long.Add(-time.Hour),
		LastUsedAt: long.Add(-time.Hour), ExpiresAt: long.Add(time.Hour),
	}
	err = w.store.Update(t.Context(), func(tx accounts.Tx) error {
		if err := tx.DeleteSession(t.Context(), s.GetUser().GetId(), s.GetId()); err != nil {
			return err
		}
		return tx.InsertSession(t.Context(), old, sha256.Sum256([]byte(token)))
	})
	if err != nil {
		t.Fatal(err)
	}
	service := w.meddle(meddling{touch: errors.New("the disk is full")})
	if p, err := service.ResolveSession(t.Context(), &accountsv1.ResolveSessionRequest{Token: token}); err != nil || p.GetSessionId() != old.ID {
		t.Errorf("session: %v, %v", p, err)
	}
	if p, err := service.ResolveApiKey(t.Context(), &accountsv1.ResolveApiKeyRequest{Key: k.GetKey()}); err != nil || p.GetKeyId() != k.GetId() {
		t.Errorf("key: %v, %v", p, err)
	}
	if n := strings.Count(w.log.String(), "the disk is full"); n != 2 {
		t.Errorf("the log mentions it %d times, want 2", n)
	}
}
