//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package nettest

import (
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
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

// sock is one attempt of a flight.
type sock struct {
	fd     int32 // -1: closed
	flight int32
	next   int32  // of the flight's; -1 at the end
	turn   uint32 // counts the uses of this place
	index  int32  // of the address
	seat   uint32
	began  int64
	called int64 // when connect had returned
	took   int64
	typ    ErrorType
	polled bool // the poll watches it
}

// flights and socks are flat and reused: a check in flight is no allocation.
type flights struct {
	list []flight
	free []int32
}

type socks struct {
	list []sock
	free []int32
}

func (s *socks) at(i int32) *sock { return &s.list[i] }

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

func (l *nativeLoop) newSock() int32 {
	if n := len(l.socks.free); n > 0 {
		s := l.socks.free[n-1]
		l.socks.free = l.socks.free[:n-1]
		return s
	}
	l.socks.list = append(l.socks.list, sock{fd: -1})
	return int32(len(l.socks.list) - 1)
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

// dial opens the attempt's socket and calls connect.
func (l *nativeLoop) dial(s int32, now int64) error {
	sock := l.socks.at(s)
	flight := &l.flights.list[sock.flight]
	check := flight.run.Check
	to, text := &check.plain.to, check.plain.text
	sock.seat, sock.began, sock.called = check.plain.seat, now, now
	if flight.named {
		addr := netip.AddrPortFrom(flight.addrs[sock.index], check.at.port)
		raw := newRawAddress(addr)
		to, text, sock.seat = &raw, "", seatOf(addr)
	}
	if l.ports.full(sock.seat) {
		return l.dialError(s, "connect", syscall.EAGAIN) // as the kernel may say it
	}
	fd, errno := openSocket(to)
	if errno != 0 {
		return l.dialError(s, "socket", errno)
	}
	if l.network.Policy != nil {
		if err := l.ask(fd, flight.addrs[sock.index], text, check.at.port); err != nil {
			closeSocket(fd)
			return l.wrap(s, err)
		}
	}
	errno = connectSocket(fd, to)
	switch errno {
	case 0, syscall.EINPROGRESS, syscall.EINTR:
	default:
		closeSocket(fd)
		return l.dialError(s, "connect", errno)
	}
	sock.fd, sock.called = fd, l.clock()
	sock.turn++
	l.open++
	l.ports.opened(sock.seat)
	return nil
}

// ask lets the policy decide about an address, as a net.Dialer's control hook.
func (l *nativeLoop) ask(fd int32, addr netip.Addr, text string, port uint16) error {
	var err error
	switch p := l.network.Policy.(type) {
	case addrPortPolicy:
		err = p.CheckAddrPort(netip.AddrPortFrom(addr, port))
	case controlPolicy:
		network := "tcp6"
		if addr.Is4() {
			network = "tcp4"
		}
		if text == "" {
			text = netip.AddrPortFrom(addr, port).String()
		}
		l.asked.fd = fd
		err = p.ControlContext(l.ctx, network, text, &l.asked)
		l.asked.fd = -1
	default:
		err = l.network.Policy.Check(addr)
	}
	if err != nil {
		return &deniedError{err}
	}
	return nil
}

func (l *nativeLoop) dialError(s int32, call string, errno syscall.Errno) error {
	return l.wrap(s, os.NewSyscallError(call, errno))
}

// wrap makes an error look as a net.Dialer's.
func (l *nativeLoop) wrap(s int32, err error) error {
	sock := l.socks.at(s)
	flight := &l.flights.list[sock.flight]
	addr := flight.addrs[sock.index]
	network := "tcp6"
	if addr.Is4() {
		network = "tcp4"
	}
	to := net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, flight.run.Check.at.port))
	return &net.OpError{Op: "dial", Net: network, Addr: to, Err: err}
}

// watch leaves a socket to the poll and its flight to the clock.
func (l *nativeLoop) watch(s int32) {
	sock := l.socks.at(s)
	if sock.polled {
		return
	}
	if errno := pollAdd(l.waiter.poll, sock.fd, s, sock.turn); errno != 0 {
		f, now := sock.flight, l.clock()
		l.hangUp(s, true)
		l.fail(s, l.dialError(s, "epoll_ctl", errno), now)
		l.advance(f, now)
		return
	}
	sock.polled = true
	l.polled++
	l.schedule(sock.flight)
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

// look reports whether an attempt has ended and, if so, draws the consequences.
func (l *nativeLoop) look(s int32) bool {
	sock := l.socks.at(s)
	if errno := socketInfo(sock.fd, &l.info); errno != 0 {
		return false
	}
	state := l.info.State
	if state == tcpSynSent || state == tcpSynRecv {
		return false
	}
	now := l.clock()
	end := l.handshakeEnd(sock, now)
	var errno syscall.Errno
	if state == tcpClose {
		errno = socketError(sock.fd)
		if l.info.Rtt > 0 && (errno == syscall.ECONNRESET || errno == syscall.EPIPE) {
			errno = 0 // it was open, which is what was asked; the peer ended it since
		}
	}
	flight := &l.flights.list[sock.flight]
	check := flight.run.Check
	if errno == 0 && l.ports.isOwn(check.at.port) && connectedToItself(sock.fd, l.peer(s)) {
		errno = syscall.ECONNREFUSED // nobody listens there
	}
	if errno == 0 && end <= flight.deadline {
		check.plain.near = int64(l.info.Rtt)*int64(time.Microsecond) < sock.called-sock.began
		check.plain.far = end-sock.called > int64(time.Millisecond)
		l.won(s, end)
		return true
	}
	l.hangUp(s, errno != 0)
	if errno == 0 {
		l.fail(s, l.wrap(s, os.ErrDeadlineExceeded), now)
	} else {
		l.fail(s, l.dialError(s, "connect", errno), now)
	}
	l.advance(sock.flight, now)
	return true
}

// handshakeEnd returns when the kernel had finished the handshake that info is
// about; see TCPLoop.
func (l *nativeLoop) handshakeEnd(s *sock, now int64) int64 {
	switch {
	case l.info.Total_retrans == 0 && l.info.Rtt > 0:
		return min(now, s.called+int64(l.info.Rtt)*int64(time.Microsecond))
	case l.info.Total_retrans > 0:
		return max(s.called, now-int64(l.info.Last_ack_recv)*int64(time.Millisecond))
	default:
		return now
	}
}

// peer returns where an attempt connects to.
func (l *nativeLoop) peer(s int32) *rawAddress {
	sock := l.socks.at(s)
	flight := &l.flights.list[sock.flight]
	if !flight.named {
		return &flight.run.Check.plain.to
	}
	raw := newRawAddress(netip.AddrPortFrom(flight.addrs[sock.index], flight.run.Check.at.port))
	return &raw
}

// hangUp closes an attempt's socket.
func (l *nativeLoop) hangUp(s int32, dead bool) {
	sock := l.socks.at(s)
	if sock.fd < 0 {
		return
	}
	if l.ports.closed(sock.seat, l.clock(), dead) || l.reset && !dead {
		resetOnClose(sock.fd)
	}
	closeSocket(sock.fd) // which takes it off the poll
	sock.fd = -1
	l.open--
	if sock.polled {
		sock.polled = false
		l.polled--
	}
}
