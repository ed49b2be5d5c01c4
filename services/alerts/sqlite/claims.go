package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/frogstats/uptime/services/alerts"
)

const anyDue = `SELECT EXISTS (SELECT 1 FROM outbox WHERE state = 'pending' AND next_attempt_at <= ? AND digest_id IS NULL)`

// Claim implements alerts.OutboxStore.
func (s *Store) Claim(ctx context.Context, now time.Time, lease time.Duration, limit int) (claims []alerts.Claim, next time.Time, err error) {
	// Most looks find nothing; they need not wait for their turn to write.
	var due bool
	if err := s.polls.QueryRowContext(ctx, anyDue, millis(now)).Scan(&due); err != nil {
		return nil, time.Time{}, fmt.Errorf("claim: %w", err)
	}
	if due {
		err := s.db.Write(ctx, func(tx *sql.Tx) (err error) {
			claims, err = claim(ctx, tx, now, lease, limit)
			return err
		})
		if err != nil {
			return nil, time.Time{}, fmt.Errorf("claim: %w", err)
		}
	}
	if len(claims) > 0 {
		return claims, time.Time{}, nil
	}
	if next, err = s.nextDue(ctx); err != nil {
		return nil, time.Time{}, fmt.Errorf("claim: next: %w", err)
	}
	return nil, next, nil
}

const (
	// Targets that are being sent to, or have asked to be left alone.
	busyTargets = `
SELECT target_kind, target_id FROM outbox WHERE state = 'pending' AND claimed_until > 0 AND claimed_until > ?1
UNION
SELECT target_kind, target_id FROM target_hold WHERE until > ?1
UNION
SELECT target_kind, target_id FROM delivery_target WHERE paced_until > ?1`
	// The first message of each line, a line being what waits for one target and monitor.
	heads = `
WITH head AS (
    SELECT min(position) AS position FROM outbox WHERE state = 'pending' GROUP BY target_kind, target_id, monitor_id)`
	// What is due of each target's heads. Whoever waits longest comes first, so that no target is passed over for ever.
	dueHeads = heads + `
SELECT o.target_kind, o.target_id,
    coalesce(min(CASE WHEN o.begun_at IS NOT NULL OR o.monitor_id = 0 THEN o.position END), 0),
    coalesce(min(CASE WHEN o.begun_at IS NULL AND o.monitor_id <> 0 THEN o.position END), 0),
    sum(o.begun_at IS NULL AND o.monitor_id <> 0),
    min(CASE WHEN o.begun_at IS NULL AND o.monitor_id <> 0 THEN o.created_at END)
FROM head JOIN outbox o ON o.position = head.position
WHERE o.next_attempt_at <= ? AND o.digest_id IS NULL
GROUP BY o.target_kind, o.target_id
ORDER BY min(o.next_attempt_at), o.target_kind, o.target_id`
	oneDelivery = selectDelivery + ` WHERE o.position = ?`
	takeLease   = `UPDATE outbox SET claimed_until = ?, lease = ? WHERE position = ?`
)

func claim(ctx context.Context, tx *sql.Tx, now time.Time, lease time.Duration, limit int) ([]alerts.Claim, error) {
	busy, err := collect(ctx, tx, scanTarget, busyTargets, millis(now))
	if err != nil {
		return nil, fmt.Errorf("busy targets: %w", err)
	}
	due, err := collect(ctx, tx, scanQueue, dueHeads, millis(now))
	if err != nil {
		return nil, fmt.Errorf("due messages: %w", err)
	}
	taken := map[alerts.Target]bool{}
	for _, t := range busy {
		taken[t] = true
	}
	var claims []alerts.Claim
	for _, q := range due {
		if taken[q.target] || len(claims) >= limit {
			continue
		}
		c, err := claimNext(ctx, tx, q, now, lease)
		if err != nil {
			return nil, fmt.Errorf("message of %s %d: %w", q.target.Kind, q.target.ID, err)
		}
		if c != nil {
			claims = append(claims, *c)
		}
	}
	return claims, nil
}

