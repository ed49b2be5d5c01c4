package monitors

import (
	"context"
	"slices"
	"sync"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

// A monitor goes to the prober that rendezvous hashing gives it to: each draws a number for each monitor, and the greatest
// wins. When one comes or goes, only what it wins or held moves.

const (
	candidatesPerPage = 5000
	// cursorSlack is how far a region's stored cursor may be behind, if nothing in the region has changed: many regions need
	// not be written for a monitor that concerns one.
	cursorSlack = 1000
)

// placers let one goroutine at a time of this process place in a region; the store does it for all processes.
type placers struct {
	mu  sync.Mutex
	all map[string]*placer
}

type placer struct {
	turn chan struct{}

	mu     sync.Mutex
	asked  uint64 // requests to place
	served uint64 // of which so many are fulfilled
	cursor int64  // changes of monitors up to this one are placed
}

func (ps *placers) of(region string) *placer {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := ps.all[region]
	if p == nil {
		if ps.all == nil {
			ps.all = map[string]*placer{}
		}
		p = &placer{turn: make(chan struct{}, 1)}
		ps.all[region] = p
	}
	return p
}

func (p *placer) seen() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cursor
}

// place brings a region up to date with every change that was committed before the call. Calls that wait for one that runs
// are fulfilled together.
func (s *Service) place(ctx context.Context, region string) error {
	p := s.placers.of(region)
	p.mu.Lock()
	p.asked++
	ticket := p.asked
	p.mu.Unlock()
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	p.mu.Lock()
	upTo, cursor, served := p.asked, p.cursor, p.served >= ticket
	p.mu.Unlock()
	if served {
		return nil
	}
	cursor, err := s.settle(ctx, region, cursor)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.served, p.cursor = upTo, max(p.cursor, cursor)
	return nil
}

// settle places until nothing is left to do, and returns how far it knows that.
func (s *Service) settle(ctx context.Context, region string, cursor int64) (int64, error) {
	for {
		all, err := s.store.Placements(ctx)
		if err != nil {
			return cursor, err
		}
		i := slices.IndexFunc(all, func(p Placement) bool { return p.Region == region })
		if i < 0 || all[i].Settled(cursor) {
			return cursor, nil
		}
		at := max(cursor, all[i].Cursor)
		w := sweep{service: s, region: region, from: at, whole: all[i].Placed != all[i].Members, members: all[i].Members}
		if w.whole {
			w.from = 0
		}
		for !w.done {
			if err := s.store.Place(ctx, region, func(tx PlaceTx) error { return w.step(ctx, tx) }); err != nil {
				return cursor, err
			}
			if w.next.changed {
				s.changed.fire()
			}
			w.from, w.done = w.next.from, w.next.last
		}
		cursor = max(cursor, w.from)
	}
}

// sweep places page by page, a transaction each: the lock is never held for long.
type sweep struct {
	service *Service
	region  string
	from    int64 // monitors up to this change are placed
	whole   bool  // all are looked at, because the probers have changed
	members int64
	done    bool
	next    stepped // what the transaction has come to; it may be run twice
}

type stepped struct {
	from    int64
	last    bool
	changed bool
}

func (w *sweep) step(ctx context.Context, tx PlaceTx) error {
	at := tx.Placement()
	sessions, err := tx.Sessions(ctx)
	if err != nil {
		return err
	}
	cs, err := tx.Candidates(ctx, w.from, candidatesPerPage)
	if err != nil {
		return err
	}
	p := newPlan(at, sessions, w.service.clock.now(), w.service.ttl)
	for _, c := range cs {
		p.decide(c)
	}
	w.next = stepped{from: w.from, last: len(cs) < candidatesPerPage, changed: p.changed()}
	if n := len(cs); n > 0 {
		w.next.from = cs[n-1].Rev
	}
	if w.next.last {
		w.next.from = max(w.next.from, at.MonitorsRev)
	}
	return p.store(ctx, tx, func() (Placement, bool) { return w.settled(at) })
}

// settled is how far at has come with this step; false if that need not be stored.
func (w *sweep) settled(at Placement) (Placement, bool) {
	if w.whole && !w.next.last {
		return at, w.next.changed
	}
	need := w.next.changed || w.next.from > at.Cursor+cursorSlack || at.Cursor == 0
	at.Cursor = max(at.Cursor, w.next.from)
	if w.whole && w.next.last {
		need, at.Placed = true, w.members
	}
	return at, need
}

// release hands over what a prober has given up.
func (s *Service) release(ctx context.Context, by Session, released []*monitorsv1.Released) error {
	given := make(map[uint32]*monitorsv1.Released, len(released))
	ids := make([]uint32, 0, len(released))
	for _, r := range released {
		given[r.GetMonitorId()] = r
		ids = append(ids, r.GetMonitorId())
	}
	changed := false
	err := s.store.Place(ctx, by.Region, func(tx PlaceTx) error {
		sessions, err := tx.Sessions(ctx)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(sessions, func(x Session) bool { return x.ProberID == by.ProberID && x.Name == by.Name && x.Live() }) {
			return ErrSessionEnded // meanwhile
		}
		cs, err := tx.CandidatesByID(ctx, ids)
		if err != nil {
			return err
		}
		p := newPlan(tx.Placement(), sessions, s.clock.now(), s.ttl)
		for _, c := range cs {
			if r := given[c.MonitorID]; c.Assigned.Holder == by.ProberID && uint64(c.Assigned.Epoch) == r.GetEpoch() {
				p.released(c, r)
			}
		}
		changed = p.changed()
		return p.store(ctx, tx, func() (Placement, bool) { return tx.Placement(), changed })
	})
	if err == nil && changed {
		s.changed.fire()
	}
	return err
}
