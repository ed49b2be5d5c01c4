package monitors_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/services/monitors"
)

// process is a prober as the contract wants it: it counts its lease from before it asked, by its monotonic clock.
type process struct {
	world    *world
	number   int
	id       string
	session  string
	previous string
	durable  bool
	clock    skewed
	ctx      context.Context
	kill     context.CancelFunc

	mu       sync.Mutex
	until    time.Duration // of the lease, since the world began
	label    time.Time
	sole     bool
	epoch    uint64
	opened   bool // a lease has come on the newest stream
	held     map[uint32]uint64
	pausedTo time.Duration
	releases map[uint32]*monitorsv1.Released
	reopen   context.CancelFunc
}

func (w *world) start(id, session, previous string, durable bool) *process {
	ctx, kill := context.WithCancel(context.Background())
	p := &process{
		world: w, number: len(w.probers), id: id, session: session, previous: previous, durable: durable, ctx: ctx, kill: kill,
		held: map[uint32]uint64{}, releases: map[uint32]*monitorsv1.Released{}, reopen: func() {},
	}
	w.probers = append(w.probers, p)
	w.all.Go(p.follow)
	w.all.Go(p.renew)
	w.all.Go(p.run)
	return p
}

// nap sleeps, and through a pause of the process; false when it was killed.
func (p *process) nap(d time.Duration) bool {
	if sleep(p.ctx, d) != nil {
		return false
	}
	for {
		p.mu.Lock()
		left := p.pausedTo - p.world.now()
		p.mu.Unlock()
		if left <= 0 {
			return true
		}
		if sleep(p.ctx, left) != nil {
			return false
		}
	}
}

func (p *process) replica() *monitors.Service {
	return p.world.replicas[p.world.pick(len(p.world.replicas))].service
}

// run takes slots.
func (p *process) run() {
	for p.nap(p.world.ttl / 20) {
		p.mu.Lock()
		open := p.opened && (p.sole || p.world.now() < p.until && !p.clock.now().After(p.label))
		for id, epoch := range p.held {
			if open {
				p.world.take(p, id, max(epoch, p.epoch), p.sole, p.until)
			}
		}
		p.mu.Unlock()
	}
}

// renew extends the lease.
func (p *process) renew() {
	for p.nap(p.world.ttl/3 - p.world.upTo(p.world.ttl/10)) {
		p.mu.Lock()
		req := &monitorsv1.RenewLeaseRequest{ProberId: p.id, Session: p.session}
		for _, r := range p.releases {
			req.Released = append(req.Released, r)
		}
		opened := p.opened
		p.mu.Unlock()
		if !opened {
			continue
		}
		asked := p.world.now()
		resp, err := p.call(req)
		p.world.trace("%s/%s renewed, asked at %v: %v %v", p.id, p.session, asked, resp.GetLease(), err)
		if !p.nap(0) {
			return
		}
		p.mu.Lock()
		switch {
		case req.GetSession() != p.session:
		case err == nil:
			p.until, p.label = asked+p.world.ttl, resp.GetLease().GetValidUntil().AsTime()
			p.sole, p.epoch = resp.GetLease().GetSole(), resp.GetLease().GetEpoch()
			for _, r := range req.GetReleased() {
				if now := p.releases[r.GetMonitorId()]; now != nil && now.GetEpoch() == r.GetEpoch() {
					delete(p.releases, r.GetMonitorId())
				}
			}
		case errors.Is(err, monitors.ErrSessionEnded):
			p.ended(req.GetSession())
		}
		p.mu.Unlock()
	}
}

// ended gives everything up and begins another session. The lock is held.
func (p *process) ended(session string) {
	if session != p.session {
		return
	}
	p.previous, p.session = "", p.session+"."
	if p.durable {
		p.previous = session
	}
	p.opened, p.sole, p.until = false, false, 0
	clear(p.held)
	clear(p.releases)
	p.reopen()
}

func (p *process) call(req *monitorsv1.RenewLeaseRequest) (*monitorsv1.RenewLeaseResponse, error) {
	w := p.world
	ctx, cancel := context.WithTimeout(handing(proberContext(p.ctx, p.id, w.region), req), w.ttl/2)
	defer cancel()
	if w.trouble(40) {
		if err := sleep(ctx, w.upTo(w.ttl)); err != nil {
			return nil, err
		}
	}
	if w.trouble(40) {
		return nil, errLost
	}
	resp, err := p.replica().RenewLease(ctx, req)
	if w.trouble(40) {
		return nil, errLost
	}
	return resp, err
}

// leave is an orderly end.
func (p *process) leave() {
	p.mu.Lock()
	p.opened, p.sole, p.until = false, false, 0
	clear(p.held)
	session := p.session
	p.mu.Unlock()
	at := p.clock.now()
	p.world.leaves(p.id, session, at)
	_, _ = p.call(&monitorsv1.RenewLeaseRequest{ProberId: p.id, Session: session, Leaving: true, LeftAt: timestamppb.New(at)})
	p.kill()
}

