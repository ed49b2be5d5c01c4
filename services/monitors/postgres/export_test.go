package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/frogstats/uptime/services/monitors"
)

// ListQuery is the statement of a list.
var ListQuery = listQuery

// Pool is the store's, for what only tests do.
func (s *Store) Pool() *pgxpool.Pool { return s.db.Pool() }

var copied = []string{
	"name", "monitor_type", "interval_seconds", "cron", "timezone", "enabled", "http_config", "tcp_config", "tls_config", "dns_config", "sealed",
	"validation_rules", "regions", "retry_attempts", "retry_delay_ms", "confirm_down", "confirm_up", "retry_interval_seconds",
	"overlap", "quorum", "degraded_above_ms", "labels", "external_id", "managed_by", "search_text", "terms", "updated_at",
	"active_since", "version", "depends_on", "organization_id", "created_at", "created_by", "rev",
}

// Load adds many monitors at once, to an empty store.
func (s *Store) Load(ctx context.Context, n int, monitor func(i int) monitors.Monitor) error {
	return s.db.Write(ctx, func(t pgx.Tx) error {
		var gin string // filled row by row it would take most of the time
		const index = `SELECT pg_get_indexdef('uptime_monitors_by_term'::regclass)`
		if err := t.QueryRow(ctx, index).Scan(&gin); err != nil {
			return err
		}
		if _, err := t.Exec(ctx, `SET LOCAL statement_timeout = 0; DROP INDEX uptime_monitors_by_term`); err != nil {
			return err
		}
		rows := pgx.CopyFromSlice(n, func(i int) ([]any, error) {
			m := monitor(i)
			return append(values(m), m.OrganizationID, millis(m.CreatedAt), m.CreatedBy, int64(i+1)), nil
		})
		if _, err := t.CopyFrom(ctx, pgx.Identifier{"uptime_monitors"}, copied, rows); err != nil {
			return err
		}
		_, err := t.Exec(ctx, gin+`; UPDATE revision SET rev = (SELECT max(rev) FROM uptime_monitors); ANALYZE uptime_monitors`)
		return err
	})
}

// Statements are those that read or change tables that may be long, with arguments that fit.
var Statements = map[string]struct{ Query, Args string }{
	"select_monitor": {selectMonitor, `('big', 7)`},
	"lock_monitor":   {lockMonitor, `('big', 7)`},
	"select_changes": {selectChanges, `(19000, 500)`},
	"update_monitor": {updateMonitor, `('n', 'http', 30, NULL, NULL, TRUE, '{}', NULL, NULL, NULL, NULL, '[]', '[]', 1, 0, 1, 1, NULL, 'skip', 'any',
		NULL, '{}', 'ext-7', NULL, 'n', '{}', now(), now(), 1, NULL, 'big', 7)`},
	"select_dependencies": {selectDependencies, `('big')`},
	"delete_monitor":      {deleteMonitor, `('big', 7, now())`},
	"select_answer":       {selectAnswer, `('big', 'key', now())`},
}
