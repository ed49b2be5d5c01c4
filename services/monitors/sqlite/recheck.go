package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/frogstats/uptime/services/monitors"
)

const (
	drawAsked = `
UPDATE placement
SET asked = asked + 1
WHERE region = ?1 AND EXISTS (SELECT 1 FROM assignment a WHERE a.region = ?1 AND a.monitor_id = ?2 AND a.wanted = 1)
RETURNING asked`
	upsertRecheck = `
INSERT INTO recheck (region, monitor_id, asked, asked_at)
VALUES (?, ?, ?, ?)
ON CONFLICT (region, monitor_id) DO UPDATE SET asked = excluded.asked, asked_at = excluded.asked_at`
	forgetRechecks = `
DELETE FROM recheck
WHERE region = ? AND asked_at < ?`
)

// Recheck implements monitors.Rechecks.
func (s *Store) Recheck(ctx context.Context, monitorID uint32, regions []string, at, forget time.Time) (asked []string, err error) {
	err = s.db.Write(ctx, func(t *sql.Tx) error {
		asked = nil
		for _, region := range regions {
			var n int64
			err := t.QueryRowContext(ctx, drawAsked, region, monitorID).Scan(&n)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return err
			}
			if _, err := t.ExecContext(ctx, forgetRechecks, region, forget.UnixMilli()); err != nil {
				return err
			}
			if _, err := t.ExecContext(ctx, upsertRecheck, region, monitorID, n, at.UnixMilli()); err != nil {
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
WHERE region = ? AND asked > ?
ORDER BY asked
LIMIT ?`

// Rechecks implements monitors.Rechecks.
func (s *Store) Rechecks(ctx context.Context, region string, after int64, limit int) (all []monitors.Recheck, err error) {
	rows, err := s.db.Read().QueryContext(ctx, selectRechecks, region, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list wishes for checks: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r monitors.Recheck
		if err := rows.Scan(&r.MonitorID, &r.Asked); err != nil {
			return nil, fmt.Errorf("list wishes for checks: %w", err)
		}
		all = append(all, r)
	}
	return all, rows.Err()
}
