package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// sessionOf returns the session cookie that an answer sets.
func sessionOf(t testing.TB, r reply) *http.Cookie {
	t.Helper()
	for _, c := range (&http.Response{Header: r.header}).Cookies() {
		if strings.HasSuffix(c.Name, "frogup_session") {
			return c
		}
	}
	t.Fatalf("no session cookie in %d %v", r.status, r.header)
	return nil
}

// bySession are the headers of a browser that is signed in.
func bySession(c *http.Cookie, more ...string) []string {
	return append([]string{"Authorization", "", "Cookie", c.Name + "=" + c.Value}, more...)
}

// Without an environment that names the owner, a person follows the printed link.
func TestSetupLink(t *testing.T) {
	t.Parallel()
	s := start(t, withEnv())
	anybody := []string{"Authorization", ""}
	token := s.setupToken()
	if _, err := url.ParseRequestURI("/setup?token=" + token); err != nil {
		t.Errorf("the link is no URL: %v", err)
	}
	if r := s.do("GET", "/setup?token="+token, nil, anybody...); r.status != 200 {
		t.Errorf("the link leads to %d", r.status)
	}
	needs := func() bool {
		return want[struct {
			Needs bool `json:"needs_setup"`
		}](s, 200, s.do("GET", "/api/auth/setup", nil, anybody...)).Needs
	}
	if !needs() {
		t.Error("a server without users needs no setup")
	}
	owner := obj{"token": "wrong", "email": "Olive@Example.com", "password": "a long enough password", "organization_name": "Frogs"}
	if r := s.do("POST", "/api/auth/setup", owner, anybody...); r.status != http.StatusForbidden || !needs() {
		t.Errorf("a wrong token: %d %s", r.status, r.body)
	}
	owner["token"] = token
	r := s.do("POST", "/api/auth/setup", owner, anybody...)
	who := want[session](s, 200, r)
	if who.User.Email != "olive@example.com" || who.Organization.Name != "Frogs" || who.Organization.Role != "owner" {
		t.Errorf("the first owner is %+v", who)
	}
	cookie := sessionOf(t, r)
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.Secure || cookie.Domain != "" {
		t.Errorf("attributes of the cookie over plain HTTP: %s", cookie.Raw)
	}
	if needs() {
		t.Error("setup is still open")
	}
	if r := s.do("POST", "/api/auth/setup", owner, anybody...); r.status != http.StatusBadRequest && r.status != http.StatusForbidden && r.status != http.StatusConflict && r.status != http.StatusPreconditionFailed {
		t.Errorf("the link works twice: %d %s", r.status, r.body)
	}
	if me := want[session](s, 200, s.do("GET", "/api/auth/me", nil, bySession(cookie)...)); me.User.Email != who.User.Email {
		t.Errorf("me is %+v", me)
	}
	if r := s.do("GET", "/api/uptime/monitors", nil, bySession(cookie)...); r.status != 200 || strings.TrimSpace(string(r.body)) != "[]" {
		t.Errorf("monitors of a new organization: %d %s", r.status, r.body)
	}

	// The link is printed only as long as nobody has used it.
	printed := strings.Count(s.output(), "/setup?token=")
	s.stop()
	s.run()
	if strings.Count(s.output(), "/setup?token=") != printed {
		t.Error("a server that has an owner prints a set-up link")
	}
	if r := s.do("GET", "/api/auth/me", nil, bySession(cookie)...); r.status != 200 {
		t.Errorf("the session did not outlive a restart: %d", r.status)
	}
}

// session is who is signed in.
type session struct {
	ID           string
	User         struct{ ID, Email string }
	Organization struct{ ID, Name, Role string }
}

// login signs in with the owner's password.
func (s *server) login() *http.Cookie {
	s.t.Helper()
	r := s.do("POST", "/api/auth/login", obj{"email": adminEmail, "password": adminPassword}, "Authorization", "")
	want[session](s, 200, r)
	return sessionOf(s.t, r)
}

