package nettest_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

var secretConfig = nettest.HTTPConfig{
	FollowRedirects: true,
	Auth:            nettest.Auth{Type: nettest.AuthAPIKey, Value: "canary"},
	Headers: []nettest.HeaderField{
		{"Cookie", "session=canary"}, {"X-Token", "canary"}, {"Authorization", "canary"}, {"Host", "canary.example"},
		{"Accept", "text/html"}, {"Accept-Language", "cy"},
	},
}

func TestRedirectKeepsSecretsAtHome(t *testing.T) {
	var mu sync.Mutex
	var abroad []http.Header
	var home *string
	other := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		abroad = append(abroad, r.Header.Clone())
		mu.Unlock()
		if r.Host == "canary.example" || r.Header.Get("Accept-Language") != "cy" {
			t.Errorf("abroad: %s %v", r.Host, r.Header)
		}
		// Leading back must not bring the secrets back either.
		http.Redirect(w, r, *home+"/back", http.StatusFound)
	})
	var backHeaders, homeHeaders http.Header
	s := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			http.Redirect(w, r, "/same", http.StatusMovedPermanently)
		case "/same":
			homeHeaders = r.Header.Clone()
			http.Redirect(w, r, other.URL+"/", http.StatusFound)
		default:
			backHeaders = r.Header.Clone()
		}
	})
	home = &s.URL
	r, err := execute(t, &nettest.HTTPTest{}, s.URL+"/", secretConfig)
	if err != nil {
		t.Fatal(err)
	}
	if homeHeaders.Get("X-Api-Key") != "canary" || homeHeaders.Get("Cookie") != "session=canary" || homeHeaders.Get("X-Token") != "canary" {
		t.Errorf("secrets were lost on the way to the same origin: %v", homeHeaders)
	}
	for _, h := range append(abroad, backHeaders) {
		if strings.Contains(fmt.Sprint(h), "canary") {
			t.Errorf("a secret left its origin: %v", h)
		}
	}
	want := []nettest.Redirect{
		{StatusCode: 301, URL: s.URL + "/same"},
		{StatusCode: 302, URL: other.URL + "/", CrossOrigin: true},
		{StatusCode: 302, URL: s.URL + "/back", CrossOrigin: true},
	}
	if diff := cmp.Diff(want, r.Redirects); diff != "" {
		t.Error(diff)
	}
	if r.FinalURL != s.URL+"/back" || r.StatusCode != 200 {
		t.Errorf("got %+v", r)
	}
}

func TestRedirectMethods(t *testing.T) {
	for _, tt := range []struct {
		code         int
		method, then string
	}{
		{301, "POST", "GET"}, {302, "POST", "GET"}, {303, "POST", "GET"}, {303, "PUT", "GET"}, {301, "PUT", "PUT body"},
		{307, "POST", "POST body"}, {308, "POST", "POST body"}, {303, "HEAD", "HEAD"}, {302, "GET", "GET"},
	} {
		var got string
		s := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
			body := make([]byte, 10)
			n, _ := r.Body.Read(body)
			if r.URL.Path == "/" {
				http.Redirect(w, r, "/next", tt.code)
				return
			}
			got = strings.TrimSpace(r.Method + " " + string(body[:n]))
			if n == 0 && r.Header.Get("Content-Type") != "" && tt.method != "GET" {
				t.Error("the type of a body that is not sent any more")
			}
		})
		own := nettest.HTTPConfig{Method: tt.method, FollowRedirects: true}
		if tt.method != "GET" && tt.method != "HEAD" {
			own.Body = "body"
			own.Headers = []nettest.HeaderField{{"Content-Type", "text/plain"}}
		}
		if _, err := execute(t, &nettest.HTTPTest{}, s.URL+"/", own); err != nil || got != tt.then {
			t.Errorf("%d after %s: %q, %v, want %q", tt.code, tt.method, got, err, tt.then)
		}
	}
}

func TestRedirectLimits(t *testing.T) {
	s := startFaults(t)
	for _, tt := range []struct {
		fault    faulttest.Fault
		max      int
		followed int
		want     nettest.ErrorType
	}{
		{faulttest.RedirectEndless, 0, nettest.DefaultMaxRedirects, nettest.ErrRedirectLimit},
		{faulttest.RedirectEndless, 3, 3, nettest.ErrRedirectLimit},
		{faulttest.RedirectEndless, -1, 0, nettest.ErrRedirectLimit},
		{faulttest.RedirectOnce, 1, 1, ""},
		{faulttest.RedirectOnce, -1, 0, nettest.ErrRedirectLimit},
		{faulttest.RedirectLoop, 50, 2, nettest.ErrRedirectLimit},
		{faulttest.RedirectCookie, 10, 1, ""},
	} {
		before := s.Accepts(tt.fault)
		r, err := execute(t, &nettest.HTTPTest{}, s.URL(tt.fault), nettest.HTTPConfig{FollowRedirects: true, MaxRedirects: tt.max})
		if r.ErrorType != tt.want || len(r.Redirects) != tt.followed {
			t.Errorf("%s, at most %d: followed %d, %v, want %d, %q", tt.fault, tt.max, len(r.Redirects), err, tt.followed, tt.want)
		}
		if requests := s.Accepts(tt.fault) - before; requests != int64(tt.followed+1) {
			t.Errorf("%s: %d connections for %d redirects", tt.fault, requests, tt.followed)
		}
	}
	// Not followed, a redirect is an answer like another.
	r, err := execute(t, &nettest.HTTPTest{}, s.URL(faulttest.RedirectLoop), nettest.HTTPConfig{})
	if err != nil || r.StatusCode != 302 || len(r.Redirects) != 0 {
		t.Errorf("%v, %+v", err, r)
	}
}

