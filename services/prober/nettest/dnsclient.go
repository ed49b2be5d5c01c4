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
	servers  []netip.AddrPort // in the order in which they are asked
	control  controlFunc      // decides which may be asked; nil: all
	marks    *silentServers

	answered bool  // some server sent something
	silent   bool  // some server was asked and sent nothing
	contact  error // first failure to ask
	denied   error // first refusal by the policy
}

func (c *conversation) note(n int, err error) {
	var denied *deniedError
	switch {
	case n > 0:
		c.answered = true
	case err == nil:
	case errors.As(err, &denied):
		if c.denied == nil {
			c.denied = err
		}
	case isTimeout(err), errors.Is(err, net.ErrClosed), errors.Is(err, context.Canceled):
		c.silent = true
	case c.contact == nil:
		c.contact = err
	}
}

// unable returns why no server could be asked; nil if one answered or was merely
// silent.
func (c *conversation) unable() error {
	switch {
	case c.answered || c.silent:
		return nil
	case c.contact != nil:
		return c.contact
	default:
		return c.denied
	}
}

// ask asks one server after the other until one gives an answer that means
// something: addresses, or that there are none. Its errors are *net.DNSError.
func (c *conversation) ask(ctx context.Context, name string, kind uint16) (reply, error) {
	q := &question{name: name, kind: kind}
	if _, err := q.pack(false); err != nil {
		return reply{}, &net.DNSError{Err: "no such host", Name: c.host, IsNotFound: true}
	}
	var last error
	for round := range c.settings.attempts {
		for _, server := range c.servers {
			r, err := c.exchange(ctx, server, q, c.settings.patience(round))
			if ctx.Err() != nil {
				return reply{}, endedDNSError(ctx, c.host)
			}
			c.marks.note(server, err != nil && isTimeout(err))
			if err == nil {
				err = r.judge()
			}
			var denied *deniedError
			switch {
			case last != nil && errors.As(err, &denied): // who may be asked says more
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
		if c.denied != nil && !c.answered && !c.silent && c.contact == nil {
			break // nobody may be asked, and that does not change
		}
	}
	return reply{}, last
}

// patience is how long a server may take in a round, the first being 0.
func (s *dnsSettings) patience(round int) time.Duration {
	if s.patient {
		return s.timeout << round
	}
	return s.timeout
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

// exchange asks one server, for no longer than patience: over UDP, over TCP if the
// answer does not fit, and without EDNS if the server does not know it (RFC 6891,
// section 7).
func (c *conversation) exchange(ctx context.Context, server netip.AddrPort, q *question, patience time.Duration) (reply, error) {
	edns := true
	for {
		q.id = uint16(rand.Uint32()) // seeded by the system; not to be guessed
		asked := monotonic()
		var (
			r   reply
			err error
		)
		if !c.settings.useTCP {
			r, err = c.overUDP(ctx, server, q, edns, patience)
		}
		if c.settings.useTCP || err == nil && r.truncated {
			r, err = c.overTCP(ctx, server, q, edns, patience)
		}
		r.asked = asked
		if err != nil || !edns || r.code != dns.RcodeFormatError && r.code != dns.RcodeNotImplemented {
			return r, err
		}
		edns = false
	}
}

const (
	// firstRepeat is when a question over UDP is sent again, and then after twice as
	// long each time: one lost packet must not look like a name server in trouble.
	firstRepeat = 400 * time.Millisecond
	// maxForeign bounds how many packets that answer another question are read.
	maxForeign = 256
)

func (c *conversation) overUDP(ctx context.Context, server netip.AddrPort, q *question, edns bool, patience time.Duration) (reply, error) {
	// A socket of its own for each question: its port is a secret like the
	// identifier, and the kernel tells it when the server refuses.
	conn, err := c.dial(ctx, "udp", server, patience)
	if err != nil {
		c.note(0, err)
		return reply{}, err
	}
	defer conn.Close()
	packed, err := q.pack(edns)
	if err != nil {
		return reply{}, err
	}
	end := timeUp(ctx, patience)
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(longAgo) })()
	buf := udpBuffers.Get().(*[udpBuffer]byte)
	defer udpBuffers.Put(buf)
	wait, foreign := firstRepeat, 0
	for {
		until := time.Now().Add(wait)
		if wait *= 2; end.Sub(until) < firstRepeat {
			until = end // no use in asking again for so short a time
		}
		_ = conn.SetDeadline(until)
		if ctx.Err() != nil { // its signal may just have been overwritten
			_ = conn.SetDeadline(longAgo)
		}
		if _, err := conn.Write(packed[2:]); err != nil {
			c.note(0, err)
			return reply{}, err
		}
		for {
			n, err := conn.Read(buf[:])
			if err != nil && isTimeout(err) && ctx.Err() == nil && time.Now().Before(end) {
				break // once more
			}
			c.note(n, err)
			if err != nil {
				return reply{}, err
			}
			// What is no answer to this question may be a forgery: the answer may still
			// come.
			r, err := parseReply(buf[:n], q)
			if foreign++; !errors.Is(err, errForeign) || foreign > maxForeign {
				if r.truncated {
					err = nil // the rest is asked for over TCP, whatever this was
				}
				return r, err
			}
		}
	}
}

// udpBuffer is more than servers were asked to send.
const udpBuffer = 4096

var udpBuffers = sync.Pool{New: func() any { return new([udpBuffer]byte) }}

// dial opens a connection to a server, if it may be asked.
func (c *conversation) dial(ctx context.Context, network string, server netip.AddrPort, patience time.Duration) (net.Conn, error) {
	if network == "udp" && c.control == nil {
		return net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server))
	}
	dialer := net.Dialer{KeepAlive: -1, Timeout: patience, ControlContext: c.control}
	return dialer.DialContext(ctx, network, server.String())
}

func (c *conversation) overTCP(ctx context.Context, server netip.AddrPort, q *question, edns bool, patience time.Duration) (reply, error) {
	end := timeUp(ctx, patience)
	conn, err := c.dial(ctx, "tcp", server, patience)
	if err != nil {
		c.note(0, err)
		return reply{}, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(end)
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(longAgo) })()
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

// timeUp is when a server's time is up, or ctx ends.
func timeUp(ctx context.Context, patience time.Duration) time.Time {
	end := time.Now().Add(patience)
	if d, ok := ctx.Deadline(); ok && d.Before(end) {
		return d
	}
	return end
}
