package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/frogstats/uptime/services/alerts"
)

const (
	// What was given up, by itself or in a digest, is copied if there is a fallback just now: one that is named later is not told
	// what was lost before.
	strand = `
UPDATE outbox SET fallback_due = 1
WHERE (position = ?1 AND type <> 'digest' OR digest_id = ?2) AND state = 'dead' AND target_kind = 'channel' AND fallback_id IS NULL
    AND EXISTS (SELECT 1 FROM notification_channel c WHERE c.id = target_id AND c.fallback_id IS NOT NULL)`
	// What ends something is copied if the beginning was. A monitor that is no longer degraded has told that in the message before,
	// or if it is down in the one before that.
	followBeginning = `
UPDATE outbox SET fallback_due = 1
WHERE id = ? AND target_kind = 'channel' AND (
    EXISTS (SELECT 1 FROM outbox p
        WHERE p.target_kind = outbox.target_kind AND p.target_id = outbox.target_id AND p.thread = outbox.thread
            AND p.opens AND p.fallback_id IS NOT NULL)
    OR type = 'monitor.recovered' AND incident_id IS NULL AND (
        SELECT p.fallback_id FROM outbox p
        WHERE p.organization_id = outbox.organization_id AND p.monitor_id = outbox.monitor_id AND p.target_kind = outbox.target_kind
            AND p.target_id = outbox.target_id AND p.position < outbox.position AND p.type <> 'monitor.down'
        ORDER BY p.position DESC LIMIT 1) IS NOT NULL)`
	// The same where the end was written before the beginning was copied.
	followEnds = `
UPDATE outbox SET fallback_due = 1
WHERE organization_id = ?1 AND monitor_id = ?2 AND target_kind = 'channel' AND target_id = ?3 AND position > ?4
    AND closes AND fallback_id IS NULL AND (
    thread = ?5 OR type = 'monitor.recovered' AND incident_id IS NULL AND position = (
        SELECT min(n.position) FROM outbox n
        WHERE n.organization_id = ?1 AND n.monitor_id = ?2 AND n.target_kind = 'channel' AND n.target_id = ?3 AND n.position > ?4
            AND n.type <> 'monitor.down'))`

	stranded = `
WITH due AS (
    SELECT o.position FROM notification_channel c
    JOIN notification_channel f ON f.id = c.fallback_id AND f.enabled
    JOIN outbox o ON o.state = 'pending' AND o.target_kind = 'channel' AND o.target_id = c.id
    LEFT JOIN outbox g ON g.id = o.digest_id
    LEFT JOIN delivery_target t ON t.target_kind = 'channel' AND t.target_id = c.id
    WHERE c.fallback_id IS NOT NULL AND o.fallback_id IS NULL AND o.type <> 'digest' AND c.fallback_after_ms + CASE
        WHEN g.position IS NOT NULL THEN coalesce(g.begun_at, g.created_at)
        WHEN o.begun_at IS NOT NULL THEN o.begun_at
        WHEN EXISTS (SELECT 1 FROM outbox p WHERE p.state = 'pending' AND p.target_kind = 'channel' AND p.target_id = c.id
            AND p.monitor_id = o.monitor_id AND p.position < o.position AND p.fallback_id IS NOT NULL) THEN o.created_at
        ELSE max(o.created_at, o.next_attempt_at, coalesce(t.delivered_at, 0) + ?2) END <= ?1
    UNION
    SELECT o.position FROM outbox o WHERE o.fallback_due = 1
)`
	// The installation may have no fallback at all, which is quickly said.
	anyFallback = `
SELECT EXISTS (SELECT 1 FROM notification_channel WHERE fallback_id IS NOT NULL) OR EXISTS (SELECT 1 FROM outbox WHERE fallback_due = 1)`
	anyStranded  = stranded + ` SELECT EXISTS (SELECT 1 FROM due)`
	listStranded = stranded + `
SELECT ` + deliveryColumns + `, c.name, f.id
FROM due JOIN outbox o ON o.position = due.position
JOIN notification_channel c ON o.target_kind = 'channel' AND c.id = o.target_id
JOIN notification_channel f ON f.id = c.fallback_id AND f.organization_id = o.organization_id AND f.enabled
ORDER BY o.position LIMIT ?3`
	forgetStranded = `
UPDATE outbox SET fallback_due = 0
WHERE fallback_due = 1 AND NOT EXISTS (
    SELECT 1 FROM notification_channel c JOIN notification_channel f ON f.id = c.fallback_id AND f.enabled
    WHERE outbox.target_kind = 'channel' AND c.id = outbox.target_id)`
	markCopied = `UPDATE outbox SET fallback_id = ?, fallback_due = 0 WHERE position = ?`
	markCopy   = `UPDATE outbox SET fallback_of = ? WHERE id = ?`
)

// FallBack implements alerts.FallbackStore.
func (s *Store) FallBack(ctx context.Context, now time.Time, limit int) (copied int, err error) {
	// Most looks find nothing; they need not wait for their turn to write.
	var any bool
	if err := s.polls.QueryRowContext(ctx, anyFallback).Scan(&any); err != nil || !any {
		return 0, wrap("fall back", err)
	}
	if err := s.polls.QueryRowContext(ctx, anyStranded, millis(now), alerts.QueueAlive.Milliseconds()).Scan(&any); err != nil {
		return 0, fmt.Errorf("fall back: %w", err)
	}
	if !any {
		return 0, nil
	}
	err = s.db.Write(ctx, func(tx *sql.Tx) error {
		copied = 0
		if _, err := tx.ExecContext(ctx, forgetStranded); err != nil {
			return fmt.Errorf("fall back: %w", err)
		}
		found, err := collect(ctx, tx, scanStranded, listStranded, millis(now), alerts.QueueAlive.Milliseconds(), limit)
		if err != nil {
			return fmt.Errorf("fall back: %w", err)
		}
		for _, m := range found {
			if err := copyToFallback(ctx, tx, m, now); err != nil {
				return fmt.Errorf("fall back: message %s: %w", m.ID, err)
			}
		}
		copied = len(found)
		return nil
	})
	return copied, err
}

func scanStranded(row scanner) (m alerts.Stranded, err error) {
	m.Delivery, err = scanDeliveryAnd(row, &m.Channel, &m.To)
	return m, err
}

func copyToFallback(ctx context.Context, tx *sql.Tx, m alerts.Stranded, now time.Time) error {
	c := m.Copy()
	if err := enqueue(ctx, tx, c, now); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, markCopied, c.ID, m.Position); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, markCopy, m.ID, c.ID); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, followEnds, m.OrganizationID, m.MonitorID, m.Target.ID, m.Position, m.Thread)
	return err
}
