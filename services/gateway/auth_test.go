package gateway_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	accountsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/accounts/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/services/gateway"
)

func TestLoginSetsTheCookie(t *testing.T) {
	e := start(t, func(c *gateway.Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	login := "POST /api/auth/login%s\n\n" + `{"email":"ada@example.com","password":"correct horse"}`
	tests := []struct{ headers, want string }{
		{"", "frogup_session=session-token; Path=/; Expires=Fri, 02 Jan 2026 03:04:05 GMT; HttpOnly; SameSite=Lax"},
		{"\nX-Forwarded-Proto: https", "__Host-frogup_session=session-token; Path=/; Expires=Fri, 02 Jan 2026 03:04:05 GMT; HttpOnly; Secure; SameSite=Lax"},
		{"\nX-Forwarded-Proto: https, http", "frogup_session=session-token; Path=/; Expires=Fri, 02 Jan 2026 03:04:05 GMT; HttpOnly; SameSite=Lax"},
	}
	for _, tt := range tests {
		got := e.ask(t, "", strings.Replace(login, "%s", tt.headers, 1))
		if got.status != 200 || got.header.Get("Set-Cookie") != tt.want {
			t.Errorf("%q: %d, cookie %q, want %q", tt.headers, got.status, got.header.Get("Set-Cookie"), tt.want)
		}
		if strings.Contains(got.body, "session-token") {
			t.Error("the token stands in the body")
		}
	}
	if p := e.last(t, "Login").principal; !p.IsAnonymous() {
		t.Errorf("login as %+v", p)
	}
	wrong := e.ask(t, "", "POST /api/auth/login\n\n"+`{"email":"a","password":"b"}`)
	if p := wrong.problem(t, 401, "UNAUTHENTICATED"); p.Error != "e-mail or password is wrong" {
		t.Errorf("wrong password: %q", p.Error)
	}
}

func TestSecureCookieIsTheOnlyOneOverTLS(t *testing.T) {
	e := start(t, func(c *gateway.Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")} })
	tests := []struct {
		headers string
		status  int
	}{
		{"\nCookie: frogup_session=session-token", 200},
		{"\nCookie: __Host-frogup_session=session-token", 401},
		{"\nX-Forwarded-Proto: https\nCookie: __Host-frogup_session=session-token", 200},
		{"\nX-Forwarded-Proto: https\nCookie: frogup_session=session-token", 401}, // a neighbour's subdomain can set that one
	}
	for _, tt := range tests {
		if got := e.ask(t, "", "GET /api/auth/session"+tt.headers); got.status != tt.status {
			t.Errorf("%q: %d, want %d", tt.headers, got.status, tt.status)
		}
	}
}

func TestLogout(t *testing.T) {
	e := start(t)
	got := e.ask(t, "", "POST /api/auth/logout\nCookie: frogup_session=session-token")
	if got.status != 204 || got.header.Get("Set-Cookie") != "frogup_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax" {
		t.Errorf("%d, cookie %q", got.status, got.header.Get("Set-Cookie"))
	}
	if p := e.last(t, "Logout").principal; p.SessionID != "session-1" || p.Kind != identity.KindUser || p.Role != identity.RoleOwner {
		t.Errorf("principal %+v", p)
	}
	got = e.ask(t, "", "GET /api/auth/session\nCookie: frogup_session=session-token")
	got.problem(t, 401, "UNAUTHENTICATED")
	if !strings.Contains(got.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("the dead cookie stays: %q", got.header.Get("Set-Cookie"))
	}
}

func TestCredentials(t *testing.T) {
	e := start(t)
	const cookie = "\nCookie: frogup_session=session-token"
	tests := []struct {
		name, headers string
		status        int
		kind          identity.Kind
	}{
		{"cookie", cookie, 200, identity.KindUser},
		{"key", "\nAuthorization: Bearer " + viewerKey, 200, identity.KindAPIKey},
		{"scheme in any case", "\nAuthorization: bearer  " + viewerKey, 200, identity.KindAPIKey},
		{"key before cookie", "\nAuthorization: Bearer " + viewerKey + cookie, 200, identity.KindAPIKey},
		{"wrong key, good cookie", "\nAuthorization: Bearer no" + cookie, 401, ""},
		{"empty key", "\nAuthorization: Bearer " + cookie, 401, ""},
		{"huge key", "\nAuthorization: Bearer " + strings.Repeat("x", 600), 401, ""},
		{"another scheme is not ours", "\nAuthorization: Basic dXNlcjpwYXNz" + cookie, 200, identity.KindUser},
		{"another scheme alone", "\nAuthorization: Basic dXNlcjpwYXNz", 401, ""},
		{"wrong cookie", "\nCookie: frogup_session=no", 401, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := e.count("ListMonitors")
			got := e.ask(t, "", "GET /api/uptime/monitors"+tt.headers)
			if got.status != tt.status {
				t.Errorf("%d, want %d: %s", got.status, tt.status, got.body)
			}
			if tt.kind == "" {
				if e.count("ListMonitors") != before {
					t.Error("the service was called")
				}
				return
			}
			if p := e.last(t, "ListMonitors").principal; p.Kind != tt.kind {
				t.Errorf("principal %+v", p)
			}
		})
	}
}

func TestAccountsOutOfReachIsNotSignedOut(t *testing.T) {
	e := start(t)
	e.fail["ResolveSession"] = fault.Unavailable("")
	got := e.ask(t, "", "GET /api/uptime/monitors\nCookie: frogup_session=session-token")
	got.problem(t, 503, "UNAVAILABLE")
	if got.header.Get("Set-Cookie") != "" {
		t.Error("the cookie was taken away")
	}
}

func TestOtherSitesAreRefused(t *testing.T) {
	e := start(t)
	host := strings.TrimPrefix(e.srv.URL, "http://")
	const cookie = "\nCookie: frogup_session=session-token"
	tests := []struct {
		name, request, headers string
		status                 int
	}{
		{"no browser", "DELETE /api/uptime/monitors/1", cookie, 204},
		{"same origin, told by the browser", "DELETE /api/uptime/monitors/1", cookie + "\nSec-Fetch-Site: same-origin", 204},
		{"same origin, older browser", "DELETE /api/uptime/monitors/1", cookie + "\nOrigin: http://" + host, 204},
		{"other site", "DELETE /api/uptime/monitors/1", cookie + "\nSec-Fetch-Site: cross-site", 403},
		{"sibling", "DELETE /api/uptime/monitors/1", cookie + "\nSec-Fetch-Site: same-site", 403},
		{"other origin, older browser", "DELETE /api/uptime/monitors/1", cookie + "\nOrigin: https://evil.example", 403},
		{"opaque origin", "DELETE /api/uptime/monitors/1", cookie + "\nOrigin: null", 403},
		{"reading changes nothing", "GET /api/uptime/monitors", cookie + "\nSec-Fetch-Site: cross-site", 200},
		{"a key is not sent by itself", "DELETE /api/uptime/monitors/1", "\nAuthorization: Bearer " + editorKey + "\nOrigin: https://evil.example", 204},
		{"signing in for somebody", "POST /api/auth/login", "\nOrigin: https://evil.example", 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := e.count("DeleteMonitor")
			got := e.ask(t, "", tt.request+tt.headers)
			if got.status != tt.status {
				t.Fatalf("%d, want %d: %s", got.status, tt.status, got.body)
			}
			if tt.status == 403 {
				got.problem(t, 403, "PERMISSION_DENIED")
				if e.count("DeleteMonitor") != before {
					t.Error("the service was called")
				}
			}
		})
	}
}

func TestRemoteAddress(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	tests := []struct {
		name    string
		trusted []netip.Prefix
		headers string
		want    string
	}{
		{"nobody is trusted", nil, "\nX-Forwarded-For: 1.2.3.4", "127.0.0.1"},
		{"no header", trusted, "", "127.0.0.1"},
		{"one proxy", trusted, "\nX-Forwarded-For: 192.0.2.7", "192.0.2.7"},
		{"what the client wrote itself does not count", trusted, "\nX-Forwarded-For: 1.1.1.1, 192.0.2.7", "192.0.2.7"},
		{"a chain of ours", trusted, "\nX-Forwarded-For: 1.1.1.1, 192.0.2.7, 10.1.2.3", "192.0.2.7"},
		{"nonsense ends the chain", trusted, "\nX-Forwarded-For: 1.1.1.1, nonsense, 10.1.2.3", "10.1.2.3"},
		{"with a port, in brackets", trusted, "\nX-Forwarded-For: [2001:db8::1]:4711", "2001:db8::1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := start(t, func(c *gateway.Config) { c.TrustedProxies = tt.trusted })
			e.ask(t, viewerKey, "GET /api/uptime/monitors"+tt.headers)
			if p := e.last(t, "ListMonitors").principal; p.RemoteIP != tt.want {
				t.Errorf("%q, want %q", p.RemoteIP, tt.want)
			}
		})
	}
}

// A revoked key works on for two seconds at most; a session ends at once.
func TestRevocation(t *testing.T) {
	e := start(t)
	list := "GET /api/uptime/monitors"
	for range 5 {
		e.ask(t, viewerKey, list)
	}
	if n := e.count("ResolveApiKey"); n != 1 {
		t.Errorf("accounts was asked %d times about one key", n)
	}
	e.set(func(b *backend) { clear(b.keys) })
	deadline := time.Now().Add(5 * time.Second)
	for e.ask(t, viewerKey, list).status != http.StatusUnauthorized {
		if time.Now().After(deadline) {
			t.Fatal("the key still works after 5 s")
		}
		<-time.After(50 * time.Millisecond)
	}
	const cookie = "\nCookie: frogup_session=session-token"
	e.ask(t, "", list+cookie)
	e.set(func(b *backend) {
		b.sessions[sessionKey] = &accountsv1.Principal{Kind: accountsv1.PrincipalKind_PRINCIPAL_KIND_USER, UserId: "u", SessionId: "s"}
	})
	if got := e.ask(t, "", list+cookie); got.status != 403 {
		t.Errorf("the organization left is still active: %d", got.status)
	}
	e.set(func(b *backend) { clear(b.sessions) })
	if got := e.ask(t, "", list+cookie); got.status != 401 {
		t.Errorf("the session still works: %d", got.status)
	}
}

func TestKeyCacheIsBounded(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) { gateway.CheckKeyCache(t) })
}
