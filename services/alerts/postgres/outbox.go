package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/frogstats/uptime/services/alerts"
)

const (
	insertTargets = `
INSERT INTO delivery_target (target_kind, target_id) SELECT kind, id FROM unnest($1::text[], $2::bigint[]) AS t (kind, id)
ON CONFLICT (target_kind, target_id) DO NOTHING`
	lockTargets = `
SELECT 1 FROM delivery_target
WHERE (target_kind, target_id) IN (SELECT kind, id FROM unnest($1::text[], $2::bigint[]) AS t (kind, id))
ORDER BY target_kind, target_id
FOR UPDATE`
	insertMessage = `
INSERT INTO outbox (id, organization_id, monitor_id, target_kind, target_id, type, incident_id, thread, opens, closes,
    content, occurred_at, created_at, state, next_attempt_at)
VALUES ($1, $2, $3, $4, $5, $6, nullif($7::bigint, 0), $8, $9, $10, $11, $12, $13, 'pending', $13)
ON CONFLICT (id) DO NOTHING`
	// A new message makes the first one of its line due: it cannot be sent before that.
	hurryFirst = `
UPDATE outbox SET next_attempt_at = $4
WHERE position = (SELECT min(position) FROM outbox
    WHERE state = 'pending' AND target_kind = $1 AND target_id = $2 AND monitor_id = $3)
    AND next_attempt_at > $4`
)

// enqueue adds messages that are due at now. The cursor is locked.
func enqueue(ctx context.Context, tx pgx.Tx, messages []alerts.Message, now time.Time) error {
	if len(messages) == 0 {
		return nil
	}
	created, err := insertMessages(ctx, tx, messages, millis(now))
	if err != nil {
		return err
	}
	b := &pgx.Batch{}
	changed := map[alerts.Target]bool{}
	for _, m := range created {
		if m.Closes() {
			supersede(b, m.Target, m.Thread, millis(now))
			b.Queue(followBeginning, m.ID)
		}
		if m.Type == alerts.TypeReminder {
			b.Queue(replaceReminder, m.ID, m.MonitorID, string(m.Target.Kind), m.Target.ID, m.Thread, millis(now))
		}
		b.Queue(hurryFirst, string(m.Target.Kind), m.Target.ID, m.MonitorID, millis(now))
		changed[m.Target] = true
	}
	for t := range changed {
		refresh(b, t)
	}
	return tx.SendBatch(ctx, b).Close()
}

// insertMessages returns those that were not there yet. The rows of all targets are locked then.
func insertMessages(ctx context.Context, tx pgx.Tx, messages []alerts.Message, now time.Time) ([]alerts.Message, error) {
	kinds, ids := targets(messages)
	b := &pgx.Batch{}
	b.Queue(insertTargets, kinds, ids)
	b.Queue(lockTargets, kinds, ids)
	var created []alerts.Message
	for _, m := range messages {
		content, err := object(m.Content)
		if err != nil {
			return nil, fmt.Errorf("content of %s: %w", m.ID, err)
		}
		b.Queue(insertMessage, m.ID, m.OrganizationID, m.MonitorID, string(m.Target.Kind), m.Target.ID, m.Type, m.IncidentID, m.Thread,
			m.Opens(), m.Closes(), content, millis(m.OccurredAt), now).Exec(func(tag pgconn.CommandTag) error {
			if tag.RowsAffected() > 0 {
				created = append(created, m)
			}
			return nil
		})
	}
	return created, tx.SendBatch(ctx, b).Close()
}

// targets are those of the messages, each once, as two columns, in the order in which their rows are locked.
func targets(messages []alerts.Message) (kinds []string, ids []uint32) {
	all := make([]alerts.Target, 0, len(messages))
	for _, m := range messages {
		all = append(all, m.Target)
	}
	slices.SortFunc(all, func(a, b alerts.Target) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID)) })
	for _, t := range slices.Compact(all) {
		kinds, ids = append(kinds, string(t.Kind)), append(ids, t.ID)
	}
	return kinds, ids
}

// The soonest attempt of the messages that are first in their line, a line being what waits for one target and monitor. What a
// digest tells only holds its place.
const refreshTarget = `
UPDATE delivery_target SET due_at = (
    SELECT min(o.next_attempt_at) FROM outbox o
    WHERE o.digest_id IS NULL AND o.position IN (SELECT min(position) FROM outbox
        WHERE state = 'pending' AND target_kind = $1 AND target_id = $2 GROUP BY monitor_id))
WHERE target_kind = $1 AND target_id = $2`

