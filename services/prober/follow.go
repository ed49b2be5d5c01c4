package prober

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

// follower keeps the engine's monitors as the monitors service has them. A lost
// stream changes nothing: what is assigned goes on being checked while the lease lasts.
type follower struct {
	assignments monitorsv1.AssignmentsServiceClient
	recorder    eventsv1.RecorderServiceClient
	request     *monitorsv1.WatchAssignmentsRequest // but for the session
	engine      *engine
	keeper      *keeper
	cache       *cache // nil without a folder
	was         cached // what a former process left
	alone       bool   // nobody else could take over from it
	log         *slog.Logger

	sessions    int           // that had ended when the newest stream was opened; of run alone
	learned     chan struct{} // closed when as much is known of before the start as will be
	reached     chan struct{} // closed when the centre has said something
	reachedOnce sync.Once
	owing       chan struct{} // capacity 1: something is open

	mu       sync.Mutex                      // of what follows
	past     *past                           // of before this prober started; nil once the first snapshot is complete
	synced   bool                            // a first snapshot of the session is complete
	parked   map[uint32]*holding             // held no more, and not accounted for to the end
	released map[uint32]*monitorsv1.Released // given up: the centre may ask again
	open     map[holdingKey]openAccount      // of a former process, to be settled
	settled  map[holdingKey]bool             // taken over by others, and accounted for as far as this process can
	spooled  uint64                          // the last that a former process left in the spool
	closed   bool                            // nothing is taken up or given up any more
	done     map[uint32]int64                // up to where what was given up is accounted for, in milliseconds since 1970
}

func newFollower(monitors, events grpc.ClientConnInterface, cfg Config, g *engine, log *slog.Logger) *follower {
	f := &follower{
		assignments: monitorsv1.NewAssignmentsServiceClient(monitors), recorder: eventsv1.NewRecorderServiceClient(events),
		request: &monitorsv1.WatchAssignmentsRequest{
			ProberId: cfg.ProberID, Region: cfg.Region, Version: cfg.Version, Durable: cfg.Dir != "", Capacity: uint32(cfg.MaxChecks),
		},
		engine: g, log: log, learned: make(chan struct{}), reached: make(chan struct{}), past: &past{},
		owing:   make(chan struct{}, 1),
		settled: map[holdingKey]bool{}, parked: map[uint32]*holding{}, released: map[uint32]*monitorsv1.Released{}, done: map[uint32]int64{},
	}
	f.keeper = newKeeper(f.assignments, cfg, g, log)
	g.closes = f.close
	return f
}

func (f *follower) run(ctx context.Context) {
	f.restore()
	var parts sync.WaitGroup
	defer parts.Wait()
	parts.Go(func() { f.keeper.run(ctx) })
	parts.Go(func() { f.learn(ctx) })
	parts.Go(func() { f.settleOpen(ctx) })
	if f.cache != nil {
		parts.Go(func() { f.cache.run(ctx, f.engine.progress) })
	}
	if f.alone {
		parts.Go(func() { f.startAlone(ctx) })
	}
	retry(ctx, func() bool {
		began := time.Now()
		err := f.watch(ctx)
		if ctx.Err() == nil {
			f.engine.metrics.assignmentsLost.Add(1)
			f.log.Warn("assignments stream lost", "error", err)
		}
		return time.Since(began) > time.Minute || errors.Is(err, errLapsed)
	})
}

// steps in one go: what comes together is looked up together.
const maxSteps = 5000

// stream is one stream of assignments.
type stream struct {
	opening
	leased   bool
	told     bool            // whether it is leased is known
	snapshot map[uint32]bool // nil once the snapshot is complete
	held     []*monitorsv1.WatchAssignmentsResponse
}

// hold puts before steps what was held back of those before, and holds back the last if it is of a snapshot and assigns a monitor:
// the next may say that this is over, and they have to be taken together.
func (w *stream) hold(steps []*monitorsv1.WatchAssignmentsResponse) []*monitorsv1.WatchAssignmentsResponse {
	steps = append(w.held, steps...)
	w.held = nil
	complete := func(m *monitorsv1.WatchAssignmentsResponse) bool { return m.GetSnapshotComplete() != nil }
	if last := len(steps) - 1; last >= 0 && w.snapshot != nil && steps[last].GetAssigned() != nil && !slices.ContainsFunc(steps, complete) {
		w.held = steps[last:]
		steps = steps[:last:last]
	}
	return steps
}

