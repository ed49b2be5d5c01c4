package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/frogstats/uptime/services/alerts"
)

const (
	insertMessage = `
INSERT INTO outbox (id, organization_id, monitor_id, target_kind, target_id, type, incident_id, thread, opens, closes,
    content, occurred_at, created_at, state, next_attempt_at)
VALUES (?, ?, ?, ?, ?, ?, nullif(?, 0), ?, ?, ?, ?, ?, ?, 'pending', ?)
ON CONFLICT (id) DO NOTHING`
	// A new message makes the first one of its line due: it cannot be sent before that.
	hurryFirst = `
UPDATE outbox SET next_attempt_at = ?
WHERE position = (SELECT min(position) FROM outbox WHERE state = 'pending' AND target_kind = ? AND target_id = ? AND monitor_id = ?)
    AND next_attempt_at > ?`
)

// enqueue adds a message that is due at now.
func enqueue(ctx context.Context, tx *sql.Tx, m alerts.Message, now time.Time) error {
	content, err := text(m.Content)
	if err != nil {
		return err
	}
	res, err := tx.ExecContext(ctx, insertMessage, m.ID, m.OrganizationID, m.MonitorID, string(m.Target.Kind), m.Target.ID, m.Type,
		m.IncidentID, m.Thread, m.Opens(), m.Closes(), content, millis(m.OccurredAt), millis(now), millis(now))
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err
	}
	if m.Closes() {
		if err := supersede(ctx, tx, m.Target, m.Thread, now); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, followBeginning, m.ID); err != nil {
			return err
		}
	}
	if m.Type == alerts.TypeReminder {
		_, err := tx.ExecContext(ctx, replaceReminder, m.ID, m.MonitorID, string(m.Target.Kind), m.Target.ID, m.Thread, millis(now))
		if err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, hurryFirst, millis(now), string(m.Target.Kind), m.Target.ID, m.MonitorID, millis(now))
	return err
}

const (
	findCloser = `
SELECT position, id, content FROM outbox
WHERE state = 'pending' AND target_kind = ? AND target_id = ? AND thread = ? AND closes
ORDER BY position LIMIT 1`
	findOpener = `
SELECT position, id FROM outbox
WHERE state = 'pending' AND target_kind = ? AND target_id = ? AND thread = ? AND opens
    AND (attempts > 0 OR type = 'notice.raised') AND claimed_until <= ?`
	markSuperseded = `
UPDATE outbox SET state = 'superseded', last_error = ?, claimed_until = 0, lease = '' WHERE position = ?`
	setContent = `UPDATE outbox SET content = ? WHERE position = ?`
)

// supersede lets the message that closes a thread take the place of the one that opened it, if that failed before, or is about
// a notice, and is not being sent just now. A receiver that works gets both.
func supersede(ctx context.Context, tx *sql.Tx, t alerts.Target, thread string, now time.Time) error {
	var opener, closer int64
	var openerID, closerID, raw string
	err := tx.QueryRowContext(ctx, findOpener, string(t.Kind), t.ID, thread, millis(now)).Scan(&opener, &openerID)
	if err == nil {
		err = tx.QueryRowContext(ctx, findCloser, string(t.Kind), t.ID, thread).Scan(&closer, &closerID, &raw)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("supersede: %w", err)
	}
	var c alerts.Content
	if err := json.Unmarshal([]byte(raw), &c); err != nil {
		return fmt.Errorf("supersede: content of %s: %w", closerID, err)
	}
	c.Supersedes = append(c.Supersedes, openerID)
	if raw, err = text(c); err != nil {
		return fmt.Errorf("supersede: %w", err)
	}
	if _, err := tx.ExecContext(ctx, markSuperseded, "superseded by "+closerID+", which tells the same and more", opener); err != nil {
		return fmt.Errorf("supersede: %w", err)
	}
	if _, err := tx.ExecContext(ctx, setContent, raw, closer); err != nil {
		return fmt.Errorf("supersede: %w", err)
	}
	return nil
}

const dropPending = `
UPDATE outbox SET state = 'dead', last_error = ?, claimed_until = 0, lease = ''
WHERE state = 'pending' AND target_kind = ? AND target_id = ?`

// drop makes the undelivered messages of a target dead.
func drop(ctx context.Context, tx *sql.Tx, t alerts.Target, reason string) (int, error) {
	res, err := tx.ExecContext(ctx, dropPending, reason, string(t.Kind), t.ID)
	if err != nil {
		return 0, fmt.Errorf("drop messages: %w", err)
	}
	n, err := res.RowsAffected()
	return int(n), err
}

const pruneOutbox = `
DELETE FROM outbox WHERE position IN (
    SELECT position FROM outbox
    WHERE state <> 'pending' AND (state = 'delivered' AND created_at < ? OR state IN ('dead', 'superseded') AND created_at < ?)
    LIMIT ?)`

// Prune implements alerts.OutboxStore.
func (s *Store) Prune(ctx context.Context, deliveredBefore, deadBefore time.Time, limit int) (int, error) {
	var n int64
	err := s.db.Write(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, pruneOutbox, millis(deliveredBefore), millis(deadBefore), limit)
		if err != nil {
			return fmt.Errorf("prune outbox: %w", err)
		}
		n, err = res.RowsAffected()
		return err
	})
	return int(n), err
}
