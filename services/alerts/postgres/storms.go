package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/services/alerts"
)

// queue is what of a target is due, and how it may be told.
type queue struct {
	target alerts.Target
	pace   alerts.Pace
	burst  alerts.Burst
	alerts.Queue
}

// dueOf reads the queues of targets that are locked.
func dueOf(ctx context.Context, tx pgx.Tx, targets []alerts.Target, now time.Time) ([]queue, error) {
	var kinds []string
	var ids []uint32
	for _, t := range targets {
		kinds, ids = append(kinds, string(t.Kind)), append(ids, t.ID)
	}
	queues, err := collect(ctx, tx, scanQueue, dueHeads, kinds, ids, now)
	if err != nil {
		return nil, fmt.Errorf("due messages: %w", err)
	}
	return queues, nil
}

func scanQueue(row pgx.Row) (q queue, err error) {
	var via string
	var config document
	var window int64
	var most int
	var from, since *time.Time
	err = row.Scan(&q.target.Kind, &q.target.ID, &via, &config, &window, &most, &from, &q.burst.Told, &q.burst.Flushing,
		&q.Solo, &q.First, &q.Fresh, &since)
	if err != nil {
		return queue{}, err
	}
	q.burst.From, q.Since = fromMaybe(from), fromMaybe(since)
	q.pace = alerts.PaceOf(via, []byte(config), time.Duration(window)*time.Millisecond, most)
	return q, nil
}

const (
	writeBurst = `
UPDATE delivery_target SET burst_from = $3, burst_told = $4, flushing = $5 WHERE target_kind = $1 AND target_id = $2`
	// The heads of a target that may be merged and are due.
	freshHeads = `
SELECT position FROM outbox
WHERE position IN (SELECT min(position) FROM outbox WHERE state = 'pending' AND target_kind = $1 AND target_id = $2 GROUP BY monitor_id)
    AND next_attempt_at <= $3 AND digest_id IS NULL AND begun_at IS NULL AND monitor_id <> 0`
	holdFresh = `UPDATE outbox SET next_attempt_at = $4 WHERE position IN (` + freshHeads + `)`
)

// write queues what a plan changes, but for the claim.
func (q queue) write(b *pgx.Batch, next alerts.Burst, plan alerts.Plan, now time.Time) {
	kind, id := string(q.target.Kind), q.target.ID
	if next != q.burst {
		b.Queue(writeBurst, kind, id, maybeMillis(next.From), next.Told, next.Flushing)
	}
	if !plan.Hold.IsZero() {
		b.Queue(holdFresh, kind, id, now, millis(plan.Hold))
		refresh(b, q.target)
	}
}

const (
	lockReady       = `SELECT target_kind, target_id FROM delivery_target WHERE target_kind = $1 AND target_id = $2 AND ready_at <= $3 FOR UPDATE`
	membersOfDigest = selectDelivery + ` WHERE o.position IN (` + freshHeads + `) ORDER BY o.position LIMIT $4`
	joinDigest      = `UPDATE outbox SET digest_id = $1 WHERE position = ANY($2::bigint[])`
	positionOf      = `SELECT position FROM outbox WHERE id = $1`
)

// merge writes a digest for the target, if there is still one to write, and claims it. The cursor comes first, so that
// positions stay in the order of commits.
func (s *Store) merge(ctx context.Context, t alerts.Target, now time.Time, lease time.Duration) (claims []alerts.Claim, err error) {
	err = s.db.Write(ctx, func(tx pgx.Tx) error {
		claims = nil
		if _, err := lockEvaluation(ctx, tx); err != nil {
			return err
		}
		ready, err := collect(ctx, tx, scanTarget, lockReady, string(t.Kind), t.ID, now)
		if err != nil || len(ready) == 0 {
			return err // another replica was here
		}
		queues, err := dueOf(ctx, tx, ready, now)
		if err != nil || len(queues) == 0 {
			return err
		}
		q := queues[0]
		next, plan := q.pace.Next(q.burst, q.Queue, now)
		if plan.Merge == 0 {
			return nil
		}
		position, err := writeDigest(ctx, tx, q, next, plan, now)
		if err != nil {
			return err
		}
		claims, err = take(ctx, tx, []turn{{t, q.pace, position}}, now, lease)
		return err
	})
	return claims, err
}

// writeDigest writes the digest that tells the oldest messages that may be merged, and returns its position.
func writeDigest(ctx context.Context, tx pgx.Tx, q queue, next alerts.Burst, plan alerts.Plan, now time.Time) (uint64, error) {
	members, err := collect(ctx, tx, func(row pgx.Row) (alerts.Delivery, error) { return scanDelivery(row) }, membersOfDigest,
		string(q.target.Kind), q.target.ID, now, plan.Merge)
	if err != nil {
		return 0, err
	}
	d := alerts.NewDigest(members)
	if err := enqueue(ctx, tx, []alerts.Message{d}, now); err != nil {
		return 0, err
	}
	var positions []int64
	for _, m := range members {
		positions = append(positions, int64(m.Position))
	}
	b := &pgx.Batch{}
	q.write(b, next, plan, now)
	b.Queue(joinDigest, d.ID, positions)
	refresh(b, q.target)
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return 0, err
	}
	position, err := number[int64](tx.QueryRow(ctx, positionOf, d.ID))
	return uint64(position), err
}

const (
	insertSent = `INSERT INTO delivery_sent (target_kind, target_id, at) VALUES ($1, $2, $3)`
	expireSent = `DELETE FROM delivery_sent WHERE target_kind = $1 AND target_id = $2 AND at <= $3`
	listSent   = `SELECT at FROM delivery_sent WHERE target_kind = $1 AND target_id = $2 ORDER BY at DESC LIMIT $3`
	holdPace   = `UPDATE delivery_target SET paced_until = $3 WHERE target_kind = $1 AND target_id = $2`
)

// count notes that the target is sent something, and until when that was enough.
func count(ctx context.Context, tx pgx.Tx, p alerts.Pace, t alerts.Target, now time.Time) error {
	if p.PerMinute <= 0 {
		return nil
	}
	b := &pgx.Batch{}
	b.Queue(expireSent, string(t.Kind), t.ID, now.Add(-time.Minute))
	b.Queue(insertSent, string(t.Kind), t.ID, now)
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return err
	}
	sent, err := collect(ctx, tx, scanTime, listSent, string(t.Kind), t.ID, p.PerMinute)
	if err != nil {
		return err
	}
	if until := p.PacedUntil(sent); !until.IsZero() {
		_, err = tx.Exec(ctx, holdPace, string(t.Kind), t.ID, until)
	}
	return err
}

func scanTime(row pgx.Row) (at time.Time, err error) {
	err = row.Scan(&at)
	return at, err
}

const (
	noteDelivery  = `UPDATE delivery_target SET delivered_at = $3 WHERE target_kind = $1 AND target_id = $2`
	finishMembers = `
UPDATE outbox SET state = $2, delivered_at = $3, last_status_code = $4, last_error = $5 WHERE digest_id = $1 AND state = 'pending'`
	delayMembers = `UPDATE outbox SET next_attempt_at = $2 WHERE digest_id = $1 AND state = 'pending'`
)

// settleMembers lets what a digest tells share its fate.
func settleMembers(b *pgx.Batch, c alerts.Claim, a alerts.Attempt, v alerts.Verdict, next, delivered *time.Time) {
	if v.State == alerts.DeliveryPending {
		b.Queue(delayMembers, c.ID, next)
		return
	}
	b.Queue(finishMembers, c.ID, string(v.State), delivered, a.StatusCode, text(a.Error))
}
