package nettest

import (
	"context"
	"sync"
	"time"
)

// longAgo, as a deadline, ends everything at once.
var longAgo = time.Unix(1, 0)

// deadlineContext is the caller's context with a deadline. Unlike a context.WithDeadline it
// has no timer until somebody waits for it: most checks wait only for their connection, which
// has the deadline itself.
type deadlineContext struct {
	context.Context // the caller's
	deadline        time.Time

	mu     sync.Mutex
	armed  context.Context // nil until it is waited for
	cancel context.CancelFunc
	ended  bool
}

func newDeadlineContext(parent context.Context, deadline time.Time) *deadlineContext {
	return &deadlineContext{Context: parent, deadline: deadline}
}

// callerOf is ctx for one who sees to its deadline himself.
func callerOf(ctx context.Context) context.Context {
	if d, ok := ctx.(*deadlineContext); ok {
		return d.Context
	}
	return ctx
}

// Deadline implements context.Context.
func (d *deadlineContext) Deadline() (time.Time, bool) { return d.deadline, true }

// Done implements context.Context.
func (d *deadlineContext) Done() <-chan struct{} { return d.arm().Done() }

// Err implements context.Context.
func (d *deadlineContext) Err() error {
	d.mu.Lock()
	waited := d.armed != nil || d.ended
	d.mu.Unlock()
	if !waited {
		if err := d.Context.Err(); err == nil && time.Now().Before(d.deadline) {
			return nil
		}
	}
	return d.arm().Err() // so that it says the same from now on
}

// Value implements context.Context.
func (d *deadlineContext) Value(key any) any {
	d.mu.Lock()
	armed := d.armed
	d.mu.Unlock()
	if armed != nil {
		return armed.Value(key) // by which children find the context that ends them
	}
	return d.Context.Value(key)
}

func (d *deadlineContext) arm() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.armed == nil {
		d.armed, d.cancel = context.WithDeadline(d.Context, d.deadline)
		if d.ended {
			d.cancel()
		}
	}
	return d.armed
}

// end cancels it.
func (d *deadlineContext) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	if d.cancel != nil {
		d.cancel()
	}
}
