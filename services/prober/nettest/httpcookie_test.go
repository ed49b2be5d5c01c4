package nettest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/frogstats/uptime/services/prober/nettest"
)

// TestCookies sets cookies on a redirect and looks which of them the next
// request has.
func TestCookies(t *testing.T) {
	// All names lead here, and every port is another origin with the same cookies.
	network := &nettest.Network{Resolver: fixed{"127.0.0.1"}}
	var got string
	handler := func(w http.ResponseWriter, r *http.Request) {
		if set := r.URL.Query()["set"]; len(set) > 0 {
			for _, line := range set {
				w.Header().Add("Set-Cookie", line)
			}
			w.Header().Set("Location", r.URL.Query().Get("to"))
			w.WriteHeader(http.StatusFound)
			return
		}
		got = r.Header.Get("Cookie")
	}
	plain := startHTTP(t, handler)
	secure := httptest.NewTLSServer(http.HandlerFunc(handler))
	t.Cleanup(secure.Close)
	at := func(base, host string) string { return strings.Replace(base, "127.0.0.1", host, 1) }
	here := at(plain.URL, "a.example.com")
	many := make([]string, 40)
	for i := range many {
		many[i] = fmt.Sprintf("c%d=%s", i, strings.Repeat("x", 1000))
	}
	for _, tt := range []struct {
		name, from, to string
		set            []string
		own            nettest.HTTPConfig
		want           string
	}{
		{"its own", here, "/x", []string{"a=1", "b=2; Path=/"}, nettest.HTTPConfig{}, "a=1; b=2"},
		{"beside the configured", here, "/x", []string{"a=1"}, nettest.HTTPConfig{Headers: []nettest.HeaderField{{"Cookie", "own=1"}}}, "own=1; a=1"},
		{"not wanted", here, "/x", []string{"a=1"}, nettest.HTTPConfig{NoCookies: true}, ""},
		{"other path", here, "/x", []string{"a=1; Path=/y", "b=2; Path=/x"}, nettest.HTTPConfig{}, "b=2"},
		{"expired", here, "/x", []string{"a=1; Max-Age=0"}, nettest.HTTPConfig{}, ""},
		{"host only, abroad", here, at(plain.URL, "b.example.com"), []string{"a=1"}, nettest.HTTPConfig{}, ""},
		{"domain, to a sibling", here, at(plain.URL, "b.example.com"), []string{"a=1; Domain=example.com"}, nettest.HTTPConfig{}, "a=1"},
		{"domain of another", here, at(plain.URL, "b.example.org"), []string{"a=1; Domain=example.org"}, nettest.HTTPConfig{}, ""},
		{"whole suffix", here, at(plain.URL, "other.com"), []string{"a=1; Domain=com"}, nettest.HTTPConfig{}, ""},
		{"registry suffix", at(plain.URL, "a.co.uk"), at(plain.URL, "b.co.uk"), []string{"a=1; Domain=co.uk"}, nettest.HTTPConfig{}, ""},
		{"secure, to plain", at(secure.URL, "a.example.com"), here, []string{"a=1; Secure", "b=2"}, nettest.HTTPConfig{}, "b=2"},
		{"secure, to secure", at(secure.URL, "a.example.com"), "/x", []string{"a=1; Secure; HttpOnly; SameSite=Strict"}, nettest.HTTPConfig{}, "a=1"},
		{"nonsense", here, "/x", []string{"", "=", "a", "a b=c", "ok=1"}, nettest.HTTPConfig{}, "ok=1"},
		{"too much", here, "/x", many, nettest.HTTPConfig{}, strings.Join(many[:16], "; ")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got = "never asked"
			tt.own.FollowRedirects, tt.own.SkipVerify = true, true
			query := "?to=" + strings.ReplaceAll(tt.to, ":", "%3A")
			for _, line := range tt.set {
				query += "&set=" + strings.NewReplacer(" ", "%20", ";", "%3B", "=", "%3D").Replace(line)
			}
			if len(query) > 30_000 {
				tt.own.MaxRedirects = 1
			}
			r, err := execute(t, &nettest.HTTPTest{Network: network}, tt.from+"/"+query, tt.own)
			if err != nil || got != tt.want {
				t.Errorf("%v, the next request has %.80q, want %.80q; %d", err, got, tt.want, r.StatusCode)
			}
		})
	}
}
