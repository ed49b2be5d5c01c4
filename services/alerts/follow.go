package alerts

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	firstPause = 500 * time.Millisecond
	longPause  = 15 * time.Second
	// silence is how long a stream may say nothing; its sender promises a sign of life well before.
	silence = 45 * time.Second
	// steady is how long a stream must have lasted for the pauses to begin anew.
	steady = time.Minute
)

// again calls follow until ctx ends, with growing pauses between. follow logs its own failures.
func again(ctx context.Context, follow func(context.Context)) {
	pause := firstPause
	for ctx.Err() == nil {
		began := time.Now()
		follow(ctx)
		if time.Since(began) >= steady {
			pause = firstPause
		}
		// Spread, so that all that follow one service do not come back to it at once.
		if !wait(ctx, pause/2+rand.N(pause/2)) {
			return
		}
		pause = min(2*pause, longPause)
	}
}

// watchdog cancels a stream that has gone silent; fed says that it has not.
func watchdog(parent context.Context) (ctx context.Context, fed func(), stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	t := time.AfterFunc(silence, func() { cancel(errSilent) })
	return ctx, func() { t.Reset(silence) }, func() {
		t.Stop()
		cancel(nil)
	}
}
