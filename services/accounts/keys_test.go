package accounts_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"

	accountsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/accounts/v1"
)

func TestAPIKey(t *testing.T) {
	w := newWorld(t)
	s, token := w.login(ownerEmail, ownerPassword)
	ctx := w.with(token)
	var head metadata.MD
	made, err := w.orgs.CreateApiKey(ctx, &accountsv1.CreateApiKeyRequest{Name: " ci ", Role: accountsv1.Role_ROLE_EDITOR}, grpc.Header(&head))
	if err != nil {
		t.Fatal(err)
	}
	if only(t, head, "x-http-code") != "201" || made.GetName() != "ci" || made.GetExpiresAt() != nil || made.GetLastUsedAt() != nil ||
		made.GetCreatedBy() != s.GetUser().GetId() || !strings.HasPrefix(made.GetKey(), made.GetPrefix()+"_") {
		t.Errorf("made %v, header %v", made, head)
	}
	p, err := w.resolveKey(made.GetKey())
	if err != nil {
		t.Fatal(err)
	}
	if p.GetKind() != accountsv1.PrincipalKind_PRINCIPAL_KIND_API_KEY || p.GetKeyId() != made.GetId() || p.GetRole() != accountsv1.Role_ROLE_EDITOR ||
		p.GetOrganizationId() != s.GetOrganization().GetId() || p.GetUserId() != s.GetUser().GetId() || p.GetName() != "ci" || p.GetSessionId() != "" {
		t.Errorf("principal is %v", p)
	}
	list, err := w.orgs.ListApiKeys(ctx, &accountsv1.ListApiKeysRequest{})
	if err != nil || len(list.GetApiKeys()) != 1 {
		t.Fatalf("keys: %v, %v", list, err)
	}
	if k := list.GetApiKeys()[0]; k.Key != nil || k.GetId() != made.GetId() || k.GetPrefix() != made.GetPrefix() || k.GetLastUsedAt() == nil {
		t.Errorf("listed as %v", k)
	}
	if _, err := w.orgs.RevokeApiKey(ctx, &accountsv1.RevokeApiKeyRequest{Id: made.GetId()}, grpc.Header(&head)); err != nil {
		t.Fatal(err)
	}
	_, err = w.resolveKey(made.GetKey())
	wantCode(t, "revoked key", err, codes.Unauthenticated)
	_, err = w.orgs.RevokeApiKey(ctx, &accountsv1.RevokeApiKeyRequest{Id: made.GetId()})
	wantCode(t, "revoke again", err, codes.NotFound)
	if got := w.lastAudit(s.GetOrganization().GetId()); !strings.HasPrefix(got, "api_key.revoke api_key "+made.GetId()+" by user") {
		t.Errorf("audit row: %s", got)
	}
}

func TestAPIKeyActsInItsOrganizationOnly(t *testing.T) {
	w := newWorld(t)
	s, token := w.login(ownerEmail, ownerPassword)
	made, err := w.orgs.CreateApiKey(w.with(token), &accountsv1.CreateApiKeyRequest{Name: "ci", Role: accountsv1.Role_ROLE_ADMIN})
	if err != nil {
		t.Fatal(err)
	}
	o, err := w.orgs.CreateOrganization(w.with(token), &accountsv1.CreateOrganizationRequest{Name: "Other"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.auth.SetActiveOrganization(w.with(token), &accountsv1.SetActiveOrganizationRequest{OrganizationId: o.GetId()}); err != nil {
		t.Fatal(err)
	}
	p, err := w.resolveKey(made.GetKey())
	if err != nil || p.GetOrganizationId() != s.GetOrganization().GetId() {
		t.Fatalf("principal is %v, %v", p, err)
	}
	// A key makes a key, not above itself, in the name of the person who made it.
	_, err = w.orgs.CreateApiKey(as(p), &accountsv1.CreateApiKeyRequest{Name: "k", Role: accountsv1.Role_ROLE_OWNER})
	wantCode(t, "a key above the key", err, codes.PermissionDenied)
	child, err := w.orgs.CreateApiKey(as(p), &accountsv1.CreateApiKeyRequest{Name: "k", Role: accountsv1.Role_ROLE_ADMIN})
	if err != nil || child.GetCreatedBy() != s.GetUser().GetId() {
		t.Errorf("child: %v, %v", child, err)
	}
	if got := w.lastAudit(s.GetOrganization().GetId()); !strings.Contains(got, " by api_key ci ") {
		t.Errorf("audit row: %s", got)
	}
	// Who it is, asked by the key itself.
	me, err := w.service.GetSession(serverSide(p), &accountsv1.GetSessionRequest{})
	if err != nil || me.GetId() != "" || me.GetUser().GetEmail() != ownerEmail || me.GetOrganization().GetRole() != accountsv1.Role_ROLE_ADMIN || me.GetExpiresAt() != nil {
		t.Errorf("session of the key: %v, %v", me, err)
	}
	mine, err := w.service.ListOrganizations(serverSide(p), &accountsv1.ListOrganizationsRequest{})
	if err != nil || len(mine.GetOrganizations()) != 1 || mine.GetOrganizations()[0].GetId() != s.GetOrganization().GetId() {
		t.Errorf("organizations of the key: %v, %v", mine, err)
	}
}

func TestAPIKeyExpiryMustBeInTheFuture(t *testing.T) {
	w := newWorld(t)
	ctx := w.owner()
	for name, at := range map[string]*timestamppb.Timestamp{
		"past": timestamppb.New(time.Now().Add(-time.Second)), "no time": {Seconds: 1 << 60}, "long ago": {},
	} {
		_, err := w.orgs.CreateApiKey(ctx, &accountsv1.CreateApiKeyRequest{Name: "k", Role: accountsv1.Role_ROLE_VIEWER, ExpiresAt: at})
		wantField(t, name, err, "expires_at")
	}
	at := time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
	k, err := w.orgs.CreateApiKey(ctx, &accountsv1.CreateApiKeyRequest{
		Name: "k", Role: accountsv1.Role_ROLE_VIEWER, ExpiresAt: timestamppb.New(at.Add(999)),
	})
	if err != nil || !k.GetExpiresAt().AsTime().Equal(at) {
		t.Errorf("got %v, %v; want %v", k.GetExpiresAt().AsTime(), err, at)
	}
}

// A key with a wrong checksum must be refused without a look into the store: here there is none to look into.
func TestMistypedKeyIsRefusedBeforeAnyLookup(t *testing.T) {
	w := newWorld(t)
	made, err := w.orgs.CreateApiKey(w.owner(), &accountsv1.CreateApiKeyRequest{Name: "k", Role: accountsv1.Role_ROLE_VIEWER})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = w.resolveKey(made.GetKey())
	wantCode(t, "right key, store closed", err, codes.Internal)
	wrong := []byte(made.GetKey())
	wrong[50] ^= 1
	for _, key := range []string{string(wrong), "upt_x", "short", ""} {
		_, err = w.resolveKey(key)
		wantCode(t, key, err, codes.Unauthenticated)
	}
}
