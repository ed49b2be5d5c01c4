// Package life runs the parts of a process: started in order, stopped in reverse, first with grace and then with force. The
// first part to fail stops the rest, and its error is the one reported. Before stopping, parts may be told and left to run
// for a while.
package life

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"
)

// What comes after the grace is bounded too.
const (
	// forceGrace is how long tasks may take to notice that their grace is over, before they are left behind.
	forceGrace = 500 * time.Millisecond
	// closeGrace is how long closers may take after that.
	closeGrace = 500 * time.Millisecond

	// Overtime is how much longer than its grace a group takes to stop, at worst.
	Overtime = forceGrace + closeGrace
)

// ErrStopping is the cause with which a task's context ends when the group stops.
var ErrStopping = errors.New("stopping")

// Group is a list of tasks and closers. Build it in order, then call Run once; or Unwind, if building failed half-way.
// Its methods are not for concurrent use.
type Group struct {
	log    *slog.Logger
	grace  time.Duration
	parts  []*part
	told   []func()
	linger time.Duration
}

// part is either a task or a closer.
type part struct {
	name  string
	run   func(ctx context.Context) error
	close func(ctx context.Context) error

	stop context.CancelCauseFunc
	done chan struct{} // closed when run has returned
}

// New makes an empty group. Once stopping has begun, all tasks together have grace to end by themselves. What has not ended
// within grace and Overtime, closers included, is left behind.
func New(log *slog.Logger, grace time.Duration) *Group { return &Group{log: log, grace: grace} }

// Add appends a task. It should run until ctx ends, then finish what it holds and return; Force(ctx) ends when the time for
// that is over. Returning nil early is fine and stops nothing; an error, or a panic, stops the group. What must be ready
// before the next part starts, such as a listener, is made before Add.
func (g *Group) Add(name string, run func(ctx context.Context) error) {
	g.parts = append(g.parts, &part{name: name, run: run})
}

// Defer appends a closer, called when everything added after it has stopped: a database goes in before the tasks that use it.
// The end of its context is that of the time for stopping; a closer that goes on is left behind.
func (g *Group) Defer(name string, close func(ctx context.Context) error) {
	g.parts = append(g.parts, &part{name: name, close: close})
}

// Tell appends a function that is called as soon as stopping begins, while every task still runs: to announce it.
func (g *Group) Tell(fn func()) { g.told = append(g.told, fn) }

// Linger lets the tasks run on for d after the end of Run's context was told, so that whoever sends them work has time to
// learn of it. A task that fails meanwhile ends the waiting; a group that stops because a task failed does not wait.
func (g *Group) Linger(d time.Duration) { g.linger = d }

// Run starts the tasks in order, waits until ctx ends, a task fails, or all have returned, and then stops everything in
// reverse. It returns the error that stopped the group, or else those of stopping; the rest is logged. The end of ctx is no
// error.
func (g *Group) Run(ctx context.Context) error {
	base, force := withForce(context.WithoutCancel(ctx)) // tasks are told to stop one by one, not by ctx itself
	defer force()
	failed := make(chan error, len(g.parts))
	for _, p := range g.parts {
		if p.run != nil {
			p.start(base, failed)
		}
	}
	var first error
	select {
	case first = <-failed:
		g.tell()
	case <-ctx.Done():
		g.tell()
		first = g.wait(failed)
	case <-g.allDone():
		select { // the last task may have ended by failing
		case first = <-failed:
		default:
		}
	}
	if first != nil {
		g.log.ErrorContext(ctx, "stopping because a part failed", "error", first.Error())
	}
	return g.shutDown(base, force, failed, first)
}

func (g *Group) tell() {
	for _, fn := range g.told {
		fn()
	}
}

// wait lingers, and returns the error of a task that fails meanwhile.
func (g *Group) wait(failed <-chan error) error {
	if g.linger <= 0 {
		return nil
	}
	select {
	case err := <-failed:
		return err
	case <-time.After(g.linger):
		return nil
	}
}

