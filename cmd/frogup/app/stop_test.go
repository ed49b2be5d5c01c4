package app

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/bubbletest"
)

// A stop takes the delay and what is promised, even if nothing stops by itself and nothing can be closed.
func TestStopIsBounded(t *testing.T) {
	for _, delay := range []time.Duration{0, balanced, 5 * time.Minute} {
		bubbletest.Test(t, func(t *testing.T) {
			h := &house{log: slog.New(slog.DiscardHandler), cfg: &settings{shutdownDelay: delay}, ready: newReadiness()}
			hang := make(chan struct{})
			deaf := func(context.Context) error { <-hang; return nil }
			var told, stopped time.Duration
			begun := time.Now()
			outer := h.outerGroup()
			outer.Defer("telemetry", deaf)
			outer.Add("role", func(ctx context.Context) error {
				inner := h.innerGroup()
				inner.Defer("database", deaf)
				inner.Add("deaf", deaf)
				inner.Add("server", func(ctx context.Context) error {
					<-ctx.Done()
					told = time.Since(begun)
					return nil
				})
				err := inner.Run(ctx)
				stopped = time.Since(begun)
				return err
			})
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := outer.Run(ctx); err == nil {
				t.Error("nothing is said of what was left behind")
			}
			took := time.Since(begun)
			if told != delay {
				t.Errorf("with a delay of %v the server was served on for %v", delay, told)
			}
			if took > delay+stopPromise || took <= stopped {
				t.Errorf("with a delay of %v the role took %v to stop and the process %v, of %v at most, with time left for telemetry",
					delay, stopped, took, delay+stopPromise)
			}
			close(hang)
		})
	}
}
