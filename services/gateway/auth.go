package gateway

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	accountsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/accounts/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
)

const (
	cookieName = "frogup_session"
	// secureCookieName makes browsers insist on what we promise: encrypted, this host alone, the whole path.
	secureCookieName = "__Host-" + cookieName
	maxSecretBytes   = 512 // more cannot be ours

	keyCacheTTL  = 2 * time.Second
	keyCacheSize = 4096
)

// credential is what a request carries to say who it is.
type credential struct {
	bearer bool // an API key; else the token of a session
	secret string
}

var errNoCredentials = fault.Unauthenticated("sign in, or send an API key in the Authorization header")

// credentialOf takes the API key before the cookie: a program that sends one means it.
func credentialOf(r *http.Request, secure bool) (credential, error) {
	if values := r.Header.Values("Authorization"); len(values) > 0 {
		scheme, secret, _ := strings.Cut(values[0], " ")
		secret = strings.TrimSpace(secret)
		switch {
		case len(values) > 1:
			return credential{}, fault.Unauthenticated("more than one Authorization header")
		case !strings.EqualFold(scheme, "Bearer"): // of a proxy in front of us
		case secret == "" || len(secret) > maxSecretBytes:
			return credential{}, fault.Unauthenticated("the Authorization header holds no API key")
		default:
			return credential{bearer: true, secret: secret}, nil
		}
	}
	if c, err := r.Cookie(sessionCookie(secure)); err == nil && c.Value != "" && len(c.Value) <= maxSecretBytes {
		return credential{secret: c.Value}, nil
	}
	return credential{}, errNoCredentials
}

func sessionCookie(secure bool) string {
	if secure {
		return secureCookieName
	}
	return cookieName
}

// setSession hands out the token of a session. It is not readable by scripts and does not travel with requests that other
// sites make, save for following a link.
func setSession(w http.ResponseWriter, secure bool, token string, expires time.Time) {
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie(secure), Value: token, Path: "/", Expires: expires,
		HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode,
	})
}

func clearSession(w http.ResponseWriter, secure bool) {
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie(secure), Path: "/", MaxAge: -1,
		HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode,
	})
}

// authenticator asks accounts who a credential belongs to.
type authenticator struct {
	identity accountsv1.IdentityServiceClient
	keys     keyCache
}

// resolve returns the principal of c. Sessions are asked for each time, so that signing out and changing the organization
// count at once on every replica; the answer for an API key, which a program may use a hundred times a second, is kept for
// keyCacheTTL.
func (a *authenticator) resolve(ctx context.Context, c credential, ip string) (identity.Principal, error) {
	if c.bearer {
		if p, ok := a.keys.get(c.secret); ok {
			p.RemoteIP = ip
			return p, nil
		}
	}
	p, err := a.ask(ctx, c, ip)
	if err != nil {
		return identity.Anonymous, err
	}
	if c.bearer {
		a.keys.put(c.secret, p)
	}
	p.RemoteIP = ip
	return p, nil
}

// ask never uses what is kept.
func (a *authenticator) ask(ctx context.Context, c credential, ip string) (identity.Principal, error) {
	// The edge asks in its own name: nobody is signed in yet.
	ctx = identity.NewContext(ctx, identity.Principal{Kind: identity.KindService, Name: "gateway", RemoteIP: ip})
	var (
		pb  *accountsv1.Principal
		err error
	)
	if c.bearer {
		pb, err = a.identity.ResolveApiKey(ctx, &accountsv1.ResolveApiKeyRequest{Key: c.secret})
	} else {
		pb, err = a.identity.ResolveSession(ctx, &accountsv1.ResolveSessionRequest{Token: c.secret})
	}
	switch status.Code(err) {
	case codes.OK:
		return principalOf(pb)
	case codes.Unauthenticated, codes.NotFound, codes.InvalidArgument:
		if c.bearer {
			return identity.Anonymous, fault.Unauthenticated("the API key is not valid").Wrap(err)
		}
		return identity.Anonymous, fault.Unauthenticated("the session has ended; sign in again").Wrap(err)
	}
	return identity.Anonymous, fmt.Errorf("resolve credential: %w", err)
}

func principalOf(pb *accountsv1.Principal) (identity.Principal, error) {
	p := identity.Principal{
		UserID: pb.GetUserId(), OrganizationID: pb.GetOrganizationId(), SessionID: pb.GetSessionId(), KeyID: pb.GetKeyId(), Name: pb.GetName(),
	}
	switch pb.GetKind() {
	case accountsv1.PrincipalKind_PRINCIPAL_KIND_USER:
		p.Kind = identity.KindUser
	case accountsv1.PrincipalKind_PRINCIPAL_KIND_API_KEY:
		p.Kind = identity.KindAPIKey
	default:
		return identity.Anonymous, fault.Internal(fmt.Errorf("principal of kind %v", pb.GetKind()))
	}
	switch pb.GetRole() {
	case accountsv1.Role_ROLE_UNSPECIFIED: // no active organization
	case accountsv1.Role_ROLE_VIEWER:
		p.Role = identity.RoleViewer
	case accountsv1.Role_ROLE_EDITOR:
		p.Role = identity.RoleEditor
	case accountsv1.Role_ROLE_ADMIN:
		p.Role = identity.RoleAdmin
	case accountsv1.Role_ROLE_OWNER:
		p.Role = identity.RoleOwner
	default:
		return identity.Anonymous, fault.Internal(fmt.Errorf("principal with role %v", pb.GetRole()))
	}
	return p, nil
}

// keyCache remembers who API keys belong to, by their hash. The zero value is ready.
type keyCache struct {
	mu   sync.Mutex
	held map[[sha256.Size]byte]keptKey
}

type keptKey struct {
	principal identity.Principal
	until     time.Time
}

func (c *keyCache) get(key string) (identity.Principal, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.held[sha256.Sum256([]byte(key))]
	return k.principal, ok && time.Now().Before(k.until)
}

func (c *keyCache) put(key string, p identity.Principal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.held) >= keyCacheSize || c.held == nil {
		c.held = map[[sha256.Size]byte]keptKey{} // so many live keys in two seconds are rarer than a scan is dear
	}
	c.held[sha256.Sum256([]byte(key))] = keptKey{p, time.Now().Add(keyCacheTTL)}
}

// isOver reports whether err says that the credential is no longer good, in contrast to accounts being out of reach.
func isOver(err error) bool {
	var f *fault.Error
	return errors.As(err, &f) && f.Kind == fault.KindUnauthenticated
}
