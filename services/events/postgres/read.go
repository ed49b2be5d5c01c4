package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/services/events"
)

// planned, before its arguments, has a query planned anew for each list that it is given. A plan that is kept is one for a
// short list, and takes the rows of a long one one by one.
const planned = pgx.QueryExecModeCacheDescribe

// Statuses returns the states of the monitors in one query, one row per region.
func (s *State) Statuses(ctx context.Context, monitorIDs []uint32) ([]events.MonitorStatus, error) {
	const query = `
SELECT s.monitor_id, s.organization_id, s.updated_at,
       s.current_status, s.since, s.seq, s.known, s.up_ms, s.degraded_ms, s.down_ms, s.unknown_ms, s.paused_ms, s.maintenance_ms, s.outages,
       r.monitor_id, r.region, r.verdict, r.last_slot, r.checked_at, r.next_at, r.unknown_at, r.silent, r.grace_until,
       r.failures, r.successes, r.faults, r.first_failure, r.first_success, r.first_fault, r.response_us, r.error_type, r.error_message,
       r.observed_at, r.observed_successes, r.observed_sum_us, r.observed_max_us, r.epoch,
       r.current_status, r.since, r.seq, r.known, r.up_ms, r.degraded_ms, r.down_ms, r.unknown_ms, r.paused_ms, r.maintenance_ms, r.outages
FROM unnest($1::bigint[]) AS id (monitor_id)
JOIN catalog c ON c.monitor_id = id.monitor_id AND NOT c.deleted
JOIN uptime_monitor_status s ON s.monitor_id = c.monitor_id
JOIN region_state r ON r.monitor_id = s.monitor_id`
	var out []events.MonitorStatus
	place := make(map[uint32]int, len(monitorIDs)) // in out
	var state stateRow
	var region regionRow
	err := each(ctx, s.db, append(state.targets(), region.targets()...), func() error {
		i, ok := place[state.monitorID]
		if !ok {
			i = len(out)
			place[state.monitorID] = i
			out = append(out, events.MonitorStatus{MonitorState: state.value()})
		}
		out[i].Regions = append(out[i].Regions, region.value())
		return nil
	}, query, planned, distinct(monitorIDs))
	if err != nil {
		return nil, fmt.Errorf("read statuses: %w", err)
	}
	for i := range out {
		slices.SortFunc(out[i].Regions, func(a, b events.RegionState) int { return strings.Compare(a.Region, b.Region) })
	}
	return out, nil
}

// distinct is how the server is handed a set of monitors.
func distinct(monitorIDs []uint32) []int64 {
	out := make([]int64, len(monitorIDs))
	for i, id := range monitorIDs {
		out[i] = int64(id)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// MonitorIDs lists an organization's monitors that are in a state.
func (s *State) MonitorIDs(ctx context.Context, organizationID string, status events.Status) ([]uint32, error) {
	const query = `
SELECT s.monitor_id FROM uptime_monitor_status s JOIN catalog c ON c.monitor_id = s.monitor_id
WHERE s.organization_id = $1 AND s.current_status = $2 AND NOT c.deleted
ORDER BY s.monitor_id`
	var out []uint32
	var id uint32
	err := each(ctx, s.db, []any{&id}, func() error {
		out = append(out, id)
		return nil
	}, query, text(organizationID), status.String())
	if err != nil {
		return nil, fmt.Errorf("read monitors in state: %w", err)
	}
	return out, nil
}

// Timelines looks up one interval per monitor and moment, each by one step down the index; those of a monitor one after the
// other, since they lie together.
func (s *State) Timelines(ctx context.Context, monitorIDs []uint32, region string, moments []time.Time) (map[uint32][]events.Timeline, error) {
	const query = `
SELECT q.monitor_id, q.place, t.status, t.since, t.seq, t.known, t.up_ms, t.degraded_ms, t.down_ms, t.unknown_ms, t.paused_ms,
       t.maintenance_ms, t.outages
FROM unnest($1::bigint[], $2::timestamptz[], $3::bigint[]) AS q (monitor_id, at, place)
CROSS JOIN LATERAL (
  SELECT x.status, x.since, x.seq, x.known, x.up_ms, x.degraded_ms, x.down_ms, x.unknown_ms, x.paused_ms, x.maintenance_ms, x.outages
  FROM transition x WHERE x.monitor_id = q.monitor_id AND x.region = $4 AND x.since < q.at
  ORDER BY x.since DESC, x.seq DESC LIMIT 1) t`
	out := make(map[uint32][]events.Timeline, len(monitorIDs))
	var ids, places []int64
	var at []time.Time
	for _, id := range distinct(monitorIDs) {
		out[uint32(id)] = make([]events.Timeline, len(moments))
		for i, m := range moments {
			ids, at, places = append(ids, id), append(at, wholeMS(m)), append(places, int64(i))
		}
	}
	var id uint32
	var place int
	var t timeline
	err := each(ctx, s.db, append([]any{&id, &place}, t.targets()...), func() error {
		out[id][place] = t.value()
		return nil
	}, query, planned, ids, at, places, text(region))
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
WHERE t.monitor_id = $1 AND t.region = $2 AND t.since < $4
  AND t.since >= COALESCE((
    SELECT x.since FROM transition x WHERE x.monitor_id = $1 AND x.region = $2 AND x.since <= $3
    ORDER BY x.since DESC, x.seq DESC LIMIT 1), '-infinity')
  AND ($5::text IS NULL OR t.status = $5)
ORDER BY t.since DESC, t.seq DESC LIMIT $6`
	var out []events.Transition
	var t timeline
	var from status
	var noted, cause moment
	var regions []byte
	v := events.Transition{MonitorID: q.MonitorID, Region: q.Region}
	targets := []any{&from, &noted, &cause, &regions, &v.ErrorType, &v.ErrorMessage, &v.ConsecutiveFailures, &v.Reason}
	err := each(ctx, s.db, append(targets, t.targets()...), func() (err error) {
		v.Timeline, v.From, v.NotedAt, v.CauseAt = t.value(), events.Status(from), noted.Time, cause.Time
		v.Regions, err = unlist(regions)
		out = append(out, v)
		return err
	}, query, int64(q.MonitorID), text(q.Region), when(q.From), wholeMS(q.To), name(q.Status), q.Limit)
	if err != nil {
		return nil, fmt.Errorf("read transitions: %w", err)
	}
	return out, nil
}
