package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/services/monitors"
)

const (
	selectBadge = `
SELECT b.token, b.monitor_id, b.organization_id, b.created_at, b.created_by
FROM badge AS b
JOIN uptime_monitors AS m ON m.id = b.monitor_id AND m.organization_id = b.organization_id
WHERE m.deleted_at IS NULL`
	badgeOfMonitor = selectBadge + ` AND b.organization_id = $1 AND b.monitor_id = $2`
	badgeOfToken   = selectBadge + ` AND b.token = $1`
)

// Badge implements monitors.Badges.
func (s *Store) Badge(ctx context.Context, organizationID string, monitorID uint32) (monitors.Badge, error) {
	return scanBadge(s.db.QueryRow(ctx, badgeOfMonitor, organizationID, int64(monitorID)))
}

// BadgeOf implements monitors.Badges.
func (s *Store) BadgeOf(ctx context.Context, token string) (monitors.Badge, error) {
	return scanBadge(s.db.QueryRow(ctx, badgeOfToken, token))
}

func scanBadge(row pgx.Row) (b monitors.Badge, err error) {
	err = row.Scan(&b.Token, &b.MonitorID, &b.OrganizationID, &b.CreatedAt, &b.CreatedBy)
	if errors.Is(err, pgx.ErrNoRows) {
		return monitors.Badge{}, monitors.ErrNoBadge
	}
	if err != nil {
		return monitors.Badge{}, fmt.Errorf("read badge: %w", err)
	}
	b.CreatedAt = b.CreatedAt.UTC()
	return b, nil
}

const (
	deleteBadge = `DELETE FROM badge WHERE organization_id = $1 AND monitor_id = $2`
	insertBadge = `
INSERT INTO badge (token, monitor_id, organization_id, created_at, created_by)
VALUES ($1, $2, $3, $4, $5)`
)

// PutBadge implements monitors.BadgeTx.
func (t tx) PutBadge(ctx context.Context, b monitors.Badge) error {
	if _, err := t.Exec(ctx, deleteBadge, b.OrganizationID, int64(b.MonitorID)); err != nil {
		return fmt.Errorf("replace badge: %w", err)
	}
	if _, err := t.Exec(ctx, insertBadge, b.Token, int64(b.MonitorID), b.OrganizationID, millis(b.CreatedAt), b.CreatedBy); err != nil {
		return fmt.Errorf("insert badge: %w", err)
	}
	return nil
}

// DeleteBadge implements monitors.BadgeTx.
func (t tx) DeleteBadge(ctx context.Context, organizationID string, monitorID uint32) error {
	tag, err := t.Exec(ctx, deleteBadge, organizationID, int64(monitorID))
	if err != nil {
		return fmt.Errorf("delete badge: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return monitors.ErrNoBadge
	}
	return nil
}
