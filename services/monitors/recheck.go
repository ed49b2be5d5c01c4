package monitors

import (
	"context"
	"slices"
	"time"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

// A check that another service wants at once is run by whoever holds the monitor, under its lease: a check from anywhere else would
// say nothing to who judges. The wish is stored, numbered in its region, because the prober's stream may end in another replica; each
// stream passes on those that are newer than itself. One that nobody hears of in time is not made up for: it was about a moment.

const (
	rechecksPerPage = 500
	// rechecksKept is how long a wish is there to be read: longer than a replica may take to look.
	rechecksKept = time.Hour
)

// RecheckMonitor implements CatalogService.
func (s *Service) RecheckMonitor(ctx context.Context, req *monitorsv1.RecheckMonitorRequest) (*monitorsv1.RecheckMonitorResponse, error) {
	m, err := s.store.Monitor(ctx, req.GetOrganizationId(), req.GetMonitorId())
	if err != nil {
		return nil, err
	}
	resp := &monitorsv1.RecheckMonitorResponse{}
	if !m.Config.Enabled {
		return resp, nil
	}
	at := now()
	regions := slices.Compact(slices.Sorted(slices.Values(m.Config.Regions)))
	if resp.Regions, err = s.store.Recheck(ctx, m.ID, regions, at, at.Add(-rechecksKept)); err != nil {
		return nil, err
	}
	s.asked.fire()
	s.log.DebugContext(ctx, "a check is asked for", "monitor_id", m.ID, "regions", resp.GetRegions(), "reason", req.GetReason())
	return resp, nil
}

// rechecks passes on what was asked for of the monitors that the prober holds.
func (a *assigner) rechecks(ctx context.Context) error {
	for {
		some, err := a.service.store.Rechecks(ctx, a.session.Region, a.asked, rechecksPerPage)
		if err != nil {
			return err
		}
		for _, r := range some {
			a.asked = r.Asked
			if err := a.recheck(r.MonitorID); err != nil {
				return err
			}
		}
		if len(some) < rechecksPerPage {
			return nil
		}
	}
}

// recheck asks for a check of a monitor, if the prober holds it and knows.
func (a *assigner) recheck(id uint32) error {
	h, mine := a.held[id]
	if !mine || h.sent == 0 || h.Releasing {
		return nil
	}
	out := &monitorsv1.Recheck{MonitorId: id}
	if !a.session.Stream {
		out.Epoch = uint64(h.Epoch)
	}
	return a.send(&monitorsv1.WatchAssignmentsResponse{Step: &monitorsv1.WatchAssignmentsResponse_Recheck{Recheck: out}})
}
