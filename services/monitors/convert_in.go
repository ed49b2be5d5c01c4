package monitors

import (
	"maps"
	"slices"

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
	if len(c.Regions) == 0 {
		c.Regions = []string{LocalRegion}
	}
	var s Secrets
	c.HTTP, s = httpFromProto(m.GetHttpConfig(), stored, keep, p)
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

func tcpFromProto(t *checkv1.TcpConfig) *TCPConfig {
	if t == nil {
		return nil
	}
	return &TCPConfig{
		Host: t.GetHost(), Port: t.GetPort(), Timeout: Millis(or(t.TimeoutMs, int32(defaultTimeout))),
		IPVersion: ipVersionNames[t.GetIpVersion()],
	}
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
	}
	maps.Copy(c.Headers, h.GetHeaders())
	if keep {
		return c, Secrets{}
	}
	s := Secrets{Headers: hideHeaders(c.Headers, stored, p)}
	if in := h.GetAuth().GetCredentials(); in != nil {
		s.Credentials = &Credentials{
			Username: in.GetUsername(), Password: in.GetPassword(), Token: in.GetToken(), Key: in.GetKey(), Value: in.GetValue(),
		}
	}
	s.Credentials.validate("http_config.auth", c.Auth.Type, p)
	return c, s
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
			Type: ruleTypeNames[r.GetType()], Operator: operatorNames[r.GetOperator()], Header: r.GetHeader(),
			CaseSensitive: clone(r.CaseSensitive),
		}
		if r.GetValue() != nil {
			out[i].Value = r.GetValue().AsInterface()
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