// watch follows one stream until it breaks.
func (f *follower) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := &stream{opening: f.keeper.open(cancel), snapshot: map[uint32]bool{}}
	if w.ended != f.sessions { // a renewal was told, and there was no stream to end
		f.sessions = w.ended
		f.abandon()
	}
	watching, err := f.assignments.WatchAssignments(ctx, f.hello(w.opening))
	if err != nil {
		return f.lost(ctx, w, err)
	}
	steps, failed := make(chan *monitorsv1.WatchAssignmentsResponse, maxSteps), make(chan error, 1)
	var receiving sync.WaitGroup
	defer receiving.Wait()
	defer cancel(nil)
	receiving.Go(func() { failed <- receive(ctx, watching, steps) })
	for {
		select {
		case step := <-steps:
			if err := f.take(ctx, w, w.hold(gather(step, steps))); err != nil {
				return f.lost(ctx, w, err)
			}
		case err := <-failed:
			if err := f.take(ctx, w, append(w.held, gather(nil, steps)...)); err != nil {
				return f.lost(ctx, w, err)
			}
			return f.lost(ctx, w, err)
		}
	}
}

func (f *follower) hello(o opening) *monitorsv1.WatchAssignmentsRequest {
	return &monitorsv1.WatchAssignmentsRequest{
		ProberId: f.request.GetProberId(), Region: f.request.GetRegion(), Version: f.request.GetVersion(), Session: o.session,
		PreviousSession: o.previous, Durable: f.request.GetDurable(), Capacity: f.request.GetCapacity(), Capabilities: capabilities(),
	}
}

func receive(ctx context.Context, watching monitorsv1.AssignmentsService_WatchAssignmentsClient, steps chan<- *monitorsv1.WatchAssignmentsResponse) error {
	for {
		step, err := watching.Recv()
		if err != nil {
			return err
		}
		select {
		case steps <- step:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// gather is first, if there is one, and what has come since.
func gather(first *monitorsv1.WatchAssignmentsResponse, steps <-chan *monitorsv1.WatchAssignmentsResponse) []*monitorsv1.WatchAssignmentsResponse {
	var all []*monitorsv1.WatchAssignmentsResponse
	if first != nil {
		all = append(all, first)
	}
	for len(all) < maxSteps {
		select {
		case step := <-steps:
			all = append(all, step)
		default:
			return all
		}
	}
	return all
}

// lost is the reason why a stream is over. With its session everything that is held goes.
func (f *follower) lost(ctx context.Context, w *stream, err error) error {
	if isSessionEnded(err) {
		f.keeper.end(w.session)
	}
	if f.keeper.over(w.opening) {
		f.abandon()
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return fmt.Errorf("watch assignments: %w", err)
}

// abandon stops all monitors: another session has begun, or none may. How far they came is remembered for when they, or word
// of their new holders, come back.
func (f *follower) abandon() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, h := range f.engine.part() {
		f.parked[id] = h
	}
	clear(f.released)
	f.synced = false
}

// take follows steps of a stream.
func (f *follower) take(ctx context.Context, w *stream, steps []*monitorsv1.WatchAssignmentsResponse) error {
	if len(steps) == 0 {
		return nil
	}
	f.reachedOnce.Do(func() { close(f.reached) })
	for len(steps) > 0 && steps[0].GetLease() != nil {
		f.lease(w, steps[0].GetLease())
		steps = steps[1:]
	}
	if len(steps) == 0 {
		return nil
	}
	select { // what the past was decides how monitors begin
	case <-f.learned:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return errClosed
	}
	if f.keeper.over(w.opening) {
		return errSessionEnded
	}
	before := f.lookUp(ctx, w, steps)
	for i, step := range steps {
		a := step.GetAssigned()
		switch {
		case isLoss(a, steps[i+1:]): // the removal tells
		case i > 0 && isLoss(steps[i-1].GetAssigned(), steps[i:]):
			f.lose(w, steps[i-1].GetAssigned(), step.GetRemoval())
		default:
			f.step(w, step, before)
		}
	}
	f.cache.hurry()
	if f.synced {
		f.past, f.was = nil, cached{} // from now on, what is stored may be newer than this prober's start
	}
	return nil
}

// errClosed ends a stream of a process that takes no more slots.
var errClosed = errors.New("the prober stops")

// close ends what streams can do: the account of what is held is about to be made, and what is told from now on is not heard.
func (f *follower) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
}
