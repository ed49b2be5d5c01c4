package accounts

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
)

var roles = []identity.Role{identity.RoleViewer, identity.RoleEditor, identity.RoleAdmin, identity.RoleOwner}

func TestNobodyReachesAboveTheOwnRole(t *testing.T) {
	for i, own := range roles {
		for j, other := range roles {
			for name, rule := range map[string]func(own, other identity.Role) error{"grant": mayGrant, "manage": mayManage} {
				if err := rule(own, other); (err == nil) != (j <= i) || err != nil && !fault.Is(err, fault.KindDenied) {
					t.Errorf("%s %s: %s may: %v", name, other, own, err)
				}
			}
		}
		for _, none := range []identity.Role{"", "root"} {
			if mayGrant(own, none) == nil {
				t.Errorf("%s may grant %q", own, none)
			}
		}
	}
}

func TestLastOwnerStays(t *testing.T) {
	for _, tt := range []struct {
		from, to identity.Role
		owners   int
		ok       bool
	}{
		{identity.RoleOwner, identity.RoleOwner, 1, true},
		{identity.RoleOwner, identity.RoleAdmin, 1, false},
		{identity.RoleOwner, "", 1, false},
		{identity.RoleOwner, identity.RoleAdmin, 2, true},
		{identity.RoleOwner, "", 2, true},
		{identity.RoleAdmin, "", 1, true},
		{identity.RoleViewer, identity.RoleOwner, 1, true},
	} {
		err := mayLeaveOwners(tt.from, tt.to, tt.owners)
		if (err == nil) != tt.ok || err != nil && !fault.Is(err, fault.KindPrecondition) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

func TestHomeIsTheOldestMembership(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	m := func(id string, d time.Duration) Membership {
		return Membership{Organization: Organization{ID: id}, CreatedAt: at.Add(d)}
	}
	for want, all := range map[string][]Membership{
		"":  nil,
		"b": {m("a", 2), m("b", 1), m("c", 3)},
		"a": {m("c", 1), m("a", 1), m("b", 1)},
	} {
		if got := home(all).Organization.ID; got != want {
			t.Errorf("home of %v is %q, want %q", all, got, want)
		}
	}
}

func TestSessionLife(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		idle, left time.Duration
		want       bool
	}{
		"fresh":            {0, sessionLife, true},
		"idle just not":    {sessionIdle - time.Millisecond, time.Hour, true},
		"idle":             {sessionIdle, time.Hour, false},
		"over just not":    {0, time.Millisecond, true},
		"over, just used":  {0, 0, false},
		"long over, idle":  {sessionIdle, -time.Hour, false},
		"used in a moment": {-time.Second, time.Hour, true}, // another replica's clock is ahead
	} {
		s := Session{LastUsedAt: at.Add(-tt.idle), ExpiresAt: at.Add(tt.left)}
		if got := s.live(at); got != tt.want {
			t.Errorf("%s: live is %v", name, got)
		}
	}
}

func TestEmail(t *testing.T) {
	for in, want := range map[string]bool{
		"frog@example.com": true, "root@localhost": true, "a.b+c@sub.example.org": true,
		"": false, "frog": false, "@example.com": false, "frog@": false, "Frog <frog@example.com>": false,
		"<frog@example.com>": false, "frog@example.com, toad@example.com": false, "frog@exa mple.com": false,
		"frög@example.com": false, "frog@example.com\n": false, strings.Repeat("a", 250) + "@b.cd": false,
	} {
		if got := validEmail(in); got != want {
			t.Errorf("validEmail(%q) = %v", in, got)
		}
	}
	if got := NormalEmail("  Frog@Example.COM "); got != "frog@example.com" {
		t.Errorf("normal spelling is %q", got)
	}
}

func TestPasswordLength(t *testing.T) {
	for in, want := range map[string]bool{
		strings.Repeat("ü", 10): true, strings.Repeat("ü", 9): false, strings.Repeat("x", 256): true,
		strings.Repeat("x", 257): false, "": false, "0123456789": true, strings.Repeat("x", 20) + "\xff": false,
	} {
		if got := validPassword(in); got != want {
			t.Errorf("validPassword(%q) = %v", in, got)
		}
	}
}

func TestCleanName(t *testing.T) {
	for in, want := range map[string]struct {
		name string
		ok   bool
	}{
		"  Teich & Söhne ": {"Teich & Söhne", true}, "": {"", true}, "   ": {"", true}, "🐸 pond": {"🐸 pond", true},
		strings.Repeat("ü", 100): {strings.Repeat("ü", 100), true}, strings.Repeat("ü", 101): {ok: false},
		"a\nb": {ok: false}, "a\x1b[31m": {ok: false}, "a\u202eb": {ok: false}, "a\xff": {ok: false},
	} {
		if got, ok := cleanName(in); ok != want.ok || ok && got != want.name {
			t.Errorf("cleanName(%q) = %q, %v", in, got, ok)
		}
	}
}

func TestRemoteIP(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "6.6.6.6, 192.0.2.1": "192.0.2.1", "x,192.0.2.1 ": "192.0.2.1",
		"::ffff:192.0.2.1": "192.0.2.1", "2001:db8::1": "2001:db8::1", "": "", "192.0.2.1, garbage": "", "192.0.2.1:80": "",
	} {
		ctx := metadata.NewIncomingContext(context.Background(), metadata.Pairs(forwardedForKey, in))
		if got := remoteIP(ctx); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	two := metadata.NewIncomingContext(context.Background(), metadata.Pairs(forwardedForKey, "6.6.6.6", forwardedForKey, "192.0.2.1"))
	if got := remoteIP(two); got != "192.0.2.1" {
		t.Errorf("two headers: %q", got)
	}
	known := identity.NewContext(two, identity.Principal{Kind: identity.KindUser, RemoteIP: "192.0.2.9"})
	if got := remoteIP(known); got != "192.0.2.9" {
		t.Errorf("with a principal: %q", got)
	}
	if got := remoteIP(context.Background()); got != "" {
		t.Errorf("with nothing: %q", got)
	}
}

func TestUserAgentIsCut(t *testing.T) {
	with := func(s string) context.Context {
		return metadata.NewIncomingContext(context.Background(), metadata.Pairs(userAgentKey, s))
	}
	if got := userAgent(with("curl/8")); got != "curl/8" {
		t.Errorf("got %q", got)
	}
	if got := userAgent(with(strings.Repeat("x", 255) + "ü")); got != strings.Repeat("x", 255) {
		t.Errorf("cut inside a character: %d bytes, %q", len(got), got[len(got)-4:])
	}
	if got := userAgent(context.Background()); got != "" {
		t.Errorf("without any: %q", got)
	}
}
