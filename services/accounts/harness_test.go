package accounts_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	accessv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/access/v1"
	accountsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/accounts/v1"
	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/rpc"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/internal/secret"
	"github.com/frogstats/uptime/services/accounts"
	"github.com/frogstats/uptime/services/accounts/sqlite"
)

const (
	ownerEmail    = "owner@example.com"
	ownerPassword = "owner's password"
)

// cheap is enough work to be argon2 and little enough for the race detector.
var cheap = accounts.PasswordParams{MemoryKiB: 64, Time: 1, Threads: 1}

// world is the service behind the real interceptors, with an owner and an organization in a real file.
type world struct {
	t       testing.TB
	path    string
	store   *sqlite.Store
	service *accounts.Service
	conn    *grpc.ClientConn
	log     *logBuffer

	auth  accountsv1.AuthServiceClient
	orgs  accountsv1.OrganizationsServiceClient
	ids   accountsv1.IdentityServiceClient
	audit auditv1.AuditServiceClient
}

// newWorld has an owner unless the configuration is given and says otherwise.
func newWorld(t testing.TB, cfg ...accounts.BootstrapConfig) *world {
	t.Helper()
	w := &world{t: t, path: filepath.Join(t.TempDir(), "accounts.db"), log: &logBuffer{}}
	var err error
	if w.store, err = sqlite.Open(context.Background(), w.path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.store.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
	if len(cfg) == 0 {
		cfg = []accounts.BootstrapConfig{withOwner()}
	}
	w.bootstrap(cfg[0])
	log := slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.service = accounts.New(accounts.Deps{Store: twice{w.store}, Log: log, Passwords: cheap})
	w.conn = rpctest.Conn(t, "accounts", w.service.Register, policy(), rpctest.Log(log))
	w.auth, w.orgs = accountsv1.NewAuthServiceClient(w.conn), accountsv1.NewOrganizationsServiceClient(w.conn)
	w.ids, w.audit = accountsv1.NewIdentityServiceClient(w.conn), auditv1.NewAuditServiceClient(w.conn)
	return w
}

func policy() rpctest.Option { return rpctest.Policy(rpc.PolicyByOption(accessv1.E_Access)) }

func withOwner() accounts.BootstrapConfig {
	return accounts.BootstrapConfig{AdminEmail: ownerEmail, AdminPassword: secret.New(ownerPassword), Passwords: cheap}
}

func (w *world) bootstrap(cfg accounts.BootstrapConfig) accounts.BootstrapResult {
	w.t.Helper()
	cfg.Passwords = cheap
	out, err := accounts.Bootstrap(context.Background(), twice{w.store}, cfg)
	if err != nil {
		w.t.Fatalf("bootstrap: %v", err)
	}
	return out
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// stranger is a request of nobody from an address, as the gateway passes it on.
func stranger(ip string) context.Context {
	ctx := rpctest.Anonymous(context.Background())
	return metadata.AppendToOutgoingContext(ctx, "x-forwarded-for", ip, "grpcgateway-user-agent", "Frog/1.0")
}

// resolve does what the gateway does with a cookie.
func (w *world) resolve(token string) (*accountsv1.Principal, error) {
	return w.ids.ResolveSession(rpctest.AsService(context.Background()), &accountsv1.ResolveSessionRequest{Token: token})
}

func (w *world) resolveKey(key string) (*accountsv1.Principal, error) {
	return w.ids.ResolveApiKey(rpctest.AsService(context.Background()), &accountsv1.ResolveApiKeyRequest{Key: key})
}

// as is a request with a resolved principal.
func as(p *accountsv1.Principal) context.Context {
	kinds := map[accountsv1.PrincipalKind]identity.Kind{
		accountsv1.PrincipalKind_PRINCIPAL_KIND_USER: identity.KindUser, accountsv1.PrincipalKind_PRINCIPAL_KIND_API_KEY: identity.KindAPIKey,
	}
	names := map[accountsv1.Role]identity.Role{
		accountsv1.Role_ROLE_VIEWER: identity.RoleViewer, accountsv1.Role_ROLE_EDITOR: identity.RoleEditor,
		accountsv1.Role_ROLE_ADMIN: identity.RoleAdmin, accountsv1.Role_ROLE_OWNER: identity.RoleOwner,
	}
	return identity.NewContext(context.Background(), identity.Principal{
		Kind: kinds[p.GetKind()], UserID: p.GetUserId(), OrganizationID: p.GetOrganizationId(), Role: names[p.GetRole()],
		SessionID: p.GetSessionId(), KeyID: p.GetKeyId(), Name: p.GetName(), RemoteIP: "192.0.2.1",
	})
}

// with is a request with this cookie.
func (w *world) with(token string) context.Context {
	w.t.Helper()
	p, err := w.resolve(token)
	if err != nil {
		w.t.Fatalf("resolve: %v", err)
	}
	return as(p)
}

// login signs in and returns the session with its token.
func (w *world) login(email, password string) (*accountsv1.Session, string) {
	w.t.Helper()
	var head metadata.MD
	s, err := w.auth.Login(stranger("192.0.2.1"), &accountsv1.LoginRequest{Email: email, Password: password}, grpc.Header(&head))
	if err != nil {
		w.t.Fatalf("login %s: %v", email, err)
	}
	return s, only(w.t, head, "x-session-token")
}

func (w *world) owner() context.Context {
	w.t.Helper()
	_, token := w.login(ownerEmail, ownerPassword)
	return w.with(token)
}

// member adds a new user to the organization of ctx.
func (w *world) member(ctx context.Context, email, password string, role accountsv1.Role) *accountsv1.Member {
	w.t.Helper()
	m, err := w.orgs.AddMember(ctx, &accountsv1.AddMemberRequest{Email: email, Password: &password, Role: role})
	if err != nil {
		w.t.Fatalf("add member %s: %v", email, err)
	}
	return m
}

// only returns the one value of a header.
func only(t testing.TB, head metadata.MD, key string) string {
	t.Helper()
	if got := head.Get(key); len(got) == 1 {
		return got[0]
	}
	t.Fatalf("header %s: got %v, want one value", key, head.Get(key))
	return ""
}

func wantCode(t testing.TB, what string, err error, want codes.Code) {
	t.Helper()
	if got := status.Code(err); got != want {
		t.Errorf("%s: got %v (%v), want %v", what, got, err, want)
	}
}

// wantFault is wantCode for an error that has not been through the interceptors.
func wantFault(t testing.TB, what string, err error, want codes.Code) {
	t.Helper()
	if got := codeOf(err); got != want {
		t.Errorf("%s: got %v (%v), want %v", what, got, err, want)
	}
}

func codeOf(err error) codes.Code { return fault.ToStatus(err).Code() }

// auditRows are an organization's, newest first.
func auditRows(t testing.TB, w *world, organizationID string) []audit.Row {
	t.Helper()
	rows, err := w.store.AuditRows(context.Background(), organizationID, time.Time{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// actions are the audit actions of an organization, oldest first.
func (w *world) actions(organizationID string) []string {
	w.t.Helper()
	var out []string
	for _, r := range auditRows(w.t, w, organizationID) {
		out = append(out, r.Action)
	}
	slices.Reverse(out)
	return out
}

// lastAudit is the newest audit row of an organization in one line.
func (w *world) lastAudit(organizationID string) string {
	w.t.Helper()
	r := auditRows(w.t, w, organizationID)[0]
	return fmt.Sprintf("%s %s %s by %s %s from %s: %s -> %s", r.Action, r.ObjectKind, r.ObjectID, r.ActorKind, r.ActorName, r.IP, r.Before, r.After)
}
