package nettest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

// resolutionDelay is how long the first family with addresses waits for the
// other (RFC 8305, section 3).
const resolutionDelay = 50 * time.Millisecond

// maxAddresses bounds how many addresses of a name are tried.
const maxAddresses = 32

// answer is what one family's lookup gave.
type answer struct {
	family IPVersion
	addrs  []netip.Addr
	err    error
}

// lookup resolves host for the given family. For IPAny both families are asked
// at once; if one is late, its answer will come on the returned channel, which
// is nil otherwise. Cancelling ctx ends lookups that are still running.
func (n *Network) lookup(ctx context.Context, host string, v IPVersion) ([]netip.Addr, <-chan answer, error) {
	if v == IPv4 || v == IPv6 {
		a := n.lookupFamily(ctx, host, v)
		if a.err == nil {
			return n.order([]answer{a}), nil, nil
		}
		return nil, nil, n.explainMissing(ctx, host, v, a.err)
	}

	answers := make(chan answer, 2)
	for _, family := range []IPVersion{IPv6, IPv4} {
		go func() { answers <- n.lookupFamily(ctx, host, family) }()
	}
	var got []answer
	var patience <-chan time.Time
	for len(got) < 2 {
		select {
		case a := <-answers:
			got = append(got, a)
			if a.err == nil && len(got) == 1 {
				timer := time.NewTimer(resolutionDelay)
				defer timer.Stop()
				patience = timer.C
			}
		case <-patience:
			return n.order(got), answers, nil
		case <-ctx.Done():
			// A resolver that does not heed its context must not hold the check up.
			return nil, nil, ctx.Err()
		}
	}
	addrs := n.order(got)
	if len(addrs) > 0 {
		return addrs, nil, nil
	}
	return nil, nil, worseLookup(got[0].err, got[1].err)
}

// lookupFamily asks for one family and tells Health what came of it.
func (n *Network) lookupFamily(ctx context.Context, host string, family IPVersion) answer {
	network := "ip4"
	if family == IPv6 {
		network = "ip6"
	}
	var (
		addrs       []netip.Addr
		err         error
		fromNetwork = true
	)
	switch r := n.resolver().(type) {
	case *SystemResolver:
		addrs, fromNetwork, err = r.lookup(ctx, network, host)
	default:
		addrs, err = r.LookupNetIP(ctx, network, host)
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	if err == nil && len(addrs) == 0 {
		err = &net.DNSError{Err: "no address", Name: host, IsNotFound: true}
	}
	if fromNetwork && (err == nil || notFound(err)) {
		n.Health.Observe(host, true)
	}
	return answer{family: family, addrs: addrs, err: err}
}

// explainMissing tells a name that does not exist from one that merely has no
// address of the family asked for.
func (n *Network) explainMissing(ctx context.Context, host string, v IPVersion, err error) error {
	if !notFound(err) {
		return err
	}
	other := IPv4
	if v == IPv4 {
		other = IPv6
	}
	if a := n.lookupFamily(ctx, host, other); a.err == nil {
		return &failure{phase: PhaseDNS, typ: ErrDNSFailure, err: err,
			detail: "the name has addresses, but none of the family " + string(v)}
	}
	return err
}

// order interleaves the families, the preferred one first, each in the order
// its lookup gave.
func (n *Network) order(answers []answer) []netip.Addr {
	first := IPv6
	if n.PreferIPv4 {
		first = IPv4
	}
	var preferred, other []netip.Addr
	for _, a := range answers {
		if a.family == first {
			preferred = a.addrs
		} else {
			other = a.addrs
		}
	}
	addrs := make([]netip.Addr, 0, len(preferred)+len(other))
	for i := range max(len(preferred), len(other)) {
		if i < len(preferred) {
			addrs = append(addrs, preferred[i])
		}
		if i < len(other) {
			addrs = append(addrs, other[i])
		}
	}
	return addrs[:min(len(addrs), maxAddresses)]
}

func notFound(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

// worseLookup picks the error that says more: a name is only missing if both
// families say so.
func worseLookup(a, b error) error {
	if notFound(a) {
		return b
	}
	return a
}