// refresh follows every change of a target's pending messages. The target is locked.
func refresh(b *pgx.Batch, t alerts.Target) { b.Queue(refreshTarget, string(t.Kind), t.ID) }

// The message that closes a thread takes the place of the one that opened it, if that failed before, or is about a notice, and
// is not being sent just now. A receiver that works gets both.
const supersedeOpener = `
WITH opener AS (
    SELECT o.position, o.id FROM outbox o
    WHERE o.state = 'pending' AND o.target_kind = $1 AND o.target_id = $2 AND o.thread = $3 AND o.opens
        AND (o.attempts > 0 OR o.type = 'notice.raised')
        AND NOT EXISTS (SELECT 1 FROM delivery_target t
            WHERE t.target_kind = $1 AND t.target_id = $2 AND t.claimed_position = o.position AND t.claimed_until > $4)
    ORDER BY o.position LIMIT 1
), closer AS (
    SELECT o.position, o.id FROM outbox o
    WHERE o.state = 'pending' AND o.target_kind = $1 AND o.target_id = $2 AND o.thread = $3 AND o.closes
    ORDER BY o.position LIMIT 1
), superseded AS (
    UPDATE outbox o SET state = 'superseded', last_error = 'superseded by ' || closer.id || ', which tells the same and more'
    FROM opener, closer
    WHERE o.position = opener.position
), freed AS (
    UPDATE delivery_target t SET claimed_until = NULL, claimed_position = NULL, lease = NULL
    FROM opener, closer
    WHERE t.target_kind = $1 AND t.target_id = $2 AND t.claimed_position = opener.position
)
UPDATE outbox o
SET content = jsonb_set(o.content, '{supersedes}', coalesce(o.content -> 'supersedes', '[]') || to_jsonb(opener.id))
FROM opener, closer
WHERE o.position = closer.position`

func supersede(b *pgx.Batch, t alerts.Target, thread string, now time.Time) {
	b.Queue(supersedeOpener, string(t.Kind), t.ID, thread, now)
}

const (
	lockTarget  = `SELECT 1 FROM delivery_target WHERE target_kind = $1 AND target_id = $2 FOR UPDATE`
	dropPending = `
UPDATE outbox SET state = 'dead', last_error = $3
WHERE state = 'pending' AND target_kind = $1 AND target_id = $2`
	emptyTarget = `
UPDATE delivery_target SET due_at = NULL, claimed_until = NULL, claimed_position = NULL, lease = NULL
WHERE target_kind = $1 AND target_id = $2`
	deleteTarget = `DELETE FROM delivery_target WHERE target_kind = $1 AND target_id = $2`
)

// drop makes the undelivered messages of a target dead. The cursor is locked, so that none are added meanwhile.
func drop(ctx context.Context, tx pgx.Tx, t alerts.Target, reason string) (int, error) {
	return clearTarget(ctx, tx, t, reason, emptyTarget)
}

// forget is drop for a target that goes away.
func forget(ctx context.Context, tx pgx.Tx, t alerts.Target, reason string) (int, error) {
	return clearTarget(ctx, tx, t, reason, deleteTarget)
}

func clearTarget(ctx context.Context, tx pgx.Tx, t alerts.Target, reason, last string) (dropped int, err error) {
	b := &pgx.Batch{}
	b.Queue(lockTarget, string(t.Kind), t.ID)
	b.Queue(dropPending, string(t.Kind), t.ID, reason).Exec(func(tag pgconn.CommandTag) error {
		dropped = int(tag.RowsAffected())
		return nil
	})
	b.Queue(last, string(t.Kind), t.ID)
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return 0, fmt.Errorf("drop messages: %w", err)
	}
	return dropped, nil
}

// Replicas that prune at the same time share the work.
const pruneOutbox = `
DELETE FROM outbox WHERE position IN (
    SELECT position FROM outbox
    WHERE state <> 'pending' AND (state = 'delivered' AND created_at < $1 OR state IN ('dead', 'superseded') AND created_at < $2)
    LIMIT $3
    FOR UPDATE SKIP LOCKED)`

// Prune implements alerts.OutboxStore.
func (s *Store) Prune(ctx context.Context, deliveredBefore, deadBefore time.Time, limit int) (int, error) {
	tag, err := s.db.Exec(ctx, pruneOutbox, millis(deliveredBefore), millis(deadBefore), limit)
	if err != nil {
		return 0, fmt.Errorf("prune outbox: %w", err)
	}
	return int(tag.RowsAffected()), nil
}
