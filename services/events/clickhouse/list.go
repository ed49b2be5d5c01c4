package clickhouse

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/frogstats/uptime/services/events"
)

// condition is a WHERE clause under construction.
type condition struct {
	text strings.Builder
	args []any
}

// and adds a term. Its placeholders are question marks.
func (c *condition) and(term string, args ...any) {
	if c.text.Len() > 0 {
		c.text.WriteString(" AND ")
	}
	c.text.WriteString(term)
	c.args = append(c.args, args...)
}

// ofMonitor restricts to the rows of a monitor, by the beginning of the table's order.
func (c *condition) ofMonitor(owners []string, monitorID uint32) {
	if len(owners) == 1 {
		c.and(`organization_id = ? AND monitor_id = ?`, owners[0], monitorID) // lets rows be read in the table's order
		return
	}
	c.and(`organization_id IN (?) AND monitor_id = ?`, owners, monitorID)
}

// what restricts to outcomes and an error type.
func (c *condition) what(q *events.ResultQuery) {
	if len(q.Outcomes) > 0 {
		numbers := make([]uint8, 0, len(q.Outcomes))
		for _, o := range q.Outcomes {
			numbers = append(numbers, uint8(o))
		}
		c.and(`status IN (` + joined(numbers) + `)`)
	}
	if q.ErrorType != "" {
		c.and(`error_type = ?`, q.ErrorType)
	}
}

// slot is a moment as SQL.
func slot(t time.Time) string {
	return fmt.Sprintf("fromUnixTimestamp64Milli(%d, 'UTC')", t.UnixMilli())
}

// joined writes numbers as SQL does.
func joined[N ~uint8 | ~uint32 | ~int64](numbers []N) string {
	var b strings.Builder
	for i, n := range numbers {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%d", n)
	}
	return b.String()
}

// List reads backwards from the end of the range.
func (s *Results) List(ctx context.Context, q events.ResultQuery) ([]events.Result, error) {
	owners, err := s.ownersOf(ctx, q.MonitorID)
	if err != nil || len(owners) == 0 {
		return nil, wrap("list results", err)
	}
	var c condition
	c.ofMonitor(owners, q.MonitorID)
	if q.Region != "" {
		c.and(`region = ?`, q.Region)
	}
	if !q.From.IsZero() {
		c.and(`timestamp >= ` + slot(q.From))
	}
	if !q.To.IsZero() {
		c.and(`timestamp < ` + slot(q.To))
	}
	if at := q.Before.ScheduledAt; !at.IsZero() {
		c.and(`timestamp <= `+slot(at)+` AND (timestamp < `+slot(at)+` OR region < ?)`, q.Before.Region)
	}
	c.what(&q)
	query := `SELECT` + resultColumns + ` FROM monitor_events WHERE ` + c.text.String() + `
ORDER BY timestamp DESC, region DESC LIMIT ` + fmt.Sprint(q.Limit) + ` OFFSET ` + fmt.Sprint(q.Offset) + using("")
	var out []events.Result
	var row scanner
	err = s.each(ctx, func(rows driver.Rows) error {
		out = append(out, events.Result{})
		return row.scan(rows, &out[len(out)-1])
	}, query, c.args...)
	if err != nil {
		return nil, fmt.Errorf("list results: %w", err)
	}
	return out, nil
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Replay streams the rows of the regions that are wanted, which the table has in the order of their slots.
func (s *Results) Replay(ctx context.Context, monitorID uint32, after map[string]time.Time, fn func(*events.Result) error) error {
	if len(after) == 0 {
		return nil
	}
	owners, err := s.ownersOf(ctx, monitorID)
	if err != nil || len(owners) == 0 {
		return wrap("replay results", err)
	}
	var c, regions condition
	for region, last := range after {
		if regions.text.Len() > 0 {
			regions.text.WriteString(` OR `)
		}
		if regions.args = append(regions.args, region); last.IsZero() {
			regions.text.WriteString(`region = ?`)
			continue
		}
		regions.text.WriteString(`region = ? AND timestamp > ` + slot(last))
	}
	c.ofMonitor(owners, monitorID)
	if from := earliest(after); !from.IsZero() {
		c.and(`timestamp > ` + slot(from))
	}
	c.and(`(`+regions.text.String()+`)`, regions.args...)
	query := `SELECT` + resultColumns + ` FROM monitor_events WHERE ` + c.text.String() + ` ORDER BY timestamp, region` + using("")
	var row scanner
	var r events.Result
	err = s.each(ctx, func(rows driver.Rows) error {
		if err := row.scan(rows, &r); err != nil {
			return err
		}
		return fn(&r)
	}, query, c.args...)
	return wrap("replay results", err)
}

func earliest(after map[string]time.Time) time.Time {
	var out time.Time
	first := true
	for _, t := range after {
		if first || t.Before(out) {
			out, first = t, false
		}
	}
	return out
}

// Prune drops the months that have ended before before.
func (s *Results) Prune(ctx context.Context, before time.Time) error {
	const months = `
SELECT toYYYYMM(timestamp) AS month FROM monitor_events GROUP BY month ORDER BY month SETTINGS preferred_optimize_projection_name = 'series'`
	var all []uint32
	err := s.each(ctx, func(rows driver.Rows) error {
		var m uint32
		err := rows.Scan(&m)
		all = append(all, m)
		return err
	}, months)
	if err != nil {
		return fmt.Errorf("prune results: list months: %w", err)
	}
	for _, m := range all {
		end := time.Date(int(m/100), time.Month(m%100)+1, 1, 0, 0, 0, 0, time.UTC)
		if end.After(before) {
			break
		}
		if err := s.conn.Exec(ctx, s.opts.drop(m)); err != nil {
			return fmt.Errorf("prune results: drop %d: %w", m, err)
		}
	}
	return nil
}
