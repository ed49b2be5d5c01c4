package monitors

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Run watches the sessions of probers, places monitors when something has changed, and tells the operator of trouble, until
// ctx ends. Every replica runs it; they need not know of each other.
func (s *Service) Run(ctx context.Context) error {
	var all sync.WaitGroup
	all.Go(func() { newLeaseWatch(s).run(ctx) })
	all.Go(func() { s.keepPlaced(ctx) })
	if s.notices != nil {
		all.Go(func() { newNoticer(s).run(ctx) })
	}
	all.Wait()
	return nil
}

func isEnded(err error) bool { return errors.Is(err, ErrSessionEnded) }

// sessionView is what this replica saw of the sessions last.
type sessionView struct {
	mu  sync.Mutex
	all map[string]Session // by prober; nil: nothing was seen
}

func (v *sessionView) of(proberID string) (Session, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s, known := v.all[proberID]
	return s, known
}

func (v *sessionView) set(sessions []Session) {
	all := make(map[string]Session, len(sessions))
	for _, s := range sessions {
		all[s.ProberID] = s
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.all = all
}

// leaseWatch finds out which sessions are over: those whose beat has stood still for the time to live while this replica
// looked, by its monotonic clock. What it did not see does not count: after a time in which the store could not be read, or
// nothing could be written to it, every session has all of its time again.
type leaseWatch struct {
	service *Service
	began   time.Time            // the monotonic clock's zero
	last    time.Duration        // end of the last look that succeeded; 0: there was none
	since   map[string]stillness // by prober
}

// stillness is a beat, and since when it has not changed.
type stillness struct {
	name string
	beat int64
	at   time.Duration
}

func newLeaseWatch(s *Service) *leaseWatch {
	return &leaseWatch{service: s, began: time.Now(), since: map[string]stillness{}}
}

func (w *leaseWatch) run(ctx context.Context) {
	tick := time.NewTicker(w.service.pollEvery())
	defer tick.Stop()
	for ctx.Err() == nil {
		w.look(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// blind is the time between two looks from which on one has not watched.
func (w *leaseWatch) blind() time.Duration { return w.service.ttl / 3 }

func (w *leaseWatch) look(ctx context.Context) {
	s := w.service
	ctx, cancel := context.WithTimeout(ctx, s.ttl)
	defer cancel()
	start := time.Since(w.began)
	sessions, err := s.store.Sessions(ctx)
	end := time.Since(w.began)
	if err != nil {
		if ctx.Err() == nil {
			s.log.WarnContext(ctx, "sessions of probers cannot be read", "error", err.Error())
		}
		return
	}
	s.sessions.set(sessions)
	if end-start > w.blind() || start-w.last > w.blind() {
		clear(w.since)
	}
	w.last = end
	w.judge(ctx, sessions, start, end)
}

// judge ends sessions whose beat has stood still for too long between moments that were seen.
func (w *leaseWatch) judge(ctx context.Context, sessions []Session, start, end time.Duration) {
	ttl := w.service.ttl
	over := make([]Session, 0, 1)
	suspects, known := false, make(map[string]stillness, len(sessions))
	for _, x := range sessions {
		if x.State != SessionLive && x.State != SessionOver {
			continue
		}
		if x.Marked {
			w.end(ctx, x, SessionRemoved)
			continue
		}
		if x.State == SessionOver {
			continue
		}
		still, same := w.since[x.ProberID]
		if !same || still.name != x.Name || still.beat != x.Beat {
			still = stillness{name: x.Name, beat: x.Beat, at: end}
		}
		known[x.ProberID] = still
		suspects = suspects || start-still.at >= ttl/2
		if start-still.at >= ttl+ttl/20 { // clocks do not run alike
			over = append(over, x)
		}
	}
	w.since = known
	if suspects && !w.writable(ctx) {
		clear(w.since)
		return
	}
	for _, x := range over {
		w.end(ctx, x, SessionOver)
	}
}

// writable reports whether renewals could have been stored: a beat that stands still because nothing can be written is
// nobody's death.
func (w *leaseWatch) writable(ctx context.Context) bool {
	start := time.Since(w.began)
	err := w.service.store.Probe(ctx)
	w.last = time.Since(w.began)
	if err != nil && ctx.Err() == nil {
		w.service.log.WarnContext(ctx, "signs of life of probers cannot be stored", "error", err.Error())
	}
	return err == nil && w.last-start <= w.blind()
}

func (w *leaseWatch) end(ctx context.Context, x Session, state SessionState) {
	s := w.service
	ended, err := s.store.EndSession(ctx, Ending{ProberID: x.ProberID, Name: x.Name, Beat: x.Beat, State: state})
	if err != nil {
		s.log.WarnContext(ctx, "the end of a prober's session is not stored", "prober_id", x.ProberID, "error", err.Error())
		return
	}
	if ended {
		s.log.WarnContext(ctx, "prober's session is over", "prober_id", x.ProberID, "region", x.Region, "state", string(state))
		s.changed.fire()
	}
}

// keepPlaced places every region when something has changed, and wakes the streams when another replica has changed something.
func (s *Service) keepPlaced(ctx context.Context) {
	tick := time.NewTicker(s.pollEvery())
	defer tick.Stop()
	seen := map[string]Placement{}
	for ctx.Err() == nil {
		more := s.changed.wait()
		if err := s.placeAll(ctx, seen); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "monitors cannot be placed", "error", err.Error())
		}
		select {
		case <-more:
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// placeAll places what is to be placed. seen is what regions were like the time before.
func (s *Service) placeAll(ctx context.Context, seen map[string]Placement) error {
	all, err := s.store.Placements(ctx)
	if err != nil {
		return err
	}
	news, wishes := false, false
	for _, p := range all {
		before, known := seen[p.Region]
		wishes = wishes || known && before.Asked != p.Asked
		news = news || known && (before.Rev != p.Rev || before.MonitorsRev != p.MonitorsRev || before.Members != p.Members)
		seen[p.Region] = p
		if !p.Settled(s.placers.of(p.Region).seen()) {
			if err := s.place(ctx, p.Region); err != nil {
				return err
			}
		}
	}
	if news {
		s.changed.fire()
	}
	if wishes {
		s.asked.fire()
	}
	return nil
}
