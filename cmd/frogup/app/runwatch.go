package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/frogstats/uptime/internal/cron"
	"github.com/frogstats/uptime/services/monitors/resource"
)

// watch runs checks whenever they are due and prints each result as a line.
type watch struct {
	out   terminal
	json  bool
	slots chan struct{} // as many as may run at the same time

	mu      sync.Mutex // for what follows, and for out
	results []runResult
	err     error // of printing
}

// dueAfter says when a check that was due at t is due next. Intervals count from one due time to the next, so that they do
// not drift; those of the calendar as it has them.
func dueAfter(c *resource.Check) (func(t time.Time) time.Time, error) {
	if c.Cron == "" {
		return c.Interval.After, nil
	}
	s, err := cron.Parse(c.Cron, c.Timezone)
	if err != nil {
		return nil, fmt.Errorf("%s: cron %q: %w", c.Pos, c.Cron, err)
	}
	return s.Next, nil
}

// all goes on until ctx ends. What is due by an interval runs at once first.
func (w *watch) all(ctx context.Context, list []runnable) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var checks sync.WaitGroup
	for _, r := range list {
		next, err := dueAfter(r.Check)
		if err != nil {
			stop()
			checks.Wait()
			return err
		}
		due := time.Now()
		if r.Cron != "" {
			due = next(due)
		}
		checks.Go(func() {
			for w.waitUntil(ctx, due) {
				if !w.once(ctx, r) {
					stop() // nobody reads on
					return
				}
				due = upcoming(next, due, time.Now())
			}
		})
	}
	checks.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.err != nil:
		return fmt.Errorf("print: %w", w.err)
	case len(w.results) == 0:
		return errors.New("interrupted")
	}
	if code := codeOf(w.results); code != exitOK {
		return exitCode(code)
	}
	return nil
}

// upcoming is the first due time after now; those that passed while the check ran are left out.
func upcoming(next func(time.Time) time.Time, due, now time.Time) time.Time {
	for due = next(due); !due.IsZero() && !due.After(now); {
		due = next(due)
	}
	return due
}

// waitUntil reports whether it is due, and not over.
func (w *watch) waitUntil(ctx context.Context, due time.Time) bool {
	if due.IsZero() {
		return false
	}
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return false
	}
	select {
	case w.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// once runs a check in the slot that waitUntil took, and reports whether its result could be printed. What the end of all
// cut off says nothing and is left out.
func (w *watch) once(ctx context.Context, r runnable) bool {
	result := newRunResult(r.Check, r.run(ctx))
	<-w.slots
	if ctx.Err() != nil {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	// Only what decides the exit code is kept: a watch may go on for months.
	if len(w.results) == 0 || codeOf([]runResult{result}) != exitOK && codeOf(w.results) != exitNo {
		w.results = append(w.results[:min(len(w.results), 1)], result)
	}
	if w.err != nil {
		return false
	}
	if w.json {
		w.err = writeJSON(w.out, result)
	} else {
		_, w.err = fmt.Fprintf(w.out, "%s  %s\n", w.out.paint(faint, result.at.Local().Format(time.TimeOnly)), w.out.resultLine(&result, 0))
	}
	return w.err == nil
}
