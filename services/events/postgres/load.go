package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/services/events"
)

const loadMonitors = `
SELECT monitor_id, organization_id, name, monitor_type, monitor_url, enabled, regions, confirm_down, confirm_up, interval_ms,
       timeout_ms, quorum, degraded_above_ms, version, created_at, updated_at, deleted
FROM catalog ORDER BY monitor_id`

const loadStates = `
SELECT s.monitor_id, s.organization_id, s.updated_at,
       s.current_status, s.since, s.seq, s.known, s.up_ms, s.degraded_ms, s.down_ms, s.unknown_ms, s.paused_ms, s.maintenance_ms, s.outages
FROM uptime_monitor_status s JOIN catalog c ON c.monitor_id = s.monitor_id WHERE NOT c.deleted
ORDER BY s.monitor_id`

const loadRegions = `
SELECT r.monitor_id, r.region, r.verdict, r.last_slot, r.checked_at, r.next_at, r.unknown_at, r.silent, r.grace_until,
       r.failures, r.successes, r.faults, r.first_failure, r.first_success, r.first_fault, r.response_us, r.error_type, r.error_message,
       r.observed_at, r.observed_successes, r.observed_sum_us, r.observed_max_us, r.epoch,
       r.current_status, r.since, r.seq, r.known, r.up_ms, r.degraded_ms, r.down_ms, r.unknown_ms, r.paused_ms, r.maintenance_ms, r.outages
FROM region_state r JOIN catalog c ON c.monitor_id = r.monitor_id WHERE NOT c.deleted
ORDER BY r.monitor_id, r.region`

const loadOwed = `
SELECT o.monitor_id, o.from_slot FROM owed o JOIN catalog c ON c.monitor_id = o.monitor_id WHERE NOT c.deleted
ORDER BY o.monitor_id`

// Load returns everything that judging goes on from, as of one moment.
func (s *State) Load(ctx context.Context) (events.Snapshot, error) {
	var out events.Snapshot
	err := s.db.Snapshot(ctx, func(tx pgx.Tx) error {
		out = events.Snapshot{}
		if err := readMonitors(ctx, tx, &out); err != nil {
			return fmt.Errorf("monitors: %w", err)
		}
		var state stateRow
		err := each(ctx, tx, state.targets(), func() error {
			out.States = append(out.States, state.value())
			return nil
		}, loadStates)
		if err != nil {
			return fmt.Errorf("states: %w", err)
		}
		var region regionRow
		err = each(ctx, tx, region.targets(), func() error {
			out.Regions = append(out.Regions, region.value())
			return nil
		}, loadRegions)
		if err != nil {
			return fmt.Errorf("regions: %w", err)
		}
		var id int64
		var from moment
		err = each(ctx, tx, []any{&id, &from}, func() error {
			out.Owed = append(out.Owed, events.Owed{MonitorID: uint32(id), From: from.Time})
			return nil
		}, loadOwed)
		if err != nil {
			return fmt.Errorf("owed: %w", err)
		}
		return nil
	})
	if err != nil {
		return events.Snapshot{}, fmt.Errorf("load state: %w", err)
	}
	return out, nil
}

type querier interface {
	Query(ctx context.Context, query string, args ...any) (pgx.Rows, error)
}

// each reads every row of a query into the same targets and calls fn after each.
func each(ctx context.Context, q querier, targets []any, fn func() error, query string, args ...any) error {
	r, err := q.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(r, targets, fn)
	return err
}

func readMonitors(ctx context.Context, q querier, out *events.Snapshot) error {
	var m events.Monitor
	var kind int16
	var regions []byte
	var quorum string
	var interval, timeout, degraded int64
	var created, updated moment
	targets := []any{
		&m.ID, &m.OrganizationID, &m.Name, &kind, &m.URL, &m.Enabled, &regions, &m.ConfirmDown, &m.ConfirmUp, &interval,
		&timeout, &quorum, &degraded, &m.Version, &created, &updated, &m.Deleted,
	}
	return each(ctx, q, targets, func() (err error) {
		if m.Deleted {
			out.Deleted = append(out.Deleted, m.ID)
			return nil
		}
		m.Kind, m.Quorum, m.CreatedAt, m.UpdatedAt = events.CheckKind(kind), events.Quorum(quorum), created.Time, updated.Time
		m.Interval, m.Timeout, m.DegradedAbove = fromMS(interval), fromMS(timeout), fromMS(degraded)
		m.Regions, err = unlist(regions)
		out.Monitors = append(out.Monitors, m)
		return err
	}, loadMonitors)
}

func unlist(b []byte) ([]string, error) {
	var out []string
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, fmt.Errorf("decode list: %w", err)
	}
	return out, nil
}

// stateRow receives monitor_id, organization_id, updated_at and the columns of an interval.
type stateRow struct {
	timeline
	monitorID    uint32
	organization string
	updated      moment
}

func (s *stateRow) targets() []any {
	return append([]any{&s.monitorID, &s.organization, &s.updated}, s.timeline.targets()...)
}

func (s *stateRow) value() events.MonitorState {
	return events.MonitorState{
		MonitorID: s.monitorID, OrganizationID: s.organization, UpdatedAt: s.updated.Time, Timeline: s.timeline.value(),
	}
}

// regionRow receives the columns of region_state as loadRegions names them.
type regionRow struct {
	timeline
	st                                  events.RegionState
	verdict                             status
	slot, checked, next, unknown, grace moment
	failure, success, fault             moment
	response                            *int64
	observed                            moment
	observedSum, observedMax            int64
	epoch                               int64
}

func (r *regionRow) targets() []any {
	st := &r.st
	return append([]any{
		&st.MonitorID, &st.Region, &r.verdict, &r.slot, &r.checked, &r.next, &r.unknown, &st.Silent, &r.grace,
		&st.Failures, &st.Successes, &st.Faults, &r.failure, &r.success, &r.fault, &r.response, &st.LastErrorType, &st.LastError,
		&r.observed, &st.Observed.Successes, &r.observedSum, &r.observedMax, &r.epoch,
	}, r.timeline.targets()...)
}

func (r *regionRow) value() events.RegionState {
	st := r.st
	st.Timeline, st.Verdict, st.Epoch = r.timeline.value(), events.Status(r.verdict), uint64(r.epoch)
	st.LastSlot, st.CheckedAt, st.NextAt = r.slot.Time, r.checked.Time, r.next.Time
	st.UnknownAt, st.GraceUntil = r.unknown.Time, r.grace.Time
	st.FirstFailure, st.FirstSuccess, st.FirstFault = r.failure.Time, r.success.Time, r.fault.Time
	if r.response != nil {
		st.HasResponse, st.ResponseTime = true, fromUS(*r.response)
	}
	st.Observed.At, st.Observed.Sum, st.Observed.Max = r.observed.Time, fromUS(r.observedSum), fromUS(r.observedMax)
	return st
}
