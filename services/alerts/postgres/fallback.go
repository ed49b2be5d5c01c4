package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/services/alerts"
)

const (
	// What was given up, by itself or in a digest, is copied if there is a fallback just now: one that is named later is not told
	// what was lost before.
	strand = `
UPDATE outbox o SET fallback_due = true
FROM notification_channel c
WHERE (o.position = $1 AND o.type <> 'digest' OR o.digest_id = $2) AND o.state = 'dead' AND o.fallback_id IS NULL
    AND o.target_kind = 'channel' AND c.id = o.target_id AND c.fallback_id IS NOT NULL`
	// What ends something is copied if the beginning was. A monitor that is no longer degraded has told that in the message before,
	// or if it is down in the one before that.
	followBeginning = `
UPDATE outbox o SET fallback_due = true
WHERE o.id = $1 AND o.target_kind = 'channel' AND (
    EXISTS (SELECT 1 FROM outbox p
        WHERE p.target_kind = o.target_kind AND p.target_id = o.target_id AND p.thread = o.thread
            AND p.opens AND p.fallback_id IS NOT NULL)
    OR o.type = 'monitor.recovered' AND o.incident_id IS NULL AND (
        SELECT p.fallback_id FROM outbox p
        WHERE p.organization_id = o.organization_id AND p.monitor_id = o.monitor_id AND p.target_kind = o.target_kind
            AND p.target_id = o.target_id AND p.position < o.position AND p.type <> 'monitor.down'
        ORDER BY p.position DESC LIMIT 1) IS NOT NULL)`
	// The same where the end was written before the beginning was copied.
	followEnds = `
UPDATE outbox SET fallback_due = true
WHERE organization_id = $1 AND monitor_id = $2 AND target_kind = 'channel' AND target_id = $3 AND position > $4
    AND closes AND fallback_id IS NULL AND (
    thread = $5 OR type = 'monitor.recovered' AND incident_id IS NULL AND position = (
        SELECT min(n.position) FROM outbox n
        WHERE n.organization_id = $1 AND n.monitor_id = $2 AND n.target_kind = 'channel' AND n.target_id = $3 AND n.position > $4
            AND n.type <> 'monitor.down'))`

	stranded = `
WITH due AS (
    SELECT o.position FROM notification_channel c
    JOIN notification_channel f ON f.id = c.fallback_id AND f.enabled
    JOIN outbox o ON o.state = 'pending' AND o.target_kind = 'channel' AND o.target_id = c.id
    LEFT JOIN outbox g ON g.id = o.digest_id
    LEFT JOIN delivery_target t ON t.target_kind = 'channel' AND t.target_id = c.id
    WHERE c.fallback_id IS NOT NULL AND o.fallback_id IS NULL AND o.type <> 'digest'
        AND c.fallback_after_ms * interval '1 millisecond' + CASE
        WHEN g.position IS NOT NULL THEN coalesce(g.begun_at, g.created_at)
        WHEN o.begun_at IS NOT NULL THEN o.begun_at
        WHEN EXISTS (SELECT 1 FROM outbox p WHERE p.state = 'pending' AND p.target_kind = 'channel' AND p.target_id = c.id
            AND p.monitor_id = o.monitor_id AND p.position < o.position AND p.fallback_id IS NOT NULL) THEN o.created_at
        ELSE greatest(o.created_at, o.next_attempt_at, t.delivered_at + $2 * interval '1 millisecond') END <= $1
    UNION
    SELECT o.position FROM outbox o WHERE o.fallback_due
)`
	// The installation may have no fallback at all, which is quickly said.
	anyFallback = `
SELECT EXISTS (SELECT 1 FROM notification_channel WHERE fallback_id IS NOT NULL) OR EXISTS (SELECT 1 FROM outbox WHERE fallback_due)`
	anyStranded  = stranded + ` SELECT EXISTS (SELECT 1 FROM due)`
	listStranded = stranded + `
SELECT ` + deliveryColumns + `, c.name, f.id
FROM due JOIN outbox o ON o.position = due.position
JOIN notification_channel c ON o.target_kind = 'channel' AND c.id = o.target_id
JOIN notification_channel f ON f.id = c.fallback_id AND f.organization_id = o.organization_id AND f.enabled
ORDER BY o.position LIMIT $3`
	forgetStranded = `
UPDATE outbox o SET fallback_due = false
WHERE o.fallback_due AND NOT EXISTS (
    SELECT 1 FROM notification_channel c JOIN notification_channel f ON f.id = c.fallback_id AND f.enabled
    WHERE o.target_kind = 'channel' AND c.id = o.target_id)`
	markCopied = `UPDATE outbox SET fallback_id = $1, fallback_due = false WHERE position = $2`
	markCopy   = `UPDATE outbox SET fallback_of = $1 WHERE id = $2`
)

