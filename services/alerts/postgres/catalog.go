package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/services/alerts"
)

const selectMonitor = `
SELECT id, organization_id, name, url, enabled, regions, labels, version, deleted_at IS NOT NULL, detects_down_ms, detects_up_ms,
    ARRAY(SELECT d.parent_id FROM monitor_dependency d WHERE d.monitor_id = monitor.id ORDER BY d.parent_id)
FROM monitor`

func scanMonitor(row pgx.Row) (m alerts.Monitor, err error) {
	var down, up int64
	err = row.Scan(&m.ID, &m.OrganizationID, &m.Name, &m.URL, &m.Enabled, &m.Regions, &m.Labels, &m.Version, &m.Deleted, &down, &up, &m.DependsOn)
	m.DetectsDown, m.DetectsUp = time.Duration(down)*time.Millisecond, time.Duration(up)*time.Millisecond
	return m, err
}

const (
	oneMonitor   = selectMonitor + ` WHERE id = $1`
	monitorsByID = selectMonitor + ` WHERE id = ANY ($1)`
)

// Monitor implements alerts.CatalogStore.
func (s *Store) Monitor(ctx context.Context, id uint32) (alerts.Monitor, error) {
	m, err := scanMonitor(s.db.QueryRow(ctx, oneMonitor, id))
	if errors.Is(err, pgx.ErrNoRows) {
		return alerts.Monitor{}, alerts.ErrMonitorNotFound
	}
	if err != nil {
		return alerts.Monitor{}, fmt.Errorf("read monitor: %w", err)
	}
	return m, nil
}

const knownMonitors = `
SELECT id FROM monitor
WHERE organization_id = $1 AND deleted_at IS NULL AND id = ANY ($2)`

// UnknownMonitors implements alerts.CatalogStore.
func (s *Store) UnknownMonitors(ctx context.Context, organization string, ids []uint32) ([]uint32, error) {
	there, err := collect(ctx, s.db, number[uint32], knownMonitors, organization, list(ids))
	if err != nil {
		return nil, fmt.Errorf("find monitors: %w", err)
	}
	unknown := slices.DeleteFunc(slices.Clone(ids), func(id uint32) bool { return slices.Contains(there, id) })
	slices.Sort(unknown)
	return slices.Compact(unknown), nil
}

const liveMonitors = selectMonitor + `
WHERE deleted_at IS NULL AND id > $1
ORDER BY id
LIMIT $2`

// Monitors implements alerts.CatalogStore.
func (s *Store) Monitors(ctx context.Context, after uint32, limit int) ([]alerts.Monitor, error) {
	monitors, err := collect(ctx, s.db, scanMonitor, liveMonitors, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list monitors: %w", err)
	}
	return monitors, nil
}

const upsertMonitor = `
INSERT INTO monitor (id, organization_id, name, url, enabled, regions, labels, version, detects_down_ms, detects_up_ms, deleted_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, NULL)
ON CONFLICT (id) DO UPDATE SET organization_id = excluded.organization_id, name = excluded.name, url = excluded.url,
    enabled = excluded.enabled, regions = excluded.regions, labels = excluded.labels, version = excluded.version,
    detects_down_ms = excluded.detects_down_ms, detects_up_ms = excluded.detects_up_ms, deleted_at = NULL`

// What is as it was is not written again: most snapshots change nothing.
const (
	dropDependencies  = `DELETE FROM monitor_dependency WHERE monitor_id = $1 AND parent_id <> ALL ($2::bigint[])`
	writeDependencies = `INSERT INTO monitor_dependency (monitor_id, parent_id) SELECT $1, unnest($2::bigint[]) ON CONFLICT DO NOTHING`
)

// PutMonitors implements alerts.CatalogStore.
func (s *Store) PutMonitors(ctx context.Context, monitors []alerts.Monitor) error {
	// Replicas store the same snapshot at the same time: in one order they wait for each other, in two they would deadlock.
	monitors = slices.SortedStableFunc(slices.Values(monitors), func(a, b alerts.Monitor) int { return cmp.Compare(a.ID, b.ID) })
	args := make([][]any, 0, len(monitors))
	for _, m := range monitors {
		if m.Regions == nil {
			m.Regions = []string{}
		}
		regions, err := object(m.Regions)
		if err != nil {
			return fmt.Errorf("put monitor %d: %w", m.ID, err)
		}
		if m.Labels == nil {
			m.Labels = map[string]string{}
		}
		labels, err := object(m.Labels)
		if err != nil {
			return fmt.Errorf("put monitor %d: %w", m.ID, err)
		}
		args = append(args, []any{m.ID, m.OrganizationID, text(m.Name), text(m.URL), m.Enabled, regions, labels, int64(m.Version),
			m.DetectsDown.Milliseconds(), m.DetectsUp.Milliseconds()})
	}
	return s.db.Write(ctx, func(tx pgx.Tx) error {
		b := &pgx.Batch{} // once sent, it fits no other connection
		for i, row := range args {
			b.Queue(upsertMonitor, row...)
			b.Queue(dropDependencies, monitors[i].ID, list(monitors[i].DependsOn))
			b.Queue(writeDependencies, monitors[i].ID, list(monitors[i].DependsOn))
		}
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return fmt.Errorf("put monitors: %w", err)
		}
		return nil
	})
}

const monitorsExcept = `
SELECT id, organization_id FROM monitor
WHERE deleted_at IS NULL AND id <> ALL ($1)
ORDER BY id`

// MonitorsExcept implements alerts.CatalogStore.
func (s *Store) MonitorsExcept(ctx context.Context, ids []uint32) ([]alerts.MonitorRef, error) {
	monitors, err := collect(ctx, s.db, scanRef, monitorsExcept, list(ids))
	if err != nil {
		return nil, fmt.Errorf("find monitors: %w", err)
	}
	return monitors, nil
}

const markDeleted = `UPDATE monitor SET deleted_at = $1 WHERE id = ANY ($2) AND deleted_at IS NULL`

// RemoveMonitors implements alerts.CatalogStore.
func (s *Store) RemoveMonitors(ctx context.Context, monitors []alerts.MonitorRef, now time.Time, step func(alerts.Progress, map[uint32]alerts.State) alerts.Batch) error {
	ids := make([]uint32, 0, len(monitors))
	for _, m := range monitors {
		ids = append(ids, m.ID)
	}
	return s.db.Write(ctx, func(tx pgx.Tx) error {
		if err := advance(ctx, tx, monitors, now, step); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, markDeleted, millis(now), ids); err != nil {
			return fmt.Errorf("remove monitors: %w", err)
		}
		if _, err := regroupMonitors(ctx, tx, ids, now); err != nil {
			return fmt.Errorf("remove monitors: groups: %w", err)
		}
		return nil
	})
}
