package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/internal/audit"
	auditpostgres "github.com/frogstats/uptime/internal/audit/postgres"
	"github.com/frogstats/uptime/services/alerts"
)

// conditions is how conditions are stored: as on the wire.
type conditions struct {
	Failures       int     `json:"consecutive_failures,omitempty"`
	ResponseTimeMS int64   `json:"response_time_threshold_ms,omitempty"`
	Uptime         float64 `json:"uptime_percentage_threshold,omitempty"`
	Certificate    int     `json:"certificate_days_left,omitempty"`
	Regions        int     `json:"degraded_regions,omitempty"`
	NoDataSeconds  int64   `json:"no_data_seconds,omitempty"`

	Percentile *percentile `json:"response_time_percentile,omitempty"`
}

type percentile struct {
	Of            float64 `json:"percentile"`
	ThresholdMS   int64   `json:"threshold_ms"`
	WindowSeconds int64   `json:"window_seconds"`
}

func conditionsOf(c alerts.Conditions) conditions {
	var p *percentile
	if c.Percentile != (alerts.Percentile{}) {
		p = &percentile{c.Percentile.Of, c.Percentile.Above.Milliseconds(), int64(c.Percentile.Window / time.Second)}
	}
	return conditions{
		Failures: c.Failures, ResponseTimeMS: c.ResponseTime.Milliseconds(), Uptime: c.Uptime, Certificate: c.Certificate, Regions: c.Regions,
		NoDataSeconds: int64(c.NoData / time.Second), Percentile: p,
	}
}

func (c conditions) value() alerts.Conditions {
	var p alerts.Percentile
	if c.Percentile != nil {
		p = alerts.Percentile{
			Of: c.Percentile.Of, Above: time.Duration(c.Percentile.ThresholdMS) * time.Millisecond,
			Window: time.Duration(c.Percentile.WindowSeconds) * time.Second,
		}
	}
	return alerts.Conditions{
		Failures: c.Failures, ResponseTime: time.Duration(c.ResponseTimeMS) * time.Millisecond, Uptime: c.Uptime, Certificate: c.Certificate,
		Regions: c.Regions, NoData: time.Duration(c.NoDataSeconds) * time.Second, Percentile: p,
	}
}

const selectRule = `
SELECT a.id, a.organization_id, a.monitor_id, a.alert_type, a.alert_config, a.alert_config_sealed, a.conditions, a.enabled,
    a.severity, a.created_at, a.updated_at,
    EXISTS (SELECT 1 FROM uptime_alert_history h WHERE h.alert_id = a.id AND h.resolved_at IS NULL)
FROM uptime_alerts a`

func scanRule(row pgx.Row) (r alerts.Rule, err error) {
	var c conditions
	err = row.Scan(&r.ID, &r.OrganizationID, &r.MonitorID, &r.Type, (*document)(&r.Config.Public), &r.Config.Sealed, &c, &r.Enabled,
		&r.Severity, &r.CreatedAt, &r.UpdatedAt, &r.Triggered)
	if err != nil {
		return alerts.Rule{}, err
	}
	r.Conditions = c.value()
	r.CreatedAt, r.UpdatedAt = r.CreatedAt.UTC(), r.UpdatedAt.UTC()
	return r, nil
}

const rulesOfMonitor = selectRule + `
WHERE a.organization_id = $1 AND a.monitor_id = $2
ORDER BY a.id`

// Rules implements alerts.RuleStore.
func (s *Store) Rules(ctx context.Context, organization string, monitorID uint32) ([]alerts.Rule, error) {
	rules, err := collect(ctx, s.db, scanRule, rulesOfMonitor, organization, monitorID)
	if err != nil {
		return nil, fmt.Errorf("list alerts: %w", err)
	}
	return rules, nil
}

const oneRule = selectRule + `
WHERE a.organization_id = $1 AND a.monitor_id = $2 AND a.id = $3`

