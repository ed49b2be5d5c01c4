package nettest

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// Defaults and bounds of HTTP checks.
const (
	// DefaultUserAgent says who is asking.
	DefaultUserAgent = "FrogstatsUptime/1 (+https://github.com/frogstats/uptime)"
	// DefaultMaxRedirects is how many redirects are followed unless configured.
	DefaultMaxRedirects = 10
	// DefaultBodyLimit is how much of a decoded body is kept, in bytes.
	DefaultBodyLimit = 1 << 20
	// DefaultMaxResponseBytes is how long a body may be, decoded or not.
	DefaultMaxResponseBytes = 64 << 20
	// MaxHeaderBytes is how long the head of a response may be.
	MaxHeaderBytes = 256 << 10
)

// HTTPTest makes one HTTP or HTTPS request on a fresh connection, over HTTP/1.1
// or, if the server chooses it in the TLS handshake, HTTP/2. A proxy is used only
// if the configuration names one. Its zero value is ready to use.
type HTTPTest struct {
	// Network is shared by the tests of one prober; nil means a common default
	// with the system's name servers and no policy.
	Network *Network
	// TLS is the base for all handshakes, say for RootCAs; nil means the system's
	// trust. Never less than TLS 1.2 is used, and no session is resumed.
	TLS *tls.Config
}

// HTTPConfig is the TestConfig.Config of an HTTPTest; its zero value makes a GET
// request, follows no redirect and accepts status 200 to 399.
type HTTPConfig struct {
	// Method is GET, POST, PUT, DELETE, HEAD, OPTIONS or PATCH; empty means GET.
	Method string
	// Headers are sent as written. They replace the defaults for User-Agent,
	// Accept, Accept-Encoding and Host. Headers that frame the message
	// (Content-Length, Transfer-Encoding, Connection and the like) are refused.
	Headers []HeaderField
	// Body is the request's body.
	Body string
	// Auth proves who is asking.
	Auth Auth
	// FollowRedirects follows 301, 302, 303, 307 and 308.
	FollowRedirects bool
	// MaxRedirects bounds how many are followed; 0 means DefaultMaxRedirects,
	// negative means none, so that the first is an ErrRedirectLimit.
	MaxRedirects int
	// IPVersion restricts the address family; empty means any.
	IPVersion IPVersion
	// UserAgent replaces DefaultUserAgent.
	UserAgent string
	// Host replaces the Host header (or :authority) of requests to the first origin.
	Host string
	// ServerName replaces the name for SNI and certificate checks there.
	ServerName string
	// SkipVerify accepts any certificate. Its expiry is still recorded.
	SkipVerify bool
	// TLSOptions are for every https hop; ServerName and client certificates for the first origin only.
	TLSOptions TLSOptions
	// Version restricts the version of HTTP; empty means any.
	Version HTTPVersion
	// Proxy is what the target is reached through; nil means directly.
	Proxy *Proxy
	// NoCookies leaves out sending on what redirects set.
	NoCookies bool
	// BodyLimit is how many bytes of the decoded body are kept for Expect and the
	// result; 0 means DefaultBodyLimit, negative keeps none.
	BodyLimit int
	// FaultBody is how many bytes of the decoded body are in the result of a check
	// that did not succeed, where BodyLimit keeps none; at most 16 KiB. It costs
	// checks that succeed nothing.
	FaultBody int
	// MaxResponseBytes is how long the body may be, on the wire and decoded,
	// before the check ends with ErrResponseTooLarge; 0 means DefaultMaxResponseBytes.
	MaxResponseBytes int64
	// Expect judges the finished response and returns a sentence for each
	// expectation that does not hold; nil expects status 200 to 399.
	Expect func(*TestResult) []string
}

// HTTPVersion restricts the version of HTTP.
type HTTPVersion string

// The versions. The empty value is HTTPAny.
const (
	HTTPAny HTTPVersion = "any" // HTTP/2 if the server chooses it, HTTP/1.1 otherwise
	HTTP1   HTTPVersion = "1.1" // the handshake offers nothing else
	HTTP2   HTTPVersion = "2"   // without TLS by prior knowledge; a server that does not speak it fails the check
)

// GetProtocol returns "http".
func (*HTTPTest) GetProtocol() string { return ProtocolHTTP }

// Validate implements NetworkTest.
func (*HTTPTest) Validate(config TestConfig) error {
	_, _, err := parseHTTP(config)
	return err
}

// Execute implements NetworkTest. Latency is the whole exchange, redirects
// included. Who runs the same check many times saves work with Prepare.
func (t *HTTPTest) Execute(ctx context.Context, config TestConfig) (*TestResult, error) {
	check, err := t.Prepare(config)
	if err != nil {
		return refuse(config, ProtocolHTTP, err)
	}
	return check.Execute(ctx)
}

// expectOK is what a response must be when nothing else is configured.
func expectOK(r *TestResult) []string {
	if r.StatusCode >= 200 && r.StatusCode <= 399 {
		return nil
	}
	return []string{fmt.Sprintf("status_code in 200-399: got %d", r.StatusCode)}
}

var methods = []string{"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"}

