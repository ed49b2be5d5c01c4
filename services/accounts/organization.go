package accounts

import (
	"context"
	"time"

	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
)

// DefaultOrganizationName is what the first organization is called when nobody says.
const DefaultOrganizationName = "Default"

// Organization owns monitors, members and keys.
type Organization struct {
	ID        string // UUIDv7
	Name      string
	CreatedAt time.Time
}

// errSingleTenant refuses a second organization where the operator has said that there is only one.
var errSingleTenant = fault.Precondition("this installation is for a single organization (setting single-tenant)").Because("SINGLE_TENANT")

// mayFound refuses an organization beside another if there is to be only one.
func mayFound(ctx context.Context, r Organizations, alone bool) error {
	if !alone {
		return nil
	}
	n, err := r.CountOrganizations(ctx)
	if err == nil && n > 0 {
		return errSingleTenant
	}
	return err
}

// Membership is an organization as one of its members sees it.
type Membership struct {
	Organization Organization
	Role         identity.Role
	CreatedAt    time.Time
}

// Member is a user as an organization sees it. The user's password hash is not filled in.
type Member struct {
	User      User
	Role      identity.Role
	CreatedAt time.Time
}

// mayGrant refuses to let a caller give away a role above the own.
func mayGrant(own, granted identity.Role) error {
	if !own.AtLeast(granted) {
		return fault.Denied("you cannot grant a role above your own").Because("ROLE_TOO_HIGH")
	}
	return nil
}

// mayManage refuses to let a caller change or remove somebody whose role is above the own.
func mayManage(own, theirs identity.Role) error {
	if !own.AtLeast(theirs) {
		return fault.Denied("you cannot change a member whose role is above your own").Because("ROLE_TOO_HIGH")
	}
	return nil
}

// mayLeaveOwners refuses to take the role of owner from the last who has it; an organization without one could not be
// administered by anybody again. owners is how many there are; to is "" for a removal.
func mayLeaveOwners(from, to identity.Role, owners int) error {
	if from == identity.RoleOwner && to != identity.RoleOwner && owners <= 1 {
		return fault.Precondition("an organization needs an owner; make somebody else owner first").Because("LAST_OWNER")
	}
	return nil
}

// home is the organization in which a new session begins: the one the user has been a member of for longest. It is zero if
// the user is a member of none.
func home(all []Membership) Membership {
	var oldest Membership
	for i, m := range all {
		if i == 0 || m.CreatedAt.Before(oldest.CreatedAt) ||
			m.CreatedAt.Equal(oldest.CreatedAt) && m.Organization.ID < oldest.Organization.ID {
			oldest = m
		}
	}
	return oldest
}
