// Package postgres keeps audit rows in the audit_log table of a service's own PostgreSQL schema.
package postgres

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/migrate"
	"github.com/frogstats/uptime/internal/postgres"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate makes the audit_log table in db, or brings it up to date. It keeps its own record of what was applied, apart from
// the service's migrations; call it beside them at start.
func Migrate(ctx context.Context, db *postgres.DB) error {
	if err := db.Migrate(ctx, migrations, migrate.Table("audit_migrations")); err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	return nil
}

const insertRow = `
INSERT INTO audit_log (id, at, organization_id, actor_kind, actor_id, actor_name, ip, action,
    object_kind, object_id, before_json, after_json, request_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`

// Insert adds r in tx, which is the transaction of the change it tells of.
func Insert(ctx context.Context, tx pgx.Tx, r audit.Row) error {
	r = r.Storable()
	_, err := tx.Exec(ctx, insertRow, r.ID, r.At, r.OrganizationID, r.ActorKind, r.ActorID, r.ActorName, r.IP, r.Action, r.ObjectKind,
		r.ObjectID, r.Before, r.After, r.RequestID)
	if err != nil {
		return fmt.Errorf("insert audit row: %w", err)
	}
	return nil
}

const selectRows = `
SELECT id, at, organization_id, actor_kind, actor_id, actor_name, ip, action,
    object_kind, object_id, before_json::TEXT, after_json::TEXT, request_id
FROM audit_log
WHERE organization_id = $1`

const orderRows = `
ORDER BY at DESC, id DESC
LIMIT $`

// Querier is what List asks: a pool, or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// List returns the rows that f chooses, newest first.
func List(ctx context.Context, q Querier, f audit.Filter) ([]audit.Row, error) {
	if f.OrganizationID == "" || f.Limit <= 0 {
		return nil, errors.New("list audit rows: organization and limit are required")
	}
	query, args := where(f)
	found, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list audit rows: %w", err)
	}
	rows, err := pgx.CollectRows(found, scan)
	if postgres.IsNotText(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list audit rows: %w", err)
	}
	return rows, nil
}

func where(f audit.Filter) (string, []any) {
	var q strings.Builder
	q.WriteString(selectRows)
	args := []any{f.OrganizationID}
	// and adds a condition, in which each $%d is the place of a value.
	and := func(condition string, values ...any) {
		places := make([]any, len(values))
		for i, v := range values {
			args = append(args, v)
			places[i] = len(args)
		}
		q.WriteString("\n    AND " + fmt.Sprintf(condition, places...))
	}
	if !f.Since.IsZero() {
		and("at >= $%d", f.Since)
	}
	if !f.Until.IsZero() {
		and("at < $%d", f.Until)
	}
	for _, c := range [...]struct{ condition, value string }{
		{"actor_id = $%d", f.ActorID}, {"action = $%d", f.Action}, {"object_kind = $%d", f.ObjectKind}, {"object_id = $%d", f.ObjectID},
	} {
		if c.value != "" {
			and(c.condition, c.value)
		}
	}
	if f.After.ID != "" {
		and("(at, id) < ($%d, $%d)", f.After.At, f.After.ID)
	}
	args = append(args, f.Limit)
	q.WriteString(orderRows + strconv.Itoa(len(args)))
	return q.String(), args
}

func scan(row pgx.CollectableRow) (audit.Row, error) {
	var r audit.Row
	var before, after *string
	err := row.Scan(&r.ID, &r.At, &r.OrganizationID, &r.ActorKind, &r.ActorID, &r.ActorName, &r.IP, &r.Action,
		&r.ObjectKind, &r.ObjectID, &before, &after, &r.RequestID)
	if err != nil {
		return audit.Row{}, err
	}
	if before != nil {
		r.Before = json.RawMessage(*before)
	}
	if after != nil {
		r.After = json.RawMessage(*after)
	}
	return r, nil
}
