package alerts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/maintenance"
)

// windowFollower keeps the copy of the maintenance windows.
type windowFollower struct {
	store    WindowStore
	windows  monitorsv1.MaintenanceServiceClient
	log      *slog.Logger
	complete sync.Once
	ready    chan struct{} // closed when the copy was whole for the first time
}

func (f *windowFollower) run(ctx context.Context) {
	again(ctx, func(ctx context.Context) {
		if err := f.follow(ctx); ctx.Err() == nil {
			f.log.WarnContext(ctx, "stream of maintenance windows ended", "error", err.Error())
		}
	})
}

func (f *windowFollower) follow(ctx context.Context) error {
	ctx, fed, stop := watchdog(ctx)
	defer stop()
	// Asked before the stream is opened: what another replica adds after that need not be in the snapshot.
	before, err := f.store.HoldingWindows(ctx)
	if err != nil {
		return err
	}
	stream, err := f.windows.WatchMaintenance(ctx, &monitorsv1.WatchMaintenanceRequest{Subscriber: serviceName})
	if err != nil {
		return fmt.Errorf("watch maintenance: %w", err)
	}
	seen := map[[2]uint32]bool{}
	var waiting []MaintenanceWindow // of the snapshot
	for whole := false; ; {
		step, err := stream.Recv()
		if err != nil {
			return fmt.Errorf("watch maintenance: %w", errors.Join(err, context.Cause(ctx)))
		}
		fed()
		if v := step.GetUpserted(); v != nil {
			waiting = append(waiting, windowFrom(v))
			seen[[2]uint32{v.GetWindowId(), v.GetVersion()}] = true
		}
		last := step.GetSnapshotComplete() != nil
		if last {
			waiting = append(waiting, gone(before, seen, now())...)
		}
		if len(waiting) > 0 && (whole || last) {
			if err := f.store.PutWindows(ctx, waiting, now()); err != nil {
				return err
			}
			waiting, seen = nil, map[[2]uint32]bool{}
		}
		if last {
			whole = true
			f.complete.Do(func() { close(f.ready) })
		}
	}
}

// gone are versions that held and that nobody knows any more: they ended at some time that nobody can tell.
func gone(before []MaintenanceWindow, seen map[[2]uint32]bool, at time.Time) []MaintenanceWindow {
	var out []MaintenanceWindow
	for _, w := range before {
		if !seen[[2]uint32{w.ID, w.Version}] {
			w.Until = at
			out = append(out, w)
		}
	}
	return out
}

func windowFrom(v *monitorsv1.MaintenanceVersion) MaintenanceWindow {
	w := MaintenanceWindow{
		ID: v.GetWindowId(), Version: v.GetVersion(), OrganizationID: v.GetOrganizationId(),
		Target: maintenance.Target{MonitorIDs: v.GetMonitorIds(), Labels: v.GetLabels()},
		Spec: maintenance.Spec{
			Start: v.GetStartsAt().AsTime(), RRule: v.GetRrule(), Cron: v.GetCron(), Timezone: v.GetTimezone(),
			Length: maintenance.Seconds(v.GetDurationSeconds()),
		},
		From: v.GetValidFrom().AsTime(),
	}
	if v.GetEndsAt() != nil {
		w.Spec.End = v.GetEndsAt().AsTime()
	}
	if v.GetValidUntil() != nil {
		w.Until = v.GetValidUntil().AsTime()
	}
	return w
}

const (
	// maintenanceEvery is how often this service looks for maintenance that is over.
	maintenanceEvery = 5 * time.Second
	// maintenanceGrace is how long the last checks of a window may take to be judged and read. Those that take longer are announced
	// by what changes then.
	maintenanceGrace = 2 * time.Second
	// maintenanceChunk is how many monitors are evaluated in one transaction.
	maintenanceChunk = 500
	// keepWindows is how long versions that have ended are kept. Nobody reads the feed from before that.
	keepWindows = 14 * 24 * time.Hour
)

// maintenanceWatch ends maintenance while nothing is announced about a monitor. It waits until this service has read all of the
// feed: what was so at the end is not known before.
type maintenanceWatch struct {
	store     Store
	log       *slog.Logger
	caughtUp  *atomic.Bool
	committed func()
	recheck   func([]Recheck)
	pruned    time.Time
}

func (w *maintenanceWatch) run(ctx context.Context) {
	for wait(ctx, maintenanceEvery) {
		if err := w.look(ctx, now()); err != nil && ctx.Err() == nil {
			w.log.WarnContext(ctx, "the end of maintenance was not evaluated", "error", err.Error())
			wait(ctx, askAgain)
		}
	}
}

// look evaluates the monitors whose maintenance is to be looked at. What is left is looked at next time.
func (w *maintenanceWatch) look(ctx context.Context, at time.Time) error {
	if !w.caughtUp.Load() {
		return nil
	}
	monitors, err := w.store.DueMaintenance(ctx, at.Add(-maintenanceGrace), maintenanceChunk)
	if err != nil {
		return err
	}
	if len(monitors) > 0 {
		if err := w.end(ctx, monitors, at); err != nil {
			return fmt.Errorf("evaluate: %w", err)
		}
	}
	if at.Sub(w.pruned) < pruneEvery {
		return nil
	}
	w.pruned = at
	return w.store.PruneWindows(ctx, at.Add(-keepWindows))
}

func (w *maintenanceWatch) end(ctx context.Context, monitors []MonitorRef, at time.Time) error {
	var ticks []Entry
	for i, m := range monitors {
		monitors[i].Family = true
		ticks = append(ticks, Entry{OrganizationID: m.OrganizationID, MonitorID: m.ID, At: at})
	}
	var b Batch
	err := w.store.Advance(ctx, monitors, at, func(p Progress, states map[uint32]State) Batch {
		b = Fold(p, states, ticks, at)
		return b
	})
	if err != nil {
		return err
	}
	w.recheck(b.Rechecks)
	if b.told() {
		w.committed()
	}
	return nil
}
