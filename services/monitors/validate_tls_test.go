package monitors_test

import (
	"math"
	"strings"
	"testing"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/services/monitors"
)

func tlsMonitor() *monitorsv1.Monitor {
	return &monitorsv1.Monitor{
		Name: ptr("cert"), MonitorType: ptr(checkv1.MonitorType_MONITOR_TYPE_TLS), IntervalSeconds: ptr(int32(3600)),
		TlsConfig: &checkv1.TlsConfig{Host: ptr("Mail.Example.COM")},
	}
}

// tlsBody makes the body one of a tls monitor and spoils its options.
func tlsBody(spoil func(c *checkv1.TlsConfig, o *checkv1.TlsOptions)) func(*body) {
	return func(m *body) {
		good := tlsMonitor()
		m.MonitorType, m.HttpConfig, m.TlsConfig = good.MonitorType, nil, good.TlsConfig
		m.TlsConfig.Options = &checkv1.TlsOptions{}
		spoil(m.TlsConfig, m.TlsConfig.Options)
	}
}

func httpBody(spoil func(*checkv1.HttpConfig)) func(*body) {
	return func(m *body) { spoil(m.HttpConfig) }
}

func tcpBody(spoil func(*checkv1.TcpConfig)) func(*body) {
	return func(m *body) {
		tcp("h", 1)(m)
		spoil(m.TcpConfig)
	}
}

func jsonPath(path string, op checkv1.RuleOperator, value any) func(*body) {
	return func(m *body) {
		rule(checkv1.RuleType_RULE_TYPE_JSON_PATH, op, value)(m)
		if path != "" {
			m.ValidationRules[0].Path = &path
		}
	}
}

