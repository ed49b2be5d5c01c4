package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/services/events"
)

const putMonitors = `
INSERT INTO catalog (monitor_id, organization_id, name, monitor_type, monitor_url, enabled, regions, confirm_down, confirm_up,
                     interval_ms, timeout_ms, quorum, degraded_above_ms, version, created_at, updated_at, deleted)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::smallint[], $5::text[], $6::boolean[], $7::jsonb[], $8::bigint[],
                     $9::bigint[], $10::bigint[], $11::bigint[], $12::text[], $13::bigint[], $14::bigint[], $15::timestamptz[],
                     $16::timestamptz[], $17::boolean[])
ON CONFLICT (monitor_id) DO UPDATE SET
  organization_id = excluded.organization_id, name = excluded.name, monitor_type = excluded.monitor_type,
  monitor_url = excluded.monitor_url, enabled = excluded.enabled, regions = excluded.regions,
  confirm_down = excluded.confirm_down, confirm_up = excluded.confirm_up, interval_ms = excluded.interval_ms,
  timeout_ms = excluded.timeout_ms, quorum = excluded.quorum, degraded_above_ms = excluded.degraded_above_ms,
  version = excluded.version, created_at = excluded.created_at, updated_at = excluded.updated_at, deleted = excluded.deleted`

func monitorColumns(monitors []events.Monitor) []any {
	return columns(monitors,
		func(m *events.Monitor) any { return int64(m.ID) },
		func(m *events.Monitor) any { return text(m.OrganizationID) },
		func(m *events.Monitor) any { return text(m.Name) },
		func(m *events.Monitor) any { return int16(m.Kind) },
		func(m *events.Monitor) any { return text(m.URL) },
		func(m *events.Monitor) any { return m.Enabled },
		func(m *events.Monitor) any { return list(m.Regions) },
		func(m *events.Monitor) any { return int64(m.ConfirmDown) },
		func(m *events.Monitor) any { return int64(m.ConfirmUp) },
		func(m *events.Monitor) any { return m.Interval.Milliseconds() },
		func(m *events.Monitor) any { return m.Timeout.Milliseconds() },
		func(m *events.Monitor) any { return text(string(m.Quorum)) },
		func(m *events.Monitor) any { return m.DegradedAbove.Milliseconds() },
		func(m *events.Monitor) any { return int64(m.Version) },
		func(m *events.Monitor) any { return when(m.CreatedAt) },
		func(m *events.Monitor) any { return when(m.UpdatedAt) },
		func(m *events.Monitor) any { return m.Deleted },
	)
}

const putStates = `
INSERT INTO uptime_monitor_status (monitor_id, organization_id, updated_at, current_status, since, seq, known, up_ms, degraded_ms,
                                   down_ms, unknown_ms, paused_ms, maintenance_ms, outages)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::text[], $5::timestamptz[], $6::bigint[], $7::text[],
                     $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[])
ON CONFLICT (monitor_id) DO UPDATE SET
  organization_id = excluded.organization_id, updated_at = excluded.updated_at, current_status = excluded.current_status,
  since = excluded.since, seq = excluded.seq, known = excluded.known, up_ms = excluded.up_ms, degraded_ms = excluded.degraded_ms,
  down_ms = excluded.down_ms, unknown_ms = excluded.unknown_ms, paused_ms = excluded.paused_ms,
  maintenance_ms = excluded.maintenance_ms, outages = excluded.outages`

func stateColumns(states []events.MonitorState) []any {
	return columns(states, append([]func(*events.MonitorState) any{
		func(st *events.MonitorState) any { return int64(st.MonitorID) },
		func(st *events.MonitorState) any { return text(st.OrganizationID) },
		func(st *events.MonitorState) any { return when(st.UpdatedAt) },
	}, timelineColumns(func(st *events.MonitorState) *events.Timeline { return &st.Timeline })...)...)
}

// There is one who commits at a time, so there is no need of ON CONFLICT, which locks each row before it changes it. Few rows
// come as arrays, in the same round trip as all else; many are copied, at two thirds of the cost, into a table of the session.
const (
	putRegions = `
MERGE INTO region_state r USING unnest(
  $1::bigint[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[], $8::boolean[],
  $9::timestamptz[], $10::bigint[], $11::bigint[], $12::bigint[], $13::timestamptz[], $14::timestamptz[], $15::timestamptz[],
  $16::bigint[], $17::text[], $18::text[], $19::timestamptz[], $20::bigint[], $21::bigint[], $22::bigint[], $23::bigint[],
  $24::text[], $25::timestamptz[], $26::bigint[], $27::text[], $28::bigint[], $29::bigint[], $30::bigint[], $31::bigint[],
  $32::bigint[], $33::bigint[], $34::bigint[]) AS n (
  monitor_id, region, verdict, last_slot, checked_at, next_at, unknown_at, silent, grace_until, failures, successes, faults,
  first_failure, first_success, first_fault, response_us, error_type, error_message, observed_at, observed_successes,
  observed_sum_us, observed_max_us, epoch, current_status, since, seq, known, up_ms, degraded_ms, down_ms, unknown_ms, paused_ms,
  maintenance_ms, outages)` + mergeRegion

	stageRegions  = `CREATE TEMPORARY TABLE IF NOT EXISTS staged_region (LIKE region_state) ON COMMIT DELETE ROWS`
	putStaged     = `MERGE INTO region_state r USING staged_region n` + mergeRegion
	fewRegions    = 250
	stagedRegions = "staged_region"
)

