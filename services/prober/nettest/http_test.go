package nettest_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// echo tells what request has come.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %s host=%s proto=%s close=%v\n", r.Method, r.RequestURI, body, r.Host, r.Proto, r.Close)
	for _, name := range []string{"User-Agent", "Accept", "Accept-Encoding", "Authorization", "Cookie", "X-Api-Key", "X-Own", "X-Twice"} {
		if v, ok := r.Header[name]; ok {
			fmt.Fprintf(w, "%s: %s\n", name, strings.Join(v, "|"))
		}
	}
}

func startHTTP(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// startBoth serves h over HTTP/1.1 and, with TLS, HTTP/2.
func startBoth(t testing.TB, h http.HandlerFunc) (plain, secure string, test *nettest.HTTPTest) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	trust := s.Client().Transport.(*http.Transport).TLSClientConfig
	return startHTTP(t, h).URL, s.URL, &nettest.HTTPTest{TLS: trust}
}

func execute(t *testing.T, test *nettest.HTTPTest, address string, own nettest.HTTPConfig) (*nettest.TestResult, error) {
	t.Helper()
	config := nettest.TestConfig{Name: "http", Address: address, Timeout: 5 * time.Second, Config: own}
	r, err := test.Execute(context.Background(), config)
	checkResult(t, config, r, err)
	return r, err
}

func TestHTTPRequests(t *testing.T) {
	plain, secure, test := startBoth(t, echo)
	for _, base := range []string{plain, secure} {
		host := strings.TrimPrefix(strings.TrimPrefix(base, "http://"), "https://")
		proto := "HTTP/1.1 close=true"
		if strings.HasPrefix(base, "https") {
			proto = "HTTP/2.0 close=false"
		}
		defaults := "User-Agent: " + nettest.DefaultUserAgent + "\nAccept: */*\nAccept-Encoding: gzip, deflate, br, zstd\n"
		big := strings.Repeat("x", 200<<10)
		for _, tt := range []struct {
			name string
			path string
			own  nettest.HTTPConfig
			want string
		}{
			{"plain", "/a?b=c d#frag", nettest.HTTPConfig{}, "GET /a?b=c%20d  host=" + host + " proto=" + proto + "\n" + defaults},
			{"root", "", nettest.HTTPConfig{}, "GET /  host=" + host + " proto=" + proto + "\n" + defaults},
			{"post", "/", nettest.HTTPConfig{Method: "POST", Body: "hi"}, "POST / hi host=" + host + " proto=" + proto + "\n" + defaults},
			{"big", "/", nettest.HTTPConfig{Method: "PUT", Body: big}, "PUT / " + big + " host=" + host + " proto=" + proto + "\n" + defaults},
			{"empty post", "/", nettest.HTTPConfig{Method: "POST"}, "POST /  host=" + host + " proto=" + proto + "\n" + defaults},
			{"delete", "/", nettest.HTTPConfig{Method: "DELETE"}, "DELETE /  host=" + host + " proto=" + proto + "\n" + defaults},
			{"options", "/", nettest.HTTPConfig{Method: "OPTIONS"}, "OPTIONS /  host=" + host + " proto=" + proto + "\n" + defaults},
			{"patch", "/", nettest.HTTPConfig{Method: "PATCH", Body: "p"}, "PATCH / p host=" + host + " proto=" + proto + "\n" + defaults},
			{"own headers", "/", nettest.HTTPConfig{
				Headers: []nettest.HeaderField{{"X-Own", "1"}, {"x-twice", "a"}, {"X-Twice", "b"}, {"accept", "text/html"}, {"Host", "other.example"}},
				Auth:    nettest.Auth{Type: nettest.AuthBasic, Username: "u", Password: "p:w"}, UserAgent: "me",
			}, "GET /  host=other.example proto=" + proto + "\nUser-Agent: me\nAccept: text/html\n" +
				"Accept-Encoding: gzip, deflate, br, zstd\nAuthorization: Basic dTpwOnc=\nX-Own: 1\nX-Twice: a|b\n"},
			{"host and bearer", "/", nettest.HTTPConfig{Host: "name.example:81", Auth: nettest.Auth{Type: nettest.AuthBearer, Token: "tok"},
				Headers: []nettest.HeaderField{{"authorization", "ours wins"}}},
				"GET /  host=name.example:81 proto=" + proto + "\n" + defaults + "Authorization: Bearer tok\n"},
			{"api key", "/", nettest.HTTPConfig{Auth: nettest.Auth{Type: nettest.AuthAPIKey, Value: "k"}},
				"GET /  host=" + host + " proto=" + proto + "\n" + defaults + "X-Api-Key: k\n"},
			{"custom header", "/", nettest.HTTPConfig{Auth: nettest.Auth{Type: nettest.AuthCustomHeader, Header: "X-Own", Value: "v"}},
				"GET /  host=" + host + " proto=" + proto + "\n" + defaults + "X-Own: v\n"},
		} {
			t.Run(proto[:8]+" "+tt.name, func(t *testing.T) {
				r, err := execute(t, test, base+tt.path, tt.own)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, string(r.Body)); diff != "" {
					t.Errorf("the server saw:\n%s", diff)
				}
				if r.StatusCode != 200 || r.ResponseSize != int64(len(r.Body)) || r.WireSize != r.ResponseSize {
					t.Errorf("got %+v", r)
				}
				if secureURL := strings.HasPrefix(base, "https"); secureURL != r.Phases.TLS.Valid || secureURL != (r.TLSVersion == "1.3") ||
					secureURL == r.CertExpiresAt.IsZero() || secureURL != (r.HTTPVersion == "HTTP/2") {
					t.Errorf("TLS: got %+v", r)
				}
			})
		}
	}
}