// framing headers belong to the transport; a tenant's would corrupt the message.
var framing = []string{
	"Connection", "Content-Length", "Expect", "HTTP2-Settings", "Keep-Alive",
	"Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
}

func parseHTTP(config TestConfig) (*hop, *HTTPConfig, error) {
	var own HTTPConfig
	switch c := config.Config.(type) {
	case nil:
	case HTTPConfig:
		own = c
	case *HTTPConfig:
		if c != nil {
			own = *c
		}
	default:
		return nil, nil, &ConfigError{"Config", "must be an HTTPConfig"}
	}
	if err := checkCommon(config, ProtocolHTTP, "https"); err != nil {
		return nil, nil, err
	}
	if own.Method == "" {
		own.Method = "GET"
	}
	u, err := url.Parse(config.Address)
	if err != nil {
		return nil, nil, &ConfigError{"Address", "must be an absolute http or https URL"}
	}
	to, problem := targetOf(u)
	if problem != "" {
		return nil, nil, &ConfigError{"Address", problem}
	}
	family := to
	if own.Proxy != nil {
		family = target{} // the proxy reaches it, by whatever family it has
	}
	if problem := checkFamily(family, own.IPVersion); problem != "" {
		return nil, nil, &ConfigError{"Config.IPVersion", problem}
	}
	if err := own.check(); err != nil {
		return nil, nil, err
	}
	return &hop{url: u, text: u.String(), to: to, method: own.Method, body: own.Body}, &own, nil
}

// targetOf checks a URL, makes its query fit for a request line and returns
// where it leads.
func targetOf(u *url.URL) (target, string) {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return target{}, "must be an http or https URL"
	case u.Opaque != "" || u.Host == "":
		return target{}, "must be an absolute http or https URL"
	case u.User != nil:
		return target{}, "must not contain a user name or password; use the authentication settings"
	}
	to, problem := parseHost(u.Hostname())
	if problem != "" {
		return target{}, problem
	}
	if u.RawQuery != "" {
		u.RawQuery = escapeQuery(u.RawQuery)
	}
	port := u.Port()
	switch {
	case port == "" && u.Scheme == "https":
		to.port = 443
	case port == "":
		to.port = 80
	default:
		var ok bool
		if to.port, ok = parsePort(port); !ok {
			return target{}, "has a port that is not between 1 and 65535"
		}
	}
	return to, ""
}

func (c *HTTPConfig) check() error {
	if !slices.Contains(methods, c.Method) {
		return &ConfigError{"Config.Method", "must be one of " + strings.Join(methods, ", ")}
	}
	if c.Method == "HEAD" && c.Body != "" {
		return &ConfigError{"Config.Body", "cannot be sent with HEAD"}
	}
	for i, h := range c.Headers {
		if problem := checkHeader(h); problem != "" {
			return &ConfigError{fmt.Sprintf("Config.Headers[%d]", i), problem}
		}
		if strings.EqualFold(h.Name, "Host") && !httpguts.ValidHostHeader(h.Value) {
			return &ConfigError{fmt.Sprintf("Config.Headers[%d]", i), "is not a valid Host"}
		}
	}
	if !httpguts.ValidHostHeader(c.Host) {
		return &ConfigError{"Config.Host", "is not a valid Host header"}
	}
	if !httpguts.ValidHeaderFieldValue(c.UserAgent) {
		return &ConfigError{"Config.UserAgent", "has a character that headers cannot have"}
	}
	if c.MaxResponseBytes < 0 {
		return &ConfigError{"Config.MaxResponseBytes", "must not be negative"}
	}
	switch c.Version {
	case "", HTTPAny, HTTP1, HTTP2:
	default:
		return &ConfigError{"Config.Version", `must be "any", "1.1" or "2"`}
	}
	if _, err := parseProxy(c.Proxy, c.IPVersion); err != nil {
		return err
	}
	return c.Auth.check()
}

func checkHeader(h HeaderField) string {
	switch {
	case !httpguts.ValidHeaderFieldName(h.Name):
		return "has a name that is empty or has a character that header names cannot have"
	case !httpguts.ValidHeaderFieldValue(h.Value):
		return "has a value with a character that headers cannot have"
	case slices.ContainsFunc(framing, func(n string) bool { return strings.EqualFold(n, h.Name) }):
		return "is " + h.Name + ", which is set by the check itself"
	default:
		return ""
	}
}

func (c *HTTPConfig) bodyLimit() int {
	if c.BodyLimit == 0 {
		return DefaultBodyLimit
	}
	return max(c.BodyLimit, 0)
}

// faultBody is 0 where the body is kept anyway.
func (c *HTTPConfig) faultBody() int {
	if c.BodyLimit >= 0 {
		return 0
	}
	return min(max(c.FaultBody, 0), maxFaultBody)
}

func (c *HTTPConfig) maxResponse() int64 {
	if c.MaxResponseBytes == 0 {
		return DefaultMaxResponseBytes
	}
	return c.MaxResponseBytes
}

func (c *HTTPConfig) maxRedirects() int {
	if c.MaxRedirects == 0 {
		return DefaultMaxRedirects
	}
	return max(c.MaxRedirects, 0)
}
