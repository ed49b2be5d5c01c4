package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func policy(t testing.TB, values ...string) *Policy {
	t.Helper()
	p, err := ParsePolicy(values)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// verdict says in which modes an address may be reached.
type verdict int

const (
	always      verdict = iota
	privateOnly         // in Private mode
	notInAny
)

var addresses = []struct {
	addr string
	want verdict
}{
	{"1.1.1.1", always},
	{"8.8.8.8", always},
	{"93.184.215.14", always},
	{"2606:4700:4700::1111", always},
	{"2a00:1450:4001::200e", always},

	// Loopback and this host.
	{"127.0.0.1", privateOnly},
	{"127.1.2.3", privateOnly},
	{"127.255.255.254", privateOnly},
	{"0.0.0.0", notInAny},
	{"0.1.2.3", notInAny},
	{"::1", privateOnly},
	{"::", notInAny},

	// IPv4 in an IPv6 coat.
	{"::ffff:127.0.0.1", privateOnly},
	{"::ffff:7f00:1", privateOnly},
	{"::ffff:1.1.1.1", always},
	{"::ffff:0.0.0.0", notInAny},
	{"::ffff:169.254.169.254", notInAny},
	{"::127.0.0.1", privateOnly},
	{"::169.254.169.254", notInAny},
	{"::ffff:0:127.0.0.1", privateOnly},
	{"::ffff:0:169.254.169.254", notInAny},
	{"64:ff9b::a9fe:a9fe", notInAny},
	{"64:ff9b::7f00:1", privateOnly},
	{"64:ff9b::101:101", always},
	{"64:ff9b:1::7f00:1", notInAny},
	{"2002:7f00:1::", privateOnly},
	{"2002:a9fe:a9fe::1", notInAny},
	{"2002:101:101::1", always},
	{"2001:0:101:101::f5ff:fffe", privateOnly},     // Teredo of 10.0.0.1
	{"2001:0:101:101:0:0:5601:5601", notInAny},     // Teredo of 169.254.169.254
	{"2001:0:101:101:0:0:fefe:fefe", always},       // Teredo of 1.1.1.1
	{"2606:4700::5efe:10.0.0.1", privateOnly},      // ISATAP
	{"2606:4700::200:5efe:127.0.0.1", privateOnly}, // ISATAP, universal bit set
	{"2606:4700::5efe:169.254.169.254", notInAny},
	{"2606:4700::5efe:1.1.1.1", always},
	{"2001:db8::5efe:1.1.1.1", privateOnly}, // the outer address counts too

	// Private and special IPv4, with the edges.
	{"9.255.255.255", always},
	{"10.0.0.0", privateOnly},
	{"10.255.255.255", privateOnly},
	{"11.0.0.0", always},
	{"100.63.255.255", always},
	{"100.64.0.1", privateOnly},
	{"100.127.255.255", privateOnly},
	{"100.128.0.0", always},
	{"169.253.255.255", always},
	{"169.254.0.1", notInAny},
	{"169.254.255.255", notInAny},
	{"169.255.0.0", always},
	{"172.15.255.255", always},
	{"172.16.0.0", privateOnly},
	{"172.31.255.255", privateOnly},
	{"172.32.0.0", always},
	{"192.0.0.1", notInAny},
	{"192.0.1.0", always},
	{"192.0.2.1", privateOnly},
	{"192.88.99.1", privateOnly},
	{"192.167.255.255", always},
	{"192.168.0.1", privateOnly},
	{"192.169.0.0", always},
	{"198.17.255.255", always},
	{"198.18.0.1", privateOnly},
	{"198.19.255.255", privateOnly},
	{"198.20.0.0", always},
	{"198.51.100.1", privateOnly},
	{"203.0.113.1", privateOnly},
	{"223.255.255.255", always},
	{"224.0.0.1", notInAny},
	{"239.255.255.255", notInAny},
	{"240.0.0.1", notInAny},
	{"255.255.255.255", notInAny},

	// Special IPv6.
	{"fe80::1", notInAny},
	{"fe80::1%eth0", notInAny},
	{"::1%lo", notInAny},
	{"2606:4700::1%eth0", notInAny},
	{"fc00::1", privateOnly},
	{"fd12:3456::1", privateOnly},
	{"fec0::1", notInAny},
	{"ff02::1", notInAny},
	{"100::1", notInAny},
	{"2001:db8::1", privateOnly},
	{"3fff::1", privateOnly},
	{"5f00::1", notInAny},
	{"4000::1", notInAny},
	{"1fff::1", notInAny},
	{"2001:2::1", notInAny},
	{"2620:4f:8000::1", privateOnly},

	// Cloud metadata.
	{"169.254.169.254", notInAny},
	{"169.254.170.2", notInAny},
	{"169.254.170.23", notInAny},
	{"fd00:ec2::254", notInAny},
	{"fd00:ec2::23", notInAny},
	{"fd20:ce::254", notInAny},
	{"100.100.100.200", notInAny},
	{"168.63.129.16", notInAny},
	{"168.63.129.15", always},
	{"192.0.0.192", notInAny},
}

func TestModes(t *testing.T) {
	hosted, home, open := &Policy{}, &Policy{Mode: Private}, policy(t, "allow 0.0.0.0/0 ::/0")
	for _, tt := range addresses {
		a := netip.MustParseAddr(tt.addr)
		for _, c := range []struct {
			name string
			p    *Policy
			want bool
		}{{"public-only", hosted, tt.want == always}, {"private", home, tt.want != notInAny}, {"allow everything", open, tt.want != notInAny}} {
			err := c.p.Check(a)
			if (err == nil) != c.want {
				t.Errorf("%s: %s: %v, want it let through: %v", c.name, tt.addr, err, c.want)
			}
			var denied *Denied
			if err != nil && (!errors.As(err, &denied) || denied.Addr != a || denied.Reason == "") {
				t.Errorf("%s: %s: %#v says too little", c.name, tt.addr, err)
			}
		}
	}
	if err := hosted.Check(netip.Addr{}); err == nil {
		t.Error("no address at all was let through")
	}
}

func TestAllowAndDeny(t *testing.T) {
	tests := []struct {
		policy, addr string
		ok           bool
	}{
		{"allow 10.1.0.0/16", "10.1.2.3", true},
		{"allow 10.1.0.0/16", "10.2.0.1", false},
		{"allow 10.1.0.0/16", "::ffff:10.1.2.3", true},
		{"allow 10.1.0.0/16", "64:ff9b::a01:203", true},
		{"allow 10.1.0.0/16", "8.8.8.8", true},
		{"allow 127.0.0.1", "127.0.0.1", true},
		{"allow 127.0.0.1", "127.0.0.2", false},
		{"allow fd00::/8", "fd00::1", true},
		{"allow fd00::/8", "fd00:ec2::254", false},
		{"allow fd00:ec2::254", "fd00:ec2::254", true},
		{"allow 169.254.0.0/16", "169.254.1.1", true},
		{"allow 169.254.0.0/16", "169.254.169.254", false},
		{"allow 169.254.169.254/32", "169.254.169.254", true},
		{"allow 168.0.0.0/8", "168.63.129.16", false},
		{"allow 0.0.0.0", "0.0.0.0", true}, // whoever names this very address means it
		{"allow fe80::/10", "fe80::1", true},
		{"allow fe80::/10", "fe80::1%eth0", false},
		{"allow 240.0.0.0/4", "240.0.0.1", true},
		{"allow 224.0.0.0/4", "224.0.0.1", false},
		{"allow 255.255.255.255", "255.255.255.255", false},
		{"allow 4000::/16", "4000::1", true},
		{"private deny 10.0.0.0/8", "10.0.0.1", false},
		{"private deny 10.0.0.0/8", "::ffff:10.0.0.1", false},
		{"private deny 10.0.0.0/8", "192.168.0.1", true},
		{"private allow 10.0.0.1 deny 10.0.0.0/8", "10.0.0.1", false},
		{"deny 8.8.8.0/24", "8.8.8.8", false},
		{"deny 8.8.8.0/24", "8.8.9.8", true},
		{"deny 2002::/16", "2002:101:101::1", false},
	}
	for _, tt := range tests {
		if err := policy(t, tt.policy).Check(netip.MustParseAddr(tt.addr)); (err == nil) != tt.ok {
			t.Errorf("%s: %s: %v, want it let through: %v", tt.policy, tt.addr, err, tt.ok)
		}
	}
}

func TestEveryCoatIsJudgedByWhatItHolds(t *testing.T) {
	modes := []*Policy{{}, {Mode: Private}, policy(t, "private", "deny 10.0.0.0/8")}
	rapid.Check(t, func(t *rapid.T) {
		inner := netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "v4")))
		v4 := inner.As4()
		coat := func(prefix string, at int, flip byte) netip.Addr {
			b := netip.MustParsePrefix(prefix).Addr().As16()
			for i, x := range v4 {
				b[at+i] = x ^ flip
			}
			return netip.AddrFrom16(b)
		}
		coats := map[string]netip.Addr{
			"mapped": coat("::ffff:0:0/96", 12, 0), "SIIT": coat("::ffff:0:0:0/96", 12, 0), "NAT64": coat("64:ff9b::/96", 12, 0),
			"6to4": coat("2002::/16", 2, 0), "Teredo": coat("2001::/32", 12, 0xff), "ISATAP": coat("2606:4700::5efe:0:0/96", 12, 0),
		}
		for i, p := range modes {
			for name, a := range coats {
				if got, want := p.Check(a) == nil, p.Check(inner) == nil; got != want {
					t.Fatalf("policy %d lets %s of %s (%s) through: %v, the address itself: %v", i, name, inner, a, got, want)
				}
			}
		}
	})
}

