package events

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// asideWait is how long an answer waits for what it can do without.
	asideWait = 2 * time.Second
	// asidePause is how long nobody asks again after a question that was not answered.
	asidePause = time.Second
)

// aside puts questions to a store that an answer can do without. While the store is away, one caller at a time finds out
// whether it is back, at most every asidePause; all others go without at once. So an outage costs few callers time, and each
// of them asideWait at most.
type aside struct {
	log  *slog.Logger
	wait time.Duration // in place of asideWait, if it is not 0

	mu     sync.Mutex
	failed time.Time // when the last question failed; zero while the store answers
	trying bool      // somebody finds out
}

// ask calls fn, with a context that ends after asideWait, and reports whether it succeeded. It is not called while the store
// is known to be away. That the caller gave up says nothing about the store.
func (a *aside) ask(ctx context.Context, what string, fn func(context.Context) error) bool {
	may, trial := a.mayAsk()
	if !may {
		return false
	}
	limited, cancel := context.WithTimeout(ctx, cmp.Or(a.wait, asideWait))
	defer cancel()
	err := fn(limited)
	gaveUp := ctx.Err() != nil
	a.learn(err, gaveUp, trial)
	if err != nil && !gaveUp {
		a.log.WarnContext(ctx, "left out of an answer", "what", what, "error", err)
	}
	return err == nil
}

// mayAsk reports whether to ask, and whether that finds out for all.
func (a *aside) mayAsk() (may, trial bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failed.IsZero() {
		return true, false
	}
	if a.trying || time.Since(a.failed) < asidePause {
		return false, false
	}
	a.trying = true
	return true, true
}

func (a *aside) learn(err error, gaveUp, trial bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if trial {
		a.trying = false
	}
	switch {
	case err == nil:
		a.failed = time.Time{}
	case !gaveUp:
		a.failed = time.Now()
	}
}
