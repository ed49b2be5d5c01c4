package prober

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

func httpSpec(url string, list ...*checkv1.Assertion) *checkv1.CheckSpec {
	return &checkv1.CheckSpec{
		MonitorId: 8, Name: "page", MonitorType: checkv1.MonitorType_MONITOR_TYPE_HTTP, Assertions: list,
		HttpConfig: &checkv1.HttpConfig{Url: ptr(url), TimeoutMs: ptr(int32(5000))},
	}
}

func tlsSpec(t *testing.T, address string, list ...*checkv1.Assertion) *checkv1.CheckSpec {
	t.Helper()
	tcp := tcpSpec(t, address).GetTcpConfig()
	return &checkv1.CheckSpec{
		MonitorId: 9, Name: "certificate", MonitorType: checkv1.MonitorType_MONITOR_TYPE_TLS, Assertions: list,
		TlsConfig: &checkv1.TlsConfig{Host: tcp.Host, Port: tcp.Port, TimeoutMs: tcp.TimeoutMs},
	}
}

func rule(typ checkv1.RuleType, op checkv1.RuleOperator, value any) *checkv1.ValidationRule {
	r := &checkv1.ValidationRule{Type: typ}
	if op != checkv1.RuleOperator_RULE_OPERATOR_UNSPECIFIED {
		r.Operator = &op
	}
	if value != nil {
		v, err := structpb.NewValue(value)
		if err != nil {
			panic(err)
		}
		r.Value = v
	}
	return r
}

