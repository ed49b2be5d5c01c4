package prober

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
)

// shakes starts a server of HTTPS that notes the key exchange of every request.
func shakes(t *testing.T, curves ...tls.CurveID) (address string, last func() tls.CurveID) {
	t.Helper()
	exchanges := make(chan tls.CurveID, 10)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { exchanges <- r.TLS.CurveID }))
	s.TLS = &tls.Config{CurvePreferences: curves}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL, func() tls.CurveID {
		select {
		case c := <-exchanges:
			return c
		default:
			return 0
		}
	}
}

// What holds no secret is asked for with the cheapest key exchange, any other request
// with Go's first choice; a server that knows no cheap one is asked with what it knows.
func TestKeyExchanges(t *testing.T) {
	all, ofAll := shakes(t)
	modern, ofModern := shakes(t, tls.X25519MLKEM768)
	plain, ofPlain := shakes(t, tls.X25519)
	c := NewChecker(nil, nil)
	for name, tt := range map[string]struct {
		url    string
		alter  func(*checkv1.HttpConfig)
		last   func() tls.CurveID
		wanted tls.CurveID
	}{
		"bare URL":                   {all, func(*checkv1.HttpConfig) {}, ofAll, tls.CurveP256},
		"no authentication":          {all, func(h *checkv1.HttpConfig) { h.Auth = &checkv1.HttpAuth{Type: ptr(checkv1.AuthType_AUTH_TYPE_NONE)} }, ofAll, tls.CurveP256},
		"server of hybrids alone":    {modern, func(*checkv1.HttpConfig) {}, ofModern, tls.X25519MLKEM768},
		"server of X25519 alone":     {plain, func(*checkv1.HttpConfig) {}, ofPlain, tls.X25519},
		"secret for X25519 alone":    {plain, func(h *checkv1.HttpConfig) { h.Body = ptr("secret") }, ofPlain, tls.X25519},
		"header":                     {all, func(h *checkv1.HttpConfig) { h.Headers = map[string]string{"X-Key": "secret"} }, ofAll, tls.X25519MLKEM768},
		"body":                       {all, func(h *checkv1.HttpConfig) { h.Method, h.Body = ptr("POST"), ptr("secret") }, ofAll, tls.X25519MLKEM768},
		"query":                      {all + "/?key=secret", func(*checkv1.HttpConfig) {}, ofAll, tls.X25519MLKEM768},
		"authentication":             {all, func(h *checkv1.HttpConfig) { h.Auth = bearer("secret") }, ofAll, tls.X25519MLKEM768},
		"authentication and hybrids": {modern, func(h *checkv1.HttpConfig) { h.Auth = bearer("secret") }, ofModern, tls.X25519MLKEM768},
	} {
		spec := httpSpec(tt.url)
		spec.HttpConfig.Tls = &checkv1.TlsOptions{InsecureSkipVerify: ptr(true)}
		tt.alter(spec.HttpConfig)
		for range 2 { // the second time the network knows what the server wants
			wantStatus(t, runSpec(t, c, spec), passes, "")
			if got := tt.last(); got != tt.wanted {
				t.Errorf("%s: %v, want %v", name, got, tt.wanted)
			}
		}
	}
	at := netip.MustParseAddrPort(strings.TrimPrefix(plain, "https://"))
	spec := tlsSpec(t, at.String())
	spec.TlsConfig.Options = &checkv1.TlsOptions{InsecureSkipVerify: ptr(true)}
	wantStatus(t, runSpec(t, c, spec), passes, "")
}

func bearer(token string) *checkv1.HttpAuth {
	return &checkv1.HttpAuth{Type: ptr(checkv1.AuthType_AUTH_TYPE_BEARER), Credentials: &checkv1.HttpCredentials{Token: ptr(token)}}
}
