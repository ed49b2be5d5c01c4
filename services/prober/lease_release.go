package prober

import (
	"time"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

const (
	// releaseLinger is how long a confirmation waits for others: what moves to a new prober moves by the hundred.
	releaseLinger = 5 * time.Millisecond
	maxReleased   = 10_000 // in one renewal
	// ripeWait bounds how long a confirmation waits for the rows that it speaks of to be stored, and ripeEvery is how often that
	// is looked at. It leaves the next holder time for the slot that is due meanwhile.
	ripeWait  = handGrace / 2
	ripeEvery = 10 * time.Millisecond
)

// ripening is a confirmation that waits for the rows that it speaks of.
type ripening struct {
	over   func() bool // the checks that were begun have ended; nil: none has to
	stored uint64      // sequence number up to which rows have to be stored after that
	by     time.Time
}

// confirm tells the centre that a monitor is not run here any more, until it has heard. What dies with this process would be
// accounted for by nobody: a check that was begun ends first, for which over is asked unless it is nil, and without a folder
// the rows are stored first, if that does not take long.
func (k *keeper) confirm(r *monitorsv1.Released, over func() bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	id := r.GetMonitorId()
	k.released[id] = r
	delete(k.unripe, id)
	w := &ripening{over: over, by: time.Now().Add(ripeWait)}
	if over == nil {
		w.stored = k.written()
	}
	if k.ripe(w) {
		k.hasten()
	} else {
		k.unripe[id] = w
	}
	k.wake()
}

// written is the sequence number of the last row, as far as its being stored has to be waited for.
func (k *keeper) written() uint64 {
	if k.durable {
		return 0
	}
	return k.engine.outbox.Stored() + uint64(k.engine.outbox.Pending())
}

// ripe reports whether a confirmation has waited for long enough. The lock is held.
func (k *keeper) ripe(w *ripening) bool {
	if w.over != nil && w.over() {
		w.over, w.stored = nil, k.written()
	}
	return w.over == nil && k.engine.outbox.Stored() >= w.stored || !time.Now().Before(w.by)
}

// hasten has the next renewal sent soon. The lock is held.
func (k *keeper) hasten() {
	if soon := time.Now().Add(releaseLinger); soon.Before(k.next) {
		k.next = soon
	}
}

// due finds out which confirmations need not wait any more, and reports whether the lease is to be renewed now.
func (k *keeper) due() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, w := range k.unripe {
		if k.ripe(w) {
			delete(k.unripe, id)
			k.hasten()
		}
	}
	return !time.Now().Before(k.next)
}

// request is the next renewal, or the last, but for the report. The lock is held.
func (k *keeper) request(leaving bool) *monitorsv1.RenewLeaseRequest {
	req := &monitorsv1.RenewLeaseRequest{ProberId: k.id, Session: k.session}
	if k.whole {
		req.HeardEpoch = max(k.newest, k.lease.GetEpoch())
	}
	for id, r := range k.released {
		if len(req.Released) == maxReleased {
			break
		}
		if _, waits := k.unripe[id]; !waits || leaving {
			req.Released = append(req.Released, r)
		}
	}
	return req
}

// heard forgets what the centre has been told.
func (k *keeper) heard(req *monitorsv1.RenewLeaseRequest) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range req.GetReleased() {
		if k.released[r.GetMonitorId()] == r {
			delete(k.released, r.GetMonitorId())
		}
	}
}
