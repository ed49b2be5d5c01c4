//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package nettest

import (
	"os"
	"syscall"
	"time"
)

const (
	// tick is how often a busy loop looks at least.
	tick = 2 * time.Millisecond
	// busyAfter wake-ups closer to each other than busyBelow make a loop busy, and
	// quietAfter ticks in a row for nothing make it quiet again.
	busyBelow  = 4 * time.Millisecond
	busyAfter  = 8
	quietAfter = 8
)

// waiter is how the loop's goroutine waits. A poll of its own holds the sockets.
//
// A quiet loop hangs that poll into another one, the gate, which the runtime's
// network poller watches: the goroutine costs nothing until something happens. A
// busy loop would be woken for every single socket, which costs as much as the
// check; it takes its poll off the gate and looks every tick instead, and whenever
// checks are started. Nothing is lost by that, since the kernel knows when a
// handshake ended.
type waiter struct {
	poll    int
	gate    *os.File
	raw     syscall.RawConn
	opened  func(uintptr) bool
	found   [pollEvents]syscall.EpollEvent
	count   int
	planned int64
	kick    chan struct{}
	ticker  *time.Timer
	busy    bool // changed by the loop's goroutine alone
}

func (w *waiter) init() error {
	poll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	gate, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		_ = syscall.Close(poll)
		return os.NewSyscallError("epoll_create1", err)
	}
	w.poll, w.planned = poll, never
	w.kick = make(chan struct{}, 1)
	w.ticker = time.NewTimer(time.Hour)
	w.ticker.Stop()
	w.opened = func(uintptr) bool {
		w.count = pollNow(w.poll, w.found[:])
		return w.count > 0
	}
	err = os.NewSyscallError("fcntl", syscall.SetNonblock(gate, true)) // else the runtime does not poll it
	w.gate = os.NewFile(uintptr(gate), "gate")
	if err == nil {
		err = w.gate.SetReadDeadline(time.Time{}) // fails if it is not polled
	}
	if err == nil {
		w.raw, err = w.gate.SyscallConn()
	}
	if err == nil {
		err = w.hang()
	}
	if err != nil {
		_ = w.close()
	}
	return err
}

// hang puts the poll into the gate.
func (w *waiter) hang() error {
	event := syscall.EpollEvent{Events: syscall.EPOLLIN}
	return w.control(syscall.EPOLL_CTL_ADD, &event)
}

func (w *waiter) control(op int, event *syscall.EpollEvent) error {
	var err error
	_ = w.raw.Control(func(gate uintptr) {
		err = os.NewSyscallError("epoll_ctl", syscall.EpollCtl(int(gate), op, w.poll, event))
	})
	return err
}

// wait returns when the time has come or, in a quiet loop, when there are events;
// how many of them are in found.
func (w *waiter) wait() int {
	if w.busy {
		w.ticker.Reset(tick)
		select {
		case <-w.ticker.C:
		case <-w.kick:
			w.ticker.Stop()
		}
		return 0
	}
	w.count = 0
	_ = w.raw.Read(w.opened)
	return w.count
}

// plan makes sure that wait ends at the given time; 0 means at once. The caller
// drives the loop.
func (w *waiter) plan(at int64, base time.Time) {
	if at >= w.planned {
		return
	}
	w.planned = at
	if at == 0 {
		_ = w.gate.SetReadDeadline(time.Unix(1, 0))
		select {
		case w.kick <- struct{}{}:
		default:
		}
		return
	}
	_ = w.gate.SetReadDeadline(base.Add(time.Duration(at)))
}

// woken forgets a plan that is being served. One that is still ahead stays: at
// worst it wakes the goroutine for nothing.
func (w *waiter) woken(now int64) {
	if w.planned <= now {
		w.planned = never
		_ = w.gate.SetReadDeadline(time.Time{})
	}
}

func (w *waiter) close() error {
	w.ticker.Stop()
	_ = syscall.Close(w.poll)
	return w.gate.Close()
}

// wakeUps tells a busy loop from a quiet one.
type wakeUps struct {
	events int // since the goroutine was here
	last   int64
	close  int // wake-ups close to the one before, in a row
	idle   int // ticks for nothing, in a row
}

// adapt makes the loop busy or quiet.
func (l *nativeLoop) adapt() {
	now, n := l.clock(), l.ready.events
	l.ready.events = 0
	near := n > 0 && now-l.ready.last < int64(busyBelow)
	l.ready.last = now
	switch {
	case !l.waiter.busy && !near:
		l.ready.close = 0
	case !l.waiter.busy:
		l.ready.close++
		if l.ready.close >= busyAfter && l.waiter.control(syscall.EPOLL_CTL_DEL, nil) == nil {
			l.waiter.busy, l.ready.idle = true, 0
		}
	case n > 0:
		l.ready.idle = 0
	default:
		l.ready.idle++
		if l.ready.idle >= quietAfter && l.waiter.hang() == nil {
			l.waiter.busy, l.ready.close = false, 0
		}
	}
}
