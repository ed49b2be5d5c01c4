package nettest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// tokenServer grants "token-1", "token-2" …
type tokenServer struct {
	url     string
	granted atomic.Int32
	life    string // of expires_in
	delay   time.Duration
	mu      sync.Mutex
	last    *http.Request
}

func startTokens(t *testing.T, s *tokenServer) *tokenServer {
	t.Helper()
	s.url = startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		s.mu.Lock()
		s.last = r
		s.mu.Unlock()
		pauseUnder(r.Context(), s.delay)
		fmt.Fprintf(w, `{"access_token": "token-%d", "token_type": "Bearer", "expires_in": %s}`, s.granted.Add(1), s.life)
	}).URL + "/token"
	return s
}

func (s *tokenServer) auth() nettest.Auth {
	return nettest.Auth{Type: nettest.AuthOAuth2, OAuth2: &nettest.OAuth2{
		TokenURL: s.url, ClientID: "a client", ClientSecret: "canary:%", Scopes: []string{"read", "write"}, Audience: "aud",
	}}
}

func TestOAuth2(t *testing.T) {
	tokens := startTokens(t, &tokenServer{life: "3600", delay: 100 * time.Millisecond})
	var accepted atomic.Value
	accepted.Store("token-1")
	var requests atomic.Int32
	target := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if r.Header.Get("Authorization") != "Bearer "+accepted.Load().(string) {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	test := &nettest.HTTPTest{Network: &nettest.Network{}}
	own := nettest.HTTPConfig{Auth: tokens.auth()}

	r, err := execute(t, test, target.URL, own)
	if err != nil || tokens.granted.Load() != 1 {
		t.Fatalf("%v, %d fetches", err, tokens.granted.Load())
	}
	if r.Latency >= tokens.delay || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "no part of the response time") {
		t.Errorf("the fetch counts as the target's time: %+v", r)
	}
	user, password, _ := tokens.last.BasicAuth()
	form := tokens.last.Form
	if user != "a+client" || password != "canary%3A%25" || form.Get("grant_type") != "client_credentials" ||
		form.Get("scope") != "read write" || form.Get("audience") != "aud" || form.Has("client_secret") {
		t.Errorf("the endpoint was asked %q %q %v", user, password, form)
	}

	// From the cache; then the target refuses what is cached, once.
	r, err = execute(t, test, target.URL, own)
	if err != nil || tokens.granted.Load() != 1 || len(r.Warnings) != 0 {
		t.Errorf("second check: %v, %d fetches, %v", err, tokens.granted.Load(), r.Warnings)
	}
	accepted.Store("token-2")
	before := requests.Load()
	if _, err = execute(t, test, target.URL, own); err != nil || tokens.granted.Load() != 2 || requests.Load() != before+2 {
		t.Errorf("a refused token: %v, %d fetches, %d requests", err, tokens.granted.Load(), requests.Load()-before)
	}
	// A target that refuses every token gets one request more, not an endless dance.
	accepted.Store("none")
	before = requests.Load()
	r, err = execute(t, test, target.URL, own)
	if !errors.Is(err, nettest.ErrValidationFailed) || r.StatusCode != 401 || tokens.granted.Load() != 3 || requests.Load() != before+2 {
		t.Errorf("refused for ever: %v, %d fetches, %d requests", err, tokens.granted.Load(), requests.Load()-before)
	}

	// Another network, and other settings, have tokens of their own.
	_, _ = execute(t, &nettest.HTTPTest{Network: &nettest.Network{}}, target.URL, own)
	if tokens.granted.Load() != 4 {
		t.Errorf("another network: %d fetches", tokens.granted.Load())
	}
	for i, change := range []func(*nettest.OAuth2){
		func(o *nettest.OAuth2) { o.ClientSecret = "other" },
		func(o *nettest.OAuth2) { o.Scopes = []string{"read write"[:4]} },
		func(o *nettest.OAuth2) { o.Audience = "" },
		func(o *nettest.OAuth2) { o.InBody = true },
	} {
		changed := tokens.auth()
		change(changed.OAuth2)
		_, _ = execute(t, test, target.URL, nettest.HTTPConfig{Auth: changed})
		if tokens.granted.Load() != int32(5+i) {
			t.Errorf("change %d: %d fetches", i, tokens.granted.Load())
		}
	}
	if _, _, basic := tokens.last.BasicAuth(); basic || tokens.last.Form.Get("client_secret") != "canary:%" {
		t.Errorf("in the body: %v", tokens.last.Form)
	}
}

func TestOAuth2FetchesAreShared(t *testing.T) {
	tokens := startTokens(t, &tokenServer{life: `"3600"`, delay: 100 * time.Millisecond})
	target := startHTTP(t, func(http.ResponseWriter, *http.Request) {})
	test := &nettest.HTTPTest{Network: &nettest.Network{}}
	config := nettest.TestConfig{Address: target.URL, Timeout: 5 * time.Second, Config: nettest.HTTPConfig{Auth: tokens.auth()}}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			ctx := t.Context()
			if i == 0 { // one that gives up does not take the others with it
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 30*time.Millisecond)
				defer cancel()
			}
			r, err := test.Execute(ctx, config)
			if i == 0 && !errors.Is(err, nettest.ErrAuth) || i > 0 && err != nil {
				t.Errorf("check %d: %v, %+v", i, err, r)
			}
		})
	}
	wg.Wait()
	if n := tokens.granted.Load(); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

