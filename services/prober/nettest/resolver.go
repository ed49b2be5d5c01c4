package nettest

import (
	"context"
	"math"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// Resolver turns a name into addresses. *net.Resolver is one.
type Resolver interface {
	// LookupNetIP returns the addresses of host for network "ip4" or "ip6". Errors
	// should be or wrap *net.DNSError, with IsNotFound for a name that does not
	// exist or has no address of the family, and IsTimeout for silence.
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// ResolverContactError says that no name server could be asked: each refused or
// was out of reach at once. That is never the fault of the name's owner.
type ResolverContactError struct {
	// Contact is what contacting the servers gave.
	Contact error
	// Lookup is what the lookup gave.
	Lookup error
}

// Error joins both.
func (e *ResolverContactError) Error() string {
	return "no name server could be contacted: " + e.Contact.Error()
}

// Unwrap returns both causes.
func (e *ResolverContactError) Unwrap() []error { return []error{e.Contact, e.Lookup} }

// SystemResolver asks the name servers of /etc/resolv.conf, after /etc/hosts,
// with a DNS client of its own; both files are read anew when they change. It
// never calls the C library, whose parser accepts other spellings of addresses,
// and reads no nsswitch.conf: mDNS, NIS and the like are no part of it. The zero
// value is ready; it is safe for concurrent use, and must not be copied.
//
// Unlike net.Resolver it knows how long an answer may be kept, tells silence from
// being unable to ask (ResolverContactError), takes only addresses that belong to
// the name or to what its aliases lead to, and a lookup that is cancelled leaves
// nothing behind. Like it, it completes names by the search list of resolv.conf.
// It returns at most 32 addresses, in the order of the answer. A server that was
// silent is asked after the others for a while.
type SystemResolver struct {
	// Servers are asked, in turn, instead of those of /etc/resolv.conf.
	Servers []netip.AddrPort

	files settingsFiles
	turn  atomic.Uint32
	marks silentServers
}

// LookupNetIP implements Resolver.
func (r *SystemResolver) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	return lookupBoth(ctx, r, network, host)
}

// lookupBoth asks source for the families of network.
func lookupBoth(ctx context.Context, source addressSource, network, host string) ([]netip.Addr, error) {
	families := []IPVersion{IPv4, IPv6}
	switch network {
	case "ip4":
		families = families[:1]
	case "ip6":
		families = families[1:]
	}
	var addrs []netip.Addr
	var err error
	for i, family := range families {
		found := source.resolve(ctx, host, family)
		addrs = append(addrs, found.addrs...)
		if i == 0 {
			err = found.err
		} else {
			err = worseLookup(err, found.err)
		}
	}
	if len(addrs) > 0 {
		return addrs, nil
	}
	return nil, err
}

// resolution is what looking for one family of a name gave.
type resolution struct {
	addrs []netip.Addr
	err   error
	// keep is how long this may be kept; 0 means not at all.
	keep time.Duration
	// fromServer says that a name server answered, as opposed to /etc/hosts.
	fromServer bool
	// generation is that of the settings that were used.
	generation uint64
	// asked is when the question that was answered was sent first (monotonic), from
	// which on keep counts; 0 means now.
	asked int64
}

// generation changes when what was resolved before should be forgotten. now is
// monotonic().
func (r *SystemResolver) generation(now int64) uint64 { return r.files.generation(now) }

// resolve looks host up in /etc/hosts and then asks for one family.
func (r *SystemResolver) resolve(ctx context.Context, host string, family IPVersion) resolution {
	if err := ctx.Err(); err != nil {
		return resolution{err: endedDNSError(ctx, host)}
	}
	missing := &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	if addr, err := netip.ParseAddr(host); err == nil {
		return literalAddress(host, addr, family)
	}
	settings, err := r.files.get()
	if err != nil {
		return resolution{err: &ResolverContactError{Contact: err, Lookup: missing}}
	}
	if known, ok := settings.hosts[hostKey(host)]; ok {
		// Good until the file changes, which is another generation.
		found := resolution{keep: math.MaxInt64, generation: settings.generation}
		for _, addr := range known {
			if addr.Is4() == (family == IPv4) && len(found.addrs) < maxAddresses {
				found.addrs = append(found.addrs, addr)
			}
		}
		if len(found.addrs) == 0 {
			found.err = missing
		}
		return found
	}
	talk := &conversation{host: host, settings: settings, servers: settings.servers, marks: &r.marks}
	if len(r.Servers) > 0 {
		talk.servers = r.Servers
	}
	if len(r.Servers) > 0 || settings.rotate {
		turn := int(r.turn.Add(1)-1) % len(talk.servers)
		talk.servers = slices.Concat(talk.servers[turn:], talk.servers[:turn])
	}
	talk.servers = r.marks.sort(talk.servers)
	return talk.search(ctx, family)
}

// search asks for each name that the host may stand for until one has addresses.
func (c *conversation) search(ctx context.Context, family IPVersion) resolution {
	kind := dns.TypeA
	if family == IPv6 {
		kind = dns.TypeAAAA
	}
	found := resolution{
		generation: c.settings.generation, keep: math.MaxInt64,
		err: &net.DNSError{Err: "no such host", Name: c.host, IsNotFound: true},
	}
	for i, name := range c.settings.candidates(c.host) {
		r, err := c.ask(ctx, name, kind)
		keep := time.Duration(r.seconds) * time.Second
		if err == nil {
			found.addrs, found.err, found.keep, found.asked = r.addrs, nil, keep, r.asked
			break
		}
		if i == 0 {
			found.asked = r.asked // that all of them are missing is as old as the first answer
		}
		// That one name is missing must not hide that another could not be asked for.
		if i == 0 {
			found.err = err
		} else {
			found.err = worseLookup(found.err, err)
		}
		found.keep = min(found.keep, keep)
		if ctx.Err() != nil {
			break
		}
	}
	found.fromServer = c.answered
	if found.err != nil && !notFound(found.err) {
		found.keep = 0
		if contact := c.unable(); contact != nil {
			found.err = &ResolverContactError{Contact: contact, Lookup: found.err}
		}
	}
	return found
}
