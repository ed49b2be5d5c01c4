//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package nettest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// dialSocket is dial by system calls of its own. A net.Dialer makes nearly twice as
// many, takes twenty pieces of memory, and parks the goroutine even if the connection is
// open already, as it is on this machine. Its errors are made as a net.Dialer's.
// ok is false for an address that is better left to one.
func (n *Network) dialSocket(ctx context.Context, to netip.AddrPort) (conn tcpConn, ok bool, err error) {
	if to.Addr().Zone() != "" || to.Addr().Is4In6() {
		return nil, false, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, true, dialFault(to, err)
	}
	raw := newRawAddress(to)
	fd, errno := openSocket(&raw)
	if errno != 0 {
		return nil, true, dialFault(to, os.NewSyscallError("socket", errno))
	}
	if control := n.control(); control != nil {
		if err := control(ctx, networkOf(to), to.String(), &rawSocket{fd}); err != nil {
			closeSocket(fd)
			return nil, true, dialFault(to, err)
		}
	}
	var since error
	if errno = connectSocket(fd, &raw); isConnecting(errno) {
		errno, since = standing(fd)
	}
	if errno != 0 && !isConnecting(errno) {
		closeSocket(fd)
		return nil, true, dialFault(to, os.NewSyscallError("connect", errno))
	}
	noDelay(fd)
	c := &socketConn{file: os.NewFile(uintptr(fd), ""), to: to, reset: since}
	if isConnecting(errno) {
		err = c.awaitOpen(ctx)
	}
	if err == nil && connectedToItself(fd, &raw) {
		err = os.NewSyscallError("connect", syscall.ECONNREFUSED) // nobody listens there
	}
	if err != nil {
		_ = c.file.Close()
		return nil, true, dialFault(to, err)
	}
	return c, true, nil
}

func networkOf(to netip.AddrPort) string {
	if to.Addr().Is4() {
		return "tcp4"
	}
	return "tcp6"
}

func dialFault(to netip.AddrPort, err error) error {
	return &net.OpError{Op: "dial", Net: networkOf(to), Addr: net.TCPAddrFromAddrPort(to), Err: err}
}

// standing tells how a connect that goes on in the background stands: EINPROGRESS, 0 if
// the connection is open, or why there is none. One that was open and that the peer has
// reset before anybody looked counts as open; whoever reads or writes is told of since.
// Calling connect again would tell too, but forget that there was a connection.
func standing(fd int32) (errno syscall.Errno, since error) {
	var info syscall.TCPInfo
	if errno := socketInfo(fd, &info); errno != 0 {
		return errno, nil
	}
	switch info.State {
	case tcpSynSent, tcpSynRecv:
		return syscall.EINPROGRESS, nil
	case tcpClose:
		errno = socketError(fd)
		if info.Rtt > 0 && (errno == 0 || errno == syscall.ECONNRESET || errno == syscall.EPIPE) {
			return 0, syscall.ECONNRESET
		}
		if errno == 0 {
			errno = syscall.ECONNABORTED // as connect says of an end without a reason
		}
	}
	return errno, nil
}

// isConnecting reports whether a connect that ended so goes on in the background.
func isConnecting(errno syscall.Errno) bool {
	return errno == syscall.EINPROGRESS || errno == syscall.EALREADY || errno == syscall.EINTR
}

// noDelay sends what is written at once: of two small writes the second would otherwise
// wait for the peer's delayed acknowledgement of the first.
func noDelay(fd int32) {
	_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
}

// socketConn is an open TCP connection on a socket that the runtime polls.
type socketConn struct {
	file  *os.File
	to    netip.AddrPort
	reset error // what the kernel told of the connection when nobody had used it yet
}

// awaitOpen waits until the connection is open or has failed.
func (c *socketConn) awaitOpen(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.file.SetDeadline(deadline); err != nil {
			return bare(err)
		}
	}
	conn, err := c.file.SyscallConn()
	if err != nil {
		return bare(err)
	}
	// The socket has the deadline itself.
	stop := context.AfterFunc(callerOf(ctx), func() { _ = c.file.SetDeadline(longAgo) })
	var errno syscall.Errno
	err = conn.Write(func(fd uintptr) bool {
		errno, c.reset = standing(int32(fd))
		return !isConnecting(errno)
	})
	switch cut := !stop(); {
	case (cut || err != nil) && ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return bare(err)
	case errno != 0:
		return os.NewSyscallError("connect", errno)
	}
	return nil
}

// bare is what a file's error is about; the file itself is nobody's business.
func bare(err error) error {
	if err == nil {
		return nil
	}
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	if errors.Is(err, os.ErrClosed) {
		return net.ErrClosed
	}
	return err
}

// fault is err as the package net would give it.
func (c *socketConn) fault(op string, err error) error {
	err = bare(err)
	var errno syscall.Errno
	if errors.As(err, &errno) {
		err = os.NewSyscallError(op, errno)
	}
	return &net.OpError{Op: op, Net: networkOf(c.to), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

func (c *socketConn) Read(p []byte) (int, error) {
	if c.reset != nil {
		return 0, c.fault("read", c.reset)
	}
	n, err := c.file.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // what a file says of its end
		err = c.fault("read", err)
	}
	return n, err
}

func (c *socketConn) Write(p []byte) (int, error) {
	if c.reset != nil {
		return 0, c.fault("write", c.reset)
	}
	n, err := c.file.Write(p)
	if err != nil {
		err = c.fault("write", err)
	}
	return n, err
}

// Close is net.ErrClosed of a closed connection, without more words: what is stacked
// upon a connection closes it too.
func (c *socketConn) Close() error {
	err := c.file.Close()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrClosed):
		return net.ErrClosed
	default:
		return c.fault("close", err)
	}
}

func (c *socketConn) SetDeadline(t time.Time) error      { return bare(c.file.SetDeadline(t)) }
func (c *socketConn) SetReadDeadline(t time.Time) error  { return bare(c.file.SetReadDeadline(t)) }
func (c *socketConn) SetWriteDeadline(t time.Time) error { return bare(c.file.SetWriteDeadline(t)) }
func (c *socketConn) RemoteAddr() net.Addr               { return net.TCPAddrFromAddrPort(c.to) }

// LocalAddr is nil when the connection is closed.
func (c *socketConn) LocalAddr() net.Addr {
	var own net.Addr
	_ = c.control(func(fd uintptr) error {
		name, err := syscall.Getsockname(int(fd))
		switch at := name.(type) {
		case *syscall.SockaddrInet4:
			own = &net.TCPAddr{IP: at.Addr[:], Port: at.Port}
		case *syscall.SockaddrInet6:
			own = &net.TCPAddr{IP: at.Addr[:], Port: at.Port}
		}
		return err
	})
	return own
}

// SetLinger is as of a net.TCPConn.
func (c *socketConn) SetLinger(seconds int) error {
	var l syscall.Linger
	if seconds >= 0 {
		l.Onoff, l.Linger = 1, int32(seconds)
	}
	return c.control(func(fd uintptr) error {
		return os.NewSyscallError("setsockopt", syscall.SetsockoptLinger(int(fd), syscall.SOL_SOCKET, syscall.SO_LINGER, &l))
	})
}

// control calls f with the descriptor while the connection is open.
func (c *socketConn) control(f func(fd uintptr) error) error {
	conn, err := c.file.SyscallConn()
	if err != nil {
		return bare(err)
	}
	var failed error
	if conn.Control(func(fd uintptr) { failed = f(fd) }) != nil {
		return net.ErrClosed // there is no other reason, and this one has no name outside of package os
	}
	return failed
}
