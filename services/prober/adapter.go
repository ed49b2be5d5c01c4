package prober

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/internal/egress"
	"github.com/frogstats/uptime/services/prober/nettest"
)

// Checker makes checks of specs. All share one network: one policy, one resolver,
// one memory of how well that resolver does.
type Checker struct{ network *nettest.Network }

// NewChecker makes a checker; witnesses are as in Config.ResolverWitnesses.
func NewChecker(policy *egress.Policy, witnesses []string) *Checker {
	n := &nettest.Network{WitnessNames: witnesses}
	if policy != nil {
		n.Policy = policy
	}
	return &Checker{network: n}
}

// Check is a configuration made ready to run any number of times, at once too.
type Check struct {
	check check
	spec  *checkv1.CheckSpec
}

// Prepare checks spec once, so that running it can only fail for the target's or
// the network's reasons. spec must not change afterwards.
func (c *Checker) Prepare(spec *checkv1.CheckSpec) (Check, error) {
	chk, err := c.prepare(spec)
	return Check{chk, spec}, err
}

// Run checks once, all attempts included; detailed asks for CheckResult.details.
// Region, prober and slot are the caller's to fill in.
func (c Check) Run(ctx context.Context, detailed bool) *checkv1.CheckResult {
	r := &checkv1.CheckResult{
		MonitorId: c.spec.GetMonitorId(), OrganizationId: c.spec.GetOrganizationId(), MonitorName: c.spec.GetName(),
		MonitorType: c.spec.GetMonitorType(), ConfigVersion: c.spec.GetVersion(), StartedAt: timestamppb.Now(),
	}
	if detailed {
		c.check.runDetailed(ctx, r)
	} else {
		c.check.run(ctx, r)
	}
	return r
}

// prepare is Prepare for the engine.
func (c *Checker) prepare(spec *checkv1.CheckSpec) (check, error) {
	p := &prepared{
		url: targetURL(spec), attempts: max(int(spec.GetRetries().GetAttempts()), 1),
		pause: time.Duration(spec.GetRetries().GetDelayMs()) * time.Millisecond,
	}
	var err error
	if p.set, err = conditionsOf(spec); err != nil {
		return nil, err
	}
	if p.config.DNS, err = dnsOf(spec.GetDnsConfig()); err != nil {
		return nil, fmt.Errorf("prepare check: dns_config.%w", err)
	}
	switch spec.GetMonitorType() {
	case checkv1.MonitorType_MONITOR_TYPE_TCP:
		err = c.prepareTCP(p, spec)
	case checkv1.MonitorType_MONITOR_TYPE_HTTP:
		err = c.prepareHTTP(p, spec)
	case checkv1.MonitorType_MONITOR_TYPE_TLS:
		err = c.prepareTLS(p, spec)
	default:
		err = fmt.Errorf("monitor type %v is not known to this prober", spec.GetMonitorType())
	}
	if err != nil {
		return nil, err
	}
	if err := p.test.Validate(p.config); err != nil {
		return nil, fmt.Errorf("prepare check: %w", err)
	}
	return p, nil
}

func (c *Checker) prepareTCP(p *prepared, spec *checkv1.CheckSpec) error {
	t := spec.GetTcpConfig()
	config := nettest.TCPConfig{
		IPVersion: ipVersion(t.GetIpVersion()), SendData: t.GetSendData(), ExpectedData: t.GetExpectedData(), Banner: t.GetBanner(),
		Expect: p.set.Expect(),
	}
	if t.GetTls() || p.set.NeedTLS() {
		options, err := tlsOptionsOf(t.GetTlsOptions())
		if err != nil {
			return fmt.Errorf("prepare check: tls_options.%w", err)
		}
		options.Curves = curvesFor(t.GetSendData() != "")
		config.TLS, config.StartTLS = options, startTLS(t.GetStarttls(), nettest.StartTLSAuto)
	}
	p.test = &nettest.TCPTest{Network: c.network}
	p.config.Name, p.config.Address, p.config.Timeout, p.config.Config = spec.GetName(), tcpAddress(t), timeoutOf(t.TimeoutMs), config
	p.target = t.GetHost()
	p.port = proto.Uint32(uint32(t.GetPort()))
	p.eachAttempt = true
	p.connects = p.attempts == 1 && config.SendData == "" && config.ExpectedData == "" && !config.Banner && config.TLS == nil &&
		p.set.OnlyConnecting()
	return nil
}

func (c *Checker) prepareTLS(p *prepared, spec *checkv1.CheckSpec) error {
	t := spec.GetTlsConfig()
	options, err := tlsOptionsOf(t.GetOptions())
	if err != nil {
		return fmt.Errorf("prepare check: options.%w", err)
	}
	options.Curves = curvesFor(false)
	config := nettest.TLSConfig{
		IPVersion: ipVersion(t.GetIpVersion()), StartTLS: startTLS(t.GetStarttls(), nettest.StartTLSNone), TLS: *options, Expect: p.set.Expect(),
	}
	p.test = &nettest.TLSTest{Network: c.network}
	p.config.Name, p.config.Address, p.config.Timeout, p.config.Config = spec.GetName(), tlsAddress(t), timeoutOf(t.TimeoutMs), config
	p.target = t.GetHost()
	p.port = proto.Uint32(443)
	if t.Port != nil {
		p.port = proto.Uint32(uint32(t.GetPort()))
	}
	return nil
}

