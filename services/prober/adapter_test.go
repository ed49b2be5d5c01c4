package prober

import (
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
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
