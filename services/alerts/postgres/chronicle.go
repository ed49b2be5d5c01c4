package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/services/alerts"
)

const insertStep = `INSERT INTO incident_step (incident_id, number, at, kind, facts) VALUES ($1, $2, $3, $4, $5)`

func stepArgs(s alerts.Step) ([]any, error) {
	facts, err := object(s.Facts)
	if err != nil {
		return nil, fmt.Errorf("step %d of incident %d: %w", s.Number, s.IncidentID, err)
	}
	return []any{s.IncidentID, s.Number, millis(s.At), string(s.Kind), facts}, nil
}

func scanStep(row pgx.Row) (s alerts.Step, err error) {
	err = row.Scan(&s.IncidentID, &s.Number, &s.At, &s.Kind, &s.Facts)
	s.At = s.At.UTC()
	return s, err
}

const (
	stepsOfIncident = `
SELECT incident_id, number, at, kind, facts FROM incident_step WHERE incident_id = $1 ORDER BY number`
	triggersWithin = selectTrigger + `
WHERE organization_id = $1 AND monitor_id = $2 AND triggered_at BETWEEN $3 AND $4
ORDER BY triggered_at, id LIMIT $5`
	// The first and the last of them, by the index of the incident's messages; and when the last attempt at each ended.
	messagesAbout = `
SELECT ` + deliveryColumns + `, a.at + a.duration_ms * interval '1 millisecond'
FROM outbox o LEFT JOIN delivery_attempt a ON a.position = o.position AND a.attempt = o.attempts
WHERE o.organization_id = $1 AND o.position IN (
    (SELECT position FROM outbox WHERE incident_id = $2 ORDER BY position LIMIT $3)
    UNION (SELECT position FROM outbox WHERE incident_id = $2 ORDER BY position DESC LIMIT $3))
ORDER BY o.position`
	countMessages = `SELECT count(*) FROM outbox WHERE incident_id = $1`
)

// Chronicle implements alerts.IncidentStore.
func (s *Store) Chronicle(ctx context.Context, organization string, id uint32, now time.Time) (c alerts.Chronicle, err error) {
	err = s.db.Snapshot(ctx, func(tx pgx.Tx) error {
		if c.Incident, err = readIncident(ctx, tx, organization, id); err != nil {
			return err
		}
		return wrap("read chronicle", readCourse(ctx, tx, &c, now))
	})
	return c, err
}

func readCourse(ctx context.Context, tx pgx.Tx, c *alerts.Chronicle, now time.Time) (err error) {
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
	if c.Truncated = len(c.Triggers) > alerts.TimelineAtMost; c.Truncated {
		c.Triggers = c.Triggers[:alerts.TimelineAtMost]
	}
	c.Messages, err = collect(ctx, tx, func(row pgx.Row) (r alerts.Reported, err error) {
		var last *time.Time
		r.Delivery, err = scanDelivery(row, &last)
		r.LastAttempt = fromMaybe(last)
		return r, err
	}, messagesAbout, i.OrganizationID, i.ID, alerts.TimelineAtMost)
	if err != nil {
		return fmt.Errorf("messages: %w", err)
	}
	all, err := number[int64](tx.QueryRow(ctx, countMessages, i.ID))
	c.Truncated = c.Truncated || int(all) > len(c.Messages)
	return wrap("count messages", err)
}
