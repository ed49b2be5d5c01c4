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

// resolve finds the addresses of c.at for the given family, and times it. What
// was kept takes no time to speak of, and that is what the phase then says.
func (c *check) resolve(ctx context.Context, v IPVersion) ([]netip.Addr, <-chan answer, *failure) {
	first := !c.watch.seen[slotDNS]
	c.watch.enter(slotDNS)
	kept, ok := c.network.cachedAddrs(c.at.host, v)
	c.result.DNSCached = ok && (first || c.result.DNSCached) // of every hop
	if ok {
		return kept, nil, nil
	}
	began := c.watch.last
	// The verdict on a lookup that failed may need the witness.
	defer c.network.wakeWitness(time.Until(c.deadline), began)()
	addrs, late, err := c.network.lookup(ctx, c.at.host, v)
	if err != nil {
		c.watch.stop()
		return nil, nil, c.lookupFailed(began, err)
	}
	return addrs, late, nil
}

// lookup resolves host for the given family. For IPAny both families are asked
// at once; if one is late, its answer will come on the returned channel, which
// is nil otherwise. Cancelling ctx ends lookups that are still running.
func (n *Network) lookup(ctx context.Context, host string, v IPVersion) ([]netip.Addr, <-chan answer, error) {
	if v == IPv4 || v == IPv6 {
		a := n.lookupFamily(ctx, host, v, true)
		if a.err == nil {
			return n.order([]answer{a}), nil, nil
		}
		return nil, nil, n.explainMissing(ctx, host, v, a.err)
	}

	answers := make(chan answer, 2)
	for _, family := range []IPVersion{IPv6, IPv4} {
		go func() { answers <- n.lookupFamily(ctx, host, family, false) }()
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

// lookupFamily asks for one family and tells Health what came of it. alone says
// that the other family is of no use.
func (n *Network) lookupFamily(ctx context.Context, host string, family IPVersion, alone bool) answer {
	network := "ip4"
	if family == IPv6 {
		network = "ip6"
	}
	switch r := n.resolver().(type) {
	case addressSource:
		found := n.ask(ctx, r, host, family, alone)
		return answer{family: family, addrs: found.addrs, err: found.err}
	default:
		addrs, err := r.LookupNetIP(ctx, network, host)
		for i := range addrs {
			addrs[i] = addrs[i].Unmap()
		}
		if err == nil && len(addrs) == 0 {
			err = &net.DNSError{Err: "no address", Name: host, IsNotFound: true}
		}
		if err == nil || notFound(err) {
			n.Health.Observe(host, true)
		}
		return answer{family: family, addrs: addrs, err: err}
	}
}

// ask takes what is kept, or asks r.
func (n *Network) ask(ctx context.Context, r addressSource, host string, family IPVersion, alone bool) resolution {
	if cache := n.dnsCache(); cache != nil {
		return cache.lookup(ctx, host, family, alone)
	}
	return n.observed(r).resolve(ctx, host, family)
}

// observed is r, with Health told of every answer of a name server.
func (n *Network) observed(r addressSource) addressSource { return observedSource{r, &n.Health} }

type observedSource struct {
	addressSource
	health *ResolverHealth
}

func (o observedSource) resolve(ctx context.Context, host string, family IPVersion) resolution {
	found := o.addressSource.resolve(ctx, host, family)
	if found.fromServer && (found.err == nil || notFound(found.err)) {
		o.health.Observe(host, true)
	}
	return found
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
	if a := n.lookupFamily(ctx, host, other, true); a.err == nil {
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
