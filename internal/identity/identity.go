// Package identity says who is calling and what that lets them do, and carries it between services under a signature.
//
// The gateway resolves a cookie or an API key to a Principal; from there on it travels as signed gRPC metadata. A
// method declares the least Access it asks for; everything that is not declared, not known or not signed is denied.
package identity

import "context"

// Access is what a method asks of its caller. The numbers are those of the enum in the protobuf method option.
type Access int32

// The levels of access.
const (
	AccessUnspecified Access = 0 // nobody: a method that forgot to say
	AccessPublic      Access = 1 // anybody, signed in or not
	AccessUser        Access = 2 // any signed-in user, whatever the organization, or any API key
	AccessViewer      Access = 3 // viewer or more in the active organization
	AccessEditor      Access = 4 // editor or more
	AccessAdmin       Access = 5 // admin or more
	AccessOwner       Access = 6 // owner
	AccessService     Access = 7 // our own services only
	AccessProber      Access = 8 // a prober that has joined, or one of our own services
)

// Role is what a member, or an API key, may do in one organization.
type Role string

// The roles, weakest first.
const (
	RoleViewer Role = "viewer"
	RoleEditor Role = "editor"
	RoleAdmin  Role = "admin"
	RoleOwner  Role = "owner"
)

// rank orders the roles; an unknown role ranks below all.
func (r Role) rank() int {
	switch r {
	case RoleViewer:
		return 1
	case RoleEditor:
		return 2
	case RoleAdmin:
		return 3
	case RoleOwner:
		return 4
	}
	return 0
}

// Valid reports whether r is one of the four roles.
func (r Role) Valid() bool { return r.rank() > 0 }

// AtLeast reports whether r allows everything that other does. It is false if either is not a role.
func (r Role) AtLeast(other Role) bool { return other.Valid() && r.rank() >= other.rank() }

// Kind is the sort of caller.
type Kind string

// The kinds of caller. The empty kind is nobody.
const (
	KindUser    Kind = "user"
	KindAPIKey  Kind = "api_key"
	KindService Kind = "service"
	KindProber  Kind = "prober" // Name is its id, Region the only one that it may speak for
)

// Principal is a caller whose identity has been established. The zero value is Anonymous.
type Principal struct {
	Kind           Kind
	UserID         string // of the user; for an API key, of the user who made it
	OrganizationID string // the active organization; for an API key, the only one; "" if none
	Role           Role   // in OrganizationID
	SessionID      string // for users
	KeyID          string // for API keys
	Name           string // email, name of the key, or name of the service
	RemoteIP       string // where the request came from at the edge; "" if unknown
	Region         string // for probers
}

// Anonymous is a caller known to be nobody. A context that carries it never turns into a service's identity on the way out.
var Anonymous = Principal{}

// IsAnonymous reports whether nobody is behind p.
func (p Principal) IsAnonymous() bool { return p.Kind == "" }

// ActorID is the id that names p among its kind: the user, the key, or the service's name.
func (p Principal) ActorID() string {
	switch p.Kind {
	case KindUser:
		return p.UserID
	case KindAPIKey:
		return p.KeyID
	case KindService, KindProber:
		return p.Name
	}
	return ""
}

// Allows reports whether p may call a method that asks for a. Services pass only where services are asked for: work that
// a service does for itself uses methods made for it, not those of a member of some organization.
func (p Principal) Allows(a Access) bool {
	switch a {
	case AccessPublic:
		return true
	case AccessUser:
		return p.Kind == KindUser && p.UserID != "" || p.Kind == KindAPIKey && p.KeyID != ""
	case AccessViewer:
		return p.holds(RoleViewer)
	case AccessEditor:
		return p.holds(RoleEditor)
	case AccessAdmin:
		return p.holds(RoleAdmin)
	case AccessOwner:
		return p.holds(RoleOwner)
	case AccessService:
		return p.Kind == KindService && p.Name != ""
	case AccessProber:
		return p.Name != "" && (p.Kind == KindService || p.Kind == KindProber && p.Region != "")
	}
	return false
}

// SpeaksFor reports whether p may act as the prober with an id in a region: that prober itself, or one of our own services.
func (p Principal) SpeaksFor(proberID, region string) bool {
	return p.Kind == KindService || p.Kind == KindProber && p.Name == proberID && p.Region == region
}

// holds reports whether p is a member, or a key, of some organization with at least role r.
func (p Principal) holds(r Role) bool {
	if p.OrganizationID == "" || !p.Role.AtLeast(r) {
		return false
	}
	return p.Kind == KindUser && p.UserID != "" || p.Kind == KindAPIKey && p.KeyID != ""
}

type key struct{}

// NewContext returns ctx carrying p.
func NewContext(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, key{}, p)
}

// FromContext returns the principal that ctx carries; false if none was ever established, which is not the same as Anonymous.
func FromContext(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(key{}).(Principal)
	return p, ok
}
