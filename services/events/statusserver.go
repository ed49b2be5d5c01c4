package events

import (
	"context"
	"slices"
	"time"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
)

const (
	day   = 24 * time.Hour
	week  = 7 * day
	month = 30 * day
)

// BatchGetStatuses answers for a whole page of monitors in a constant number of queries.
func (s *Service) BatchGetStatuses(ctx context.Context, req *eventsv1.BatchGetStatusesRequest) (*eventsv1.BatchGetStatusesResponse, error) {
	statuses, err := s.statuses(ctx, req.GetMonitorIds())
	if err != nil {
		return nil, err
	}
	return &eventsv1.BatchGetStatusesResponse{Statuses: statuses}, nil
}

// ListMonitorIds lists an organization's monitors in one state.
func (s *Service) ListMonitorIds(ctx context.Context, req *eventsv1.ListMonitorIdsRequest) (*eventsv1.ListMonitorIdsResponse, error) {
	ids, err := s.state.MonitorIDs(ctx, req.GetOrganizationId(), Status(req.GetStatus()))
	if err != nil {
		return nil, err
	}
	return &eventsv1.ListMonitorIdsResponse{MonitorIds: ids}, nil
}

// statuses computes the whole status rows of monitors that are known. What only the history knows is absent while that is
// away.
func (s *Service) statuses(ctx context.Context, ids []uint32) ([]*eventsv1.MonitorStatus, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	rows, err := s.state.Statuses(ctx, ids)
	if err != nil {
		return nil, err
	}
	s.court.freshen(rows)
	moments := []time.Time{now.Add(-day), now.Add(-week), now.Add(-month)}
	before, err := s.state.Timelines(ctx, ids, "", moments)
	if err != nil {
		return nil, err
	}
	// Without the windows the states are told, and no uptime.
	windows := s.windows.known()
	maintained, err := s.maintained(ctx, ids, "", span{moments[len(moments)-1], now})
	if err != nil {
		return nil, err
	}
	var means map[uint32]Mean // none if the history is away: the states do not wait for it
	s.aside.ask(ctx, "mean response times", func(ctx context.Context) (err error) {
		// From the full hour on, so that roll-ups answer without a look at single results.
		means, err = s.results.MeanResponses(ctx, ids, now.Add(-day).Truncate(time.Hour))
		return err
	})
	out := make([]*eventsv1.MonitorStatus, 0, len(rows))
	for i := range rows {
		row := &rows[i]
		if known, ok := s.known.get(row.MonitorID); ok { // the store also keeps regions that watch no more
			row.Regions = slices.DeleteFunc(row.Regions, func(r RegionState) bool { return !known.watches(r.Region) })
		}
		m := statusRow(row)
		for k, to := range []**float64{&m.UptimePercentage_24H, &m.UptimePercentage_7D, &m.UptimePercentage_30D} {
			if windows {
				*to = percentage(tallySince(row, before[row.MonitorID], k, moments[k], now, maintained[row.MonitorID]), DegradedIsUp)
			}
		}
		if mean, ok := means[row.MonitorID].Value(); ok {
			ms := milliseconds(mean)
			m.AverageResponseTime_24H = &ms
		}
		out = append(out, m)
	}
	return out, nil
}

// tallySince is what a monitor's states add up to from moment number k until now.
func tallySince(row *MonitorStatus, before []Timeline, k int, moment, now time.Time, maintained []within) Tally {
	var then Tally
	if k < len(before) {
		then = before[k].tally(moment)
	}
	return overlay(row.At(later(now, row.Since)), now, maintained).Sub(overlay(then, moment, maintained))
}

// percentage is absent when nothing is known.
func percentage(t Tally, p DegradedPolicy) *float64 {
	v, ok := t.Percentage(p)
	if !ok {
		return nil
	}
	return &v
}

// statusRow is what the stored row itself says.
func statusRow(row *MonitorStatus) *eventsv1.MonitorStatus {
	m := &eventsv1.MonitorStatus{
		MonitorId: row.MonitorID, CurrentStatus: statusOut(row.Status), Since: timestamp(row.Since), UpdatedAt: timestamp(row.UpdatedAt),
	}
	var checked, next time.Time
	least, seen := uint32(0), false
	for i := range row.Regions {
		r := &row.Regions[i]
		checked = later(checked, r.CheckedAt)
		if !r.NextAt.IsZero() && (next.IsZero() || r.NextAt.Before(next)) {
			next = r.NextAt
		}
		m.ConsecutiveFailures = max(m.ConsecutiveFailures, r.Failures)
		if r.HasResponse && (!seen || r.Successes < least) {
			least, seen = r.Successes, true
		}
		if row.Status != Up && r.LastErrorType != "" && m.LastErrorType == nil {
			m.LastErrorType, m.LastError = text(r.LastErrorType), text(r.LastError)
		}
		m.Regions = append(m.Regions, regionRow(r))
	}
	m.ConsecutiveSuccesses = least
	m.LastCheckedAt, m.NextCheckAt = timestamp(checked), timestamp(next)
	return m
}

func regionRow(r *RegionState) *eventsv1.RegionStatus {
	out := &eventsv1.RegionStatus{
		Region: r.Region, Status: statusOut(r.Status), Since: timestamp(r.Since), LastCheckedAt: timestamp(r.CheckedAt),
		ConsecutiveFailures: r.Failures, ConsecutiveSuccesses: r.Successes, LastErrorType: text(r.LastErrorType), LastError: text(r.LastError),
	}
	if r.HasResponse {
		ms := milliseconds(r.ResponseTime)
		out.LastResponseTimeMs = &ms
	}
	return out
}
