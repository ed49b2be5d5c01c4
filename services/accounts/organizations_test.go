package accounts_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	accountsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/accounts/v1"
	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/accounts"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const toadPassword = "toad's password"

func TestMemberRoleChangesAtOnce(t *testing.T) {
	w := newWorld(t)
	owner := w.owner()
	toad := w.member(owner, "Toad@Example.com", toadPassword, accountsv1.Role_ROLE_ADMIN)
	if toad.GetUser().GetEmail() != "toad@example.com" {
		t.Errorf("member is %v", toad)
	}
	_, token := w.login("toad@example.com", toadPassword)
	role := func() accountsv1.Role {
		p, err := w.resolve(token)
		if err != nil {
			t.Fatal(err)
		}
		return p.GetRole()
	}
	if got := role(); got != accountsv1.Role_ROLE_ADMIN {
		t.Errorf("role is %v", got)
	}
	id := toad.GetUser().GetId()
	m, err := w.orgs.UpdateMember(owner, &accountsv1.UpdateMemberRequest{UserId: id, Role: accountsv1.Role_ROLE_VIEWER})
	if err != nil || m.GetRole() != accountsv1.Role_ROLE_VIEWER {
		t.Fatalf("update member: %v, %v", m, err)
	}
	if got := role(); got != accountsv1.Role_ROLE_VIEWER {
		t.Errorf("after the change the role is %v", got)
	}
	var head metadata.MD
	if _, err := w.orgs.RemoveMember(owner, &accountsv1.RemoveMemberRequest{UserId: id}, grpc.Header(&head)); err != nil {
		t.Fatal(err)
	}
	if only(t, head, "x-http-code") != "204" {
		t.Errorf("header: %v", head)
	}
	p, err := w.resolve(token)
	if err != nil || p.GetOrganizationId() != "" || p.GetRole() != accountsv1.Role_ROLE_UNSPECIFIED {
		t.Errorf("after removal: %v, %v", p, err)
	}
	_, err = w.orgs.ListMembers(as(p), &accountsv1.ListMembersRequest{})
	wantCode(t, "list members after removal", err, codes.PermissionDenied)
	s, err := w.auth.GetSession(as(p), &accountsv1.GetSessionRequest{})
	if err != nil || s.GetOrganization() != nil {
		t.Errorf("session after removal: %v, %v", s, err)
	}
}

