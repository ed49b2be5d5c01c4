package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/services/alerts"
)

const nextReady = `SELECT min(ready_at) FROM delivery_target`

// Claim implements alerts.OutboxStore. Leases are by the caller's clock, as all times in the outbox are; so those of replicas
// may differ by as much as a lease is longer than an attempt. Targets that another replica looks at just now are passed over.
func (s *Store) Claim(ctx context.Context, now time.Time, lease time.Duration, limit int) (claims []alerts.Claim, next time.Time, err error) {
	// Most looks find nothing; they need no transaction.
	if next, err = s.nextReady(ctx); err != nil || next.IsZero() || next.After(now) {
		return nil, next, err
	}
	var merging []alerts.Target
	err = s.db.Write(ctx, func(tx pgx.Tx) (err error) {
		claims, merging, err = claim(ctx, tx, millis(now), lease, limit)
		return err
	})
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("claim: %w", err)
	}
	for _, t := range merging {
		c, err := s.merge(ctx, t, millis(now), lease)
		if err != nil && len(claims) == 0 {
			return nil, time.Time{}, fmt.Errorf("claim: merge: %w", err)
		}
		if err != nil {
			break // what is claimed goes out; the rest is found again
		}
		claims = append(claims, c...)
	}
	if len(claims) > 0 {
		return claims, time.Time{}, nil
	}
	next, err = s.nextReady(ctx)
	return nil, next, err
}

func (s *Store) nextReady(ctx context.Context) (time.Time, error) {
	var next *time.Time
	if err := s.db.QueryRow(ctx, nextReady).Scan(&next); err != nil {
		return time.Time{}, fmt.Errorf("claim: next: %w", err)
	}
	return fromMaybe(next), nil
}

const (
	// Whoever has been ready longest comes first, so that no target is passed over for ever.
	readyTargets = `
SELECT target_kind, target_id FROM delivery_target
WHERE ready_at <= $1
ORDER BY ready_at, target_kind, target_id
LIMIT $2
FOR UPDATE SKIP LOCKED`
	// A statement of its own, because only one that begins after the targets were locked sees what others did to them before.
	// Fresh is what may be merged.
	dueHeads = `
SELECT t.kind, t.id, coalesce(c.type, ''), coalesce(c.config, '{}'), coalesce(c.digest_window_ms, 0), coalesce(c.max_per_minute, 0),
    d.burst_from, d.burst_told, d.flushing, h.solo, h.first, h.fresh, h.since
FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS t (kind, id, place)
JOIN delivery_target d ON d.target_kind = t.kind AND d.target_id = t.id
LEFT JOIN notification_channel c ON t.kind = 'channel' AND c.id = t.id
CROSS JOIN LATERAL (
    SELECT coalesce(min(x.position) FILTER (WHERE NOT x.fresh), 0) AS solo, coalesce(min(x.position) FILTER (WHERE x.fresh), 0) AS first,
        count(*) FILTER (WHERE x.fresh) AS fresh, min(x.created_at) FILTER (WHERE x.fresh) AS since
    FROM (SELECT m.position, m.created_at, m.begun_at IS NULL AND m.monitor_id <> 0 AS fresh FROM outbox m
        WHERE m.position IN (SELECT min(q.position) FROM outbox q
                WHERE q.state = 'pending' AND q.target_kind = t.kind AND q.target_id = t.id GROUP BY q.monitor_id)
            AND m.next_attempt_at <= $3 AND m.digest_id IS NULL) x) h
ORDER BY t.place`
	// A message that is taken for the first time: if its target has accepted another since it was written, it has waited for its
	// turn, and its time of trying begins now.
	beginTrying = `
UPDATE outbox o SET begun_at = CASE WHEN o.created_at < t.delivered_at THEN $2 ELSE o.created_at END
FROM delivery_target t
WHERE o.position = ANY($1::bigint[]) AND o.begun_at IS NULL AND t.target_kind = o.target_kind AND t.target_id = o.target_id`
	takeClaims = `
WITH head AS (
    SELECT t.place, t.lease, o.*
    FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS t (position, lease, place)
    JOIN outbox o ON o.position = t.position
), claimed AS (
    UPDATE delivery_target t SET claimed_until = $3, claimed_position = o.position, lease = o.lease
    FROM head o
    WHERE t.target_kind = o.target_kind AND t.target_id = o.target_id
)
SELECT ` + deliveryColumns + `, o.lease, coalesce(a.alert_type, c.type), coalesce(a.alert_config, c.config),
    coalesce(a.alert_config_sealed, c.config_sealed)
FROM head o
LEFT JOIN uptime_alerts a ON o.target_kind = 'alert' AND a.id = o.target_id
LEFT JOIN notification_channel c ON o.target_kind = 'channel' AND c.id = o.target_id
ORDER BY o.place`
)

