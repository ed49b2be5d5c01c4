package accounts_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	accessv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/access/v1"
	accountsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/accounts/v1"
	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/rpc"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/accounts"
)

// The numbers behind the words in the table below.
const (
	public  = accessv1.Access_ACCESS_PUBLIC
	person  = accessv1.Access_ACCESS_USER
	viewer  = accessv1.Access_ACCESS_VIEWER
	admin   = accessv1.Access_ACCESS_ADMIN
	service = accessv1.Access_ACCESS_SERVICE
)

// guarded is what a method asks for, a request that succeeds if its caller is let in, and the code if that is not OK.
type guarded struct {
	access  accessv1.Access
	request func(m *matrix, p identity.Principal) proto.Message
	code    codes.Code
}

var methods = map[string]guarded{
	"IdentityService.ResolveSession": {service, func(m *matrix, _ identity.Principal) proto.Message {
		return &accountsv1.ResolveSessionRequest{Token: m.token}
	}, codes.OK},
	"IdentityService.ResolveApiKey": {service, func(m *matrix, _ identity.Principal) proto.Message {
		return &accountsv1.ResolveApiKeyRequest{Key: m.key}
	}, codes.OK},
	"AuthService.GetSetup": {public, just(&accountsv1.GetSetupRequest{}), codes.OK},
	"AuthService.CompleteSetup": {public, just(&accountsv1.CompleteSetupRequest{
		Token: "x", Email: "a@example.com", Password: "0123456789",
	}), codes.FailedPrecondition},
	"AuthService.Login": {public, func(m *matrix, _ identity.Principal) proto.Message {
		return &accountsv1.LoginRequest{Email: ownerEmail, Password: ownerPassword}
	}, codes.OK},
	"AuthService.Logout":     {person, just(&accountsv1.LogoutRequest{}), codes.OK},
	"AuthService.GetSession": {person, just(&accountsv1.GetSessionRequest{}), codes.OK},
	"AuthService.SetActiveOrganization": {person, func(m *matrix, p identity.Principal) proto.Message {
		return &accountsv1.SetActiveOrganizationRequest{OrganizationId: m.join(p.UserID)}
	}, codes.OK},
	"AuthService.ChangePassword": {person, just(&accountsv1.ChangePasswordRequest{ // no user of the matrix has a password
		CurrentPassword: "0123456789", NewPassword: "0123456789",
	}), codes.InvalidArgument},
	"AuthService.ListSessions": {person, just(&accountsv1.ListSessionsRequest{}), codes.OK},
	"AuthService.RevokeSession": {person, func(_ *matrix, p identity.Principal) proto.Message {
		return &accountsv1.RevokeSessionRequest{Id: orX(p.SessionID)}
	}, codes.OK},
	"OrganizationsService.ListOrganizations":  {person, just(&accountsv1.ListOrganizationsRequest{}), codes.OK},
	"OrganizationsService.CreateOrganization": {person, just(&accountsv1.CreateOrganizationRequest{Name: "New"}), codes.OK},
	"OrganizationsService.UpdateOrganization": {admin, func(_ *matrix, p identity.Principal) proto.Message {
		return &accountsv1.UpdateOrganizationRequest{Id: orX(p.OrganizationID), Name: "Renamed"}
	}, codes.OK},
	"OrganizationsService.ListMembers": {viewer, just(&accountsv1.ListMembersRequest{}), codes.OK},
	"OrganizationsService.AddMember": {admin, func(m *matrix, _ identity.Principal) proto.Message {
		u := m.user()
		return &accountsv1.AddMemberRequest{Email: u.Email, Role: accountsv1.Role_ROLE_VIEWER}
	}, codes.OK},
	"OrganizationsService.UpdateMember": {admin, func(m *matrix, _ identity.Principal) proto.Message {
		return &accountsv1.UpdateMemberRequest{UserId: m.memberOf(m.org, identity.RoleViewer), Role: accountsv1.Role_ROLE_EDITOR}
	}, codes.OK},
	"OrganizationsService.RemoveMember": {admin, func(m *matrix, _ identity.Principal) proto.Message {
		return &accountsv1.RemoveMemberRequest{UserId: m.memberOf(m.org, identity.RoleViewer)}
	}, codes.OK},
	"OrganizationsService.ListApiKeys": {admin, just(&accountsv1.ListApiKeysRequest{}), codes.OK},
	"OrganizationsService.CreateApiKey": {admin, just(&accountsv1.CreateApiKeyRequest{
		Name: "ci", Role: accountsv1.Role_ROLE_VIEWER,
	}), codes.OK},
	"OrganizationsService.RevokeApiKey": {admin, func(m *matrix, _ identity.Principal) proto.Message {
		return &accountsv1.RevokeApiKeyRequest{Id: m.keyOf(m.org, identity.RoleViewer).KeyID}
	}, codes.OK},
	"AuditService.ListAuditEntries": {admin, just(&auditv1.ListAuditEntriesRequest{}), codes.OK},
}

