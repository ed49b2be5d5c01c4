package prober

import (
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

func (f *follower) lease(w *stream, l *monitorsv1.Lease) {
	w.leased, w.told = true, true
	f.keeper.granted(w.session, l, w.sent, true)
}

// step follows one step of a stream. The lock is held.
func (f *follower) step(w *stream, m *monitorsv1.WatchAssignmentsResponse, before map[uint32]lastSlot) {
	switch step := m.GetStep().(type) {
	case *monitorsv1.WatchAssignmentsResponse_Lease:
		f.lease(w, step.Lease)
	case *monitorsv1.WatchAssignmentsResponse_Assigned:
		f.unleased(w)
		f.assigned(w, step.Assigned, before)
	case *monitorsv1.WatchAssignmentsResponse_RemovedMonitorId:
		f.removed(w, &monitorsv1.Removal{MonitorId: step.RemovedMonitorId})
	case *monitorsv1.WatchAssignmentsResponse_Removal:
		f.removed(w, step.Removal)
	case *monitorsv1.WatchAssignmentsResponse_SnapshotComplete:
		f.unleased(w)
		f.complete(w)
	case *monitorsv1.WatchAssignmentsResponse_Recheck:
		f.engine.recheck(step.Recheck.GetMonitorId(), step.Recheck.GetEpoch())
	}
}

// unleased finds out that the centre knows of no leases: it would have sent one before this. The lock is held.
func (f *follower) unleased(w *stream) {
	if !w.told {
		w.told = true
		f.keeper.unleased()
	}
}

// assigned takes a monitor that is new, has changed, or is told again. The lock is held.
func (f *follower) assigned(w *stream, a *monitorsv1.Assignment, before map[uint32]lastSlot) {
	id := a.GetSpec().GetMonitorId()
	if done := f.released[id]; done != nil && a.GetEpoch() != 0 && a.GetEpoch() <= done.GetEpoch() {
		return // it was on its way when this holding was given up, which is for good
	}
	if w.snapshot != nil {
		w.snapshot[id] = true
	}
	x := arrival{assignment: a, fresh: f.synced}
	if w.leased {
		x.epoch = max(a.GetEpoch(), f.keeper.epoch())
	}
	if _, held := f.engine.heldUnder(id); !held {
		x.known, x.handed = f.history(a, before)
	}
	if former := f.engine.hold(x); former != nil {
		f.parked[id] = former
	}
	f.keeper.hear(a.GetEpoch())
	delete(f.released, id)
	f.cache.put(a)
}

// history is up to where a monitor that is not held is accounted for, as far as that is known; handed says that another
// prober has held it. The lock is held.
func (f *follower) history(a *monitorsv1.Assignment, before map[uint32]lastSlot) (known *lastSlot, handed bool) {
	id := a.GetSpec().GetMonitorId()
	from := a.GetAccountFrom()
	if last, ok := before[id]; ok {
		known = &last
	}
	if last := f.past.before(id, a); last != nil && (known == nil || last.at.After(known.at)) {
		known = last
	}
	if done, ok := f.done[id]; ok && (known == nil || done > known.at.UnixMilli()) {
		known = &lastSlot{at: instant(done)} // which may not be stored yet
	}
	delete(f.done, id)
	if h := f.parked[id]; h != nil && (from == nil || h.plan.held == a.GetEpoch()) {
		delete(f.parked, id) // it goes on
		if h.taken != 0 {
			known = &lastSlot{at: instant(h.taken), failures: h.failures}
		}
	}
	if from == nil {
		return known, false
	}
	if known == nil || from.AsTime().After(known.at) {
		known = &lastSlot{at: from.AsTime()}
	}
	return known, true
}

// removed gives a monitor up. The lock is held.
func (f *follower) removed(w *stream, r *monitorsv1.Removal) {
	id := r.GetMonitorId()
	if r.GetUntil() != nil {
		f.settled[holdingKey{id, r.GetEpoch()}] = true
	}
	if epoch, held := f.engine.heldUnder(id); held && (r.GetEpoch() == 0 || r.GetEpoch() >= epoch) {
		f.giveUp(r)
		delete(w.snapshot, id)
		delete(f.parked, id)
		f.cache.drop(id)
		return
	}
	if h := f.parked[id]; h != nil && (r.GetEpoch() == 0 || r.GetEpoch() >= h.plan.held) {
		delete(f.parked, id)
		f.settle(id, h, r)
	} else if r.GetRelease() {
		f.keeper.confirm(f.again(r), nil)
	}
	if !w.snapshot[id] && f.parked[id] == nil {
		f.cache.drop(id)
	}
}

// giveUp stops a monitor that is run. The lock is held.
func (f *follower) giveUp(r *monitorsv1.Removal) {
	id := r.GetMonitorId()
	switch {
	case r.GetRelease():
		until, over := f.engine.release(id)
		f.done[id] = until
		f.confirm(r, until, over)
	case r.GetUntil() != nil:
		until := r.GetUntil().AsTime().UnixMilli()
		f.engine.end(id, until)
		f.done[id] = until
	default:
		f.engine.remove(id)
	}
}

func (f *follower) confirm(r *monitorsv1.Removal, until int64, over func() bool) {
	done := &monitorsv1.Released{MonitorId: r.GetMonitorId(), Epoch: r.GetEpoch(), Until: stampOf(until)}
	f.released[r.GetMonitorId()] = done
	f.keeper.confirm(done, over)
}

// again is the confirmation of what is not run here: as it was given before, or without a word of when. The lock is held.
func (f *follower) again(r *monitorsv1.Removal) *monitorsv1.Released {
	if done := f.released[r.GetMonitorId()]; done != nil && done.GetEpoch() == r.GetEpoch() {
		return done
	}
	return &monitorsv1.Released{MonitorId: r.GetMonitorId(), Epoch: r.GetEpoch()}
}

// complete ends a snapshot. The lock is held.
func (f *follower) complete(w *stream) {
	if w.snapshot != nil {
		f.engine.retain(w.snapshot)
		f.cache.retain(w.snapshot)
		clear(f.parked) // nobody asks for them
	}
	w.snapshot, f.synced = nil, true
	f.keeper.synced(w.opening)
	f.log.Info("assignments in step", "monitors", f.engine.size())
}