// Rule implements alerts.RuleStore.
func (s *Store) Rule(ctx context.Context, organization string, monitorID, id uint32) (alerts.Rule, error) {
	return readRule(ctx, s.db, organization, monitorID, id)
}

func readRule(ctx context.Context, q querier, organization string, monitorID, id uint32) (alerts.Rule, error) {
	r, err := scanRule(q.QueryRow(ctx, oneRule, organization, monitorID, id))
	if errors.Is(err, pgx.ErrNoRows) {
		return alerts.Rule{}, alerts.ErrRuleNotFound
	}
	if err != nil {
		return alerts.Rule{}, fmt.Errorf("read alert: %w", err)
	}
	return r, nil
}

const (
	// One creation at a time for each monitor, so that two cannot both find room for one more.
	lockRules  = `SELECT pg_advisory_xact_lock(hashtext('alerts.uptime_alerts'), hashtext($1::bigint::text))`
	countRules = `SELECT count(*) FROM uptime_alerts WHERE monitor_id = $1`
	nextRule   = `SELECT nextval('uptime_alerts_id_seq')`
	insertRule = `
INSERT INTO uptime_alerts (alert_type, alert_config, alert_config_sealed, conditions, about_uptime, enabled, updated_at, id,
    no_data_ms, severity, organization_id, monitor_id, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`
)

// CreateRule implements alerts.RuleStore.
func (s *Store) CreateRule(ctx context.Context, r alerts.Rule, finish func(*alerts.Rule) (audit.Row, error)) (alerts.Rule, error) {
	var made alerts.Rule
	err := s.db.Write(ctx, func(tx pgx.Tx) error {
		made = r
		if _, err := tx.Exec(ctx, lockRules, r.MonitorID); err != nil {
			return fmt.Errorf("create alert: lock: %w", err)
		}
		n, err := number[int64](tx.QueryRow(ctx, countRules, r.MonitorID))
		if err != nil {
			return fmt.Errorf("create alert: count: %w", err)
		}
		if n >= alerts.MaxRulesPerMonitor {
			return alerts.ErrTooManyRules
		}
		// The id comes first, because what is sealed is bound to it.
		if made.ID, err = number[uint32](tx.QueryRow(ctx, nextRule)); err != nil {
			return fmt.Errorf("create alert: %w", err)
		}
		row, err := finish(&made)
		if err != nil {
			return err
		}
		args, err := ruleArgs(made)
		if err != nil {
			return fmt.Errorf("create alert: %w", err)
		}
		if _, err := tx.Exec(ctx, insertRule, append(args, made.OrganizationID, made.MonitorID, millis(made.CreatedAt))...); err != nil {
			return fmt.Errorf("create alert: %w", err)
		}
		return auditpostgres.Insert(ctx, tx, row)
	})
	return made, err
}

const updateRule = `
UPDATE uptime_alerts
SET alert_type = $1, alert_config = $2, alert_config_sealed = $3, conditions = $4, about_uptime = $5, enabled = $6, updated_at = $7,
    no_data_ms = $9, severity = $10
WHERE id = $8`

// ruleArgs are what may change in a rule, and its id, as the statements above number them.
func ruleArgs(r alerts.Rule) ([]any, error) {
	config, err := object(r.Config.Public)
	if err != nil {
		return nil, err
	}
	c := r.Conditions
	cond, err := object(conditionsOf(c))
	if err != nil {
		return nil, err
	}
	return []any{
		r.Type, config, sealed(r.Config), cond, c.Uptime > 0, r.Enabled, millis(r.UpdatedAt), r.ID, c.NoData.Milliseconds(), string(r.Severity),
	}, nil
}

const endTrigger = `
UPDATE uptime_alert_history SET resolved_at = greatest(triggered_at, $1), holding = '{}'
WHERE alert_id = $2 AND resolved_at IS NULL`

