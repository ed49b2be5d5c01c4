package life

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/frogstats/uptime/internal/bubbletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	discard = slog.New(slog.DiscardHandler)
	errBoom = errors.New("boom")
)

// pass lets time pass in the bubble of a test.
func pass(d time.Duration) { <-time.After(d) }

// journal notes what happens in which order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) note(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) want(t *testing.T, lines ...string) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	if !slices.Equal(j.lines, lines) {
		t.Errorf("happened %q, want %q", j.lines, lines)
	}
}

// task runs until told to stop, and then takes a while to end.
func (j *journal) task(name string, takes time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		<-ctx.Done()
		if !errors.Is(context.Cause(ctx), ErrStopping) {
			j.note(name + " ended by " + context.Cause(ctx).Error())
		}
		pass(takes)
		j.note(name)
		return ctx.Err()
	}
}

func (j *journal) closer(name string) func(context.Context) error {
	return func(context.Context) error { j.note(name); return nil }
}

func TestStopsInReverseWhenTheContextEnds(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		j := &journal{}
		g := New(discard, 10*time.Second)
		g.Defer("database", j.closer("database"))
		g.Add("first", j.task("first", 3*time.Second))
		g.Defer("outbox", j.closer("outbox"))
		g.Add("second", j.task("second", time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begun := time.Now()
		if err := g.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
		if took := time.Since(begun); took != time.Minute+4*time.Second {
			t.Errorf("took %v, want a minute and the two tasks one after the other", took)
		}
		j.want(t, "second", "outbox", "first", "database")
	})
}

func TestFirstErrorWins(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		j := &journal{}
		g := New(discard, 10*time.Second)
		g.Add("other", j.task("other", 0))
		g.Add("failing", func(context.Context) error { pass(time.Second); return errBoom })
		g.Add("failing when stopped", func(ctx context.Context) error { <-ctx.Done(); return errors.New("late") })
		g.Defer("closer", func(context.Context) error { return errors.New("later") })
		err := g.Run(t.Context())
		if !errors.Is(err, errBoom) || err.Error() != "failing: boom" {
			t.Errorf("run: %v, want the first error alone", err)
		}
		j.want(t, "other")
	})
}

func TestPanicIsAnError(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		j := &journal{}
		g := New(discard, time.Second)
		g.Add("other", j.task("other", 0))
		g.Add("panicking", func(context.Context) error { panic("canary") })
		err := g.Run(t.Context())
		if err == nil || !strings.HasPrefix(err.Error(), "panicking: panic: canary") || !strings.Contains(err.Error(), "life_test.go") {
			t.Errorf("run: %v, want the panic with its stack", err)
		}
		j.want(t, "other")
	})
}

func TestErrorsOfStoppingAreReported(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		g := New(discard, time.Second)
		g.Add("task", func(ctx context.Context) error { <-ctx.Done(); return errBoom })
		g.Defer("closer", func(context.Context) error { panic("canary") })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := g.Run(ctx)
		if !errors.Is(err, errBoom) || !strings.Contains(err.Error(), "closer: panic: canary") {
			t.Errorf("run: %v, want both", err)
		}
	})
}

func TestRunEndsWithItsLastTask(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		j := &journal{}
		g := New(discard, time.Second)
		g.Defer("closer", j.closer("closer"))
		g.Add("short", func(context.Context) error { pass(time.Second); j.note("short"); return nil })
		g.Add("long", func(context.Context) error { pass(time.Hour); j.note("long"); return nil })
		if err := g.Run(t.Context()); err != nil {
			t.Errorf("run: %v", err)
		}
		j.want(t, "short", "long", "closer")
	})
}

func TestForceFollowsGrace(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		j := &journal{}
		g := New(discard, 10*time.Second)
		g.Defer("database", j.closer("database"))
		g.Add("slow", func(ctx context.Context) error {
			<-ctx.Done()
			begun := time.Now()
			select {
			case <-Force(ctx).Done():
				j.note("forced after " + time.Since(begun).String())
			case <-time.After(time.Hour):
			}
			return nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := g.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
		j.want(t, "forced after 10s", "database")
	})
}

