package nettest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// AddressPolicy decides which addresses may be dialled. It is asked when a
// socket is about to connect, about the address it connects to: for every
// redirect and every attempt of Happy Eyeballs. Any error forbids the address;
// if no other address of the target answers, the check ends with ErrEgressDenied.
//
// A policy that also has the method
//
//	ControlContext(ctx context.Context, network, address string, c syscall.RawConn) error
//
// is asked by that instead, and so can look at the port too. If it also has
//
//	CheckAddrPort(to netip.AddrPort) error
//
// that says the same of a TCP socket, for less: checks that only connect ask it.
type AddressPolicy interface {
	Check(addr netip.Addr) error
}

type controlPolicy interface {
	ControlContext(ctx context.Context, network, address string, c syscall.RawConn) error
}

type addrPortPolicy interface {
	CheckAddrPort(to netip.AddrPort) error
}

// deniedError marks what a policy said, so that it is told apart from what the
// network said.
type deniedError struct{ reason error }

func (e *deniedError) Error() string { return e.reason.Error() }
func (e *deniedError) Unwrap() error { return e.reason }

// DefaultAttemptDelay is how long one connection attempt stays alone (RFC 8305,
// section 5).
const DefaultAttemptDelay = 250 * time.Millisecond

// Network is what the checks of one prober share: where names are resolved and
// what may be dialled. The zero value uses the system's name servers and allows
// every address. It is safe for concurrent use; its fields must not change after
// the first check, and it must not be copied.
type Network struct {
	// Resolver resolves names; nil means a SystemResolver.
	Resolver Resolver
	// Policy decides which addresses may be dialled; nil allows all.
	Policy AddressPolicy
	// WitnessNames are the zones under which the resolver is tested when a name
	// fails (see the package's documentation). Nil means example.com, .net and
	// .org; empty but not nil means that only ResolverHealth decides.
	WitnessNames []string
	// AttemptDelay is the lead of one connection attempt over the next; 0 means
	// DefaultAttemptDelay.
	AttemptDelay time.Duration
	// PreferIPv4 starts Happy Eyeballs with IPv4 instead of IPv6.
	PreferIPv4 bool
	// NoDNSCache asks the name servers anew for every check. Otherwise the answers
	// of a SystemResolver are kept as long as they allow, and those of any other
	// Resolver, which do not say how long that is, never. It holds for checks with a
	// DNSConfig as well.
	NoDNSCache bool
	// DNSCacheTTL is how long an answer is kept that allows for longer, at most a
	// week; 0 means DefaultDNSCacheTTL.
	DNSCacheTTL time.Duration
	// Health is what lookups have taught about the resolver, not about the servers
	// that single checks were given. It may be read, and its parameters set before
	// the first check.
	Health ResolverHealth

	system SystemResolver
	book   nameBook
	tls    tlsMemory
	tokens tokenCache
}

var sharedNetwork Network

// orShared lets tests be used with their zero values.
func (n *Network) orShared() *Network {
	if n == nil {
		return &sharedNetwork
	}
	return n
}

func (n *Network) resolver() Resolver {
	if n.Resolver != nil {
		return n.Resolver
	}
	return &n.system
}

func (n *Network) witnessNames() []string {
	if n.WitnessNames == nil {
		return defaultWitnessNames
	}
	return n.WitnessNames
}

func (n *Network) attemptDelay() time.Duration {
	if n.AttemptDelay > 0 {
		return n.AttemptDelay
	}
	return DefaultAttemptDelay
}

// tcpConn is an open TCP connection.
type tcpConn interface {
	net.Conn
	// SetLinger is as of a net.TCPConn.
	SetLinger(seconds int) error
}

// dial opens one connection to one address, until ctx ends.
func (n *Network) dial(ctx context.Context, to netip.AddrPort) (tcpConn, error) {
	if conn, ok, err := n.dialSocket(ctx, to); ok {
		return conn, err
	}
	network := "tcp6"
	if to.Addr().Is4() {
		network = "tcp4"
	}
	// No keep-alive: no connection outlives its check. DialContext rather than
	// DialTCP, which binds first and so takes a local port from all destinations.
	dialer := net.Dialer{KeepAlive: -1, ControlContext: n.control()}
	conn, err := dialer.DialContext(ctx, network, to.String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// controlFunc is a net.Dialer's hook.
type controlFunc = func(ctx context.Context, network, address string, c syscall.RawConn) error

// control asks the policy about every socket that is about to connect; nil
// without a policy.
func (n *Network) control() controlFunc {
	if n.Policy == nil {
		return nil
	}
	return func(ctx context.Context, network, address string, c syscall.RawConn) error {
		var err error
		if p, ok := n.Policy.(controlPolicy); ok {
			err = p.ControlContext(ctx, network, address, c)
		} else {
			var to netip.AddrPort
			if to, err = netip.ParseAddrPort(address); err == nil {
				err = n.Policy.Check(to.Addr().Unmap())
			}
		}
		if err != nil {
			return &deniedError{err}
		}
		return nil
	}
}

// Addresses on the public internet to ask the routing table about. Nothing is
// sent: connecting a UDP socket only looks the route up.
var (
	publicIPv4 = netip.MustParseAddrPort("1.1.1.1:53")
	publicIPv6 = netip.MustParseAddrPort("[2606:4700:4700::1111]:53")
)

// hasRoute reports whether the machine has a route to the rest of the world for
// a family. When it cannot be told, it says yes: that accuses nobody of being
// offline.
func hasRoute(v IPVersion) bool {
	network, to := "udp4", publicIPv4
	if v == IPv6 {
		network, to = "udp6", publicIPv6
	}
	conn, err := net.DialUDP(network, nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return !lacksFamily(err)
	}
	_ = conn.Close()
	return true
}

// lacksFamily reports whether an attempt failed because the machine has no
// route or no address of the family.
func lacksFamily(err error) bool {
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.ENETDOWN) ||
		errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)
}

func absolute(name string) string { return strings.TrimSuffix(name, ".") + "." }