// follow keeps a stream open.
func (p *process) follow() {
	for p.nap(p.world.upTo(p.world.ttl / 5)) {
		ctx, cancel := context.WithCancel(proberContext(p.ctx, p.id, p.world.region))
		p.mu.Lock()
		p.reopen = cancel
		session, previous := p.session, p.previous
		p.mu.Unlock()
		s := &downlink{ctx: ctx, session: session, process: p, asked: p.world.now(), snapshot: map[uint32]bool{}, queue: make(chan *monitorsv1.WatchAssignmentsResponse, 1000)}
		p.world.all.Go(s.deliver)
		err := p.replica().WatchAssignments(&monitorsv1.WatchAssignmentsRequest{
			ProberId: p.id, Region: p.world.region, Session: session, PreviousSession: previous, Durable: p.durable,
		}, s)
		cancel()
		if errors.Is(err, monitors.ErrSessionEnded) {
			p.mu.Lock()
			p.ended(session)
			p.mu.Unlock()
		}
	}
}

// downlink is a stream, whose messages come late.
type downlink struct {
	grpc.ServerStream
	ctx      context.Context
	process  *process
	session  string
	asked    time.Duration
	complete bool
	snapshot map[uint32]bool
	queue    chan *monitorsv1.WatchAssignmentsResponse
}

func (d *downlink) Context() context.Context { return d.ctx }

func (d *downlink) Send(r *monitorsv1.WatchAssignmentsResponse) error {
	select {
	case d.queue <- r:
		return nil
	case <-d.ctx.Done():
		return d.ctx.Err()
	}
}

func (d *downlink) deliver() {
	w := d.process.world
	for {
		select {
		case r := <-d.queue:
			if w.trouble(30) && sleep(d.ctx, w.upTo(2*w.ttl)) != nil {
				return
			}
			if !d.process.nap(0) || d.ctx.Err() != nil {
				return
			}
			d.process.hear(d, r)
			if w.trouble(10) {
				d.process.mu.Lock()
				d.process.reopen()
				d.process.mu.Unlock()
			}
		case <-d.ctx.Done():
			return
		}
	}
}

// hear does what a message says.
func (p *process) hear(d *downlink, r *monitorsv1.WatchAssignmentsResponse) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.world.trace("%s/%s hears %v", p.id, p.session, r)
	if d.session != p.session {
		return
	}
	switch s := r.GetStep().(type) {
	case *monitorsv1.WatchAssignmentsResponse_Lease:
		p.until, p.label = d.asked+p.world.ttl, s.Lease.GetValidUntil().AsTime()
		p.sole, p.epoch, p.opened = s.Lease.GetSole(), s.Lease.GetEpoch(), true
	case *monitorsv1.WatchAssignmentsResponse_Assigned:
		id, epoch := s.Assigned.GetSpec().GetMonitorId(), s.Assigned.GetEpoch()
		d.snapshot[id] = true
		if was := p.releases[id]; was != nil && was.GetEpoch() == epoch {
			return // it is given up
		}
		p.held[id] = epoch
	case *monitorsv1.WatchAssignmentsResponse_Removal:
		p.removed(s.Removal)
	case *monitorsv1.WatchAssignmentsResponse_SnapshotComplete:
		for id := range p.held {
			if !d.snapshot[id] {
				delete(p.held, id)
			}
		}
	}
}

// removed takes a monitor away. The lock is held.
func (p *process) removed(r *monitorsv1.Removal) {
	id := r.GetMonitorId()
	if p.held[id] == r.GetEpoch() {
		delete(p.held, id)
	}
	if r.GetRelease() && p.releases[id] == nil {
		until := p.clock.now().UTC().Truncate(time.Millisecond)
		p.releases[id] = &monitorsv1.Released{MonitorId: id, Epoch: r.GetEpoch(), Until: timestamppb.New(until)}
		p.world.confirm(p.id, id, r.GetEpoch(), until)
	}
	if r.GetUntil() != nil {
		p.world.told(p.id, id, r.GetEpoch(), r.GetUntil().AsTime())
	}
}

func (w *world) confirm(id string, monitor uint32, epoch uint64, until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := lossKey{id, monitor, int64(epoch)}
	w.given[key] = append(w.given[key], until)
}

// told compares what a prober was told with what was decided.
func (w *world) told(id string, monitor uint32, epoch uint64, until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if want, known := w.lost[lossKey{id, monitor, int64(epoch)}]; !known || !want.Equal(until) {
		w.broken = append(w.broken, fmt.Sprintf("%s is told to account for monitor %d under %d until %v, decided was %v", id, monitor, epoch, until, want))
	}
}