func scanTarget(row scanner) (t alerts.Target, err error) {
	err = row.Scan(&t.Kind, &t.ID)
	return t, err
}

// queue is what of a target is due.
type queue struct {
	target alerts.Target
	alerts.Queue
}

func scanQueue(row scanner) (q queue, err error) {
	var since sql.NullInt64
	err = row.Scan(&q.target.Kind, &q.target.ID, &q.Solo, &q.First, &q.Fresh, &since)
	q.Since = fromMaybe(since)
	return q, err
}

const (
	configOfAlert   = `SELECT alert_type, alert_config, alert_config_sealed FROM uptime_alerts WHERE id = ?`
	configOfChannel = `SELECT type, config, config_sealed FROM notification_channel WHERE id = ?`
)

// beginTrying is for a message that is taken for the first time. If its target has accepted another since it was written, it
// has waited for its turn.
const beginTrying = `
UPDATE outbox SET begun_at = CASE WHEN created_at < (SELECT delivered_at FROM delivery_target
    WHERE target_kind = outbox.target_kind AND target_id = outbox.target_id) THEN ? ELSE created_at END
WHERE position = ? AND begun_at IS NULL`

func claimOne(ctx context.Context, tx *sql.Tx, t alerts.Target, position uint64, now time.Time, lease time.Duration) (alerts.Claim, error) {
	if _, err := tx.ExecContext(ctx, beginTrying, millis(now), position); err != nil {
		return alerts.Claim{}, err
	}
	d, err := scanDelivery(tx.QueryRowContext(ctx, oneDelivery, position))
	if err != nil {
		return alerts.Claim{}, err
	}
	c := alerts.Claim{Delivery: d, Lease: rand.Text()}
	query := configOfAlert
	if t.Kind == alerts.TargetChannel {
		query = configOfChannel
	}
	var public string
	// The target is there: whoever removes it drops its messages in the same transaction.
	if err := tx.QueryRowContext(ctx, query, t.ID).Scan(&c.Via, &public, &c.Config.Sealed); err != nil {
		return alerts.Claim{}, fmt.Errorf("configuration: %w", err)
	}
	c.Config.Public = []byte(public)
	if _, err := tx.ExecContext(ctx, takeLease, millis(now.Add(lease)), c.Lease, d.Position); err != nil {
		return alerts.Claim{}, err
	}
	return c, nil
}

// The soonest time at which some head may be claimed.
const nextDue = heads + `
SELECT min(max(o.next_attempt_at,
    coalesce((SELECT h.until FROM target_hold h WHERE h.target_kind = o.target_kind AND h.target_id = o.target_id), 0),
    coalesce((SELECT p.paced_until FROM delivery_target p WHERE p.target_kind = o.target_kind AND p.target_id = o.target_id), 0),
    coalesce((SELECT max(c.claimed_until) FROM outbox c WHERE c.state = 'pending' AND c.claimed_until > 0
        AND c.target_kind = o.target_kind AND c.target_id = o.target_id), 0)))
FROM head JOIN outbox o ON o.position = head.position
WHERE o.digest_id IS NULL`

func (s *Store) nextDue(ctx context.Context) (time.Time, error) {
	var next sql.NullInt64
	if err := s.polls.QueryRowContext(ctx, nextDue).Scan(&next); err != nil {
		return time.Time{}, err
	}
	return fromMaybe(next), nil
}

const (
	checkLease    = `SELECT attempts FROM outbox WHERE position = ? AND state = 'pending' AND lease = ?`
	insertAttempt = `
INSERT INTO delivery_attempt (position, attempt, at, duration_ms, status_code, error, response) VALUES (?, ?, ?, ?, ?, ?, ?)`
	dropAttempts  = `DELETE FROM delivery_attempt WHERE position = ? AND attempt <= ?`
	settleMessage = `
UPDATE outbox SET state = ?, attempts = ?, refusals = refusals + ?, next_attempt_at = ?, claimed_until = 0, lease = '',
    delivered_at = ?, last_status_code = ?, last_error = ?
WHERE position = ?`
	upsertHold = `
INSERT INTO target_hold (target_kind, target_id, until) VALUES (?, ?, ?)
ON CONFLICT (target_kind, target_id) DO UPDATE SET until = excluded.until`
	expireHolds = `DELETE FROM target_hold WHERE until <= ?`
	// The receiver is back. One message at a time, the least tried first: one that fails by its own fault cannot keep the
	// others waiting, nor is it tried without end.
	releaseOne = `
UPDATE outbox SET next_attempt_at = ?1
WHERE position = (SELECT position FROM outbox
    WHERE state = 'pending' AND target_kind = ?2 AND target_id = ?3 AND attempts > 0 AND next_attempt_at > ?1
    ORDER BY attempts, position LIMIT 1)`
)

