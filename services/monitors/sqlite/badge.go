package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/frogstats/uptime/services/monitors"
)

const (
	selectBadge = `
SELECT b.token, b.monitor_id, b.organization_id, b.created_at, b.created_by
FROM badge AS b
JOIN uptime_monitors AS m ON m.id = b.monitor_id AND m.organization_id = b.organization_id
WHERE m.deleted_at IS NULL`
	badgeOfMonitor = selectBadge + ` AND b.organization_id = ? AND b.monitor_id = ?`
	badgeOfToken   = selectBadge + ` AND b.token = ?`
)

// Badge implements monitors.Badges.
func (s *Store) Badge(ctx context.Context, organizationID string, monitorID uint32) (monitors.Badge, error) {
	return scanBadge(s.db.Read().QueryRowContext(ctx, badgeOfMonitor, organizationID, monitorID))
}

// BadgeOf implements monitors.Badges.
func (s *Store) BadgeOf(ctx context.Context, token string) (monitors.Badge, error) {
	return scanBadge(s.db.Read().QueryRowContext(ctx, badgeOfToken, token))
}

func scanBadge(row *sql.Row) (b monitors.Badge, err error) {
	var created int64
	err = row.Scan(&b.Token, &b.MonitorID, &b.OrganizationID, &created, &b.CreatedBy)
	if errors.Is(err, sql.ErrNoRows) {
		return monitors.Badge{}, monitors.ErrNoBadge
	}
	if err != nil {
		return monitors.Badge{}, fmt.Errorf("read badge: %w", err)
	}
	b.CreatedAt = fromMillis(created)
	return b, nil
}

const (
	deleteBadge = `DELETE FROM badge WHERE organization_id = ? AND monitor_id = ?`
	insertBadge = `
INSERT INTO badge (token, monitor_id, organization_id, created_at, created_by)
VALUES (?, ?, ?, ?, ?)`
)

// PutBadge implements monitors.BadgeTx.
func (t tx) PutBadge(ctx context.Context, b monitors.Badge) error {
	if _, err := t.ExecContext(ctx, deleteBadge, b.OrganizationID, b.MonitorID); err != nil {
		return fmt.Errorf("replace badge: %w", err)
	}
	if _, err := t.ExecContext(ctx, insertBadge, b.Token, b.MonitorID, b.OrganizationID, b.CreatedAt.UnixMilli(), b.CreatedBy); err != nil {
		return fmt.Errorf("insert badge: %w", err)
	}
	return nil
}

// DeleteBadge implements monitors.BadgeTx.
func (t tx) DeleteBadge(ctx context.Context, organizationID string, monitorID uint32) error {
	res, err := t.ExecContext(ctx, deleteBadge, organizationID, monitorID)
	if err != nil {
		return fmt.Errorf("delete badge: %w", err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return fmt.Errorf("delete badge: %w", err)
	}
	if n == 0 {
		return monitors.ErrNoBadge
	}
	return nil
}
