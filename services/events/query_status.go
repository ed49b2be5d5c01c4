package events

import (
	"context"
	"time"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
)

const (
	recentChecks    = 10
	recentIncidents = 10
	incidentsWait   = 2 * time.Second // the rest of the answer does not wait longer for them
)

// GetStatus returns a monitor's present. It has no recent checks while the history is away.
func (s *Service) GetStatus(ctx context.Context, req *eventsv1.GetStatusRequest) (*eventsv1.StatusReport, error) {
	m, err := s.monitor(ctx, req.GetMonitorId())
	if err != nil {
		return nil, err
	}
	rows, err := s.statuses(ctx, []uint32{m.ID})
	if err != nil {
		return nil, err
	}
	status := &eventsv1.MonitorStatus{MonitorId: m.ID, CurrentStatus: statusOut(m.idle()), Since: timestamp(m.CreatedAt), UpdatedAt: timestamp(m.CreatedAt)}
	if len(rows) > 0 {
		status = rows[0]
	}
	var results []Result
	s.aside.ask(ctx, "recent checks", func(ctx context.Context) (err error) {
		results, err = s.results.List(ctx, ResultQuery{MonitorID: m.ID, Limit: recentChecks})
		return err
	})
	resp := &eventsv1.StatusReport{
		MonitorId: m.ID, CurrentStatus: status.GetCurrentStatus(), Since: status.GetSince(), Status: status, Regions: status.GetRegions(),
		RecentIncidents: s.recentIncidents(ctx, m.ID),
	}
	for i := range results {
		results[i].OrganizationID = m.OrganizationID
		resp.RecentChecks = append(resp.RecentChecks, eventOut(&results[i]))
	}
	return resp, nil
}

// recentIncidents asks the alerts service as the caller. What it cannot tell is left out: the status itself is known.
func (s *Service) recentIncidents(ctx context.Context, id uint32) []*alertsv1.Incident {
	if s.incidents == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, incidentsWait)
	defer cancel()
	limit := int32(recentIncidents)
	resp, err := s.incidents.ListIncidents(ctx, &alertsv1.ListIncidentsRequest{MonitorId: &id, Limit: &limit})
	if err != nil {
		s.log.WarnContext(ctx, "incidents unknown", "monitor_id", id, "error", err)
		return nil
	}
	return resp.GetIncidents()
}