func TestPublicOnlyIsTheStricter(t *testing.T) {
	hosted, home := &Policy{}, &Policy{Mode: Private}
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes")
		for _, a := range []netip.Addr{netip.AddrFrom16([16]byte(b)), netip.AddrFrom4([4]byte(b[:4]))} {
			if hosted.Check(a) == nil && home.Check(a) != nil {
				t.Fatalf("%s is public, yet not for those who may also reach private addresses", a)
			}
			if hosted.Check(a) == nil && a.Is6() && !netip.MustParsePrefix("2000::/3").Contains(a) {
				if _, _, coat := unwrap(a); !coat {
					t.Fatalf("%s is outside 2000::/3 and let through", a)
				}
			}
		}
	})
}

func TestNetworks(t *testing.T) {
	p := &Policy{Mode: Private}
	for network, ok := range map[string]bool{
		"tcp4": true, "tcp6": true, "udp4": true, "udp6": true, "tcp": false, "udp": false, "unix": false, "unixgram": false,
		"ip4:icmp": false, "ip6": false, "": false,
	} {
		if err := p.ControlContext(t.Context(), network, "127.0.0.1:80", nil); (err == nil) != ok {
			t.Errorf("network %q: %v, want it let through: %v", network, err, ok)
		}
	}
	for _, address := range []string{"", "127.0.0.1", "localhost:80", "127.0.0.1:99999", "/run/x.sock"} {
		if err := p.ControlContext(t.Context(), "tcp4", address, nil); err == nil {
			t.Errorf("address %q was let through", address)
		}
	}
}

