package monitors

import (
	"maps"
	"math"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

// configToProto is the inverse of configFromProto without the secrets: what was not asked for and is derived is absent.
func configToProto(c Config) *monitorsv1.Monitor {
	m := &monitorsv1.Monitor{
		Name:                 text(c.Name),
		MonitorType:          ptr(enumOf(typeNames, c.Type)),
		IntervalSeconds:      nonZero(int32(c.Interval)),
		Cron:                 text(c.Cron),
		Timezone:             text(c.Timezone),
		Enabled:              ptr(c.Enabled),
		HttpConfig:           httpToProto(c.HTTP),
		TcpConfig:            tcpToProto(c.TCP),
		TlsConfig:            tlsToProto(c.TLS),
		DnsConfig:            dnsToProto(c.DNS),
		ValidationRules:      rulesToProto(c.Rules),
		Regions:              slices.Clone(c.Regions),
		Retries:              retriesToProto(c.Retries),
		ConfirmDown:          ptr(c.ConfirmDown),
		ConfirmUp:            ptr(c.ConfirmUp),
		RetryIntervalSeconds: nonZero(int32(c.RetryInterval)),
		Overlap:              ptr(enumOf(overlapNames, c.Overlap)),
		Quorum:               ptr(c.Quorum),
		DegradedAboveMs:      nonZero(int32(c.DegradedAbove)),
		Labels:               maps.Clone(c.Labels),
		ExternalId:           text(c.ExternalID),
		ManagedBy:            text(c.ManagedBy),
		DependsOn:            slices.Clone(c.DependsOn),
	}
	return m
}

// withSecrets puts s where configToProto left a gap. It changes m.
func withSecrets(m *monitorsv1.Monitor, s Secrets) *monitorsv1.Monitor {
	for _, o := range tlsOptionsOf(m) {
		if o != nil {
			o.ClientKey = text(s.ClientKey)
		}
	}
	h := m.GetHttpConfig()
	if h == nil {
		return m
	}
	maps.Copy(h.Headers, s.Headers)
	if h.Proxy != nil {
		h.Proxy.Password = text(s.ProxyPassword)
	}
	if c := s.Credentials; c != nil {
		h.Auth.Credentials = &checkv1.HttpCredentials{
			Username: text(c.Username), Password: text(c.Password), Token: text(c.Token), Key: text(c.Key), Value: text(c.Value),
			ClientSecret: text(c.ClientSecret),
		}
	}
	return m
}

// tlsOptionsOf are the places of m that hold options of TLS; nil where there are none.
func tlsOptionsOf(m *monitorsv1.Monitor) [3]*checkv1.TlsOptions {
	return [...]*checkv1.TlsOptions{m.GetHttpConfig().GetTls(), m.GetTcpConfig().GetTlsOptions(), m.GetTlsConfig().GetOptions()}
}

// monitorToProto is what people read: derived fields filled in, no secret.
func monitorToProto(m Monitor, status *eventsv1.MonitorStatus) *monitorsv1.Monitor {
	out := configToProto(m.Config)
	out.Id, out.OrganizationId, out.Version, out.CreatedBy = m.ID, m.OrganizationID, m.Version, m.CreatedBy
	out.RetryIntervalSeconds = ptr(int32(m.Config.RetryEvery() / time.Second))
	out.WorstCaseAlertDelayMs = millis(m.Config.WorstCaseDelay())
	out.CreatedAt, out.UpdatedAt = timestamppb.New(m.CreatedAt), timestamppb.New(m.UpdatedAt)
	out.Status = status
	if a := out.GetHttpConfig().GetAuth(); a != nil {
		a.HasCredentials = ptr(m.Config.HTTP.Auth.Type != AuthNone) // every other type requires them
	}
	for _, o := range tlsOptionsOf(out) {
		if o != nil {
			o.HasClientKey = ptr(o.ClientCertificate != nil) // which requires it
		}
	}
	return out
}

// specOf is what a prober needs to run one check of m.
func specOf(m Monitor, s Secrets) *checkv1.CheckSpec {
	p := withSecrets(configToProto(m.Config), s)
	if c := p.GetHttpConfig().GetAuth().GetCredentials(); c != nil && c.Key == nil && m.Config.HTTP.Auth.Type == AuthAPIKey {
		c.Key = ptr(DefaultAPIKeyHeader)
	}
	return &checkv1.CheckSpec{
		MonitorId: m.ID, OrganizationId: m.OrganizationID, Name: m.Config.Name, MonitorType: p.GetMonitorType(),
		HttpConfig: p.GetHttpConfig(), TcpConfig: p.GetTcpConfig(), TlsConfig: p.GetTlsConfig(), ValidationRules: p.GetValidationRules(),
		Retries: p.GetRetries(), Version: uint64(m.Version), DnsConfig: p.GetDnsConfig(),
	}
}

// assignmentOf is what a prober needs to run m again and again.
func assignmentOf(m Monitor, s Secrets) *monitorsv1.Assignment {
	return &monitorsv1.Assignment{
		Spec: specOf(m, s), IntervalSeconds: uint32(m.Config.Interval), Cron: m.Config.Cron, Timezone: m.Config.Timezone,
		ConfirmDown: uint32(m.Config.ConfirmDown), RetryIntervalSeconds: uint32(m.Config.RetryEvery() / time.Second),
		Overlap: enumOf(overlapNames, m.Config.Overlap), ActiveSince: timestamppb.New(m.ActiveSince),
	}
}

// catalogEntryOf is what the other services need to know of m.
func catalogEntryOf(m Monitor) *monitorsv1.CatalogEntry {
	c := m.Config
	return &monitorsv1.CatalogEntry{
		MonitorId: m.ID, OrganizationId: m.OrganizationID, Name: c.Name, MonitorType: enumOf(typeNames, c.Type),
		MonitorUrl: c.URL(), Enabled: c.Enabled, Regions: slices.Clone(c.Regions),
		ConfirmDown: uint32(c.ConfirmDown), ConfirmUp: uint32(c.ConfirmUp),
		RetryIntervalSeconds: uint32(c.RetryEvery() / time.Second), IntervalMs: millis(c.Gap()), TimeoutMs: millis(c.SlotTime()),
		Quorum: c.Quorum, DegradedAboveMs: uint32(c.DegradedAbove), Version: uint64(m.Version),
		CreatedAt: timestamppb.New(m.CreatedAt), UpdatedAt: timestamppb.New(m.UpdatedAt), Labels: maps.Clone(c.Labels),
		DependsOn: slices.Clone(c.DependsOn), WorstCaseAlertDelayMs: millis(c.WorstCaseDelay()),
	}
}

func httpToProto(h *HTTPConfig) *checkv1.HttpConfig {
	if h == nil {
		return nil
	}
	return &checkv1.HttpConfig{
		Url: text(h.URL), Method: ptr(h.Method), Headers: maps.Clone(h.Headers), Body: clone(h.Body),
		Auth:            &checkv1.HttpAuth{Type: ptr(enumOf(authNames, h.Auth.Type)), Oauth2: oauth2ToProto(h.Auth.OAuth2)},
		FollowRedirects: ptr(h.FollowRedirects), TimeoutMs: ptr(int32(h.Timeout)),
		IpVersion: ptr(enumOf(ipVersionNames, h.IPVersion)), MaxRedirects: ptr(h.MaxRedirects), UserAgent: text(h.UserAgent),
		HttpVersion: ptr(enumOf(httpVersionNames, h.Version)), Proxy: proxyToProto(h.Proxy), Tls: optionsToProto(h.TLS), Cookies: ptr(!h.NoCookies),
	}
}

func proxyToProto(x *Proxy) *checkv1.HttpProxy {
	if x == nil {
		return nil
	}
	return &checkv1.HttpProxy{Url: text(x.URL), Username: text(x.Username), HasPassword: ptr(x.HasPassword)}
}

func oauth2ToProto(o *OAuth2) *checkv1.Oauth2 {
	if o == nil {
		return nil
	}
	return &checkv1.Oauth2{
		TokenUrl: text(o.TokenURL), ClientId: text(o.ClientID), Scopes: slices.Clone(o.Scopes), Audience: text(o.Audience), InBody: ptr(o.InBody),
	}
}

func tcpToProto(t *TCPConfig) *checkv1.TcpConfig {
	if t == nil {
		return nil
	}
	return &checkv1.TcpConfig{
		Host: text(t.Host), Port: ptr(t.Port), TimeoutMs: ptr(int32(t.Timeout)),
		IpVersion: ptr(enumOf(ipVersionNames, t.IPVersion)), SendData: text(t.SendData), ExpectedData: text(t.ExpectedData),
		Banner: ptr(t.Banner), Tls: ptr(t.TLS), Starttls: named(startTLSNames, t.StartTLS), TlsOptions: optionsToProto(t.TLSOptions),
	}
}

func tlsToProto(t *TLSConfig) *checkv1.TlsConfig {
	if t == nil {
		return nil
	}
	return &checkv1.TlsConfig{
		Host: text(t.Host), Port: ptr(t.Port), TimeoutMs: ptr(int32(t.Timeout)), IpVersion: ptr(enumOf(ipVersionNames, t.IPVersion)),
		Starttls: named(startTLSNames, t.StartTLS), Options: optionsToProto(t.Options),
	}
}

func dnsToProto(d *DNSConfig) *checkv1.DnsConfig {
	if d == nil {
		return nil
	}
	return &checkv1.DnsConfig{Servers: slices.Clone(d.Servers), MaxTtlSeconds: ptr(int32(d.MaxTTL))}
}

func optionsToProto(o *TLSOptions) *checkv1.TlsOptions {
	if o == nil {
		return nil
	}
	return &checkv1.TlsOptions{
		TrustedCas: slices.Clone(o.TrustedCAs), InsecureSkipVerify: ptr(o.InsecureSkipVerify), ServerName: text(o.ServerName),
		MinVersion: named(tlsVersionNames, o.MinVersion), ClientCertificate: text(o.ClientCertificate),
		Revocation: named(revocationNames, o.Revocation),
	}
}

// named is the enum of a word that may be missing: nil for "".
func named[E ~int32](names map[E]string, word string) *E {
	if word == "" {
		return nil
	}
	return ptr(enumOf(names, word))
}

func retriesToProto(r Retries) *checkv1.Retries {
	return &checkv1.Retries{Attempts: ptr(r.Attempts), DelayMs: ptr(int32(r.Delay))}
}

func rulesToProto(rules []Rule) []*checkv1.ValidationRule {
	out := make([]*checkv1.ValidationRule, len(rules))
	for i, r := range rules {
		out[i] = &checkv1.ValidationRule{
			Type: enumOf(ruleTypeNames, r.Type), Header: text(r.Header), Path: text(r.Path), CaseSensitive: clone(r.CaseSensitive),
		}
		if r.Operator != "" {
			out[i].Operator = ptr(enumOf(operatorNames, r.Operator))
		}
		if r.Value != nil {
			out[i].Value = valueToProto(r.Value)
		}
	}
	return out
}

// valueToProto writes the kinds of value that a stored rule can have.
func valueToProto(v any) *structpb.Value {
	switch v := v.(type) {
	case float64:
		return structpb.NewNumberValue(v)
	case string:
		return structpb.NewStringValue(v)
	case bool:
		return structpb.NewBoolValue(v)
	case []any:
		list := &structpb.ListValue{Values: make([]*structpb.Value, len(v))}
		for i := range v {
			list.Values[i] = valueToProto(v[i])
		}
		return structpb.NewListValue(list)
	}
	return structpb.NewNullValue()
}

// text is nil for "".
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// nonZero is nil for 0.
func nonZero(n int32) *int32 {
	if n == 0 {
		return nil
	}
	return &n
}

// millis is d in whole milliseconds, at most what the wire can say: 49 days, which only sparse cron schedules exceed.
func millis(d time.Duration) uint32 {
	return uint32(min(max(d.Milliseconds(), 0), math.MaxUint32))
}
