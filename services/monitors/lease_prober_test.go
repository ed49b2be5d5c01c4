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
	gone     map[uint32]uint64 // epochs under which monitors were given up, which is for good
	synced   bool              // a snapshot of the session is complete
	heard    uint64            // greatest epoch of the session's snapshot, and of what was told after it
	pausedTo time.Duration
	releases map[uint32]*monitorsv1.Released
	deaf     bool // it has left
	reopen   context.CancelFunc
}

func (w *world) start(id, session, previous string, durable bool) *process {
	ctx, kill := context.WithCancel(context.Background())
	p := &process{
		world: w, number: len(w.probers), id: id, session: session, previous: previous, durable: durable, ctx: ctx, kill: kill,
		held: map[uint32]uint64{}, gone: map[uint32]uint64{}, releases: map[uint32]*monitorsv1.Released{}, reopen: func() {},
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
		if p.synced {
			req.HeardEpoch = max(p.heard, p.epoch)
		}
		opened := p.opened
		p.mu.Unlock()
		if !opened {
			continue
		}
		asked := p.world.now()
		resp, err := p.call(req)
		p.world.trace("%s/%s renewed, asked at %v: %v %v", p.id, req.GetSession(), asked, resp.GetLease(), err)
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
	p.opened, p.sole, p.until, p.synced, p.heard = false, false, 0, false, 0
	clear(p.held)
	clear(p.gone)
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

// leave is an orderly end. Who has not heard yet what it held before has nothing to say about it, and goes in silence.
func (p *process) leave() {
	p.mu.Lock()
	at := p.clock.now()
	req := &monitorsv1.RenewLeaseRequest{ProberId: p.id, Session: p.session, Leaving: true, LeftAt: timestamppb.New(at), HeardEpoch: max(p.heard, p.epoch)}
	for _, r := range p.releases {
		req.Released = append(req.Released, r)
	}
	synced := p.synced && !p.deaf
	if synced {
		p.world.knows(p, req.GetHeardEpoch())
	}
	p.deaf, p.opened, p.sole, p.until = true, false, false, 0
	clear(p.held)
	p.mu.Unlock()
	if synced {
		p.world.leaves(p.id, req.GetSession(), at)
		_, _ = p.call(req)
	}
	p.kill()
}

// knows wants a prober that has heard of an epoch to have heard of all that it was given before, and of nothing later.
func (w *world) knows(p *process, heard uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.newest[p.id] != p.session {
		return // another process has its name
	}
	for id, rows := range w.rows {
		last := rows[len(rows)-1]
		if last.Holder != p.id || !last.Wanted || w.ledger.blind[id] {
			continue
		}
		epoch := uint64(last.Epoch)
		if knows := p.held[id] == epoch || p.gone[id] >= epoch; knows != (epoch <= heard) {
			w.broken = append(w.broken, fmt.Sprintf("%v: %s/%s has heard up to %d, and knows of monitor %d under %d: %v", w.now(), p.id, p.session, heard, id, epoch, knows))
		}
	}
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
	waits    *monitorsv1.Assignment // of the snapshot: the next message may say that it is over
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
	if d.session != p.session || p.deaf {
		return
	}
	if a := d.waits; a != nil {
		d.waits = nil
		if x := r.GetRemoval(); x.GetMonitorId() == a.GetSpec().GetMonitorId() && x.GetEpoch() == a.GetEpoch() && x.GetUntil() != nil {
			p.removed(x)
			return
		}
		p.assigned(d, a)
	}
	switch s := r.GetStep().(type) {
	case *monitorsv1.WatchAssignmentsResponse_Lease:
		p.until, p.label = d.asked+p.world.ttl, s.Lease.GetValidUntil().AsTime()
		p.sole, p.epoch, p.opened = s.Lease.GetSole(), s.Lease.GetEpoch(), true
	case *monitorsv1.WatchAssignmentsResponse_Assigned:
		if !d.complete {
			d.waits = s.Assigned
			return
		}
		p.assigned(d, s.Assigned)
	case *monitorsv1.WatchAssignmentsResponse_Removal:
		p.removed(s.Removal)
	case *monitorsv1.WatchAssignmentsResponse_SnapshotComplete:
		for id := range p.held {
			if !d.snapshot[id] {
				delete(p.held, id)
			}
		}
		d.complete, p.synced = true, true
	}
}

// assigned takes a monitor up. The lock is held.
func (p *process) assigned(d *downlink, a *monitorsv1.Assignment) {
	id, epoch := a.GetSpec().GetMonitorId(), a.GetEpoch()
	d.snapshot[id] = true
	if epoch <= p.gone[id] {
		return // it was on its way when this was given up
	}
	p.held[id] = epoch
	p.heard = max(p.heard, epoch)
}

// removed takes a monitor away. The lock is held.
func (p *process) removed(r *monitorsv1.Removal) {
	id := r.GetMonitorId()
	if p.held[id] == r.GetEpoch() {
		delete(p.held, id)
	}
	if r.GetRelease() && p.releases[id] == nil {
		until := p.clock.now().UTC().Truncate(time.Millisecond)
		p.gone[id] = max(p.gone[id], r.GetEpoch())
		p.releases[id] = &monitorsv1.Released{MonitorId: id, Epoch: r.GetEpoch(), Until: timestamppb.New(until)}
		p.world.confirm(p.id, id, r.GetEpoch(), until)
	}
	if r.GetUntil() != nil {
		p.world.told(p, id, r.GetEpoch(), r.GetUntil().AsTime())
	}
}

func (w *world) confirm(id string, monitor uint32, epoch uint64, until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := lossKey{id, monitor, int64(epoch)}
	w.given[key] = append(w.given[key], until)
}

// told compares what a prober was told with what was decided.
func (w *world) told(p *process, monitor uint32, epoch uint64, until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := lossKey{p.id, monitor, int64(epoch)}
	if want, known := w.lost[key]; !known || !want.Equal(until) {
		w.broken = append(w.broken, fmt.Sprintf("%s is told to account for monitor %d under %d until %v, decided was %v", p.id, monitor, epoch, until, want))
	}
	w.heard[heardKey{key, p.session}] = true
}
