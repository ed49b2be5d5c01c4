package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	auditsqlite "github.com/frogstats/uptime/internal/audit/sqlite"
	"github.com/frogstats/uptime/services/alerts"
)

// The monitor's name is looked up if it was not known when it went down.
const selectIncident = `
SELECT i.id, i.organization_id, i.monitor_id,
    CASE WHEN i.monitor_name <> '' THEN i.monitor_name ELSE coalesce((SELECT m.name FROM monitor m WHERE m.id = i.monitor_id), '') END,
    i.status, i.start_time, i.end_time, i.affected_regions_json, i.last_error, i.last_error_type, i.failure_count,
    i.acknowledged_by, i.acknowledged_at, i.resolved_by, i.resolved_at, i.created_at, i.updated_at,
    i.settled, i.counted_at, i.streak, i.maintenance, i.affected_by, i.down_regions, i.steps,
    i.unstable_since, i.unstable_until, i.changes, i.down_since, i.up_since
FROM incident i`

func scanIncident(row scanner) (alerts.Incident, error) {
	var i alerts.Incident
	var start, created, updated, counted int64
	var end, acknowledged, resolved, unstable, steady, wentDown, up sql.NullInt64
	var regions, down string
	err := row.Scan(&i.ID, &i.OrganizationID, &i.MonitorID, &i.MonitorName, &i.Status, &start, &end, &regions, &i.LastError,
		&i.LastErrorType, &i.FailureCount, &i.AcknowledgedBy, &acknowledged, &i.ResolvedBy, &resolved, &created, &updated,
		&i.Settled, &counted, &i.Streak, &i.Maintenance, &i.AffectedBy, &down, &i.Steps, &unstable, &steady, &i.Changes, &wentDown, &up)
	if err != nil {
		return alerts.Incident{}, err
	}
	if err := errors.Join(json.Unmarshal([]byte(regions), &i.AffectedRegions), json.Unmarshal([]byte(down), &i.DownRegions)); err != nil {
		return alerts.Incident{}, fmt.Errorf("regions of incident %d: %w", i.ID, err)
	}
	i.StartTime, i.EndTime = fromMillis(start), fromMaybe(end)
	i.AcknowledgedAt, i.ResolvedAt = fromMaybe(acknowledged), fromMaybe(resolved)
	i.CreatedAt, i.UpdatedAt, i.CountedAt = fromMillis(created), fromMillis(updated), fromMillis(counted)
	i.UnstableSince, i.UnstableUntil, i.DownSince, i.UpSince = fromMaybe(unstable), fromMaybe(steady), fromMaybe(wentDown), fromMaybe(up)
	return i, nil
}

// Incidents implements alerts.IncidentStore.
func (s *Store) Incidents(ctx context.Context, f alerts.IncidentFilter) ([]alerts.Incident, int, error) {
	w := where{}
	w.and("i.organization_id = ?", f.Organization)
	if f.MonitorID != 0 {
		w.and("i.monitor_id = ?", f.MonitorID)
	}
	in(&w, "i.status", f.Statuses)
	total, err := w.count(ctx, s.db.Read(), "incident i")
	if err != nil {
		return nil, 0, fmt.Errorf("count incidents: %w", err)
	}
	if a := f.Window.After; a != (alerts.Place{}) {
		w.and("(i.start_time, i.id) < (?, ?)", millis(a.At), a.ID)
	}
	rows, err := collect(ctx, s.db.Read(), scanIncident,
		selectIncident+w.String()+" ORDER BY i.start_time DESC, i.id DESC LIMIT ? OFFSET ?", append(w.args, f.Window.Limit, f.Window.Offset)...)
	if err != nil {
		return nil, 0, fmt.Errorf("list incidents: %w", err)
	}
	return rows, total, nil
}

const oneIncident = selectIncident + `
WHERE i.organization_id = ? AND i.id = ?`

// Incident implements alerts.IncidentStore.
func (s *Store) Incident(ctx context.Context, organization string, id uint32) (alerts.Incident, error) {
	return readIncident(ctx, s.db.Read(), organization, id)
}

