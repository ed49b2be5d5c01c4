package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/frogstats/uptime/services/alerts"
)

// Nobody may want reminders, which is quickly said.
const anyReminders = `SELECT EXISTS (SELECT 1 FROM notification_channel WHERE reminder_ms > 0)`

const dueReminders = `
SELECT i.monitor_id, i.organization_id, c.id, o.incident_id, o.id, o.position
FROM notification_channel c
JOIN incident i ON i.organization_id = c.organization_id AND i.settled = 0 AND i.status = 'active'
JOIN outbox o ON o.position = (SELECT max(p.position) FROM outbox p
    WHERE p.organization_id = c.organization_id AND p.monitor_id = i.monitor_id AND p.target_kind = 'channel' AND p.target_id = c.id
        AND p.fallback_of IS NULL)
LEFT JOIN outbox k ON k.id = o.fallback_id
LEFT JOIN monitor_state s ON s.monitor_id = i.monitor_id
WHERE c.reminder_ms > 0 AND c.enabled AND o.type IN ('monitor.down', 'monitor.reminder') AND o.incident_id IS NOT NULL
    AND (c.monitor_ids IS NULL OR EXISTS (SELECT 1 FROM json_each(c.monitor_ids) WHERE value = i.monitor_id))
    AND EXISTS (SELECT 1 FROM json_each(c.trigger_events) WHERE value = 'down')
    AND s.blind_since IS NULL AND s.overlay_until IS NULL AND coalesce(s.held, 0) = 0 AND coalesce(json_extract(s.overlay, '$.grouped'), 0) = 0
    AND c.reminder_ms + CASE o.state
        WHEN 'delivered' THEN o.delivered_at
        WHEN 'dead' THEN coalesce(k.delivered_at, o.next_attempt_at)
        WHEN 'pending' THEN k.delivered_at END <= ?
    AND o.position > ?
ORDER BY o.position LIMIT ? + 0`

// DueReminders implements alerts.ReminderStore.
func (s *Store) DueReminders(ctx context.Context, now time.Time, after uint64, limit int) ([]alerts.Reminder, error) {
	var any bool
	if err := s.polls.QueryRowContext(ctx, anyReminders).Scan(&any); err != nil || !any {
		return nil, wrap("find due reminders", err)
	}
	due, err := collect(ctx, s.polls, func(row scanner) (r alerts.Reminder, err error) {
		err = row.Scan(&r.Monitor.ID, &r.Monitor.OrganizationID, &r.Channel, &r.Incident, &r.After, &r.Position)
		return r, err
	}, dueReminders, millis(now), after, limit)
	if err != nil {
		return nil, fmt.Errorf("find due reminders: %w", err)
	}
	return due, nil
}

const (
	// What is being sent just now, or told in a digest, holds its place in its line.
	endReminders = `
UPDATE outbox SET state = 'superseded', last_error = 'the outage is over, or somebody has taken it', claimed_until = 0, lease = ''
WHERE type = 'monitor.reminder' AND state = 'pending' AND monitor_id = ? AND claimed_until <= ? AND digest_id IS NULL`
	endFailedReminder = `
UPDATE outbox SET state = 'superseded'
WHERE position = ?1 AND NOT EXISTS (SELECT 1 FROM incident i WHERE i.monitor_id = outbox.monitor_id AND i.settled = 0 AND i.status = 'active')`
	replaceReminder = `
UPDATE outbox SET state = 'superseded', last_error = 'superseded by ' || ?1 || ', which tells the same later', claimed_until = 0, lease = ''
WHERE type = 'monitor.reminder' AND state = 'pending' AND monitor_id = ?2 AND target_kind = ?3 AND target_id = ?4 AND thread = ?5
    AND id <> ?1 AND claimed_until <= ?6 AND digest_id IS NULL`
)

// settleReminders follows every change of an incident.
func settleReminders(ctx context.Context, tx *sql.Tx, i alerts.Incident) error {
	if i.Status == alerts.IncidentActive && !i.Settled {
		return nil
	}
	if _, err := tx.ExecContext(ctx, endReminders, i.MonitorID, millis(i.UpdatedAt)); err != nil {
		return fmt.Errorf("end reminders: %w", err)
	}
	return nil
}
