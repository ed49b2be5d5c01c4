package monitors

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"
)

// HTTPConfig is what an HTTP check requests.
type HTTPConfig struct {
	URL             string            `json:"url"` // canonical; see canonicalURL
	Method          string            `json:"method"`
	Headers         map[string]string `json:"headers"` // values of secret headers are Redacted
	Body            *string           `json:"body"`
	Auth            Auth              `json:"auth"`
	FollowRedirects bool              `json:"follow_redirects"`
	Timeout         Millis            `json:"timeout_ms"`
	IPVersion       string            `json:"ip_version"`
	MaxRedirects    int32             `json:"max_redirects"`
	UserAgent       string            `json:"user_agent,omitempty"`   // "": the product's own
	Version         string            `json:"http_version,omitempty"` // "": any
	Proxy           *Proxy            `json:"proxy,omitempty"`
	TLS             *TLSOptions       `json:"tls,omitempty"`
	NoCookies       bool              `json:"no_cookies,omitempty"`
}

// Auth is how an HTTP check proves who it is. Its credentials are in Secrets.
type Auth struct {
	Type   AuthType `json:"type"`
	OAuth2 *OAuth2  `json:"oauth2,omitempty"` // of AuthOAuth2
}

// AuthType is a scheme of authentication.
type AuthType string

// The schemes.
const (
	AuthNone         AuthType = "none"
	AuthBasic        AuthType = "basic"
	AuthBearer       AuthType = "bearer"
	AuthAPIKey       AuthType = "api_key"
	AuthCustomHeader AuthType = "custom_header"
	AuthDigest       AuthType = "digest"
	AuthOAuth2       AuthType = "oauth2"
)

const authTypes = "none, basic, bearer, api_key, custom_header, digest, oauth2"

// DefaultAPIKeyHeader carries the value of api_key unless key names another.
const DefaultAPIKeyHeader = "X-API-Key"

// Limits of an HTTP configuration.
const (
	maxURLBytes         = 2048
	maxHeaders          = 64
	maxHeaderNameBytes  = 256
	maxHeaderValueBytes = 8192
	maxBodyBytes        = 1 << 20
	maxRedirects        = 50
	maxUserAgentBytes   = 256
	maxTimeout          = Millis(300_000)
)

var methods = []string{"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"}

// ownHeaders belong to the connection or to the message's framing. The client writes them; set by hand they would let one
// request pass for two.
var ownHeaders = []string{
	"connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
}

func (h *HTTPConfig) validate(at string, s Secrets, p *problems) {
	if canonical, err := canonicalURL(h.URL); err != nil {
		p.add(at+".url", "%s", err.Error())
	} else {
		h.URL = canonical
	}
	if !slices.Contains(methods, h.Method) {
		p.add(at+".method", "must be one of %s", strings.Join(methods, ", "))
	}
	h.validateHeaders(p)
	if h.Body != nil && len(*h.Body) > maxBodyBytes {
		p.add(at+".body", "must be at most %d bytes", maxBodyBytes)
	}
	between(p, at+".timeout_ms", h.Timeout, 1, maxTimeout)
	between(p, at+".max_redirects", h.MaxRedirects, 0, maxRedirects)
	validateIPVersion(at+".ip_version", h.IPVersion, p)
	if len(h.UserAgent) > maxUserAgentBytes {
		p.add(at+".user_agent", "must be at most %d bytes", maxUserAgentBytes)
	}
	if !httpguts.ValidHeaderFieldValue(h.UserAgent) {
		p.add(at+".user_agent", "must not hold control characters")
	}
	h.Auth.validate(at+".auth", p)
	h.Proxy.validate(at+".proxy", s.ProxyPassword, p)
	if h.TLS != nil && strings.HasPrefix(h.URL, "http:") && !h.FollowRedirects {
		p.add(at+".tls", "must be absent for an http URL whose redirects are not followed")
	}
	h.TLS.validate(at+".tls", s.ClientKey, p)
}

func (a *Auth) validate(at string, p *problems) {
	switch a.Type {
	case AuthNone, AuthBasic, AuthBearer, AuthAPIKey, AuthCustomHeader, AuthDigest:
		if a.OAuth2 != nil {
			p.add(at+".oauth2", "must be absent for %s", a.Type)
		}
	case AuthOAuth2:
		if a.OAuth2 == nil {
			p.add(at+".oauth2", "is required for oauth2")
			return
		}
		a.OAuth2.validate(at+".oauth2", p)
	default:
		p.add(at+".type", "must be one of %s", authTypes)
	}
}

