package prober

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

// follower keeps the engine's monitors as the monitors service has them. A lost
// stream changes nothing: what is assigned goes on being checked.
type follower struct {
	assignments monitorsv1.AssignmentsServiceClient
	recorder    eventsv1.RecorderServiceClient
	request     *monitorsv1.WatchAssignmentsRequest
	engine      *engine
	log         *slog.Logger

	known  map[uint32]lastSlot // stored slots of before this prober started
	synced bool                // a first snapshot is complete
}

func newFollower(monitors, events grpc.ClientConnInterface, cfg Config, g *engine, log *slog.Logger) *follower {
	return &follower{
		assignments: monitorsv1.NewAssignmentsServiceClient(monitors), recorder: eventsv1.NewRecorderServiceClient(events),
		request: &monitorsv1.WatchAssignmentsRequest{ProberId: cfg.ProberID, Region: cfg.Region, Version: cfg.Version},
		engine:  g, log: log,
	}
}

// historyWait is how long a starting prober waits to learn what is stored already.
// Checking matters more than an exact account of the time before.
const historyWait = 10 * time.Second

func (f *follower) run(ctx context.Context) {
	f.learn(ctx)
	retry(ctx, func() bool {
		began := time.Now()
		err := f.watch(ctx)
		if ctx.Err() == nil {
			f.engine.metrics.assignmentsLost.Add(1)
			f.log.Warn("assignments stream lost", "error", err)
		}
		return time.Since(began) > time.Minute
	})
}

// learn reads the last stored slots of the region.
func (f *follower) learn(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, historyWait)
	defer cancel()
	retry(ctx, func() bool {
		resp, err := f.recorder.ListLastSlots(ctx, &eventsv1.ListLastSlotsRequest{Region: f.request.GetRegion()})
		if err != nil {
			if ctx.Err() == nil {
				f.log.Warn("last slots unknown", "error", err)
			}
			return false
		}
		f.known = make(map[uint32]lastSlot, len(resp.GetSlots()))
		for _, s := range resp.GetSlots() {
			f.known[s.GetMonitorId()] = lastSlot{at: s.GetScheduledAt().AsTime(), failures: s.GetConsecutiveFailures()}
		}
		cancel()
		return true
	})
}

// watch follows one stream until it breaks.
func (f *follower) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := f.assignments.WatchAssignments(ctx, f.request)
	if err != nil {
		return fmt.Errorf("watch assignments: %w", err)
	}
	snapshot := map[uint32]bool{} // nil once the snapshot is complete
	for {
		resp, err := stream.Recv()
		if err != nil {
			return fmt.Errorf("watch assignments: %w", err)
		}
		switch step := resp.GetStep().(type) {
		case *monitorsv1.WatchAssignmentsResponse_Assigned:
			id := step.Assigned.GetSpec().GetMonitorId()
			if snapshot != nil {
				snapshot[id] = true
			}
			f.assign(id, step.Assigned)
		case *monitorsv1.WatchAssignmentsResponse_RemovedMonitorId:
			f.engine.remove(step.RemovedMonitorId)
			delete(snapshot, step.RemovedMonitorId)
		case *monitorsv1.WatchAssignmentsResponse_SnapshotComplete:
			if snapshot != nil {
				f.engine.retain(snapshot)
			}
			snapshot, f.synced, f.known = nil, true, nil
			f.log.Info("assignments in step", "monitors", f.engine.size())
		}
	}
}

func (f *follower) assign(id uint32, a *monitorsv1.Assignment) {
	var known *lastSlot
	if k, ok := f.known[id]; ok {
		known = &k
	}
	f.engine.assign(a, known, f.synced)
}
