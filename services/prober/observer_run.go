package prober

import (
	"context"
	"sync"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
)

// start watches until stop is called.
func (o *observer) start() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { o.run(ctx, running.Go) })
	return func() {
		cancel()
		running.Wait()
	}
}

func (o *observer) run(ctx context.Context, running func(func())) {
	timer := time.NewTimer(watchEvery)
	defer timer.Stop()
	seen := 0
	before := reading{time.Now(), o.boot()}
	for ctx.Err() == nil {
		now := time.Now()
		if now.Sub(before.at) >= watchEvery {
			before = o.look(before, now)
			seen = o.clockMoved(seen)
			o.engine.sweep(now)
			o.unsuspect(now)
		}
		if o.held.Load() > 0 {
			o.review()
		}
		if o.witnessed() && o.untilRound(now) <= 0 {
			o.ask(ctx, now, running)
		}
		timer.Reset(o.pause(before.at, now))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-o.knock:
		}
	}
}

// pause is the time until there may be something to do.
func (o *observer) pause(looked, now time.Time) time.Duration {
	wait := looked.Add(watchEvery).Sub(now)
	if o.held.Load() > 0 {
		wait = min(wait, heldEvery)
	}
	if o.witnessed() {
		wait = min(wait, o.untilRound(now))
	}
	return max(wait, time.Millisecond)
}

// witnessed says whether there is a witness at all. They are set before the start.
func (o *observer) witnessed() bool {
	return len(o.families[0].witnesses)+len(o.families[1].witnesses) > 0
}

// review looks at all that waits.
func (o *observer) review() {
	if o.held.Load() == 0 {
		return
	}
	for _, s := range o.engine.shards {
		s.review(time.Now(), false)
	}
}

// settle decides everything that waits for a decision by what is known.
func (o *observer) settle() {
	for _, s := range o.engine.shards {
		s.review(time.Now(), true)
	}
}

// reading is a moment by the clock that stands still while the machine sleeps, and by the one that does not.
type reading struct {
	at   time.Time
	boot int64
}

// look notes whether the machine has slept, and how much memory there is.
func (o *observer) look(before reading, now time.Time) reading {
	next := reading{now, o.boot()}
	slept := time.Duration(next.boot-before.boot) - now.Sub(before.at)
	o.mu.Lock()
	defer o.mu.Unlock()
	if slept > clockJump {
		o.slept = span{from: before.at, to: now}
		o.log.Warn("the machine slept", "for", slept)
		o.noteLocked(nettest.ErrObserverOffline, "The prober's machine slept: what was due meanwhile was not run", now)
	}
	if o.memory.look() {
		o.noteLocked(nettest.ErrOverload, "The prober is short of memory: give it more, or raise GOMEMLIMIT", now)
	}
	return next
}
