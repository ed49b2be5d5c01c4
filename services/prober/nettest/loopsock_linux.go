//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package nettest

import (
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

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

type socks struct {
	list []sock
	free []int32
}

func (s *socks) at(i int32) *sock { return &s.list[i] }

func (l *nativeLoop) newSock() int32 {
	if n := len(l.socks.free); n > 0 {
		s := l.socks.free[n-1]
		l.socks.free = l.socks.free[:n-1]
		return s
	}
	l.socks.list = append(l.socks.list, sock{fd: -1})
	return int32(len(l.socks.list) - 1)
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
