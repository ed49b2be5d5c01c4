package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

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
WHERE organization_id = ANY ($1)
ORDER BY window_id, version`
)

func scanWindow(row pgx.Row) (w alerts.MaintenanceWindow, err error) {
	var target, spec []byte
	var until *time.Time
	if err := row.Scan(&w.ID, &w.Version, &w.OrganizationID, &target, &spec, &w.From, &until); err != nil {
		return alerts.MaintenanceWindow{}, err
	}
	w.From, w.Until = w.From.UTC(), fromMaybe(until)
	return w, errors.Join(json.Unmarshal(target, &w.Target), json.Unmarshal(spec, &w.Spec))
}

// HoldingWindows implements alerts.WindowStore.
func (s *Store) HoldingWindows(ctx context.Context) ([]alerts.MaintenanceWindow, error) {
	windows, err := collect(ctx, s.db, scanWindow, holdingWindows)
	if err != nil {
		return nil, fmt.Errorf("read windows: %w", err)
	}
	return windows, nil
}

const (
	upsertWindow = `
INSERT INTO maintenance_version (window_id, version, organization_id, target, spec, valid_from, valid_until)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (window_id, version) DO UPDATE SET valid_until = excluded.valid_until`
	lookAgainOfOwners = `
UPDATE monitor_state SET overlay_until = $1
WHERE overlay_until > $1 AND monitor_id IN (SELECT id FROM monitor WHERE organization_id = ANY ($2))`
	lookAgainOf = `UPDATE monitor_state SET overlay_until = $1 WHERE overlay_until > $1 AND monitor_id = ANY ($2)`
)

// PutWindows implements alerts.WindowStore. It takes turns with evaluation, which writes the same rows in an order of its own.
func (s *Store) PutWindows(ctx context.Context, windows []alerts.MaintenanceWindow, now time.Time) error {
	windows = slices.SortedStableFunc(slices.Values(windows), func(a, b alerts.MaintenanceWindow) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Version, b.Version))
	})
	var args [][]any
	owners := []string{}
	for _, w := range windows {
		target, err := object(w.Target)
		if err != nil {
			return fmt.Errorf("put window %d: %w", w.ID, err)
		}
		spec, err := object(w.Spec)
		if err != nil {
			return fmt.Errorf("put window %d: %w", w.ID, err)
		}
		args = append(args, []any{w.ID, int64(w.Version), w.OrganizationID, target, spec, millis(w.From), maybeMillis(w.Until)})
		owners = append(owners, w.OrganizationID)
	}
	return s.db.Write(ctx, func(tx pgx.Tx) error {
		if _, err := lockEvaluation(ctx, tx); err != nil {
			return fmt.Errorf("put windows: %w", err)
		}
		b := &pgx.Batch{}
		for _, row := range args {
			b.Queue(upsertWindow, row...)
		}
		b.Queue(lookAgainOfOwners, millis(now), owners)
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return fmt.Errorf("put windows: %w", err)
		}
		return nil
	})
}

// LookAgain implements alerts.WindowStore.
func (s *Store) LookAgain(ctx context.Context, monitorIDs []uint32, now time.Time) error {
	return s.db.Write(ctx, func(tx pgx.Tx) error {
		if _, err := lockEvaluation(ctx, tx); err != nil {
			return fmt.Errorf("look again: %w", err)
		}
		if _, err := tx.Exec(ctx, lookAgainOf, millis(now), list(monitorIDs)); err != nil {
			return fmt.Errorf("look again: %w", err)
		}
		return nil
	})
}

const dueMaintenance = `
SELECT s.monitor_id, m.organization_id FROM monitor_state s JOIN monitor m ON m.id = s.monitor_id
WHERE s.overlay_until <= $1 AND m.deleted_at IS NULL
ORDER BY s.overlay_until, s.monitor_id LIMIT $2`

// DueMaintenance implements alerts.WindowStore.
func (s *Store) DueMaintenance(ctx context.Context, now time.Time, limit int) ([]alerts.MonitorRef, error) {
	monitors, err := collect(ctx, s.db, scanRef, dueMaintenance, millis(now), limit)
	if err != nil {
		return nil, fmt.Errorf("find monitors in maintenance: %w", err)
	}
	return monitors, nil
}

const pruneWindows = `DELETE FROM maintenance_version WHERE valid_until < $1`

// PruneWindows implements alerts.WindowStore.
func (s *Store) PruneWindows(ctx context.Context, endedBefore time.Time) error {
	return s.db.Write(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, pruneWindows, millis(endedBefore)); err != nil {
			return fmt.Errorf("prune windows: %w", err)
		}
		return nil
	})
}

// overlayOf reads what is remembered; when to look again stands beside it, because others than evaluation may set it.
func overlayOf(raw []byte, until *time.Time) (*alerts.Overlay, error) {
	if raw == nil {
		return nil, nil
	}
	o := &alerts.Overlay{}
	if err := json.Unmarshal(raw, o); err != nil {
		return nil, fmt.Errorf("overlay: %w", err)
	}
	o.LookAt(fromMaybe(until))
	return o, nil
}

const upsertOverlay = `
INSERT INTO monitor_state (monitor_id, known, overlay, overlay_until, held) VALUES ($1, '', $2, $3, $4)
ON CONFLICT (monitor_id) DO UPDATE SET overlay = excluded.overlay, overlay_until = excluded.overlay_until, held = excluded.held`

func overlayArgs(id uint32, o *alerts.Overlay) ([]any, error) {
	if o == nil {
		return []any{id, nil, nil, false}, nil
	}
	raw, err := object(o)
	if err != nil {
		return nil, fmt.Errorf("overlay of monitor %d: %w", id, err)
	}
	return []any{id, raw, maybeMillis(o.Due()), o.Hold != nil}, nil
}