func TestLoginAndLogout(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, body := range map[string]obj{
		"wrong password": {"email": adminEmail, "password": "wrong wrong wrong"},
		"nobody":         {"email": "nobody@example.com", "password": adminPassword},
	} {
		r := s.do("POST", "/api/auth/login", body, "Authorization", "")
		if r.status != http.StatusUnauthorized || len(r.header.Values("Set-Cookie")) > 0 {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	cookie := s.login()
	if me := want[session](s, 200, s.do("GET", "/api/auth/me", nil, bySession(cookie)...)); me.User.Email != adminEmail {
		t.Errorf("me is %+v", me)
	}
	r := s.do("POST", "/api/auth/logout", nil, bySession(cookie)...)
	if r.status != http.StatusNoContent {
		t.Errorf("logout: %d %s", r.status, r.body)
	}
	if cleared := sessionOf(t, r); cleared.Value != "" || cleared.MaxAge >= 0 {
		t.Errorf("logout leaves the cookie %s", cleared.Raw)
	}
	if r := s.do("GET", "/api/auth/me", nil, bySession(cookie)...); r.status != http.StatusUnauthorized {
		t.Errorf("the session lives on after logout: %d", r.status)
	}
}

// Another site's page cannot make a signed-in browser change anything.
func TestCrossSiteRequestsAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	cookie := s.login()
	monitor := tcpMonitor("127.0.0.1", 9, obj{"enabled": false})
	tests := []struct {
		name    string
		headers []string
		status  int
	}{
		{"fetch metadata of another site", bySession(cookie, "Sec-Fetch-Site", "cross-site"), 403},
		{"fetch metadata of a sibling", bySession(cookie, "Sec-Fetch-Site", "same-site"), 403},
		{"origin of another site", bySession(cookie, "Origin", "https://evil.example"), 403},
		{"opaque origin", bySession(cookie, "Origin", "null"), 403},
		{"the page itself", bySession(cookie, "Sec-Fetch-Site", "same-origin", "Origin", s.base), 201},
		{"an API key from anywhere", []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, 201},
	}
	for _, tt := range tests {
		if r := s.do("POST", "/api/uptime/monitors", monitor, tt.headers...); r.status != tt.status {
			t.Errorf("%s: %d, want %d: %s", tt.name, r.status, tt.status, r.body)
		}
	}
	for _, site := range []string{"cross-site", "same-origin"} {
		r := s.do("GET", "/api/uptime/monitors", nil, bySession(cookie, "Sec-Fetch-Site", site)...)
		if got := r.header.Get("Access-Control-Allow-Origin"); r.status != 200 || got != "" {
			t.Errorf("reading %s: %d, Access-Control-Allow-Origin %q", site, r.status, got)
		}
	}
}

// Behind a proxy that ends TLS, the cookie insists on it.
func TestSecureCookieBehindProxy(t *testing.T) {
	t.Parallel()
	s := start(t, withArgs("--trusted-proxy", "127.0.0.0/8"))
	r := s.do("POST", "/api/auth/login", obj{"email": adminEmail, "password": adminPassword}, "Authorization", "", "X-Forwarded-Proto", "https")
	if c := sessionOf(t, r); !c.Secure || !strings.HasPrefix(c.Name, "__Host-") {
		t.Errorf("cookie over HTTPS: %s", c.Raw)
	}
}

// Guessing passwords is slowed down, and says for how long.
func TestPasswordGuessing(t *testing.T) {
	t.Parallel()
	s := start(t)
	var refused reply
	err := errors.New("never refused")
	for range 30 {
		refused = s.do("POST", "/api/auth/login", obj{"email": adminEmail, "password": "guess guess guess"}, "Authorization", "")
		if refused.status == http.StatusTooManyRequests {
			err = nil
			break
		}
		if refused.status != http.StatusUnauthorized {
			err = fmt.Errorf("status %d", refused.status)
			break
		}
	}
	if err != nil || refused.header.Get("Retry-After") == "" {
		t.Errorf("30 wrong passwords: %v, Retry-After %q", err, refused.header.Get("Retry-After"))
	}
	if r := s.do("GET", "/api/uptime/monitors", nil); r.status != 200 {
		t.Errorf("others suffer: %d", r.status)
	}
}
