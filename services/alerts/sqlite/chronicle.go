package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/frogstats/uptime/services/alerts"
)

const insertStep = `INSERT INTO incident_step (incident_id, number, at, kind, facts) VALUES (?, ?, ?, ?, ?)`

func saveStep(ctx context.Context, tx *sql.Tx, s alerts.Step) error {
	facts, err := text(s.Facts)
	if err != nil {
		return fmt.Errorf("step %d of incident %d: %w", s.Number, s.IncidentID, err)
	}
	if _, err := tx.ExecContext(ctx, insertStep, s.IncidentID, s.Number, millis(s.At), string(s.Kind), facts); err != nil {
		return fmt.Errorf("step %d of incident %d: %w", s.Number, s.IncidentID, err)
	}
	return nil
}

func scanStep(row scanner) (s alerts.Step, err error) {
	var at int64
	var facts string
	if err := row.Scan(&s.IncidentID, &s.Number, &at, &s.Kind, &facts); err != nil {
		return s, err
	}
	s.At = fromMillis(at)
	return s, json.Unmarshal([]byte(facts), &s.Facts)
}

const (
	stepsOfIncident = `
SELECT incident_id, number, at, kind, facts FROM incident_step WHERE incident_id = ? ORDER BY number`
	triggersWithin = selectTrigger + `
WHERE organization_id = ? AND monitor_id = ? AND triggered_at BETWEEN ? AND ?
ORDER BY triggered_at, id LIMIT ?`
	// The first and the last of them, by the index of the incident's messages; and when the last attempt at each ended.
	messagesAbout = `
SELECT ` + deliveryColumns + `, a.at + a.duration_ms
FROM outbox o LEFT JOIN delivery_attempt a ON a.position = o.position AND a.attempt = o.attempts
WHERE o.organization_id = ?1 AND o.position IN (
    SELECT position FROM (SELECT position FROM outbox WHERE incident_id = ?2 ORDER BY position LIMIT ?3)
    UNION SELECT position FROM (SELECT position FROM outbox WHERE incident_id = ?2 ORDER BY position DESC LIMIT ?3))
ORDER BY o.position`
	countMessages = `SELECT count(*) FROM outbox WHERE incident_id = ?`
)

// Chronicle implements alerts.IncidentStore.
func (s *Store) Chronicle(ctx context.Context, organization string, id uint32, now time.Time) (c alerts.Chronicle, err error) {
	tx, err := s.db.Read().BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return c, fmt.Errorf("read chronicle: %w", err)
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	if c.Incident, err = readIncident(ctx, tx, organization, id); err != nil {
		return c, err
	}
	return c, wrap("read chronicle", readCourse(ctx, tx, &c, now))
}

func readCourse(ctx context.Context, tx *sql.Tx, c *alerts.Chronicle, now time.Time) (err error) {
	i := c.Incident
	if c.Steps, err = collect(ctx, tx, scanStep, stepsOfIncident, i.ID); err != nil {
		return fmt.Errorf("steps: %w", err)
	}
	if c.Notes, err = collect(ctx, tx, scanNote, notesOfIncident, i.OrganizationID, i.ID); err != nil {
		return fmt.Errorf("notes: %w", err)
	}
	c.Triggers, err = collect(ctx, tx, scanTrigger, triggersWithin, i.OrganizationID, i.MonitorID, millis(i.StartTime), millis(i.Until(now)),
		alerts.TimelineAtMost+1)
	if err != nil {
		return fmt.Errorf("triggers: %w", err)
	}
	if len(c.Triggers) > alerts.TimelineAtMost {
		c.Triggers, c.Truncated = c.Triggers[:alerts.TimelineAtMost], true
	}
	c.Messages, err = collect(ctx, tx, func(row scanner) (r alerts.Reported, err error) {
		var last sql.NullInt64
		r.Delivery, err = scanDeliveryAnd(row, &last)
		r.LastAttempt = fromMaybe(last)
		return r, err
	}, messagesAbout, i.OrganizationID, i.ID, alerts.TimelineAtMost)
	if err != nil {
		return fmt.Errorf("messages: %w", err)
	}
	all, err := number[int64](tx.QueryRowContext(ctx, countMessages, i.ID))
	c.Truncated = c.Truncated || int(all) > len(c.Messages)
	return wrap("count messages", err)
}
