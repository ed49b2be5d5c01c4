package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/frogstats/uptime/services/events"
)

// Load returns everything that judging goes on from, as of one moment.
func (s *State) Load(ctx context.Context) (events.Snapshot, error) {
	var out events.Snapshot
	tx, err := s.db.Read().BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return out, fmt.Errorf("load state: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // it only read
	if err := loadMonitors(ctx, tx, &out); err != nil {
		return out, fmt.Errorf("load monitors: %w", err)
	}
	const states = `
SELECT s.monitor_id, s.organization_id, s.updated_at,
       s.current_status, s.since, s.seq, s.known, s.up_ms, s.degraded_ms, s.down_ms, s.unknown_ms, s.paused_ms, s.maintenance_ms, s.outages
FROM uptime_monitor_status s JOIN catalog c ON c.monitor_id = s.monitor_id WHERE c.deleted = 0`
	err = rows(ctx, tx, func(r *sql.Rows) error {
		var row stateRow
		err := r.Scan(row.targets()...)
		out.States = append(out.States, row.value())
		return err
	}, states)
	if err != nil {
		return out, fmt.Errorf("load states: %w", err)
	}
	const regions = `
SELECT ` + regionColumns + `
FROM region_state r JOIN catalog c ON c.monitor_id = r.monitor_id WHERE c.deleted = 0
ORDER BY r.monitor_id, r.region`
	err = rows(ctx, tx, func(r *sql.Rows) error {
		var row regionRow
		err := r.Scan(row.targets()...)
		out.Regions = append(out.Regions, row.value())
		return err
	}, regions)
	if err != nil {
		return out, fmt.Errorf("load regions: %w", err)
	}
	const owed = `
SELECT o.monitor_id, o.from_slot FROM owed o JOIN catalog c ON c.monitor_id = o.monitor_id WHERE c.deleted = 0 ORDER BY o.monitor_id`
	err = rows(ctx, tx, scanPair(func(id, from int64) {
		out.Owed = append(out.Owed, events.Owed{MonitorID: uint32(id), From: moment(from)})
	}), owed)
	if err != nil {
		return out, fmt.Errorf("load owed: %w", err)
	}
	return out, nil
}

func loadMonitors(ctx context.Context, q querier, out *events.Snapshot) error {
	const query = `
SELECT monitor_id, organization_id, name, monitor_type, monitor_url, enabled, regions, confirm_down, confirm_up, interval_ms,
       timeout_ms, quorum, degraded_above_ms, version, created_at, updated_at, deleted
FROM catalog ORDER BY monitor_id`
	return rows(ctx, q, func(r *sql.Rows) error {
		var m events.Monitor
		var regions, quorum string
		var interval, timeout, degraded, version, created, updated int64
		err := r.Scan(&m.ID, &m.OrganizationID, &m.Name, &m.Kind, &m.URL, &m.Enabled, &regions, &m.ConfirmDown, &m.ConfirmUp, &interval,
			&timeout, &quorum, &degraded, &version, &created, &updated, &m.Deleted)
		if err != nil {
			return err
		}
		if m.Deleted {
			out.Deleted = append(out.Deleted, m.ID)
			return nil
		}
		m.Interval, m.Timeout, m.DegradedAbove = fromMS(interval), fromMS(timeout), fromMS(degraded)
		m.Quorum, m.Version, m.CreatedAt, m.UpdatedAt = events.Quorum(quorum), uint64(version), moment(created), moment(updated)
		m.Regions, err = unlist(regions)
		out.Monitors = append(out.Monitors, m)
		return err
	}, query)
}

// stateRow collects monitor_id, organization_id, updated_at and the columns of an interval.
type stateRow struct {
	timeline
	monitorID    uint32
	organization string
	updated      int64
}

func (s *stateRow) targets() []any {
	return append([]any{&s.monitorID, &s.organization, &s.updated}, s.timeline.targets()...)
}

func (s *stateRow) value() events.MonitorState {
	return events.MonitorState{
		MonitorID: s.monitorID, OrganizationID: s.organization, UpdatedAt: moment(s.updated), Timeline: s.timeline.value(),
	}
}

const regionColumns = `
       r.monitor_id, r.region, r.verdict, r.last_slot, r.checked_at, r.next_at, r.unknown_at, r.silent, r.grace_until,
       r.failures, r.successes, r.faults, r.first_failure, r.first_success, r.first_fault, r.response_us, r.error_type, r.error_message,
       r.observed_at, r.observed_successes, r.observed_sum_us, r.observed_max_us, r.epoch,
       r.current_status, r.since, r.seq, r.known, r.up_ms, r.degraded_ms, r.down_ms, r.unknown_ms, r.paused_ms, r.maintenance_ms, r.outages`

// regionRow collects regionColumns.
type regionRow struct {
	timeline
	st                                  events.RegionState
	slot, checked, next, unknown, grace int64
	failure, success, fault             int64
	response                            sql.NullInt64
	observed, observedSum, observedMax  int64
	epoch                               int64
}

func (r *regionRow) targets() []any {
	st := &r.st
	return append([]any{
		&st.MonitorID, &st.Region, &st.Verdict, &r.slot, &r.checked, &r.next, &r.unknown, &st.Silent, &r.grace,
		&st.Failures, &st.Successes, &st.Faults, &r.failure, &r.success, &r.fault, &r.response, &st.LastErrorType, &st.LastError,
		&r.observed, &st.Observed.Successes, &r.observedSum, &r.observedMax, &r.epoch,
	}, r.timeline.targets()...)
}

func (r *regionRow) value() events.RegionState {
	st := r.st
	st.Timeline, st.Epoch = r.timeline.value(), uint64(r.epoch)
	st.LastSlot, st.CheckedAt, st.NextAt = moment(r.slot), moment(r.checked), moment(r.next)
	st.UnknownAt, st.GraceUntil = moment(r.unknown), moment(r.grace)
	st.FirstFailure, st.FirstSuccess, st.FirstFault = moment(r.failure), moment(r.success), moment(r.fault)
	st.HasResponse, st.ResponseTime = r.response.Valid, fromUS(r.response.Int64)
	st.Observed.At, st.Observed.Sum, st.Observed.Max = moment(r.observed), fromUS(r.observedSum), fromUS(r.observedMax)
	return st
}
