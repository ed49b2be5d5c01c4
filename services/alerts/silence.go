package alerts

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

const (
	// silenceEvery is how often this service looks for rules about no data whose time is over.
	silenceEvery = time.Second
	// silenceChunk is how many monitors are evaluated in one transaction.
	silenceChunk = 500
)

// silenceWatch evaluates the rules about no data while nothing is announced. That a monitor is unknown is announced once; that
// it has been so for an hour is not, and is a matter of time alone.
type silenceWatch struct {
	store     Store
	log       *slog.Logger
	committed func()
	recheck   func([]Recheck)
}

func (w *silenceWatch) run(ctx context.Context) {
	for wait(ctx, silenceEvery) {
		if err := w.look(ctx, now()); err != nil && ctx.Err() == nil {
			w.log.WarnContext(ctx, "rules about no data were not evaluated", "error", err.Error())
			wait(ctx, askAgain)
		}
	}
}

// look lets the monitors know how late it is whose rules wait for that. What is left is looked at next time.
func (w *silenceWatch) look(ctx context.Context, at time.Time) error {
	monitors, err := w.store.DueSilences(ctx, at, silenceChunk)
	if err != nil || len(monitors) == 0 {
		return err
	}
	var ticks []Entry
	for _, m := range monitors {
		ticks = append(ticks, Entry{OrganizationID: m.OrganizationID, MonitorID: m.ID, At: at})
	}
	var b Batch
	err = w.store.Advance(ctx, monitors, at, func(p Progress, states map[uint32]State) Batch {
		b = Fold(p, states, ticks, at)
		return b
	})
	if err != nil {
		return fmt.Errorf("evaluate: %w", err)
	}
	w.recheck(b.Rechecks)
	if b.told() {
		w.committed()
	}
	return nil
}
