package nettest

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// queuePatience is how long a run waits for its turn before the lack of
	// connections is the finding.
	queuePatience = time.Second
	// portableInFlight is MaxInFlight's default where each check is a goroutine.
	portableInFlight = 1024
)

// waiting is a run that waits for its turn.
type waiting struct {
	run   TCPRun
	until time.Time
}

// lane runs checks with TCPTest, each in a goroutine, a bounded number at once.
// It is the whole of a portable loop and the side road of the others.
type lane struct {
	network *Network
	test    TCPTest
	limit   int
	ctx     context.Context
	cancel  context.CancelFunc
	workers sync.WaitGroup

	mu      sync.Mutex
	queue   []waiting // in order of until
	running int
	closed  bool
	expiry  *time.Timer
}

func newLane(n *Network, reset bool, limit int) *lane {
	p := &lane{network: n, test: TCPTest{Network: n, ResetOnClose: reset}, limit: limit}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

func newPortableLoop(n *Network, o LoopOptions) loopEngine {
	limit := o.MaxInFlight
	if limit <= 0 {
		limit = portableInFlight
	}
	return newLane(n, o.Reset, limit)
}

func (p *lane) start(runs []TCPRun) {
	for _, run := range runs {
		if !p.submit(run) {
			cancelled(run)
		}
	}
}

// submit takes a run over, unless the lane is closed.
func (p *lane) submit(run TCPRun) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return false
	case p.running < p.limit:
		p.running++
		p.workers.Add(1)
		go p.work(run)
	default:
		p.queue = append(p.queue, waiting{run, time.Now().Add(queuePatience)})
		if len(p.queue) == 1 {
			p.awaitExpiry()
		}
	}
	return true
}

// work runs checks until none waits.
func (p *lane) work(run TCPRun) {
	defer p.workers.Done()
	for ok := true; ok; run, ok = p.next() {
		r, err := p.test.Execute(p.ctx, run.Check.config)
		run.Sink.Done(run.Tag, r, err)
	}
}

func (p *lane) next() (TCPRun, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		p.running--
		return TCPRun{}, false
	}
	run := p.queue[0].run
	p.queue = p.queue[1:]
	return run, true
}

// awaitExpiry sets the timer for the first in the queue.
func (p *lane) awaitExpiry() {
	d := time.Until(p.queue[0].until)
	if p.expiry == nil {
		p.expiry = time.AfterFunc(d, p.expire)
	} else {
		p.expiry.Reset(d)
	}
}

// expire ends the runs that waited too long.
func (p *lane) expire() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.workers.Add(1)
	defer p.workers.Done()
	now, late := time.Now(), 0
	for late < len(p.queue) && !p.queue[late].until.After(now) {
		late++
	}
	overdue := p.queue[:late]
	p.queue = p.queue[late:]
	if len(p.queue) > 0 {
		p.awaitExpiry()
	}
	p.mu.Unlock()
	for _, w := range overdue {
		crowded(p.network, w.run, p.limit)
	}
}

func (p *lane) close() error {
	p.mu.Lock()
	queue := p.queue
	p.queue, p.closed = nil, true
	if p.expiry != nil {
		p.expiry.Stop()
	}
	p.mu.Unlock()
	p.cancel()
	for _, w := range queue {
		cancelled(w.run)
	}
	p.workers.Wait()
	return nil
}

// cancelled ends a run that never began.
func cancelled(run TCPRun) {
	r, err := tooLate(run.Check.config, ProtocolTCP, context.Canceled)
	run.Sink.Done(run.Tag, r, err)
}

// crowded ends a run that waited too long for one of limit places.
func crowded(n *Network, run TCPRun, limit int) {
	c := begin(context.Background(), n, run.Check.config, ProtocolTCP)
	c.at = run.Check.at
	c.result.Port = c.at.port
	r, err := c.finish(&failure{phase: PhaseConnect, typ: ErrOverload,
		detail: fmt.Sprintf("%d checks were running, and none ended for %s", limit, queuePatience)})
	run.Sink.Done(run.Tag, r, err)
}
