package events

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
)

// knownMonitors is the catalogue as far as it has been read. The zero value is ready.
type knownMonitors struct {
	mu   sync.RWMutex
	byID map[uint32]Monitor
}

func (k *knownMonitors) put(m Monitor) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.byID == nil {
		k.byID = map[uint32]Monitor{}
	}
	k.byID[m.ID] = m
}

func (k *knownMonitors) drop(id uint32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.byID, id)
}

func (k *knownMonitors) get(id uint32) (Monitor, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	m, ok := k.byID[id]
	return m, ok
}

// share makes results refer to the texts that are kept anyway, of their monitors and their prober, in place of their own copies:
// many results wait in memory, and most of their texts are these.
func (k *knownMonitors) share(results []Result, hello *eventsv1.RecordHello) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for i := range results {
		r := &results[i]
		r.Region, r.ProberID = shared(r.Region, hello.GetRegion()), shared(r.ProberID, hello.GetProberId())
		if m, ok := k.byID[r.MonitorID]; ok {
			r.OrganizationID, r.URL, r.Name = shared(r.OrganizationID, m.OrganizationID), shared(r.URL, m.URL), shared(r.Name, m.Name)
		}
	}
}

// shared is kept if that says the same as text.
func shared(text, kept string) string {
	if text == kept {
		return kept
	}
	return text
}

// missing lists those that are not in seen.
func (k *knownMonitors) missing(seen map[uint32]bool) []uint32 {
	k.mu.RLock()
	defer k.mu.RUnlock()
	var out []uint32
	for id := range k.byID {
		if !seen[id] {
			out = append(out, id)
		}
	}
	return out
}

// monitor returns a monitor of the caller's organization, or NotFound. One that the catalogue has not named yet, because it
// was made a moment ago, is asked for.
func (s *Service) monitor(ctx context.Context, id uint32) (Monitor, error) {
	caller, _ := identity.FromContext(ctx)
	if m, ok := s.known.get(id); ok {
		if m.OrganizationID == caller.OrganizationID {
			return m, nil
		}
		return Monitor{}, fault.NotFound(fmt.Sprintf("monitor %d does not exist", id))
	}
	got, err := s.monitors.GetMonitor(ctx, &monitorsv1.GetMonitorRequest{Id: id})
	if err != nil {
		return Monitor{}, fmt.Errorf("ask for monitor %d: %w", id, err)
	}
	return Monitor{ID: id, OrganizationID: got.GetOrganizationId(), CreatedAt: moment(got.GetCreatedAt()), Enabled: got.GetEnabled()}, nil
}

// followCatalog keeps the monitors as the monitors service has them.
func (s *Service) followCatalog(ctx context.Context) {
	s.keepWatching(ctx, "catalogue", s.watchCatalog)
}

// keepWatching opens a stream of the monitors service again whenever it is lost, which changes nothing of what is known, until ctx ends.
func (s *Service) keepWatching(ctx context.Context, what string, watch func(context.Context) error) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 100*time.Millisecond, 5*time.Second
	for ctx.Err() == nil {
		began := time.Now()
		err := watch(ctx)
		if ctx.Err() != nil {
			return
		}
		s.log.Warn("stream of the monitors service lost", "stream", what, "error", err)
		if time.Since(began) > time.Minute {
			pause.Reset()
		}
		select {
		case <-time.After(pause.NextBackOff()):
		case <-ctx.Done():
		}
	}
}

func (s *Service) watchCatalog(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := s.catalog.WatchCatalog(ctx, &monitorsv1.WatchCatalogRequest{Subscriber: "events"})
	if err != nil {
		return fmt.Errorf("watch catalogue: %w", err)
	}
	seen := map[uint32]bool{} // nil once the snapshot is complete
	for {
		resp, err := stream.Recv()
		if err != nil {
			return fmt.Errorf("watch catalogue: %w", err)
		}
		switch step := resp.GetStep().(type) {
		case *monitorsv1.WatchCatalogResponse_Upserted:
			m := monitorIn(step.Upserted)
			stored, unread := s.recall(ctx, m)
			s.court.upsert(m, stored)
			s.known.put(m)
			s.windows.label(m.ID, step.Upserted.GetLabels())
			if unread != nil && !s.unread.note(m.ID, unread) {
				s.mender.submit(past{m.ID: s.owedFrom(m.ID, recallFrom(m))})
			}
			if seen != nil {
				seen[m.ID] = true
			}
		case *monitorsv1.WatchCatalogResponse_RemovedMonitorId:
			s.forget(step.RemovedMonitorId)
			delete(seen, step.RemovedMonitorId)
		case *monitorsv1.WatchCatalogResponse_SnapshotComplete:
			if seen != nil {
				for _, id := range s.known.missing(seen) { // deleted while nobody listened
					s.forget(id)
				}
			}
			seen = nil
			s.windows.allLabelled()
		}
	}
}

// recallWithin is how far back the results of a monitor that is new to us are judged.
const recallWithin = 24 * time.Hour

// recall returns the stored results of a monitor that was not known so far. Usually there are none; but a process may have
// died after it stored the first result and before it learned of the monitor, or have lost its states. If they cannot be read,
// it returns by region after which slot they would be.
func (s *Service) recall(ctx context.Context, m Monitor) (stored []Result, unread map[string]time.Time) {
	if _, ok := s.known.get(m.ID); ok {
		return nil, nil
	}
	after, from := map[string]time.Time{}, recallFrom(m)
	for _, region := range m.Regions {
		after[region] = from
	}
	var out []Result
	if s.recalls.ask(ctx, "stored results of a new monitor", func(ctx context.Context) error {
		return s.results.Replay(ctx, m.ID, after, func(r *Result) error {
			out = append(out, *r)
			return nil
		})
	}) {
		return out, nil
	}
	return nil, after
}

// recallFrom is the moment after which the slots of a monitor that is new to us are looked at.
func recallFrom(m Monitor) time.Time {
	return later(m.CreatedAt.Add(-time.Millisecond), time.Now().UTC().Add(-recallWithin))
}

func (s *Service) forget(id uint32) {
	s.known.drop(id)
	s.windows.label(id, nil)
	s.court.remove(id)
}

func monitorIn(e *monitorsv1.CatalogEntry) Monitor {
	return Monitor{
		ID: e.GetMonitorId(), OrganizationID: e.GetOrganizationId(), Name: e.GetName(), Kind: CheckKind(e.GetMonitorType()), URL: e.GetMonitorUrl(),
		Enabled: e.GetEnabled(), Regions: e.GetRegions(), ConfirmDown: max(e.GetConfirmDown(), 1), ConfirmUp: max(e.GetConfirmUp(), 1),
		Interval: time.Duration(e.GetIntervalMs()) * time.Millisecond, Timeout: time.Duration(e.GetTimeoutMs()) * time.Millisecond,
		Quorum: Quorum(e.GetQuorum()), DegradedAbove: time.Duration(e.GetDegradedAboveMs()) * time.Millisecond, Version: e.GetVersion(),
		CreatedAt: moment(e.GetCreatedAt()), UpdatedAt: moment(e.GetUpdatedAt()),
	}
}