func TestOAuth2Expiry(t *testing.T) {
	target := startHTTP(t, func(http.ResponseWriter, *http.Request) {})
	for life, fetches := range map[string]int32{"0": 2, "-5": 2, "1e300": 1, "60": 1, "null": 1, `"soon"`: 1} {
		tokens := startTokens(t, &tokenServer{life: life})
		test := &nettest.HTTPTest{Network: &nettest.Network{}}
		for range 2 {
			if _, err := execute(t, test, target.URL, nettest.HTTPConfig{Auth: tokens.auth()}); err != nil {
				t.Error(err)
			}
		}
		if tokens.granted.Load() != fetches {
			t.Errorf("expires_in %s: %d fetches, want %d", life, tokens.granted.Load(), fetches)
		}
	}
}

func TestOAuth2Failures(t *testing.T) {
	faults := startFaults(t)
	var reached atomic.Bool
	target := startHTTP(t, func(http.ResponseWriter, *http.Request) { reached.Store(true) })
	saying := func(code int, body string) string {
		return startHTTP(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}).URL
	}
	for _, tt := range []struct {
		name, endpoint string
		network        *nettest.Network
		want           nettest.ErrorType
		words          string
	}{
		{"refused", faults.URL(faulttest.Refused), nil, nettest.ErrAuth, "refused the connection"},
		{"silent", faults.URL(faulttest.Silent), nil, nettest.ErrAuth, "in time"},
		{"certificate", faults.URL(faulttest.TLSSelfSigned), nil, nettest.ErrAuth, "certificate"},
		{"bomb", faults.URL(faulttest.GzipBomb), nil, nettest.ErrAuth, "larger"},
		{"401", saying(401, `{"error": "invalid_client", "error_description": "canary"}`), nil, nettest.ErrAuth, "401: invalid_client"},
		{"400 with an echo", saying(400, `{"error": "canary"}`), nil, nettest.ErrAuth, "answered 400"},
		{"redirect", saying(302, ``), nil, nettest.ErrAuth, "answered 302"},
		{"no JSON", saying(200, `access_token=canary`), nil, nettest.ErrAuth, "JSON"},
		{"no token", saying(200, `{}`), nil, nettest.ErrAuth, "no access_token"},
		{"unfit token", saying(200, `{"access_token": "a\r\nX: canary"}`), nil, nettest.ErrAuth, "headers cannot have"},
		{"other type", saying(200, `{"access_token": "canary", "token_type": "mac"}`), nil, nettest.ErrAuth, "bearer"},
		{"policy", "http://127.0.0.2:1/", &nettest.Network{Policy: only{netip.MustParseAddr("127.0.0.1"): true}}, nettest.ErrEgressDenied, "127.0.0.2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reached.Store(false)
			network := tt.network
			if network == nil {
				network = &nettest.Network{}
			}
			config := nettest.TestConfig{Address: target.URL, Timeout: 3 * time.Second, Config: nettest.HTTPConfig{
				Auth: nettest.Auth{Type: nettest.AuthOAuth2, OAuth2: &nettest.OAuth2{TokenURL: tt.endpoint, ClientID: "canary", ClientSecret: "canary"}},
			}}
			if tt.name == "silent" {
				config.Timeout = 300 * time.Millisecond
			}
			r, err := (&nettest.HTTPTest{Network: network}).Execute(t.Context(), config)
			checkResult(t, config, r, err)
			if !errors.Is(err, tt.want) || !strings.Contains(r.Error, tt.words) || reached.Load() {
				t.Errorf("%v, want %s with %q; reached %v", err, tt.want, tt.words, reached.Load())
			}
			if text := fmt.Sprintf("%+v %v %+v %#v", r, err, config, config); strings.Contains(text, "canary") {
				t.Errorf("a secret shows in %s", text)
			}
		})
	}
}

func TestOAuth2Validate(t *testing.T) {
	for _, tt := range []struct {
		oauth *nettest.OAuth2
		want  string
	}{
		{&nettest.OAuth2{TokenURL: "https://id.example/token", ClientID: "c"}, ""},
		{nil, "Config.Auth.OAuth2"},
		{&nettest.OAuth2{TokenURL: "id.example", ClientID: "c"}, "Config.Auth.OAuth2.TokenURL"},
		{&nettest.OAuth2{TokenURL: "https://u:p@id.example/", ClientID: "c"}, "Config.Auth.OAuth2.TokenURL"},
		{&nettest.OAuth2{TokenURL: "https://id.example/"}, "Config.Auth.OAuth2.ClientID"},
		{&nettest.OAuth2{TokenURL: "https://id.example/", ClientID: "c", Scopes: []string{"a b"}}, "Config.Auth.OAuth2.Scopes[0]"},
	} {
		err := (&nettest.HTTPTest{}).Validate(nettest.TestConfig{
			Address: "http://a.example/", Config: nettest.HTTPConfig{Auth: nettest.Auth{Type: nettest.AuthOAuth2, OAuth2: tt.oauth}},
		})
		var problem *nettest.ConfigError
		got := ""
		if errors.As(err, &problem) {
			got = problem.Field
		}
		if got != tt.want {
			t.Errorf("%+v: %v, want %q", tt.oauth, err, tt.want)
		}
	}
}
