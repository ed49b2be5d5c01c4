package prober

import (
	"context"
	"net"
	"slices"
	"time"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/services/prober/schedule"
)

const (
	// historyWait is how long a prober that has its assignments waits to learn what is stored already. Checking matters more
	// than an exact account of the time before.
	historyWait = 10 * time.Second
	// centreWait is how long a start waits for the centre, if nobody else can have taken over.
	centreWait = time.Second
	// uplinkWait is how long a prober that started without the centre keeps its results to itself, so that it can still be told
	// which were the last ones before.
	uplinkWait = time.Minute
	// lookUpWait bounds the question after monitors that come later.
	lookUpWait = 2 * time.Second
	// newFor is how long ago a monitor may have been created that needs no question.
	newFor = time.Second
)

// staleAfter is how old what is stored may be when the lease comes, which may wait for an older session to be over.
const staleAfter = 500 * time.Millisecond

// past is what is known of the time before this prober started.
type past struct {
	asked    time.Time           // before stored was; zero if it is not known
	stored   map[uint32]lastSlot // by the centre
	recalled map[uint32]Recalled // by the outbox: on the way to the centre
	owed     map[uint32]int64    // monitors that began with nothing known, and when, in milliseconds since 1970
}

// before is the last slot of a monitor before the start; nil if none is known.
func (p *past) before(id uint32, a *monitorsv1.Assignment) *lastSlot {
	if p == nil {
		return nil
	}
	var last *lastSlot
	if stored, ok := p.stored[id]; ok {
		last = &stored
	}
	r, ok := p.recalled[id]
	if !ok {
		return last
	}
	at := r.end(func() schedule.Schedule { return scheduleOf(a) })
	if last != nil && !at.After(last.at) {
		return last
	}
	mine := &lastSlot{at: at, failures: r.Failures}
	if last != nil && !r.Broken {
		mine.failures += last.failures
	}
	return mine
}

// end is the last slot that a recalled row covers.
func (r Recalled) end(of func() schedule.Schedule) time.Time {
	if r.Missed <= 1 {
		return r.Slot
	}
	if r.Next.After(r.Slot) {
		return r.Next.Add(-time.Millisecond)
	}
	slots, at := of(), r.Slot
	for range r.Missed - 1 {
		next := slots.Next(at)
		if next.IsZero() {
			break
		}
		at = next
	}
	return at
}

// scheduleOf is what a is run by.
func scheduleOf(a *monitorsv1.Assignment) schedule.Schedule {
	var p plan
	_ = p.follow(a) // one that cannot be followed is a grid
	return p.schedule
}

// restore takes over what a former process left.
func (f *follower) restore() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.past.recalled = f.engine.outbox.Recall()
	f.spooled = f.engine.outbox.Stored() + uint64(f.engine.outbox.Pending())
	for id, a := range f.was.assignments {
		h, err := f.engine.holdingOf(a, max(a.GetEpoch(), f.was.lease.GetEpoch()))
		if err != nil {
			f.log.Error("a cached assignment cannot be told in a row", "monitor_id", id, "error", err)
			continue
		}
		f.parked[id] = h
	}
}

// holdingOf is the holding of a monitor that this process has not run.
func (g *engine) holdingOf(a *monitorsv1.Assignment, epoch uint64) (*holding, error) {
	p := &plan{held: a.GetEpoch(), epoch: epoch}
	if err := p.follow(a); err != nil {
		g.log.Warn("schedule cannot be followed", "monitor_id", a.GetSpec().GetMonitorId(), "error", err)
	}
	var err error
	p.row, err = g.rowOf(a.GetSpec(), epoch)
	h := &holding{plan: p}
	for _, from := range []interface{ AsTime() time.Time }{a.GetActiveSince(), a.GetAccountFrom()} {
		h.from = max(h.from, from.AsTime().UnixMilli()) // of none it is 1970
	}
	return h, err
}

// remember keeps what the next process needs in a folder, and reads what the one before has left.
func (f *follower) remember(dir string) error {
	c, was, err := openCache(dir, f.log)
	if err != nil {
		return err
	}
	f.cache, f.was = c, was
	f.alone = was.lease.GetSole() && len(was.assignments) > 0
	f.keeper.previous, f.keeper.opened = was.session, c.leased
	return nil
}

// leave gives everything that is held free once the engine takes no more slots, which it does in the end.
func (f *follower) leave(ctx context.Context) {
	at := <-f.engine.left // by then f is closed
	f.cache.left(at)
	f.keeper.leave(ctx, at)
}

// startAlone runs what a former process held, if nobody else could take it over and the centre does not answer.
func (f *follower) startAlone(ctx context.Context) {
	wait := time.NewTimer(centreWait)
	defer wait.Stop()
	select {
	case <-f.reached:
		return
	case <-ctx.Done():
		return
	case <-wait.C:
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-f.reached:
		return
	default:
	}
	f.log.Warn("the centre does not answer: this prober goes on with what it held, which nobody else can take over", "monitors", len(f.was.assignments))
	f.keeper.unleased()
	now := f.engine.now()
	f.past.owed = map[uint32]int64{}
	for id, a := range f.was.assignments {
		x := arrival{assignment: a, epoch: max(a.GetEpoch(), f.was.lease.GetEpoch()), known: f.past.before(id, a), handed: true}
		if x.known == nil {
			x.known = &lastSlot{at: now}
			f.past.owed[id] = now.UnixMilli()
		}
		f.engine.hold(x)
		delete(f.parked, id)
	}
}

