package prober

import (
	"context"
	"time"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

// holdingKey is a holding: an epoch is given once.
type holdingKey struct {
	id    uint32
	epoch uint64
}

// openAccount is a holding of a former process that another prober has taken over: up to until its slots are this one's, and
// the last that has a row is not known. A process that dies before it is leaves it to the next, which is told of it again.
type openAccount struct {
	key      holdingKey
	holding  *holding
	until    int64     // milliseconds since 1970
	progress time.Time // of the former process; zero if it left none
	stored   uint64    // what the former process left in the spool ends here, and has to be stored before the question; 0: it need not
}

// isLoss reports whether a holding that is assigned is over with the next step: somebody else has taken over meanwhile.
func isLoss(a *monitorsv1.Assignment, next []*monitorsv1.WatchAssignmentsResponse) bool {
	if a == nil || len(next) == 0 {
		return false
	}
	r := next[0].GetRemoval()
	return r.GetUntil() != nil && r.GetMonitorId() == a.GetSpec().GetMonitorId() && r.GetEpoch() == a.GetEpoch()
}

// lose accounts for a holding that is over, of which this prober may never have heard. What was given to a process before this
// one may have rows; what was given to this process has those that it knows of. The lock is held.
func (f *follower) lose(w *stream, a *monitorsv1.Assignment, r *monitorsv1.Removal) {
	id, epoch := a.GetSpec().GetMonitorId(), a.GetEpoch()
	if f.settled[holdingKey{id, epoch}] || !w.leased {
		return // it is told until the centre knows that it was heard
	}
	if held, ok := f.engine.heldUnder(id); ok && held == epoch {
		f.removed(w, r)
		return
	}
	h := f.parked[id]
	if h != nil && h.plan.held == epoch {
		f.removed(w, r)
		return
	}
	h, err := f.engine.holdingOf(a, max(epoch, f.keeper.epoch()))
	if err != nil {
		f.log.Error("a holding that is over cannot be told in a row", "monitor_id", id, "error", err)
		return
	}
	if f.keeper.ours(epoch) {
		h.taken = max(h.from, f.done[id])
	}
	f.settled[holdingKey{id, epoch}] = true
	f.settle(id, h, r)
}

const (
	// settlePause is how long after a question that was not answered it is asked again.
	settlePause = 2 * time.Second
	// settleWait bounds one question.
	settleWait = 10 * time.Second
	// maxAsked is how many monitors one question may be about.
	maxAsked = 1000
)

// owe notes an account that is open. The lock is held.
func (f *follower) owe(o openAccount) {
	if f.open == nil {
		f.open = map[holdingKey]openAccount{}
	}
	f.open[o.key] = o
	select {
	case f.owing <- struct{}{}:
	default:
	}
}

// settleOpen asks for what is needed to settle open accounts, until it is told.
func (f *follower) settleOpen(ctx context.Context) {
	pause := time.NewTimer(time.Hour)
	defer pause.Stop()
	for {
		select {
		case <-f.owing:
		case <-pause.C:
		case <-ctx.Done():
			return
		}
		list, waits := f.openByEnd()
		if waits {
			pause.Reset(settlePause)
		}
		for until, list := range list {
			if err := f.settleAt(ctx, until, list); err != nil && ctx.Err() == nil {
				f.log.Warn("slots before a take-over are not accounted for yet", "monitors", len(list), "error", err)
				pause.Reset(settlePause)
			}
		}
	}
}

// openByEnd is what is open and can be asked for, by its end, in portions; waits says that something cannot yet.
func (f *follower) openByEnd() (out map[int64][]openAccount, waits bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out = map[int64][]openAccount{}
	stored := f.engine.outbox.Stored()
	for _, o := range f.open {
		if o.stored > stored {
			waits = true
			continue
		}
		if len(out[o.until]) < maxAsked {
			out[o.until] = append(out[o.until], o)
		} else {
			select { // the others in the next round
			case f.owing <- struct{}{}:
			default:
			}
		}
	}
	return out, waits
}

// settleAt settles accounts that end at until.
func (f *follower) settleAt(ctx context.Context, until int64, list []openAccount) error {
	ids := make([]uint32, len(list))
	for i, o := range list {
		ids[i] = o.key.id
	}
	ctx, cancel := context.WithTimeout(ctx, settleWait)
	defer cancel()
	resp, err := f.recorder.ListLastSlots(ctx, &eventsv1.ListLastSlotsRequest{Region: f.request.GetRegion(), MonitorIds: ids, Until: stampOf(until)})
	if err != nil {
		return err
	}
	last := make(map[uint32]int64, len(resp.GetSlots()))
	for _, s := range resp.GetSlots() {
		last[s.GetMonitorId()] = s.GetScheduledAt().AsTime().UnixMilli()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range list {
		f.settleOne(o, last[o.key.id])
	}
	f.cache.hurry()
	return nil
}

// settleOne settles an account whose last slot with a row was due at last; 0 is none. The lock is held.
func (f *follower) settleOne(o openAccount, last int64) {
	delete(f.open, o.key)
	switch {
	case last <= o.until:
		o.holding.taken = max(o.holding.taken, last)
	case !o.progress.IsZero(): // the centre does not know the question
		f.engine.settleDoubtful(o.key.id, o.holding, o.progress, o.until)
	}
	f.engine.settleFor(o.key.id, o.holding, o.until)
}
