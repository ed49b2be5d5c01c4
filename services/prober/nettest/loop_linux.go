//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package nettest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// burst is how many connections are opened before the loop looks after them:
	// more at once are dearer, because they fall out of the processor's caches.
	burst = 64
	// pollEvents is how many events are taken at once.
	pollEvents = 256
	// sideLimit bounds the checks that take the ordinary path, a goroutine each.
	sideLimit = 256
	// never is a time that does not come.
	never = math.MaxInt64
)

// nativeLoop drives non-blocking sockets. Whoever holds drive works: Start for
// the runs it brings, so that nobody has to be woken for them, and otherwise one
// goroutine, which waits for sockets and deadlines.
//
// Times are in nanoseconds since base.
type nativeLoop struct {
	network *Network
	reset   bool
	limit   int32
	base    time.Time
	side    *lane // for what is not plain enough
	given   *lane // the same for checks with their own name servers, whose silence is not to hold up others
	ctx     context.Context
	cancel  context.CancelFunc
	waiter  waiter
	ended   chan struct{}

	closeOnce sync.Once
	closeErr  error

	// knocked says that somebody found drive taken, having left something to do.
	knocked atomic.Bool
	queueMu sync.Mutex
	queue   runQueue
	closed  bool

	drive   sync.Mutex
	flights flights
	socks   socks
	wakes   wakeHeap // of flights
	ports   portBook
	fresh   []int32 // sockets of this burst that are still connecting
	polled  int     // sockets that the poll watches
	open    int32
	events  [pollEvents]syscall.EpollEvent
	batch   [burst]TCPRun
	ready   wakeUps
	report  report
	info    syscall.TCPInfo
	asked   rawSocket
}

func newNativeLoop(n *Network, o LoopOptions) (loopEngine, error) {
	limit, err := inFlightLimit(o.MaxInFlight)
	if err != nil {
		return nil, err
	}
	l := &nativeLoop{
		network: n, reset: o.Reset, limit: limit, base: time.Now(),
		side: newLane(n, o.Reset, sideLimit), given: newLane(n, o.Reset, sideLimit), ended: make(chan struct{}),
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.ports.init()
	l.report.init(l)
	if err := l.waiter.init(); err != nil {
		return nil, fmt.Errorf("make the poll of a loop: %w", err)
	}
	go l.run()
	return l, nil
}

// inFlightLimit chooses MaxInFlight.
func inFlightLimit(asked int) (int32, error) {
	if asked > 0 {
		return int32(min(asked, math.MaxInt32)), nil
	}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return 0, fmt.Errorf("read the limit of descriptors: %w", os.NewSyscallError("getrlimit", err))
	}
	return int32(max(1, min(files.Cur/2, 65536))), nil
}

func (l *nativeLoop) clock() int64 { return int64(time.Since(l.base)) }

func (l *nativeLoop) start(runs []TCPRun) {
	if !l.admit(runs) {
		for _, run := range runs {
			cancelled(run)
		}
		return
	}
	for left := len(runs); left > 0; {
		l.knocked.Store(true)
		if !l.drive.TryLock() {
			return // whoever drives will see the knock
		}
		l.knocked.Store(false)
		if l.waiter.busy && left == len(runs) {
			l.harvest(0) // which saves the goroutine from coming
		}
		n := l.launch(min(left, burst))
		l.leave()
		if n == 0 {
			return
		}
		left -= n
	}
}

func (l *nativeLoop) admit(runs []TCPRun) bool {
	until := l.clock() + int64(queuePatience)
	l.queueMu.Lock()
	defer l.queueMu.Unlock()
	if l.closed {
		return false
	}
	for i := range runs {
		l.queue.push(runs[i], until)
	}
	return true
}

// leave gives drive back. If somebody knocked meanwhile, it sees to it that the
// goroutine comes for what was left.
func (l *nativeLoop) leave() {
	for {
		l.settle()
		l.drive.Unlock()
		if !l.knocked.Load() || !l.drive.TryLock() {
			return // or the new holder will leave by this door
		}
		l.knocked.Store(false)
	}
}

// settle plans when the goroutine must come.
func (l *nativeLoop) settle() {
	at := int64(never)
	if _, due, ok := l.wakes.first(); ok {
		at = due
	}
	l.queueMu.Lock()
	if until, ok := l.queue.first(); ok {
		if l.open < l.limit || l.closed {
			at = 0
		} else {
			at = min(at, until)
		}
	}
	l.queueMu.Unlock()
	l.waiter.plan(at, l.base)
}

