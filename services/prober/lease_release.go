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
	stored uint64 // sequence number up to which they have to be stored
	by     time.Time
}

// confirm tells the centre that a monitor is not run here any more, until it has heard. Without a folder the rows that r speaks
// of would die with this process, and nobody would account for them again: they are stored first, if that does not take long.
func (k *keeper) confirm(r *monitorsv1.Released) {
	k.mu.Lock()
	defer k.mu.Unlock()
	id := r.GetMonitorId()
	k.released[id] = r
	delete(k.unripe, id)
	if box := k.engine.outbox; !k.durable && box.Pending() > 0 {
		k.unripe[id] = ripening{stored: box.Stored() + uint64(box.Pending()), by: time.Now().Add(ripeWait)}
	} else {
		k.hasten()
	}
	k.wake()
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
	stored, now := k.engine.outbox.Stored(), time.Now()
	for id, w := range k.unripe {
		if stored >= w.stored || !now.Before(w.by) {
			delete(k.unripe, id)
			k.hasten()
		}
	}
	return !now.Before(k.next)
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
