package floor

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/frogstats/uptime/bench/measure"
	"github.com/frogstats/uptime/bench/target"
)

// raw is c/floor.c in Go, for machines without a C compiler.
func raw(rst bool, inFlight int, d time.Duration, l target.Layout) (Result, error) {
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return Result{}, fmt.Errorf("epoll: %w", err)
	}
	defer unix.Close(set)
	begin, used := time.Now(), measure.SelfCPU()
	started, done := 0, 0
	for ; started < inFlight; started++ {
		if err := connect(set, rst, started, l); err != nil {
			return Result{}, err
		}
	}
	events := make([]unix.EpollEvent, 64)
	for done < started {
		n, err := unix.EpollWait(set, events, 5000)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return Result{}, fmt.Errorf("nothing answers: %w", err)
		}
		more := time.Since(begin) < d
		for _, e := range events[:n] {
			if err := finish(int(e.Fd)); err != nil {
				return Result{}, err
			}
			done++
			if !more {
				continue
			}
			if err := connect(set, rst, started, l); err != nil {
				return Result{}, err
			}
			started++
		}
	}
	return Result{Connections: done, CPU: measure.SelfCPU() - used, Wall: time.Since(begin)}, nil
}

func connect(set int, rst bool, i int, l target.Layout) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	if rst {
		_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	to := l.At(i)
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return fmt.Errorf("connect to %v: %w", to, err)
	}
	return unix.EpollCtl(set, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLOUT, Fd: int32(fd)})
}

func finish(fd int) error {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && n != 0 {
		err = unix.Errno(n)
	}
	return errors.Join(err, unix.Close(fd))
}
