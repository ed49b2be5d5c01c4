package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/services/monitors"
)

const (
	// The region's row stays locked until the end, so numbers become visible in their order.
	drawAsked = `
UPDATE placement
SET asked = asked + 1
WHERE region = $1 AND EXISTS (SELECT 1 FROM assignment a WHERE a.region = $1 AND a.monitor_id = $2 AND a.wanted)
RETURNING asked`
	upsertRecheck = `
INSERT INTO recheck (region, monitor_id, asked, asked_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT (region, monitor_id) DO UPDATE SET asked = excluded.asked, asked_at = excluded.asked_at`
	forgetRechecks = `
DELETE FROM recheck
WHERE region = $1 AND asked_at < $2`
)

// Recheck implements monitors.Rechecks.
func (s *Store) Recheck(ctx context.Context, monitorID uint32, regions []string, at, forget time.Time) (asked []string, err error) {
	err = s.db.Write(ctx, func(t pgx.Tx) error {
		asked = nil
		for _, region := range regions { // in an order of their own, or two calls could wait for each other
			var n int64
			err := t.QueryRow(ctx, drawAsked, region, int64(monitorID)).Scan(&n)
			if errors.Is(err, pgx.ErrNoRows) {
				continue
			}
			if err != nil {
				return err
			}
			if _, err := t.Exec(ctx, forgetRechecks, region, millis(forget)); err != nil {
				return err
			}
			if _, err := t.Exec(ctx, upsertRecheck, region, int64(monitorID), n, millis(at)); err != nil {
				return err
			}
			asked = append(asked, region)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ask for a check: %w", err)
	}
	return asked, nil
}

const selectRechecks = `
SELECT monitor_id, asked
FROM recheck
WHERE region = $1 AND asked > $2
ORDER BY asked
LIMIT $3`

// Rechecks implements monitors.Rechecks.
func (s *Store) Rechecks(ctx context.Context, region string, after int64, limit int) ([]monitors.Recheck, error) {
	all, err := collect(ctx, s.db, func(row pgx.CollectableRow) (r monitors.Recheck, err error) {
		err = row.Scan(&r.MonitorID, &r.Asked)
		return r, err
	}, selectRechecks, region, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list wishes for checks: %w", err)
	}
	return all, nil
}
