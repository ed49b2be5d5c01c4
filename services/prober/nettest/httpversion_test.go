package nettest_test

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// startPrior serves HTTP/2 without TLS, and nothing else.
func startPrior(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

func TestHTTPVersions(t *testing.T) {
	plain, secure, test := startBoth(t, echo)
	prior := startPrior(t, echo)
	faults := startFaults(t)
	only1 := httptest.NewUnstartedServer(http.HandlerFunc(echo)) // refuses the handshake for want of a protocol
	only1.TLS = &tls.Config{NextProtos: []string{"http/1.1"}}
	only1.StartTLS()
	t.Cleanup(only1.Close)
	trusting := &nettest.HTTPTest{TLS: &tls.Config{RootCAs: faults.Roots()}}
	for _, tt := range []struct {
		name    string
		test    *nettest.HTTPTest
		url     string
		version nettest.HTTPVersion
		got     string // HTTPVersion, or
		words   string // of a protocol error
	}{
		{"both, any", test, secure, "", "HTTP/2", ""},
		{"both, any by name", test, secure, nettest.HTTPAny, "HTTP/2", ""},
		{"both, 1.1", test, secure, nettest.HTTP1, "HTTP/1.1", ""},
		{"both, 2", test, secure, nettest.HTTP2, "HTTP/2", ""},
		{"plain, any", test, plain, nettest.HTTPAny, "HTTP/1.1", ""},
		{"plain, 1.1", test, plain, nettest.HTTP1, "HTTP/1.1", ""},
		{"plain, 2", test, plain, nettest.HTTP2, "", "does not speak HTTP/2"},
		{"prior knowledge", test, prior, nettest.HTTP2, "HTTP/2", ""},
		{"only 1.1, any", test, only1.URL, nettest.HTTPAny, "HTTP/1.1", ""},
		{"only 1.1, 2", test, only1.URL, nettest.HTTP2, "", "does not speak HTTP/2"},
		{"no ALPN, any", trusting, faults.URL(faulttest.HealthyTLS), nettest.HTTPAny, "HTTP/1.1", ""},
		{"no ALPN, 2", trusting, faults.URL(faulttest.HealthyTLS), nettest.HTTP2, "", "does not speak HTTP/2"},
		{"version 1.0", test, faults.URL(faulttest.UntilClose), nettest.HTTP1, "HTTP/1.0", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := execute(t, tt.test, tt.url, nettest.HTTPConfig{Version: tt.version, SkipVerify: true})
			if tt.words == "" {
				if err != nil || r.HTTPVersion != tt.got {
					t.Errorf("%v, %q, want %q", err, r.HTTPVersion, tt.got)
				}
				return
			}
			if !errors.Is(err, nettest.ErrProtocol) || !strings.Contains(r.Error, tt.words) || r.HTTPVersion != "" {
				t.Errorf("%v, %+v", err, r)
			}
		})
	}
	err := test.Validate(nettest.TestConfig{Address: plain, Config: nettest.HTTPConfig{Version: "3"}})
	if !errors.Is(err, nettest.ErrInvalidConfig) {
		t.Errorf("version 3: %v", err)
	}
}