var regionNames = []string{
	"monitor_id", "region", "verdict", "last_slot", "checked_at", "next_at", "unknown_at", "silent", "grace_until", "failures", "successes", "faults",
	"first_failure", "first_success", "first_fault", "response_us", "error_type", "error_message", "observed_at", "observed_successes",
	"observed_sum_us", "observed_max_us", "epoch", "current_status", "since", "seq", "known", "up_ms", "degraded_ms", "down_ms", "unknown_ms", "paused_ms",
	"maintenance_ms", "outages",
}

const mergeRegion = `
ON r.monitor_id = n.monitor_id AND r.region = n.region
WHEN MATCHED THEN UPDATE SET
  verdict = n.verdict, last_slot = n.last_slot, checked_at = n.checked_at, next_at = n.next_at, unknown_at = n.unknown_at,
  silent = n.silent, grace_until = n.grace_until, failures = n.failures, successes = n.successes, faults = n.faults,
  first_failure = n.first_failure, first_success = n.first_success, first_fault = n.first_fault, response_us = n.response_us,
  error_type = n.error_type, error_message = n.error_message, observed_at = n.observed_at,
  observed_successes = n.observed_successes, observed_sum_us = n.observed_sum_us, observed_max_us = n.observed_max_us, epoch = n.epoch,
  current_status = n.current_status, since = n.since, seq = n.seq, known = n.known, up_ms = n.up_ms, degraded_ms = n.degraded_ms,
  down_ms = n.down_ms, unknown_ms = n.unknown_ms, paused_ms = n.paused_ms, maintenance_ms = n.maintenance_ms, outages = n.outages
WHEN NOT MATCHED THEN INSERT (
  monitor_id, region, verdict, last_slot, checked_at, next_at, unknown_at, silent, grace_until, failures, successes, faults,
  first_failure, first_success, first_fault, response_us, error_type, error_message, observed_at, observed_successes,
  observed_sum_us, observed_max_us, epoch, current_status, since, seq, known, up_ms, degraded_ms, down_ms, unknown_ms, paused_ms,
  maintenance_ms, outages)
VALUES (
  n.monitor_id, n.region, n.verdict, n.last_slot, n.checked_at, n.next_at, n.unknown_at, n.silent, n.grace_until, n.failures,
  n.successes, n.faults, n.first_failure, n.first_success, n.first_fault, n.response_us, n.error_type, n.error_message,
  n.observed_at, n.observed_successes, n.observed_sum_us, n.observed_max_us, n.epoch, n.current_status, n.since, n.seq, n.known, n.up_ms,
  n.degraded_ms, n.down_ms, n.unknown_ms, n.paused_ms, n.maintenance_ms, n.outages)`

// stage copies regions into the session's table, for putStaged.
func stage(ctx context.Context, tx pgx.Tx, regions []events.RegionState) error {
	if _, err := tx.Exec(ctx, stageRegions); err != nil {
		return err
	}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{stagedRegions}, regionNames, &rowSource{columns: regionColumns(regions), rows: len(regions)})
	return err
}

func regionColumns(regions []events.RegionState) []any {
	return columns(regions, append([]func(*events.RegionState) any{
		func(r *events.RegionState) any { return int64(r.MonitorID) },
		func(r *events.RegionState) any { return text(r.Region) },
		func(r *events.RegionState) any { return name(r.Verdict) },
		func(r *events.RegionState) any { return when(r.LastSlot) },
		func(r *events.RegionState) any { return when(r.CheckedAt) },
		func(r *events.RegionState) any { return when(r.NextAt) },
		func(r *events.RegionState) any { return when(r.UnknownAt) },
		func(r *events.RegionState) any { return r.Silent },
		func(r *events.RegionState) any { return when(r.GraceUntil) },
		func(r *events.RegionState) any { return int64(r.Failures) },
		func(r *events.RegionState) any { return int64(r.Successes) },
		func(r *events.RegionState) any { return int64(r.Faults) },
		func(r *events.RegionState) any { return when(r.FirstFailure) },
		func(r *events.RegionState) any { return when(r.FirstSuccess) },
		func(r *events.RegionState) any { return when(r.FirstFault) },
		func(r *events.RegionState) any {
			if !r.HasResponse {
				return nil
			}
			return us(r.ResponseTime)
		},
		func(r *events.RegionState) any { return text(r.LastErrorType) },
		func(r *events.RegionState) any { return text(r.LastError) },
		func(r *events.RegionState) any { return when(r.Observed.At) },
		func(r *events.RegionState) any { return int64(r.Observed.Successes) },
		func(r *events.RegionState) any { return us(r.Observed.Sum) },
		func(r *events.RegionState) any { return us(r.Observed.Max) },
		func(r *events.RegionState) any { return int64(r.Epoch) },
	}, timelineColumns(func(r *events.RegionState) *events.Timeline { return &r.Timeline })...)...)
}

