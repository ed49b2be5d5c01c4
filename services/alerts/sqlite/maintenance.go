package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/frogstats/uptime/services/alerts"
)

const (
	selectWindows = `
SELECT window_id, version, organization_id, target, spec, valid_from, valid_until
FROM maintenance_version`
	holdingWindows = selectWindows + `
WHERE valid_until IS NULL
ORDER BY window_id`
	windowsOf = selectWindows + `
WHERE organization_id IN (SELECT value FROM json_each(?))
ORDER BY window_id, version`
)

func scanWindow(row scanner) (w alerts.MaintenanceWindow, err error) {
	var target, spec string
	var from int64
	var until sql.NullInt64
	if err := row.Scan(&w.ID, &w.Version, &w.OrganizationID, &target, &spec, &from, &until); err != nil {
		return alerts.MaintenanceWindow{}, err
	}
	w.From, w.Until = fromMillis(from), fromMaybe(until)
	return w, errors.Join(json.Unmarshal([]byte(target), &w.Target), json.Unmarshal([]byte(spec), &w.Spec))
}

// HoldingWindows implements alerts.WindowStore.
func (s *Store) HoldingWindows(ctx context.Context) ([]alerts.MaintenanceWindow, error) {
	windows, err := collect(ctx, s.db.Read(), scanWindow, holdingWindows)
	if err != nil {
		return nil, fmt.Errorf("read windows: %w", err)
	}
	return windows, nil
}

// readWindows adds the windows to states whose monitors are known.
func readWindows(ctx context.Context, tx *sql.Tx, states map[uint32]alerts.State, organizations map[string]bool) error {
	names := make([]string, 0, len(organizations))
	for o := range organizations {
		names = append(names, o)
	}
	owners, err := text(names)
	if err != nil {
		return err
	}
	windows, err := collect(ctx, tx, scanWindow, windowsOf, owners)
	if err != nil {
		return fmt.Errorf("windows: %w", err)
	}
	if len(windows) == 0 {
		return nil
	}
	for id, st := range states {
		st.Windows = alerts.WindowsOf(windows, st.Monitor)
		states[id] = st
	}
	return nil
}

const (
	upsertWindow = `
INSERT INTO maintenance_version (window_id, version, organization_id, target, spec, valid_from, valid_until)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (window_id, version) DO UPDATE SET valid_until = excluded.valid_until`
	lookAgainOfOwner = `
UPDATE monitor_state SET overlay_until = ?1
WHERE overlay_until > ?1 AND monitor_id IN (SELECT id FROM monitor WHERE organization_id = ?2)`
	lookAgainOf = `
UPDATE monitor_state SET overlay_until = ?1
WHERE overlay_until > ?1 AND monitor_id IN (SELECT value FROM json_each(?2))`
)

// PutWindows implements alerts.WindowStore.
func (s *Store) PutWindows(ctx context.Context, windows []alerts.MaintenanceWindow, now time.Time) error {
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		owners := map[string]bool{}
		for _, w := range windows {
			target, err := text(w.Target)
			if err != nil {
				return fmt.Errorf("put window %d: %w", w.ID, err)
			}
			spec, err := text(w.Spec)
			if err != nil {
				return fmt.Errorf("put window %d: %w", w.ID, err)
			}
			_, err = tx.ExecContext(ctx, upsertWindow, w.ID, w.Version, w.OrganizationID, target, spec, millis(w.From), maybeMillis(w.Until))
			if err != nil {
				return fmt.Errorf("put window %d: %w", w.ID, err)
			}
			owners[w.OrganizationID] = true
		}
		for o := range owners {
			if _, err := tx.ExecContext(ctx, lookAgainOfOwner, millis(now), o); err != nil {
				return fmt.Errorf("look again: %w", err)
			}
		}
		return nil
	})
}

// LookAgain implements alerts.WindowStore.
func (s *Store) LookAgain(ctx context.Context, monitorIDs []uint32, now time.Time) error {
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, lookAgainOf, millis(now), list(monitorIDs)); err != nil {
			return fmt.Errorf("look again: %w", err)
		}
		return nil
	})
}

const dueMaintenance = `
SELECT s.monitor_id, m.organization_id FROM monitor_state s JOIN monitor m ON m.id = s.monitor_id
WHERE s.overlay_until <= ? AND m.deleted_at IS NULL
ORDER BY s.overlay_until, s.monitor_id LIMIT ? + 0`

// DueMaintenance implements alerts.WindowStore.
func (s *Store) DueMaintenance(ctx context.Context, now time.Time, limit int) ([]alerts.MonitorRef, error) {
	monitors, err := collect(ctx, s.polls, scanRef, dueMaintenance, millis(now), limit)
	if err != nil {
		return nil, fmt.Errorf("find monitors in maintenance: %w", err)
	}
	return monitors, nil
}

const pruneWindows = `DELETE FROM maintenance_version WHERE valid_until < ?`

// PruneWindows implements alerts.WindowStore.
func (s *Store) PruneWindows(ctx context.Context, endedBefore time.Time) error {
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, pruneWindows, millis(endedBefore)); err != nil {
			return fmt.Errorf("prune windows: %w", err)
		}
		return nil
	})
}

// scanOverlay reads what is remembered; when to look again stands beside it, because others than evaluation may set it.
func scanOverlay(raw sql.NullString, until sql.NullInt64) (*alerts.Overlay, error) {
	if !raw.Valid {
		return nil, nil
	}
	o := &alerts.Overlay{}
	if err := json.Unmarshal([]byte(raw.String), o); err != nil {
		return nil, fmt.Errorf("overlay: %w", err)
	}
	o.LookAt(fromMaybe(until))
	return o, nil
}

const upsertOverlay = `
INSERT INTO monitor_state (monitor_id, known, overlay, overlay_until, held) VALUES (?, '', ?, ?, ?)
ON CONFLICT (monitor_id) DO UPDATE SET overlay = excluded.overlay, overlay_until = excluded.overlay_until, held = excluded.held`

func saveOverlay(ctx context.Context, tx *sql.Tx, id uint32, o *alerts.Overlay) error {
	var raw sql.NullString
	var until sql.NullInt64
	if o != nil {
		written, err := text(o)
		if err != nil {
			return fmt.Errorf("overlay of monitor %d: %w", id, err)
		}
		raw, until = sql.NullString{String: written, Valid: true}, maybeMillis(o.Due())
	}
	if _, err := tx.ExecContext(ctx, upsertOverlay, id, raw, until, o != nil && o.Hold != nil); err != nil {
		return fmt.Errorf("overlay of monitor %d: %w", id, err)
	}
	return nil
}
