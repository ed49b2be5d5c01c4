// Package sqlite keeps audit rows in the audit_log table of a service's own SQLite file.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/migrate"
	"github.com/frogstats/uptime/internal/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate makes the audit_log table in db, or brings it up to date. It keeps its own record of what was applied, apart from
// the service's migrations; call it beside them at start.
func Migrate(ctx context.Context, db *sqlite.DB) error {
	if err := db.Migrate(ctx, migrations, migrate.Table("audit_migrations")); err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	return nil
}

const insertRow = `
INSERT INTO audit_log (id, at, organization_id, actor_kind, actor_id, actor_name, ip, action,
    object_kind, object_id, before_json, after_json, request_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// Insert adds r in tx, which is the transaction of the change it tells of.
func Insert(ctx context.Context, tx *sql.Tx, r audit.Row) error {
	r = r.Storable()
	_, err := tx.ExecContext(ctx, insertRow, r.ID, r.At.UnixMilli(), r.OrganizationID, r.ActorKind, r.ActorID, r.ActorName,
		r.IP, r.Action, r.ObjectKind, r.ObjectID, text(r.Before), text(r.After), r.RequestID)
	if err != nil {
		return fmt.Errorf("insert audit row: %w", err)
	}
	return nil
}

func text(j json.RawMessage) sql.NullString {
	return sql.NullString{String: string(j), Valid: j != nil}
}

const selectRows = `
SELECT id, at, organization_id, actor_kind, actor_id, actor_name, ip, action,
    object_kind, object_id, before_json, after_json, request_id
FROM audit_log
WHERE organization_id = ?`

const orderRows = `
ORDER BY at DESC, id DESC
LIMIT ?`

// List returns the rows that f chooses, newest first.
func List(ctx context.Context, db *sql.DB, f audit.Filter) (rows []audit.Row, err error) {
	if f.OrganizationID == "" || f.Limit <= 0 {
		return nil, errors.New("list audit rows: organization and limit are required")
	}
	query, args := where(f)
	found, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list audit rows: %w", err)
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	for found.Next() {
		r, err := scan(found)
		if err != nil {
			return nil, fmt.Errorf("list audit rows: %w", err)
		}
		rows = append(rows, r)
	}
	if err := found.Err(); err != nil {
		return nil, fmt.Errorf("list audit rows: %w", err)
	}
	return rows, nil
}

func where(f audit.Filter) (string, []any) {
	var q strings.Builder
	q.WriteString(selectRows)
	args := []any{f.OrganizationID}
	and := func(condition string, values ...any) {
		q.WriteString("\n    AND " + condition)
		args = append(args, values...)
	}
	if !f.Since.IsZero() {
		and("at >= ?", f.Since.UnixMilli())
	}
	if !f.Until.IsZero() {
		and("at < ?", f.Until.UnixMilli())
	}
	for _, c := range [...]struct{ condition, value string }{
		{"actor_id = ?", f.ActorID}, {"action = ?", f.Action}, {"object_kind = ?", f.ObjectKind}, {"object_id = ?", f.ObjectID},
	} {
		if c.value != "" {
			and(c.condition, c.value)
		}
	}
	if f.After.ID != "" {
		and("(at, id) < (?, ?)", f.After.At.UnixMilli(), f.After.ID)
	}
	q.WriteString(orderRows)
	return q.String(), append(args, f.Limit)
}

func scan(rows *sql.Rows) (audit.Row, error) {
	var r audit.Row
	var at int64
	var before, after sql.NullString
	err := rows.Scan(&r.ID, &at, &r.OrganizationID, &r.ActorKind, &r.ActorID, &r.ActorName, &r.IP, &r.Action,
		&r.ObjectKind, &r.ObjectID, &before, &after, &r.RequestID)
	if err != nil {
		return audit.Row{}, err
	}
	r.At = time.UnixMilli(at).UTC()
	if before.Valid {
		r.Before = json.RawMessage(before.String)
	}
	if after.Valid {
		r.After = json.RawMessage(after.String)
	}
	return r, nil
}