// site answers at /, redirects at /moved, echoes the request at /echo and fails at /sick.
func site(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Long", strings.Repeat("x", 3000)+"end")
		_, _ = io.WriteString(w, `{"status":"fine"}`)
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: "yes"})
		http.Redirect(w, r, "/echo", http.StatusMovedPermanently)
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %s cookie=%q agent=%q x=%q", r.Method, r.Proto, r.Header.Get("Cookie"), r.UserAgent(), r.Header.Get("X-Own"))
	})
	mux.HandleFunc("/sick", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func TestHTTPOutcomes(t *testing.T) {
	s := site(t)
	equals, contains := checkv1.RuleOperator_RULE_OPERATOR_EQUALS, checkv1.RuleOperator_RULE_OPERATOR_CONTAINS
	none := checkv1.RuleOperator_RULE_OPERATOR_UNSPECIFIED
	path := rule(checkv1.RuleType_RULE_TYPE_JSON_PATH, equals, "fine")
	path.Path = ptr("$.status")
	long := rule(checkv1.RuleType_RULE_TYPE_HEADER_VALUE, contains, "xend")
	long.Header = ptr("X-Long")
	for _, tt := range []struct {
		name   string
		path   string
		rules  []*checkv1.ValidationRule
		list   []*checkv1.Assertion
		status checkv1.ResultStatus
		errs   []string
	}{
		{"nothing asked", "/", nil, nil, passes, nil},
		{"nothing asked, and sick", "/sick", nil, nil, fails, []string{"status_code in 200-399: got 503"}},
		{"sick as wanted", "/sick", nil, []*checkv1.Assertion{assertion("statusCode", "equals", 503)}, passes, nil},
		{"only quick", "/sick", nil, []*checkv1.Assertion{assertion("duration", "lessThan", "5s")}, passes, nil},
		{"json", "/", []*checkv1.ValidationRule{path, rule(checkv1.RuleType_RULE_TYPE_CEL, none, "json.status == 'fine' && size == 17")}, nil, passes, nil},
		{"the header is whole when judged", "/", []*checkv1.ValidationRule{long}, nil, passes, nil},
		{"redirects are followed", "/moved", nil, []*checkv1.Assertion{assertion("statusCode", "equals", 200), assertion("body", "contains", `cookie="seen=yes"`)}, passes, nil},
		{"unless one is asserted", "/moved", nil, []*checkv1.Assertion{assertion("statusCode", "equals", 301)}, passes, nil},
		{"rules and assertions together", "/", []*checkv1.ValidationRule{rule(checkv1.RuleType_RULE_TYPE_STATUS_CODE, equals, 404)},
			[]*checkv1.Assertion{assertion("body", "contains", "down"), assertion("size", "equals", 17)}, fails,
			[]string{"status_code equals 404: got 200", `body contains "down": it is not there`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec := httpSpec(s.URL+tt.path, tt.list...)
			spec.ValidationRules = tt.rules
			check, err := NewChecker(nil, nil).Prepare(spec)
			if err != nil {
				t.Fatal(err)
			}
			for _, detailed := range []bool{false, true} {
				r := check.Run(t.Context(), detailed)
				if r.GetStatus() != tt.status || !slices.Equal(r.GetValidationErrors(), tt.errs) {
					t.Errorf("detailed %v: %v", detailed, r)
				}
				if (r.GetDetails() != nil) != detailed || detailed && len(r.GetDetails().GetAssertions()) != len(tt.rules)+len(tt.list) {
					t.Errorf("detailed %v: details %v", detailed, r.GetDetails())
				}
			}
		})
	}
	// A header Location may be asserted as well.
	location := assertion("header", "equals", "/echo")
	location.Name = ptr("location")
	wantStatus(t, runSpec(t, NewChecker(nil, nil), httpSpec(s.URL+"/moved", location)), passes, "")
	spec := httpSpec(s.URL+"/moved", assertion("body", "contains", `cookie=""`))
	spec.HttpConfig.Cookies = ptr(false)
	wantStatus(t, runSpec(t, NewChecker(nil, nil), spec), passes, "")
}

func TestDetails(t *testing.T) {
	s := site(t)
	r := runSpec(t, NewChecker(nil, nil), httpSpec(s.URL+"/moved", assertion("statusCode", "equals", 404), assertion("header", "contains", "Content-T")))
	d := r.GetDetails()
	if d.GetHttpVersion() != "HTTP/1.1" || d.GetFinalUrl() != s.URL+"/echo" || d.GetTotalUs()*1000 < float64(r.GetResponseTimeNs()) ||
		len(d.GetRedirects()) != 1 || d.GetRedirects()[0].GetStatusCode() != 301 || len(d.GetAddresses()) == 0 {
		t.Errorf("%v", d)
	}
	a := d.GetAssertions()
	if a[0].GetPassed() || a[0].GetActual().GetNumberValue() != 200 || a[0].GetValue().GetNumberValue() != 404 || a[0].GetProblem() != "got 200" || !a[1].GetPassed() {
		t.Errorf("%v", a)
	}
	tlsAddress, ca := tlsService(t, nil)
	spec := tlsSpec(t, tlsAddress, assertion("valid", "is", true), assertion("expirationTime", "greaterThan", "12h"))
	spec.TlsConfig.Options = &checkv1.TlsOptions{TrustedCas: []string{ca}}
	r = runSpec(t, NewChecker(nil, nil), spec)
	wantStatus(t, r, passes, "")
	certs := r.GetDetails().GetCertificates()
	if r.GetMonitorUrl() != "tls://"+tlsAddress || r.GetPort() == 0 || len(certs) != 1 || !certs[0].GetValid() || !certs[0].GetTrusted() ||
		!r.GetCertExpiresAt().AsTime().Equal(certs[0].GetNotAfter().AsTime()) || certs[0].GetPeer() != tlsAddress {
		t.Errorf("%v", r)
	}
	greeting := open(t, "127.0.0.1:0", func(_ int, c net.Conn) { _, _ = io.WriteString(c, "220 mail\x00 ready\r\n") })
	tcp := tcpSpec(t, greeting)
	tcp.TcpConfig.Banner = ptr(true)
	if r = runSpec(t, NewChecker(nil, nil), tcp); r.GetDetails().GetBanner() != "220 mail. ready" {
		t.Errorf("%v", r)
	}
}

// A result that a schedule asked for carries no details, and every message is fit to
// be sent.
func TestScheduledResultsAreSmall(t *testing.T) {
	check, err := NewChecker(nil, nil).Prepare(httpSpec(site(t).URL, assertion("statusCode", "equals", 200)))
	if err != nil {
		t.Fatal(err)
	}
	small, large := check.Run(t.Context(), false), check.Run(t.Context(), true)
	if small.GetDetails() != nil || proto.Size(small) >= proto.Size(large) {
		t.Errorf("%v", small)
	}
	if small.GetMonitorId() != 8 || small.GetMonitorName() != "page" || small.GetAttempt() != 1 || small.StartedAt == nil {
		t.Errorf("%v", small)
	}
}

func TestTCPConversation(t *testing.T) {
	echo := open(t, "127.0.0.1:0", func(_ int, c net.Conn) {
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		buf := make([]byte, 4)
		if _, err := io.ReadFull(c, buf); err == nil {
			_, _ = fmt.Fprintf(c, "+%s\r\n", buf)
		}
	})
	for expected, status := range map[string]checkv1.ResultStatus{"+PING": passes, "+PONG": fails} {
		for _, list := range [][]*checkv1.Assertion{nil, {assertion("reachable", "is", true)}} {
			spec := tcpSpec(t, echo, list...)
			spec.TcpConfig.SendData, spec.TcpConfig.ExpectedData = ptr("PING"), ptr(expected)
			r := runSpec(t, NewChecker(nil, nil), spec)
			if r.GetStatus() != status || status == fails && r.GetErrorType() != string(nettest.ErrValidationFailed) {
				t.Errorf("%s with %d assertions: %v", expected, len(list), r)
			}
		}
	}
}

func TestTLSOutcomes(t *testing.T) {
	s, err := faulttest.StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Root.Cert.Raw}))
	valid, invalid := assertion("valid", "is", true), assertion("valid", "is", false)
	for _, tt := range []struct {
		fault  faulttest.Fault
		list   []*checkv1.Assertion
		skip   bool
		status checkv1.ResultStatus
		typ    nettest.ErrorType
	}{
		{faulttest.CertValid, nil, false, passes, ""},
		{faulttest.CertValid, []*checkv1.Assertion{valid, assertion("certificateSubject", "equals", "localhost"), assertion("certificateIssuer", "contains", "CN=")}, false, passes, ""},
		{faulttest.CertValid, []*checkv1.Assertion{assertion("expirationTime", "greaterThan", "30d")}, false, fails, nettest.ErrValidationFailed},
		{faulttest.CertExpired, nil, false, fails, nettest.ErrCertificateExpired},
		{faulttest.CertExpired, []*checkv1.Assertion{valid}, false, fails, nettest.ErrCertificateExpired},
		{faulttest.CertExpired, []*checkv1.Assertion{invalid}, false, passes, ""},
		{faulttest.CertExpired, []*checkv1.Assertion{invalid, assertion("expirationTime", "greaterThan", "1d")}, false, fails, nettest.ErrValidationFailed},
		{faulttest.CertExpired, []*checkv1.Assertion{assertion("expirationTime", "greaterThan", "1d")}, true, fails, nettest.ErrValidationFailed},
		{faulttest.CertSelfSigned, []*checkv1.Assertion{assertion("expirationTime", "greaterThan", "1h")}, false, fails, nettest.ErrCertificateInvalid},
		{faulttest.CertSelfSigned, []*checkv1.Assertion{assertion("expirationTime", "greaterThan", "1h")}, true, passes, ""},
		{faulttest.CertOtherName, []*checkv1.Assertion{invalid}, false, passes, ""},
		{faulttest.ShakeClose, []*checkv1.Assertion{invalid}, false, fails, nettest.ErrTLS},
	} {
		t.Run(fmt.Sprint(tt.fault, tt.list, tt.skip), func(t *testing.T) {
			spec := tlsSpec(t, s.Addr(tt.fault), tt.list...)
			spec.TlsConfig.Options = &checkv1.TlsOptions{TrustedCas: []string{ca}}
			if tt.skip {
				spec.TlsConfig.Options = &checkv1.TlsOptions{InsecureSkipVerify: ptr(true)}
			}
			r := runSpec(t, NewChecker(nil, nil), spec)
			if tt.typ == nettest.ErrTLS { // closed within the handshake: which of two is a matter of taste
				if r.GetStatus() != fails || r.GetFailedPhase() != checkv1.Phase_PHASE_TLS {
					t.Errorf("%v", r)
				}
				return
			}
			wantStatus(t, r, tt.status, tt.typ)
		})
	}
}

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

