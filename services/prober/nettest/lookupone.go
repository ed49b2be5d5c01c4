package nettest

import (
	"context"
	"net/netip"
	"strings"
	"time"
)

// Lookup resolves host for one family, IPv4 or IPv6, by the servers of d, or by
// the Network's resolver if d is nil or names none. It asks anew, whatever is
// known already, takes as long as ctx allows, and puts the addresses into the order
// in which checks try them. The error is a *CheckError: ErrDNSNXDomain says that
// the name has no address of the family, ErrDNSFailure and ErrDNSTimeout that it
// was not resolved, ErrResolverUnavailable that nobody could be asked, and
// ErrEgressDenied that the policy forbids the servers. Unlike a check it asks no
// witness, so that it does not say whose fault it is.
func (n *Network) Lookup(ctx context.Context, host string, d *DNSConfig, v IPVersion) ([]netip.Addr, error) {
	anew := DNSConfig{MaxTTL: -1}
	if d != nil {
		anew.Servers = d.Servers
	}
	if err := anew.check(); err != nil {
		return nil, err
	}
	began := time.Now()
	a := n.orShared().namesFor(&anew).lookupFamily(ctx, host, v, true)
	if a.err == nil {
		return a.addrs, nil
	}
	typ := classify(PhaseDNS, a.err)
	text := sentence(typ, PhaseDNS, strings.TrimSuffix(host, "."), time.Since(began).Round(time.Millisecond))
	return nil, &CheckError{Type: typ, Phase: PhaseDNS, Message: withDetail(text, detailOf(typ, a.err)), Err: a.err}
}