const dropIntervals = `
DELETE FROM transition t USING unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::bigint[]) AS n (monitor_id, region, since, seq)
WHERE t.monitor_id = n.monitor_id AND t.region = n.region AND t.since >= n.since AND t.seq >= n.seq`

func mendedColumns(mended []events.Mended) []any {
	return columns(mended,
		func(m *events.Mended) any { return int64(m.MonitorID) },
		func(m *events.Mended) any { return text(m.Region) },
		func(m *events.Mended) any { return wholeMS(m.From) },
		func(m *events.Mended) any { return int64(m.First) },
	)
}

const (
	putOwed = `
INSERT INTO owed (monitor_id, from_slot) SELECT * FROM unnest($1::bigint[], $2::timestamptz[]) AS n (monitor_id, from_slot)
ON CONFLICT (monitor_id) DO UPDATE SET from_slot = excluded.from_slot`
	dropOwed = `DELETE FROM owed WHERE monitor_id = ANY ($1::bigint[])`
)

// owedColumns parts what is owed from what is not any more.
func owedColumns(owed []events.Owed) (put, drop []any, puts, drops int) {
	var due, paid []events.Owed
	for _, o := range newest(owed, func(o *events.Owed) uint32 { return o.MonitorID }) {
		if o.From.IsZero() {
			paid = append(paid, o)
		} else {
			due = append(due, o)
		}
	}
	id := func(o *events.Owed) any { return int64(o.MonitorID) }
	return columns(due, id, func(o *events.Owed) any { return when(o.From) }), columns(paid, id), len(due), len(paid)
}

const putTransitions = `
INSERT INTO transition (monitor_id, region, from_status, noted_at, cause_at, regions, error_type, error_message, consecutive_failures,
                        reason, status, since, seq, known, up_ms, degraded_ms, down_ms, unknown_ms, paused_ms, maintenance_ms, outages)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::jsonb[], $7::text[],
                     $8::text[], $9::bigint[], $10::text[], $11::text[], $12::timestamptz[], $13::bigint[], $14::text[],
                     $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[], $20::bigint[], $21::bigint[])
ON CONFLICT (monitor_id, region, since, seq) DO UPDATE SET
  from_status = excluded.from_status, noted_at = excluded.noted_at, cause_at = excluded.cause_at, regions = excluded.regions,
  error_type = excluded.error_type, error_message = excluded.error_message, consecutive_failures = excluded.consecutive_failures,
  reason = excluded.reason, status = excluded.status, known = excluded.known, up_ms = excluded.up_ms,
  degraded_ms = excluded.degraded_ms, down_ms = excluded.down_ms, unknown_ms = excluded.unknown_ms, paused_ms = excluded.paused_ms,
  maintenance_ms = excluded.maintenance_ms, outages = excluded.outages`

func transitionColumns(transitions []events.Transition) []any {
	return columns(transitions, append([]func(*events.Transition) any{
		func(t *events.Transition) any { return int64(t.MonitorID) },
		func(t *events.Transition) any { return text(t.Region) },
		func(t *events.Transition) any { return name(t.From) },
		func(t *events.Transition) any { return when(t.NotedAt) },
		func(t *events.Transition) any { return when(t.CauseAt) },
		func(t *events.Transition) any { return list(t.Regions) },
		func(t *events.Transition) any { return text(t.ErrorType) },
		func(t *events.Transition) any { return text(t.ErrorMessage) },
		func(t *events.Transition) any { return int64(t.ConsecutiveFailures) },
		func(t *events.Transition) any { return text(t.Reason) },
	}, timelineColumns(func(t *events.Transition) *events.Timeline { return &t.Timeline })...)...)
}

// The numbers follow the order of the arrays, not that in which rows happen to be inserted.
const putFeed = `
INSERT INTO feed (seq, organization_id, monitor_id, kind, noted_at, body)
SELECT $5::bigint + f.place, f.organization_id, f.monitor_id, f.kind, $6::timestamptz, f.body
FROM unnest($1::text[], $2::bigint[], $3::smallint[], $4::bytea[])
     WITH ORDINALITY AS f (organization_id, monitor_id, kind, body, place)`

func feedColumns(feed []events.FeedRow) []any {
	return columns(feed,
		func(f *events.FeedRow) any { return text(f.OrganizationID) },
		func(f *events.FeedRow) any { return int64(f.MonitorID) },
		func(f *events.FeedRow) any { return int16(f.Kind) },
		func(f *events.FeedRow) any { return f.Body },
	)
}
