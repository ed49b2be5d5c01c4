package nettest

import (
	"encoding/base64"
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
}

// String hides the secrets.
func (a Auth) String() string {
	if a.Type == "" || a.Type == AuthNone {
		return string(AuthNone)
	}
	return string(a.Type) + " ***"
}

// GoString hides the secrets from %#v.
func (a Auth) GoString() string { return "nettest.Auth{" + a.String() + "}" }

// header returns the header that carries the credentials; its name is empty
// if there is none.
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
	default:
		return &ConfigError{"Config.Auth.Type", "must be none, basic, bearer, api_key or custom_header"}
	}
}
