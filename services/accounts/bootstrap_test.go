package accounts_test

import (
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	accountsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/accounts/v1"
	"github.com/frogstats/uptime/internal/secret"
	"github.com/frogstats/uptime/services/accounts"
)

const operatorKey = "an operator's own key, of no special form"

func TestBootstrapCreatesTheOwnerOnce(t *testing.T) {
	w := newWorld(t, accounts.BootstrapConfig{})
	cfg := accounts.BootstrapConfig{
		AdminEmail: " Owner@Example.com", AdminPassword: secret.New(ownerPassword), AdminAPIKey: secret.New(operatorKey), OrganizationName: "Pond",
	}
	first := w.bootstrap(cfg)
	if !first.Created || first.SetupToken != "" || first.APIKey != accounts.KeyAdded {
		t.Errorf("first start: %+v", first)
	}
	s, _ := w.login(ownerEmail, ownerPassword)
	org := s.GetOrganization().GetId()
	if s.GetOrganization().GetName() != "Pond" {
		t.Errorf("organization is %v", s.GetOrganization())
	}
	before := w.actions(org)
	want := []string{"user.create", "organization.create", "member.add", "api_key.create", "session.login"}
	if !slices.Equal(before, want) {
		t.Errorf("audit: %v, want %v", before, want)
	}
	cfg.AdminPassword, cfg.AdminEmail, cfg.OrganizationName = secret.New("changed in the environment"), "new@example.com", "Lake"
	second := w.bootstrap(cfg)
	if second.Created || second.SetupToken != "" || second.APIKey != accounts.KeyKept {
		t.Errorf("second start: %+v", second)
	}
	if after := w.actions(org); !slices.Equal(after, before) {
		t.Errorf("the second start changed something: %v", after)
	}
	w.login(ownerEmail, ownerPassword)
	p, err := w.resolveKey(operatorKey)
	if err != nil || p.GetRole() != accountsv1.Role_ROLE_OWNER || p.GetOrganizationId() != org || p.GetUserId() != s.GetUser().GetId() {
		t.Errorf("operator's key: %v, %v", p, err)
	}
	_, err = w.resolveKey(operatorKey + " ")
	wantCode(t, "another key", err, codes.Unauthenticated)
}

func TestBootstrapReplacesTheOperatorsKey(t *testing.T) {
	w := newWorld(t)
	ctx := w.owner()
	made, err := w.orgs.CreateApiKey(ctx, &accountsv1.CreateApiKeyRequest{Name: "k", Role: accountsv1.Role_ROLE_VIEWER})
	if err != nil {
		t.Fatal(err)
	}
	start := func(key string) accounts.KeyState {
		return w.bootstrap(accounts.BootstrapConfig{AdminAPIKey: secret.New(key)}).APIKey
	}
	const second = "a second key of the operator"
	for i, step := range []struct {
		key  string
		want accounts.KeyState
	}{
		{operatorKey, accounts.KeyAdded}, {operatorKey, accounts.KeyKept}, {second, accounts.KeyAdded},
		{operatorKey, accounts.KeyRevoked}, {made.GetKey(), accounts.KeyKept}, {"", ""},
	} {
		if got := start(step.key); got != step.want {
			t.Errorf("start %d: key is %q, want %q", i, got, step.want)
		}
	}
	_, err = w.resolveKey(operatorKey)
	wantCode(t, "the replaced key", err, codes.Unauthenticated)
	for _, key := range []string{second, made.GetKey()} {
		if _, err := w.resolveKey(key); err != nil {
			t.Errorf("%.10s…: %v", key, err)
		}
	}
	list, err := w.orgs.ListApiKeys(ctx, &accountsv1.ListApiKeysRequest{})
	if err != nil || len(list.GetApiKeys()) != 2 {
		t.Fatalf("keys: %v, %v", list, err)
	}
	shown := list.GetApiKeys()[0]
	if shown.GetName() != "FROGUP_ADMIN_API_KEY" || shown.GetPrefix() != "a se" {
		t.Errorf("shown as %v", shown)
	}
	if _, err := w.orgs.RevokeApiKey(ctx, &accountsv1.RevokeApiKeyRequest{Id: shown.GetId()}); err != nil {
		t.Fatal(err)
	}
	if got := start(second); got != accounts.KeyRevoked {
		t.Errorf("a revoked key is %q after the next start", got)
	}
	_, err = w.resolveKey(second)
	wantCode(t, "the revoked key", err, codes.Unauthenticated)
}

