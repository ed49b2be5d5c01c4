package accounts

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/secret"
)

// The names under which the operator gives the first owner; errors use them.
const (
	adminEmailVar    = "FROGUP_ADMIN_EMAIL"
	adminPasswordVar = "FROGUP_ADMIN_PASSWORD"
	adminAPIKeyVar   = "FROGUP_ADMIN_API_KEY"
)

// BootstrapConfig is what the operator gave for the first start. Every field may be empty.
type BootstrapConfig struct {
	AdminEmail       string
	AdminPassword    secret.String
	AdminAPIKey      secret.String // at least MinOperatorKeyLength characters, or a key made by an installation of this product
	OrganizationName string        // "" means DefaultOrganizationName
	Passwords        PasswordParams
	SingleTenant     bool // one organization and never a second one
}

// KeyState says what became of BootstrapConfig.AdminAPIKey.
type KeyState string

// The states of the operator's key. The empty one means that no key was given.
const (
	KeyAdded   KeyState = "added"   // it works from now on
	KeyKept    KeyState = "kept"    // it was there already
	KeyWaiting KeyState = "waiting" // there is no owner yet; it is added at the first start after set-up
	KeyRevoked KeyState = "revoked" // it was revoked and stays so: choose a new one
)

// BootstrapResult is what Bootstrap found or did.
type BootstrapResult struct {
	SetupToken string   // for the link …/setup?token=…; every replica has its own; "" unless nobody owns the installation yet
	Created    bool     // the first owner was created now
	APIKey     KeyState // what became of the operator's key
}

// Bootstrap brings the store to where somebody can sign in. It may run at every start:
//
//   - Without any user it creates the owner and the organization from the configuration or, if that names nobody, a set-up
//     token, which works for 24 hours. Earlier ones stay: another replica may have printed them a moment ago.
//   - The operator's key is added, with the role of owner in the oldest organization, if it is new. It takes the place of the
//     operator's earlier keys, which are revoked. One that was revoked is not revived.
//   - With SingleTenant a store that has several organizations is refused: it cannot become what it is said to be.
//   - Whatever exists is left as it is; a changed password in the configuration changes nothing.
//
// An error about the configuration names the variable and never its value.
func Bootstrap(ctx context.Context, store Store, cfg BootstrapConfig) (BootstrapResult, error) {
	var out BootstrapResult
	ctx = identity.NewContext(ctx, identity.Principal{Kind: identity.KindService, Name: "accounts"})
	if err := cfg.check(); err != nil {
		return out, fmt.Errorf("bootstrap: %w", err)
	}
	if err := cfg.checkAlone(ctx, store); err != nil {
		return out, fmt.Errorf("bootstrap: %w", err)
	}
	if err := cfg.createOwner(ctx, store, &out); err != nil {
		return out, fmt.Errorf("bootstrap: %w", err)
	}
	if err := cfg.addKey(ctx, store, &out); err != nil {
		return out, fmt.Errorf("bootstrap: %w", err)
	}
	return out, nil
}

func (c *BootstrapConfig) check() error {
	c.AdminEmail = NormalEmail(c.AdminEmail)
	if c.AdminEmail != "" && !validEmail(c.AdminEmail) {
		return fmt.Errorf("%s is not an e-mail address", adminEmailVar)
	}
	if !c.AdminPassword.IsZero() && !validPassword(c.AdminPassword.Reveal()) {
		return fmt.Errorf("%s must have %d to %d characters", adminPasswordVar, MinPasswordLength, MaxPasswordLength)
	}
	if key := c.AdminAPIKey.Reveal(); key != "" && !plausibleKey(key) {
		if strings.HasPrefix(key, keyPrefix) {
			return fmt.Errorf("%s begins with %s like a key made here, yet is none: mistyped, or choose another beginning", adminAPIKeyVar, keyPrefix)
		}
		return fmt.Errorf("%s must have at least %d characters, and at most %d bytes", adminAPIKeyVar, MinOperatorKeyLength, maxKeyBytes)
	}
	name, ok := cleanName(c.OrganizationName)
	if !ok {
		return errors.New("the name of the organization " + badName)
	}
	c.OrganizationName = name
	return nil
}

func (c *BootstrapConfig) checkAlone(ctx context.Context, store Store) error {
	if !c.SingleTenant {
		return nil
	}
	n, err := store.CountOrganizations(ctx)
	if err == nil && n > 1 {
		return fmt.Errorf("single-tenant: there are %d organizations already", n)
	}
	return err
}

