package nettest

import (
	"math/bits"
	"net"
	"net/netip"
	"slices"
)

// sortAddrs puts the addresses of one family into the order in which they should
// be tried: RFC 6724, section 6, for this machine's own addresses. What the rules
// do not tell apart stays in the order of the answer, which is the name server's
// way of spreading load; so do IPv4 addresses that differ only in how much they
// have in common with ours (rule 9), which since CIDR means nothing.
func sortAddrs(addrs []netip.Addr) []netip.Addr {
	if len(addrs) < 2 {
		return addrs
	}
	return sortFrom(addrs, sourceFor)
}

// sourceFor returns the address that this machine would use towards to; invalid if
// it cannot go there. Nothing is sent.
func sourceFor(to netip.Addr) netip.Addr {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, 9)))
	if err != nil {
		return netip.Addr{}
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}

// destination is an address with what the rules look at.
type destination struct {
	addr, source netip.Addr
	scope        int
	policy       addressPolicy
	sameScope    bool
	sameLabel    bool
}

func sortFrom(addrs []netip.Addr, source func(netip.Addr) netip.Addr) []netip.Addr {
	all := make([]destination, len(addrs))
	for i, a := range addrs {
		from := source(a)
		all[i] = destination{addr: a, source: from, scope: scopeOf(a), policy: policyOf(a)}
		if from.IsValid() {
			all[i].sameScope = scopeOf(from) == all[i].scope
			all[i].sameLabel = policyOf(from).label == all[i].policy.label
		}
	}
	slices.SortStableFunc(all, destination.compare)
	sorted := make([]netip.Addr, len(all))
	for i := range all {
		sorted[i] = all[i].addr
	}
	return sorted
}

// compare is negative if a is to be tried before b. Rules 3, 4 and 7 are about
// mobile, deprecated and tunnelled addresses of our own, of which a socket does
// not tell.
func (a destination) compare(b destination) int {
	switch {
	case a.source.IsValid() != b.source.IsValid(): // 1: what can be reached
		return before(a.source.IsValid())
	case a.sameScope != b.sameScope: // 2
		return before(a.sameScope)
	case a.sameLabel != b.sameLabel: // 5
		return before(a.sameLabel)
	case a.policy.precedence != b.policy.precedence: // 6
		return before(a.policy.precedence > b.policy.precedence)
	case a.scope != b.scope: // 8: the smaller scope
		return before(a.scope < b.scope)
	case a.addr.Is6() && b.addr.Is6() && a.source.IsValid(): // 9: the longest prefix
		return commonPrefix(b.source, b.addr) - commonPrefix(a.source, a.addr)
	}
	return 0
}

func before(first bool) int {
	if first {
		return -1
	}
	return 1
}

// Scopes as RFC 4291 numbers them for multicast.
const (
	scopeLink   = 2
	scopeSite   = 5
	scopeGlobal = 14
)

// scopeOf follows RFC 6724, sections 3.1 and 3.2.
func scopeOf(a netip.Addr) int {
	switch {
	case a.IsLoopback(), a.IsLinkLocalUnicast():
		return scopeLink
	case a.Is6() && netip.MustParsePrefix("fec0::/10").Contains(a):
		return scopeSite
	}
	return scopeGlobal
}

type addressPolicy struct{ precedence, label int }

// policies is the default table of RFC 6724, section 2.1, the longest prefixes
// first.
var policies = []struct {
	prefix netip.Prefix
	addressPolicy
}{
	{netip.MustParsePrefix("::1/128"), addressPolicy{50, 0}},
	{netip.MustParsePrefix("::ffff:0:0/96"), addressPolicy{35, 4}},
	{netip.MustParsePrefix("::/96"), addressPolicy{1, 3}},
	{netip.MustParsePrefix("2001::/32"), addressPolicy{5, 5}},
	{netip.MustParsePrefix("2002::/16"), addressPolicy{30, 2}},
	{netip.MustParsePrefix("3ffe::/16"), addressPolicy{1, 12}},
	{netip.MustParsePrefix("fec0::/10"), addressPolicy{1, 11}},
	{netip.MustParsePrefix("fc00::/7"), addressPolicy{3, 13}},
	{netip.MustParsePrefix("::/0"), addressPolicy{40, 1}},
}

func policyOf(a netip.Addr) addressPolicy {
	if a.Is4() {
		return addressPolicy{35, 4}
	}
	for _, p := range policies {
		if p.prefix.Contains(a.WithZone("")) {
			return p.addressPolicy
		}
	}
	return addressPolicy{}
}

// commonPrefix is how many leading bits two IPv6 addresses share, up to the 64
// that are the network's.
func commonPrefix(a, b netip.Addr) int {
	x, y := a.As16(), b.As16()
	for i := range 8 {
		if differ := x[i] ^ y[i]; differ != 0 {
			return 8*i + bits.LeadingZeros8(differ)
		}
	}
	return 64
}
