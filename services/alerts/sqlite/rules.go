package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/frogstats/uptime/internal/audit"
	auditsqlite "github.com/frogstats/uptime/internal/audit/sqlite"
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

func scanRule(row scanner) (alerts.Rule, error) {
	var r alerts.Rule
	var config, cond string
	var created, updated int64
	err := row.Scan(&r.ID, &r.OrganizationID, &r.MonitorID, &r.Type, &config, &r.Config.Sealed, &cond, &r.Enabled,
		&r.Severity, &created, &updated, &r.Triggered)
	if err != nil {
		return alerts.Rule{}, err
	}
	var c conditions
	if err := json.Unmarshal([]byte(cond), &c); err != nil {
		return alerts.Rule{}, fmt.Errorf("conditions of alert %d: %w", r.ID, err)
	}
	r.Conditions = c.value()
	r.Config.Public = json.RawMessage(config)
	r.CreatedAt, r.UpdatedAt = fromMillis(created), fromMillis(updated)
	return r, nil
}

const rulesOfMonitor = selectRule + `
WHERE a.organization_id = ? AND a.monitor_id = ?
ORDER BY a.id`

// Rules implements alerts.RuleStore.
func (s *Store) Rules(ctx context.Context, organization string, monitorID uint32) ([]alerts.Rule, error) {
	rules, err := collect(ctx, s.db.Read(), scanRule, rulesOfMonitor, organization, monitorID)
	if err != nil {
		return nil, fmt.Errorf("list alerts: %w", err)
	}
	return rules, nil
}

const oneRule = selectRule + `
WHERE a.organization_id = ? AND a.monitor_id = ? AND a.id = ?`

// Rule implements alerts.RuleStore.
func (s *Store) Rule(ctx context.Context, organization string, monitorID, id uint32) (alerts.Rule, error) {
	return readRule(ctx, s.db.Read(), organization, monitorID, id)
}

func readRule(ctx context.Context, q querier, organization string, monitorID, id uint32) (alerts.Rule, error) {
	r, err := scanRule(q.QueryRowContext(ctx, oneRule, organization, monitorID, id))
	if errors.Is(err, sql.ErrNoRows) {
		return alerts.Rule{}, alerts.ErrRuleNotFound
	}
	if err != nil {
		return alerts.Rule{}, fmt.Errorf("read alert: %w", err)
	}
	return r, nil
}

const (
	countRules = `SELECT count(*) FROM uptime_alerts WHERE monitor_id = ?`
	insertRule = `
INSERT INTO uptime_alerts (organization_id, monitor_id, alert_type, alert_config, alert_config_sealed, conditions, about_uptime,
    enabled, created_at, updated_at)
VALUES (?, ?, '', '', x'', '', 0, 0, ?, ?)
RETURNING id`
)

// CreateRule implements alerts.RuleStore.
func (s *Store) CreateRule(ctx context.Context, r alerts.Rule, finish func(*alerts.Rule) (audit.Row, error)) (alerts.Rule, error) {
	err := s.db.Write(ctx, func(tx *sql.Tx) error {
		n, err := number[int64](tx.QueryRowContext(ctx, countRules, r.MonitorID))
		if err != nil {
			return fmt.Errorf("create alert: count: %w", err)
		}
		if n >= alerts.MaxRulesPerMonitor {
			return alerts.ErrTooManyRules
		}
		// The row comes first, empty, because what is sealed is bound to its id.
		r.ID, err = number[uint32](tx.QueryRowContext(ctx, insertRule, r.OrganizationID, r.MonitorID, millis(r.CreatedAt), millis(r.UpdatedAt)))
		if err != nil {
			return fmt.Errorf("create alert: %w", err)
		}
		row, err := finish(&r)
		if err != nil {
			return err
		}
		return errors.Join(saveRule(ctx, tx, r), auditsqlite.Insert(ctx, tx, row))
	})
	return r, err
}

const updateRule = `
UPDATE uptime_alerts
SET alert_type = ?, alert_config = ?, alert_config_sealed = ?, conditions = ?, about_uptime = ?, no_data_ms = ?, enabled = ?,
    severity = ?, updated_at = ?
WHERE id = ?`

func saveRule(ctx context.Context, tx *sql.Tx, r alerts.Rule) error {
	c := r.Conditions
	cond, err := text(conditionsOf(c))
	if err != nil {
		return fmt.Errorf("save alert: %w", err)
	}
	_, err = tx.ExecContext(ctx, updateRule, r.Type, string(r.Config.Public), r.Config.Sealed, cond, c.Uptime > 0, c.NoData.Milliseconds(),
		r.Enabled, string(r.Severity), millis(r.UpdatedAt), r.ID)
	if err != nil {
		return fmt.Errorf("save alert: %w", err)
	}
	return nil
}

