package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/frogstats/uptime/services/alerts"
)

const (
	paceOfChannel = `SELECT type, config, digest_window_ms, max_per_minute FROM notification_channel WHERE id = ?`
	readBurst     = `SELECT burst_from, burst_told, flushing FROM delivery_target WHERE target_kind = ? AND target_id = ?`
	writeBurst    = `
INSERT INTO delivery_target (target_kind, target_id, burst_from, burst_told, flushing) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (target_kind, target_id) DO UPDATE
SET burst_from = excluded.burst_from, burst_told = excluded.burst_told, flushing = excluded.flushing`
	// The heads of a target that may be merged and are due.
	freshHeads = `
SELECT position FROM outbox
WHERE position IN (SELECT min(position) FROM outbox WHERE state = 'pending' AND target_kind = ?1 AND target_id = ?2 GROUP BY monitor_id)
    AND next_attempt_at <= ?3 AND digest_id IS NULL AND begun_at IS NULL AND monitor_id <> 0`
	holdFresh = `UPDATE outbox SET next_attempt_at = ?4 WHERE position IN (` + freshHeads + `)`
)

// claimNext claims what the target is to be sent now; nil if that is nothing.
func claimNext(ctx context.Context, tx *sql.Tx, q queue, now time.Time, lease time.Duration) (*alerts.Claim, error) {
	p, err := paceOf(ctx, tx, q.target)
	if err != nil {
		return nil, err
	}
	b, err := burstOf(ctx, tx, q.target)
	if err != nil {
		return nil, err
	}
	next, plan := p.Next(b, q.Queue, now)
	kind, id := string(q.target.Kind), q.target.ID
	if next != b {
		if _, err := tx.ExecContext(ctx, writeBurst, kind, id, millis(next.From), next.Told, next.Flushing); err != nil {
			return nil, err
		}
	}
	if !plan.Hold.IsZero() {
		if _, err := tx.ExecContext(ctx, holdFresh, kind, id, millis(now), millis(plan.Hold)); err != nil {
			return nil, err
		}
	}
	if plan.Merge > 0 {
		if plan.Send, err = merge(ctx, tx, q.target, plan.Merge, now); err != nil {
			return nil, fmt.Errorf("merge: %w", err)
		}
	}
	if plan.Send == 0 {
		return nil, nil
	}
	c, err := claimOne(ctx, tx, q.target, plan.Send, now, lease)
	if err != nil {
		return nil, err
	}
	return &c, count(ctx, tx, p, q.target, now)
}

func paceOf(ctx context.Context, tx *sql.Tx, t alerts.Target) (alerts.Pace, error) {
	if t.Kind != alerts.TargetChannel {
		return alerts.Pace{}, nil
	}
	var via, public string
	var window int64
	var most int
	if err := tx.QueryRowContext(ctx, paceOfChannel, t.ID).Scan(&via, &public, &window, &most); err != nil {
		return alerts.Pace{}, fmt.Errorf("pace: %w", err)
	}
	return alerts.PaceOf(via, []byte(public), time.Duration(window)*time.Millisecond, most), nil
}

func burstOf(ctx context.Context, tx *sql.Tx, t alerts.Target) (b alerts.Burst, err error) {
	var from sql.NullInt64
	err = tx.QueryRowContext(ctx, readBurst, string(t.Kind), t.ID).Scan(&from, &b.Told, &b.Flushing)
	if errors.Is(err, sql.ErrNoRows) {
		return alerts.Burst{}, nil
	}
	b.From = fromMaybe(from)
	return b, err
}

const (
	membersOfDigest = selectDelivery + ` WHERE o.position IN (` + freshHeads + `) ORDER BY o.position LIMIT ?4`
	joinDigest      = `UPDATE outbox SET digest_id = ? WHERE position = ?`
	positionOf      = `SELECT position FROM outbox WHERE id = ?`
)

// merge writes the digest that tells the n oldest messages that may be merged, and returns its position.
func merge(ctx context.Context, tx *sql.Tx, t alerts.Target, n int, now time.Time) (uint64, error) {
	members, err := collect(ctx, tx, scanDelivery, membersOfDigest, string(t.Kind), t.ID, millis(now), n)
	if err != nil {
		return 0, err
	}
	d := alerts.NewDigest(members)
	if err := enqueue(ctx, tx, d, now); err != nil {
		return 0, err
	}
	for _, m := range members {
		if _, err := tx.ExecContext(ctx, joinDigest, d.ID, m.Position); err != nil {
			return 0, err
		}
	}
	position, err := number[int64](tx.QueryRowContext(ctx, positionOf, d.ID))
	return uint64(position), err
}

const (
	insertSent = `INSERT INTO delivery_sent (target_kind, target_id, at) VALUES (?, ?, ?)`
	expireSent = `DELETE FROM delivery_sent WHERE target_kind = ? AND target_id = ? AND at <= ?`
	listSent   = `SELECT at FROM delivery_sent WHERE target_kind = ? AND target_id = ? ORDER BY at DESC LIMIT ?`
	holdPace   = `
INSERT INTO delivery_target (target_kind, target_id, paced_until) VALUES (?, ?, ?)
ON CONFLICT (target_kind, target_id) DO UPDATE SET paced_until = excluded.paced_until`
)

// count notes that the target is sent something, and until when that was enough.
func count(ctx context.Context, tx *sql.Tx, p alerts.Pace, t alerts.Target, now time.Time) error {
	if p.PerMinute <= 0 {
		return nil
	}
	kind := string(t.Kind)
	if _, err := tx.ExecContext(ctx, expireSent, kind, t.ID, millis(now.Add(-time.Minute))); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, insertSent, kind, t.ID, millis(now)); err != nil {
		return err
	}
	sent, err := collect(ctx, tx, scanTime, listSent, kind, t.ID, p.PerMinute)
	if err != nil {
		return err
	}
	if until := p.PacedUntil(sent); !until.IsZero() {
		_, err = tx.ExecContext(ctx, holdPace, kind, t.ID, millis(until))
	}
	return err
}

func scanTime(row scanner) (time.Time, error) {
	var at int64
	err := row.Scan(&at)
	return fromMillis(at), err
}

const (
	noteDelivery = `
INSERT INTO delivery_target (target_kind, target_id, delivered_at) VALUES (?, ?, ?)
ON CONFLICT (target_kind, target_id) DO UPDATE SET delivered_at = excluded.delivered_at`
	finishMembers = `
UPDATE outbox SET state = ?, delivered_at = ?, last_status_code = ?, last_error = ? WHERE digest_id = ? AND state = 'pending'`
	delayMembers = `UPDATE outbox SET next_attempt_at = ? WHERE digest_id = ? AND state = 'pending'`
)

// settleMembers lets what a digest tells share its fate.
func settleMembers(ctx context.Context, tx *sql.Tx, c alerts.Claim, a alerts.Attempt, v alerts.Verdict) error {
	if v.State == alerts.DeliveryPending {
		_, err := tx.ExecContext(ctx, delayMembers, millis(v.NextAttemptAt), c.ID)
		return err
	}
	delivered := sql.NullInt64{}
	if v.State == alerts.DeliveryDelivered {
		delivered = maybeMillis(a.At.Add(a.Duration))
	}
	_, err := tx.ExecContext(ctx, finishMembers, string(v.State), delivered, a.StatusCode, a.Error, c.ID)
	return err
}
