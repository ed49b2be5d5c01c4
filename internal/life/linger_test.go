package life

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/bubbletest"
)

// Whoever is told learns it at once; the tasks run on for the time to linger, and are stopped then.
func TestLinger(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		var j journal
		g := New(discard, time.Second)
		begun := time.Now()
		g.Linger(3 * time.Second)
		g.Tell(func() { j.note("told after " + time.Since(begun).String()) })
		g.Add("server", func(ctx context.Context) error {
			<-ctx.Done()
			j.note("stopped after " + time.Since(begun).String())
			return nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := g.Run(ctx); err != nil {
			t.Error(err)
		}
		j.want(t, "told after 1m0s", "stopped after 1m3s")
	})
}

func TestFailureDoesNotLinger(t *testing.T) {
	for name, failAfter := range map[string]time.Duration{"before the stop": time.Second, "while lingering": 61 * time.Second} {
		t.Run(name, func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				g := New(discard, time.Second)
				begun, told := time.Now(), 0
				g.Linger(time.Hour)
				g.Tell(func() { told++ })
				g.Add("weak", func(ctx context.Context) error {
					select {
					case <-ctx.Done():
						return nil
					case <-time.After(failAfter):
						return errBoom
					}
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := g.Run(ctx); !errors.Is(err, errBoom) {
					t.Errorf("got %v, want %v", err, errBoom)
				}
				if took := time.Since(begun); took > failAfter+time.Second || told != 1 {
					t.Errorf("stopped after %v, told %d times; the failure was after %v", took, told, failAfter)
				}
			})
		})
	}
}