// badDepth is what is wrong beyond a URL or an address: TLS, proxies, schemes of authentication, richer rules.
var badDepth = []bad{
	{"tls without config", "tls_config", func(m *body) { m.MonitorType, m.HttpConfig = tlsMonitor().MonitorType, nil }},
	{"tls with another config", "http_config", func(m *body) { m.MonitorType, m.TlsConfig = tlsMonitor().MonitorType, tlsMonitor().TlsConfig }},
	{"tls host is a URL", "tls_config.host", tlsBody(func(c *checkv1.TlsConfig, _ *checkv1.TlsOptions) { c.Host = ptr("https://h/") })},
	{"tls without host", "tls_config.host", tlsBody(func(c *checkv1.TlsConfig, _ *checkv1.TlsOptions) { c.Host = nil })},
	{"tls port", "tls_config.port", tlsBody(func(c *checkv1.TlsConfig, _ *checkv1.TlsOptions) { c.Port = ptr(int32(0)) })},
	{"authority that is no PEM", "tls_config.options.trusted_cas[1]", tlsBody(func(_ *checkv1.TlsConfig, o *checkv1.TlsOptions) {
		o.TrustedCas = []string{monitors.TestCertificate, "-----BEGIN"}
	})},
	{"authority that is a key", "tls_config.options.trusted_cas[0]", tlsBody(func(_ *checkv1.TlsConfig, o *checkv1.TlsOptions) {
		o.TrustedCas = []string{monitors.TestKey}
	})},
	{"authorities and no check", "tls_config.options.insecure_skip_verify", tlsBody(func(_ *checkv1.TlsConfig, o *checkv1.TlsOptions) {
		o.TrustedCas, o.InsecureSkipVerify = []string{monitors.TestCertificate}, ptr(true)
	})},
	{"server name", "tls_config.options.server_name", tlsBody(func(_ *checkv1.TlsConfig, o *checkv1.TlsOptions) { o.ServerName = ptr("a b") })},
	{"certificate without key", "tls_config.options.client_key", tlsBody(func(_ *checkv1.TlsConfig, o *checkv1.TlsOptions) {
		o.ClientCertificate = ptr(monitors.TestCertificate)
	})},
	{"key without certificate", "tls_config.options.client_key", tlsBody(func(_ *checkv1.TlsConfig, o *checkv1.TlsOptions) { o.ClientKey = ptr(monitors.TestKey) })},
	{"key of another certificate", "tls_config.options.client_key", tlsBody(func(_ *checkv1.TlsConfig, o *checkv1.TlsOptions) {
		o.ClientCertificate, o.ClientKey = ptr(monitors.TestCertificate), ptr(monitors.TestCertificate)
	})},
	{"tcp upgrade without tls", "tcp_config.starttls", tcpBody(func(c *checkv1.TcpConfig) { c.Starttls = ptr(checkv1.StartTls_START_TLS_SMTP) })},
	{"tcp options without tls", "tcp_config.tls_options", tcpBody(func(c *checkv1.TcpConfig) { c.TlsOptions = &checkv1.TlsOptions{ServerName: ptr("h")} })},
	{"tcp banner and expectation", "tcp_config.banner", tcpBody(func(c *checkv1.TcpConfig) { c.Banner, c.ExpectedData = ptr(true), ptr("220") })},
	{"tcp long data", "tcp_config.send_data", tcpBody(func(c *checkv1.TcpConfig) { c.SendData = ptr(strings.Repeat("x", 4097)) })},
	{"proxy without URL", "http_config.proxy.url", httpBody(func(c *checkv1.HttpConfig) { c.Proxy = &checkv1.HttpProxy{Username: ptr("u")} })},
	{"proxy of another kind", "http_config.proxy.url", httpBody(func(c *checkv1.HttpConfig) { c.Proxy = &checkv1.HttpProxy{Url: ptr("ftp://p:1")} })},
	{"proxy without port", "http_config.proxy.url", httpBody(func(c *checkv1.HttpConfig) { c.Proxy = &checkv1.HttpProxy{Url: ptr("http://p")} })},
	{"proxy with path", "http_config.proxy.url", httpBody(func(c *checkv1.HttpConfig) { c.Proxy = &checkv1.HttpProxy{Url: ptr("http://p:1/x")} })},
	{"proxy with user", "http_config.proxy.url", httpBody(func(c *checkv1.HttpConfig) { c.Proxy = &checkv1.HttpProxy{Url: ptr("socks5://u:p@p:1")} })},
	{"proxy password alone", "http_config.proxy.username", httpBody(func(c *checkv1.HttpConfig) {
		c.Proxy = &checkv1.HttpProxy{Url: ptr("http://p:1"), Password: ptr("x")}
	})},
	{"oauth2 without its part", "http_config.auth.oauth2", auth(checkv1.AuthType_AUTH_TYPE_OAUTH2, func(c *checkv1.HttpCredentials) { c.ClientSecret = ptr("s") })},
	{"oauth2 without secret", "http_config.auth.credentials.client_secret", func(m *body) {
		auth(checkv1.AuthType_AUTH_TYPE_OAUTH2, nil)(m)
		m.HttpConfig.Auth.Oauth2 = &checkv1.Oauth2{TokenUrl: ptr("https://id.example/"), ClientId: ptr("c")}
	}},
	{"oauth2 with a bad endpoint", "http_config.auth.oauth2.token_url", func(m *body) {
		auth(checkv1.AuthType_AUTH_TYPE_OAUTH2, func(c *checkv1.HttpCredentials) { c.ClientSecret = ptr("s") })(m)
		m.HttpConfig.Auth.Oauth2 = &checkv1.Oauth2{TokenUrl: ptr("id.example"), ClientId: ptr("c")}
	}},
	{"oauth2 scope with a space", "http_config.auth.oauth2.scopes", func(m *body) {
		auth(checkv1.AuthType_AUTH_TYPE_OAUTH2, func(c *checkv1.HttpCredentials) { c.ClientSecret = ptr("s") })(m)
		m.HttpConfig.Auth.Oauth2 = &checkv1.Oauth2{TokenUrl: ptr("https://id.example/"), ClientId: ptr("c"), Scopes: []string{"a b"}}
	}},
	{"oauth2 of another type", "http_config.auth.oauth2", func(m *body) {
		auth(checkv1.AuthType_AUTH_TYPE_BEARER, func(c *checkv1.HttpCredentials) { c.Token = ptr("s") })(m)
		m.HttpConfig.Auth.Oauth2 = &checkv1.Oauth2{TokenUrl: ptr("https://id.example/"), ClientId: ptr("c")}
	}},
	{"digest without anything", "http_config.auth.credentials.username", auth(checkv1.AuthType_AUTH_TYPE_DIGEST, nil)},
	{"pattern", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_RESPONSE_BODY_MATCHES, 0, "(")},
	{"pattern that RE2 does not know", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_RESPONSE_BODY_MATCHES, 0, `(a)\1`)},
	{"pattern that explodes", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_RESPONSE_BODY_MATCHES, 0, "((a{100}){100}){100}")},
	{"JSON without path", "validation_rules[0].path", jsonPath("", checkv1.RuleOperator_RULE_OPERATOR_EXISTS, nil)},
	{"JSON with a bad path", "validation_rules[0].path", jsonPath("$[", checkv1.RuleOperator_RULE_OPERATOR_EXISTS, nil)},
	{"JSON less than a text", "validation_rules[0].value", jsonPath("$.a", checkv1.RuleOperator_RULE_OPERATOR_LESS_THAN, "x")},
	{"JSON exists with a value", "validation_rules[0].value", jsonPath("$.a", checkv1.RuleOperator_RULE_OPERATOR_EXISTS, "x")},
	{"path where there is none", "validation_rules[0].path", func(m *body) {
		rule(checkv1.RuleType_RULE_TYPE_RESPONSE_TIME, checkv1.RuleOperator_RULE_OPERATOR_LESS_THAN, 5)(m)
		m.ValidationRules[0].Path = ptr("$.a")
	}},
	{"expression", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_CEL, 0, "status_code ==")},
	{"expression about the unknown", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_CEL, 0, "latency < 5")},
	{"expression that is a number", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_CEL, 0, "status_code + 1")},
	{"expression with a long pattern", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_CEL, 0, "body.matches('(a{10}){50}')")},
	{"header that matches nothing readable", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_HEADER_VALUE, checkv1.RuleOperator_RULE_OPERATOR_MATCHES, "(", "Etag")},
	{"JSON by a function", "validation_rules[0].path", jsonPath("$[?(length(@.a) > 1)]", checkv1.RuleOperator_RULE_OPERATOR_EXISTS, nil)},
	{"JSON equal to no number", "validation_rules[0].value", jsonPath("$.a", checkv1.RuleOperator_RULE_OPERATOR_EQUALS, math.NaN())},
	{"too much of expressions", "validation_rules", func(m *body) {
		rule(checkv1.RuleType_RULE_TYPE_CEL, 0, strings.Repeat("true && ", 500)+"true")(m)
		for len(m.ValidationRules) < 6 {
			m.ValidationRules = append(m.ValidationRules, m.ValidationRules[0])
		}
	}},
	{"HTTP 3", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_HTTP_VERSION, checkv1.RuleOperator_RULE_OPERATOR_EQUALS, "3")},
	{"half a day", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_CERTIFICATE_DAYS_LEFT, checkv1.RuleOperator_RULE_OPERATOR_GREATER_THAN, 0.5)},
	{"expired yesterday", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_CERTIFICATE_DAYS_LEFT, checkv1.RuleOperator_RULE_OPERATOR_GREATER_THAN, -1)},
	{"more than a hundred years", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_CERTIFICATE_DAYS_LEFT, checkv1.RuleOperator_RULE_OPERATOR_LESS_THAN, 36_501)},
	{"valid or what", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_CERTIFICATE_VALID, checkv1.RuleOperator_RULE_OPERATOR_EQUALS, "yes")},
	{"certificate of a bare connection", "validation_rules[0].type", func(m *body) {
		tcp("h", 1)(m)
		rule(checkv1.RuleType_RULE_TYPE_CERTIFICATE_VALID, checkv1.RuleOperator_RULE_OPERATOR_EQUALS, true)(m)
	}},
	{"status of a handshake", "validation_rules[0].type", func(m *body) {
		tlsBody(func(*checkv1.TlsConfig, *checkv1.TlsOptions) {})(m)
		rule(checkv1.RuleType_RULE_TYPE_STATUS_CODE, checkv1.RuleOperator_RULE_OPERATOR_EQUALS, 200)(m)
	}},
}