func TestHTTPHead(t *testing.T) {
	plain, secure, test := startBoth(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "99") })
	for _, u := range []string{plain, secure} {
		r, err := execute(t, test, u, nettest.HTTPConfig{Method: "HEAD"})
		if err != nil || r.ResponseSize != 0 || len(r.Body) != 0 {
			t.Errorf("%v, %+v", err, r)
		}
	}
}

func TestHTTPHeadersAsSent(t *testing.T) {
	long := strings.Repeat("v", 2000)
	lines := "X-mIxEd: One\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nFolded: a\r\n  b\r\nEmpty:\r\nLong: " + long + "\r\n"
	more := strings.Repeat("X-More: 1\r\n", 100)
	addr := serveTCP(t, "127.0.0.1:0", func(c net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(c))
		_, _ = io.WriteString(c, "HTTP/1.1 200\r\n"+lines+more+"Last: yes\r\nContent-Length: 0\r\n\r\n")
	})
	whole := 0
	r, err := execute(t, &nettest.HTTPTest{}, "http://"+addr, nettest.HTTPConfig{Expect: func(r *nettest.TestResult) []string {
		whole = len(r.Headers)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []nettest.HeaderField{{"X-mIxEd", "One"}, {"set-cookie", "a=1"}, {"set-cookie", "b=2"}, {"Folded", "a b"}, {"Empty", ""}, {"Long", long[:1024]}, {"X-More", "1"}}
	if diff := cmp.Diff(want, r.Headers[:len(want)]); diff != "" {
		t.Error(diff)
	}
	if len(r.Headers) != 64 || whole != 108 {
		t.Errorf("kept %d of %d headers, want 64 of 108", len(r.Headers), whole)
	}
}

func TestHTTPBodyKept(t *testing.T) {
	s := startHTTP(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("0123456789", 300_000))
	})
	var seen int
	look := func(r *nettest.TestResult) []string { seen = len(r.Body); return nil }
	for _, tt := range []struct {
		limit, kept int
	}{{0, 1 << 20}, {-1, 0}, {5, 5}, {4_000_000, 3_000_000}} {
		r, err := execute(t, &nettest.HTTPTest{}, s.URL, nettest.HTTPConfig{BodyLimit: tt.limit, Expect: look})
		if err != nil || len(r.Body) != tt.kept || seen != tt.kept || r.ResponseSize != 3_000_000 || r.BodyTruncated != (tt.kept < 3_000_000) {
			t.Errorf("limit %d: %v, kept %d, truncated %v, size %d", tt.limit, err, len(r.Body), r.BodyTruncated, r.ResponseSize)
		}
	}
	r, err := execute(t, &nettest.HTTPTest{}, s.URL, nettest.HTTPConfig{MaxResponseBytes: 1000})
	if !errors.Is(err, nettest.ErrResponseTooLarge) || r.FailedPhase != nettest.PhaseBody {
		t.Errorf("%v, %+v", err, r)
	}
}

func TestHTTPEncodings(t *testing.T) {
	s := startFaults(t)
	for _, f := range []faulttest.Fault{
		faulttest.Gzip, faulttest.Deflate, faulttest.RawDeflate, faulttest.Brotli, faulttest.Zstd, faulttest.TwiceEncoded,
	} {
		r, err := execute(t, &nettest.HTTPTest{}, s.URL(f), nettest.HTTPConfig{})
		if err != nil || string(r.Body) != faulttest.Body || r.WireSize == r.ResponseSize {
			t.Errorf("%s: %v, body %q, %d bytes on the wire", f, err, r.Body, r.WireSize)
		}
	}
	// What was not asked for is left alone.
	other := startHTTP(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "exotic")
		_, _ = io.WriteString(w, "as it is")
	})
	r, err := execute(t, &nettest.HTTPTest{}, other.URL, nettest.HTTPConfig{})
	if err != nil || string(r.Body) != "as it is" {
		t.Errorf("%v, body %q", err, r.Body)
	}
}

