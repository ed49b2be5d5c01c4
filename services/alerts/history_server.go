package alerts

import (
	"context"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	"github.com/frogstats/uptime/internal/page"
)

// Rows per page when the caller does not say.
const (
	defaultHistory    = 100
	defaultIncidents  = 50
	defaultDeliveries = 50
)

// ListAlertHistory implements alertsv1.AlertsServiceServer. The history of a deleted monitor can still be read.
func (s *alertsServer) ListAlertHistory(ctx context.Context, in *alertsv1.ListAlertHistoryRequest) (*alertsv1.ListAlertHistoryResponse, error) {
	organization := caller(ctx).OrganizationID
	if in.MonitorId != nil {
		if _, err := s.findMonitor(ctx, in.GetMonitorId()); err != nil {
			return nil, err
		}
	}
	req := pageRequest{
		scope: page.Scope("history", organization, number(in.GetMonitorId())), limit: in.Limit, def: defaultHistory,
		offset: in.Offset, token: in.GetPageToken(),
	}
	w, err := s.window(req)
	if err != nil {
		return nil, err
	}
	rows, total, err := s.store.Triggers(ctx, TriggerFilter{Organization: organization, MonitorID: in.GetMonitorId(), Window: w})
	if err != nil {
		return nil, err
	}
	out := &alertsv1.ListAlertHistoryResponse{}
	rows, out.Pagination = pageOf(s.Service, req, w, rows, total, func(t Trigger) Place {
		return Place{At: t.TriggeredAt, ID: uint64(t.ID)}
	})
	for _, t := range rows {
		entry, err := triggerProto(t)
		if err != nil {
			return nil, err
		}
		out.History = append(out.History, entry)
	}
	return out, nil
}
