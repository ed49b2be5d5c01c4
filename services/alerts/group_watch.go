package alerts

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	groupEvery = time.Second // look at least so often for groups of which something is due
	groupChunk = 100         // groups in one transaction
)

// groupWatch tells what groups are once they have waited long enough for members that are unknown. What is due stands in the store, so
// that replicas and restarts do not matter. It waits until this service has read all of the feed: what was so by then is not known
// before.
type groupWatch struct {
	store     GroupStore
	log       *slog.Logger
	caughtUp  *atomic.Bool
	committed func()
}

func (w *groupWatch) run(ctx context.Context) {
	for wait(ctx, groupEvery) {
		if err := w.look(ctx, now()); err != nil && ctx.Err() == nil {
			w.log.WarnContext(ctx, "groups were not evaluated", "error", err.Error())
			wait(ctx, askAgain)
		}
	}
}

// look evaluates the groups that are due. What is left is looked at next time.
func (w *groupWatch) look(ctx context.Context, at time.Time) error {
	if !w.caughtUp.Load() {
		return nil
	}
	ids, err := w.store.DueGroups(ctx, at, groupChunk)
	if err != nil || len(ids) == 0 {
		return err
	}
	told, err := w.store.EvaluateGroups(ctx, ids, at)
	if err != nil {
		return fmt.Errorf("evaluate: %w", err)
	}
	if told {
		w.committed()
	}
	return nil
}