// Who asks with an address hears what a dialer's hook would say of it.
func TestAddrPort(t *testing.T) {
	denied := 0
	for _, mode := range []Mode{PublicOnly, Private} {
		p := &Policy{Mode: mode, Deny: []netip.Prefix{netip.MustParsePrefix("8.8.8.0/24")}}
		for _, to := range []string{"127.0.0.1:80", "10.0.0.1:80", "8.8.8.8:53", "1.1.1.1:53", "169.254.169.254:80", "[::1]:80", "[fe80::1%lo]:80", "[2606:4700:4700::1111]:53"} {
			hook, plain := p.ControlContext(t.Context(), "tcp4", to, nil), p.CheckAddrPort(netip.MustParseAddrPort(to))
			if (hook == nil) != (plain == nil) {
				t.Errorf("%s in mode %v: %v by the hook, %v by the address", to, mode, hook, plain)
			}
			if plain != nil {
				denied++
			}
		}
	}
	if denied == 0 || denied == 16 {
		t.Errorf("%d of 16 denied", denied)
	}
}

func TestDialerKeepsTheHooksItIsGiven(t *testing.T) {
	l := canary(t)
	refuse := errors.New("refused by the hook")
	for name, base := range map[string]net.Dialer{
		"Control":        {Control: func(string, string, syscall.RawConn) error { return refuse }},
		"ControlContext": {ControlContext: func(context.Context, string, string, syscall.RawConn) error { return refuse }},
	} {
		if _, err := (&Policy{Mode: Private}).Dialer(base).DialContext(t.Context(), "tcp", l.addr()); !errors.Is(err, refuse) {
			t.Errorf("%s, policy lets through: %v", name, err)
		}
		var denied *Denied
		if _, err := (&Policy{}).Dialer(base).DialContext(t.Context(), "tcp", l.addr()); !errors.As(err, &denied) {
			t.Errorf("%s, policy denies: %v", name, err)
		}
		if base.ControlContext == nil && base.Control == nil {
			t.Errorf("%s: the base was changed", name)
		}
	}
	l.wantHits(t, 0)
}

