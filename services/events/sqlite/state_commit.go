package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/frogstats/uptime/services/events"
)

// Commit stores everything in c in one transaction. There is one writer, so numbers in the feed appear in their order.
func (s *State) Commit(ctx context.Context, c events.Commit) error {
	err := s.db.Write(ctx, func(tx *sql.Tx) error {
		for _, step := range []func(context.Context, *sql.Tx, *events.Commit) error{
			putMonitors, putStates, putRegions, dropIntervals, putTransitions, putOwed, putFeed,
		} {
			if err := step(ctx, tx, &c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("commit state: %w", err)
	}
	return nil
}

// each prepares a statement, if there is anything to do, and runs it with the arguments of every item.
func each[T any](ctx context.Context, tx *sql.Tx, what, query string, items []T, args func(*T) []any) error {
	if len(items) == 0 {
		return nil
	}
	stmt, err := tx.PrepareContext(ctx, query)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer stmt.Close()
	for i := range items {
		if _, err := stmt.ExecContext(ctx, args(&items[i])...); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

func putMonitors(ctx context.Context, tx *sql.Tx, c *events.Commit) error {
	const query = `
INSERT INTO catalog (monitor_id, organization_id, name, monitor_type, monitor_url, enabled, regions, confirm_down, confirm_up,
                     interval_ms, timeout_ms, quorum, degraded_above_ms, version, created_at, updated_at, deleted)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (monitor_id) DO UPDATE SET
  organization_id = excluded.organization_id, name = excluded.name, monitor_type = excluded.monitor_type,
  monitor_url = excluded.monitor_url, enabled = excluded.enabled, regions = excluded.regions,
  confirm_down = excluded.confirm_down, confirm_up = excluded.confirm_up, interval_ms = excluded.interval_ms,
  timeout_ms = excluded.timeout_ms, quorum = excluded.quorum, degraded_above_ms = excluded.degraded_above_ms,
  version = excluded.version, created_at = excluded.created_at, updated_at = excluded.updated_at, deleted = excluded.deleted`
	return each(ctx, tx, "put monitor", query, c.Monitors, func(m *events.Monitor) []any {
		return []any{
			m.ID, m.OrganizationID, m.Name, int(m.Kind), m.URL, flag(m.Enabled), list(m.Regions), m.ConfirmDown, m.ConfirmUp,
			m.Interval.Milliseconds(), m.Timeout.Milliseconds(), string(m.Quorum), m.DegradedAbove.Milliseconds(), int64(m.Version),
			ms(m.CreatedAt), ms(m.UpdatedAt), flag(m.Deleted),
		}
	})
}

func putStates(ctx context.Context, tx *sql.Tx, c *events.Commit) error {
	const query = `
INSERT INTO uptime_monitor_status (monitor_id, organization_id, updated_at, current_status, since, seq, known, up_ms, degraded_ms,
                                   down_ms, unknown_ms, paused_ms, maintenance_ms, outages)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (monitor_id) DO UPDATE SET
  organization_id = excluded.organization_id, updated_at = excluded.updated_at, current_status = excluded.current_status,
  since = excluded.since, seq = excluded.seq, known = excluded.known, up_ms = excluded.up_ms, degraded_ms = excluded.degraded_ms,
  down_ms = excluded.down_ms, unknown_ms = excluded.unknown_ms, paused_ms = excluded.paused_ms,
  maintenance_ms = excluded.maintenance_ms, outages = excluded.outages`
	return each(ctx, tx, "put state", query, c.States, func(st *events.MonitorState) []any {
		return append([]any{st.MonitorID, st.OrganizationID, ms(st.UpdatedAt)}, timelineArgs(st.Timeline)...)
	})
}

func putRegions(ctx context.Context, tx *sql.Tx, c *events.Commit) error {
	// REPLACE writes the same row once instead of looking it up, reading and changing it.
	const query = `
REPLACE INTO region_state (monitor_id, region, verdict, last_slot, checked_at, next_at, unknown_at, silent, grace_until,
                           failures, successes, faults, first_failure, first_success, first_fault, response_us, error_type,
                           error_message, observed_at, observed_successes, observed_sum_us, observed_max_us, epoch,
                           current_status, since, seq, known, up_ms, degraded_ms, down_ms, unknown_ms, paused_ms, maintenance_ms, outages)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	return each(ctx, tx, "put region", query, c.Regions, func(r *events.RegionState) []any {
		return append([]any{
			r.MonitorID, r.Region, int(r.Verdict), ms(r.LastSlot), ms(r.CheckedAt), ms(r.NextAt), ms(r.UnknownAt), flag(r.Silent), ms(r.GraceUntil),
			r.Failures, r.Successes, r.Faults, ms(r.FirstFailure), ms(r.FirstSuccess), ms(r.FirstFault),
			sql.NullInt64{Int64: us(r.ResponseTime), Valid: r.HasResponse}, r.LastErrorType,
			r.LastError, ms(r.Observed.At), r.Observed.Successes, us(r.Observed.Sum), us(r.Observed.Max), int64(r.Epoch),
		}, timelineArgs(r.Timeline)...)
	})
}

func dropIntervals(ctx context.Context, tx *sql.Tx, c *events.Commit) error {
	const query = `DELETE FROM transition WHERE monitor_id = ? AND region = ? AND since >= ? AND seq >= ?`
	return each(ctx, tx, "forget intervals", query, c.Mended, func(m *events.Mended) []any {
		return []any{m.MonitorID, m.Region, ms(m.From), int64(m.First)}
	})
}

func putTransitions(ctx context.Context, tx *sql.Tx, c *events.Commit) error {
	const query = `
INSERT INTO transition (monitor_id, region, from_status, noted_at, cause_at, regions, error_type, error_message, consecutive_failures,
                        reason, status, since, seq, known, up_ms, degraded_ms, down_ms, unknown_ms, paused_ms, maintenance_ms, outages)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (monitor_id, region, since, seq) DO UPDATE SET
  from_status = excluded.from_status, noted_at = excluded.noted_at, cause_at = excluded.cause_at, regions = excluded.regions,
  error_type = excluded.error_type, error_message = excluded.error_message, consecutive_failures = excluded.consecutive_failures,
  reason = excluded.reason, status = excluded.status, known = excluded.known, up_ms = excluded.up_ms,
  degraded_ms = excluded.degraded_ms, down_ms = excluded.down_ms, unknown_ms = excluded.unknown_ms, paused_ms = excluded.paused_ms,
  maintenance_ms = excluded.maintenance_ms, outages = excluded.outages`
	return each(ctx, tx, "put transition", query, c.Transitions, func(t *events.Transition) []any {
		return append([]any{
			t.MonitorID, t.Region, int(t.From), ms(t.NotedAt), ms(t.CauseAt), list(t.Regions), t.ErrorType, t.ErrorMessage,
			t.ConsecutiveFailures, t.Reason,
		}, timelineArgs(t.Timeline)...)
	})
}

func putOwed(ctx context.Context, tx *sql.Tx, c *events.Commit) error {
	const query = `REPLACE INTO owed (monitor_id, from_slot) VALUES (?, ?)`
	const paid = `DELETE FROM owed WHERE monitor_id = ? AND from_slot = 0`
	err := each(ctx, tx, "put owed", query, c.Owed, func(o *events.Owed) []any { return []any{o.MonitorID, ms(o.From)} })
	if err != nil {
		return err
	}
	return each(ctx, tx, "forget owed", paid, c.Owed, func(o *events.Owed) []any { return []any{o.MonitorID} })
}

func putFeed(ctx context.Context, tx *sql.Tx, c *events.Commit) error {
	const query = `INSERT INTO feed (organization_id, monitor_id, kind, noted_at, body) VALUES (?, ?, ?, ?, ?)`
	return each(ctx, tx, "put feed entry", query, c.Feed, func(f *events.FeedRow) []any {
		return []any{f.OrganizationID, f.MonitorID, int(f.Kind), ms(c.At), f.Body}
	})
}