// createOwner makes the first owner, or a token for whoever will be.
func (c *BootstrapConfig) createOwner(ctx context.Context, store Store, out *BootstrapResult) error {
	exists, err := store.AnyUser(ctx)
	if err != nil || exists {
		return err
	}
	switch {
	case c.AdminEmail == "" && c.AdminPassword.IsZero():
		return createSetupToken(ctx, store, out)
	case c.AdminEmail == "":
		return fmt.Errorf("%s is given but %s is not", adminPasswordVar, adminEmailVar)
	case c.AdminPassword.IsZero():
		return fmt.Errorf("%s is given but %s is not", adminEmailVar, adminPasswordVar)
	}
	hash, err := NewHasher(c.Passwords, 0).Hash(ctx, c.AdminPassword.Reveal())
	if err != nil {
		return err
	}
	first := newFounding(c.AdminEmail, "", hash, c.OrganizationName)
	return store.Update(ctx, func(tx Tx) error {
		out.Created = false
		exists, err := tx.AnyUser(ctx)
		if err != nil || exists { // somebody was faster
			return err
		}
		if err := tx.DeleteSetupTokens(ctx); err != nil {
			return err
		}
		out.Created = true
		return first.insert(actingIn(ctx, first.organization.ID), tx)
	})
}

func createSetupToken(ctx context.Context, store Store, out *BootstrapResult) error {
	token, at := newToken(), now()
	err := store.Update(ctx, func(tx Tx) error {
		out.SetupToken = ""
		exists, err := tx.AnyUser(ctx)
		if err != nil || exists { // somebody was faster
			return err
		}
		out.SetupToken = token
		return tx.AddSetupToken(ctx, hashSecret(token), at, at.Add(setupLife), maxSetupTokens)
	})
	if err != nil {
		out.SetupToken = ""
	}
	return err
}

// addKey makes the operator's key work, unless it does already or was revoked.
func (c *BootstrapConfig) addKey(ctx context.Context, store Store, out *BootstrapResult) error {
	if c.AdminAPIKey.IsZero() {
		return nil
	}
	return store.Update(ctx, func(tx Tx) error {
		known, err := tx.KeyByHash(ctx, hashSecret(c.AdminAPIKey.Reveal()))
		switch {
		case err == nil && known.RevokedAt.IsZero():
			out.APIKey = KeyKept
			return nil
		case err == nil:
			out.APIKey = KeyRevoked
			return nil
		case !errors.Is(err, ErrNotFound):
			return err
		}
		out.APIKey = KeyAdded
		err = c.insertKey(ctx, tx)
		if errors.Is(err, errNoOwner) {
			out.APIKey = KeyWaiting
			return nil
		}
		return err
	})
}

// errNoOwner says that there is nobody yet in whose name a key could act.
var errNoOwner = errors.New("no organization with an owner")

func (c *BootstrapConfig) insertKey(ctx context.Context, tx Tx) error {
	o, err := tx.FirstOrganization(ctx)
	if errors.Is(err, ErrNotFound) {
		return errNoOwner
	}
	if err != nil {
		return err
	}
	owner, err := firstOwner(ctx, tx, o.ID)
	if err != nil {
		return err
	}
	ctx = actingIn(ctx, o.ID)
	earlier, err := tx.OperatorKeys(ctx, now())
	if err != nil {
		return err
	}
	for _, k := range earlier { // a key is changed because the old one is no longer trusted
		if err := revokeKey(actingIn(ctx, k.OrganizationID), tx, k); err != nil {
			return err
		}
	}
	text := c.AdminAPIKey.Reveal()
	k := Key{
		ID: newID(), OrganizationID: o.ID, Name: adminAPIKeyVar, Role: identity.RoleOwner, Prefix: displayPrefix(text),
		CreatedBy: owner.ID, Operator: true, CreatedAt: now(),
	}
	if err := tx.InsertKey(ctx, k, hashSecret(text)); err != nil {
		return err
	}
	return record(ctx, tx, "api_key.create", "api_key", k.ID, nil, recordOfKey(k))
}

// firstOwner returns who has been owner of an organization for longest.
func firstOwner(ctx context.Context, tx Tx, organizationID string) (User, error) {
	all, err := tx.Members(ctx, organizationID)
	if err != nil {
		return User{}, err
	}
	var first Member
	for _, m := range all {
		if m.Role == identity.RoleOwner && (first.User.ID == "" || m.CreatedAt.Before(first.CreatedAt)) {
			first = m
		}
	}
	if first.User.ID == "" {
		return User{}, errNoOwner
	}
	return first.User, nil
}