func just(req proto.Message) func(*matrix, identity.Principal) proto.Message {
	return func(*matrix, identity.Principal) proto.Message { return req }
}

// orX fills a field that must not be empty for callers who have nothing to put there.
func orX(s string) string {
	if s == "" {
		return "x"
	}
	return s
}

// matrix makes whatever a cell of the table needs, fresh, so that no cell disturbs another.
type matrix struct {
	*world
	org, other string // organizations
	token, key string
	n          int
}

func (m *matrix) update(fn func(ctx context.Context, tx accounts.Tx) error) {
	m.t.Helper()
	ctx := context.Background()
	if err := m.store.Update(ctx, func(tx accounts.Tx) error { return fn(ctx, tx) }); err != nil {
		m.t.Fatal(err)
	}
}

func (m *matrix) id() string {
	m.n++
	return fmt.Sprintf("01920000-0000-7000-8000-%012d", m.n)
}

var long = time.Now().UTC().Truncate(time.Millisecond)

// user has a password hash that no password fits.
func (m *matrix) user() accounts.User {
	m.t.Helper()
	id := m.id()
	u := accounts.User{ID: id, Email: "u" + id + "@example.com", CreatedAt: long, PasswordChangedAt: long}
	m.update(func(ctx context.Context, tx accounts.Tx) error { return tx.InsertUser(ctx, u) })
	return u
}

func (m *matrix) memberOf(org string, role identity.Role) string {
	m.t.Helper()
	u := m.user()
	m.update(func(ctx context.Context, tx accounts.Tx) error { return tx.InsertMember(ctx, org, u.ID, role, long) })
	return u.ID
}

// join makes a user a member of the other organization.
func (m *matrix) join(userID string) string {
	m.t.Helper()
	if userID != "" {
		m.update(func(ctx context.Context, tx accounts.Tx) error {
			if err := tx.InsertMember(ctx, m.other, userID, identity.RoleViewer, long); err != nil && !errors.Is(err, accounts.ErrExists) {
				return err
			}
			return nil
		})
	}
	return m.other
}

// session signs a user in.
func (m *matrix) session(userID, org string, role identity.Role) identity.Principal {
	m.t.Helper()
	s := accounts.Session{
		ID: m.id(), UserID: userID, OrganizationID: org, CreatedAt: long, LastUsedAt: long, ExpiresAt: long.Add(time.Hour),
	}
	m.update(func(ctx context.Context, tx accounts.Tx) error {
		return tx.InsertSession(ctx, s, sha256.Sum256([]byte(s.ID)))
	})
	return identity.Principal{
		Kind: identity.KindUser, UserID: userID, OrganizationID: org, Role: role, SessionID: s.ID, Name: "u", RemoteIP: "192.0.2.1",
	}
}

func (m *matrix) keyOf(org string, role identity.Role) identity.Principal {
	m.t.Helper()
	k := accounts.Key{ID: m.id(), OrganizationID: org, Name: "k", Role: role, Prefix: "upt_", CreatedBy: m.user().ID, CreatedAt: long}
	m.update(func(ctx context.Context, tx accounts.Tx) error {
		return tx.InsertKey(ctx, k, sha256.Sum256([]byte(k.ID)))
	})
	return identity.Principal{
		Kind: identity.KindAPIKey, UserID: k.CreatedBy, OrganizationID: org, Role: role, KeyID: k.ID, Name: "k", RemoteIP: "192.0.2.1",
	}
}

var ranks = []identity.Role{identity.RoleViewer, identity.RoleEditor, identity.RoleAdmin, identity.RoleOwner}

// callers are all sorts of caller.
func (m *matrix) callers() map[string]func() identity.Principal {
	all := map[string]func() identity.Principal{
		"nobody":  func() identity.Principal { return identity.Anonymous },
		"service": func() identity.Principal { return identity.Principal{Kind: identity.KindService, Name: "gateway"} },
		"user without organization": func() identity.Principal {
			return m.session(m.user().ID, "", "")
		},
	}
	for _, role := range ranks {
		all["user "+string(role)] = func() identity.Principal { return m.session(m.memberOf(m.org, role), m.org, role) }
		all["key "+string(role)] = func() identity.Principal { return m.keyOf(m.org, role) }
	}
	return all
}

// keyMay lists what any API key may do of that which any signed-in user may: a key acts for nobody's account.
var keyMay = map[string]bool{"AuthService.GetSession": true, "OrganizationsService.ListOrganizations": true}

// expected is who gets past the door, said in the contract's words and not by the code that guards it.
func expected(method, who string, a accessv1.Access) codes.Code {
	kind, role, _ := strings.Cut(who, " ")
	least := map[accessv1.Access]int{viewer: 0, accessv1.Access_ACCESS_EDITOR: 1, admin: 2, accessv1.Access_ACCESS_OWNER: 3}
	switch {
	case a == public, a == service && kind == "service", a == person && (kind == "user" || kind == "key" && keyMay[method]):
		return codes.OK
	case kind == "nobody":
		return codes.Unauthenticated
	}
	if need, ok := least[a]; ok {
		for rank, r := range ranks {
			if string(r) == role && rank >= need {
				return codes.OK
			}
		}
	}
	return codes.PermissionDenied
}

