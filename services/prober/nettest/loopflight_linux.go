//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package nettest

import (
	"net/netip"
	"os"
)

// plainCheck is what the loop has prepared for a check and learnt about it. It
// belongs to whoever drives the loop.
type plainCheck struct {
	literal bool // the address is given and needs no more than plain numbers
	addrs   [1]netip.Addr
	to      rawAddress
	text    string // host:port, for policies that want it
	seat    uint32 // in the portBook

	// near says that the last handshake was over when connect returned, so that it
	// is worth looking at once; far that it took longer than a burst does.
	near, far bool
}

func (p *plainCheck) prepare(to netip.AddrPort) {
	if to.Addr().Zone() != "" {
		return
	}
	*p = plainCheck{
		literal: true, addrs: [1]netip.Addr{to.Addr()}, to: newRawAddress(to), text: to.String(),
		seat: seatOf(to), near: to.Addr().IsLoopback(),
	}
}

// flight is a check that is running.
type flight struct {
	run      TCPRun // no sink: this place is free
	addrs    []netip.Addr
	named    bool
	began    int64
	dialed   int64 // when name resolution had ended
	deadline int64
	first    int32 // of its sockets, in order of their starts; -1 without
	last     int32
	tried    int32 // addresses so far
	open     int32 // attempts that are running
	worst    attempt
	worstAt  int64 // when the last attempt failed
}

// flights and socks are flat and reused: a check in flight is no allocation.
type flights struct {
	list []flight
	free []int32
}

func (l *nativeLoop) newFlight() int32 {
	if n := len(l.flights.free); n > 0 {
		f := l.flights.free[n-1]
		l.flights.free = l.flights.free[:n-1]
		return f
	}
	l.flights.list = append(l.flights.list, flight{})
	l.wakes.grow(len(l.flights.list))
	return int32(len(l.flights.list) - 1)
}

// begin starts a run: here if its addresses are known, else on the side road.
func (l *nativeLoop) begin(run *TCPRun) {
	check := run.Check
	now := l.clock()
	addrs, dialed := check.plain.addrs[:], now
	if !check.plain.literal {
		var ok bool
		if check.at.addr.IsValid() {
			ok = false // a zone
		} else if addrs, ok = l.network.namesFor(check.config.DNS).cachedAddrs(check.at.host, check.version); ok {
			dialed = l.clock()
		}
		if !ok || len(addrs) == 0 {
			road := l.side
			if check.config.DNS != nil {
				road = l.given
			}
			if !road.submit(*run) {
				cancelled(*run)
			}
			return
		}
	}
	f := l.newFlight()
	l.flights.list[f] = flight{
		run: *run, addrs: addrs[:min(len(addrs), maxAddresses)], named: !check.plain.literal,
		began: now, dialed: dialed, deadline: now + int64(check.timeout), first: -1, last: -1,
	}
	l.advance(f, dialed)
}

// advance starts the flight's next attempt. One that fails at once is followed
// by the next; when none is left and none is running, the flight has ended.
func (l *nativeLoop) advance(f int32, now int64) {
	for {
		flight := &l.flights.list[f]
		if int(flight.tried) == len(flight.addrs) {
			if flight.open == 0 {
				l.lost(f)
			}
			return
		}
		s := l.newAttempt(f)
		err := l.dial(s, now)
		if err == nil {
			if !flight.run.Check.plain.near || !l.look(s) {
				l.fresh = append(l.fresh, s)
			}
			return
		}
		now = l.clock()
		l.fail(s, err, now)
	}
}

// newAttempt makes room for the attempt at the flight's next address.
func (l *nativeLoop) newAttempt(f int32) int32 {
	s := l.newSock()
	flight, sock := &l.flights.list[f], l.socks.at(s)
	sock.flight, sock.next, sock.index, sock.typ, sock.polled = f, -1, flight.tried, "", false
	if flight.last < 0 {
		flight.first = s
	} else {
		l.socks.at(flight.last).next = s
	}
	flight.last = s
	flight.tried++
	flight.open++
	return s
}

// sweep looks after the attempts that have just begun, most of which have ended
// if the targets are near, and leaves the others to the poll.
func (l *nativeLoop) sweep() {
	for i := 0; i < len(l.fresh); i++ { // an attempt that failed may add the next
		s := l.fresh[i]
		sock := l.socks.at(s)
		if sock.fd < 0 {
			continue
		}
		if l.flights.list[sock.flight].run.Check.plain.far || !l.look(s) {
			l.watch(s)
		}
	}
	l.fresh = l.fresh[:0]
}

// schedule plans when a flight needs to be served: at its deadline, or when the
// next of its addresses has its turn.
func (l *nativeLoop) schedule(f int32) {
	flight := &l.flights.list[f]
	due := flight.deadline
	if int(flight.tried) < len(flight.addrs) {
		lead := l.socks.at(flight.last).began + int64(l.network.attemptDelay())
		due = min(due, lead)
	}
	l.wakes.set(f, due)
}

// serve does what is due for a flight.
func (l *nativeLoop) serve(f int32, now int64) {
	flight := &l.flights.list[f]
	l.wakes.remove(f)
	if now < flight.deadline {
		l.advance(f, now)
		if l.flights.list[f].run.Sink != nil {
			l.schedule(f)
		}
		return
	}
	// What the kernel had finished in time counts, however late it is noticed.
	flight.tried = int32(len(flight.addrs))
	for s := flight.first; s >= 0; {
		next := l.socks.at(s).next
		if l.socks.at(s).fd >= 0 {
			if l.look(s) {
				if l.flights.list[f].run.Sink == nil {
					return
				}
			} else {
				l.hangUp(s, true)
				l.fail(s, l.wrap(s, os.ErrDeadlineExceeded), now)
			}
		}
		s = next
	}
	l.lost(f)
}