func TestBootstrapRefusesBadConfigurationByName(t *testing.T) {
	w := newWorld(t, accounts.BootstrapConfig{})
	for name, tt := range map[string]struct {
		cfg  accounts.BootstrapConfig
		want string
	}{
		"e-mail":           {accounts.BootstrapConfig{AdminEmail: "canary", AdminPassword: secret.New("0123456789")}, "FROGUP_ADMIN_EMAIL"},
		"short password":   {accounts.BootstrapConfig{AdminEmail: ownerEmail, AdminPassword: secret.New("canary")}, "FROGUP_ADMIN_PASSWORD"},
		"no password":      {accounts.BootstrapConfig{AdminEmail: ownerEmail}, "FROGUP_ADMIN_PASSWORD"},
		"no e-mail":        {accounts.BootstrapConfig{AdminPassword: secret.New("0123456789")}, "FROGUP_ADMIN_EMAIL"},
		"short key":        {accounts.BootstrapConfig{AdminAPIKey: secret.New("canary")}, "FROGUP_ADMIN_API_KEY"},
		"mistyped own key": {accounts.BootstrapConfig{AdminAPIKey: secret.New("upt_canary_canary_canary_canary")}, "FROGUP_ADMIN_API_KEY"},
		"name":             {accounts.BootstrapConfig{OrganizationName: "a\nb"}, "organization"},
	} {
		out, err := accounts.Bootstrap(t.Context(), w.store, tt.cfg)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %+v, %v; want an error that names %s and no value", name, out, err, tt.want)
		}
	}
	if exists, err := w.store.AnyUser(t.Context()); exists || err != nil {
		t.Errorf("a refused configuration made a user: %v", err)
	}
}

func TestSetup(t *testing.T) {
	w := newWorld(t, accounts.BootstrapConfig{})
	older := w.bootstrap(accounts.BootstrapConfig{}).SetupToken
	newest := w.bootstrap(accounts.BootstrapConfig{AdminAPIKey: secret.New(operatorKey)})
	if older == "" || newest.SetupToken == "" || older == newest.SetupToken || newest.Created || newest.APIKey != accounts.KeyWaiting {
		t.Fatalf("tokens %q, %+v", older, newest)
	}
	needs := func() bool {
		got, err := w.auth.GetSetup(stranger("192.0.2.1"), &accountsv1.GetSetupRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return got.GetNeedsSetup()
	}
	if !needs() {
		t.Error("an empty installation needs no set-up")
	}
	var head metadata.MD
	complete := func(token string) (*accountsv1.Session, error) {
		return w.auth.CompleteSetup(stranger("192.0.2.7"), &accountsv1.CompleteSetupRequest{
			Token: token, Email: "Owner@Example.com", Password: ownerPassword, Name: "Frog", OrganizationName: " Pond ",
		}, grpc.Header(&head))
	}
	_, err := complete("no token of ours")
	wantCode(t, "no token of ours", err, codes.PermissionDenied)
	_, err = w.auth.CompleteSetup(stranger("192.0.2.7"), &accountsv1.CompleteSetupRequest{
		Token: newest.SetupToken, Email: ownerEmail, Password: ownerPassword, Name: "a\nb",
	})
	wantField(t, "bad name", err, "name")
	s, err := complete(older) // it may be another replica's
	if err != nil {
		t.Fatal(err)
	}
	if s.GetUser().GetEmail() != ownerEmail || s.GetUser().GetName() != "Frog" || s.GetOrganization().GetName() != "Pond" ||
		s.GetOrganization().GetRole() != accountsv1.Role_ROLE_OWNER || !s.GetCurrent() {
		t.Errorf("session is %v", s)
	}
	w.with(only(t, head, "x-session-token"))
	if needs() {
		t.Error("set-up is still open")
	}
	_, err = complete(newest.SetupToken)
	wantCode(t, "a second time", err, codes.FailedPrecondition)
	for _, token := range []string{older, newest.SetupToken} {
		if _, err := w.store.SetupTokenExpiry(t.Context(), sha256.Sum256([]byte(token))); !errors.Is(err, accounts.ErrNotFound) {
			t.Errorf("a token is still there: %v", err)
		}
	}
	if got := w.bootstrap(accounts.BootstrapConfig{}); got.SetupToken != "" || got.Created {
		t.Errorf("a later start: %+v", got)
	}
	want := []string{"user.create", "organization.create", "member.add", "session.login"}
	if got := w.actions(s.GetOrganization().GetId()); !slices.Equal(got, want) {
		t.Errorf("audit: %v, want %v", got, want)
	}
	if got := w.bootstrap(accounts.BootstrapConfig{AdminAPIKey: secret.New(operatorKey)}).APIKey; got != accounts.KeyAdded {
		t.Errorf("the key that waited is %q", got)
	}
}

func TestSetupCompletesOnceForManyAtATime(t *testing.T) {
	w := newWorld(t, accounts.BootstrapConfig{})
	token := w.bootstrap(accounts.BootstrapConfig{}).SetupToken
	results := make(chan error, 8)
	for i := range cap(results) {
		go func() {
			_, err := w.auth.CompleteSetup(stranger("192.0.2.1"), &accountsv1.CompleteSetupRequest{
				Token: token, Email: "owner" + string(rune('0'+i)) + "@example.com", Password: ownerPassword,
			})
			results <- err
		}()
	}
	won := 0
	for range cap(results) {
		if err := <-results; err == nil {
			won++
		} else {
			wantCode(t, "who comes late", err, codes.FailedPrecondition)
		}
	}
	if won != 1 {
		t.Errorf("%d set-ups succeeded", won)
	}
}
