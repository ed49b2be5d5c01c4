package alerts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

var errSilent = errors.New("no sign of life")

// catalogFollower keeps the local copy of the monitors.
type catalogFollower struct {
	store interface {
		CatalogStore
		WindowStore
		GroupStore
	}
	catalog   monitorsv1.CatalogServiceClient
	log       *slog.Logger
	committed func() // called when there may be messages to send
	complete  sync.Once
	ready     chan struct{} // closed when the copy was whole for the first time
}

func newCatalogFollower(store Store, catalog monitorsv1.CatalogServiceClient, log *slog.Logger, committed func()) *catalogFollower {
	return &catalogFollower{store: store, catalog: catalog, log: log, committed: committed, ready: make(chan struct{})}
}

func (f *catalogFollower) run(ctx context.Context) {
	again(ctx, func(ctx context.Context) {
		if err := f.follow(ctx); ctx.Err() == nil {
			f.log.WarnContext(ctx, "catalog stream ended", "error", err.Error())
		}
	})
}

// catalogChunk is how many monitors of a snapshot are stored at once.
const catalogChunk = 500

func (f *catalogFollower) follow(ctx context.Context) error {
	ctx, fed, stop := watchdog(ctx)
	defer stop()
	// Asked before the stream is opened: what another replica adds after that need not be in the snapshot.
	before, err := f.store.MonitorsExcept(ctx, nil)
	if err != nil {
		return fmt.Errorf("read catalog: %w", err)
	}
	stream, err := f.catalog.WatchCatalog(ctx, &monitorsv1.WatchCatalogRequest{Subscriber: serviceName})
	if err != nil {
		return fmt.Errorf("watch catalog: %w", err)
	}
	snapshot := &catalogSnapshot{before: before, seen: map[uint32]bool{}} // nil once it is complete
	for {
		step, err := stream.Recv()
		if err != nil {
			return fmt.Errorf("watch catalog: %w", errors.Join(err, context.Cause(ctx)))
		}
		fed()
		if snapshot == nil {
			err = f.change(ctx, step)
		} else if snapshot, err = f.collect(ctx, snapshot, step); err == nil && snapshot == nil {
			f.complete.Do(func() { close(f.ready) })
		}
		if err != nil {
			return err
		}
	}
}

// catalogSnapshot is what has come of the state at the opening of the stream.
type catalogSnapshot struct {
	before  []MonitorRef // live monitors of the copy, when the stream was opened
	seen    map[uint32]bool
	waiting []Monitor // not stored yet
}

// collect takes a step of the snapshot and returns nil after its last.
func (f *catalogFollower) collect(ctx context.Context, s *catalogSnapshot, step *monitorsv1.WatchCatalogResponse) (*catalogSnapshot, error) {
	switch {
	case step.GetUpserted() != nil:
		m := monitorFrom(step.GetUpserted())
		s.seen[m.ID] = true
		s.waiting = append(s.waiting, m)
	case step.GetRemovedMonitorId() != 0:
		delete(s.seen, step.GetRemovedMonitorId())
	}
	last := step.GetSnapshotComplete() != nil
	if len(s.waiting) >= catalogChunk || last && len(s.waiting) > 0 {
		if err := f.put(ctx, s.waiting); err != nil {
			return s, fmt.Errorf("store catalog: %w", err)
		}
		s.waiting = nil
	}
	if !last {
		return s, nil
	}
	gone := slices.DeleteFunc(s.before, func(m MonitorRef) bool { return s.seen[m.ID] })
	return nil, f.remove(ctx, gone)
}

// put stores monitors. By their labels they may have come into, or left, a maintenance window or a group; and one that was paused has
// no say in its groups.
func (f *catalogFollower) put(ctx context.Context, monitors []Monitor) error {
	if err := f.store.PutMonitors(ctx, monitors); err != nil {
		return err
	}
	ids := make([]uint32, 0, len(monitors))
	for _, m := range monitors {
		ids = append(ids, m.ID)
	}
	if err := f.store.LookAgain(ctx, ids, now()); err != nil {
		return err
	}
	told, err := f.store.Regroup(ctx, ids, now())
	if told {
		f.committed()
	}
	return err
}

// remove ends what is open about monitors that are gone, without a word, as a pause would.
func (f *catalogFollower) remove(ctx context.Context, gone []MonitorRef) error {
	for chunk := range slices.Chunk(gone, catalogChunk) {
		at := now()
		var entries []Entry
		for _, m := range chunk {
			entries = append(entries, Entry{
				OrganizationID: m.OrganizationID, MonitorID: m.ID, At: at, Transition: &Transition{To: StatusPaused, Since: at},
			})
		}
		err := f.store.RemoveMonitors(ctx, chunk, at, func(p Progress, states map[uint32]State) Batch {
			return Fold(p, states, entries, at)
		})
		if err != nil {
			return fmt.Errorf("remove monitors: %w", err)
		}
		f.committed() // a group may be another without them
	}
	return nil
}

// change takes a step after the snapshot.
func (f *catalogFollower) change(ctx context.Context, step *monitorsv1.WatchCatalogResponse) error {
	if m := step.GetUpserted(); m != nil {
		if err := f.put(ctx, []Monitor{monitorFrom(m)}); err != nil {
			return fmt.Errorf("store monitor: %w", err)
		}
	}
	id := step.GetRemovedMonitorId()
	if id == 0 {
		return nil
	}
	m, err := f.store.Monitor(ctx, id)
	if errors.Is(err, ErrMonitorNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove monitor: %w", err)
	}
	return f.remove(ctx, []MonitorRef{{ID: id, OrganizationID: m.OrganizationID}})
}
