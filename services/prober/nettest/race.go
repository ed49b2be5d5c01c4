package nettest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// attempt is one connection attempt and how it ended.
type attempt struct {
	addr netip.Addr
	conn *net.TCPConn
	err  error
}

// connect opens a connection to one of addrs, or of those that late may still
// bring (late may be nil). When every attempt failed, the one that says most
// about the target is returned.
func (n *Network) connect(ctx context.Context, addrs []netip.Addr, late <-chan answer, port uint16) attempt {
	if len(addrs) == 1 && late == nil {
		conn, err := n.dial(ctx, netip.AddrPortFrom(addrs[0], port))
		return attempt{addr: addrs[0], conn: conn, err: err}
	}
	r := race{network: n, port: port, queue: addrs, late: late, results: make(chan attempt)}
	return r.run(ctx)
}

// race is Happy Eyeballs: attempts start one by one, the next when the last has
// failed or had its lead; the first connection wins.
type race struct {
	network *Network
	port    uint16
	queue   []netip.Addr
	late    <-chan answer
	results chan attempt
	running int
	tried   int
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
			if a.err == nil {
				cancel()
				r.drain()
				return a
			}
			if r.tried == 0 || tells(a) > tells(r.worst) {
				r.worst = a
			}
			r.tried++
			if ctx.Err() != nil { // no use in trying more
				r.queue, r.late = nil, nil
			}
			lead.Reset(0)
		case <-done:
			if r.tried == 0 {
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
	go func() {
		conn, err := r.network.dial(ctx, netip.AddrPortFrom(addr, r.port))
		r.results <- attempt{addr: addr, conn: conn, err: err}
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
		if a := <-r.results; a.conn != nil {
			_ = a.conn.Close()
		}
	}
}

// tells ranks failed attempts by what they say about the target. A family that
// this machine lacks says nothing; our own exhaustion must not hide behind
// another attempt's refusal.
func tells(a attempt) int {
	typ := classify(PhaseConnect, a.err)
	// Without an IPv6 address of our own the kernel says the same as without ports.
	noSource := a.addr.Is6() && errors.Is(a.err, syscall.EADDRNOTAVAIL)
	switch {
	case typ == ErrOverload && !noSource, typ == ErrPermission:
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