func (c *Checker) prepareHTTP(p *prepared, spec *checkv1.CheckSpec) error {
	h := spec.GetHttpConfig()
	u, err := url.Parse(h.GetUrl())
	if err != nil {
		return fmt.Errorf("prepare check: parse url: %w", err)
	}
	options, err := tlsOptionsOf(h.GetTls())
	if err != nil {
		return fmt.Errorf("prepare check: tls.%w", err)
	}
	options.Curves = curvesFor(maySaySecrets(h))
	config := nettest.HTTPConfig{
		Method: h.GetMethod(), Headers: requestHeaders(h), Body: h.GetBody(), Auth: authOf(h.GetAuth()), UserAgent: h.GetUserAgent(),
		// An assertion about an answer that leads elsewhere wants that answer.
		FollowRedirects: (h.FollowRedirects == nil || h.GetFollowRedirects()) && !p.set.NeedRedirect(),
		IPVersion:       ipVersion(h.GetIpVersion()),
		TLSOptions:      *options,
		Version:         httpVersions[h.GetHttpVersion()],
		NoCookies:       h.Cookies != nil && !h.GetCookies(),
		BodyLimit:       -1, // nobody looks at the body unless a condition does
		FaultBody:       evidenceSource,
		Expect:          p.set.Expect(),
	}
	if proxy := h.GetProxy(); proxy != nil {
		config.Proxy = &nettest.Proxy{URL: proxy.GetUrl(), Username: proxy.GetUsername(), Password: proxy.GetPassword()}
	}
	if h.MaxRedirects != nil {
		config.MaxRedirects = int(h.GetMaxRedirects())
		if config.MaxRedirects == 0 {
			config.MaxRedirects = -1 // here 0 is none, there it is the default
		}
	}
	if p.set.NeedBody() {
		config.BodyLimit = 0
	}
	test := &nettest.HTTPTest{Network: c.network}
	p.test = test
	p.config.Name, p.config.Address, p.config.Timeout, p.config.Config = spec.GetName(), h.GetUrl(), timeoutOf(h.TimeoutMs), config
	p.target = u.Hostname()
	if p.http, err = test.Prepare(p.config); err != nil {
		return fmt.Errorf("prepare check: %w", err)
	}
	return nil
}

// requestHeaders are in the same order every time.
func requestHeaders(h *checkv1.HttpConfig) []nettest.HeaderField {
	out := make([]nettest.HeaderField, 0, len(h.GetHeaders()))
	for _, name := range slices.Sorted(maps.Keys(h.GetHeaders())) {
		out = append(out, nettest.HeaderField{Name: name, Value: h.GetHeaders()[name]})
	}
	return out
}

var httpVersions = map[checkv1.HttpVersion]nettest.HTTPVersion{
	checkv1.HttpVersion_HTTP_VERSION_HTTP1: nettest.HTTP1,
	checkv1.HttpVersion_HTTP_VERSION_HTTP2: nettest.HTTP2,
}

func timeoutOf(ms *int32) time.Duration {
	if ms == nil {
		return nettest.DefaultTimeout
	}
	return time.Duration(*ms) * time.Millisecond
}

// dnsOf is nil for the prober's own resolvers.
func dnsOf(d *checkv1.DnsConfig) (*nettest.DNSConfig, error) {
	if d == nil {
		return nil, nil
	}
	out := &nettest.DNSConfig{}
	if d.MaxTtlSeconds != nil {
		if out.MaxTTL = time.Duration(d.GetMaxTtlSeconds()) * time.Second; out.MaxTTL == 0 {
			out.MaxTTL = -1 // here 0 asks for every check, there it is the default
		}
	}
	for i, text := range d.GetServers() {
		server, err := nettest.ParseServer(text)
		if err != nil {
			return nil, fmt.Errorf("servers[%d]: %q %w", i, text, err)
		}
		out.Servers = append(out.Servers, server)
	}
	return out, nil
}

func ipVersion(v checkv1.IpVersion) nettest.IPVersion {
	switch v {
	case checkv1.IpVersion_IP_VERSION_IPV4:
		return nettest.IPv4
	case checkv1.IpVersion_IP_VERSION_IPV6:
		return nettest.IPv6
	}
	return nettest.IPAny
}

func authOf(a *checkv1.HttpAuth) nettest.Auth {
	c := a.GetCredentials()
	switch a.GetType() {
	case checkv1.AuthType_AUTH_TYPE_BASIC:
		return nettest.Auth{Type: nettest.AuthBasic, Username: c.GetUsername(), Password: c.GetPassword()}
	case checkv1.AuthType_AUTH_TYPE_BEARER:
		return nettest.Auth{Type: nettest.AuthBearer, Token: c.GetToken()}
	case checkv1.AuthType_AUTH_TYPE_API_KEY:
		return nettest.Auth{Type: nettest.AuthAPIKey, Header: either(c.GetKey(), c.GetHeaderName()), Value: either(c.GetValue(), c.GetHeaderValue())}
	case checkv1.AuthType_AUTH_TYPE_CUSTOM_HEADER:
		return nettest.Auth{Type: nettest.AuthCustomHeader, Header: either(c.GetKey(), c.GetHeaderName()), Value: either(c.GetValue(), c.GetHeaderValue())}
	case checkv1.AuthType_AUTH_TYPE_DIGEST:
		return nettest.Auth{Type: nettest.AuthDigest, Username: c.GetUsername(), Password: c.GetPassword()}
	case checkv1.AuthType_AUTH_TYPE_OAUTH2:
		o := a.GetOauth2()
		return nettest.Auth{Type: nettest.AuthOAuth2, OAuth2: &nettest.OAuth2{
			TokenURL: o.GetTokenUrl(), ClientID: o.GetClientId(), ClientSecret: c.GetClientSecret(),
			Scopes: o.GetScopes(), Audience: o.GetAudience(), InBody: o.GetInBody(),
		}}
	}
	return nettest.Auth{}
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
