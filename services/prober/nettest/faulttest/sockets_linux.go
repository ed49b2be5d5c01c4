package faulttest

import (
	"fmt"
	"io"
	"net"
	"syscall"
)

// socket is a descriptor of ours.
type socket int

func (s socket) Close() error { return syscall.Close(int(s)) }

// bound opens a socket on a free loopback port that nobody else can take.
func bound() (socket, *net.TCPAddr, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, nil, fmt.Errorf("socket: %w", err)
	}
	addr, err := bindLoopback(fd)
	if err != nil {
		_ = syscall.Close(fd)
		return 0, nil, err
	}
	return socket(fd), addr, nil
}

func bindLoopback(fd int) (*net.TCPAddr, error) {
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return nil, fmt.Errorf("bind: %w", err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		return nil, fmt.Errorf("getsockname: %w", err)
	}
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}, nil
}

// openRefused reserves a port on which nothing listens.
func openRefused() (string, []io.Closer, error) {
	s, addr, err := bound()
	if err != nil {
		return "", nil, err
	}
	return addr.String(), []io.Closer{s}, nil
}

// openBlackHole listens with the shortest queue and fills it: Linux then drops
// further SYNs without an answer, as a firewall does.
func openBlackHole() (string, []io.Closer, error) {
	s, addr, err := bound()
	if err != nil {
		return "", nil, err
	}
	closers := []io.Closer{s}
	if err := syscall.Listen(int(s), 0); err != nil {
		return "", closers, fmt.Errorf("listen: %w", err)
	}
	// A queue of 0 holds one connection.
	filler, err := net.DialTCP("tcp4", nil, addr)
	if err != nil {
		return "", closers, fmt.Errorf("fill the queue: %w", err)
	}
	return addr.String(), append(closers, filler), nil
}
