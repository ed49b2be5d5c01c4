package prober

import (
	"context"
	"time"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
)

// openAccount is a holding of a former process that another prober has taken over: up to until its slots are this one's, and
// the last that has a row is not known. The monitor stays in the cache until it is.
type openAccount struct {
	id       uint32
	holding  *holding
	until    int64     // milliseconds since 1970
	progress time.Time // of the former process; zero if it left none
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
		f.open = map[uint32]openAccount{}
	}
	f.open[o.id] = o
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
		for until, list := range f.openByEnd() {
			if err := f.settleAt(ctx, until, list); err != nil && ctx.Err() == nil {
				f.log.Warn("slots before a take-over are not accounted for yet", "monitors", len(list), "error", err)
				pause.Reset(settlePause)
			}
		}
	}
}

// openByEnd is what is open, by its end, in portions.
func (f *follower) openByEnd() map[int64][]openAccount {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[int64][]openAccount{}
	for _, o := range f.open {
		if len(out[o.until]) < maxAsked {
			out[o.until] = append(out[o.until], o)
		} else {
			select { // the others in the next round
			case f.owing <- struct{}{}:
			default:
			}
		}
	}
	return out
}

// settleAt settles accounts that end at until.
func (f *follower) settleAt(ctx context.Context, until int64, list []openAccount) error {
	ids := make([]uint32, len(list))
	for i, o := range list {
		ids[i] = o.id
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
		f.settleOne(o, last[o.id])
	}
	f.cache.hurry()
	return nil
}

// settleOne settles an account whose last slot with a row was due at last; 0 is none. The lock is held.
func (f *follower) settleOne(o openAccount, last int64) {
	if f.open[o.id].holding != o.holding {
		return // it was taken up again meanwhile
	}
	delete(f.open, o.id)
	switch {
	case last <= o.until:
		o.holding.taken = max(o.holding.taken, last)
	case !o.progress.IsZero(): // the centre does not know the question
		f.engine.settleDoubtful(o.id, o.holding, o.progress, o.until)
	}
	f.engine.settleFor(o.id, o.holding, o.until)
	if _, held := f.engine.heldUnder(o.id); !held {
		f.cache.drop(o.id)
	}
}