// A tls monitor is stored with its defaults, and its prober is sent the same.
func TestTLSMonitor(t *testing.T) {
	h := newHouse(t)
	m := tlsMonitor()
	m.TlsConfig.Starttls = ptr(checkv1.StartTls_START_TLS_SMTP)
	m.ValidationRules = []*checkv1.ValidationRule{{}}
	rule(checkv1.RuleType_RULE_TYPE_CERTIFICATE_DAYS_LEFT, checkv1.RuleOperator_RULE_OPERATOR_GREATER_THAN, 14)(m)
	got := h.create(m)
	c := got.GetTlsConfig()
	if c.GetHost() != "mail.example.com" || c.GetPort() != 443 || c.GetTimeoutMs() != 10_000 || c.GetStarttls() != checkv1.StartTls_START_TLS_SMTP ||
		got.HttpConfig != nil || got.TcpConfig != nil {
		t.Errorf("stored %v", got)
	}
	spec := h.stored(got.GetId())
	if spec.GetMonitorType() != checkv1.MonitorType_MONITOR_TYPE_TLS || spec.GetTlsConfig().GetHost() != "mail.example.com" || len(spec.GetValidationRules()) != 1 {
		t.Errorf("sent %v", spec)
	}
	list := h.list(&monitorsv1.ListMonitorsRequest{MonitorType: ptr(checkv1.MonitorType_MONITOR_TYPE_TLS)})
	if len(list) != 1 || list[0].GetId() != got.GetId() {
		t.Errorf("listed by type: %v", list)
	}
}