func TestHTTPPhases(t *testing.T) {
	s := startFaults(t)
	test := &nettest.HTTPTest{TLS: &tls.Config{RootCAs: s.Roots()}}
	late := func(span nettest.Span) bool { return span.Valid && span.Duration > faulttest.Delay*9/10 }
	for f, pick := range map[faulttest.Fault]func(nettest.Phases) [3]nettest.Span{
		faulttest.LateTLS:       func(p nettest.Phases) [3]nettest.Span { return [3]nettest.Span{p.TLS, p.TTFB, p.Transfer} },
		faulttest.LateFirstByte: func(p nettest.Phases) [3]nettest.Span { return [3]nettest.Span{p.TTFB, p.Transfer, p.Connect} },
		faulttest.LateBody:      func(p nettest.Phases) [3]nettest.Span { return [3]nettest.Span{p.Transfer, p.TTFB, p.Connect} },
	} {
		r, err := execute(t, test, s.URL(f), nettest.HTTPConfig{})
		spans := pick(r.Phases)
		if err != nil || !late(spans[0]) || late(spans[1]) || late(spans[2]) {
			t.Errorf("%s: %v, %+v", f, err, r.Phases)
		}
	}
}

func TestHTTPExpect(t *testing.T) {
	s := startHTTP(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	r, err := execute(t, &nettest.HTTPTest{}, s.URL, nettest.HTTPConfig{})
	if !errors.Is(err, nettest.ErrValidationFailed) || r.StatusCode != 418 ||
		!cmp.Equal(r.ValidationErrors, []string{"status_code in 200-399: got 418"}) {
		t.Errorf("%v, %+v", err, r)
	}
	r, err = execute(t, &nettest.HTTPTest{}, s.URL, nettest.HTTPConfig{Expect: func(r *nettest.TestResult) []string {
		if r.Latency != r.Phases.Total || r.Latency == 0 || r.StatusCode != 418 {
			t.Errorf("the expectation sees an unfinished result: %+v", r)
		}
		return nil
	}})
	if err != nil {
		t.Errorf("%v, %+v", err, r)
	}
}

func TestHTTPStuckRequest(t *testing.T) {
	// Nobody accepts and reads, but the kernel completes the connection.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	config := nettest.TestConfig{
		Address: "http://" + l.Addr().String(), Timeout: 300 * time.Millisecond,
		Config: nettest.HTTPConfig{Method: "POST", Body: strings.Repeat("x", 32<<20)},
	}
	r, err := (&nettest.HTTPTest{}).Execute(context.Background(), config)
	checkResult(t, config, r, err)
	if r.ErrorType != nettest.ErrHeadersTimeout || r.FailedPhase != nettest.PhaseRequest {
		t.Errorf("%v, %+v", err, r)
	}
}

func TestHTTPAnswerBeforeRequestIsRead(t *testing.T) {
	// A server may refuse a large body without reading it.
	addr := serveTCP(t, "127.0.0.1:0", func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1000))
		_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
		_, _ = io.Copy(io.Discard, io.LimitReader(c, 1<<20))
		_, _ = c.Read(make([]byte, 1)) // stops reading, waits
	})
	r, err := execute(t, &nettest.HTTPTest{}, "http://"+addr, nettest.HTTPConfig{Method: "POST", Body: strings.Repeat("x", 32<<20)})
	if !errors.Is(err, nettest.ErrValidationFailed) || r.StatusCode != 413 {
		t.Errorf("%v, %+v", err, r)
	}
}

