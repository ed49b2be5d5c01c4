package target

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/frogstats/uptime/bench/control"
	"github.com/frogstats/uptime/bench/measure"
)

// hold is how long a TCP target keeps a connection, so that the prober closes first.
const hold = 20 * time.Millisecond

// httpAnswer has a body of 200 bytes.
var httpAnswer = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 200\r\n\r\n" + strings.Repeat("0123456789", 20))

// plain is a target without TLS: one epoll set, one thread.
type plain struct {
	epoll     int
	http      bool
	log       *log
	closing   []held // TCP connections by their time to be closed
	listeners []int
}

type held struct {
	fd int
	at int64
}

// ServePlain listens and answers commands until in ends.
func ServePlain(l Layout, http bool, in io.Reader, out io.Writer) error {
	p := &plain{http: http, log: newLog(l.Size())}
	var err error
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	for i := range l.Size() {
		if err := p.listen(l, i); err != nil {
			return err
		}
	}
	failed := make(chan error, 2)
	go func() { failed <- p.loop() }()
	go func() { failed <- control.Serve(in, out, p.log.handlers()) }()
	return <-failed
}

func (p *plain) listen(l Layout, i int) error {
	at := l.At(i)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("listen on %v: %w", at, err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}); err != nil {
		return fmt.Errorf("listen on %v: %w", at, err)
	}
	if err := unix.Listen(fd, 1024); err != nil {
		return fmt.Errorf("listen on %v: %w", at, err)
	}
	p.listeners = append(p.listeners, fd)
	return p.watch(fd, int32(i))
}

// connection marks events of connections; those of listeners hold their index.
const connection = -1

func (p *plain) watch(fd int, what int32) error {
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd), Pad: what}); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	return nil
}

func (p *plain) loop() error {
	events := make([]unix.EpollEvent, 512)
	buffer := make([]byte, 8192)
	for {
		n, err := unix.EpollWait(p.epoll, events, p.expire())
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("epoll: %w", err)
		}
		p.log.mu.Lock()
		for _, e := range events[:max(n, 0)] {
			if e.Pad == connection {
				serveHTTP(int(e.Fd), buffer)
			} else {
				p.accept(int(e.Fd), uint32(e.Pad))
			}
		}
		p.log.mu.Unlock()
	}
}

// accept takes one connection; a listener with more of them is reported again.
func (p *plain) accept(listener int, port uint32) {
	fd, _, err := unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	if err != nil {
		return
	}
	now := measure.Now()
	p.log.add(port, now)
	if !p.http {
		p.closing = append(p.closing, held{fd, now + int64(hold)})
	} else if p.watch(fd, connection) != nil {
		_ = unix.Close(fd)
	}
}

// expire closes what is old enough, and returns the milliseconds until there is more.
func (p *plain) expire() int {
	if len(p.closing) == 0 {
		return -1
	}
	now, i := measure.Now(), 0
	for i < len(p.closing) && p.closing[i].at <= now {
		_ = unix.Close(p.closing[i].fd)
		i++
	}
	p.closing = p.closing[i:]
	if len(p.closing) == 0 {
		return -1
	}
	return int((p.closing[0].at-now)/int64(time.Millisecond)) + 1
}

// serveHTTP answers the requests of one connection, which come in one piece each.
func serveHTTP(fd int, buffer []byte) {
	n, err := unix.Read(fd, buffer)
	if err == unix.EAGAIN {
		return
	}
	if err != nil || n <= 0 {
		_ = unix.Close(fd)
		return
	}
	if bytes.HasSuffix(buffer[:n], []byte("\r\n\r\n")) {
		if _, err := unix.Write(fd, httpAnswer); err != nil {
			_ = unix.Close(fd)
		}
	}
}
