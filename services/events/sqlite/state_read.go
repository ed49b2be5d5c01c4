package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/frogstats/uptime/services/events"
)

// Lists that are asked for lead, by CROSS JOIN, which the planner does not turn round. It goes by statistics of the time when the
// file was last closed; a table that held four rows then, and holds a million now, it would read whole for each of the list.
const (
	selectStatuses = `
SELECT s.monitor_id, s.organization_id, s.updated_at,
       s.current_status, s.since, s.seq, s.known, s.up_ms, s.degraded_ms, s.down_ms, s.unknown_ms, s.paused_ms, s.maintenance_ms, s.outages,
       ` + regionColumns + `
FROM json_each(?) AS id
CROSS JOIN catalog c ON c.monitor_id = id.value AND c.deleted = 0
CROSS JOIN uptime_monitor_status s ON s.monitor_id = c.monitor_id
CROSS JOIN region_state r ON r.monitor_id = s.monitor_id
ORDER BY s.monitor_id, r.region`
	selectTimelines = `
SELECT id.value, m.key, t.status, t.since, t.seq, t.known, t.up_ms, t.degraded_ms, t.down_ms, t.unknown_ms, t.paused_ms, t.maintenance_ms,
       t.outages
FROM json_each(?1) AS id CROSS JOIN json_each(?2) AS m
CROSS JOIN transition t ON t.id = (
  SELECT x.id FROM transition x WHERE x.monitor_id = id.value AND x.region = ?3 AND x.since < m.value
  ORDER BY x.since DESC, x.seq DESC LIMIT 1)`
)

// Statuses returns the states of the monitors in one query, one row per region.
func (s *State) Statuses(ctx context.Context, monitorIDs []uint32) ([]events.MonitorStatus, error) {
	var out []events.MonitorStatus
	err := rows(ctx, s.read, func(r *sql.Rows) error {
		var state stateRow
		var region regionRow
		if err := r.Scan(append(state.targets(), region.targets()...)...); err != nil {
			return err
		}
		if n := len(out); n == 0 || out[n-1].MonitorID != state.monitorID {
			out = append(out, events.MonitorStatus{MonitorState: state.value()})
		}
		last := &out[len(out)-1]
		if n := len(last.Regions); n == 0 || last.Regions[n-1].Region != region.st.Region { // else an id was given twice
			last.Regions = append(last.Regions, region.value())
		}
		return nil
	}, selectStatuses, jsonList(monitorIDs))
	if err != nil {
		return nil, fmt.Errorf("read statuses: %w", err)
	}
	return out, nil
}

// MonitorIDs lists an organization's monitors that are in a state.
func (s *State) MonitorIDs(ctx context.Context, organizationID string, status events.Status) ([]uint32, error) {
	const query = `
SELECT s.monitor_id FROM uptime_monitor_status s JOIN catalog c ON c.monitor_id = s.monitor_id
WHERE s.organization_id = ? AND s.current_status = ? AND c.deleted = 0
ORDER BY s.monitor_id`
	var out []uint32
	err := rows(ctx, s.read, func(r *sql.Rows) error {
		var id uint32
		err := r.Scan(&id)
		out = append(out, id)
		return err
	}, query, organizationID, int(status))
	if err != nil {
		return nil, fmt.Errorf("read monitors in state: %w", err)
	}
	return out, nil
}

// Timelines looks up one interval per monitor and moment, each by one step down the index.
func (s *State) Timelines(ctx context.Context, monitorIDs []uint32, region string, moments []time.Time) (map[uint32][]events.Timeline, error) {
	at := make([]int64, len(moments))
	for i, t := range moments {
		at[i] = t.UnixMilli()
	}
	out := make(map[uint32][]events.Timeline, len(monitorIDs))
	for _, id := range monitorIDs {
		out[id] = make([]events.Timeline, len(moments))
	}
	err := rows(ctx, s.read, func(r *sql.Rows) error {
		var id uint32
		var i int
		var t timeline
		if err := r.Scan(append([]any{&id, &i}, t.targets()...)...); err != nil {
			return err
		}
		out[id][i] = t.value()
		return nil
	}, selectTimelines, jsonList(monitorIDs), jsonList(at), region)
	if err != nil {
		return nil, fmt.Errorf("read timelines: %w", err)
	}
	return out, nil
}

// Transitions reads intervals from the newest back. The oldest that counts is the one that From lies in.
func (s *State) Transitions(ctx context.Context, q events.TransitionQuery) ([]events.Transition, error) {
	const query = `
SELECT t.from_status, t.noted_at, t.cause_at, t.regions, t.error_type, t.error_message, t.consecutive_failures, t.reason,
       t.status, t.since, t.seq, t.known, t.up_ms, t.degraded_ms, t.down_ms, t.unknown_ms, t.paused_ms, t.maintenance_ms, t.outages
FROM transition t
WHERE t.monitor_id = ?1 AND t.region = ?2 AND t.since < ?4
  AND t.since >= COALESCE((
    SELECT x.since FROM transition x WHERE x.monitor_id = ?1 AND x.region = ?2 AND x.since <= ?3
    ORDER BY x.since DESC, x.seq DESC LIMIT 1), ?3)
  AND (?5 = 0 OR t.status = ?5)
ORDER BY t.since DESC, t.seq DESC LIMIT ?6 + 0`
	var out []events.Transition
	err := rows(ctx, s.read, func(r *sql.Rows) error {
		v := events.Transition{MonitorID: q.MonitorID, Region: q.Region}
		var t timeline
		var noted, cause int64
		var regions string
		err := r.Scan(append([]any{
			&v.From, &noted, &cause, &regions, &v.ErrorType, &v.ErrorMessage, &v.ConsecutiveFailures, &v.Reason,
		}, t.targets()...)...)
		if err != nil {
			return err
		}
		v.Timeline, v.NotedAt, v.CauseAt = t.value(), moment(noted), moment(cause)
		v.Regions, err = unlist(regions)
		out = append(out, v)
		return err
	}, query, q.MonitorID, q.Region, ms(q.From), q.To.UnixMilli(), int(q.Status), q.Limit)
	if err != nil {
		return nil, fmt.Errorf("read transitions: %w", err)
	}
	return out, nil
}
