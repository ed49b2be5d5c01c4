package accounts

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	accountsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/accounts/v1"
	"github.com/frogstats/uptime/internal/identity"
)

func roleToProto(r identity.Role) accountsv1.Role {
	switch r {
	case identity.RoleViewer:
		return accountsv1.Role_ROLE_VIEWER
	case identity.RoleEditor:
		return accountsv1.Role_ROLE_EDITOR
	case identity.RoleAdmin:
		return accountsv1.Role_ROLE_ADMIN
	case identity.RoleOwner:
		return accountsv1.Role_ROLE_OWNER
	}
	return accountsv1.Role_ROLE_UNSPECIFIED
}

// roleFromProto gives "" for a role that is not one; the schema lets none through.
func roleFromProto(r accountsv1.Role) identity.Role {
	switch r {
	case accountsv1.Role_ROLE_VIEWER:
		return identity.RoleViewer
	case accountsv1.Role_ROLE_EDITOR:
		return identity.RoleEditor
	case accountsv1.Role_ROLE_ADMIN:
		return identity.RoleAdmin
	case accountsv1.Role_ROLE_OWNER:
		return identity.RoleOwner
	}
	return ""
}

// timeToProto gives nil for none.
func timeToProto(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func userToProto(u User) *accountsv1.User {
	return &accountsv1.User{Id: u.ID, Email: u.Email, Name: u.Name, CreatedAt: timeToProto(u.CreatedAt)}
}

// organizationToProto gives nil for none.
func organizationToProto(o Organization, role identity.Role) *accountsv1.Organization {
	if o.ID == "" {
		return nil
	}
	return &accountsv1.Organization{Id: o.ID, Name: o.Name, Role: roleToProto(role), CreatedAt: timeToProto(o.CreatedAt)}
}

func memberToProto(m Member) *accountsv1.Member {
	return &accountsv1.Member{User: userToProto(m.User), Role: roleToProto(m.Role), CreatedAt: timeToProto(m.CreatedAt)}
}

// sessionToProto marks the session as current if its id is currentID.
func sessionToProto(in SignedIn, currentID string) *accountsv1.Session {
	s := in.Session
	return &accountsv1.Session{
		Id: s.ID, User: userToProto(in.User), Organization: organizationToProto(in.Organization, in.Role),
		ExpiresAt: timeToProto(s.ExpiresAt), CreatedAt: timeToProto(s.CreatedAt), LastUsedAt: timeToProto(s.LastUsedAt),
		Ip: s.IP, UserAgent: s.UserAgent, Current: s.ID == currentID,
	}
}

// sessionPrincipal is who acts with a session; RemoteIP is left to the caller.
func sessionPrincipal(in SignedIn) identity.Principal {
	return identity.Principal{
		Kind: identity.KindUser, UserID: in.User.ID, OrganizationID: in.Organization.ID, Role: in.Role,
		SessionID: in.Session.ID, Name: in.User.Email,
	}
}

func keyPrincipal(k Key) identity.Principal {
	return identity.Principal{
		Kind: identity.KindAPIKey, UserID: k.CreatedBy, OrganizationID: k.OrganizationID, Role: k.Role,
		KeyID: k.ID, Name: k.Name,
	}
}

func principalToProto(p identity.Principal) *accountsv1.Principal {
	kind := accountsv1.PrincipalKind_PRINCIPAL_KIND_USER
	if p.Kind == identity.KindAPIKey {
		kind = accountsv1.PrincipalKind_PRINCIPAL_KIND_API_KEY
	}
	return &accountsv1.Principal{
		Kind: kind, UserId: p.UserID, OrganizationId: p.OrganizationID, Role: roleToProto(p.Role),
		SessionId: p.SessionID, KeyId: p.KeyID, Name: p.Name,
	}
}

func keyToProto(k Key) *accountsv1.ApiKey {
	return &accountsv1.ApiKey{
		Id: k.ID, Name: k.Name, Role: roleToProto(k.Role), Prefix: k.Prefix, CreatedBy: k.CreatedBy,
		CreatedAt: timeToProto(k.CreatedAt), ExpiresAt: timeToProto(k.ExpiresAt), LastUsedAt: timeToProto(k.LastUsedAt),
	}
}