// UpdateRule implements alerts.RuleStore.
func (s *Store) UpdateRule(ctx context.Context, organization string, monitorID, id uint32, at time.Time, change func(*alerts.Rule) (audit.Row, error)) (r alerts.Rule, err error) {
	err = s.db.Write(ctx, func(tx pgx.Tx) error {
		if _, err := lockEvaluation(ctx, tx); err != nil {
			return fmt.Errorf("update alert: %w", err)
		}
		if r, err = readRule(ctx, tx, organization, monitorID, id); err != nil {
			return err
		}
		row, err := change(&r)
		if err != nil {
			return err
		}
		if !r.Enabled {
			if _, err := tx.Exec(ctx, endTrigger, millis(at), id); err != nil {
				return fmt.Errorf("update alert: end trigger: %w", err)
			}
			if _, err := drop(ctx, tx, alerts.Target{Kind: alerts.TargetAlert, ID: id}, "the alert was disabled"); err != nil {
				return fmt.Errorf("update alert: %w", err)
			}
			r.Triggered = false
		}
		args, err := ruleArgs(r)
		if err != nil {
			return fmt.Errorf("update alert: %w", err)
		}
		if _, err := tx.Exec(ctx, updateRule, args...); err != nil {
			return fmt.Errorf("update alert: %w", err)
		}
		return auditpostgres.Insert(ctx, tx, row)
	})
	return r, err
}

const deleteRule = `DELETE FROM uptime_alerts WHERE id = $1`

// DeleteRule implements alerts.RuleStore.
func (s *Store) DeleteRule(ctx context.Context, organization string, monitorID, id uint32, record func(alerts.Rule) (audit.Row, error)) (dropped int, err error) {
	err = s.db.Write(ctx, func(tx pgx.Tx) error {
		if _, err := lockEvaluation(ctx, tx); err != nil {
			return fmt.Errorf("delete alert: %w", err)
		}
		r, err := readRule(ctx, tx, organization, monitorID, id)
		if err != nil {
			return err
		}
		row, err := record(r)
		if err != nil {
			return err
		}
		if dropped, err = forget(ctx, tx, alerts.Target{Kind: alerts.TargetAlert, ID: id}, "the alert was deleted"); err != nil {
			return fmt.Errorf("delete alert: %w", err)
		}
		if _, err := tx.Exec(ctx, deleteRule, id); err != nil {
			return fmt.Errorf("delete alert: %w", err)
		}
		return auditpostgres.Insert(ctx, tx, row)
	})
	return dropped, err
}

const selectTrigger = `
SELECT h.id, h.alert_id, h.organization_id, h.monitor_id, h.triggered_at, h.resolved_at, h.alert_data, h.holding
FROM uptime_alert_history h`

func scanTrigger(row pgx.Row) (t alerts.Trigger, err error) {
	var resolved *time.Time
	err = row.Scan(&t.ID, &t.RuleID, &t.OrganizationID, &t.MonitorID, &t.TriggeredAt, &resolved, &t.Data, &t.Holding)
	if err != nil {
		return alerts.Trigger{}, err
	}
	t.TriggeredAt, t.ResolvedAt = t.TriggeredAt.UTC(), fromMaybe(resolved)
	return t, nil
}

// Triggers implements alerts.RuleStore.
func (s *Store) Triggers(ctx context.Context, f alerts.TriggerFilter) ([]alerts.Trigger, int, error) {
	l := listing[alerts.Trigger]{
		query: selectTrigger, from: "uptime_alert_history h", order: "h.triggered_at DESC, h.id DESC", window: f.Window, scan: scanTrigger,
	}
	l.where.and("h.organization_id = ?", f.Organization)
	if f.MonitorID != 0 {
		l.where.and("h.monitor_id = ?", f.MonitorID)
	}
	if a := f.Window.After; a != (alerts.Place{}) {
		l.behind, l.place = "(h.triggered_at, h.id) < (?, ?)", []any{millis(a.At), a.ID}
	}
	rows, total, err := l.read(ctx, s.db)
	if err != nil {
		return nil, 0, fmt.Errorf("list alert history: %w", err)
	}
	return rows, total, nil
}