// Settle implements alerts.OutboxStore.
func (s *Store) Settle(ctx context.Context, c alerts.Claim, a alerts.Attempt, v alerts.Verdict) error {
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		attempts, err := number[int64](tx.QueryRowContext(ctx, checkLease, c.Position, c.Lease))
		if errors.Is(err, sql.ErrNoRows) {
			return alerts.ErrLeaseLost
		}
		if err != nil {
			return fmt.Errorf("settle: %w", err)
		}
		ended := a.At.Add(a.Duration)
		if err := record(ctx, tx, c, a, v, attempts+1, ended); err != nil {
			return fmt.Errorf("settle: %w", err)
		}
		if c.Type == alerts.TypeDigest {
			if err := settleMembers(ctx, tx, c, a, v); err != nil {
				return fmt.Errorf("settle: members: %w", err)
			}
		}
		switch {
		case v.State == alerts.DeliveryDead:
			_, err = tx.ExecContext(ctx, strand, c.Position, c.ID)
		case v.State == alerts.DeliveryDelivered:
			if _, err := tx.ExecContext(ctx, noteDelivery, string(c.Target.Kind), c.Target.ID, millis(ended)); err != nil {
				return fmt.Errorf("settle: %w", err)
			}
			_, err = tx.ExecContext(ctx, releaseOne, millis(ended), string(c.Target.Kind), c.Target.ID)
		case v.State == alerts.DeliveryPending && c.Type == alerts.TypeReminder:
			_, err = tx.ExecContext(ctx, endFailedReminder, c.Position)
		case v.State == alerts.DeliveryPending && c.Opens():
			err = supersede(ctx, tx, c.Target, c.Thread, ended)
		}
		if err != nil {
			return fmt.Errorf("settle: %w", err)
		}
		return nil
	})
}

func record(ctx context.Context, tx *sql.Tx, c alerts.Claim, a alerts.Attempt, v alerts.Verdict, attempt int64, ended time.Time) error {
	_, err := tx.ExecContext(ctx, insertAttempt, c.Position, attempt, millis(a.At), a.Duration.Milliseconds(), a.StatusCode, a.Error,
		a.Response)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, dropAttempts, c.Position, attempt-alerts.KeptAttempts); err != nil {
		return err
	}
	next, delivered := c.NextAttemptAt, sql.NullInt64{}
	switch v.State {
	case alerts.DeliveryPending:
		next = v.NextAttemptAt
	case alerts.DeliveryDelivered:
		delivered = maybeMillis(ended)
	}
	_, err = tx.ExecContext(ctx, settleMessage, string(v.State), attempt, v.Refused, millis(next), delivered, a.StatusCode, a.Error,
		c.Position)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, expireHolds, millis(ended)); err != nil {
		return err
	}
	if v.HoldUntil.IsZero() {
		return nil
	}
	_, err = tx.ExecContext(ctx, upsertHold, string(c.Target.Kind), c.Target.ID, millis(v.HoldUntil))
	return err
}

const releaseClaim = `
UPDATE outbox SET claimed_until = 0, lease = '' WHERE position = ? AND state = 'pending' AND lease = ?`

// Release implements alerts.OutboxStore.
func (s *Store) Release(ctx context.Context, c alerts.Claim) error {
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, releaseClaim, c.Position, c.Lease)
		if err != nil {
			return fmt.Errorf("release: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(alerts.ErrLeaseLost, err)
		}
		return nil
	})
}
