package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/frogstats/uptime/services/alerts"
)

const selectMonitor = `
SELECT id, organization_id, name, url, enabled, regions_json, labels_json, version, deleted_at IS NOT NULL, detects_down_ms, detects_up_ms,
    (SELECT json_group_array(d.parent_id ORDER BY d.parent_id) FROM monitor_dependency d WHERE d.monitor_id = monitor.id)
FROM monitor`

func scanMonitor(row scanner) (alerts.Monitor, error) {
	var m alerts.Monitor
	var regions, labels, parents string
	var down, up int64
	err := row.Scan(&m.ID, &m.OrganizationID, &m.Name, &m.URL, &m.Enabled, &regions, &labels, &m.Version, &m.Deleted, &down, &up, &parents)
	if err != nil {
		return alerts.Monitor{}, err
	}
	if err := json.Unmarshal([]byte(regions), &m.Regions); err != nil {
		return alerts.Monitor{}, fmt.Errorf("regions of monitor %d: %w", m.ID, err)
	}
	if err := json.Unmarshal([]byte(labels), &m.Labels); err != nil {
		return alerts.Monitor{}, fmt.Errorf("labels of monitor %d: %w", m.ID, err)
	}
	if err := json.Unmarshal([]byte(parents), &m.DependsOn); err != nil {
		return alerts.Monitor{}, fmt.Errorf("dependencies of monitor %d: %w", m.ID, err)
	}
	m.DetectsDown, m.DetectsUp = time.Duration(down)*time.Millisecond, time.Duration(up)*time.Millisecond
	return m, nil
}

const (
	oneMonitor   = selectMonitor + ` WHERE id = ?`
	monitorsByID = selectMonitor + ` WHERE id IN (SELECT value FROM json_each(?))`
)

// Monitor implements alerts.CatalogStore.
func (s *Store) Monitor(ctx context.Context, id uint32) (alerts.Monitor, error) {
	m, err := scanMonitor(s.db.Read().QueryRowContext(ctx, oneMonitor, id))
	if errors.Is(err, sql.ErrNoRows) {
		return alerts.Monitor{}, alerts.ErrMonitorNotFound
	}
	if err != nil {
		return alerts.Monitor{}, fmt.Errorf("read monitor: %w", err)
	}
	return m, nil
}

const knownMonitors = `
SELECT id FROM monitor
WHERE organization_id = ? AND deleted_at IS NULL AND id IN (SELECT value FROM json_each(?))`

// UnknownMonitors implements alerts.CatalogStore.
func (s *Store) UnknownMonitors(ctx context.Context, organization string, ids []uint32) ([]uint32, error) {
	there, err := collect(ctx, s.db.Read(), number[uint32], knownMonitors, organization, list(ids))
	if err != nil {
		return nil, fmt.Errorf("find monitors: %w", err)
	}
	var unknown []uint32
	for _, id := range ids {
		if !slices.Contains(there, id) {
			unknown = append(unknown, id)
		}
	}
	slices.Sort(unknown)
	return slices.Compact(unknown), nil
}

const liveMonitors = selectMonitor + `
WHERE deleted_at IS NULL AND id > ?
ORDER BY id
LIMIT ?`

// Monitors implements alerts.CatalogStore.
func (s *Store) Monitors(ctx context.Context, after uint32, limit int) ([]alerts.Monitor, error) {
	monitors, err := collect(ctx, s.db.Read(), scanMonitor, liveMonitors, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list monitors: %w", err)
	}
	return monitors, nil
}

const upsertMonitor = `
INSERT INTO monitor (id, organization_id, name, url, enabled, regions_json, labels_json, version, detects_down_ms, detects_up_ms, deleted_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)
ON CONFLICT (id) DO UPDATE SET organization_id = excluded.organization_id, name = excluded.name, url = excluded.url,
    enabled = excluded.enabled, regions_json = excluded.regions_json, labels_json = excluded.labels_json, version = excluded.version,
    detects_down_ms = excluded.detects_down_ms, detects_up_ms = excluded.detects_up_ms, deleted_at = NULL`