// Unwind calls the closers in reverse, for a group that is not going to run. They have the time of a group that stops.
func (g *Group) Unwind(ctx context.Context) error {
	ctx, giveUp := context.WithTimeout(ctx, g.grace+Overtime)
	defer giveUp()
	var errs []error
	for i := len(g.parts) - 1; i >= 0; i-- {
		if p := g.parts[i]; p.close != nil {
			errs = append(errs, p.shut(ctx))
		}
	}
	return errors.Join(errs...)
}

func (p *part) start(base context.Context, failed chan<- error) {
	ctx, stop := context.WithCancelCause(base)
	p.stop, p.done = stop, make(chan struct{})
	go func() {
		defer close(p.done)
		err := p.guard(ctx, p.run)
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			return // it was told to stop and says so
		}
		if err != nil {
			failed <- err
		}
	}()
}

// guard calls fn, names its error after the part, and makes an error of a panic.
func (p *part) guard(ctx context.Context, fn func(context.Context) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%s: panic: %v\n%s", p.name, v, debug.Stack())
		}
	}()
	if err := fn(ctx); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

// allDone is closed when no task runs any more; never, if there were none to begin with.
func (g *Group) allDone() <-chan struct{} {
	var tasks []*part
	for _, p := range g.parts {
		if p.run != nil {
			tasks = append(tasks, p)
		}
	}
	if len(tasks) == 0 {
		return nil
	}
	all := make(chan struct{})
	go func() {
		defer close(all)
		for _, p := range tasks {
			<-p.done
		}
	}()
	return all
}

func (g *Group) shutDown(base context.Context, force context.CancelFunc, failed <-chan error, first error) error {
	// When the grace is over, everything is told to stop at once: one deaf task must not cost the others their chance.
	defer time.AfterFunc(g.grace, func() {
		force()
		for _, p := range g.parts {
			if p.run != nil {
				p.stop(ErrStopping)
			}
		}
	}).Stop()
	last, giveUp := context.WithTimeout(base, g.grace+forceGrace)
	defer giveUp()
	end, giveUpAll := context.WithTimeout(base, g.grace+Overtime)
	defer giveUpAll()
	var errs []error
	for i := len(g.parts) - 1; i >= 0; i-- {
		p := g.parts[i]
		if p.close != nil {
			errs = append(errs, p.shut(end))
			continue
		}
		p.stop(ErrStopping)
		if !p.ended(last) {
			errs = append(errs, fmt.Errorf("%s: did not stop", p.name))
		}
	}
	for len(failed) > 0 {
		errs = append(errs, <-failed)
	}
	late := errors.Join(errs...)
	if first == nil {
		return late
	}
	if late != nil {
		g.log.ErrorContext(base, "stopping was not clean", "error", late.Error())
	}
	return first
}

// ended waits for the task to return until ctx ends.
func (p *part) ended(ctx context.Context) bool {
	_, ok := await(ctx, p.done)
	return ok
}

// shut calls the closer and waits for it until ctx ends.
func (p *part) shut(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- p.guard(ctx, p.close) }()
	err, ok := await(ctx, done)
	if !ok {
		return fmt.Errorf("%s: did not close", p.name)
	}
	return err
}

// await receives from c until ctx ends.
func await[T any](ctx context.Context, c <-chan T) (v T, ok bool) {
	select {
	case v = <-c:
		return v, true
	case <-ctx.Done():
	}
	select { // both may have been true
	case v = <-c:
		return v, true
	default:
		return v, false
	}
}

type forceKey struct{}

func withForce(ctx context.Context) (context.Context, context.CancelFunc) {
	forced, cancel := context.WithCancel(ctx)
	return context.WithValue(ctx, forceKey{}, forced), cancel
}

// Force returns, for a task's context, the one that ends when the grace for stopping is over; it carries the values of ctx
// but does not end with it. It is what a task hands to a graceful stop: server.Stop(life.Force(ctx)). For any other context
// it ends with ctx.
func Force(ctx context.Context) context.Context {
	forced, ok := ctx.Value(forceKey{}).(context.Context)
	if !ok {
		return ctx
	}
	return forced
}
