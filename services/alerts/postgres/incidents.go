package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	auditpostgres "github.com/frogstats/uptime/internal/audit/postgres"
	"github.com/frogstats/uptime/services/alerts"
)

// The monitor's name is looked up if it was not known when it went down.
const selectIncident = `
SELECT i.id, i.organization_id, i.monitor_id,
    CASE WHEN i.monitor_name <> '' THEN i.monitor_name ELSE coalesce((SELECT m.name FROM monitor m WHERE m.id = i.monitor_id), '') END,
    i.status, i.start_time, i.end_time, i.affected_regions, i.last_error, i.last_error_type, i.failure_count,
    i.acknowledged_by, i.acknowledged_at, i.resolved_by, i.resolved_at, i.created_at, i.updated_at,
    i.settled, i.counted_at, i.streak, i.maintenance, i.affected_by, i.down_regions, i.steps,
    i.unstable_since, i.unstable_until, i.changes, i.down_since, i.up_since
FROM incident i`

func scanIncident(row pgx.Row) (i alerts.Incident, err error) {
	var end, acknowledged, resolved, unstable, steady, down, up *time.Time
	err = row.Scan(&i.ID, &i.OrganizationID, &i.MonitorID, &i.MonitorName, &i.Status, &i.StartTime, &end, &i.AffectedRegions,
		&i.LastError, &i.LastErrorType, &i.FailureCount, &i.AcknowledgedBy, &acknowledged, &i.ResolvedBy, &resolved,
		&i.CreatedAt, &i.UpdatedAt, &i.Settled, &i.CountedAt, &i.Streak, &i.Maintenance, &i.AffectedBy,
		&i.DownRegions, &i.Steps, &unstable, &steady, &i.Changes, &down, &up)
	if err != nil {
		return alerts.Incident{}, err
	}
	i.StartTime, i.EndTime, i.AcknowledgedAt, i.ResolvedAt = i.StartTime.UTC(), fromMaybe(end), fromMaybe(acknowledged), fromMaybe(resolved)
	i.CreatedAt, i.UpdatedAt, i.CountedAt = i.CreatedAt.UTC(), i.UpdatedAt.UTC(), i.CountedAt.UTC()
	i.UnstableSince, i.UnstableUntil, i.DownSince, i.UpSince = fromMaybe(unstable), fromMaybe(steady), fromMaybe(down), fromMaybe(up)
	return i, nil
}

// Incidents implements alerts.IncidentStore.
func (s *Store) Incidents(ctx context.Context, f alerts.IncidentFilter) ([]alerts.Incident, int, error) {
	l := listing[alerts.Incident]{
		query: selectIncident, from: "incident i", order: "i.start_time DESC, i.id DESC", window: f.Window, scan: scanIncident,
	}
	l.where.and("i.organization_id = ?", f.Organization)
	if f.MonitorID != 0 {
		l.where.and("i.monitor_id = ?", f.MonitorID)
	}
	in(&l.where, "i.status", f.Statuses)
	if a := f.Window.After; a != (alerts.Place{}) {
		l.behind, l.place = "(i.start_time, i.id) < (?, ?)", []any{millis(a.At), a.ID}
	}
	rows, total, err := l.read(ctx, s.db)
	if err != nil {
		return nil, 0, fmt.Errorf("list incidents: %w", err)
	}
	return rows, total, nil
}

const oneIncident = selectIncident + `
WHERE i.organization_id = $1 AND i.id = $2`

// Incident implements alerts.IncidentStore.
func (s *Store) Incident(ctx context.Context, organization string, id uint32) (alerts.Incident, error) {
	return readIncident(ctx, s.db, organization, id)
}

func readIncident(ctx context.Context, q querier, organization string, id uint32) (alerts.Incident, error) {
	i, err := scanIncident(q.QueryRow(ctx, oneIncident, organization, id))
	if errors.Is(err, pgx.ErrNoRows) {
		return alerts.Incident{}, alerts.ErrIncidentNotFound
	}
	if err != nil {
		return alerts.Incident{}, fmt.Errorf("read incident: %w", err)
	}
	return i, nil
}

