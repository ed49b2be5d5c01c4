package egress

import "net/netip"

// class says under which circumstances a range may be reached.
type class int

const (
	public   class = iota // always, unless the operator denies it
	private               // in Private mode, or when an allowed prefix covers it
	explicit              // only when the operator allows a prefix inside the range itself
	never                 // not even then
)

// entry is one range of special addresses.
type entry struct {
	prefix netip.Prefix
	class  class
	reason string
}

func row(prefix string, c class, reason string) entry {
	return entry{netip.MustParsePrefix(prefix), c, reason}
}

// special lists the ranges that are not ordinary public addresses; the most specific one that holds an address counts.
// They follow IANA's special-purpose registries, with the addresses where clouds answer with credentials added.
//
// "explicit" is for what nobody monitors by accident: an allowed 0.0.0.0/0 does not open the metadata service, an allowed
// 169.254.169.254 does.
var special = []entry{
	row("169.254.169.254/32", explicit, "cloud metadata"),
	row("169.254.170.2/32", explicit, "cloud metadata"),
	row("169.254.170.23/32", explicit, "cloud metadata"),
	row("100.100.100.200/32", explicit, "cloud metadata"),
	row("168.63.129.16/32", explicit, "cloud metadata"), // an otherwise public address
	row("192.0.0.192/32", explicit, "cloud metadata"),
	row("fd00:ec2::254/128", explicit, "cloud metadata"),
	row("fd00:ec2::23/128", explicit, "cloud metadata"),
	row("fd20:ce::254/128", explicit, "cloud metadata"),

	row("0.0.0.0/8", explicit, "unspecified address"), // Linux connects 0.0.0.0 to this very host
	row("10.0.0.0/8", private, "private address"),
	row("100.64.0.0/10", private, "shared address space"),
	row("127.0.0.0/8", private, "loopback"),
	row("169.254.0.0/16", explicit, "link-local"),
	row("172.16.0.0/12", private, "private address"),
	row("192.0.0.0/24", explicit, "protocol assignments"),
	row("192.0.2.0/24", private, "documentation"),
	row("192.31.196.0/24", private, "AS112"),
	row("192.52.193.0/24", private, "AMT relay"),
	row("192.88.99.0/24", private, "6to4 relay"),
	row("192.168.0.0/16", private, "private address"),
	row("192.175.48.0/24", private, "AS112"),
	row("198.18.0.0/15", private, "benchmarking"),
	row("198.51.100.0/24", private, "documentation"),
	row("203.0.113.0/24", private, "documentation"),
	row("224.0.0.0/4", never, "multicast"),
	row("240.0.0.0/4", explicit, "reserved"),
	row("255.255.255.255/32", never, "broadcast"),

	row("::/0", explicit, "not global unicast"), // everything outside 2000::/3 that no other row names
	row("2000::/3", public, ""),
	row("::/128", explicit, "unspecified address"), // as 0.0.0.0
	row("::1/128", private, "loopback"),
	row("64:ff9b:1::/48", explicit, "local NAT64"),
	row("100::/64", explicit, "discard-only"),
	row("2001::/23", explicit, "protocol assignments"),
	row("2001:4:112::/48", private, "AS112"),
	row("2001:db8::/32", private, "documentation"),
	row("2620:4f:8000::/48", private, "AS112"),
	row("3fff::/20", private, "documentation"),
	row("5f00::/16", explicit, "segment routing"),
	row("fc00::/7", private, "private address"),
	row("fe80::/10", explicit, "link-local"),
	row("fec0::/10", explicit, "site-local"),
	row("ff00::/8", never, "multicast"),
}

// classify finds the row that counts for a, which is not an IPv4 address in an IPv6 coat.
func classify(a netip.Addr) entry {
	best, bits := entry{class: public}, -1
	for _, e := range special {
		if e.prefix.Contains(a) && e.prefix.Bits() > bits {
			best, bits = e, e.prefix.Bits()
		}
	}
	return best
}

var (
	compat = netip.MustParsePrefix("::/96")
	siit   = netip.MustParsePrefix("::ffff:0:0:0/96")
	nat64  = netip.MustParsePrefix("64:ff9b::/96")
	sixTo4 = netip.MustParsePrefix("2002::/16")
	teredo = netip.MustParsePrefix("2001::/32")
)

// unwrap returns the IPv4 address that a carries inside, if it carries one, and whether that alone decides. ISATAP hides
// its address in the lower half of an address whose upper half counts too.
func unwrap(a netip.Addr) (inner netip.Addr, alone, ok bool) {
	if a.Is4In6() {
		return a.Unmap(), true, true
	}
	if !a.Is6() {
		return netip.Addr{}, false, false
	}
	b := a.As16()
	v4 := func(i int) netip.Addr { return netip.AddrFrom4([4]byte(b[i : i+4])) }
	switch {
	case compat.Contains(a) && a != netip.IPv6Unspecified() && a != netip.IPv6Loopback(),
		siit.Contains(a), nat64.Contains(a):
		return v4(12), true, true
	case sixTo4.Contains(a):
		return v4(2), true, true
	case teredo.Contains(a): // the client's address, with every bit turned over
		return netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}), true, true
	case b[8]&^0x02 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe:
		return v4(12), false, true
	}
	return netip.Addr{}, false, false
}