// claim returns the claims, and the targets for which a digest is to be written, which takes other locks.
func claim(ctx context.Context, tx pgx.Tx, now time.Time, lease time.Duration, limit int) ([]alerts.Claim, []alerts.Target, error) {
	ready, err := collect(ctx, tx, scanTarget, readyTargets, now, limit)
	if err != nil {
		return nil, nil, fmt.Errorf("ready targets: %w", err)
	}
	if len(ready) == 0 {
		return nil, nil, nil
	}
	queues, err := dueOf(ctx, tx, ready, now)
	if err != nil {
		return nil, nil, err
	}
	var merging []alerts.Target
	var turns []turn
	b := &pgx.Batch{}
	for _, q := range queues {
		next, plan := q.pace.Next(q.burst, q.Queue, now)
		if plan.Merge > 0 {
			merging = append(merging, q.target)
			continue
		}
		q.write(b, next, plan, now)
		if plan.Send != 0 {
			turns = append(turns, turn{q.target, q.pace, plan.Send})
		}
	}
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return nil, nil, fmt.Errorf("plans: %w", err)
	}
	claims, err := take(ctx, tx, turns, now, lease)
	return claims, merging, err
}

// turn is a message that is to be sent, and to whom.
type turn struct {
	target   alerts.Target
	pace     alerts.Pace
	position uint64
}

// take claims the messages. Their targets are locked.
func take(ctx context.Context, tx pgx.Tx, turns []turn, now time.Time, lease time.Duration) ([]alerts.Claim, error) {
	if len(turns) == 0 {
		return nil, nil
	}
	var positions []int64
	var leases []string
	for _, t := range turns {
		positions, leases = append(positions, int64(t.position)), append(leases, rand.Text())
	}
	if _, err := tx.Exec(ctx, beginTrying, positions, now); err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	claims, err := collect(ctx, tx, scanClaim, takeClaims, positions, leases, millis(now.Add(lease)))
	if err != nil {
		return nil, fmt.Errorf("due messages: %w", err)
	}
	for _, t := range turns {
		if err := count(ctx, tx, t.pace, t.target, now); err != nil {
			return nil, fmt.Errorf("pace: %w", err)
		}
	}
	return claims, nil
}

func scanTarget(row pgx.Row) (t alerts.Target, err error) {
	err = row.Scan(&t.Kind, &t.ID)
	return t, err
}

// scanClaim fails if there is no configuration. There is: whoever removes a target drops its messages in the same
// transaction, and nobody writes new ones meanwhile.
func scanClaim(row pgx.Row) (c alerts.Claim, err error) {
	c.Delivery, err = scanDelivery(row, &c.Lease, &c.Via, (*document)(&c.Config.Public), &c.Config.Sealed)
	return c, err
}