func TestWhatDoesNotStopIsLeftBehind(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		j := &journal{}
		g := New(discard, 10*time.Second)
		g.Defer("database", func(ctx context.Context) error {
			if at, ok := ctx.Deadline(); !ok || time.Until(at) != closeGrace {
				t.Errorf("a closer has until %v, want %v", at, closeGrace)
			}
			j.note("database")
			return nil
		})
		g.Add("polite", j.task("polite", 0))
		g.Add("deaf", func(context.Context) error { pass(time.Hour); return nil })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		if err := g.Run(ctx); err == nil || err.Error() != "deaf: did not stop" {
			t.Errorf("run: %v", err)
		}
		if took := time.Since(begun); took != time.Second+10*time.Second+forceGrace {
			t.Errorf("took %v", took)
		}
		pass(time.Hour) // let the deaf one end with the test
		j.want(t, "polite", "database")
	})
}

// A closer that hangs, as a pool does of which somebody keeps a connection, costs what is left of the time and no more.
func TestClosersThatHangAreLeftBehind(t *testing.T) {
	for name, tt := range map[string]struct {
		takes time.Duration // of the task, to stop
		want  time.Duration
	}{
		"after all went well":     {0, 10*time.Second + Overtime},
		"after a task that hangs": {time.Hour, 10*time.Second + Overtime},
	} {
		t.Run(name, func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				j := &journal{}
				g := New(discard, 10*time.Second)
				hang := make(chan struct{})
				g.Defer("pool", func(context.Context) error { <-hang; return nil })
				g.Add("task", j.task("task", tt.takes))
				g.Defer("quick", j.closer("quick"))
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				begun := time.Now()
				if err := g.Run(ctx); err == nil || !strings.HasSuffix(err.Error(), "pool: did not close") {
					t.Errorf("run: %v", err)
				}
				if took := time.Since(begun) - time.Minute; took != tt.want {
					t.Errorf("stopping took %v, want %v", took, tt.want)
				}
				close(hang)
				pass(time.Hour) // let the task end with the test
				j.want(t, "quick", "task")
			})
		})
	}
}

func TestUnwindIsBounded(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		g := New(discard, time.Second)
		hang := make(chan struct{})
		g.Defer("pool", func(context.Context) error { <-hang; return nil })
		begun := time.Now()
		if err := g.Unwind(t.Context()); err == nil || time.Since(begun) != time.Second+Overtime {
			t.Errorf("unwind: %v after %v", err, time.Since(begun))
		}
		close(hang)
	})
}

func TestGroupWithoutTasksWaitsForItsContext(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		j := &journal{}
		g := New(discard, time.Second)
		g.Defer("closer", j.closer("closer"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begun := time.Now()
		if err := g.Run(ctx); err != nil || time.Since(begun) != time.Minute {
			t.Errorf("run: %v after %v", err, time.Since(begun))
		}
		j.want(t, "closer")
	})
}

func TestUnwind(t *testing.T) {
	j := &journal{}
	g := New(discard, time.Second)
	g.Defer("a", j.closer("a"))
	g.Add("never run", func(context.Context) error { t.Error("it ran"); return nil })
	g.Defer("b", func(context.Context) error { j.note("b"); return errBoom })
	g.Defer("c", j.closer("c"))
	if err := g.Unwind(t.Context()); !errors.Is(err, errBoom) || err.Error() != "b: boom" {
		t.Errorf("unwind: %v", err)
	}
	j.want(t, "c", "b", "a")
}

func TestForceElsewhereIsTheContextItself(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if Force(ctx).Err() == nil {
		t.Error("force outlives a context of no group")
	}
}

func TestValuesReachTheTasks(t *testing.T) {
	type key struct{}
	g := New(discard, time.Second)
	var got, forced any
	g.Add("task", func(ctx context.Context) error {
		got, forced = ctx.Value(key{}), Force(ctx).Value(key{})
		return nil
	})
	if err := g.Run(context.WithValue(t.Context(), key{}, "v")); err != nil || got != "v" || forced != "v" {
		t.Errorf("values %v, %v, %v", got, forced, err)
	}
}
