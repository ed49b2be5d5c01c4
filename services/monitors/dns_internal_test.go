package monitors

import (
	"net/netip"
	"strings"
	"testing"
)

// FuzzCanonicalServer: what is accepted is one address and port, in the one spelling that it is accepted in again.
func FuzzCanonicalServer(f *testing.F) {
	for _, seed := range []string{
		"192.0.2.1", "192.0.2.1:53", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:53", "[2001:DB8::1]:5353", "::ffff:192.0.2.1",
		"[::ffff:192.0.2.1]:5353", "fe80::1%eth0", "[]", "[", "]", ":", "::", "[::]:", "[:]:1", "1:2:3", "dns.example:53", "192.0.2.1:", "[2001:db8::1]x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := canonicalServer(text)
		if err != nil {
			if got != "" {
				t.Errorf("%q: %q and %v", text, got, err)
			}
			return
		}
		if again, err := canonicalServer(got); err != nil || again != got {
			t.Errorf("%q became %q, which becomes %q, %v", text, got, again, err)
		}
		addr, err := netip.ParseAddr(got)
		if err != nil {
			to, err := netip.ParseAddrPort(got)
			if err != nil || to.Port() == 0 || to.Port() == dnsPort {
				t.Fatalf("%q became %q: %v", text, got, err)
			}
			addr = to.Addr()
		}
		if addr.Zone() != "" || addr.Is4In6() || addr.IsUnspecified() || addr.IsMulticast() || len(got) > maxServerBytes || strings.TrimSpace(got) != got {
			t.Errorf("%q became %q", text, got)
		}
	})
}