// What is as it was is not written again: most snapshots change nothing.
const (
	dropDependencies  = `DELETE FROM monitor_dependency WHERE monitor_id = ?1 AND parent_id NOT IN (SELECT value FROM json_each(?2))`
	writeDependencies = `INSERT INTO monitor_dependency (monitor_id, parent_id) SELECT ?1, value FROM json_each(?2) WHERE TRUE ON CONFLICT DO NOTHING`
)

// PutMonitors implements alerts.CatalogStore.
func (s *Store) PutMonitors(ctx context.Context, monitors []alerts.Monitor) error {
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		// A snapshot is many monitors: compiled for each, the statements would cost more than what they do.
		var put, drop, write *sql.Stmt
		for statement, query := range map[**sql.Stmt]string{&put: upsertMonitor, &drop: dropDependencies, &write: writeDependencies} {
			prepared, err := tx.PrepareContext(ctx, query) //nolint:sqlclosecheck // closed with the transaction
			if err != nil {
				return fmt.Errorf("put monitors: %w", err)
			}
			*statement = prepared
		}
		for _, m := range monitors {
			if err := putMonitor(ctx, put, m); err != nil {
				return fmt.Errorf("put monitor %d: %w", m.ID, err)
			}
			for _, statement := range []*sql.Stmt{drop, write} {
				if _, err := statement.ExecContext(ctx, m.ID, list(m.DependsOn)); err != nil {
					return fmt.Errorf("put dependencies of monitor %d: %w", m.ID, err)
				}
			}
		}
		return nil
	})
}

func putMonitor(ctx context.Context, put *sql.Stmt, m alerts.Monitor) error {
	regions, labels := m.Regions, m.Labels
	if regions == nil {
		regions = []string{}
	}
	if labels == nil {
		labels = map[string]string{}
	}
	regionsJSON, err := text(regions)
	if err != nil {
		return err
	}
	labelsJSON, err := text(labels)
	if err != nil {
		return err
	}
	_, err = put.ExecContext(ctx, m.ID, m.OrganizationID, m.Name, m.URL, m.Enabled, regionsJSON, labelsJSON, int64(m.Version),
		m.DetectsDown.Milliseconds(), m.DetectsUp.Milliseconds())
	return err
}

const monitorsExcept = `
SELECT id, organization_id FROM monitor
WHERE deleted_at IS NULL AND id NOT IN (SELECT value FROM json_each(?))
ORDER BY id`

// MonitorsExcept implements alerts.CatalogStore.
func (s *Store) MonitorsExcept(ctx context.Context, ids []uint32) ([]alerts.MonitorRef, error) {
	monitors, err := collect(ctx, s.db.Read(), scanRef, monitorsExcept, list(ids))
	if err != nil {
		return nil, fmt.Errorf("find monitors: %w", err)
	}
	return monitors, nil
}

const markDeleted = `UPDATE monitor SET deleted_at = ? WHERE id = ? AND deleted_at IS NULL`

// RemoveMonitors implements alerts.CatalogStore.
func (s *Store) RemoveMonitors(ctx context.Context, monitors []alerts.MonitorRef, now time.Time, step func(alerts.Progress, map[uint32]alerts.State) alerts.Batch) error {
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		if err := advance(ctx, tx, monitors, now, step); err != nil {
			return err
		}
		var ids []uint32
		for _, m := range monitors {
			if _, err := tx.ExecContext(ctx, markDeleted, millis(now), m.ID); err != nil {
				return fmt.Errorf("remove monitor %d: %w", m.ID, err)
			}
			ids = append(ids, m.ID)
		}
		if _, err := regroupMonitors(ctx, tx, ids, now); err != nil {
			return fmt.Errorf("remove monitors: groups: %w", err)
		}
		return nil
	})
}