func readIncident(ctx context.Context, q querier, organization string, id uint32) (alerts.Incident, error) {
	i, err := scanIncident(q.QueryRowContext(ctx, oneIncident, organization, id))
	if errors.Is(err, sql.ErrNoRows) {
		return alerts.Incident{}, alerts.ErrIncidentNotFound
	}
	if err != nil {
		return alerts.Incident{}, fmt.Errorf("read incident: %w", err)
	}
	return i, nil
}

// ChangeIncident implements alerts.IncidentStore.
func (s *Store) ChangeIncident(ctx context.Context, organization string, id uint32, change func(*alerts.Incident) (alerts.Handling, error)) (i alerts.Incident, err error) {
	err = s.db.Write(ctx, func(tx *sql.Tx) error {
		if i, err = readIncident(ctx, tx, organization, id); err != nil {
			return err
		}
		h, err := change(&i)
		if err != nil {
			return err
		}
		if h.Audit != nil {
			if err := errors.Join(saveIncident(ctx, tx, i), auditsqlite.Insert(ctx, tx, *h.Audit)); err != nil {
				return err
			}
		}
		if h.Note == nil {
			return nil
		}
		n := *h.Note
		n.OrganizationID, n.IncidentID = i.OrganizationID, i.ID
		_, err = createNote(ctx, tx, n, h.Record)
		return err
	})
	return i, err
}

const upsertIncident = `
INSERT INTO incident (id, organization_id, monitor_id, monitor_name, status, start_time, end_time, affected_regions_json,
    last_error, last_error_type, failure_count, acknowledged_by, acknowledged_at, resolved_by, resolved_at,
    created_at, updated_at, settled, counted_at, streak, maintenance, affected_by, down_regions, steps,
    unstable_since, unstable_until, changes, down_since, up_since)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET monitor_name = excluded.monitor_name, status = excluded.status, end_time = excluded.end_time,
    affected_regions_json = excluded.affected_regions_json, last_error = excluded.last_error,
    last_error_type = excluded.last_error_type, failure_count = excluded.failure_count,
    acknowledged_by = excluded.acknowledged_by, acknowledged_at = excluded.acknowledged_at,
    resolved_by = excluded.resolved_by, resolved_at = excluded.resolved_at, updated_at = excluded.updated_at,
    settled = excluded.settled, counted_at = excluded.counted_at, streak = excluded.streak, affected_by = excluded.affected_by,
    down_regions = excluded.down_regions, steps = excluded.steps, unstable_since = excluded.unstable_since,
    unstable_until = excluded.unstable_until, changes = excluded.changes, down_since = excluded.down_since, up_since = excluded.up_since`

func saveIncident(ctx context.Context, tx *sql.Tx, i alerts.Incident) error {
	regions, err := names(i.AffectedRegions)
	if err != nil {
		return fmt.Errorf("save incident: %w", err)
	}
	down, err := names(i.DownRegions)
	if err != nil {
		return fmt.Errorf("save incident: %w", err)
	}
	_, err = tx.ExecContext(ctx, upsertIncident, i.ID, i.OrganizationID, i.MonitorID, i.MonitorName, string(i.Status),
		millis(i.StartTime), maybeMillis(i.EndTime), regions, i.LastError, i.LastErrorType, i.FailureCount,
		i.AcknowledgedBy, maybeMillis(i.AcknowledgedAt), i.ResolvedBy, maybeMillis(i.ResolvedAt),
		millis(i.CreatedAt), millis(i.UpdatedAt), i.Settled, millis(i.CountedAt), i.Streak, i.Maintenance, i.AffectedBy,
		down, i.Steps, maybeMillis(i.UnstableSince), maybeMillis(i.UnstableUntil), i.Changes, maybeMillis(i.DownSince), maybeMillis(i.UpSince))
	if err != nil {
		return fmt.Errorf("save incident: %w", err)
	}
	return settleReminders(ctx, tx, i)
}

// names is a list as JSON, never null.
func names(list []string) (string, error) {
	if list == nil {
		return "[]", nil
	}
	return text(list)
}
