package prober

import (
	"context"
	"time"
)

// A prober that nobody can take over from goes on when it cannot renew. That is true as long as the centre knows of no other: one
// that comes while this process stands still is given what it holds. So it goes on for a moment at a time, and one that finds out
// that it stood still hears the centre first, unless there is none to be heard.
//
// All of it are parts of the lease's time to live.
const (
	aloneEvery = 8 // how often it is looked whether this process runs
	aloneFor   = 2 // for how long it goes on after that
	aloneWait  = 1 // for how long one that stood still waits for the centre
)

// ttl is the lease's time to live. There is one, and the lock is held.
func (k *keeper) ttl() time.Duration { return time.Duration(k.lease.GetTtlMs()) * time.Millisecond }

// allowSole begins the term of one whom nobody can take over from. What it accounts for after that ends with what it has seen
// itself, so a term that is over already, because an answer came late, takes the place of none. The lock is held.
func (k *keeper) allowSole() {
	if until := k.soleUntil(); k.engine.fence.now() < until {
		k.engine.allow(&term{until: until, label: endless, past: k.engine.now().UnixMilli()})
	}
}

func (k *keeper) soleUntil() int64 { return max(k.until, k.alone+int64(k.ttl()/aloneFor)) }

// runAlone looks whether this process runs, until ctx ends.
func (k *keeper) runAlone(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(k.lookAgain())
		select {
		case <-timer.C:
			k.goOn()
		case <-k.lookAlone:
		case <-ctx.Done():
			return
		}
	}
}

// lookAgain is the time until the next look.
func (k *keeper) lookAgain() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.lease.GetSole() || k.waiting {
		return time.Hour
	}
	return max(k.ttl()/aloneEvery, time.Millisecond)
}

// goOn lets a prober that has no company go on, if it has been running all the time, or has waited for the centre in vain.
func (k *keeper) goOn() {
	now := k.engine.fence.now()
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.lease.GetSole() || k.waiting {
		return
	}
	switch {
	case now < k.soleUntil():
	case k.stalled == 0:
		k.stalled, k.next = now, time.Now()
		k.log.Warn("this prober stood still: it goes on when the centre has answered")
		k.wake()
		return
	case now-k.stalled < int64(k.ttl()/aloneWait):
		return
	}
	k.alone, k.stalled = now, 0
	k.move()
}
