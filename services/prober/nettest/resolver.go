package nettest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
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

// SystemResolver asks the name servers of /etc/resolv.conf with Go's own DNS
// client, after /etc/hosts. It never calls the C library, whose parser accepts
// other spellings of addresses. The zero value is ready; it is safe for
// concurrent use.
//
// Unlike a bare net.Resolver it tells silence from being unable to ask
// (ResolverContactError), and a lookup that is cancelled leaves nothing behind.
type SystemResolver struct {
	// Servers are asked, in turn, instead of those of /etc/resolv.conf.
	Servers []netip.AddrPort

	next atomic.Uint32
}

// LookupNetIP implements Resolver.
func (r *SystemResolver) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	addrs, _, err := r.lookup(ctx, network, host)
	return addrs, err
}

// lookup also reports whether a name server answered, as opposed to /etc/hosts.
func (r *SystemResolver) lookup(ctx context.Context, network, host string) ([]netip.Addr, bool, error) {
	record := &lookupRecord{resolver: r, ctx: ctx}
	// A resolver per lookup: lookups of a shared one are merged, so that the dials
	// of one would be booked on another.
	resolver := net.Resolver{PreferGo: true, Dial: record.dial}
	addrs, err := resolver.LookupNetIP(ctx, network, host)
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	answered, contact := record.summary()
	var dns *net.DNSError
	if err != nil && contact != nil && !answered && !(errors.As(err, &dns) && dns.IsNotFound) {
		err = &ResolverContactError{Contact: contact, Lookup: err}
	}
	return addrs, answered, err
}

// lookupRecord watches the conversations of one lookup.
type lookupRecord struct {
	resolver *SystemResolver
	ctx      context.Context // of the caller; that of dial may outlive it

	mu       sync.Mutex
	answered bool  // some server sent something
	silent   bool  // some server was asked and sent nothing
	contact  error // first failure to ask
}

// summary returns the contact error only if no server was merely silent.
func (l *lookupRecord) summary() (answered bool, contact error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.silent {
		return l.answered, nil
	}
	return l.answered, l.contact
}

func (l *lookupRecord) note(n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case n > 0:
		l.answered = true
	case err == nil:
	case isTimeout(err), errors.Is(err, net.ErrClosed), errors.Is(err, context.Canceled):
		l.silent = true
	case l.contact == nil:
		l.contact = err
	}
}

func (l *lookupRecord) dial(ctx context.Context, network, server string) (net.Conn, error) {
	if n := uint32(len(l.resolver.Servers)); n > 0 {
		server = l.resolver.Servers[(l.resolver.next.Add(1)-1)%n].String()
	}
	if err := l.ctx.Err(); err != nil {
		return nil, err
	}
	dialer := net.Dialer{KeepAlive: -1}
	conn, err := dialer.DialContext(ctx, network, server)
	if err != nil {
		l.note(0, err)
		return nil, err
	}
	// The DNS client waits for each server's own timeout and does not look at
	// cancellation meanwhile; closing the socket's time does it for it.
	stop := context.AfterFunc(l.ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	if udp, ok := conn.(*net.UDPConn); ok {
		return &watchedUDP{UDPConn: udp, record: l, stop: stop}, nil
	}
	return &watchedTCP{Conn: conn, record: l, stop: stop}, nil
}

// watchedUDP stays a net.PacketConn, by which the DNS client knows the framing.
type watchedUDP struct {
	*net.UDPConn
	record *lookupRecord
	stop   func() bool
}

func (c *watchedUDP) Read(p []byte) (int, error) {
	n, err := c.UDPConn.Read(p)
	c.record.note(n, err)
	return n, err
}

func (c *watchedUDP) SetDeadline(t time.Time) error {
	return c.record.setDeadline(c.UDPConn, t)
}

func (c *watchedUDP) Close() error {
	c.stop()
	return c.UDPConn.Close()
}

type watchedTCP struct {
	net.Conn
	record *lookupRecord
	stop   func() bool
}

func (c *watchedTCP) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.record.note(n, err)
	return n, err
}

func (c *watchedTCP) SetDeadline(t time.Time) error {
	return c.record.setDeadline(c.Conn, t)
}

func (c *watchedTCP) Close() error {
	c.stop()
	return c.Conn.Close()
}

// setDeadline keeps a deadline within the caller's.
func (l *lookupRecord) setDeadline(conn net.Conn, t time.Time) error {
	if d, ok := l.ctx.Deadline(); ok && d.Before(t) {
		t = d
	}
	err := conn.SetDeadline(t)
	if l.ctx.Err() != nil { // the cancellation may have come just before
		err = conn.SetDeadline(time.Unix(1, 0))
	}
	return err
}
