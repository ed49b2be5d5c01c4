package nettest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// MaxDNSServers is how many name servers a check may be given.
const MaxDNSServers = 4

// DNSConfig says who resolves the names of a check, instead of the Network's
// resolver, and for how long an answer is used again.
type DNSConfig struct {
	// Servers are asked in this order, the next when one fails or is silent; one
	// that was silent a moment ago is asked last. Nobody else is: /etc/hosts, the
	// search list and the other settings of this machine do not count, and names are
	// taken as they are. None means the Network's resolver. The Network's policy
	// decides whether they may be asked, as about any address that is dialled.
	Servers []netip.AddrPort
	// MaxTTL is how long an answer is used again at most; 0 means what the Network
	// has, less than 0 that every check asks.
	MaxTTL time.Duration
}

// ParseServer reads the address of a name server: address or address:port, IPv6
// before a port in brackets. The port is 53 unless given. The error is a sentence
// about the text, such as "must be an IP address, not a name".
func ParseServer(text string) (netip.AddrPort, error) {
	host, port := text, uint16(53)
	switch inner, after, bracketed := strings.Cut(strings.TrimPrefix(text, "["), "]"); {
	case strings.HasPrefix(text, "["):
		if !bracketed || after != "" && after[0] != ':' || !strings.Contains(inner, ":") {
			return netip.AddrPort{}, errors.New("must be address or address:port, with brackets around an IPv6 address before a port")
		}
		if host = inner; after != "" {
			var ok bool
			if port, ok = parsePort(after[1:]); !ok {
				return netip.AddrPort{}, errors.New("must have a port between 1 and 65535")
			}
		}
	case strings.Count(text, ":") == 1:
		name, number, _ := strings.Cut(text, ":")
		var ok bool
		if port, ok = parsePort(number); !ok {
			return netip.AddrPort{}, errors.New("must have a port between 1 and 65535")
		}
		host = name
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrPort{}, errors.New("must be an IP address, not a name, with or without a port")
	}
	server := netip.AddrPortFrom(addr.Unmap(), port)
	if problem := checkServer(server); problem != "" {
		return netip.AddrPort{}, errors.New(problem)
	}
	return server, nil
}

func checkServer(s netip.AddrPort) string {
	switch addr := s.Addr(); {
	case !addr.IsValid() || s.Port() == 0:
		return "must have an address and a port"
	case addr.Zone() != "":
		return "must not have a zone"
	case addr.IsUnspecified(), addr.IsMulticast(), addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "must be the address of one server"
	}
	return ""
}

func (d *DNSConfig) check() error {
	if d == nil {
		return nil
	}
	if len(d.Servers) > MaxDNSServers {
		return &ConfigError{"DNS.Servers", "has more than 4 servers"}
	}
	for i, s := range d.Servers {
		field := "DNS.Servers[" + strconv.Itoa(i) + "]"
		if problem := checkServer(s); problem != "" {
			return &ConfigError{field, problem}
		}
		if slices.ContainsFunc(d.Servers[:i], func(o netip.AddrPort) bool { return plainServer(o) == plainServer(s) }) {
			return &ConfigError{field, "is there twice"}
		}
	}
	return nil
}

func plainServer(s netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(s.Addr().Unmap(), s.Port())
}

// names is who resolves for a check: a resolver with all that is known about it,
// and for how long its answers are kept.
type names struct {
	*nameService
	longest time.Duration // 0: nothing is kept
	cache   *dnsCache     // of the network
}

// nameService is one resolver, its witness and its health. What one answers says
// nothing about another.
type nameService struct {
	network  *Network
	resolver Resolver
	source   addressSource // the resolver, if it says how long answers may be kept
	health   *ResolverHealth
	witness  witness
	proof    atomic.Int64     // when the latest question that was answered had been asked (monotonic)
	given    []netip.AddrPort // the servers that a check was given; none: the network's resolver
}

func newNameService(n *Network, r Resolver, h *ResolverHealth, given []netip.AddrPort) *nameService {
	s := &nameService{network: n, resolver: r, health: h, given: given}
	if source, ok := r.(addressSource); ok {
		s.source = observedSource{source, s}
	}
	return s
}

// givenBy names the servers of a check for messages.
func (s *nameService) givenBy() string {
	var b strings.Builder
	for i, server := range s.given {
		if i > 0 {
			b.WriteString(", ")
		}
		if server.Port() == 53 {
			b.WriteString(server.Addr().String())
		} else {
			b.WriteString(server.String())
		}
	}
	return b.String()
}

// maxNameServices bounds how many lists of servers, with their times, are
// remembered.
const maxNameServices = 4096

// nameBook holds who resolves for whom. Checks with the same servers share what
// is known of them, and with the same longest time the answers too.
type nameBook struct {
	once  sync.Once
	own   *names // the network's
	cache *dnsCache

	mu       sync.RWMutex
	known    map[namesKey]*names
	services map[serversKey]*nameService
}

type (
	serversKey [MaxDNSServers]netip.AddrPort
	namesKey   struct {
		servers serversKey
		longest time.Duration
	}
)

