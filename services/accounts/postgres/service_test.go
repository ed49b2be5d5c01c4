package postgres_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	accessv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/access/v1"
	accountsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/accounts/v1"
	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/internal/rpc"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/internal/secret"
	"github.com/frogstats/uptime/services/accounts"
	"github.com/frogstats/uptime/services/accounts/postgres"
)

// cheap is enough work to be argon2 and little enough for the race detector.
var cheap = accounts.PasswordParams{MemoryKiB: 64, Time: 1, Threads: 1}

// replica is the service on a store of its own.
type replica struct {
	store *postgres.Store
	auth  accountsv1.AuthServiceClient
	orgs  accountsv1.OrganizationsServiceClient
	ids   accountsv1.IdentityServiceClient
	audit auditv1.AuditServiceClient
}

func serve(t *testing.T, dsn string) *replica {
	t.Helper()
	r := &replica{store: openAt(t, dsn)}
	service := accounts.New(accounts.Deps{Store: r.store, Log: slog.New(slog.DiscardHandler), Passwords: cheap})
	conn := rpctest.Conn(t, "accounts", service.Register, rpctest.Policy(rpc.PolicyByOption(accessv1.E_Access)))
	r.auth, r.orgs = accountsv1.NewAuthServiceClient(conn), accountsv1.NewOrganizationsServiceClient(conn)
	r.ids, r.audit = accountsv1.NewIdentityServiceClient(conn), auditv1.NewAuditServiceClient(conn)
	return r
}

const ownerEmail, ownerPassword = "owner@example.com", "owner's password"

func bootstrap(t *testing.T, r *replica, cfg accounts.BootstrapConfig) accounts.BootstrapResult {
	t.Helper()
	cfg.Passwords = cheap
	out, err := accounts.Bootstrap(t.Context(), r.store, cfg)
	if err != nil {
		t.Error(err)
	}
	return out
}

// stranger signs in from one address after another, since attempts from one are limited.
func stranger(t *testing.T, from int) context.Context {
	return metadata.AppendToOutgoingContext(rpctest.Anonymous(t.Context()), "x-forwarded-for", fmt.Sprint("192.0.2.", from))
}

// Replicas that start together on an empty database each print a link. All of them work, until set-up is complete.
func TestReplicasPrintLinksThatWork(t *testing.T) {
	for chosen := range 2 {
		dsn := postgrestest.DSN(t)
		replicas := []*replica{serve(t, dsn), serve(t, dsn)}
		tokens := make([]string, len(replicas))
		var group sync.WaitGroup
		for i, r := range replicas {
			group.Go(func() { tokens[i] = bootstrap(t, r, accounts.BootstrapConfig{}).SetupToken })
		}
		group.Wait()
		if tokens[0] == "" || tokens[1] == "" {
			t.Fatalf("a replica printed no link: %q", tokens)
		}
		complete := func(r *replica, token string) error {
			_, err := r.auth.CompleteSetup(stranger(t, 1), &accountsv1.CompleteSetupRequest{
				Token: token, Email: ownerEmail, Password: ownerPassword,
			})
			return err
		}
		for _, r := range replicas {
			if err := complete(r, "no token of ours"); status.Code(err) != codes.PermissionDenied {
				t.Errorf("another token: %v", err)
			}
		}
		if err := complete(replicas[1], tokens[chosen]); err != nil { // a browser may reach either replica
			t.Errorf("the link of replica %d: %v", chosen, err)
		}
		if err := complete(replicas[0], tokens[1-chosen]); fault.FromStatus(status.Convert(err)).Reason != "SETUP_DONE" {
			t.Errorf("the other link afterwards: %v", err)
		}
		for i, r := range replicas {
			if again := bootstrap(t, r, accounts.BootstrapConfig{}).SetupToken; again != "" {
				t.Errorf("replica %d prints a link after set-up", i)
			}
		}
	}
}

// calls are one of each kind.
func calls(t *testing.T, r *replica, owner context.Context, token string) map[string]func() error {
	service := rpctest.AsService(t.Context())
	return map[string]func() error{
		"needs set-up": func() error {
			_, err := r.auth.GetSetup(stranger(t, 2), &accountsv1.GetSetupRequest{})
			return err
		},
		"sign in": func() error {
			_, err := r.auth.Login(stranger(t, 3), &accountsv1.LoginRequest{Email: ownerEmail, Password: ownerPassword})
			return err
		},
		"resolve a session": func() error {
			_, err := r.ids.ResolveSession(service, &accountsv1.ResolveSessionRequest{Token: token})
			return err
		},
		"resolve a key": func() error {
			_, err := r.ids.ResolveApiKey(service, &accountsv1.ResolveApiKeyRequest{Key: "an operator's own key"})
			return err
		},
		"session": func() error {
			_, err := r.auth.GetSession(owner, &accountsv1.GetSessionRequest{})
			return err
		},
		"members": func() error {
			_, err := r.orgs.ListMembers(owner, &accountsv1.ListMembersRequest{})
			return err
		},
		"create an organization": func() error {
			_, err := r.orgs.CreateOrganization(owner, &accountsv1.CreateOrganizationRequest{Name: "Pond"})
			return err
		},
		"create a key": func() error {
			_, err := r.orgs.CreateApiKey(owner, &accountsv1.CreateApiKeyRequest{Name: "k", Role: accountsv1.Role_ROLE_VIEWER})
			return err
		},
		"audit log": func() error {
			_, err := r.audit.ListAuditEntries(owner, &auditv1.ListAuditEntriesRequest{})
			return err
		},
	}
}

// A database that goes away and comes back: meanwhile all is refused, in our words, and afterwards all is as before. Above
// all, nobody is taken for a stranger.
func TestDatabaseAway(t *testing.T) {
	server := postgrestest.Start(t)
	r := serve(t, server.DSN())
	bootstrap(t, r, accounts.BootstrapConfig{
		AdminEmail: ownerEmail, AdminPassword: secret.New(ownerPassword), AdminAPIKey: secret.New("an operator's own key"),
	})
	var head metadata.MD
	s, err := r.auth.Login(stranger(t, 4), &accountsv1.LoginRequest{Email: ownerEmail, Password: ownerPassword}, grpc.Header(&head))
	if err != nil {
		t.Fatal(err)
	}
	owner := identity.NewContext(t.Context(), identity.Principal{
		Kind: identity.KindUser, UserID: s.GetUser().GetId(), OrganizationID: s.GetOrganization().GetId(),
		Role: identity.RoleOwner, SessionID: s.GetId(), RemoteIP: "192.0.2.4",
	})
	all := calls(t, r, owner, head.Get("x-session-token")[0])
	for name, end := range map[string]func(){"killed": server.Kill, "stopped": server.Stop} {
		end()
		for call, do := range all {
			st := status.Convert(do())
			if st.Code() != codes.Unavailable || st.Message() != "temporarily unavailable" {
				t.Errorf("%s, %s: %v %q, want unavailable in our own words", name, call, st.Code(), st.Message())
			}
			if details := fmt.Sprint(st.Details()...); strings.Contains(details, "SQLSTATE") || strings.Contains(details, "connect") {
				t.Errorf("%s, %s: details %s", name, call, details)
			}
		}
		server.Start()
		for range 20 { // more than there are connections that have not noticed yet
			if err = all["members"](); status.Code(err) != codes.Unavailable {
				break
			}
		}
		for call, do := range all {
			if err := do(); err != nil {
				t.Errorf("%s again, %s: %v", name, call, err)
			}
		}
	}
}
