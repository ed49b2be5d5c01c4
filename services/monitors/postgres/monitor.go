package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/internal/postgres"
	"github.com/frogstats/uptime/services/monitors"
)

const monitorColumns = `id, organization_id, name, monitor_type, interval_seconds, cron, timezone, enabled,
    http_config, tcp_config, tls_config, dns_config, sealed, validation_rules, regions, retry_attempts, retry_delay_ms,
    confirm_down, confirm_up, retry_interval_seconds, overlap, quorum, degraded_above_ms,
    labels, external_id, managed_by, depends_on, created_at, updated_at, active_since, created_by, version, rev, deleted_at`

const (
	selectMonitor = `
SELECT ` + monitorColumns + `
FROM uptime_monitors
WHERE organization_id = $1 AND id = $2 AND deleted_at IS NULL`
	lockMonitor = selectMonitor + `
FOR UPDATE`
)

// Monitor implements monitors.Configurations.
func (s *Store) Monitor(ctx context.Context, organizationID string, id uint32) (monitors.Monitor, error) {
	return monitor(ctx, s.db, selectMonitor, organizationID, id)
}

// Monitor implements monitors.Tx. Its lock holds also against who writes beside the store.
func (t tx) Monitor(ctx context.Context, organizationID string, id uint32) (monitors.Monitor, error) {
	return monitor(ctx, t, lockMonitor, organizationID, id)
}

func monitor(ctx context.Context, q querier, query, organizationID string, id uint32) (monitors.Monitor, error) {
	m, err := scanMonitor(q.QueryRow(ctx, query, organizationID, id))
	if errors.Is(err, pgx.ErrNoRows) {
		return monitors.Monitor{}, monitors.ErrNotFound
	}
	if err != nil {
		return monitors.Monitor{}, fmt.Errorf("read monitor %d: %w", id, err)
	}
	return m, nil
}

const selectChanges = `
SELECT ` + monitorColumns + `
FROM uptime_monitors
WHERE rev > $1
ORDER BY rev
LIMIT $2`

// Changes implements monitors.Configurations.
func (s *Store) Changes(ctx context.Context, rev int64, limit int) ([]monitors.Monitor, error) {
	ms, err := collect(ctx, s.db, scanRow, selectChanges, rev, limit)
	if err != nil {
		return nil, fmt.Errorf("read changes: %w", err)
	}
	return ms, nil
}

func scanRow(row pgx.CollectableRow) (monitors.Monitor, error) { return scanMonitor(row) }

// nextRev numbers a change, in the statement that makes it. The lock on writing is held, so this waits for nobody.
const nextRev = `
WITH next AS (UPDATE revision SET rev = rev + 1 RETURNING rev)`

// It does nothing if the external id is taken: an error would end the transaction.
const insertMonitor = nextRev + `
INSERT INTO uptime_monitors (name, monitor_type, interval_seconds, cron, timezone, enabled,
    http_config, tcp_config, tls_config, dns_config, sealed, validation_rules, regions, retry_attempts, retry_delay_ms,
    confirm_down, confirm_up, retry_interval_seconds, overlap, quorum, degraded_above_ms,
    labels, external_id, managed_by, search_text, terms, updated_at, active_since, version, depends_on,
    organization_id, created_at, created_by, rev)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
    $25, $26, $27, $28, $29, $30, $31, $32, $33, (SELECT rev FROM next))
ON CONFLICT (organization_id, external_id) WHERE deleted_at IS NULL AND external_id IS NOT NULL DO NOTHING
RETURNING id`

// Insert implements monitors.Tx.
func (t tx) Insert(ctx context.Context, m monitors.Monitor) (id uint32, err error) {
	args := append(values(m), m.OrganizationID, millis(m.CreatedAt), m.CreatedBy)
	err = t.QueryRow(ctx, insertMonitor, args...).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, monitors.ErrExternalIDTaken
	}
	if err != nil {
		return 0, fmt.Errorf("insert monitor: %w", err)
	}
	return id, nil
}

