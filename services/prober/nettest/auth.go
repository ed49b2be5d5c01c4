package nettest

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// AuthType is how an HTTP check proves who it is.
type AuthType string

// Kinds of authentication. The empty value is AuthNone.
const (
	AuthNone         AuthType = "none"
	AuthBasic        AuthType = "basic"         // Username, Password
	AuthBearer       AuthType = "bearer"        // Token
	AuthAPIKey       AuthType = "api_key"       // Value in Header, X-API-Key unless given
	AuthCustomHeader AuthType = "custom_header" // Value in Header
	// AuthDigest answers the challenge of a 401 once (RFC 7616: MD5, SHA-256 and
	// SHA-512-256, also as sessions) with Username and Password; both requests
	// count in the response time. A challenge that cannot be answered leaves the
	// 401, and a warning that says why.
	AuthDigest AuthType = "digest"
	// AuthOAuth2 fetches a bearer token by the client credentials of OAuth2 (RFC
	// 6749, section 4.4).
	AuthOAuth2 AuthType = "oauth2"
)

const defaultAPIKeyHeader = "X-API-Key"

// Auth is what an HTTP check proves itself with. It goes to the origin of the
// configured URL only: once a redirect has left it, it is not sent again. It
// prints without its secrets.
type Auth struct {
	Type     AuthType
	Username string
	Password string
	Token    string
	Header   string
	Value    string
	OAuth2   *OAuth2
}

// OAuth2 is where and for what a token is asked. It prints without its secret.
//
// A token is shared by all checks of a Network with the same settings, kept until
// shortly before it expires, and dropped when a target answers 401 to it; if it
// was not fetched just now, the request is then repeated once with a new one. The
// token endpoint is reached as the target is: through the same proxy, under the
// same policy and by the check's deadline. The time that a fetch takes is no part
// of the check's phases and latency; it is told in TestResult.Warnings.
//
// If no token can be had, the target was not asked: the result is an ErrAuth, or
// the type of this prober's own trouble.
type OAuth2 struct {
	// TokenURL is an absolute http or https URL.
	TokenURL string
	// ClientID and ClientSecret are the client's.
	ClientID, ClientSecret string
	// Scopes and Audience may be empty.
	Scopes   []string
	Audience string
	// InBody sends client and secret in the form instead of as basic authentication.
	InBody bool
}

// String hides the secret.
func (o OAuth2) String() string { return o.TokenURL + " ***" }

// GoString hides the secret from %#v.
func (o OAuth2) GoString() string { return "nettest.OAuth2{" + o.String() + "}" }

// String hides the secrets.
func (a Auth) String() string {
	if a.Type == "" || a.Type == AuthNone {
		return string(AuthNone)
	}
	return string(a.Type) + " ***"
}

// GoString hides the secrets from %#v.
func (a Auth) GoString() string { return "nettest.Auth{" + a.String() + "}" }

// header returns the header that carries credentials which never vary; its name
// is empty if there is none.
func (a Auth) header() HeaderField {
	switch a.Type {
	case AuthBasic:
		pair := base64.StdEncoding.EncodeToString([]byte(a.Username + ":" + a.Password))
		return HeaderField{"Authorization", "Basic " + pair}
	case AuthBearer:
		return HeaderField{"Authorization", "Bearer " + a.Token}
	case AuthAPIKey:
		if a.Header == "" {
			return HeaderField{defaultAPIKeyHeader, a.Value}
		}
		return HeaderField{a.Header, a.Value}
	case AuthCustomHeader:
		return HeaderField{a.Header, a.Value}
	default:
		return HeaderField{}
	}
}

func (a Auth) check() error {
	switch a.Type {
	case "", AuthNone:
		return nil
	case AuthBasic:
		if strings.Contains(a.Username, ":") {
			return &ConfigError{"Config.Auth.Username", "must not contain a colon"}
		}
		return nil
	case AuthDigest:
		if a.Username == "" {
			return &ConfigError{"Config.Auth.Username", "must not be empty"}
		}
		if strings.ContainsAny(a.Username, "\r\n\x00") {
			return &ConfigError{"Config.Auth.Username", "has a character that headers cannot have"}
		}
		return nil
	case AuthBearer:
		if a.Token == "" || !httpguts.ValidHeaderFieldValue(a.Token) {
			return &ConfigError{"Config.Auth.Token", "is empty or has a character that headers cannot have"}
		}
		return nil
	case AuthAPIKey, AuthCustomHeader:
		if problem := checkHeader(a.header()); problem != "" {
			return &ConfigError{"Config.Auth.Header", problem}
		}
		return nil
	case AuthOAuth2:
		return a.OAuth2.check()
	default:
		return &ConfigError{"Config.Auth.Type", "must be none, basic, bearer, api_key, custom_header, digest or oauth2"}
	}
}

func (o *OAuth2) check() error {
	if o == nil {
		return &ConfigError{"Config.Auth.OAuth2", "is missing"}
	}
	u, err := url.Parse(o.TokenURL)
	if err != nil {
		return &ConfigError{"Config.Auth.OAuth2.TokenURL", "must be an absolute http or https URL"}
	}
	if _, problem := targetOf(u); problem != "" {
		return &ConfigError{"Config.Auth.OAuth2.TokenURL", problem}
	}
	if o.ClientID == "" {
		return &ConfigError{"Config.Auth.OAuth2.ClientID", "must not be empty"}
	}
	for i, scope := range o.Scopes {
		if scope == "" || strings.ContainsAny(scope, " \"\\") {
			return &ConfigError{fmt.Sprintf("Config.Auth.OAuth2.Scopes[%d]", i), "is empty or has a space, quote or backslash"}
		}
	}
	return nil
}

// proof returns the header that proves who is asking for h; its name is empty if
// there is none or h is not to have it.
func (r *httpRun) proof(h *hop) HeaderField {
	switch {
	case !r.trusted:
		return HeaderField{}
	case r.digest != nil:
		return HeaderField{"Authorization", r.digest.answer(h, r.own.Auth)}
	case r.token != nil:
		return HeaderField{"Authorization", "Bearer " + r.token.value}
	default:
		return r.own.Auth.header()
	}
}

// prove makes the request for h, and once more if its answer asks for a proof
// that can be given.
func (r *httpRun) prove(h *hop) (*response, *failure) {
	switch {
	case !r.trusted:
		return r.request(h)
	case r.own.Auth.Type == AuthDigest:
		return r.proveByDigest(h)
	case r.own.Auth.Type == AuthOAuth2:
		return r.proveByToken(h)
	default:
		return r.request(h)
	}
}

// warn adds a remark to the result, each once.
func (r *httpRun) warn(text string) {
	for _, w := range r.result.Warnings {
		if w == text {
			return
		}
	}
	r.result.Warnings = append(r.result.Warnings, text)
}
