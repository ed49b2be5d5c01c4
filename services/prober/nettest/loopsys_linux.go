//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package nettest

import (
	"net/netip"
	"syscall"
	"unsafe"
)

// The system calls below never wait, so they are made without telling the
// scheduler, which would cost as much as some of them.

// States of a TCP socket, of the kernel's enum.
const (
	tcpSynSent = 2
	tcpSynRecv = 3
	tcpClose   = 7
)

// rawAddress is a struct sockaddr_in or sockaddr_in6.
type rawAddress struct {
	bytes  [syscall.SizeofSockaddrInet6]byte
	length uint8
}

func newRawAddress(to netip.AddrPort) (a rawAddress) {
	port := to.Port()
	a.bytes[2], a.bytes[3] = byte(port>>8), byte(port)
	family := (*uint16)(unsafe.Pointer(&a.bytes))
	if addr := to.Addr(); addr.Is4() {
		*family = syscall.AF_INET
		ip := addr.As4()
		copy(a.bytes[4:], ip[:])
		a.length = syscall.SizeofSockaddrInet4
	} else {
		*family = syscall.AF_INET6
		ip := addr.As16()
		copy(a.bytes[8:], ip[:])
		a.length = syscall.SizeofSockaddrInet6
	}
	return a
}

// openSocket makes a non-blocking TCP socket of the address's family.
func openSocket(to *rawAddress) (fd int32, errno syscall.Errno) {
	family := *(*uint16)(unsafe.Pointer(&to.bytes))
	r, _, errno := syscall.RawSyscall(syscall.SYS_SOCKET, uintptr(family),
		syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	return int32(r), errno
}

func connectSocket(fd int32, to *rawAddress) syscall.Errno {
	_, _, errno := syscall.RawSyscall(syscall.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&to.bytes)), uintptr(to.length))
	return errno
}

func closeSocket(fd int32) { _, _, _ = syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(fd), 0, 0) }

// resetOnClose makes closing send RST: no TIME_WAIT.
func resetOnClose(fd int32) {
	linger := [2]int32{1, 0}
	_, _, _ = syscall.RawSyscall6(syscall.SYS_SETSOCKOPT, uintptr(fd), syscall.SOL_SOCKET, syscall.SO_LINGER,
		uintptr(unsafe.Pointer(&linger)), unsafe.Sizeof(linger), 0)
}

// socketInfo reads TCP_INFO.
func socketInfo(fd int32, info *syscall.TCPInfo) syscall.Errno {
	size := uint32(unsafe.Sizeof(*info))
	_, _, errno := syscall.RawSyscall6(syscall.SYS_GETSOCKOPT, uintptr(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO,
		uintptr(unsafe.Pointer(info)), uintptr(unsafe.Pointer(&size)), 0)
	return errno
}

// socketError takes the socket's pending error.
func socketError(fd int32) syscall.Errno {
	var value, size int32 = 0, 4
	_, _, errno := syscall.RawSyscall6(syscall.SYS_GETSOCKOPT, uintptr(fd), syscall.SOL_SOCKET, syscall.SO_ERROR,
		uintptr(unsafe.Pointer(&value)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return errno
	}
	return syscall.Errno(value)
}

// connectedToItself reports whether a socket's two ends are the same: TCP lets a
// connect to a free local port meet itself if the kernel picks that very port.
func connectedToItself(fd int32, to *rawAddress) bool {
	var own rawAddress
	size := uint32(len(own.bytes))
	_, _, errno := syscall.RawSyscall(syscall.SYS_GETSOCKNAME, uintptr(fd),
		uintptr(unsafe.Pointer(&own.bytes)), uintptr(unsafe.Pointer(&size)))
	if errno != 0 || own.bytes[2] != to.bytes[2] || own.bytes[3] != to.bytes[3] {
		return false
	}
	if to.length == syscall.SizeofSockaddrInet4 {
		return [4]byte(own.bytes[4:8]) == [4]byte(to.bytes[4:8])
	}
	return [16]byte(own.bytes[8:24]) == [16]byte(to.bytes[8:24])
}

// pollAdd asks to be told once when fd can be written or has failed.
func pollAdd(poll int, fd, index int32, turn uint32) syscall.Errno {
	event := syscall.EpollEvent{
		Events: syscall.EPOLLOUT | uint32(-syscall.EPOLLET&0xffffffff), Fd: index, Pad: int32(turn),
	}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_CTL, uintptr(poll), syscall.EPOLL_CTL_ADD, uintptr(fd),
		uintptr(unsafe.Pointer(&event)), 0, 0)
	return errno
}

// pollNow takes what is ready without waiting.
func pollNow(poll int, events []syscall.EpollEvent) int {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(poll),
		uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// rawSocket shows a socket to a policy. It is valid while the policy is asked.
type rawSocket struct{ fd int32 }

func (s *rawSocket) Control(f func(uintptr)) error {
	f(uintptr(s.fd))
	return nil
}

func (*rawSocket) Read(func(uintptr) bool) error  { return syscall.EINVAL }
func (*rawSocket) Write(func(uintptr) bool) error { return syscall.EINVAL }
