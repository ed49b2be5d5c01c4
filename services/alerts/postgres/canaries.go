package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/services/alerts"
)

const (
	anyCanary = `
SELECT EXISTS (SELECT 1 FROM notification_channel
    WHERE enabled AND canary_ms > 0 AND (canary_next_at IS NULL OR canary_next_at <= $1))`
	// Those that another replica looks at just now are passed over.
	dueCanaries = selectChannel + `
WHERE enabled AND canary_ms > 0 AND (canary_next_at IS NULL OR canary_next_at <= $1)
ORDER BY id LIMIT $2
FOR NO KEY UPDATE SKIP LOCKED`
	claimCanaries = `UPDATE notification_channel SET canary_next_at = $1 WHERE id = ANY ($2)`
	settleCanary  = `
UPDATE notification_channel SET canary_at = $1, canary_ok = $2, canary_error = $3, canary_next_at = $4
WHERE id = $5 AND canary_ms > 0 AND canary_next_at = $6`
	failingCanaries = selectChannel + `
WHERE enabled AND canary_ms > 0 AND canary_at IS NOT NULL AND NOT canary_ok
ORDER BY id`
)

// ClaimCanaries implements alerts.CanaryStore.
func (s *Store) ClaimCanaries(ctx context.Context, now time.Time, lease time.Duration, limit int) (claims []alerts.CanaryClaim, err error) {
	// Most looks find nothing; they need no lock.
	var any bool
	if err := s.db.QueryRow(ctx, anyCanary, millis(now)).Scan(&any); err != nil || !any {
		return nil, wrap("claim canaries", err)
	}
	err = s.db.Write(ctx, func(tx pgx.Tx) error {
		claims = nil
		due, err := collect(ctx, tx, scanChannel, dueCanaries, millis(now), limit)
		if err != nil {
			return fmt.Errorf("claim canaries: %w", err)
		}
		until, ids := millis(now.Add(lease)), []uint32{}
		for _, c := range due {
			ids = append(ids, c.ID)
			claims = append(claims, alerts.CanaryClaim{Channel: c, Until: until})
		}
		if _, err := tx.Exec(ctx, claimCanaries, until, ids); err != nil {
			return fmt.Errorf("claim canaries: %w", err)
		}
		return nil
	})
	return claims, err
}

// SettleCanary implements alerts.CanaryStore.
func (s *Store) SettleCanary(ctx context.Context, c alerts.CanaryClaim, last alerts.Canary, next time.Time) error {
	tag, err := s.db.Exec(ctx, settleCanary, millis(last.At), last.OK, text(last.Error), millis(next), c.Channel.ID, millis(c.Until))
	if err != nil {
		return fmt.Errorf("settle canary: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return alerts.ErrLeaseLost
	}
	return nil
}

// FailingCanaries implements alerts.CanaryStore.
func (s *Store) FailingCanaries(ctx context.Context) ([]alerts.Channel, error) {
	channels, err := collect(ctx, s.db, scanChannel, failingCanaries)
	if err != nil {
		return nil, fmt.Errorf("find failing canaries: %w", err)
	}
	return channels, nil
}