func TestHTTPValidate(t *testing.T) {
	ok := "http://example.com/"
	for _, tt := range []struct {
		address string
		config  any
		want    string
	}{
		{ok, nil, ""},
		{"https://[::1]:8443/x?y#z", nil, ""},
		{"HTTP://EXAMPLE.com", &nettest.HTTPConfig{Method: "HEAD"}, ""},
		{"http://bücher.example/ä?ö", nil, ""},
		{"http://[fe80::1%25eth0]/", nil, ""},
		{"", nil, "Address"},
		{"example.com", nil, "Address"},
		{"/path", nil, "Address"},
		{"ftp://example.com/", nil, "Address"},
		{"file:///etc/passwd", nil, "Address"},
		{"http:example.com", nil, "Address"},
		{"http:///x", nil, "Address"},
		{"http://user:pass@example.com/", nil, "Address"},
		{"http://a@b@127.0.0.1/", nil, "Address"},
		{"http://example.com:0/", nil, "Address"},
		{"http://example.com:65536/", nil, "Address"},
		{"http://example.com:-1/", nil, "Address"},
		{"http://example.com:x/", nil, "Address"},
		{"http://exa mple.com/", nil, "Address"},
		{"http://example.com\\@127.0.0.1/", nil, "Address"},
		{"http://example.com%00/", nil, "Address"},
		{"http://example.com%2f/", nil, "Address"},
		{"http://example.com/\r\nX: y", nil, "Address"},
		{"http://[v1.fe80::a]/", nil, "Address"},
		{"http://[::1/", nil, "Address"},
		{"http://127.1/", nil, "Address"},
		{"http://2130706433/", nil, "Address"},
		{"http://0x7f000001/", nil, "Address"},
		{ok, nettest.TCPConfig{}, "Config"},
		{ok, nettest.HTTPConfig{Method: "TRACE"}, "Config.Method"},
		{ok, nettest.HTTPConfig{Method: "get"}, "Config.Method"},
		{ok, nettest.HTTPConfig{Method: "HEAD", Body: "x"}, "Config.Body"},
		{ok, nettest.HTTPConfig{Headers: []nettest.HeaderField{{"A b", "c"}}}, "Config.Headers[0]"},
		{ok, nettest.HTTPConfig{Headers: []nettest.HeaderField{{"", "c"}}}, "Config.Headers[0]"},
		{ok, nettest.HTTPConfig{Headers: []nettest.HeaderField{{"A", "b"}, {"A", "c\r\nD: e"}}}, "Config.Headers[1]"},
		{ok, nettest.HTTPConfig{Headers: []nettest.HeaderField{{"content-length", "1"}}}, "Config.Headers[0]"},
		{ok, nettest.HTTPConfig{Headers: []nettest.HeaderField{{"Transfer-Encoding", "chunked"}}}, "Config.Headers[0]"},
		{ok, nettest.HTTPConfig{Headers: []nettest.HeaderField{{"Host", "a b"}}}, "Config.Headers[0]"},
		{ok, nettest.HTTPConfig{Host: "a b"}, "Config.Host"},
		{ok, nettest.HTTPConfig{UserAgent: "a\nb"}, "Config.UserAgent"},
		{ok, nettest.HTTPConfig{MaxResponseBytes: -1}, "Config.MaxResponseBytes"},
		{ok, nettest.HTTPConfig{IPVersion: "6"}, "Config.IPVersion"},
		{"http://127.0.0.1/", nettest.HTTPConfig{IPVersion: nettest.IPv6}, "Config.IPVersion"},
		{ok, nettest.HTTPConfig{Auth: nettest.Auth{Type: "ntlm"}}, "Config.Auth.Type"},
		{ok, nettest.HTTPConfig{Auth: nettest.Auth{Type: nettest.AuthBearer}}, "Config.Auth.Token"},
		{ok, nettest.HTTPConfig{Auth: nettest.Auth{Type: nettest.AuthBearer, Token: "a\nb"}}, "Config.Auth.Token"},
		{ok, nettest.HTTPConfig{Auth: nettest.Auth{Type: nettest.AuthBasic, Username: "a:b"}}, "Config.Auth.Username"},
		{ok, nettest.HTTPConfig{Auth: nettest.Auth{Type: nettest.AuthCustomHeader}}, "Config.Auth.Header"},
		{ok, nettest.HTTPConfig{Auth: nettest.Auth{Type: nettest.AuthAPIKey, Header: "Connection"}}, "Config.Auth.Header"},
	} {
		err := (&nettest.HTTPTest{}).Validate(nettest.TestConfig{Address: tt.address, Config: tt.config})
		got := ""
		var problem *nettest.ConfigError
		if errors.As(err, &problem) {
			got = problem.Field
		}
		if got != tt.want || (err != nil) != errors.Is(err, nettest.ErrInvalidConfig) {
			t.Errorf("Validate(%q, %+v) = %v, want field %q", tt.address, tt.config, err, tt.want)
		}
	}
}

func TestAuthHidesItsSecrets(t *testing.T) {
	a := nettest.Auth{Type: nettest.AuthBasic, Username: "user", Password: "canary", Token: "canary", Header: "X", Value: "canary"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, a) + fmt.Sprintf(format, &a) + fmt.Sprintf(format, nettest.HTTPConfig{Auth: a}); strings.Contains(text, "canary") {
			t.Errorf("%s shows a secret: %s", format, text)
		}
	}
}