func TestParsePolicy(t *testing.T) {
	pfx := netip.MustParsePrefix
	tests := []struct {
		values []string
		want   *Policy // nil: refused
	}{
		{nil, &Policy{}},
		{[]string{"public-only"}, &Policy{}},
		{[]string{"private"}, &Policy{Mode: Private}},
		{[]string{"private", "private"}, &Policy{Mode: Private}},
		{[]string{"allow 10.0.0.0/8"}, &Policy{Allow: []netip.Prefix{pfx("10.0.0.0/8")}}},
		{[]string{"allow=10.0.0.0/8,::1", "deny=10.1.0.0/16"}, &Policy{
			Allow: []netip.Prefix{pfx("10.0.0.0/8"), pfx("::1/128")}, Deny: []netip.Prefix{pfx("10.1.0.0/16")},
		}},
		{[]string{"private deny ::ffff:10.0.0.1"}, &Policy{Mode: Private, Deny: []netip.Prefix{pfx("10.0.0.1/32")}}},
		{[]string{"public-only", "private"}, nil},
		{[]string{"everything"}, nil},
		{[]string{"10.0.0.0/8"}, nil},
		{[]string{"allow", "10.0.0.0/8"}, nil}, // a word belongs to its own value
		{[]string{"allow 10.0.0.1/8"}, nil},
		{[]string{"allow localhost"}, nil},
		{[]string{"allow 10.0.0.0/33"}, nil},
		{[]string{"allow fe80::1%eth0"}, nil},
		{[]string{"allow ::ffff:10.0.0.0/104"}, nil},
	}
	equal := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	for _, tt := range tests {
		got, err := ParsePolicy(tt.values)
		if (err == nil) != (tt.want != nil) {
			t.Errorf("ParsePolicy(%q): %v, want success: %v", tt.values, err, tt.want != nil)
		} else if err == nil {
			if diff := cmp.Diff(tt.want, got, equal); diff != "" {
				t.Errorf("ParsePolicy(%q) (-want +got):\n%s", tt.values, diff)
			}
			if again := policy(t, got.String()); !cmp.Equal(again, got, equal) {
				t.Errorf("%q does not read back", got)
			}
		}
	}
}

func TestOwnAddresses(t *testing.T) {
	own, err := OwnAddresses()
	if err != nil {
		t.Fatal(err)
	}
	loopback := false
	for _, p := range own {
		loopback = loopback || p == netip.MustParsePrefix("127.0.0.1/32")
	}
	if !loopback {
		t.Errorf("own addresses %v, without loopback", own)
	}
}

func FuzzParsePolicy(f *testing.F) {
	f.Add("private,deny=10.0.0.0/8")
	f.Add("allow ::/0 0.0.0.0/0")
	f.Fuzz(func(t *testing.T, value string) {
		p, err := ParsePolicy([]string{value})
		if err != nil {
			return
		}
		if again, err := ParsePolicy([]string{p.String()}); err != nil || again.String() != p.String() {
			t.Errorf("%q became %q, which reads as %v, %v", value, p, again, err)
		}
	})
}
