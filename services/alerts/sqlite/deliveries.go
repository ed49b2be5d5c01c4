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

const selectDelivery = `SELECT ` + deliveryColumns + `
FROM outbox o`

const deliveryColumns = `
o.position, o.id, o.organization_id, o.monitor_id, o.target_kind, o.target_id, o.type, coalesce(o.incident_id, 0), o.thread,
    o.content, o.occurred_at, o.created_at, o.state, o.attempts, o.refusals, o.next_attempt_at, o.delivered_at,
    o.last_status_code, o.last_error, o.begun_at, o.attempts_before,
    coalesce(o.digest_id, ''), coalesce(o.fallback_id, ''), coalesce(o.fallback_of, '')`

func scanDelivery(row scanner) (alerts.Delivery, error) { return scanDeliveryAnd(row) }

// scanDeliveryAnd scans a row that begins with the columns of a delivery.
func scanDeliveryAnd(row scanner, more ...any) (alerts.Delivery, error) {
	var d alerts.Delivery
	var content string
	var occurred, created, next int64
	var delivered, begun sql.NullInt64
	err := row.Scan(append([]any{
		&d.Position, &d.ID, &d.OrganizationID, &d.MonitorID, &d.Target.Kind, &d.Target.ID, &d.Type, &d.IncidentID,
		&d.Thread, &content, &occurred, &created, &d.State, &d.Attempts, &d.Refusals, &next, &delivered,
		&d.LastStatusCode, &d.LastError, &begun, &d.AttemptsBefore, &d.DigestID, &d.FallbackID, &d.FallbackOf,
	}, more...)...)
	if err != nil {
		return alerts.Delivery{}, err
	}
	if err := json.Unmarshal([]byte(content), &d.Content); err != nil {
		return alerts.Delivery{}, fmt.Errorf("content of %s: %w", d.ID, err)
	}
	d.OccurredAt, d.CreatedAt = fromMillis(occurred), fromMillis(created)
	d.NextAttemptAt, d.DeliveredAt, d.BegunAt = fromMillis(next), fromMaybe(delivered), fromMaybe(begun)
	return d, nil
}

// Deliveries implements alerts.OutboxStore.
func (s *Store) Deliveries(ctx context.Context, f alerts.DeliveryFilter) ([]alerts.Delivery, int, error) {
	w := where{}
	w.and("o.organization_id = ?", f.Organization)
	if f.MonitorID != 0 {
		w.and("o.monitor_id = ?", f.MonitorID)
	}
	in(&w, "o.state", f.States)
	total, err := w.count(ctx, s.db.Read(), "outbox o")
	if err != nil {
		return nil, 0, fmt.Errorf("count deliveries: %w", err)
	}
	if f.Window.After.ID != 0 {
		w.and("o.position < ?", f.Window.After.ID)
	}
	rows, err := collect(ctx, s.db.Read(), scanDelivery,
		selectDelivery+w.String()+" ORDER BY o.position DESC LIMIT ? OFFSET ?", append(w.args, f.Window.Limit, f.Window.Offset)...)
	if err != nil {
		return nil, 0, fmt.Errorf("list deliveries: %w", err)
	}
	return rows, total, nil
}

const (
	findDelivery = `SELECT position, attempts FROM outbox WHERE organization_id = ? AND id = ?`
	listAttempts = `
SELECT attempt, at, duration_ms, status_code, error, response FROM delivery_attempt WHERE position = ? ORDER BY attempt`
)

// Attempts implements alerts.DeliveryStore.
func (s *Store) Attempts(ctx context.Context, organization, id string) ([]alerts.Attempt, int, error) {
	var position int64
	var total int
	err := s.db.Read().QueryRowContext(ctx, findDelivery, organization, id).Scan(&position, &total)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, 0, alerts.ErrDeliveryNotFound
	}
	if err != nil {
		return nil, 0, fmt.Errorf("list attempts: %w", err)
	}
	attempts, err := collect(ctx, s.db.Read(), scanAttempt, listAttempts, position)
	if err != nil {
		return nil, 0, fmt.Errorf("list attempts: %w", err)
	}
	return attempts, total, nil
}

func scanAttempt(row scanner) (a alerts.Attempt, err error) {
	var at, took int64
	err = row.Scan(&a.Number, &at, &took, &a.StatusCode, &a.Error, &a.Response)
	a.At, a.Duration = fromMillis(at), time.Duration(took)*time.Millisecond
	return a, err
}

const (
	deliveryByID  = selectDelivery + ` WHERE o.organization_id = ? AND o.id = ?`
	alertIsOn     = `SELECT enabled FROM uptime_alerts WHERE id = ?`
	channelIsOn   = `SELECT enabled FROM notification_channel WHERE id = ?`
	replayMessage = `
UPDATE outbox SET state = 'pending', refusals = 0, attempts_before = attempts, begun_at = ?1, next_attempt_at = ?1, digest_id = NULL
WHERE position = ?2`
	// What a digest told waits with it again, unless it went by itself since.
	replayMembers = `UPDATE outbox SET state = 'pending', next_attempt_at = ? WHERE digest_id = ? AND state = 'dead'`
)

// Replay implements alerts.DeliveryStore.
func (s *Store) Replay(ctx context.Context, organization, id string, now time.Time, allow func(alerts.Delivery, alerts.TargetState) (audit.Row, error)) (d alerts.Delivery, err error) {
	err = s.db.Write(ctx, func(tx *sql.Tx) error {
		d, err = scanDelivery(tx.QueryRowContext(ctx, deliveryByID, organization, id))
		if errors.Is(err, sql.ErrNoRows) {
			return alerts.ErrDeliveryNotFound
		}
		if err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		target, err := targetState(ctx, tx, d.Target)
		if err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		row, err := allow(d, target)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, replayMessage, millis(now), d.Position); err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		if _, err := tx.ExecContext(ctx, replayMembers, millis(now), d.ID); err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		if d, err = scanDelivery(tx.QueryRowContext(ctx, deliveryByID, organization, id)); err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		return auditsqlite.Insert(ctx, tx, row)
	})
	return d, err
}

func targetState(ctx context.Context, tx *sql.Tx, t alerts.Target) (alerts.TargetState, error) {
	query := alertIsOn
	if t.Kind == alerts.TargetChannel {
		query = channelIsOn
	}
	var on bool
	err := tx.QueryRowContext(ctx, query, t.ID).Scan(&on)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return alerts.TargetGone, nil
	case err != nil:
		return "", fmt.Errorf("state of the target: %w", err)
	case !on:
		return alerts.TargetDisabled, nil
	}
	return alerts.TargetEnabled, nil
}
