package nettest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// cutShort is the error type of an attempt that was given up because another had
// been faster: it had not been answered until then.
const cutShort = ErrConnectionTimeout

// attempt is one connection attempt and how it ended.
type attempt struct {
	addr  netip.Addr
	conn  tcpConn
	err   error
	index int // in order of the starts
	began time.Time
	ended time.Time
	tried []AddressAttempt // all attempts, in the one that connect returns
}

// errorType is what went wrong with this attempt alone.
func (a *attempt) errorType() ErrorType {
	if a.err == nil {
		return ""
	}
	if a.noSource() {
		return ErrNoIPv6
	}
	return classify(PhaseConnect, a.err)
}

// noSource reports whether this machine lacks an IPv6 address of its own, of
// which the kernel says the same as of a lack of ports.
func (a *attempt) noSource() bool {
	return a.addr.Is6() && errors.Is(a.err, syscall.EADDRNOTAVAIL)
}

// entry is the attempt for the result.
func (a *attempt) entry() AddressAttempt {
	return AddressAttempt{Addr: a.addr, Duration: a.ended.Sub(a.began), ErrorType: a.errorType()}
}

// connect opens a connection to one of addrs, or of those that late may still
// bring (late may be nil). When every attempt failed, the one that says most
// about the target is returned.
func (n *Network) connect(ctx context.Context, addrs []netip.Addr, late <-chan answer, port uint16) attempt {
	return n.reach(ctx, addrs, late, port, false)
}

// reach is connect, for one who only wants to know whether the port is open if
// plain is true: then a connection that was reset as soon as it was open counts,
// whether that was seen before or after connecting returned. Nothing but closing
// works on such a connection.
func (n *Network) reach(ctx context.Context, addrs []netip.Addr, late <-chan answer, port uint16, plain bool) attempt {
	if len(addrs) == 1 && late == nil {
		a := n.attempt(ctx, addrs[0], port, plain)
		a.tried = []AddressAttempt{a.entry()}
		return a
	}
	r := race{network: n, port: port, plain: plain, queue: addrs, late: late, results: make(chan attempt)}
	a := r.run(ctx)
	a.tried = r.tried
	return a
}

// attempt makes one attempt.
func (n *Network) attempt(ctx context.Context, addr netip.Addr, port uint16, plain bool) attempt {
	a := attempt{addr: addr, began: time.Now()}
	a.conn, a.err = n.dial(ctx, netip.AddrPortFrom(addr, port))
	a.ended = time.Now()
	// A SYN that is answered with RST is ECONNREFUSED; ECONNRESET is what becomes
	// of a connection that was there.
	if plain && errors.Is(a.err, syscall.ECONNRESET) {
		a.conn, a.err = new(net.TCPConn), nil
	}
	return a
}

// race is Happy Eyeballs: attempts start one by one, the next when the last has
// failed or had its lead; the first connection wins.
type race struct {
	network *Network
	port    uint16
	plain   bool
	queue   []netip.Addr
	late    <-chan answer
	results chan attempt
	running int
	tried   []AddressAttempt
	failed  int
	worst   attempt
}

func (r *race) run(ctx context.Context) attempt {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lead := time.NewTimer(0)
	defer lead.Stop()

	for r.running > 0 || len(r.queue) > 0 || r.late != nil {
		var next <-chan time.Time
		if len(r.queue) > 0 {
			next = lead.C
		}
		done := ctx.Done()
		if r.running > 0 {
			done = nil // the attempts end with ctx and say so themselves
		}
		select {
		case <-next:
			r.start(ctx)
			lead.Reset(r.network.attemptDelay())
		case a := <-r.late:
			r.late = nil
			r.admit(a)
		case a := <-r.results:
			r.running--
			r.tried[a.index] = a.entry()
			if a.err == nil {
				cancel()
				r.drain()
				return a
			}
			if r.failed == 0 || a.saysMore(r.worst) {
				r.worst = a
			}
			r.failed++
			if ctx.Err() != nil { // no use in trying more
				r.queue, r.late = nil, nil
			}
			lead.Reset(0)
		case <-done:
			if r.failed == 0 {
				r.worst = attempt{err: ctx.Err()}
			}
			return r.worst
		}
	}
	return r.worst
}

func (r *race) start(ctx context.Context) {
	addr := r.queue[0]
	r.queue = r.queue[1:]
	r.running++
	index := len(r.tried)
	r.tried = append(r.tried, AddressAttempt{Addr: addr})
	go func() {
		a := r.network.attempt(ctx, addr, r.port, r.plain)
		a.index = index
		r.results <- a
	}()
}

// admit queues the addresses of the family that was late; they go first,
// because the other family has had its chance.
func (r *race) admit(a answer) {
	if a.err == nil {
		r.queue = append(a.addrs[:len(a.addrs):len(a.addrs)], r.queue...)
	}
	if len(r.queue) > maxAddresses {
		r.queue = r.queue[:maxAddresses]
	}
}

// drain waits for the losers, which end at once, and closes what they opened.
func (r *race) drain() {
	for ; r.running > 0; r.running-- {
		a := <-r.results
		entry := a.entry()
		if a.conn != nil {
			_ = a.conn.Close()
		} else if errors.Is(a.err, context.Canceled) {
			entry.ErrorType = cutShort
		}
		r.tried[a.index] = entry
	}
}

// saysMore reports whether a says more about the target than b: of two that say
// the same, the one that began first.
func (a *attempt) saysMore(b attempt) bool {
	mine, other := tells(*a), tells(b)
	return mine > other || mine == other && a.index < b.index
}

// tells ranks failed attempts by what they say about the target. A family that
// this machine lacks says nothing; our own exhaustion must not hide behind
// another attempt's refusal.
func tells(a attempt) int {
	typ := classify(PhaseConnect, a.err)
	switch {
	case typ == ErrOverload && !a.noSource(), typ == ErrPermission:
		return 5
	case typ.Status() == StatusTimeout:
		return 4
	case lacksFamily(a.err):
		return 1
	case typ == ErrEgressDenied:
		return 2
	default:
		return 3
	}
}
