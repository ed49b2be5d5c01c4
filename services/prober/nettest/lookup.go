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
	kept   bool // it was known already
}

// resolved is what is known of a name when connecting may begin.
type resolved struct {
	addrs []netip.Addr
	late  <-chan answer  // the other family's answer, still to come; nil: none
	kept  [families]bool // whose answer was known already
}

// keptFor reports whether addr, or that there is none, was known already.
func (r *resolved) keptFor(addr netip.Addr) bool {
	if !addr.IsValid() {
		return r.kept[index4] && r.kept[index6]
	}
	if addr.Is4() {
		return r.kept[index4]
	}
	return r.kept[index6]
}

// resolve finds the addresses of c.at for the given family, and times it. What
// was kept takes no time to speak of, and that is what the phase then says.
func (c *check) resolve(ctx context.Context, v IPVersion) (resolved, *failure) {
	c.watch.enter(slotDNS)
	if kept, ok := c.names.cachedAddrs(c.at.host, v); ok {
		return resolved{addrs: kept, kept: [families]bool{true, true}}, nil
	}
	found, typ, err := c.names.look(ctx, c.at.host, v, c.deadline)
	if err == nil {
		return found, nil
	}
	c.watch.stop()
	var decided *failure
	if errors.As(err, &decided) {
		return found, decided
	}
	return found, c.lookupFailed(typ, err)
}

// lookupFailed is the failure of a lookup whose type is settled.
func (c *check) lookupFailed(typ ErrorType, err error) *failure {
	f := &failure{phase: PhaseDNS, typ: typ, err: err}
	if f.typ == ErrResolverUnavailable && lacksFamily(err) && !hasRoute(IPv4) && !hasRoute(IPv6) {
		f.typ = ErrObserverOffline
	}
	if len(c.names.given) > 0 {
		switch f.typ {
		case ErrResolverUnavailable:
			f.sentence = "The name servers that this check was given (" + c.names.givenBy() + ") do not answer, so " + c.at.host +
				" could not be checked: check those servers, or let the prober's own resolve"
		case ErrEgressDenied:
			f.sentence = "The egress policy of this prober does not allow the name servers that this check was given (" + c.names.givenBy() +
				"): allow them, or let the prober's own resolve"
		}
	}
	return f
}

// lookup resolves host for the given family. For IPAny both families are asked
// at once; if one is late, its answer will come on the returned channel, which
// is nil otherwise. Cancelling ctx ends lookups that are still running.
func (n *names) lookup(ctx context.Context, host string, v IPVersion) (resolved, error) {
	if v == IPv4 || v == IPv6 {
		a := n.lookupFamily(ctx, host, v, true)
		found := resolved{kept: [families]bool{a.kept, a.kept}}
		if a.err == nil {
			found.addrs = n.network.order([]answer{a})
			return found, nil
		}
		return found, n.explainMissing(ctx, host, v, a.err)
	}

	answers := make(chan answer, 2)
	for _, family := range []IPVersion{IPv6, IPv4} {
		go func() { answers <- n.lookupFamily(ctx, host, family, false) }()
	}
	var (
		found    resolved
		got      []answer
		patience <-chan time.Time
	)
	for len(got) < 2 {
		select {
		case a := <-answers:
			got = append(got, a)
			found.kept[familyIndex(a.family)] = a.kept
			if a.err == nil && len(got) == 1 {
				timer := time.NewTimer(resolutionDelay)
				defer timer.Stop()
				patience = timer.C
			}
		case <-patience:
			found.addrs, found.late = n.network.order(got), answers
			return found, nil
		case <-ctx.Done():
			// A resolver that does not heed its context must not hold the check up.
			return resolved{}, ctx.Err()
		}
	}
	if found.addrs = n.network.order(got); len(found.addrs) > 0 {
		return found, nil
	}
	return found, worseLookup(got[0].err, got[1].err)
}

// lookupFamily asks for one family and tells Health what came of it. alone says
// that the other family is of no use.
func (n *names) lookupFamily(ctx context.Context, host string, family IPVersion, alone bool) answer {
	if n.source != nil {
		found, kept := n.ask(ctx, host, family, alone)
		return answer{family: family, addrs: found.addrs, err: found.err, kept: kept}
	}
	network := "ip4"
	if family == IPv6 {
		network = "ip6"
	}
	asked := monotonic()
	addrs, err := n.resolver.LookupNetIP(ctx, network, host)
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	if err == nil && len(addrs) == 0 {
		err = &net.DNSError{Err: "no address", Name: host, IsNotFound: true}
	}
	if err == nil || notFound(err) {
		n.answered(host, asked)
	}
	return answer{family: family, addrs: sortAddrs(addrs), err: err}
}

// ask takes what is kept, or asks.
func (n *names) ask(ctx context.Context, host string, family IPVersion, alone bool) (found resolution, kept bool) {
	if n.longest > 0 {
		return n.cache.lookup(ctx, n, host, family, alone)
	}
	return n.source.resolve(ctx, host, family), false
}

// observedSource takes every answer of a name server for a proof, and puts the
// addresses into the order in which they are tried.
type observedSource struct {
	addressSource
	service *nameService
}

func (o observedSource) resolve(ctx context.Context, host string, family IPVersion) resolution {
	asked := monotonic()
	found := o.addressSource.resolve(ctx, host, family)
	if found.fromServer && (found.err == nil || notFound(found.err)) {
		o.service.answered(host, asked)
	}
	found.addrs = sortAddrs(found.addrs)
	return found
}

// explainMissing tells a name that does not exist from one that merely has no
// address of the family asked for.
func (n *names) explainMissing(ctx context.Context, host string, v IPVersion, err error) error {
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