const endTrigger = `
UPDATE uptime_alert_history SET resolved_at = max(triggered_at, ?), holding = '{}'
WHERE alert_id = ? AND resolved_at IS NULL`

// UpdateRule implements alerts.RuleStore.
func (s *Store) UpdateRule(ctx context.Context, organization string, monitorID, id uint32, at time.Time, change func(*alerts.Rule) (audit.Row, error)) (r alerts.Rule, err error) {
	err = s.db.Write(ctx, func(tx *sql.Tx) error {
		if r, err = readRule(ctx, tx, organization, monitorID, id); err != nil {
			return err
		}
		row, err := change(&r)
		if err != nil {
			return err
		}
		if !r.Enabled {
			if _, err := tx.ExecContext(ctx, endTrigger, millis(at), id); err != nil {
				return fmt.Errorf("update alert: end trigger: %w", err)
			}
			if _, err := drop(ctx, tx, alerts.Target{Kind: alerts.TargetAlert, ID: id}, "the alert was disabled"); err != nil {
				return fmt.Errorf("update alert: %w", err)
			}
			r.Triggered = false
		}
		return errors.Join(saveRule(ctx, tx, r), auditsqlite.Insert(ctx, tx, row))
	})
	return r, err
}

const deleteRule = `DELETE FROM uptime_alerts WHERE id = ?`

// DeleteRule implements alerts.RuleStore.
func (s *Store) DeleteRule(ctx context.Context, organization string, monitorID, id uint32, record func(alerts.Rule) (audit.Row, error)) (dropped int, err error) {
	err = s.db.Write(ctx, func(tx *sql.Tx) error {
		r, err := readRule(ctx, tx, organization, monitorID, id)
		if err != nil {
			return err
		}
		row, err := record(r)
		if err != nil {
			return err
		}
		if dropped, err = drop(ctx, tx, alerts.Target{Kind: alerts.TargetAlert, ID: id}, "the alert was deleted"); err != nil {
			return fmt.Errorf("delete alert: %w", err)
		}
		if _, err := tx.ExecContext(ctx, deleteRule, id); err != nil {
			return fmt.Errorf("delete alert: %w", err)
		}
		return auditsqlite.Insert(ctx, tx, row)
	})
	return dropped, err
}

const selectTrigger = `
SELECT id, alert_id, organization_id, monitor_id, triggered_at, resolved_at, alert_data, holding
FROM uptime_alert_history`

func scanTrigger(row scanner) (alerts.Trigger, error) {
	var t alerts.Trigger
	var triggered int64
	var resolved sql.NullInt64
	var data, holding string
	err := row.Scan(&t.ID, &t.RuleID, &t.OrganizationID, &t.MonitorID, &triggered, &resolved, &data, &holding)
	if err != nil {
		return alerts.Trigger{}, err
	}
	if err := errors.Join(json.Unmarshal([]byte(data), &t.Data), json.Unmarshal([]byte(holding), &t.Holding)); err != nil {
		return alerts.Trigger{}, fmt.Errorf("history row %d: %w", t.ID, err)
	}
	t.TriggeredAt, t.ResolvedAt = fromMillis(triggered), fromMaybe(resolved)
	return t, nil
}

// Triggers implements alerts.RuleStore.
func (s *Store) Triggers(ctx context.Context, f alerts.TriggerFilter) ([]alerts.Trigger, int, error) {
	w := where{}
	w.and("organization_id = ?", f.Organization)
	if f.MonitorID != 0 {
		w.and("monitor_id = ?", f.MonitorID)
	}
	total, err := w.count(ctx, s.db.Read(), "uptime_alert_history")
	if err != nil {
		return nil, 0, fmt.Errorf("count alert history: %w", err)
	}
	if a := f.Window.After; a != (alerts.Place{}) {
		w.and("(triggered_at, id) < (?, ?)", millis(a.At), a.ID)
	}
	rows, err := collect(ctx, s.db.Read(), scanTrigger,
		selectTrigger+w.String()+" ORDER BY triggered_at DESC, id DESC LIMIT ? OFFSET ?", append(w.args, f.Window.Limit, f.Window.Offset)...)
	if err != nil {
		return nil, 0, fmt.Errorf("list alert history: %w", err)
	}
	return rows, total, nil
}