func TestRedirectDowngradeIsFlagged(t *testing.T) {
	s := startFaults(t)
	test := &nettest.HTTPTest{TLS: &tls.Config{RootCAs: s.Roots()}}
	r, err := execute(t, test, s.URL(faulttest.RedirectDowngrade), secretConfig)
	if err != nil || len(r.Redirects) != 1 || !r.Redirects[0].Downgraded || !r.Redirects[0].CrossOrigin {
		t.Errorf("%v, %+v", err, r)
	}
	if r.TLSVersion == "" || r.CertExpiresAt.IsZero() || !r.Phases.TLS.Valid {
		t.Errorf("the first hop's TLS is forgotten: %+v", r)
	}
}

func TestRedirectTargets(t *testing.T) {
	for location, want := range map[string]nettest.ErrorType{
		"http://user:pass@127.0.0.1:1/": nettest.ErrConnectionRefused, // the credentials are not sent
		"//127.0.0.1:1/":                nettest.ErrConnectionRefused,
		"http://127.1:1/":               nettest.ErrProtocol,
		"http://":                       nettest.ErrProtocol,
		"http://a b/":                   nettest.ErrProtocol,
		"http://127.0.0.1:0/":           nettest.ErrProtocol,
		"file:///etc/passwd":            nettest.ErrProtocol,
		"gopher://127.0.0.1:1/x":        nettest.ErrProtocol,
		"javascript:alert(1)":           nettest.ErrProtocol,
		"http://[::1]:1/":               nettest.ErrProtocol, // of the other family
	} {
		s := startHTTP(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusFound)
		})
		r, err := execute(t, &nettest.HTTPTest{}, s.URL, nettest.HTTPConfig{FollowRedirects: true, IPVersion: nettest.IPv4})
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, %+v, want %s", location, err, r, want)
		}
		if want == nettest.ErrProtocol && r.FailedPhase != nettest.PhaseRedirect {
			t.Errorf("%s: phase %s", location, r.FailedPhase)
		}
	}
}

// only allows the addresses in it.
type only map[netip.Addr]bool

func (o only) Check(a netip.Addr) error {
	if o[a] {
		return nil
	}
	return errors.New("not on the list")
}

func TestEgressPolicyOnEveryHop(t *testing.T) {
	s := startFaults(t)
	home := netip.MustParseAddr("127.0.0.1")
	canary := startHTTP(t, func(http.ResponseWriter, *http.Request) { t.Error("a forbidden address was reached") })
	forbidden := strings.Replace(canary.URL, "127.0.0.1", "127.0.0.2", 1)
	leading := startHTTP(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, forbidden, http.StatusFound) })

	network := &nettest.Network{Policy: only{home: true}, AttemptDelay: 20 * time.Millisecond}
	r, err := execute(t, &nettest.HTTPTest{Network: network}, leading.URL, nettest.HTTPConfig{FollowRedirects: true})
	if !errors.Is(err, nettest.ErrEgressDenied) || r.Status != nettest.StatusError || r.FailedPhase != nettest.PhaseConnect || len(r.Redirects) != 1 {
		t.Errorf("redirect: %v, %+v", err, r)
	}

	// The second address of Happy Eyeballs, while the first hangs.
	network = &nettest.Network{Policy: only{home: true}, AttemptDelay: 20 * time.Millisecond, Resolver: fixed{"127.0.0.1", "127.0.0.2"}}
	port := s.Addr(faulttest.BlackHole)[len("127.0.0.1:"):]
	config := nettest.TestConfig{Address: "name.test:" + port, Timeout: 200 * time.Millisecond}
	r, err = (&nettest.TCPTest{Network: network}).Execute(context.Background(), config)
	if !errors.Is(err, nettest.ErrConnectionTimeout) || r.ResolvedIP != home {
		t.Errorf("second address: %v, %+v", err, r)
	}

	// All addresses denied, and a name that changes between two lookups.
	network = &nettest.Network{Policy: only{}, Resolver: fixed{"127.0.0.1", "::1"}}
	r, err = execute(t, &nettest.HTTPTest{Network: network}, "http://name.test:"+port, nettest.HTTPConfig{})
	if !errors.Is(err, nettest.ErrEgressDenied) || !strings.Contains(r.Error, "not on the list") {
		t.Errorf("all denied: %v, %+v", err, r)
	}
}
