package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/frogstats/uptime/internal/sqlite"
	"github.com/frogstats/uptime/services/monitors"
)

const monitorColumns = `id, organization_id, name, monitor_type, interval_seconds, cron, timezone, enabled,
    http_config, tcp_config, tls_config, dns_config, sealed, validation_rules, regions, retry_attempts, retry_delay_ms,
    confirm_down, confirm_up, retry_interval_seconds, overlap, quorum, degraded_above_ms,
    labels, external_id, managed_by, depends_on, created_at, updated_at, active_since, created_by, version, rev, deleted_at`

const selectMonitor = `
SELECT ` + monitorColumns + `
FROM uptime_monitors
WHERE organization_id = ? AND id = ? AND deleted_at IS NULL`

// Monitor implements monitors.Configurations.
func (s *Store) Monitor(ctx context.Context, organizationID string, id uint32) (monitors.Monitor, error) {
	return monitor(ctx, s.db.Read(), organizationID, id)
}

// Monitor implements monitors.Tx.
func (t tx) Monitor(ctx context.Context, organizationID string, id uint32) (monitors.Monitor, error) {
	return monitor(ctx, t, organizationID, id)
}

func monitor(ctx context.Context, q querier, organizationID string, id uint32) (monitors.Monitor, error) {
	m, err := scanMonitor(q.QueryRowContext(ctx, selectMonitor, organizationID, id))
	if errors.Is(err, sql.ErrNoRows) {
		return monitors.Monitor{}, monitors.ErrNotFound
	}
	if err != nil {
		return monitors.Monitor{}, fmt.Errorf("read monitor %d: %w", id, err)
	}
	return m, nil
}

const (
	selectMonitors = `
SELECT ` + monitorColumns + `
FROM uptime_monitors
WHERE organization_id = ? AND deleted_at IS NULL`
	orderMonitors = `
ORDER BY id DESC
LIMIT ?`
)

// Monitors implements monitors.Configurations.
func (s *Store) Monitors(ctx context.Context, f monitors.Filter) ([]monitors.Monitor, error) {
	where, args := conditions(f)
	ms, err := list(ctx, s.db.Read(), selectMonitors+where+orderMonitors, append(args, f.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("list monitors: %w", err)
	}
	return ms, nil
}

// conditions writes the filter as SQL that follows the organization's condition.
func conditions(f monitors.Filter) (string, []any) {
	var q strings.Builder
	args := []any{f.OrganizationID}
	and := func(condition string, values ...any) {
		q.WriteString("\n    AND " + condition)
		args = append(args, values...)
	}
	if f.Before > 0 {
		and(`id < ?`, f.Before)
	}
	if f.Enabled != nil {
		and(`enabled = ?`, *f.Enabled)
	}
	if f.Type != "" {
		and(`monitor_type = ?`, string(f.Type))
	}
	if f.Region != "" {
		and(`EXISTS (SELECT 1 FROM json_each(regions) WHERE value = ?)`, f.Region)
	}
	if f.Text != "" {
		and(`instr(search_text, ?) > 0`, f.Text)
	}
	for _, l := range f.Labels {
		if l.Value == nil {
			and(`EXISTS (SELECT 1 FROM json_each(labels) WHERE key = ?)`, l.Key)
		} else {
			and(`EXISTS (SELECT 1 FROM json_each(labels) WHERE key = ? AND value = ?)`, l.Key, *l.Value)
		}
	}
	if f.ExternalID != "" {
		and(`external_id = ?`, f.ExternalID)
	}
	if ids := f.IDs; ids != nil && ids.Others != nil {
		and(`(id IN (SELECT value FROM json_each(?)) OR enabled = ? AND id NOT IN (SELECT value FROM json_each(?)))`,
			idList(ids.In), *ids.Others, idList(ids.NotIn))
	} else if ids != nil {
		and(`id IN (SELECT value FROM json_each(?))`, idList(ids.In))
	}
	return q.String(), args
}

// idList is a JSON array, of which json_each makes rows: there may be more ids than a statement may have parameters. Of
// null it would make a row too, with which NOT IN holds for nothing.
func idList(ids []uint32) string {
	if len(ids) == 0 {
		return "[]"
	}
	return jsonText(ids)
}

const selectChanges = `
SELECT ` + monitorColumns + `
FROM uptime_monitors
WHERE rev > ?
ORDER BY rev
LIMIT ?`

// Changes implements monitors.Configurations.
func (s *Store) Changes(ctx context.Context, rev int64, limit int) ([]monitors.Monitor, error) {
	ms, err := list(ctx, s.db.Read(), selectChanges, rev, limit)
	if err != nil {
		return nil, fmt.Errorf("read changes: %w", err)
	}
	return ms, nil
}

func list(ctx context.Context, q querier, query string, args ...any) (ms []monitors.Monitor, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		m, err := scanMonitor(rows)
		if err != nil {
			return nil, err
		}
		ms = append(ms, m)
	}
	return ms, rows.Err()
}

const nextRev = `UPDATE revision SET rev = rev + 1 RETURNING rev`

func (t tx) nextRev(ctx context.Context) (rev int64, err error) {
	if err := t.QueryRowContext(ctx, nextRev).Scan(&rev); err != nil {
		return 0, fmt.Errorf("next revision: %w", err)
	}
	return rev, nil
}

const insertMonitor = `
INSERT INTO uptime_monitors (organization_id, name, monitor_type, interval_seconds, cron, timezone, enabled,
    http_config, tcp_config, tls_config, dns_config, sealed, validation_rules, regions, retry_attempts, retry_delay_ms,
    confirm_down, confirm_up, retry_interval_seconds, overlap, quorum, degraded_above_ms,
    labels, external_id, managed_by, depends_on, search_text, updated_at, active_since, version, rev, created_at, created_by)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
RETURNING id`

