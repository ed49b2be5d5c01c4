package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/services/monitors"
)

const selectRegions = `
SELECT code, name
FROM region
ORDER BY code`

// Regions implements monitors.Fleet.
func (s *Store) Regions(ctx context.Context) ([]monitors.Region, error) {
	regions, err := collect(ctx, s.db, func(row pgx.CollectableRow) (r monitors.Region, err error) {
		return r, row.Scan(&r.Code, &r.Name)
	}, selectRegions)
	if err != nil {
		return nil, fmt.Errorf("list regions: %w", err)
	}
	return regions, nil
}

const selectProbers = `
SELECT id, region, version, connected, last_seen_at
FROM prober
ORDER BY region, id`

// Probers implements monitors.Fleet.
func (s *Store) Probers(ctx context.Context) ([]monitors.Prober, error) {
	probers, err := collect(ctx, s.db, func(row pgx.CollectableRow) (p monitors.Prober, err error) {
		return p, row.Scan(&p.ID, &p.Region, &p.Version, &p.Connected, &p.LastSeenAt)
	}, selectProbers)
	if err != nil {
		return nil, fmt.Errorf("list probers: %w", err)
	}
	return probers, nil
}

func collect[T any](ctx context.Context, q querier, scan pgx.RowToFunc[T], query string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.AppendRows([]T(nil), rows, scan)
}

// The region is there when the statement ends, which is when the reference to it is checked.
const upsertProber = `
WITH known AS (
    INSERT INTO region (code, name)
    VALUES ($2, $2)
    ON CONFLICT (code) DO NOTHING
)
INSERT INTO prober (id, region, version, session, connected, last_seen_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (id) DO UPDATE SET
    region = excluded.region, version = excluded.version, session = excluded.session,
    connected = excluded.connected, last_seen_at = excluded.last_seen_at`

// ProberArrived implements monitors.Fleet.
func (s *Store) ProberArrived(ctx context.Context, p monitors.Prober, session string) error {
	_, err := s.db.Exec(ctx, upsertProber, p.ID, p.Region, p.Version, session, true, millis(p.LastSeenAt))
	if err != nil {
		return fmt.Errorf("register prober: %w", err)
	}
	return nil
}

const touchProber = `
UPDATE prober
SET connected = $1, last_seen_at = $2
WHERE id = $3 AND session = $4`

// ProberSeen implements monitors.Fleet.
func (s *Store) ProberSeen(ctx context.Context, id, session string, at time.Time) error {
	return s.touch(ctx, id, session, at, true)
}

// ProberLeft implements monitors.Fleet.
func (s *Store) ProberLeft(ctx context.Context, id, session string, at time.Time) error {
	return s.touch(ctx, id, session, at, false)
}

func (s *Store) touch(ctx context.Context, id, session string, at time.Time, connected bool) error {
	if _, err := s.db.Exec(ctx, touchProber, connected, millis(at), id, session); err != nil {
		return fmt.Errorf("note prober: %w", err)
	}
	return nil
}
