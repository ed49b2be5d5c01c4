package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/frogstats/uptime/services/monitors"
)

const selectRegions = `
SELECT code, name
FROM region
ORDER BY code`

// Regions implements monitors.Fleet.
func (s *Store) Regions(ctx context.Context) (regions []monitors.Region, err error) {
	rows, err := s.db.Read().QueryContext(ctx, selectRegions)
	if err != nil {
		return nil, fmt.Errorf("list regions: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r monitors.Region
		if err := rows.Scan(&r.Code, &r.Name); err != nil {
			return nil, fmt.Errorf("list regions: %w", err)
		}
		regions = append(regions, r)
	}
	return regions, rows.Err()
}

const selectProbers = `
SELECT id, region, version, connected, last_seen_at
FROM prober
ORDER BY region, id`

// Probers implements monitors.Fleet.
func (s *Store) Probers(ctx context.Context) (probers []monitors.Prober, err error) {
	rows, err := s.db.Read().QueryContext(ctx, selectProbers)
	if err != nil {
		return nil, fmt.Errorf("list probers: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var p monitors.Prober
		var seen int64
		if err := rows.Scan(&p.ID, &p.Region, &p.Version, &p.Connected, &seen); err != nil {
			return nil, fmt.Errorf("list probers: %w", err)
		}
		p.LastSeenAt = fromMillis(seen)
		probers = append(probers, p)
	}
	return probers, rows.Err()
}

const (
	insertRegion = `
INSERT INTO region (code, name)
VALUES (?, ?)
ON CONFLICT (code) DO NOTHING`
	upsertProber = `
INSERT INTO prober (id, region, version, session, connected, last_seen_at)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
    region = excluded.region, version = excluded.version, session = excluded.session,
    connected = excluded.connected, last_seen_at = excluded.last_seen_at`
)

// ProberArrived implements monitors.Fleet.
func (s *Store) ProberArrived(ctx context.Context, p monitors.Prober, session string) error {
	err := s.db.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, insertRegion, p.Region, p.Region); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, upsertProber, p.ID, p.Region, p.Version, session, true, p.LastSeenAt.UnixMilli())
		return err
	})
	if err != nil {
		return fmt.Errorf("register prober: %w", err)
	}
	return nil
}

const touchProber = `
UPDATE prober
SET connected = ?, last_seen_at = ?
WHERE id = ? AND session = ?`

// ProberSeen implements monitors.Fleet.
func (s *Store) ProberSeen(ctx context.Context, id, session string, at time.Time) error {
	return s.touch(ctx, id, session, at, true)
}

// ProberLeft implements monitors.Fleet.
func (s *Store) ProberLeft(ctx context.Context, id, session string, at time.Time) error {
	return s.touch(ctx, id, session, at, false)
}

func (s *Store) touch(ctx context.Context, id, session string, at time.Time, connected bool) error {
	err := s.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, touchProber, connected, at.UnixMilli(), id, session)
		return err
	})
	if err != nil {
		return fmt.Errorf("note prober: %w", err)
	}
	return nil
}
