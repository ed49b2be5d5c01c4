package prober

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/services/prober/schedule"
)

const centreTTL = 10 * time.Second

// centre stands in for the monitors service of one region, and keeps its promises: one holder at a time, epochs that rise,
// a session that is over when it was not heard of for the time to live.
type centre struct {
	monitorsv1.UnimplementedAssignmentsServiceServer

	revives bool // a session that is over loses nothing before somebody else is there to take it, and is taken up again until then
	sole    bool // a lone prober is told so

	mu       sync.Mutex
	epoch    uint64
	monitors map[uint32]*centreMonitor
	sessions map[string]*centreSession // the newest of each prober
	faults   []string
}

type centreMonitor struct {
	assignment *monitorsv1.Assignment // epoch and account_from are of the present holding
	holder     string                 // "" for nobody
	from       time.Time              // from where the next holder accounts; zero: since what is stored
}

type centreSession struct {
	prober, name string
	epoch        uint64
	durable      bool
	beat         time.Time
	until        time.Time // the greatest valid_until granted
	over, sole   bool
	ended        bool          // it is over, and has lost what it held, or has left
	heard        uint64        // greatest epoch that it had heard of when it left; 0: all
	lost         []*centreLoss // by its prober, in this session and before
	out          chan *monitorsv1.WatchAssignmentsResponse
}

// centreLoss is told to each session until that has heard of it: the prober may never have heard of the holding either.
type centreLoss struct {
	was     *monitorsv1.Assignment
	removal *monitorsv1.Removal
	heard   string // by that session
}

func newCentre(monitors ...*monitorsv1.Assignment) *centre {
	c := &centre{monitors: map[uint32]*centreMonitor{}, sessions: map[string]*centreSession{}}
	for _, a := range monitors {
		c.monitors[a.GetSpec().GetMonitorId()] = &centreMonitor{assignment: a}
	}
	return c
}

// watchOver ends sessions in time, until ctx ends.
func (c *centre) watchOver(ctx context.Context) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.mu.Lock()
			for _, s := range c.sessions {
				if !s.over && !s.sole && time.Since(s.beat) >= centreTTL {
					if s.over = true; !c.revives {
						c.end(s)
					}
				}
			}
			c.place()
			c.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

// end takes everything from a session that is over. The lock is held.
func (c *centre) end(s *centreSession) {
	for _, id := range c.ids() {
		if m := c.monitors[id]; m.holder == s.prober {
			c.lose(s, m)
		}
	}
	s.over, s.ended = true, true
}

// lose takes a monitor from a session that is over. The lock is held.
func (c *centre) lose(s *centreSession, m *centreMonitor) {
	a := m.assignment
	r := &monitorsv1.Removal{MonitorId: a.GetSpec().GetMonitorId(), Epoch: a.GetEpoch(), Until: stamp(time.UnixMilli(0))}
	m.holder, m.from = "", time.Time{}
	if s.durable {
		m.from = latestOf(s.until, a)
		r.Until = stamp(m.from)
	}
	s.ended = true
	s.lost = append(s.lost, &centreLoss{was: a, removal: r})
	s.send(removal(r))
}

// latestOf is where an account ends: where it begins, if that lies ahead.
func latestOf(until time.Time, a *monitorsv1.Assignment) time.Time {
	if from := a.GetAccountFrom(); from != nil {
		return later(until, from.AsTime())
	}
	return until
}

// left frees what a session held that has left. What it never heard of has no rows. The lock is held.
func (c *centre) left(s *centreSession, at time.Time) {
	for _, m := range c.monitors {
		switch a := m.assignment; {
		case m.holder != s.prober:
		case a.GetEpoch() <= s.heard || s.heard == 0:
			m.holder, m.from = "", latestOf(at, a)
		case a.GetAccountFrom() == nil:
			m.holder, m.from = "", time.Time{}
		default:
			m.holder, m.from = "", a.GetAccountFrom().AsTime()
		}
	}
	s.over, s.ended = true, true
}

func (c *centre) ids() []uint32 { return slices.Sorted(maps.Keys(c.monitors)) }

func removal(r *monitorsv1.Removal) *monitorsv1.WatchAssignmentsResponse {
	return &monitorsv1.WatchAssignmentsResponse{Step: &monitorsv1.WatchAssignmentsResponse_Removal{Removal: r}}
}

func (s *centreSession) send(m *monitorsv1.WatchAssignmentsResponse) {
	if s.out != nil {
		s.out <- m
	}
}

// best is who should hold a monitor. The lock is held.
func (c *centre) best(id uint32) *centreSession {
	var best *centreSession
	weight := func(s *centreSession) uint64 {
		h := uint64(id) << 32
		for _, b := range []byte(s.prober) {
			h = schedule.Mix(h ^ uint64(b))
		}
		return h
	}
	for _, s := range c.sessions {
		if !s.over && (best == nil || cmp.Compare(weight(s), weight(best)) > 0) {
			best = s
		}
	}
	return best
}

