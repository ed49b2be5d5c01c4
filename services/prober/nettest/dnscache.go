package nettest

import (
	"net/netip"
	"time"
)

// DefaultDNSCacheTTL is how long an answer is kept at most.
const DefaultDNSCacheTTL = 5 * time.Minute

// cachedAddrs returns the addresses of host that are known and still valid, in
// the order in which they are tried, and false if a lookup is needed. For IPAny
// (or "") that takes a valid answer for both families, of which one may be that
// there is none; of names without any address it says false. host is a name as
// parseHost gives it. It sends nothing, does not block, does not allocate, and
// counts as a use of the name, for which it is kept fresh. The slice is shared:
// it must not be changed.
func (n *Network) cachedAddrs(host string, v IPVersion) (addrs []netip.Addr, ok bool) {
	return nil, false
}