// ChangeIncident implements alerts.IncidentStore.
func (s *Store) ChangeIncident(ctx context.Context, organization string, id uint32, change func(*alerts.Incident) (alerts.Handling, error)) (i alerts.Incident, err error) {
	err = s.db.Write(ctx, func(tx pgx.Tx) error {
		if _, err := lockEvaluation(ctx, tx); err != nil {
			return fmt.Errorf("change incident: %w", err)
		}
		if i, err = readIncident(ctx, tx, organization, id); err != nil {
			return err
		}
		h, err := change(&i)
		if err != nil {
			return err
		}
		if h.Audit != nil {
			if err := changedIncident(ctx, tx, i); err != nil {
				return fmt.Errorf("change incident: %w", err)
			}
			if err := auditpostgres.Insert(ctx, tx, *h.Audit); err != nil {
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

func changedIncident(ctx context.Context, tx pgx.Tx, i alerts.Incident) error {
	args, err := incidentArgs(i)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, upsertIncident, args...); err != nil {
		return err
	}
	return wrap("end reminders", settleReminders(ctx, tx, []alerts.Incident{i}))
}

const upsertIncident = `
INSERT INTO incident (id, organization_id, monitor_id, monitor_name, status, start_time, end_time, affected_regions,
    last_error, last_error_type, failure_count, acknowledged_by, acknowledged_at, resolved_by, resolved_at,
    created_at, updated_at, settled, counted_at, streak, maintenance, affected_by, down_regions, steps,
    unstable_since, unstable_until, changes, down_since, up_since)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
    $25, $26, $27, $28, $29)
ON CONFLICT (id) DO UPDATE SET monitor_name = excluded.monitor_name, status = excluded.status, end_time = excluded.end_time,
    affected_regions = excluded.affected_regions, last_error = excluded.last_error,
    last_error_type = excluded.last_error_type, failure_count = excluded.failure_count,
    acknowledged_by = excluded.acknowledged_by, acknowledged_at = excluded.acknowledged_at,
    resolved_by = excluded.resolved_by, resolved_at = excluded.resolved_at, updated_at = excluded.updated_at,
    settled = excluded.settled, counted_at = excluded.counted_at, streak = excluded.streak, affected_by = excluded.affected_by,
    down_regions = excluded.down_regions, steps = excluded.steps, unstable_since = excluded.unstable_since,
    unstable_until = excluded.unstable_until, changes = excluded.changes, down_since = excluded.down_since, up_since = excluded.up_since`

func incidentArgs(i alerts.Incident) ([]any, error) {
	regions, err := names(i.AffectedRegions)
	if err != nil {
		return nil, fmt.Errorf("incident %d: %w", i.ID, err)
	}
	down, err := names(i.DownRegions)
	if err != nil {
		return nil, fmt.Errorf("incident %d: %w", i.ID, err)
	}
	return []any{
		i.ID, i.OrganizationID, i.MonitorID, text(i.MonitorName), string(i.Status), millis(i.StartTime), maybeMillis(i.EndTime),
		regions, text(i.LastError), text(i.LastErrorType), i.FailureCount, text(i.AcknowledgedBy), maybeMillis(i.AcknowledgedAt),
		text(i.ResolvedBy), maybeMillis(i.ResolvedAt), millis(i.CreatedAt), millis(i.UpdatedAt), i.Settled, millis(i.CountedAt), i.Streak, i.Maintenance, i.AffectedBy,
		down, i.Steps, maybeMillis(i.UnstableSince), maybeMillis(i.UnstableUntil), i.Changes, maybeMillis(i.DownSince), maybeMillis(i.UpSince),
	}, nil
}

// names is a list for a JSONB column, never null.
func names(list []string) (string, error) {
	if list == nil {
		return "[]", nil
	}
	return object(list)
}