// Insert implements monitors.Tx.
func (t tx) Insert(ctx context.Context, m monitors.Monitor) (uint32, error) {
	rev, err := t.nextRev(ctx)
	if err != nil {
		return 0, fmt.Errorf("insert monitor: %w", err)
	}
	args := append([]any{m.OrganizationID}, values(m, rev)...)
	var id int64
	err = t.QueryRowContext(ctx, insertMonitor, append(args, m.CreatedAt.UnixMilli(), m.CreatedBy)...).Scan(&id)
	switch {
	case sqlite.IsUnique(err):
		return 0, monitors.ErrExternalIDTaken
	case err != nil:
		return 0, fmt.Errorf("insert monitor: %w", err)
	case id > math.MaxUint32:
		return 0, errors.New("insert monitor: no ids are left")
	}
	return uint32(id), nil
}

const updateMonitor = `
UPDATE uptime_monitors
SET name = ?, monitor_type = ?, interval_seconds = ?, cron = ?, timezone = ?, enabled = ?,
    http_config = ?, tcp_config = ?, tls_config = ?, dns_config = ?, sealed = ?, validation_rules = ?, regions = ?, retry_attempts = ?, retry_delay_ms = ?,
    confirm_down = ?, confirm_up = ?, retry_interval_seconds = ?, overlap = ?, quorum = ?, degraded_above_ms = ?,
    labels = ?, external_id = ?, managed_by = ?, depends_on = ?, search_text = ?, updated_at = ?, active_since = ?, version = ?, rev = ?
WHERE organization_id = ? AND id = ? AND deleted_at IS NULL`

// Update implements monitors.Tx.
func (t tx) Update(ctx context.Context, m monitors.Monitor) error {
	rev, err := t.nextRev(ctx)
	if err != nil {
		return fmt.Errorf("update monitor %d: %w", m.ID, err)
	}
	err = t.one(ctx, updateMonitor, append(values(m, rev), m.OrganizationID, m.ID)...)
	if sqlite.IsUnique(err) {
		return monitors.ErrExternalIDTaken
	}
	if err != nil {
		return fmt.Errorf("update monitor %d: %w", m.ID, err)
	}
	return nil
}

// Its secrets go at once: nothing needs them any more.
const deleteMonitor = `
UPDATE uptime_monitors
SET deleted_at = ?, sealed = NULL, rev = ?
WHERE organization_id = ? AND id = ? AND deleted_at IS NULL`

// Delete implements monitors.Tx.
func (t tx) Delete(ctx context.Context, organizationID string, id uint32, at time.Time) error {
	rev, err := t.nextRev(ctx)
	if err != nil {
		return fmt.Errorf("delete monitor %d: %w", id, err)
	}
	if err := t.one(ctx, deleteMonitor, at.UnixMilli(), rev, organizationID, id); err != nil {
		return fmt.Errorf("delete monitor %d: %w", id, err)
	}
	return nil
}

const selectDependencies = `
SELECT id, depends_on
FROM uptime_monitors
WHERE organization_id = ? AND depends_on IS NOT NULL AND deleted_at IS NULL`

// Dependencies implements monitors.Tx.
func (t tx) Dependencies(ctx context.Context, organizationID string) (edges map[uint32][]uint32, err error) {
	rows, err := t.QueryContext(ctx, selectDependencies, organizationID)
	if err != nil {
		return nil, fmt.Errorf("read dependencies: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	edges = map[uint32][]uint32{}
	for rows.Next() {
		var id uint32
		var on []byte
		if err := rows.Scan(&id, &on); err != nil {
			return nil, fmt.Errorf("read dependencies: %w", err)
		}
		var ids []uint32
		if err := json.Unmarshal(on, &ids); err != nil {
			return nil, fmt.Errorf("read dependencies of monitor %d: %w", id, err)
		}
		edges[id] = ids
	}
	return edges, rows.Err()
}

// one runs a statement that must hit a monitor.
func (t tx) one(ctx context.Context, query string, args ...any) error {
	result, err := t.ExecContext(ctx, query, args...)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return monitors.ErrNotFound
}

// values are the columns from name to rev, in the order of the statements above.
func values(m monitors.Monitor, rev int64) []any {
	c := m.Config
	return []any{
		c.Name, string(c.Type), nonZero(c.Interval), nonZero(c.Cron), nonZero(c.Timezone), c.Enabled,
		jsonOrNull(c.HTTP), jsonOrNull(c.TCP), jsonOrNull(c.TLS), jsonOrNull(c.DNS), m.Sealed, jsonText(c.Rules), jsonText(c.Regions),
		c.Retries.Attempts, int32(c.Retries.Delay), c.ConfirmDown, c.ConfirmUp, nonZero(c.RetryInterval),
		string(c.Overlap), c.Quorum, nonZero(c.DegradedAbove),
		jsonText(c.Labels), nonZero(c.ExternalID), nonZero(c.ManagedBy), listOrNull(c.DependsOn), c.SearchText(),
		m.UpdatedAt.UnixMilli(), m.ActiveSince.UnixMilli(), m.Version, rev,
	}
}

// nonZero is v for a column that has NULL for the zero value.
func nonZero[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}

func listOrNull(ids []uint32) any {
	if len(ids) == 0 {
		return nil
	}
	return jsonText(ids)
}

func jsonOrNull[T any](v *T) any {
	if v == nil {
		return nil
	}
	return jsonText(v)
}

// jsonText writes plain data, which always has a JSON form.
func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("%T as JSON: %v", v, err))
	}
	return string(b)
}
