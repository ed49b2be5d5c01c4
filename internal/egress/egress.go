// Package egress decides which addresses this process connects to on behalf of a user, so that a monitor or a webhook
// cannot be used to reach what the user could not: loopback, the private network, a cloud's metadata service.
//
// The decision is taken on the address of the connection that is just being opened, in the dialer's control hook. Names
// and URLs are never judged: their spellings are endless, and what a name means can change between the check and the use.
package egress

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// Mode is the ground rule of a policy.
type Mode int

const (
	// PublicOnly reaches public addresses only. It is the zero value.
	PublicOnly Mode = iota
	// Private reaches private addresses and loopback as well, which is what somebody who monitors their own network wants.
	// Link-local addresses, metadata services, multicast and broadcast stay closed.
	Private
)

func (m Mode) String() string {
	if m == Private {
		return "private"
	}
	return "public-only"
}

// Policy says what may be reached. The zero value is PublicOnly. It must not be changed while in use.
type Policy struct {
	Mode Mode
	// Allow opens addresses that the mode leaves closed. What is closed in every mode opens only to a prefix that lies
	// inside the special range itself; multicast and broadcast never do.
	Allow []netip.Prefix
	// Deny closes addresses, and wins over everything.
	Deny []netip.Prefix
}

// Denied reports an address that the policy does not let through.
type Denied struct {
	Addr   netip.Addr
	Reason string // e.g. "loopback"
}

func (d *Denied) Error() string {
	return fmt.Sprintf("egress policy denies %s (%s)", d.Addr, d.Reason)
}

// Check returns nil if a may be reached, else a *Denied.
func (p *Policy) Check(a netip.Addr) error {
	if reason := p.judge(a); reason != "" {
		return &Denied{Addr: a, Reason: reason}
	}
	return nil
}

func (p *Policy) judge(a netip.Addr) (reason string) {
	switch {
	case !a.IsValid():
		return "not an address"
	case a.Zone() != "":
		return "zone"
	case covers(p.Deny, a):
		return "denied by the operator"
	}
	if inner, alone, ok := unwrap(a); ok {
		if reason := p.judge(inner); reason != "" || alone {
			return reason
		}
	}
	e := classify(a)
	switch e.class {
	case public:
		return ""
	case private:
		if p.Mode == Private || covers(p.Allow, a) {
			return ""
		}
	case explicit:
		for _, allowed := range p.Allow {
			if allowed.Contains(a) && allowed.Bits() >= e.prefix.Bits() && allowed.Bits() > 0 {
				return ""
			}
		}
	}
	return e.reason
}

func covers(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// ControlContext is a net.Dialer's ControlContext hook: it runs for every address that is tried, with the address itself.
// It lets only TCP and UDP over IP through.
func (p *Policy) ControlContext(_ context.Context, network, address string, _ syscall.RawConn) error {
	switch network {
	case "tcp4", "tcp6", "udp4", "udp6":
	default:
		return fmt.Errorf("egress policy denies network %s", network)
	}
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("egress policy: %w", err)
	}
	return p.Check(target.Addr())
}

// CheckAddrPort is ControlContext for somebody who is about to connect a TCP socket to to.
func (p *Policy) CheckAddrPort(to netip.AddrPort) error { return p.Check(to.Addr()) }

// Dialer returns a copy of base that obeys the policy. A control hook that base has runs after the policy's.
func (p *Policy) Dialer(base net.Dialer) *net.Dialer {
	then := base.ControlContext
	if then == nil && base.Control != nil {
		control := base.Control
		then = func(_ context.Context, network, address string, c syscall.RawConn) error {
			return control(network, address, c)
		}
	}
	base.Control = nil
	base.ControlContext = func(ctx context.Context, network, address string, c syscall.RawConn) error {
		if err := p.ControlContext(ctx, network, address, c); err != nil {
			return err
		}
		if then != nil {
			return then(ctx, network, address, c)
		}
		return nil
	}
	return &base
}