const (
	lockClaim     = `SELECT 1 FROM delivery_target WHERE target_kind = $1 AND target_id = $2 AND lease = $3 FOR UPDATE`
	insertAttempt = `
INSERT INTO delivery_attempt (position, attempt, at, duration_ms, status_code, error, response)
SELECT position, attempts + 1, $2, $3, $4, $5, $6 FROM outbox WHERE position = $1`
	dropAttempts = `
DELETE FROM delivery_attempt WHERE position = $1 AND attempt <= (SELECT attempts FROM outbox WHERE position = $1) - $2`
	settleMessage = `
UPDATE outbox SET state = $2, attempts = attempts + 1, refusals = refusals + $3, next_attempt_at = coalesce($4, next_attempt_at),
    delivered_at = $5, last_status_code = $6, last_error = $7
WHERE position = $1`
	endClaim = `
UPDATE delivery_target SET claimed_until = NULL, claimed_position = NULL, lease = NULL, held_until = coalesce($3, held_until)
WHERE target_kind = $1 AND target_id = $2`
	// The receiver is back. One message at a time, the least tried first: one that fails by its own fault cannot keep the
	// others waiting, nor is it tried without end.
	releaseOne = `
UPDATE outbox SET next_attempt_at = $3
WHERE position = (SELECT position FROM outbox
    WHERE state = 'pending' AND target_kind = $1 AND target_id = $2 AND attempts > 0 AND next_attempt_at > $3
    ORDER BY attempts, position LIMIT 1)`
)

// Settle implements alerts.OutboxStore.
func (s *Store) Settle(ctx context.Context, c alerts.Claim, a alerts.Attempt, v alerts.Verdict) error {
	return s.db.Write(ctx, func(tx pgx.Tx) error {
		_, err := number[int64](tx.QueryRow(ctx, lockClaim, string(c.Target.Kind), c.Target.ID, c.Lease))
		if errors.Is(err, pgx.ErrNoRows) {
			return alerts.ErrLeaseLost
		}
		if err != nil {
			return fmt.Errorf("settle: %w", err)
		}
		if err := tx.SendBatch(ctx, settling(c, a, v)).Close(); err != nil {
			return fmt.Errorf("settle: %w", err)
		}
		return nil
	})
}

// settling are the statements that record an attempt. The target is locked.
func settling(c alerts.Claim, a alerts.Attempt, v alerts.Verdict) *pgx.Batch {
	kind, id, ended := string(c.Target.Kind), c.Target.ID, millis(a.At.Add(a.Duration))
	var next, delivered *time.Time
	switch v.State {
	case alerts.DeliveryPending:
		at := millis(v.NextAttemptAt)
		next = &at
	case alerts.DeliveryDelivered:
		delivered = &ended
	}
	refusals := 0
	if v.Refused {
		refusals = 1
	}
	b := &pgx.Batch{}
	b.Queue(insertAttempt, c.Position, millis(a.At), a.Duration.Milliseconds(), a.StatusCode, text(a.Error), text(a.Response))
	b.Queue(settleMessage, c.Position, string(v.State), refusals, next, delivered, a.StatusCode, text(a.Error))
	b.Queue(dropAttempts, c.Position, alerts.KeptAttempts)
	b.Queue(endClaim, kind, id, maybeMillis(v.HoldUntil))
	if c.Type == alerts.TypeDigest {
		settleMembers(b, c, a, v, next, delivered)
	}
	switch {
	case v.State == alerts.DeliveryDead:
		b.Queue(strand, c.Position, c.ID)
	case v.State == alerts.DeliveryDelivered:
		b.Queue(noteDelivery, kind, id, ended)
		b.Queue(releaseOne, kind, id, ended)
	case v.State == alerts.DeliveryPending && c.Type == alerts.TypeReminder:
		b.Queue(endFailedReminder, c.Position)
	case v.State == alerts.DeliveryPending && c.Opens():
		supersede(b, c.Target, c.Thread, ended)
	}
	refresh(b, c.Target)
	return b
}

const releaseClaim = `
UPDATE delivery_target SET claimed_until = NULL, claimed_position = NULL, lease = NULL
WHERE target_kind = $1 AND target_id = $2 AND lease = $3`

// Release implements alerts.OutboxStore.
func (s *Store) Release(ctx context.Context, c alerts.Claim) error {
	tag, err := s.db.Exec(ctx, releaseClaim, string(c.Target.Kind), c.Target.ID, c.Lease)
	if err != nil {
		return fmt.Errorf("release: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return alerts.ErrLeaseLost
	}
	return nil
}
