package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/frogstats/uptime/services/alerts"
)

const (
	dueCanaries = selectChannel + `
WHERE enabled AND canary_ms > 0 AND (canary_next_at IS NULL OR canary_next_at <= ?)
ORDER BY id LIMIT ? + 0`
	claimCanary  = `UPDATE notification_channel SET canary_next_at = ? WHERE id = ?`
	settleCanary = `
UPDATE notification_channel SET canary_at = ?, canary_ok = ?, canary_error = ?, canary_next_at = ?
WHERE id = ? AND canary_ms > 0 AND canary_next_at = ?`
	failingCanaries = selectChannel + `
WHERE enabled AND canary_ms > 0 AND canary_at IS NOT NULL AND NOT canary_ok
ORDER BY id`
)

// ClaimCanaries implements alerts.CanaryStore.
func (s *Store) ClaimCanaries(ctx context.Context, now time.Time, lease time.Duration, limit int) (claims []alerts.CanaryClaim, err error) {
	// Most looks find nothing; they need not wait for their turn to write.
	due, err := collect(ctx, s.polls, scanChannel, dueCanaries, millis(now), 1)
	if err != nil {
		return nil, fmt.Errorf("claim canaries: %w", err)
	}
	if len(due) == 0 {
		return nil, nil
	}
	err = s.db.Write(ctx, func(tx *sql.Tx) error {
		claims = nil
		due, err := collect(ctx, tx, scanChannel, dueCanaries, millis(now), limit)
		if err != nil {
			return fmt.Errorf("claim canaries: %w", err)
		}
		until := fromMillis(millis(now.Add(lease)))
		for _, c := range due {
			if _, err := tx.ExecContext(ctx, claimCanary, millis(until), c.ID); err != nil {
				return fmt.Errorf("claim canaries: %w", err)
			}
			claims = append(claims, alerts.CanaryClaim{Channel: c, Until: until})
		}
		return nil
	})
	return claims, err
}

// SettleCanary implements alerts.CanaryStore.
func (s *Store) SettleCanary(ctx context.Context, c alerts.CanaryClaim, last alerts.Canary, next time.Time) error {
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, settleCanary, millis(last.At), last.OK, last.Error, millis(next), c.Channel.ID, millis(c.Until))
		if err != nil {
			return fmt.Errorf("settle canary: %w", err)
		}
		n, err := res.RowsAffected()
		if err == nil && n == 0 {
			return alerts.ErrLeaseLost
		}
		return err
	})
}

// FailingCanaries implements alerts.CanaryStore.
func (s *Store) FailingCanaries(ctx context.Context) ([]alerts.Channel, error) {
	channels, err := collect(ctx, s.polls, scanChannel, failingCanaries)
	if err != nil {
		return nil, fmt.Errorf("find failing canaries: %w", err)
	}
	return channels, nil
}
