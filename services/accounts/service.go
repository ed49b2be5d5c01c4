// Package accounts is the service that knows who: people, organizations, who belongs where with which role, sessions and API
// keys. Everybody else is told the outcome, as a principal.
package accounts

import (
	"context"
	"errors"
	"log/slog"

	"google.golang.org/grpc"

	accountsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/accounts/v1"
	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
)

// Deps is what the service needs. Store and Log are required.
type Deps struct {
	Store Store
	Log   *slog.Logger
	// Passwords is the work of one password hash; zero means DefaultPasswordParams. Stored hashes made with other parameters
	// stay valid, and are replaced when their user signs in.
	Passwords PasswordParams
	// PasswordConcurrency is how many passwords are hashed at a time; 0 means the number of CPUs.
	PasswordConcurrency int
	// SingleTenant says that there is one organization and never a second one.
	SingleTenant bool
}

// Service implements the gRPC services of accounts. It is safe for concurrent use.
type Service struct {
	accountsv1.UnsafeIdentityServiceServer
	accountsv1.UnsafeAuthServiceServer
	accountsv1.UnsafeOrganizationsServiceServer
	auditv1.UnsafeAuditServiceServer

	store    Store
	log      *slog.Logger
	hasher   *Hasher
	attempts *limiter
	alone    bool // Deps.SingleTenant
}

var (
	_ accountsv1.IdentityServiceServer      = (*Service)(nil)
	_ accountsv1.AuthServiceServer          = (*Service)(nil)
	_ accountsv1.OrganizationsServiceServer = (*Service)(nil)
	_ auditv1.AuditServiceServer            = (*Service)(nil)
)

// New makes the service.
func New(d Deps) *Service {
	return &Service{
		store: d.Store, log: d.Log,
		hasher: NewHasher(d.Passwords, d.PasswordConcurrency), attempts: newLimiter(maxAttempters),
		alone: d.SingleTenant,
	}
}

// Register offers the services on r.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	accountsv1.RegisterIdentityServiceServer(r, s)
	accountsv1.RegisterAuthServiceServer(r, s)
	accountsv1.RegisterOrganizationsServiceServer(r, s)
	auditv1.RegisterAuditServiceServer(r, s)
}

// errSessionEnded answers a request whose session ended after the edge had resolved it.
var errSessionEnded = fault.Unauthenticated("the session has ended")

// signedIn returns the person of the request. A key has a person behind it too, yet must not act on that person's account.
func signedIn(ctx context.Context) (identity.Principal, error) {
	p, _ := identity.FromContext(ctx)
	if p.Kind != identity.KindUser || p.UserID == "" || p.SessionID == "" {
		return identity.Principal{}, fault.Denied("this needs a signed-in user; an API key cannot do it").Because("NEEDS_USER")
	}
	return p, nil
}

// caller returns who the request acts as; the interceptors have made sure that there is somebody.
func caller(ctx context.Context) identity.Principal {
	p, _ := identity.FromContext(ctx)
	return p
}

// orNotFound tells the caller that the named thing is not there, if that is what err says.
func orNotFound(err error, what string) error {
	if errors.Is(err, ErrNotFound) {
		return fault.NotFound(what + " not found").Wrap(err)
	}
	return err
}

// badField reports one field.
func badField(name, message string) error {
	return fault.Invalid("", fault.Field{Name: name, Message: message})
}

const badName = "must be at most 100 printable characters"

// givenName cleans a name that must not be empty.
func givenName(field, s string) (string, error) {
	name, ok := cleanName(s)
	switch {
	case !ok:
		return "", badField(field, badName)
	case name == "":
		return "", badField(field, "must not be blank")
	}
	return name, nil
}

// optionalName cleans a name that may be empty.
func optionalName(field, s string) (string, error) {
	name, ok := cleanName(s)
	if !ok {
		return "", badField(field, badName)
	}
	return name, nil
}