// FallBack implements alerts.FallbackStore. The lock of the cursor lets one replica copy at a time.
func (s *Store) FallBack(ctx context.Context, now time.Time, limit int) (copied int, err error) {
	now = millis(now)
	// Most looks find nothing; they need no lock.
	var any bool
	if err := s.db.QueryRow(ctx, anyFallback).Scan(&any); err != nil || !any {
		return 0, wrap("fall back", err)
	}
	if err := s.db.QueryRow(ctx, anyStranded, now, alerts.QueueAlive.Milliseconds()).Scan(&any); err != nil {
		return 0, fmt.Errorf("fall back: %w", err)
	}
	if !any {
		return 0, nil
	}
	err = s.db.Write(ctx, func(tx pgx.Tx) error {
		copied = 0
		if _, err := lockEvaluation(ctx, tx); err != nil {
			return err
		}
		if copied, err = copyStranded(ctx, tx, now, limit); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, forgetStranded)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("fall back: %w", err)
	}
	return copied, nil
}

// copyStranded looks twice, because only what is read once the targets are locked stays as it is.
func copyStranded(ctx context.Context, tx pgx.Tx, now time.Time, limit int) (int, error) {
	found, err := listDue(ctx, tx, now, limit)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	locks := make([]alerts.Message, 0, 2*len(found))
	for _, m := range found {
		locks = append(locks, m.Message, m.Copy())
	}
	kinds, ids := targets(locks)
	if _, err := tx.Exec(ctx, insertTargets, kinds, ids); err != nil {
		return 0, err
	}
	if _, err := tx.Exec(ctx, lockTargets, kinds, ids); err != nil {
		return 0, err
	}
	locked := map[alerts.Target]bool{}
	for _, m := range locks {
		locked[m.Target] = true
	}
	if found, err = listDue(ctx, tx, now, limit); err != nil {
		return 0, err
	}
	var copies []alerts.Message
	marks := &pgx.Batch{}
	for _, m := range found {
		c := m.Copy()
		if !locked[m.Target] || !locked[c.Target] {
			continue // next time
		}
		copies = append(copies, c)
		marks.Queue(markCopied, c.ID, m.Position)
		marks.Queue(markCopy, m.ID, c.ID)
		marks.Queue(followEnds, m.OrganizationID, m.MonitorID, m.Target.ID, m.Position, m.Thread)
	}
	if err := enqueue(ctx, tx, copies, now); err != nil {
		return 0, err
	}
	return len(copies), tx.SendBatch(ctx, marks).Close()
}

func listDue(ctx context.Context, tx pgx.Tx, now time.Time, limit int) ([]alerts.Stranded, error) {
	return collect(ctx, tx, func(row pgx.Row) (m alerts.Stranded, err error) {
		m.Delivery, err = scanDelivery(row, &m.Channel, &m.To)
		return m, err
	}, listStranded, now, alerts.QueueAlive.Milliseconds(), limit)
}
