package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/services/alerts"
)

const (
	// heldDependents are the monitors that wait for what becomes of those named.
	heldDependents = `
SELECT DISTINCT d.monitor_id, m.organization_id
FROM monitor_dependency d JOIN monitor_state s ON s.monitor_id = d.monitor_id JOIN monitor m ON m.id = d.monitor_id
WHERE d.parent_id = ANY ($1) AND s.held AND m.deleted_at IS NULL`
	// An outage that was resolved by hand ended when somebody said so, or later; that is near enough. The incident of an unstable
	// monitor is an outage only while the monitor is down.
	selectParents = `
SELECT d.monitor_id, p.id, p.name, p.enabled, p.detects_down_ms,
    EXISTS (SELECT 1 FROM incident i WHERE i.monitor_id = p.id AND NOT i.settled AND i.up_since IS NULL),
    (SELECT coalesce(i.up_since, i.end_time) FROM incident i
        WHERE i.organization_id = p.organization_id AND i.monitor_id = p.id AND (i.settled OR i.up_since IS NOT NULL)
        ORDER BY i.start_time DESC, i.id DESC LIMIT 1)
FROM monitor_dependency d JOIN monitor p ON p.id = d.parent_id JOIN monitor m ON m.id = d.monitor_id AND m.organization_id = p.organization_id
WHERE d.monitor_id = ANY ($1) AND p.deleted_at IS NULL
ORDER BY d.monitor_id, p.id`
	selectChildren = `
WITH RECURSIVE family (root, id) AS (
    SELECT parent_id, monitor_id FROM monitor_dependency WHERE parent_id = ANY ($1)
    UNION
    SELECT f.root, d.monitor_id FROM family f JOIN monitor_dependency d ON d.parent_id = f.id
)
SELECT f.root, c.id, c.name, c.enabled, 0::bigint, EXISTS (SELECT 1 FROM incident i WHERE i.monitor_id = c.id AND NOT i.settled AND i.up_since IS NULL), NULL::timestamptz
FROM family f JOIN monitor c ON c.id = f.id JOIN monitor r ON r.id = f.root AND r.organization_id = c.organization_id
WHERE c.deleted_at IS NULL AND c.enabled
ORDER BY f.root, c.id`
)

type relative struct {
	of uint32
	alerts.Relative
}

func scanRelative(row pgx.Row) (r relative, err error) {
	var detects int64
	var ended *time.Time
	err = row.Scan(&r.of, &r.ID, &r.Name, &r.Enabled, &detects, &r.Down, &ended)
	r.DetectsDown, r.Ended = time.Duration(detects)*time.Millisecond, fromMaybe(ended)
	return r, err
}

// withHeld adds those that are held and depend on one of the monitors.
func withHeld(ctx context.Context, tx pgx.Tx, monitors []alerts.MonitorRef) ([]alerts.MonitorRef, error) {
	ids := make([]uint32, 0, len(monitors))
	for _, m := range monitors {
		ids = append(ids, m.ID)
	}
	held, err := collect(ctx, tx, scanRef, heldDependents, ids)
	if err != nil {
		return nil, fmt.Errorf("held monitors: %w", err)
	}
	all := slices.Clone(monitors)
	for _, m := range held {
		if m.Family = true; !slices.Contains(ids, m.ID) {
			all = append(all, m)
		}
	}
	return all, nil
}

// readFamily adds what reads the relatives to a batch.
func readFamily(b *pgx.Batch, monitors []alerts.MonitorRef, change func(id uint32, with func(*alerts.State))) {
	var all, roots []uint32
	for _, m := range monitors {
		if all = append(all, m.ID); m.Family {
			roots = append(roots, m.ID)
		}
	}
	reading(b, scanRelative, func(p relative) {
		change(p.of, func(st *alerts.State) { st.Parents = append(st.Parents, p.Relative) })
	}, selectParents, all)
	if len(roots) > 0 {
		reading(b, scanRelative, func(c relative) {
			change(c.of, func(st *alerts.State) { st.Children = append(st.Children, c.Relative) })
		}, selectChildren, roots)
	}
}