func TestEveryMethodForEveryCaller(t *testing.T) {
	w := newWorld(t)
	m := &matrix{world: w}
	s, token := w.login(ownerEmail, ownerPassword)
	m.org, m.token = s.GetOrganization().GetId(), token
	k, err := w.orgs.CreateApiKey(w.with(token), &accountsv1.CreateApiKeyRequest{Name: "k", Role: accountsv1.Role_ROLE_VIEWER})
	if err != nil {
		t.Fatal(err)
	}
	m.key, m.other = k.GetKey(), m.id()
	m.update(func(ctx context.Context, tx accounts.Tx) error {
		return tx.InsertOrganization(ctx, accounts.Organization{ID: m.other, Name: "Other", CreatedAt: long})
	})
	seen := 0
	for _, file := range []protoreflect.FileDescriptor{accountsv1.File_frogstats_uptime_accounts_v1_accounts_proto, auditv1.File_frogstats_uptime_audit_v1_audit_proto} {
		for i := range file.Services().Len() {
			for j := range file.Services().Get(i).Methods().Len() {
				seen++
				m.method(t, file.Services().Get(i).Methods().Get(j))
			}
		}
	}
	if seen != len(methods) {
		t.Errorf("the contract has %d methods, the table %d", seen, len(methods))
	}
}

// method tries one method as everybody.
func (m *matrix) method(t *testing.T, d protoreflect.MethodDescriptor) {
	name := string(d.Parent().Name()) + "." + string(d.Name())
	want, ok := methods[name]
	if !ok {
		t.Errorf("%s is not in the table", name)
		return
	}
	if got := proto.GetExtension(d.Options(), accessv1.E_Access); got != want.access {
		t.Errorf("%s: the contract says %v, the table %v", name, got, want.access)
	}
	answer, err := protoregistry.GlobalTypes.FindMessageByName(d.Output().FullName())
	if err != nil {
		t.Fatal(err)
	}
	full := fmt.Sprintf("/%s/%s", d.Parent().FullName(), d.Name())
	for who, caller := range m.callers() {
		t.Run(name+"/"+who, func(t *testing.T) {
			m.t = t
			p := caller()
			code := expected(name, who, want.access)
			if code == codes.OK {
				code = want.code
			}
			ctx := identity.NewContext(t.Context(), p)
			wantCode(t, full, m.conn.Invoke(ctx, full, want.request(m, p), answer.New().Interface()), code)
		})
	}
}

func TestEveryMethodSaysWhoMayCallIt(t *testing.T) {
	srv, err := rpc.NewServer(rpc.Config{
		Service: "accounts", Log: slog.New(slog.DiscardHandler), Signer: rpctest.Signer(t), Policy: rpc.PolicyByOption(accessv1.E_Access),
	})
	if err != nil {
		t.Fatal(err)
	}
	newWorld(t).service.Register(srv)
	if open := srv.Undeclared(); len(open) > 0 {
		t.Errorf("methods without an access: %v", open)
	}
}

// With a door that lets everybody in, a key must still not act on the account of the person who made it.
func TestKeyNeverActsOnItsMakersAccount(t *testing.T) {
	w := newWorld(t)
	s, _ := w.login(ownerEmail, ownerPassword)
	p := identity.Principal{
		Kind: identity.KindAPIKey, UserID: s.GetUser().GetId(), OrganizationID: s.GetOrganization().GetId(), Role: identity.RoleOwner,
		KeyID: "k", Name: "k", SessionID: s.GetId(), // even if one slipped in
	}
	ctx := identity.NewContext(t.Context(), p)
	for name, call := range map[string]func() error{
		"logout": func() error { _, err := w.service.Logout(ctx, &accountsv1.LogoutRequest{}); return err },
		"revoke session": func() error {
			_, err := w.service.RevokeSession(ctx, &accountsv1.RevokeSessionRequest{Id: s.GetId()})
			return err
		},
		"list sessions": func() error { _, err := w.service.ListSessions(ctx, &accountsv1.ListSessionsRequest{}); return err },
		"change password": func() error {
			_, err := w.service.ChangePassword(ctx, &accountsv1.ChangePasswordRequest{CurrentPassword: ownerPassword, NewPassword: "0123456789"})
			return err
		},
		"switch organization": func() error {
			_, err := w.service.SetActiveOrganization(ctx, &accountsv1.SetActiveOrganizationRequest{OrganizationId: p.OrganizationID})
			return err
		},
		"create organization": func() error {
			_, err := w.service.CreateOrganization(ctx, &accountsv1.CreateOrganizationRequest{Name: "x"})
			return err
		},
	} {
		wantFault(t, name, call(), codes.PermissionDenied)
	}
}