// run is the goroutine.
func (l *nativeLoop) run() {
	defer close(l.ended)
	for {
		n := l.waiter.wait()
		l.drive.Lock()
		l.waiter.woken(l.clock())
		l.harvest(copy(l.events[:], l.waiter.found[:n]))
		l.expire()
		l.launch(burst)
		if l.isClosed() {
			l.cancelAll()
			l.drive.Unlock()
			return
		}
		l.adapt()
		l.leave()
	}
}

func (l *nativeLoop) isClosed() bool {
	l.queueMu.Lock()
	defer l.queueMu.Unlock()
	return l.closed
}

func (l *nativeLoop) close() error {
	l.closeOnce.Do(func() {
		l.queueMu.Lock()
		l.closed = true
		l.queueMu.Unlock()
		l.cancel()
		l.drive.Lock()
		l.waiter.plan(0, l.base)
		l.drive.Unlock()
		<-l.ended
		l.closeErr = errors.Join(l.side.close(), l.given.close(), l.waiter.close())
	})
	return l.closeErr
}

// launch starts up to most runs from the queue and looks after what it started.
// It returns how many it took.
func (l *nativeLoop) launch(most int) int {
	n := l.take(min(most, int(l.limit-l.open)))
	if n == 0 {
		return 0
	}
	l.report.setClock(l.base)
	for i := range n {
		l.begin(&l.batch[i])
		l.batch[i] = TCPRun{}
	}
	l.sweep()
	return n
}

// take moves runs from the queue to the batch.
func (l *nativeLoop) take(most int) int {
	if most <= 0 {
		return 0
	}
	l.queueMu.Lock()
	defer l.queueMu.Unlock()
	if l.closed {
		return 0
	}
	n := 0
	for n < most && l.queue.len() > 0 {
		l.batch[n] = l.queue.pop()
		n++
	}
	return n
}

// harvest looks after the sockets of n events and of those that come up meanwhile.
func (l *nativeLoop) harvest(n int) {
	if l.polled == 0 {
		return
	}
	l.report.setClock(l.base)
	for more := true; more; {
		l.ready.events += n
		for _, event := range l.events[:n] {
			// The socket may have been closed, and its number used again, since.
			if s := l.socks.at(event.Fd); s.fd >= 0 && s.turn == uint32(event.Pad) {
				l.look(event.Fd)
			}
		}
		more = n == 0 || n == len(l.events)
		if more {
			n = pollNow(l.waiter.poll, l.events[:])
			more = n > 0
		}
	}
	l.sweep()
}

// expire serves the flights that are due and the runs that waited too long.
func (l *nativeLoop) expire() {
	l.report.setClock(l.base)
	now := l.clock()
	for {
		f, due, ok := l.wakes.first()
		if !ok || due > now {
			break
		}
		l.serve(f, now)
	}
	l.sweep()
	for {
		l.queueMu.Lock()
		until, ok := l.queue.first()
		if !ok || until > now || l.open < l.limit {
			l.queueMu.Unlock()
			return
		}
		run := l.queue.pop()
		l.queueMu.Unlock()
		crowded(l.network, run, int(l.limit))
	}
}

// cancelAll ends everything.
func (l *nativeLoop) cancelAll() {
	l.report.setClock(l.base)
	for f := range l.flights.list {
		if l.flights.list[f].run.Sink != nil {
			l.abandon(int32(f))
		}
	}
	l.queueMu.Lock()
	queue := l.queue
	l.queue = runQueue{}
	l.queueMu.Unlock()
	for queue.len() > 0 {
		cancelled(queue.pop())
	}
}

// runQueue is a ring of runs that wait, with when their patience ends.
type runQueue struct {
	ring  []queued
	head  int
	count int
}

type queued struct {
	run   TCPRun
	until int64
}

func (q *runQueue) len() int { return q.count }

func (q *runQueue) first() (until int64, ok bool) {
	if q.count == 0 {
		return 0, false
	}
	return q.ring[q.head].until, true
}

func (q *runQueue) push(run TCPRun, until int64) {
	if q.count == len(q.ring) {
		grown := make([]queued, max(64, 2*len(q.ring)))
		n := copy(grown, q.ring[q.head:])
		copy(grown[n:], q.ring[:q.head])
		q.ring, q.head = grown, 0
	}
	q.ring[(q.head+q.count)%len(q.ring)] = queued{run, until}
	q.count++
}

func (q *runQueue) pop() TCPRun {
	run := q.ring[q.head].run
	q.ring[q.head] = queued{}
	q.head = (q.head + 1) % len(q.ring)
	q.count--
	return run
}