func headerField(name string) string { return fmt.Sprintf("http_config.headers[%q]", name) }

func (h *HTTPConfig) validateHeaders(p *problems) {
	if len(h.Headers) > maxHeaders {
		p.add("http_config.headers", "must have at most %d entries", maxHeaders)
	}
	seen := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(h.Headers)) {
		field := headerField(name)
		if reason := headerNameProblem(name); reason != "" {
			p.add(field, "%s", reason)
		}
		if twin, ok := seen[strings.ToLower(name)]; ok {
			p.add(field, "is the same header as %q", twin)
		}
		seen[strings.ToLower(name)] = name
		if reason := headerValueProblem(h.Headers[name]); reason != "" {
			p.add(field, "%s", reason)
		}
		if strings.EqualFold(name, "host") && !validHostHeader(h.Headers[name]) {
			p.add(field, "must be a host name, with a port if need be")
		}
	}
}

// validHostHeader is stricter than HTTP, which lets an empty one and most punctuation through.
func validHostHeader(v string) bool {
	u, err := url.Parse("http://" + v + "/")
	return err == nil && v != "" && u.Host == v && u.User == nil && httpguts.ValidHostHeader(v)
}

// headerSyntaxProblem says what is wrong with a header name, or "".
func headerSyntaxProblem(name string) string {
	switch {
	case len(name) > maxHeaderNameBytes:
		return fmt.Sprintf("name must be at most %d bytes", maxHeaderNameBytes)
	case !httpguts.ValidHeaderFieldName(name):
		return "is not a header name"
	}
	return ""
}

// headerNameProblem is headerSyntaxProblem for a header that is to be sent.
func headerNameProblem(name string) string {
	if slices.Contains(ownHeaders, strings.ToLower(name)) {
		return "belongs to the connection and cannot be set"
	}
	return headerSyntaxProblem(name)
}

func headerValueProblem(value string) string {
	switch {
	case len(value) > maxHeaderValueBytes:
		return fmt.Sprintf("value must be at most %d bytes", maxHeaderValueBytes)
	case !httpguts.ValidHeaderFieldValue(value):
		return "value must not hold line breaks or other control characters"
	}
	return ""
}

func validateIPVersion(at, v string, p *problems) {
	switch v {
	case "any", "ipv4", "ipv6":
	default:
		p.add(at, "must be one of any, ipv4, ipv6")
	}
}

// textError is a problem in words for the author of a configuration.
type textError string

func (e textError) Error() string { return string(e) }

// canonicalURL checks that raw is an absolute http or https URL with a host and no user information, and returns it with
// its scheme in lower case, its host in canonical form (see canonicalHost) and without its fragment, which is dropped
// because no server ever sees one. What is canonical stays as it is.
func canonicalURL(raw string) (string, error) {
	switch {
	case raw == "":
		return "", textError("is required")
	case len(raw) > maxURLBytes:
		return "", textError(fmt.Sprintf("must be at most %d bytes", maxURLBytes))
	case !utf8.ValidString(raw):
		return "", textError("must be UTF-8")
	case strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }):
		return "", textError("must not hold spaces, backslashes or control characters; write %20 for a space")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return "", textError("is not a URL") // the parser's own words quote the whole of it
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return "", textError("must begin with http:// or https://")
	case u.User != nil:
		return "", textError("must not hold a user name or password; use auth")
	case u.Opaque != "" || u.Host == "" || u.Hostname() == "":
		return "", textError("must name a host")
	}
	host, err := canonicalHost(u.Hostname())
	if err != nil {
		return "", textError("host " + err.Error())
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return "", textError("port must be between 1 and 65535")
		}
		host += ":" + port
	} else if strings.HasSuffix(u.Host, ":") {
		return "", textError("port is missing after the colon")
	}
	u.Host, u.Fragment, u.RawFragment = host, "", ""
	if canonical := u.String(); len(canonical) <= maxURLBytes {
		return canonical, nil
	}
	return "", textError(fmt.Sprintf("must be at most %d bytes", maxURLBytes))
}
