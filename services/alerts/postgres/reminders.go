package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/services/alerts"
)

// Nobody may want reminders, which is quickly said.
const anyReminders = `SELECT EXISTS (SELECT 1 FROM notification_channel WHERE reminder_ms > 0)`

const dueReminders = `
SELECT i.monitor_id, i.organization_id, c.id, o.incident_id, o.id, o.position
FROM notification_channel c
JOIN incident i ON i.organization_id = c.organization_id AND NOT i.settled AND i.status = 'active'
JOIN outbox o ON o.position = (SELECT max(p.position) FROM outbox p
    WHERE p.organization_id = c.organization_id AND p.monitor_id = i.monitor_id AND p.target_kind = 'channel' AND p.target_id = c.id
        AND p.fallback_of IS NULL)
LEFT JOIN outbox k ON k.id = o.fallback_id
LEFT JOIN monitor_state s ON s.monitor_id = i.monitor_id
WHERE c.reminder_ms > 0 AND c.enabled AND o.type IN ('monitor.down', 'monitor.reminder') AND o.incident_id IS NOT NULL
    AND (c.monitor_ids IS NULL OR c.monitor_ids @> to_jsonb(i.monitor_id)) AND c.trigger_events ? 'down'
    AND s.blind_since IS NULL AND s.overlay_until IS NULL AND s.held IS NOT TRUE AND NOT coalesce(s.overlay ? 'grouped', false)
    AND c.reminder_ms * interval '1 millisecond' + CASE o.state
        WHEN 'delivered' THEN o.delivered_at
        WHEN 'dead' THEN coalesce(k.delivered_at, o.next_attempt_at)
        WHEN 'pending' THEN k.delivered_at END <= $1
    AND o.position > $2
ORDER BY o.position LIMIT $3`

// DueReminders implements alerts.ReminderStore.
func (s *Store) DueReminders(ctx context.Context, now time.Time, after uint64, limit int) ([]alerts.Reminder, error) {
	var any bool
	if err := s.db.QueryRow(ctx, anyReminders).Scan(&any); err != nil || !any {
		return nil, wrap("find due reminders", err)
	}
	due, err := collect(ctx, s.db, func(row pgx.Row) (r alerts.Reminder, err error) {
		err = row.Scan(&r.Monitor.ID, &r.Monitor.OrganizationID, &r.Channel, &r.Incident, &r.After, &r.Position)
		return r, err
	}, dueReminders, millis(now), after, limit)
	if err != nil {
		return nil, fmt.Errorf("find due reminders: %w", err)
	}
	return due, nil
}

const (
	remindedTargets = `
SELECT DISTINCT target_kind, target_id FROM outbox
WHERE type = 'monitor.reminder' AND state = 'pending' AND monitor_id = ANY ($1)
ORDER BY target_kind, target_id`
	// What is being sent just now, or told in a digest, holds its place in its line.
	endReminders = `
UPDATE outbox o SET state = 'superseded', last_error = 'the outage is over, or somebody has taken it'
WHERE o.type = 'monitor.reminder' AND o.state = 'pending' AND o.monitor_id = ANY ($1) AND o.digest_id IS NULL
    AND NOT EXISTS (SELECT 1 FROM delivery_target t
        WHERE t.target_kind = o.target_kind AND t.target_id = o.target_id AND t.claimed_position = o.position AND t.claimed_until > $2)`
	endFailedReminder = `
UPDATE outbox o SET state = 'superseded'
WHERE o.position = $1 AND NOT EXISTS (SELECT 1 FROM incident i WHERE i.monitor_id = o.monitor_id AND NOT i.settled AND i.status = 'active')`
	replaceReminder = `
UPDATE outbox o SET state = 'superseded', last_error = 'superseded by ' || $1::text || ', which tells the same later'
WHERE o.type = 'monitor.reminder' AND o.state = 'pending' AND o.monitor_id = $2 AND o.target_kind = $3 AND o.target_id = $4
    AND o.thread = $5 AND o.id <> $1::text AND o.digest_id IS NULL
    AND NOT EXISTS (SELECT 1 FROM delivery_target t
        WHERE t.target_kind = $3 AND t.target_id = $4 AND t.claimed_position = o.position AND t.claimed_until > $6)`
)

// settleReminders follows every change of incidents. The cursor is locked.
func settleReminders(ctx context.Context, tx pgx.Tx, incidents []alerts.Incident) error {
	var monitors []uint32
	var now time.Time
	for _, i := range incidents {
		if i.Status == alerts.IncidentActive && !i.Settled {
			continue
		}
		if monitors = append(monitors, i.MonitorID); i.UpdatedAt.After(now) {
			now = i.UpdatedAt
		}
	}
	if len(monitors) == 0 {
		return nil
	}
	told, err := collect(ctx, tx, scanTarget, remindedTargets, monitors)
	if err != nil || len(told) == 0 {
		return err
	}
	var kinds []string
	var ids []uint32
	for _, t := range told {
		kinds, ids = append(kinds, string(t.Kind)), append(ids, t.ID)
	}
	b := &pgx.Batch{}
	b.Queue(lockTargets, kinds, ids)
	b.Queue(endReminders, monitors, millis(now))
	for _, t := range told {
		refresh(b, t)
	}
	return tx.SendBatch(ctx, b).Close()
}
