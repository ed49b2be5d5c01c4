package prober

import (
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// For http and tls the time is that of all attempts together.
func TestRetriesShareTheirTime(t *testing.T) {
	s := faults(t)
	var asked atomic.Int32
	sick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	t.Cleanup(sick.Close)
	retries := func(attempts, delay int32) *checkv1.Retries {
		return &checkv1.Retries{Attempts: ptr(attempts), DelayMs: ptr(delay)}
	}
	spec := httpSpec(sick.URL)
	spec.Retries = retries(5, 1)
	r := runSpec(t, NewChecker(nil, nil), spec)
	wantStatus(t, r, passes, "")
	if r.GetAttempt() != 3 || asked.Load() != 3 {
		t.Errorf("attempt %d, asked %d times", r.GetAttempt(), asked.Load())
	}
	for name, spec := range map[string]*checkv1.CheckSpec{"http": httpSpec(s.URL(faulttest.Silent)), "tls": tlsSpec(t, s.Addr(faulttest.Silent))} {
		spec.Retries = retries(5, 0)
		if spec.HttpConfig != nil {
			spec.HttpConfig.TimeoutMs = ptr(int32(200))
		} else {
			spec.TlsConfig.TimeoutMs = ptr(int32(200))
		}
		r := runSpec(t, NewChecker(nil, nil), spec)
		if r.GetStatus() != timesOut || r.GetAttempt() != 1 {
			t.Errorf("%s: attempt %d: %v", name, r.GetAttempt(), r.GetErrorType())
		}
	}
	// No attempt begins that has no time, and the one before it is the result.
	asked.Store(-1000)
	spec = httpSpec(sick.URL)
	spec.Retries, spec.HttpConfig.TimeoutMs = retries(10, 150), ptr(int32(400))
	r = runSpec(t, NewChecker(nil, nil), spec)
	wantStatus(t, r, fails, nettest.ErrValidationFailed)
	if total := time.Duration(r.GetDetails().GetTotalUs() * 1000); r.GetAttempt() < 2 || r.GetAttempt() > 3 {
		t.Errorf("attempt %d after %v", r.GetAttempt(), total)
	}
}

// What is our own fault is not tried again, and a check that is cut off says so.
func TestObserverFaults(t *testing.T) {
	spec := tcpSpec(t, "db.other.test:5432", assertion("reachable", "is", false))
	spec.Retries = &checkv1.Retries{Attempts: ptr(int32(5))}
	c := NewChecker(nil, nil)
	c.network.Resolver = inHouse{} // knows no public name, so it is no witness
	r := runSpec(t, c, spec)
	wantStatus(t, r, unsure, nettest.ErrResolverUnavailable)
	if r.GetAttempt() != 1 || len(r.GetDetails().GetAssertions()) != 1 || r.GetDetails().GetAssertions()[0].Actual != nil {
		t.Errorf("%v", r)
	}
	check, err := NewChecker(nil, nil).Prepare(tcpSpec(t, faults(t).Addr(faulttest.BlackHole), assertion("reachable", "is", false)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if r := check.Run(ctx, false); r.GetStatus() != unsure {
		t.Errorf("%v", r)
	}
}

// A check that only connects may be run otherwise, and comes to the same.
func TestPlain(t *testing.T) {
	address, closed := open(t, "127.0.0.1:0", nil), faults(t).Addr(faulttest.Refused)
	c := NewChecker(nil, nil)
	faster := rule(checkv1.RuleType_RULE_TYPE_RESPONSE_TIME, checkv1.RuleOperator_RULE_OPERATOR_LESS_THAN, 5000)
	for name, tt := range map[string]struct {
		alter func(*checkv1.CheckSpec)
		plain bool
	}{
		"nothing":       {func(*checkv1.CheckSpec) {}, true},
		"response time": {func(s *checkv1.CheckSpec) { s.ValidationRules = append(s.ValidationRules, faster) }, true},
		"reachable":     {func(s *checkv1.CheckSpec) { s.Assertions = append(s.Assertions, assertion("reachable", "is", true)) }, true},
		"closed":        {func(s *checkv1.CheckSpec) { s.Assertions = append(s.Assertions, assertion("reachable", "is", false)) }, true},
		"latency": {func(s *checkv1.CheckSpec) {
			s.Assertions = append(s.Assertions, assertion("latency", "greaterThan", "5s"))
		}, true},
		"a handshake": {func(s *checkv1.CheckSpec) {
			s.Assertions = append(s.Assertions, assertion("sslHandshake", "is", false))
		}, false},
		"tls":              {func(s *checkv1.CheckSpec) { s.TcpConfig.Tls = ptr(true) }, false},
		"data":             {func(s *checkv1.CheckSpec) { s.TcpConfig.SendData = ptr("x") }, false},
		"expected data":    {func(s *checkv1.CheckSpec) { s.TcpConfig.ExpectedData = ptr("x") }, false},
		"a banner":         {func(s *checkv1.CheckSpec) { s.TcpConfig.Banner = ptr(true) }, false},
		"several attempts": {func(s *checkv1.CheckSpec) { s.Retries = &checkv1.Retries{Attempts: ptr(int32(2))} }, false},
	} {
		for _, target := range []string{address, closed} {
			spec := tcpSpec(t, target)
			tt.alter(spec)
			chk, err := c.prepare(spec)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			config, plain := chk.plain()
			if plain != tt.plain {
				t.Errorf("%s: plain %v", name, plain)
			}
			if !plain {
				continue
			}
			result, err := (&nettest.TCPTest{Network: c.network}).Execute(t.Context(), config)
			kept := *result
			recorded, ran := &checkv1.CheckResult{}, &checkv1.CheckResult{}
			chk.record(recorded, result, err)
			chk.run(t.Context(), ran)
			if result.Status != kept.Status || result.ErrorType != kept.ErrorType || result.Error != kept.Error {
				t.Errorf("%s: record changed what it was lent", name)
			}
			if recorded.GetStatus() != ran.GetStatus() || recorded.GetErrorType() != ran.GetErrorType() || recorded.GetFailedPhase() != ran.GetFailedPhase() ||
				len(recorded.GetValidationErrors()) != len(ran.GetValidationErrors()) || recorded.GetMonitorUrl() != ran.GetMonitorUrl() {
				t.Errorf("%s of %s: recorded %v, ran %v", name, target, recorded, ran)
			}
		}
	}
}

func TestPrepareRefuses(t *testing.T) {
	_, ca := tlsService(t, nil)
	root, err := faulttest.NewAuthority("clients")
	if err != nil {
		t.Fatal(err)
	}
	key := "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
	rootPEM := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Cert.Raw}))
	for want, options := range map[string]*checkv1.TlsOptions{
		"trusted_cas[1] holds no certificate":                     {TrustedCas: []string{ca, "nonsense"}},
		"trusted_cas cannot be combined":                          {TrustedCas: []string{ca}, InsecureSkipVerify: ptr(true)},
		"client_key is missing":                                   {ClientCertificate: ptr(rootPEM)},
		"client_certificate is missing":                           {ClientKey: ptr(key)},
		"client_certificate and client_key are not a pair in PEM": {ClientCertificate: ptr(rootPEM), ClientKey: ptr(key)},
	} {
		spec := tlsSpec(t, "127.0.0.1:1")
		spec.TlsConfig.Options = options
		tcp := tcpSpec(t, "127.0.0.1:1")
		tcp.TcpConfig.Tls, tcp.TcpConfig.TlsOptions = ptr(true), options
		page := httpSpec("https://127.0.0.1:1/")
		page.HttpConfig.Tls = options
		for _, s := range []*checkv1.CheckSpec{spec, tcp, page} {
			_, err := NewChecker(nil, nil).Prepare(s)
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "c2Vj") {
				t.Errorf("%v: %v, want %q", s.GetMonitorType(), err, want)
			}
		}
	}
	spec := tlsSpec(t, "127.0.0.1:1")
	spec.TlsConfig.Options = &checkv1.TlsOptions{ServerName: ptr("not a name")}
	if _, err := NewChecker(nil, nil).Prepare(spec); err == nil || !strings.Contains(err.Error(), "ServerName") {
		t.Errorf("%v", err)
	}
	for want, a := range map[string]*checkv1.Assertion{
		"assertions[0].type": {Type: "statusCode"}, "assertions[0].value": assertion("latency", "lessThan", 100), "assertions[0].operator": assertion("reachable", "was", true),
	} {
		if _, err := NewChecker(nil, nil).Prepare(tcpSpec(t, "127.0.0.1:1", a)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// Every field of the HTTP configuration gets to where it counts.
func TestHTTPConfigIsCarriedOver(t *testing.T) {
	spec := httpSpec("https://example.test/")
	h := spec.GetHttpConfig()
	h.Method, h.Body, h.UserAgent, h.MaxRedirects = ptr("POST"), ptr("hello"), ptr("agent"), ptr(int32(0))
	h.Headers = map[string]string{"X-B": "2", "X-A": "1"}
	h.HttpVersion, h.IpVersion = ptr(checkv1.HttpVersion_HTTP_VERSION_HTTP2), ptr(checkv1.IpVersion_IP_VERSION_IPV6)
	h.Proxy = &checkv1.HttpProxy{Url: ptr("socks5://proxy.test:1080"), Username: ptr("u"), Password: ptr("p")}
	h.Tls = &checkv1.TlsOptions{ServerName: ptr("sni.test"), MinVersion: ptr(checkv1.TlsVersion_TLS_VERSION_TLS13), Revocation: ptr(checkv1.Revocation_REVOCATION_ONLINE)}
	h.Cookies = ptr(false)
	h.Auth = &checkv1.HttpAuth{
		Type: ptr(checkv1.AuthType_AUTH_TYPE_OAUTH2), Credentials: &checkv1.HttpCredentials{ClientSecret: ptr("s")},
		Oauth2: &checkv1.Oauth2{TokenUrl: ptr("https://login.test/token"), ClientId: ptr("c"), Scopes: []string{"a", "b"}, Audience: ptr("aud"), InBody: ptr(true)},
	}
	chk, err := NewChecker(nil, nil).prepare(spec)
	if err != nil {
		t.Fatal(err)
	}
	got := chk.(*prepared).config.Config.(nettest.HTTPConfig)
	o := got.Auth.OAuth2
	if got.Method != "POST" || got.Body != "hello" || got.UserAgent != "agent" || got.MaxRedirects != -1 || !got.FollowRedirects || got.BodyLimit != -1 ||
		!slices.Equal(got.Headers, []nettest.HeaderField{{Name: "X-A", Value: "1"}, {Name: "X-B", Value: "2"}}) ||
		got.Version != nettest.HTTP2 || got.IPVersion != nettest.IPv6 || *got.Proxy != (nettest.Proxy{URL: "socks5://proxy.test:1080", Username: "u", Password: "p"}) ||
		got.TLSOptions.ServerName != "sni.test" || got.TLSOptions.MinVersion != 0x304 || got.TLSOptions.Revocation != nettest.RevocationOnline || !got.NoCookies ||
		got.Auth.Type != nettest.AuthOAuth2 || o.TokenURL != "https://login.test/token" || o.ClientID != "c" || o.ClientSecret != "s" ||
		!slices.Equal(o.Scopes, []string{"a", "b"}) || o.Audience != "aud" || !o.InBody {
		t.Errorf("%+v", got)
	}
	h.Auth = &checkv1.HttpAuth{Type: ptr(checkv1.AuthType_AUTH_TYPE_DIGEST), Credentials: &checkv1.HttpCredentials{Username: ptr("u"), Password: ptr("p")}}
	if got := authOf(h.GetAuth()); got.Type != nettest.AuthDigest || got.Username != "u" || got.Password != "p" {
		t.Errorf("%#v", got)
	}
}