// place gives monitors to those who should hold them. The lock is held.
func (c *centre) place() {
	alive := 0
	for _, s := range c.sessions {
		if !s.over {
			alive++
		}
	}
	for _, id := range c.ids() {
		m, best := c.monitors[id], c.best(id)
		if h := c.sessions[m.holder]; best != nil && h != nil && h.over {
			c.lose(h, m)
		}
		switch {
		case best == nil || m.holder == best.prober:
		case m.holder != "":
			if h := c.sessions[m.holder]; !h.over && !h.sole {
				h.send(removal(&monitorsv1.Removal{MonitorId: id, Epoch: m.assignment.GetEpoch(), Release: true}))
			}
		default:
			c.epoch++
			a := proto3(m.assignment)
			a.Epoch, a.AccountFrom = c.epoch, nil
			if !m.from.IsZero() {
				a.AccountFrom = stamp(m.from)
			}
			m.assignment, m.holder = a, best.prober
			best.send(assigned(a))
		}
	}
}

func (c *centre) lease(s *centreSession) *monitorsv1.Lease {
	s.beat = time.Now()
	s.until = later(s.until, time.Now().Add(centreTTL))
	s.sole = c.sole && len(c.sessions) == 1
	return &monitorsv1.Lease{
		Epoch: s.epoch, TtlMs: uint32(centreTTL.Milliseconds()), ValidUntil: stamp(s.until), Sole: s.sole, Now: stamp(time.Now()),
	}
}

var errEnded = fault.Aborted("another session has begun").Because(sessionEnded)

// enter is the session of a prober that opens a stream; nil while an older one may still live. The lock is held.
func (c *centre) enter(req *monitorsv1.WatchAssignmentsRequest) (*centreSession, error) {
	old := c.sessions[req.GetProberId()]
	switch {
	case old != nil && old.name == req.GetSession():
		if old.ended {
			return nil, errEnded
		}
		old.over = false
		return old, nil
	case old != nil && !old.over && old.name != req.GetPreviousSession():
		return nil, nil
	}
	c.epoch++
	s := &centreSession{prober: req.GetProberId(), name: req.GetSession(), epoch: c.epoch, durable: req.GetDurable()}
	if old != nil {
		s.lost = old.lost
		old.over, old.ended = true, true
	}
	c.sessions[s.prober] = s
	return s, nil
}

func (c *centre) WatchAssignments(req *monitorsv1.WatchAssignmentsRequest, stream monitorsv1.AssignmentsService_WatchAssignmentsServer) error {
	var s *centreSession
	for s == nil {
		c.mu.Lock()
		var err error
		if s, err = c.enter(req); err != nil {
			c.mu.Unlock()
			return err
		}
		if s == nil {
			c.mu.Unlock()
			pass(100 * time.Millisecond)
			if stream.Context().Err() != nil {
				return stream.Context().Err()
			}
		}
	}
	out := make(chan *monitorsv1.WatchAssignmentsResponse, 100_000)
	s.out = out
	s.send(&monitorsv1.WatchAssignmentsResponse{Step: &monitorsv1.WatchAssignmentsResponse_Lease{Lease: c.lease(s)}})
	for _, l := range s.lost {
		if l.heard == s.name {
			continue
		}
		if l.removal.GetUntil().AsTime().UnixMilli() > 0 {
			s.send(assigned(l.was))
		}
		s.send(removal(l.removal))
	}
	var held []*monitorsv1.Assignment
	for _, m := range c.monitors {
		if m.holder == s.prober {
			held = append(held, m.assignment)
		}
	}
	slices.SortFunc(held, func(a, b *monitorsv1.Assignment) int { return cmp.Compare(a.GetEpoch(), b.GetEpoch()) })
	for _, a := range held {
		s.send(assigned(a))
	}
	s.send(complete)
	c.place()
	c.mu.Unlock()
	for {
		select {
		case m := <-out:
			if err := stream.Send(m); err != nil {
				return err
			}
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

func (c *centre) RenewLease(_ context.Context, req *monitorsv1.RenewLeaseRequest) (*monitorsv1.RenewLeaseResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sessions[req.GetProberId()]
	if s == nil || s.name != req.GetSession() || s.ended {
		return nil, errEnded
	}
	s.over = false
	for _, r := range req.GetReleased() {
		if m := c.monitors[r.GetMonitorId()]; m.holder == s.prober && m.assignment.GetEpoch() == r.GetEpoch() {
			if r.GetUntil() == nil {
				c.faults = append(c.faults, "a release without a word of when")
			}
			m.holder, m.from = "", latestOf(r.GetUntil().AsTime(), m.assignment)
		}
	}
	if req.GetLeaving() {
		s.sole, s.heard = false, req.GetHeardEpoch()
		c.left(s, req.GetLeftAt().AsTime())
		c.place()
		return &monitorsv1.RenewLeaseResponse{Lease: &monitorsv1.Lease{}}, nil
	}
	for _, l := range s.lost {
		if req.GetHeardEpoch() >= s.epoch {
			l.heard = s.name
		}
	}
	lease := c.lease(s)
	c.place()
	return &monitorsv1.RenewLeaseResponse{Lease: lease}, nil
}

func proto3(a *monitorsv1.Assignment) *monitorsv1.Assignment {
	return &monitorsv1.Assignment{
		Spec: a.GetSpec(), IntervalSeconds: a.GetIntervalSeconds(), ConfirmDown: a.GetConfirmDown(), RetryIntervalSeconds: a.GetRetryIntervalSeconds(),
		Overlap: a.GetOverlap(), ActiveSince: a.GetActiveSince(), Epoch: a.GetEpoch(), AccountFrom: a.GetAccountFrom(),
	}
}