// The password of a proxy and the key of a certificate are not shown, stay when an answer is sent back, and go with what
// they belong to.
func TestSecretsBesideTheirFields(t *testing.T) {
	h := newHouse(t)
	m := httpMonitor()
	m.HttpConfig.Proxy = &checkv1.HttpProxy{Url: ptr("http://P.example:3128"), Username: ptr("u"), Password: ptr("p")}
	m.HttpConfig.Tls = &checkv1.TlsOptions{ClientCertificate: ptr(monitors.TestCertificate), ClientKey: ptr(monitors.TestKey)}
	created := h.create(m)
	see := func(step, password, key string) {
		t.Helper()
		shown, sent := h.get(created.GetId()).GetHttpConfig(), h.stored(created.GetId()).GetHttpConfig()
		if shown.GetProxy().Password != nil || shown.GetTls().ClientKey != nil {
			t.Errorf("%s: a secret is shown", step)
		}
		if shown.GetProxy().GetHasPassword() != (password != "") || shown.GetTls().GetHasClientKey() != (key != "") {
			t.Errorf("%s: shown %v", step, shown)
		}
		if sent.GetProxy().GetPassword() != password || sent.GetTls().GetClientKey() != key {
			t.Errorf("%s: sent password %q, key of %d bytes", step, sent.GetProxy().GetPassword(), len(sent.GetTls().GetClientKey()))
		}
	}
	change := func(step string, c *checkv1.HttpConfig, paths ...string) {
		t.Helper()
		if _, err := h.update(created.GetId(), &monitorsv1.Monitor{HttpConfig: c}, paths...); err != nil {
			t.Fatalf("%s: %v", step, err)
		}
	}
	see("created", "p", monitors.TestKey)
	answer := h.get(created.GetId())
	change("sent back", answer.GetHttpConfig(), "http_config.proxy.url", "http_config.proxy.username", "http_config.proxy.password",
		"http_config.tls.client_certificate", "http_config.tls.client_key")
	see("sent back", "p", monitors.TestKey)
	change("another name", &checkv1.HttpConfig{Tls: &checkv1.TlsOptions{ServerName: ptr("sni.example")}})
	see("another name", "p", monitors.TestKey)
	change("another password", &checkv1.HttpConfig{Proxy: &checkv1.HttpProxy{Password: ptr("p2")}})
	see("another password", "p2", monitors.TestKey)
	change("no user", &checkv1.HttpConfig{Proxy: &checkv1.HttpProxy{}}, "http_config.proxy.username")
	see("no user", "", monitors.TestKey)
	change("no certificate", &checkv1.HttpConfig{Tls: &checkv1.TlsOptions{}}, "http_config.tls.client_certificate")
	see("no certificate", "", "")
	change("no proxy", &checkv1.HttpConfig{}, "http_config.proxy", "http_config.tls")
	if got := h.get(created.GetId()).GetHttpConfig(); got.Proxy != nil || got.Tls != nil {
		t.Errorf("still there: %v", got)
	}
}
