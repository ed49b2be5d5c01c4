package monitors

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"

	"github.com/frogstats/uptime/internal/secret"
)

// Redacted stands for a value that is stored and not shown. Sent back where it was read, it keeps that value.
const Redacted = "***"

// Secrets is what a configuration needs and nobody may read: the credentials, and the values of headers whose names say
// that they carry some (see secretHeader). It is sealed into a column of its own, bound to its organization and monitor,
// and opened only to run a check or to merge a change of itself. It prints and logs as "***".
type Secrets struct {
	Credentials *Credentials      `json:"credentials,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"` // by name as in HTTPConfig.Headers

	ProxyPassword string `json:"proxy_password,omitempty"`
	ClientKey     string `json:"client_key,omitempty"` // PEM; of the TLS options, of which a monitor has one set at most
}

// Credentials are those of an Auth; which count depends on its type.
type Credentials struct {
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
	Token    string `json:"token,omitempty"`
	Key      string `json:"key,omitempty"` // header name
	Value    string `json:"value,omitempty"`

	ClientSecret string `json:"client_secret,omitempty"`
}

// Empty reports whether there is nothing to seal.
func (s Secrets) Empty() bool {
	return s.Credentials == nil && len(s.Headers) == 0 && s.ProxyPassword == "" && s.ClientKey == ""
}

// Format implements fmt.Formatter, so that no verb prints a secret.
func (s Secrets) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// LogValue implements slog.LogValuer.
func (s Secrets) LogValue() slog.Value { return slog.StringValue(Redacted) }

// Format implements fmt.Formatter, so that no verb prints a secret.
func (c Credentials) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// LogValue implements slog.LogValuer.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(Redacted) }

// header returns the stored value of the secret header name, whatever its case.
func (s Secrets) header(name string) (string, bool) {
	for n, v := range s.Headers {
		if strings.EqualFold(n, name) {
			return v, true
		}
	}
	return "", false
}

// secretHeader reports whether a request header of this name is taken to carry a credential: Authorization,
// Proxy-Authorization, Cookie, X-Api-Key, everything with "token" or "secret" in it, and what else the house takes for
// sensitive. Such values are sealed, and read as Redacted.
func secretHeader(name string) bool {
	lower := strings.ToLower(name)
	return secret.Sensitive(name) || strings.Contains(lower, "token") || strings.Contains(lower, "secret")
}

// place is what a sealed value is bound to: moved to another row, it does not open.
func place(organizationID string, id uint32) []byte {
	return secret.AAD("uptime_monitors", organizationID, strconv.FormatUint(uint64(id), 10))
}

// seal returns s for the sealed column; nil if there is nothing to seal.
func seal(box *secret.Box, organizationID string, id uint32, s Secrets) ([]byte, error) {
	if s.Empty() {
		return nil, nil
	}
	plain, err := json.Marshal(s)
	if err != nil {
		return nil, errors.New("seal secrets: not encodable") // the encoder's words could quote them
	}
	sealed, err := box.Seal(plain, place(organizationID, id))
	if err != nil {
		return nil, fmt.Errorf("seal secrets: %w", err)
	}
	return sealed, nil
}

// open is the inverse of seal.
func open(box *secret.Box, m Monitor) (Secrets, error) {
	if len(m.Sealed) == 0 {
		return Secrets{}, nil
	}
	plain, err := box.Open(m.Sealed, place(m.OrganizationID, m.ID))
	if err != nil {
		return Secrets{}, fmt.Errorf("open secrets: %w", err)
	}
	var s Secrets
	if err := json.Unmarshal(plain, &s); err != nil {
		return Secrets{}, errors.New("open secrets: not readable")
	}
	return s, nil
}

const (
	maxUsernameBytes = 1024
	maxPasswordBytes = 4096
	maxTokenBytes    = 8192
)

// validate checks that c holds what type t needs, and nothing else.
func (c *Credentials) validate(at string, t AuthType, p *problems) {
	if t == AuthNone {
		if c != nil {
			p.add(at+".type", "is required with credentials: one of %s", authTypes[len("none, "):])
		}
		return
	}
	if c == nil {
		c = &Credentials{}
	}
	at += ".credentials"
	uses := map[string]bool{}
	switch t {
	case AuthBasic, AuthDigest:
		uses["username"], uses["password"] = true, true
		c.validateBasic(at, p)
	case AuthBearer:
		uses["token"] = true
		requiredValue(at+".token", c.Token, maxTokenBytes, p)
	case AuthOAuth2:
		uses["client_secret"] = true
		requiredValue(at+".client_secret", c.ClientSecret, maxTokenBytes, p)
	case AuthAPIKey, AuthCustomHeader:
		uses["key"], uses["value"] = true, true
		requiredValue(at+".value", c.Value, maxTokenBytes, p)
		if t == AuthCustomHeader && c.Key == "" {
			p.add(at+".key", "is required: the name of the header")
		} else if reason := headerNameProblem(c.Key); c.Key != "" && reason != "" {
			p.add(at+".key", "%s", reason)
		}
	}
	for _, f := range [...]struct{ name, value string }{
		{"username", c.Username}, {"password", c.Password}, {"token", c.Token}, {"key", c.Key}, {"value", c.Value},
		{"client_secret", c.ClientSecret},
	} {
		if f.value != "" && !uses[f.name] {
			p.add(at+"."+f.name, "must be absent for %s", t)
		}
	}
}

// validateBasic lets one of the two be empty: services exist that put a key into either.
func (c *Credentials) validateBasic(at string, p *problems) {
	switch {
	case c.Username == "" && c.Password == "":
		p.add(at+".username", "is required")
	case strings.Contains(c.Username, ":"):
		p.add(at+".username", "must not hold a colon")
	case len(c.Username) > maxUsernameBytes:
		p.add(at+".username", "must be at most %d bytes", maxUsernameBytes)
	case strings.ContainsFunc(c.Username, isControl):
		p.add(at+".username", "must not hold control characters")
	}
	if len(c.Password) > maxPasswordBytes {
		p.add(at+".password", "must be at most %d bytes", maxPasswordBytes)
	}
	if strings.ContainsFunc(c.Password, isControl) {
		p.add(at+".password", "must not hold control characters")
	}
}

// requiredValue checks a value that goes into a header.
func requiredValue(field, v string, maxBytes int, p *problems) {
	switch reason := headerValueProblem(v); {
	case v == "":
		p.add(field, "is required")
	case len(v) > maxBytes:
		p.add(field, "must be at most %d bytes", maxBytes)
	case reason != "":
		p.add(field, "%s", reason)
	}
}
