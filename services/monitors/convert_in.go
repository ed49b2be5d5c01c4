package monitors

import (
	"maps"
	"reflect"
	"slices"

	"google.golang.org/protobuf/proto"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

// The values that a field takes when it is absent.
const (
	defaultMethod       = "GET"
	defaultTimeout      = Millis(10_000)
	defaultMaxRedirects = 10
	defaultConfirmDown  = 2
	defaultConfirmUp    = 1
	defaultQuorum       = "majority"
	defaultIPVersion    = "any"
)

// or is what p points to, or the default.
func or[T any](p *T, def T) T {
	if p == nil {
		return def
	}
	return *p
}

// positive is what p points to, or 0, which stands for absent. A 0 that is there is a problem, and must not pass for that.
func positive[T ~int32](field string, p *int32, most T, ps *problems) T {
	if p != nil {
		between(ps, field, T(*p), 1, most)
	}
	return T(or(p, 0))
}

// configFromProto fills defaults and splits m into what may be shown and what may not. Headers that read Redacted take
// their value from stored. With keep, the secrets stay as they are stored, unopened: m does not concern them.
func configFromProto(m *monitorsv1.Monitor, stored Secrets, keep bool, p *problems) (Config, Secrets) {
	c := Config{
		Name:          m.GetName(),
		Type:          typeNames[m.GetMonitorType()],
		Interval:      positive("interval_seconds", m.IntervalSeconds, maxInterval, p),
		Cron:          given("cron", m.Cron, p),
		Timezone:      given("timezone", m.Timezone, p),
		Enabled:       or(m.Enabled, true),
		TCP:           tcpFromProto(m.GetTcpConfig()),
		DNS:           dnsFromProto(m.GetDnsConfig()),
		Rules:         rulesFromProto(m.GetValidationRules()),
		Regions:       slices.Clone(m.GetRegions()),
		Retries:       retriesFromProto(m.GetRetries()),
		ConfirmDown:   or(m.ConfirmDown, defaultConfirmDown),
		ConfirmUp:     or(m.ConfirmUp, defaultConfirmUp),
		RetryInterval: positive("retry_interval_seconds", m.RetryIntervalSeconds, maxRetryInterval, p),
		Overlap:       overlapNames[m.GetOverlap()],
		Quorum:        or(m.Quorum, defaultQuorum),
		DegradedAbove: positive("degraded_above_ms", m.DegradedAboveMs, maxDegradedAbove, p),
		Labels:        map[string]string{},
		ExternalID:    given("external_id", m.ExternalId, p),
		ManagedBy:     given("managed_by", m.ManagedBy, p),
	}
	maps.Copy(c.Labels, m.GetLabels())
	if len(m.GetDependsOn()) > 0 {
		c.DependsOn = slices.Clone(m.GetDependsOn())
	}
	if len(c.Regions) == 0 {
		c.Regions = []string{LocalRegion}
	}
	c.TLS = tlsFromProto(m.GetTlsConfig())
	var s Secrets
	c.HTTP, s = httpFromProto(m.GetHttpConfig(), stored, keep, p)
	if keep {
		return c, s
	}
	for _, o := range [...]*checkv1.TlsOptions{
		m.GetHttpConfig().GetTls(), m.GetTcpConfig().GetTlsOptions(), m.GetTlsConfig().GetOptions(),
	} {
		// A key without its certificate is of no use; only one that somebody sends with none is a mistake.
		if key := o.GetClientKey(); key != "" && (o.GetClientCertificate() != "" || key != stored.ClientKey) {
			s.ClientKey = key
		}
	}
	return c, s
}

// given is the text of p, or "" if it is absent. An empty text that is there is a problem.
func given(field string, p *string, ps *problems) string {
	if p != nil && *p == "" {
		ps.add(field, "must not be empty; leave it out or set it to null")
	}
	return or(p, "")
}

func retriesFromProto(r *checkv1.Retries) Retries {
	if r == nil {
		return Retries{Attempts: 1}
	}
	return Retries{Attempts: or(r.Attempts, 1), Delay: Millis(r.GetDelayMs())}
}

// dnsFromProto is nil for a configuration that asks for nothing.
func dnsFromProto(d *checkv1.DnsConfig) *DNSConfig {
	if len(d.GetServers()) == 0 && (d == nil || d.MaxTtlSeconds == nil) {
		return nil
	}
	return &DNSConfig{Servers: slices.Clone(d.GetServers()), MaxTTL: Seconds(or(d.MaxTtlSeconds, int32(defaultDNSTTL)))}
}

func tcpFromProto(t *checkv1.TcpConfig) *TCPConfig {
	if t == nil {
		return nil
	}
	return &TCPConfig{
		Host: t.GetHost(), Port: t.GetPort(), Timeout: Millis(or(t.TimeoutMs, int32(defaultTimeout))),
		IPVersion: ipVersionNames[t.GetIpVersion()], SendData: t.GetSendData(), ExpectedData: t.GetExpectedData(), Banner: t.GetBanner(),
		TLS: t.GetTls(), StartTLS: startTLSNames[t.GetStarttls()], TLSOptions: optionsFromProto(t.GetTlsOptions()),
	}
}

func tlsFromProto(t *checkv1.TlsConfig) *TLSConfig {
	if t == nil {
		return nil
	}
	return &TLSConfig{
		Host: t.GetHost(), Port: or(t.Port, defaultTLSPort), Timeout: Millis(or(t.TimeoutMs, int32(defaultTimeout))),
		IPVersion: ipVersionNames[t.GetIpVersion()], StartTLS: startTLSNames[t.GetStarttls()], Options: optionsFromProto(t.GetOptions()),
	}
}

// optionsFromProto is nil for options that ask for nothing.
func optionsFromProto(o *checkv1.TlsOptions) *TLSOptions {
	c := TLSOptions{
		TrustedCAs: slices.Clone(o.GetTrustedCas()), InsecureSkipVerify: o.GetInsecureSkipVerify(), ServerName: o.GetServerName(),
		MinVersion: tlsVersionNames[o.GetMinVersion()], ClientCertificate: o.GetClientCertificate(),
		Revocation: revocationNames[o.GetRevocation()],
	}
	if reflect.ValueOf(c).IsZero() && o.GetClientKey() == "" {
		return nil
	}
	return &c
}

func httpFromProto(h *checkv1.HttpConfig, stored Secrets, keep bool, p *problems) (*HTTPConfig, Secrets) {
	if h == nil {
		return nil, Secrets{}
	}
	c := &HTTPConfig{
		URL: h.GetUrl(), Method: or(h.Method, defaultMethod), Headers: map[string]string{}, Body: clone(h.Body),
		Auth: Auth{Type: authType(h.GetAuth())}, FollowRedirects: or(h.FollowRedirects, true),
		Timeout: Millis(or(h.TimeoutMs, int32(defaultTimeout))), IPVersion: ipVersionNames[h.GetIpVersion()],
		MaxRedirects: or(h.MaxRedirects, defaultMaxRedirects), UserAgent: h.GetUserAgent(),
		Version: httpVersionNames[h.GetHttpVersion()], TLS: optionsFromProto(h.GetTls()), NoCookies: !or(h.Cookies, true),
	}
	c.Auth.OAuth2 = oauth2FromProto(h.GetAuth().GetOauth2())
	if x := h.GetProxy(); x != nil && (x.Url != nil || x.GetUsername() != "" || x.GetPassword() != "") {
		// A client may say that there is a password, but only we know: it is read where the secrets are.
		c.Proxy = &Proxy{URL: x.GetUrl(), Username: x.GetUsername(), HasPassword: x.GetHasPassword()}
	}
	maps.Copy(c.Headers, h.GetHeaders())
	if keep {
		return c, Secrets{}
	}
	s := Secrets{Headers: hideHeaders(c.Headers, stored, p)}
	if in := h.GetAuth().GetCredentials(); in != nil {
		s.Credentials = &Credentials{
			Username: in.GetUsername(), Password: in.GetPassword(), Token: in.GetToken(), Key: in.GetKey(), Value: in.GetValue(),
			ClientSecret: in.GetClientSecret(),
		}
	}
	s.Credentials.validate("http_config.auth", c.Auth.Type, p)
	// A password without its user name is of no use; only one that somebody sends with none is a mistake.
	if password := h.GetProxy().GetPassword(); c.Proxy != nil && (c.Proxy.Username != "" || password != stored.ProxyPassword) {
		s.ProxyPassword = password
	}
	if c.Proxy != nil {
		c.Proxy.HasPassword = s.ProxyPassword != ""
	}
	return c, s
}

func oauth2FromProto(o *checkv1.Oauth2) *OAuth2 {
	if o == nil || proto.Equal(o, &checkv1.Oauth2{}) {
		return nil
	}
	return &OAuth2{
		TokenURL: o.GetTokenUrl(), ClientID: o.GetClientId(), Scopes: slices.Clone(o.GetScopes()), Audience: o.GetAudience(), InBody: o.GetInBody(),
	}
}

// hideHeaders takes the values of secret headers out of headers and returns them; nil if there are none.
func hideHeaders(headers map[string]string, stored Secrets, p *problems) map[string]string {
	var hidden map[string]string
	for name, value := range headers {
		if !secretHeader(name) {
			continue
		}
		if hidden == nil {
			hidden = map[string]string{}
		}
		if value == Redacted {
			var ok bool
			if value, ok = stored.header(name); !ok {
				p.add(headerField(name), "%s stands for a stored value, and there is none", Redacted)
			}
		}
		if reason := headerValueProblem(value); reason != "" {
			p.add(headerField(name), "%s", reason)
		}
		hidden[name], headers[name] = value, Redacted
	}
	return hidden
}

func rulesFromProto(rules []*checkv1.ValidationRule) []Rule {
	out := make([]Rule, len(rules))
	for i, r := range rules {
		out[i] = Rule{
			Type: ruleTypeNames[r.GetType()], Operator: operatorNames[r.GetOperator()], Header: r.GetHeader(), Path: r.GetPath(),
			CaseSensitive: clone(r.CaseSensitive),
		}
		if r.GetValue() != nil {
			out[i].Value = ruleValue(r.GetValue())
		}
		if out[i].CaseSensitive == nil && ruleShapes[out[i].Type].cased {
			out[i].CaseSensitive = ptr(true)
		}
	}
	return out
}

func ptr[T any](v T) *T { return &v }

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	return ptr(*p)
}

// authType is the type of a, with none for what is absent.
func authType(a *checkv1.HttpAuth) AuthType { return authNames[a.GetType()] }
