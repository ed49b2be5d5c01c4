package nettest

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// conversation is what the name servers did while one name was looked up.
type conversation struct {
	host     string // what is looked up, for errors
	settings *dnsSettings
	servers  []netip.AddrPort
	first    func() int // index of the server to ask first

	answered bool  // some server sent something
	silent   bool  // some server was asked and sent nothing
	contact  error // first failure to ask
}

func (c *conversation) note(n int, err error) {
	switch {
	case n > 0:
		c.answered = true
	case err == nil:
	case isTimeout(err), errors.Is(err, net.ErrClosed), errors.Is(err, context.Canceled):
		c.silent = true
	case c.contact == nil:
		c.contact = err
	}
}

// unable returns why no server could be asked; nil if one answered or was merely
// silent.
func (c *conversation) unable() error {
	if c.answered || c.silent {
		return nil
	}
	return c.contact
}

// ask asks one server after the other until one gives an answer that means
// something: addresses, or that there are none. Its errors are *net.DNSError.
func (c *conversation) ask(ctx context.Context, name string, kind uint16) (reply, error) {
	q := &question{name: name, kind: kind}
	if _, err := q.pack(false); err != nil {
		return reply{}, &net.DNSError{Err: "no such host", Name: c.host, IsNotFound: true}
	}
	var last error
	first := c.first()
	for range c.settings.attempts {
		for i := range c.servers {
			server := c.servers[(first+i)%len(c.servers)]
			r, err := c.exchange(ctx, server, q)
			if ctx.Err() != nil {
				return reply{}, endedDNSError(ctx, c.host)
			}
			if err == nil {
				err = r.judge()
			}
			switch {
			case err != nil:
				last = &net.DNSError{
					Err: err.Error(), UnwrapErr: err, Name: c.host, Server: server.String(),
					IsTimeout: isTimeout(err), IsTemporary: true,
				}
			case len(r.addrs) == 0:
				return r, &net.DNSError{Err: "no such host", Name: c.host, Server: server.String(), IsNotFound: true}
			default:
				return r, nil
			}
		}
	}
	return reply{}, last
}

// judge reports whether a reply is of use; one that says that the name or its
// address does not exist is.
func (r *reply) judge() error {
	switch {
	case r.code == dns.RcodeNameError:
		r.addrs = nil
		return nil
	case r.code != dns.RcodeSuccess:
		return errMisbehaving
	case r.lame:
		return errLame
	default:
		return nil
	}
}

// endedDNSError is the error of a lookup whose context has ended.
func endedDNSError(ctx context.Context, host string) error {
	err := ctx.Err()
	return &net.DNSError{
		Err: err.Error(), UnwrapErr: err, Name: host,
		IsTimeout: errors.Is(err, context.DeadlineExceeded), IsTemporary: true,
	}
}

// exchange asks one server: over UDP, over TCP if the answer does not fit, and
// without EDNS if the server does not know it (RFC 6891, section 7).
func (c *conversation) exchange(ctx context.Context, server netip.AddrPort, q *question) (reply, error) {
	edns := true
	for {
		q.id = uint16(rand.Uint32()) // seeded by the system; not to be guessed
		var (
			r   reply
			err error
		)
		if !c.settings.useTCP {
			r, err = c.overUDP(ctx, server, q, edns)
		}
		if c.settings.useTCP || err == nil && r.truncated {
			r, err = c.overTCP(ctx, server, q, edns)
		}
		if err != nil || !edns || r.code != dns.RcodeFormatError && r.code != dns.RcodeNotImplemented {
			return r, err
		}
		edns = false
	}
}

func (c *conversation) overUDP(ctx context.Context, server netip.AddrPort, q *question, edns bool) (reply, error) {
	// A socket of its own for each question: its port is a secret like the
	// identifier, and the kernel tells it when the server refuses.
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		c.note(0, err)
		return reply{}, err
	}
	defer conn.Close()
	defer c.limit(ctx, conn)()
	packed, err := q.pack(edns)
	if err != nil {
		return reply{}, err
	}
	if _, err := conn.Write(packed[2:]); err != nil {
		c.note(0, err)
		return reply{}, err
	}
	buf := udpBuffers.Get().(*[udpBuffer]byte)
	defer udpBuffers.Put(buf)
	for {
		n, err := conn.Read(buf[:])
		c.note(n, err)
		if err != nil {
			return reply{}, err
		}
		// What is no answer to this question may be a forgery: the answer may still
		// come.
		r, err := parseReply(buf[:n], q)
		if !errors.Is(err, errForeign) {
			if r.truncated {
				err = nil // the rest is asked for over TCP, whatever this was
			}
			return r, err
		}
	}
}

// udpBuffer is more than servers were asked to send.
const udpBuffer = 4096

var udpBuffers = sync.Pool{New: func() any { return new([udpBuffer]byte) }}

func (c *conversation) overTCP(ctx context.Context, server netip.AddrPort, q *question, edns bool) (reply, error) {
	dialer := net.Dialer{KeepAlive: -1, Timeout: c.settings.timeout}
	conn, err := dialer.DialContext(ctx, "tcp", server.String())
	if err != nil {
		c.note(0, err)
		return reply{}, err
	}
	defer conn.Close()
	defer c.limit(ctx, conn)()
	packed, err := q.pack(edns)
	if err != nil {
		return reply{}, err
	}
	if _, err := conn.Write(packed); err != nil {
		c.note(0, err)
		return reply{}, err
	}
	var size [2]byte
	n, err := io.ReadFull(conn, size[:])
	c.note(n, err)
	if err != nil {
		return reply{}, err
	}
	raw := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, raw); err != nil {
		return reply{}, err
	}
	return parseReply(raw, q)
}

// limit ends the conversation over conn when the server's time is up or ctx ends.
// The returned function ends the watch.
func (c *conversation) limit(ctx context.Context, conn net.Conn) func() {
	deadline := time.Now().Add(c.settings.timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	_ = conn.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return func() { stop() }
}