// The upgrade to TLS is auto for tcp and none for tls, and each other one is known.
func TestStartTLS(t *testing.T) {
	for v := range checkv1.StartTls_name {
		up := checkv1.StartTls(v)
		want := strings.ToLower(strings.TrimPrefix(up.String(), "START_TLS_"))
		if up == checkv1.StartTls_START_TLS_UNSPECIFIED {
			want = "none"
		}
		if got := startTLS(up, nettest.StartTLSNone); string(got) != want {
			t.Errorf("%v is %q", up, got)
		}
	}
	tcp, tls := tcpSpec(t, "127.0.0.1:5432", assertion("sslHandshake", "is", true)), tlsSpec(t, "127.0.0.1:5432")
	for spec, want := range map[*checkv1.CheckSpec]nettest.StartTLS{tcp: nettest.StartTLSAuto, tls: nettest.StartTLSNone} {
		chk, err := NewChecker(nil, nil).prepare(spec)
		if err != nil {
			t.Fatal(err)
		}
		var got nettest.StartTLS
		switch c := chk.(*prepared).config.Config.(type) {
		case nettest.TCPConfig:
			got = c.StartTLS
		case nettest.TLSConfig:
			got = c.StartTLS
		}
		if got != want {
			t.Errorf("%v: %q, want %q", spec.GetMonitorType(), got, want)
		}
	}
}