// awaitPast returns when results may be sent. What the centre has stored must be what was there before, as long as a prober that
// started without it needs to know.
func (f *follower) awaitPast(ctx context.Context) {
	if !f.alone {
		return
	}
	wait := time.NewTimer(uplinkWait)
	defer wait.Stop()
	select {
	case <-f.learned:
	case <-wait.C:
	case <-ctx.Done():
	}
}

// learn reads the last stored slots of the region. It gives up some time after the centre has told what to check.
func (f *follower) learn(ctx context.Context) {
	defer close(f.learned)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		select {
		case <-f.reached:
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(historyWait):
		case <-ctx.Done():
		}
	}()
	retry(ctx, func() bool {
		asked := time.Now()
		stored, err := f.ask(ctx, nil)
		if err != nil {
			if ctx.Err() == nil {
				f.log.Warn("last slots unknown", "error", err)
			}
			return false
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.past.stored, f.past.asked = stored, asked
		f.payOwed()
		cancel()
		return true
	})
}

// ask reads the last stored slots of monitors; of all without ids.
func (f *follower) ask(ctx context.Context, ids []uint32) (map[uint32]lastSlot, error) {
	resp, err := f.recorder.ListLastSlots(ctx, &eventsv1.ListLastSlotsRequest{Region: f.request.GetRegion(), MonitorIds: ids})
	if err != nil {
		return nil, err
	}
	stored := make(map[uint32]lastSlot, len(resp.GetSlots()))
	for _, s := range resp.GetSlots() {
		stored[s.GetMonitorId()] = lastSlot{at: s.GetScheduledAt().AsTime(), failures: s.GetConsecutiveFailures()}
	}
	return stored, nil
}

// lookUp asks for the last slots of monitors that come after the start with nothing said of who held them. The lock is held.
func (f *follower) lookUp(ctx context.Context, w *stream, steps []*monitorsv1.WatchAssignmentsResponse) map[uint32]lastSlot {
	if !w.leased || f.past != nil && (f.request.GetDurable() || f.past.asked.IsZero() || time.Since(f.past.asked) < staleAfter) {
		return nil
	}
	var ids []uint32
	gone := map[uint32]bool{}
	for _, m := range steps {
		a := m.GetAssigned()
		id := a.GetSpec().GetMonitorId()
		if r := m.GetRemoval(); r != nil {
			gone[r.GetMonitorId()] = true // which may come back in the same breath
		}
		if a == nil || a.GetAccountFrom() != nil || f.parked[id] != nil && !gone[id] || f.engine.now().Sub(a.GetActiveSince().AsTime()) < newFor {
			continue
		}
		if _, held := f.engine.heldUnder(id); !held || gone[id] {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookUpWait)
	defer cancel()
	before, err := f.ask(ctx, ids)
	if err != nil {
		f.log.Warn("last slots unknown", "monitors", len(ids), "error", err)
	}
	return before
}

// payOwed accounts for the time before a start without the centre. The lock is held.
func (f *follower) payOwed() {
	for id, until := range f.past.owed {
		h, err := f.engine.holdingOf(f.was.assignments[id], max(f.was.assignments[id].GetEpoch(), f.was.lease.GetEpoch()))
		if err == nil {
			f.account(id, h, until)
		}
	}
	f.past.owed = nil
}

// settle accounts for a holding that is over. The lock is held.
func (f *follower) settle(id uint32, h *holding, r *monitorsv1.Removal) {
	switch {
	case r.GetRelease():
		until := min(f.engine.now().UnixMilli(), f.engine.fence.label())
		f.account(id, h, until)
		f.confirm(r, max(until, h.taken), nil)
	case r.GetUntil() != nil:
		f.account(id, h, r.GetUntil().AsTime().UnixMilli())
	default:
		f.came(id, h)
	}
}

// came remembers how far a holding came of which nothing was said but that it is over: it may come back before the centre has
// the last rows. The lock is held.
func (f *follower) came(id uint32, h *holding) {
	if h.taken != 0 && h.taken != endless {
		f.done[id] = max(f.done[id], h.taken)
	}
}

// account writes what is missing of a holding up to until. The lock is held.
func (f *follower) account(id uint32, h *holding, until int64) {
	if h.taken != 0 {
		f.engine.settleFor(id, h, until)
		return
	}
	h.taken = h.from
	owed := openAccount{key: holdingKey{id, h.plan.held}, holding: h, until: until, progress: f.was.progress}
	if f.past == nil {
		f.owe(owed)
		return
	}
	if r, ok := f.past.recalled[id]; ok {
		if end := r.end(func() schedule.Schedule { return h.plan.schedule }).UnixMilli(); end <= until {
			h.taken = max(h.taken, end)
		} else { // of a later holding: where the rows of this one end is known once all of them are stored
			owed.stored = f.spooled
		}
	}
	stored, ok := f.past.stored[id]
	if f.past.stored == nil || owed.stored != 0 || ok && stored.at.UnixMilli() > until {
		// The newest slot is of a later holding, or not known. Which was the last of this one has to be asked for.
		f.owe(owed)
		return
	}
	if ok {
		h.taken = max(h.taken, stored.at.UnixMilli()) // which this prober wrote: nobody else had it yet
	}
	f.engine.settleFor(id, h, until)
}

// capabilities are what this prober can check, and over what.
func capabilities() []string {
	can := []string{"http", "tcp", "tls"}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return append(can, "ipv4", "ipv6") // checks will tell
	}
	var four, six bool
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok || n.IP.IsLoopback() || n.IP.IsLinkLocalUnicast() {
			continue
		}
		four, six = four || n.IP.To4() != nil, six || n.IP.To4() == nil
	}
	if four || !six { // a machine without a network checks itself
		can = append(can, "ipv4")
	}
	if six {
		can = append(can, "ipv6")
	}
	return slices.Clip(can)
}