// ownNames is the network's resolver.
func (n *Network) ownNames() *names {
	b := &n.book
	b.once.Do(func() {
		b.cache = newDNSCache()
		b.own = &names{nameService: newNameService(n, n.resolver(), &n.Health, nil), longest: n.longestTTL(), cache: b.cache}
	})
	return b.own
}

// longestTTL is how long an answer is kept at most if a check does not say.
func (n *Network) longestTTL() time.Duration {
	switch {
	case n.NoDNSCache:
		return 0
	case n.DNSCacheTTL > 0:
		return min(n.DNSCacheTTL, 7*24*time.Hour) // RFC 8767, section 4
	default:
		return DefaultDNSCacheTTL
	}
}

// namesFor is who resolves for a check with that configuration, which is valid.
func (n *Network) namesFor(d *DNSConfig) *names {
	own := n.ownNames()
	if d == nil {
		return own
	}
	key := namesKey{longest: own.longest}
	switch {
	case d.MaxTTL < 0:
		key.longest = 0
	case d.MaxTTL > 0 && !n.NoDNSCache:
		key.longest = min(d.MaxTTL, 7*24*time.Hour)
	}
	for i, s := range d.Servers[:min(len(d.Servers), MaxDNSServers)] {
		key.servers[i] = plainServer(s)
	}
	if len(d.Servers) == 0 && key.longest == own.longest {
		return own
	}
	b := &n.book
	b.mu.RLock()
	known := b.known[key]
	b.mu.RUnlock()
	if known == nil {
		known = b.add(n, key, len(d.Servers))
	}
	return known
}

// add remembers who resolves by key, in the place of any other if there are too
// many: whose checks then go on with a new memory.
func (b *nameBook) add(n *Network, key namesKey, servers int) *names {
	b.mu.Lock()
	defer b.mu.Unlock()
	if known := b.known[key]; known != nil {
		return known
	}
	if b.known == nil {
		b.known, b.services = make(map[namesKey]*names), make(map[serversKey]*nameService)
	}
	for other := range b.known {
		if len(b.known) < maxNameServices {
			break
		}
		delete(b.known, other)
		delete(b.services, other.servers)
	}
	service := b.own.nameService
	if servers > 0 {
		if service = b.services[key.servers]; service == nil {
			given := slices.Clone(key.servers[:servers])
			service = newNameService(n, &givenServers{servers: given, control: n.control()}, &ResolverHealth{}, given)
			b.services[key.servers] = service
		}
	}
	known := &names{nameService: service, longest: key.longest, cache: b.cache}
	b.known[key] = known
	return known
}

// givenServers asks the servers that a check was given.
type givenServers struct {
	servers []netip.AddrPort
	control controlFunc // nil: all may be asked
	marks   silentServers
}

// givenSettings are those of servers that a check was given: more patience in
// every round, because a check has one server often, and its own time anyway.
var givenSettings = &dnsSettings{generation: 1, attempts: 3, timeout: time.Second, patient: true}

// LookupNetIP implements Resolver.
func (g *givenServers) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	return lookupBoth(ctx, g, network, host)
}

func (g *givenServers) generation(int64) uint64 { return givenSettings.generation }

func (g *givenServers) resolve(ctx context.Context, host string, family IPVersion) resolution {
	if err := ctx.Err(); err != nil {
		return resolution{err: endedDNSError(ctx, host)}
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return literalAddress(host, addr, family)
	}
	talk := &conversation{host: host, settings: givenSettings, servers: g.marks.sort(g.servers), control: g.control, marks: &g.marks}
	return talk.search(ctx, family)
}

// literalAddress is what resolving an address gives.
func literalAddress(host string, addr netip.Addr, family IPVersion) resolution {
	if addr = addr.Unmap(); addr.Is4() == (family == IPv4) {
		return resolution{addrs: []netip.Addr{addr}}
	}
	return resolution{err: &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}}
}

// silentFor is how long a server that did not answer in its time is asked after
// the others.
const silentFor = 30 * time.Second

// silentServers remembers which servers did not answer. It never keeps one from
// being asked. The zero value is ready.
type silentServers struct {
	mu    sync.Mutex
	until map[netip.AddrPort]int64 // monotonic
}

// sort puts the servers that were silent behind the others; both keep their order.
func (s *silentServers) sort(servers []netip.AddrPort) []netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.until) == 0 || len(servers) < 2 {
		return servers
	}
	now := monotonic()
	sorted := make([]netip.AddrPort, 0, len(servers))
	for _, wanted := range []bool{false, true} {
		for _, server := range servers {
			if (now < s.until[server]) == wanted {
				sorted = append(sorted, server)
			}
		}
	}
	return sorted
}

// note remembers how a server took a question.
func (s *silentServers) note(server netip.AddrPort, silent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !silent:
		delete(s.until, server)
	case s.until == nil:
		s.until = map[netip.AddrPort]int64{server: monotonic() + int64(silentFor)}
	default:
		s.until[server] = monotonic() + int64(silentFor)
	}
}
