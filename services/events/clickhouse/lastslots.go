package clickhouse

import (
	"context"
	"fmt"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/frogstats/uptime/services/events"
)

// LastSlots reads the newest slot of each series from the two newest months, or those up to a moment.
func (s *Results) LastSlots(ctx context.Context, q events.SlotQuery) (map[uint32]time.Time, error) {
	if !q.Until.IsZero() {
		return s.lastSlotsUntil(ctx, q)
	}
	const query = `
SELECT monitor_id, argMax(last_slot_ms, timestamp) FROM monitor_events
WHERE region = ? AND toYYYYMM(timestamp) IN (
  SELECT toYYYYMM(timestamp) AS month FROM monitor_events GROUP BY month ORDER BY month DESC LIMIT 2)
GROUP BY monitor_id SETTINGS preferred_optimize_projection_name = 'series'`
	out := map[uint32]time.Time{}
	if err := s.slotsInto(ctx, out, query, q.Region); err != nil {
		return nil, fmt.Errorf("read last slots: %w", err)
	}
	return out, nil
}

// lookBack is how far before the moment asked for last slots are looked for, farther each time, for those that were not
// found: most monitors have one within minutes, and a monitor's rows lie in the order of their slots. 0 is without bound.
var lookBack = [...]time.Duration{10 * time.Minute, 24 * time.Hour, 0}

func (s *Results) lastSlotsUntil(ctx context.Context, q events.SlotQuery) (map[uint32]time.Time, error) {
	out := make(map[uint32]time.Time, len(q.MonitorIDs))
	for _, back := range lookBack {
		wanted, n, err := s.wanted(ctx, q.MonitorIDs, out)
		if err != nil {
			return nil, fmt.Errorf("read last slots: %w", err)
		}
		if n == 0 {
			break
		}
		var c condition
		c.and(`(organization_id, monitor_id) IN (SELECT organization_id, monitor_id FROM wanted)`)
		c.and(`region = ?`, q.Region)
		c.and(`timestamp <= ` + slot(q.Until))
		if back > 0 {
			c.and(`timestamp > ` + slot(q.Until.Add(-back)))
		}
		query := `
SELECT monitor_id, argMax(last_slot_ms, timestamp) FROM monitor_events WHERE ` + c.text.String() + `
GROUP BY monitor_id SETTINGS optimize_use_projections = 0`
		if err := s.slotsInto(ch.Context(ctx, ch.WithExternalTable(wanted)), out, query, c.args...); err != nil {
			return nil, fmt.Errorf("read last slots: %w", err)
		}
	}
	return out, nil
}

// wanted is the monitors that are not found yet, with their organizations, and how many rows that is.
func (s *Results) wanted(ctx context.Context, ids []uint32, found map[uint32]time.Time) (table *ext.Table, n int, err error) {
	table, err = ext.NewTable("wanted", ext.Column("organization_id", "String"), ext.Column("monitor_id", "UInt32"))
	if err != nil {
		return nil, 0, err
	}
	for _, id := range ids {
		if _, ok := found[id]; ok {
			continue
		}
		owners, err := s.ownersOf(ctx, id)
		if err != nil {
			return nil, 0, err
		}
		for _, o := range owners {
			if err := table.Append(o, id); err != nil {
				return nil, 0, err
			}
			n++
		}
	}
	return table, n, nil
}

// slotsInto adds monitors and their slots, which query returns, to out.
func (s *Results) slotsInto(ctx context.Context, out map[uint32]time.Time, query string, args ...any) error {
	return s.each(ctx, func(rows driver.Rows) error {
		var id uint32
		var last int64
		err := rows.Scan(&id, &last)
		out[id] = moment(last)
		return err
	}, query, args...)
}