// It does nothing if the external id is another's, as insertMonitor.
const updateMonitor = nextRev + `
UPDATE uptime_monitors
SET name = $1, monitor_type = $2, interval_seconds = $3, cron = $4, timezone = $5, enabled = $6,
    http_config = $7, tcp_config = $8, tls_config = $9, dns_config = $10, sealed = $11, validation_rules = $12, regions = $13, retry_attempts = $14,
    retry_delay_ms = $15, confirm_down = $16, confirm_up = $17, retry_interval_seconds = $18, overlap = $19, quorum = $20,
    degraded_above_ms = $21, labels = $22, external_id = $23, managed_by = $24, search_text = $25, terms = $26,
    updated_at = $27, active_since = $28, version = $29, depends_on = $30, rev = (SELECT rev FROM next)
WHERE organization_id = $31 AND id = $32 AND deleted_at IS NULL
    AND NOT EXISTS (
        SELECT FROM uptime_monitors AS other
        WHERE other.organization_id = $31 AND other.external_id = $23 AND other.deleted_at IS NULL AND other.id <> $32
    )`

// Update implements monitors.Tx.
func (t tx) Update(ctx context.Context, m monitors.Monitor) error {
	changed, err := t.Exec(ctx, updateMonitor, append(values(m), m.OrganizationID, m.ID)...)
	if postgres.IsUnique(err, externalIDIndex) {
		return monitors.ErrExternalIDTaken // by who writes beside the store
	}
	if err != nil {
		return fmt.Errorf("update monitor %d: %w", m.ID, err)
	}
	if changed.RowsAffected() > 0 {
		return nil
	}
	if _, err := t.Monitor(ctx, m.OrganizationID, m.ID); err != nil {
		return err
	}
	return monitors.ErrExternalIDTaken
}

const externalIDIndex = "uptime_monitors_by_external_id"

// Its secrets go at once: nothing needs them any more.
const deleteMonitor = nextRev + `
UPDATE uptime_monitors
SET deleted_at = $3, sealed = NULL, rev = (SELECT rev FROM next)
WHERE organization_id = $1 AND id = $2 AND deleted_at IS NULL`

// Delete implements monitors.Tx.
func (t tx) Delete(ctx context.Context, organizationID string, id uint32, at time.Time) error {
	deleted, err := t.Exec(ctx, deleteMonitor, organizationID, id, millis(at))
	if err != nil {
		return fmt.Errorf("delete monitor %d: %w", id, err)
	}
	if deleted.RowsAffected() == 0 {
		return monitors.ErrNotFound
	}
	return nil
}

const selectDependencies = `
SELECT id, depends_on
FROM uptime_monitors
WHERE organization_id = $1 AND depends_on IS NOT NULL AND deleted_at IS NULL`

// Dependencies implements monitors.Tx.
func (t tx) Dependencies(ctx context.Context, organizationID string) (map[uint32][]uint32, error) {
	edges := map[uint32][]uint32{}
	rows, err := t.Query(ctx, selectDependencies, organizationID)
	if err != nil {
		return nil, fmt.Errorf("read dependencies: %w", err)
	}
	var id uint32
	var on []uint32
	_, err = pgx.ForEachRow(rows, []any{&id, &on}, func() error {
		edges[id] = slices.Clone(on)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read dependencies: %w", err)
	}
	return edges, nil
}

// values are the columns from name to depends_on, in the order of the statements above.
func values(m monitors.Monitor) []any {
	c := m.Config
	return []any{
		c.Name, string(c.Type), nonZero(int32(c.Interval)), nonZero(c.Cron), nonZero(c.Timezone), c.Enabled,
		jsonOrNull(c.HTTP), jsonOrNull(c.TCP), jsonOrNull(c.TLS), jsonOrNull(c.DNS), m.Sealed, jsonb(c.Rules), jsonb(c.Regions),
		c.Retries.Attempts, int32(c.Retries.Delay), c.ConfirmDown, c.ConfirmUp, nonZero(int32(c.RetryInterval)),
		string(c.Overlap), c.Quorum, nonZero(int32(c.DegradedAbove)),
		jsonb(c.Labels), nonZero(c.ExternalID), nonZero(c.ManagedBy), c.SearchText(), terms(m),
		millis(m.UpdatedAt), millis(m.ActiveSince), int64(m.Version), c.DependsOn,
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

func jsonOrNull[T any](v *T) any {
	if v == nil {
		return nil
	}
	return jsonb(v)
}
