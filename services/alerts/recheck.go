package alerts

import (
	"context"
	"log/slog"
	"sync"
	"time"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
)

const (
	// maxRechecks bounds the monitors that wait to be asked for. What there is no room for is asked for when its hold is looked at next.
	maxRechecks = 1000
	// recheckPause is the least time between two wishes for one monitor: those who begin to wait meanwhile share the second.
	recheckPause = time.Second
	// recheckWait bounds one call.
	recheckWait = 2 * time.Second
	// recheckRest is how long nothing is asked for after a call has failed.
	recheckRest = 5 * time.Second
	recheckWhy  = "a monitor that depends on it fails"
)

// rechecker asks the monitors service for checks of the monitors that others wait for. It does what it can: without it they are waited
// for until their own schedules tell.
type rechecker struct {
	catalog monitorsv1.CatalogServiceClient
	log     *slog.Logger
	figures *figures
	more    chan struct{} // capacity 1: there is something to ask for
	refused bool          // the last call failed, and that was told; of run alone

	mu     sync.Mutex
	wanted map[MonitorRef]time.Time // until when it matters
	asked  map[MonitorRef]time.Time // when lately
}

func newRechecker(catalog monitorsv1.CatalogServiceClient, log *slog.Logger, f *figures) *rechecker {
	return &rechecker{
		catalog: catalog, log: log, figures: f, more: make(chan struct{}, 1), wanted: map[MonitorRef]time.Time{}, asked: map[MonitorRef]time.Time{},
	}
}

// want takes wishes, and waits for nothing.
func (r *rechecker) want(all []Recheck) {
	if len(all) == 0 {
		return
	}
	r.mu.Lock()
	for _, x := range all {
		if _, known := r.wanted[x.MonitorRef]; known || len(r.wanted) < maxRechecks {
			r.wanted[x.MonitorRef] = x.Until
		}
	}
	r.mu.Unlock()
	select {
	case r.more <- struct{}{}:
	default:
	}
}

func (r *rechecker) run(ctx context.Context) {
	for ctx.Err() == nil {
		m, pause := r.next(now())
		if m.ID != 0 {
			if !r.ask(ctx, m) {
				wait(ctx, recheckRest)
			}
			continue
		}
		due := time.NewTimer(pause)
		select {
		case <-due.C:
		case <-r.more:
		case <-ctx.Done():
		}
		due.Stop()
	}
}

// next is a monitor to ask for at the moment at; without one, pause is the time until there may be.
func (r *rechecker) next(at time.Time) (m MonitorRef, pause time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	pause = time.Hour
	for x, last := range r.asked {
		if at.Sub(last) >= recheckPause {
			delete(r.asked, x)
		}
	}
	for x, until := range r.wanted {
		if !at.Before(until) { // too late, as after a time without the monitors service
			delete(r.wanted, x)
			continue
		}
		last, lately := r.asked[x]
		if !lately {
			delete(r.wanted, x)
			r.asked[x] = at
			return x, 0
		}
		pause = min(pause, recheckPause-at.Sub(last))
	}
	return MonitorRef{}, pause
}

// ask reports whether the monitors service has answered.
func (r *rechecker) ask(ctx context.Context, m MonitorRef) bool {
	asking, cancel := context.WithTimeout(ctx, recheckWait)
	defer cancel()
	_, err := r.catalog.RecheckMonitor(asking, &monitorsv1.RecheckMonitorRequest{
		OrganizationId: m.OrganizationID, MonitorId: m.ID, Reason: recheckWhy,
	})
	if fault.Is(err, fault.KindNotFound) { // deleted meanwhile
		err = nil
	}
	r.figures.rechecked(ctx, err)
	if err != nil && !r.refused && ctx.Err() == nil {
		r.log.WarnContext(ctx, "a monitor that others wait for is not checked before its time", "monitor_id", m.ID, "error", err.Error())
	}
	r.refused = err != nil
	return err == nil
}