// Rules about certificates are the same for every kind of check that has one.
func TestCertificateRules(t *testing.T) {
	page := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	page.EnableHTTP2 = true
	page.StartTLS()
	t.Cleanup(page.Close)
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: page.Certificate().Raw}))
	less, greater, none := checkv1.RuleOperator_RULE_OPERATOR_LESS_THAN, checkv1.RuleOperator_RULE_OPERATOR_GREATER_THAN, checkv1.RuleOperator_RULE_OPERATOR_UNSPECIFIED
	days := func(op checkv1.RuleOperator) *checkv1.ValidationRule {
		return rule(checkv1.RuleType_RULE_TYPE_CERTIFICATE_DAYS_LEFT, op, 30)
	}
	valid := rule(checkv1.RuleType_RULE_TYPE_CERTIFICATE_VALID, checkv1.RuleOperator_RULE_OPERATOR_EQUALS, true)
	version := rule(checkv1.RuleType_RULE_TYPE_HTTP_VERSION, checkv1.RuleOperator_RULE_OPERATOR_EQUALS, "2")
	for status, list := range map[checkv1.ResultStatus][]*checkv1.ValidationRule{
		passes: {days(greater), valid, rule(checkv1.RuleType_RULE_TYPE_CEL, none, "certificate.days_left > 30 && certificate.valid && tls_version == '1.3'")},
		fails:  {days(less)},
	} {
		web := httpSpec(page.URL)
		web.ValidationRules = append(slices.Clone(list), version)
		web.HttpConfig.Tls = &checkv1.TlsOptions{TrustedCas: []string{ca}}
		address := strings.TrimPrefix(page.URL, "https://")
		handshake, port := tlsSpec(t, address), tcpSpec(t, address)
		handshake.ValidationRules, handshake.TlsConfig.Options = list, web.HttpConfig.Tls
		port.ValidationRules, port.TcpConfig.TlsOptions = list, web.HttpConfig.Tls
		for _, spec := range []*checkv1.CheckSpec{web, handshake, port} {
			if r := runSpec(t, NewChecker(nil, nil), spec); r.GetStatus() != status || r.CertExpiresAt == nil {
				t.Errorf("%v: %v", spec.GetMonitorType(), r)
			}
		}
	}
}