func TestRemovedMemberFallsBackToAnotherOrganization(t *testing.T) {
	w := newWorld(t)
	owner := w.owner()
	toad := w.member(owner, "toad@example.com", toadPassword, accountsv1.Role_ROLE_VIEWER)
	_, token := w.login("toad@example.com", toadPassword)
	own, err := w.orgs.CreateOrganization(w.with(token), &accountsv1.CreateOrganizationRequest{Name: "Toads"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.orgs.RemoveMember(owner, &accountsv1.RemoveMemberRequest{UserId: toad.GetUser().GetId()}); err != nil {
		t.Fatal(err)
	}
	p, err := w.resolve(token)
	if err != nil || p.GetOrganizationId() != own.GetId() || p.GetRole() != accountsv1.Role_ROLE_OWNER {
		t.Errorf("principal is %v, %v", p, err)
	}
}

func TestAddMember(t *testing.T) {
	w := newWorld(t)
	owner := w.owner()
	var head metadata.MD
	password := toadPassword
	add := func(ctx context.Context, req *accountsv1.AddMemberRequest) error {
		_, err := w.orgs.AddMember(ctx, req, grpc.Header(&head))
		return err
	}
	err := add(owner, &accountsv1.AddMemberRequest{Email: "toad@example.com", Role: accountsv1.Role_ROLE_VIEWER})
	wantField(t, "new user without a password", err, "password")
	if err := add(owner, &accountsv1.AddMemberRequest{Email: "toad@example.com", Role: accountsv1.Role_ROLE_VIEWER, Password: &password, Name: " Toad "}); err != nil {
		t.Fatal(err)
	}
	if only(t, head, "x-http-code") != "201" {
		t.Errorf("header: %v", head)
	}
	err = add(owner, &accountsv1.AddMemberRequest{Email: "toad@example.com", Role: accountsv1.Role_ROLE_VIEWER})
	wantCode(t, "member already", err, codes.AlreadyExists)

	_, token := w.login("toad@example.com", toadPassword)
	ctx := w.with(token)
	toads, err := w.orgs.CreateOrganization(ctx, &accountsv1.CreateOrganizationRequest{Name: "Toads"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.auth.SetActiveOrganization(ctx, &accountsv1.SetActiveOrganizationRequest{OrganizationId: toads.GetId()}); err != nil {
		t.Fatal(err)
	}
	ctx = w.with(token)
	other := "another password"
	err = add(ctx, &accountsv1.AddMemberRequest{Email: ownerEmail, Role: accountsv1.Role_ROLE_VIEWER, Password: &other})
	wantField(t, "password for a user who exists", err, "password")
	if err := add(ctx, &accountsv1.AddMemberRequest{Email: ownerEmail, Role: accountsv1.Role_ROLE_VIEWER}); err != nil {
		t.Fatal(err)
	}
	w.login(ownerEmail, ownerPassword) // still the own password
	for name, req := range map[string]*accountsv1.AddMemberRequest{
		"email": {Email: "toad", Role: accountsv1.Role_ROLE_VIEWER},
		"role":  {Email: "frog@example.com", Role: accountsv1.Role(9)},
		"name":  {Email: "frog@example.com", Role: accountsv1.Role_ROLE_VIEWER, Name: "a\x1b[31m"},
	} {
		wantField(t, "bad "+name, add(ctx, req), name)
	}
	list, err := w.orgs.ListMembers(ctx, &accountsv1.ListMembersRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range list.GetMembers() {
		got = append(got, m.GetUser().GetEmail()+" "+m.GetUser().GetName()+" "+m.GetRole().String())
	}
	if diff := cmp.Diff([]string{"owner@example.com  ROLE_VIEWER", "toad@example.com Toad ROLE_OWNER"}, got); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

func wantField(t *testing.T, what string, err error, field string) {
	t.Helper()
	wantCode(t, what, err, codes.InvalidArgument)
	for _, f := range fault.FromStatus(status.Convert(err)).Fields {
		if f.Name == field {
			return
		}
	}
	t.Errorf("%s: %v does not name the field %s", what, status.Convert(err).Proto(), field)
}

func TestNobodyGrantsOrTouchesARoleAboveTheOwn(t *testing.T) {
	w := newWorld(t)
	owner := w.owner()
	me, err := w.auth.GetSession(owner, &accountsv1.GetSessionRequest{})
	if err != nil {
		t.Fatal(err)
	}
	second := w.member(owner, "second@example.com", "second's password", accountsv1.Role_ROLE_OWNER)
	viewer := w.member(owner, "viewer@example.com", "viewer's password", accountsv1.Role_ROLE_VIEWER)
	w.member(owner, "admin@example.com", "admin's password", accountsv1.Role_ROLE_ADMIN)
	_, token := w.login("admin@example.com", "admin's password")
	ctx := w.with(token)
	password := "0123456789"
	for name, call := range map[string]func() error{
		"add an owner": func() error {
			_, err := w.orgs.AddMember(ctx, &accountsv1.AddMemberRequest{Email: "new@example.com", Password: &password, Role: accountsv1.Role_ROLE_OWNER})
			return err
		},
		"make a viewer owner": func() error {
			_, err := w.orgs.UpdateMember(ctx, &accountsv1.UpdateMemberRequest{UserId: viewer.GetUser().GetId(), Role: accountsv1.Role_ROLE_OWNER})
			return err
		},
		"demote an owner": func() error {
			_, err := w.orgs.UpdateMember(ctx, &accountsv1.UpdateMemberRequest{UserId: second.GetUser().GetId(), Role: accountsv1.Role_ROLE_VIEWER})
			return err
		},
		"remove an owner": func() error {
			_, err := w.orgs.RemoveMember(ctx, &accountsv1.RemoveMemberRequest{UserId: second.GetUser().GetId()})
			return err
		},
		"make an owner's key": func() error {
			_, err := w.orgs.CreateApiKey(ctx, &accountsv1.CreateApiKeyRequest{Name: "k", Role: accountsv1.Role_ROLE_OWNER})
			return err
		},
	} {
		before := len(w.actions(me.GetOrganization().GetId()))
		wantCode(t, name, call(), codes.PermissionDenied)
		if after := len(w.actions(me.GetOrganization().GetId())); after != before {
			t.Errorf("%s: %d audit rows for a refusal", name, after-before)
		}
	}
	if _, err := w.store.UserByEmail(t.Context(), "new@example.com"); err == nil {
		t.Error("a refused AddMember made the user")
	}
}

func TestLastOwnerCannotLeave(t *testing.T) {
	w := newWorld(t)
	owner := w.owner()
	me, err := w.auth.GetSession(owner, &accountsv1.GetSessionRequest{})
	if err != nil {
		t.Fatal(err)
	}
	id := me.GetUser().GetId()
	_, err = w.orgs.UpdateMember(owner, &accountsv1.UpdateMemberRequest{UserId: id, Role: accountsv1.Role_ROLE_ADMIN})
	wantCode(t, "demote the last owner", err, codes.FailedPrecondition)
	_, err = w.orgs.RemoveMember(owner, &accountsv1.RemoveMemberRequest{UserId: id})
	wantCode(t, "remove the last owner", err, codes.FailedPrecondition)

	// Two owners demote each other at the same time: one must stay.
	for i := range 5 {
		second := w.member(owner, "second"+string(rune('0'+i))+"@example.com", "second's password", accountsv1.Role_ROLE_OWNER)
		var group sync.WaitGroup
		for _, userID := range []string{id, second.GetUser().GetId()} {
			group.Go(func() {
				_, err := w.orgs.UpdateMember(owner, &accountsv1.UpdateMemberRequest{UserId: userID, Role: accountsv1.Role_ROLE_VIEWER})
				if c := status.Code(err); c != codes.OK && c != codes.FailedPrecondition {
					t.Errorf("demote: %v", err)
				}
			})
		}
		group.Wait()
		n, err := w.store.CountMembers(t.Context(), me.GetOrganization().GetId(), "owner")
		if err != nil || n != 1 {
			t.Fatalf("%d owners are left, %v", n, err)
		}
		// Whoever is left, the next round begins with the first as owner again; the principal of owner still says so.
		if _, err := w.orgs.UpdateMember(owner, &accountsv1.UpdateMemberRequest{UserId: id, Role: accountsv1.Role_ROLE_OWNER}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.orgs.UpdateMember(owner, &accountsv1.UpdateMemberRequest{UserId: second.GetUser().GetId(), Role: accountsv1.Role_ROLE_VIEWER}); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever belongs to another organization does not exist, for an owner of one's own neither.
func TestAnotherOrganizationsObjectsAreNotFound(t *testing.T) {
	w := newWorld(t)
	s, token := w.login(ownerEmail, ownerPassword)
	owner := w.with(token)
	inside := w.member(owner, "inside@example.com", "inside's password", accountsv1.Role_ROLE_VIEWER)
	key, err := w.orgs.CreateApiKey(owner, &accountsv1.CreateApiKeyRequest{Name: "k", Role: accountsv1.Role_ROLE_VIEWER})
	if err != nil {
		t.Fatal(err)
	}
	w.member(owner, "toad@example.com", toadPassword, accountsv1.Role_ROLE_VIEWER)
	_, toadToken := w.login("toad@example.com", toadPassword)
	toads, err := w.orgs.CreateOrganization(w.with(toadToken), &accountsv1.CreateOrganizationRequest{Name: "Toads"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.auth.SetActiveOrganization(w.with(toadToken), &accountsv1.SetActiveOrganizationRequest{OrganizationId: toads.GetId()}); err != nil {
		t.Fatal(err)
	}
	toad := w.with(toadToken) // owner of Toads
	for name, call := range map[string]func() error{
		"rename it": func() error {
			_, err := w.orgs.UpdateOrganization(toad, &accountsv1.UpdateOrganizationRequest{Id: s.GetOrganization().GetId(), Name: "Mine"})
			return err
		},
		"rename nothing": func() error {
			_, err := w.orgs.UpdateOrganization(toad, &accountsv1.UpdateOrganizationRequest{Id: "x", Name: "Mine"})
			return err
		},
		"change its member": func() error {
			_, err := w.orgs.UpdateMember(toad, &accountsv1.UpdateMemberRequest{UserId: inside.GetUser().GetId(), Role: accountsv1.Role_ROLE_OWNER})
			return err
		},
		"remove its member": func() error {
			_, err := w.orgs.RemoveMember(toad, &accountsv1.RemoveMemberRequest{UserId: inside.GetUser().GetId()})
			return err
		},
		"revoke its key": func() error {
			_, err := w.orgs.RevokeApiKey(toad, &accountsv1.RevokeApiKeyRequest{Id: key.GetId()})
			return err
		},
		"revoke another user's session": func() error {
			_, err := w.auth.RevokeSession(toad, &accountsv1.RevokeSessionRequest{Id: s.GetId()})
			return err
		},
		"make it active, not being a member": func() error {
			_, err := w.auth.SetActiveOrganization(owner, &accountsv1.SetActiveOrganizationRequest{OrganizationId: toads.GetId()})
			return err
		},
		"make nothing active": func() error {
			_, err := w.auth.SetActiveOrganization(owner, &accountsv1.SetActiveOrganizationRequest{OrganizationId: "x"})
			return err
		},
	} {
		wantCode(t, name, call(), codes.NotFound)
	}
	if _, err := w.resolveKey(key.GetKey()); err != nil {
		t.Errorf("the key: %v", err)
	}
	entries, err := w.audit.ListAuditEntries(toad, &auditv1.ListAuditEntriesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries.GetEntries() {
		if e.GetActorName() != "toad@example.com" {
			t.Errorf("audit row of another organization: %v", e)
		}
	}
	keys, err := w.orgs.ListApiKeys(toad, &accountsv1.ListApiKeysRequest{})
	if err != nil || len(keys.GetApiKeys()) != 0 {
		t.Errorf("keys: %v, %v", keys, err)
	}
}

func TestOrganizations(t *testing.T) {
	w := newWorld(t)
	s, token := w.login(ownerEmail, ownerPassword)
	var head metadata.MD
	o, err := w.orgs.CreateOrganization(w.with(token), &accountsv1.CreateOrganizationRequest{Name: " Aviary "}, grpc.Header(&head))
	if err != nil {
		t.Fatal(err)
	}
	if o.GetName() != "Aviary" || o.GetRole() != accountsv1.Role_ROLE_OWNER || only(t, head, "x-http-code") != "201" {
		t.Errorf("created %v, header %v", o, head)
	}
	if got := w.actions(o.GetId()); !cmp.Equal(got, []string{"organization.create", "member.add"}) {
		t.Errorf("audit: %v", got)
	}
	_, err = w.orgs.CreateOrganization(w.with(token), &accountsv1.CreateOrganizationRequest{Name: "  "})
	wantField(t, "blank name", err, "name")
	all, err := w.orgs.ListOrganizations(w.with(token), &accountsv1.ListOrganizationsRequest{})
	if err != nil || len(all.GetOrganizations()) != 2 || all.GetOrganizations()[0].GetId() != o.GetId() {
		t.Fatalf("organizations: %v, %v", all, err)
	}
	active, err := w.auth.SetActiveOrganization(w.with(token), &accountsv1.SetActiveOrganizationRequest{OrganizationId: o.GetId()})
	if err != nil || active.GetOrganization().GetId() != o.GetId() || active.GetId() != s.GetId() || !active.GetCurrent() {
		t.Errorf("active: %v, %v", active, err)
	}
	if p, err := w.resolve(token); err != nil || p.GetOrganizationId() != o.GetId() {
		t.Errorf("principal: %v, %v", p, err)
	}
	renamed, err := w.orgs.UpdateOrganization(w.with(token), &accountsv1.UpdateOrganizationRequest{Id: o.GetId(), Name: "Pond"})
	if err != nil || renamed.GetName() != "Pond" || renamed.GetRole() != accountsv1.Role_ROLE_OWNER {
		t.Errorf("renamed: %v, %v", renamed, err)
	}
	if got := w.lastAudit(o.GetId()); !strings.HasPrefix(got, "organization.update organization ") || !strings.Contains(got, `"Aviary"`) || !strings.HasSuffix(got, `"name":"Pond"}`) {
		t.Errorf("audit row: %s", got)
	}
}

func TestAuditIsPaged(t *testing.T) {
	w := newWorld(t)
	s, token := w.login(ownerEmail, ownerPassword)
	ctx := w.with(token)
	for i := range 5 {
		w.member(ctx, "user"+string(rune('0'+i))+"@example.com", "0123456789", accountsv1.Role_ROLE_VIEWER)
	}
	page, err := w.audit.ListAuditEntries(ctx, &auditv1.ListAuditEntriesRequest{Limit: 3})
	if err != nil || len(page.GetEntries()) != 3 {
		t.Fatalf("page: %v, %v", page, err)
	}
	newest := page.GetEntries()[0]
	if newest.GetAction() != "member.add" || newest.GetActorKind() != "user" || newest.GetActorId() != s.GetUser().GetId() ||
		newest.GetActorName() != ownerEmail || newest.GetIp() != "192.0.2.1" || newest.GetRequestId() == "" || newest.GetBefore() != nil ||
		newest.GetAfter().GetStructValue().GetFields()["email"].GetStringValue() != "user4@example.com" {
		t.Errorf("newest: %v", newest)
	}
	last := page.GetEntries()[2].GetAt()
	older, err := w.audit.ListAuditEntries(ctx, &auditv1.ListAuditEntriesRequest{Before: last, Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range older.GetEntries() {
		if !e.GetAt().AsTime().Before(last.AsTime()) {
			t.Errorf("%v is not older than %v", e, last)
		}
	}
	// A bound between two stored times leaves the earlier one in.
	between, err := w.audit.ListAuditEntries(ctx, &auditv1.ListAuditEntriesRequest{Before: timestamppb.New(last.AsTime().Add(1)), Limit: 500})
	if err != nil || len(between.GetEntries()) <= len(older.GetEntries()) {
		t.Errorf("%d entries, want more than %d (%v)", len(between.GetEntries()), len(older.GetEntries()), err)
	}
	_, err = w.audit.ListAuditEntries(ctx, &auditv1.ListAuditEntriesRequest{Limit: 501})
	wantField(t, "limit", err, "limit")
}

// Where there is to be one organization, nobody founds a second one, and a store that has several is refused at the start.
func TestSingleTenant(t *testing.T) {
	w := newWorld(t)
	owner := w.owner()
	if _, err := w.orgs.CreateOrganization(owner, &accountsv1.CreateOrganizationRequest{Name: "Before"}); err != nil {
		t.Fatal(err)
	}
	several := withOwner()
	several.SingleTenant = true
	if _, err := accounts.Bootstrap(t.Context(), w.store, several); err == nil || !strings.Contains(err.Error(), "single-tenant: there are 2 organizations") {
		t.Errorf("a store with two organizations: %v", err)
	}

	alone := newWorld(t, several)
	alone.bootstrap(several) // as at each start
	s := accounts.New(accounts.Deps{Store: twice{alone.store}, Log: slog.New(slog.DiscardHandler), Passwords: cheap, SingleTenant: true})
	conn := rpctest.Conn(t, "accounts", s.Register, policy())
	_, err := accountsv1.NewOrganizationsServiceClient(conn).CreateOrganization(alone.owner(), &accountsv1.CreateOrganizationRequest{Name: "Second"})
	if status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "single organization") {
		t.Errorf("a second organization: %v", err)
	}
	if n, err := alone.store.CountOrganizations(t.Context()); n != 1 || err != nil {
		t.Errorf("%d organizations, %v", n, err)
	}
}

// The first owner founds the one organization that there is, also by the link.
func TestSingleTenantIsSetUp(t *testing.T) {
	w := newWorld(t, accounts.BootstrapConfig{SingleTenant: true})
	if n, err := w.store.CountOrganizations(t.Context()); n != 0 || err != nil {
		t.Errorf("%d organizations, %v", n, err)
	}
	if done := w.bootstrap(accounts.BootstrapConfig{AdminEmail: ownerEmail, AdminPassword: withOwner().AdminPassword, SingleTenant: true}); !done.Created {
		t.Errorf("%+v", done)
	}
}
