package accounts

import (
	"context"
	"time"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/identity"
)

// record writes the audit row of a change in the change's transaction. It happened in the organization of ctx's principal;
// before and after may be nil.
func record(ctx context.Context, tx Tx, action, objectKind, objectID string, before, after any) error {
	row, err := audit.New(ctx, action, objectKind, objectID).Change(before, after)
	if err != nil {
		return err
	}
	return tx.Audit(ctx, row)
}

// actingIn returns ctx whose audit rows belong to another organization than the principal's active one.
func actingIn(ctx context.Context, organizationID string) context.Context {
	p, _ := identity.FromContext(ctx)
	p.OrganizationID = organizationID
	return identity.NewContext(ctx, p)
}

// What an audit row shows of an object. Neither hashes nor tokens have a place here.
type (
	userRecord struct {
		ID    string `json:"id"`
		Email string `json:"email"`
		Name  string `json:"name"`
	}
	organizationRecord struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	memberRecord struct {
		UserID string        `json:"user_id"`
		Email  string        `json:"email"`
		Role   identity.Role `json:"role"`
	}
	sessionRecord struct {
		ID             string    `json:"id"`
		UserID         string    `json:"user_id"`
		OrganizationID string    `json:"organization_id"`
		IP             string    `json:"ip"`
		UserAgent      string    `json:"user_agent"`
		ExpiresAt      time.Time `json:"expires_at"`
	}
	keyRecord struct {
		ID        string        `json:"id"`
		Name      string        `json:"name"`
		Role      identity.Role `json:"role"`
		Prefix    string        `json:"prefix"`
		CreatedBy string        `json:"created_by"`
		ExpiresAt *time.Time    `json:"expires_at"`
	}
	passwordRecord struct {
		ChangedAt     time.Time `json:"changed_at"`
		SessionsEnded int       `json:"sessions_ended"`
	}
)

func recordOfUser(u User) userRecord { return userRecord{u.ID, u.Email, u.Name} }

func recordOfOrganization(o Organization) organizationRecord { return organizationRecord{o.ID, o.Name} }

func recordOfMember(m Member) memberRecord { return memberRecord{m.User.ID, m.User.Email, m.Role} }

func recordOfSession(s Session) sessionRecord {
	return sessionRecord{s.ID, s.UserID, s.OrganizationID, s.IP, s.UserAgent, s.ExpiresAt}
}

func recordOfKey(k Key) keyRecord {
	r := keyRecord{k.ID, k.Name, k.Role, k.Prefix, k.CreatedBy, nil}
	if !k.ExpiresAt.IsZero() {
		r.ExpiresAt = &k.ExpiresAt
	}
	return r
}
