package nettest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/frogstats/uptime/internal/bubbletest"
)

// pass lets time pass in the bubble of a test.
func pass(d time.Duration) { <-time.After(d) }

func TestDeadlineContext(t *testing.T) {
	type key struct{}
	begin := func(t *testing.T) (*deadlineContext, context.CancelFunc) {
		t.Helper()
		parent, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
		return newDeadlineContext(parent, time.Now().Add(time.Minute)), cancel
	}
	ended := func(ctx context.Context) bool {
		synctest.Wait()
		select {
		case <-ctx.Done():
			return true
		default:
			return false
		}
	}
	for name, tt := range map[string]struct {
		end  func(d *deadlineContext, cancel context.CancelFunc)
		want error
	}{
		"deadline": {func(*deadlineContext, context.CancelFunc) { pass(time.Minute + 1) }, context.DeadlineExceeded},
		"caller":   {func(_ *deadlineContext, cancel context.CancelFunc) { cancel() }, context.Canceled},
		"end":      {func(d *deadlineContext, _ context.CancelFunc) { d.end() }, context.Canceled},
		"deadline, then caller": {func(d *deadlineContext, cancel context.CancelFunc) {
			pass(time.Minute + 1)
			_ = d.Err()
			cancel()
		}, context.DeadlineExceeded},
	} {
		for _, awaited := range []bool{false, true} {
			bubbletest.Test(t, func(t *testing.T) {
				d, cancel := begin(t)
				defer cancel()
				defer d.end()
				if d.Err() != nil {
					t.Errorf("%s: ended at once: %v", name, d.Err())
				}
				child, stop := context.Context(d), context.CancelFunc(func() {})
				if awaited {
					if ended(d) {
						t.Errorf("%s: done at once", name)
					}
					child, stop = context.WithCancel(d)
				}
				defer stop()
				if child.Value(key{}) != "value" {
					t.Errorf("%s: lost a value", name)
				}
				if at, ok := child.Deadline(); !ok || !at.Equal(d.deadline) {
					t.Errorf("%s: deadline %v, %v", name, at, ok)
				}
				tt.end(d, cancel)
				if d.Err() != tt.want || !ended(d) || !ended(child) || child.Err() != tt.want { //nolint:errorlint // the very value: callers compare it
					t.Errorf("%s, awaited %v: %v, child %v", name, awaited, d.Err(), child.Err())
				}
				cancel()
				d.end()
				if d.Err() != tt.want { //nolint:errorlint // as above
					t.Errorf("%s: became %v", name, d.Err())
				}
			})
		}
	}
}

// Nothing is armed for a context that nobody waits for.
func TestDeadlineContextArmsNothing(t *testing.T) {
	d := newDeadlineContext(t.Context(), time.Now().Add(time.Hour))
	_, _ = d.Err(), d.Value(0)
	_, _ = d.Deadline()
	if d.armed != nil {
		t.Error("it is armed")
	}
	if callerOf(d) != t.Context() || callerOf(t.Context()) != t.Context() {
		t.Error("callerOf")
	}
}
