package prober

import "sync"

// pool runs jobs in goroutines that are kept for the next job: their stacks have grown
// to what a check needs, which costs as much as a small check. The caller bounds how
// many run at once.
type pool[J any] struct {
	work func(J)
	keep int // idle goroutines at most

	mu     sync.Mutex
	idle   []chan J // the last one was busy last
	closed bool
}

func newPool[J any](keep int, work func(J)) *pool[J] { return &pool[J]{work: work, keep: keep} }

// run hands job to an idle goroutine or to a new one.
func (p *pool[J]) run(job J) {
	p.mu.Lock()
	last := len(p.idle) - 1
	if last < 0 {
		p.mu.Unlock()
		go p.worker(job)
		return
	}
	c := p.idle[last]
	p.idle = p.idle[:last]
	p.mu.Unlock()
	c <- job
}

func (p *pool[J]) worker(job J) {
	c := make(chan J, 1)
	for {
		p.work(job)
		if !p.rest(c) {
			return
		}
		var ok bool
		if job, ok = <-c; !ok {
			return
		}
	}
}

// rest makes a worker wait for jobs at c; false means that it is not needed.
func (p *pool[J]) rest(c chan J) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) >= p.keep {
		return false
	}
	p.idle = append(p.idle, c)
	return true
}

// close ends the idle goroutines, and the others when their jobs end.
func (p *pool[J]) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.idle {
		close(c)
	}
	p.idle = nil
}
