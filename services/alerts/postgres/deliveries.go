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

const (
	deliveryColumns = `
o.position, o.id, o.organization_id, o.monitor_id, o.target_kind, o.target_id, o.type, coalesce(o.incident_id, 0), o.thread,
    o.content, o.occurred_at, o.created_at, o.state, o.attempts, o.refusals, o.next_attempt_at, o.delivered_at,
    o.last_status_code, o.last_error, o.begun_at, o.attempts_before, coalesce(o.digest_id, ''),
    coalesce(o.fallback_id, ''), coalesce(o.fallback_of, '')`
	selectDelivery = `SELECT ` + deliveryColumns + ` FROM outbox o`
)

// scanDelivery scans a row that begins with the columns of a delivery.
func scanDelivery(row pgx.Row, more ...any) (d alerts.Delivery, err error) {
	var delivered, begun *time.Time
	err = row.Scan(append([]any{
		&d.Position, &d.ID, &d.OrganizationID, &d.MonitorID, &d.Target.Kind, &d.Target.ID, &d.Type, &d.IncidentID, &d.Thread,
		&d.Content, &d.OccurredAt, &d.CreatedAt, &d.State, &d.Attempts, &d.Refusals, &d.NextAttemptAt, &delivered,
		&d.LastStatusCode, &d.LastError, &begun, &d.AttemptsBefore, &d.DigestID,
		&d.FallbackID, &d.FallbackOf,
	}, more...)...)
	if err != nil {
		return alerts.Delivery{}, err
	}
	d.OccurredAt, d.CreatedAt, d.NextAttemptAt = d.OccurredAt.UTC(), d.CreatedAt.UTC(), d.NextAttemptAt.UTC()
	d.DeliveredAt, d.BegunAt = fromMaybe(delivered), fromMaybe(begun)
	return d, nil
}

// Deliveries implements alerts.OutboxStore. Positions are in the order of commits, so nothing can appear later behind a
// place that a reader has passed.
func (s *Store) Deliveries(ctx context.Context, f alerts.DeliveryFilter) ([]alerts.Delivery, int, error) {
	l := listing[alerts.Delivery]{
		query: selectDelivery, from: "outbox o", order: "o.position DESC", window: f.Window,
		scan: func(row pgx.Row) (alerts.Delivery, error) { return scanDelivery(row) },
	}
	l.where.and("o.organization_id = ?", f.Organization)
	if f.MonitorID != 0 {
		l.where.and("o.monitor_id = ?", f.MonitorID)
	}
	in(&l.where, "o.state", f.States)
	if f.Window.After.ID != 0 {
		l.behind, l.place = "o.position < ?", []any{f.Window.After.ID}
	}
	rows, total, err := l.read(ctx, s.db)
	if err != nil {
		return nil, 0, fmt.Errorf("list deliveries: %w", err)
	}
	return rows, total, nil
}

const (
	findDelivery = `SELECT position, attempts FROM outbox WHERE organization_id = $1 AND id = $2`
	listAttempts = `
SELECT attempt, at, duration_ms, status_code, error, response FROM delivery_attempt WHERE position = $1 ORDER BY attempt`
)

// Attempts implements alerts.DeliveryStore.
func (s *Store) Attempts(ctx context.Context, organization, id string) ([]alerts.Attempt, int, error) {
	var position int64
	var total int
	err := s.db.QueryRow(ctx, findDelivery, organization, text(id)).Scan(&position, &total)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, 0, alerts.ErrDeliveryNotFound
	}
	if err != nil {
		return nil, 0, fmt.Errorf("list attempts: %w", err)
	}
	attempts, err := collect(ctx, s.db, scanAttempt, listAttempts, position)
	if err != nil {
		return nil, 0, fmt.Errorf("list attempts: %w", err)
	}
	return attempts, total, nil
}

func scanAttempt(row pgx.Row) (a alerts.Attempt, err error) {
	var took int64
	err = row.Scan(&a.Number, &a.At, &took, &a.StatusCode, &a.Error, &a.Response)
	a.At, a.Duration = a.At.UTC(), time.Duration(took)*time.Millisecond
	return a, err
}

const (
	deliveryByID  = selectDelivery + ` WHERE o.organization_id = $1 AND o.id = $2`
	alertIsOn     = `SELECT enabled FROM uptime_alerts WHERE id = $1`
	channelIsOn   = `SELECT enabled FROM notification_channel WHERE id = $1`
	replayMessage = `
UPDATE outbox SET state = 'pending', refusals = 0, attempts_before = attempts, begun_at = $1, next_attempt_at = $1, digest_id = NULL
WHERE position = $2`
	// What a digest told waits with it again, unless it went by itself since.
	replayMembers = `UPDATE outbox SET state = 'pending', next_attempt_at = $1 WHERE digest_id = $2 AND state = 'dead'`
)

// Replay implements alerts.DeliveryStore. The cursor is locked, so that the target stays what it is.
func (s *Store) Replay(ctx context.Context, organization, id string, now time.Time, allow func(alerts.Delivery, alerts.TargetState) (audit.Row, error)) (d alerts.Delivery, err error) {
	err = s.db.Write(ctx, func(tx pgx.Tx) error {
		if _, err := lockEvaluation(ctx, tx); err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		d, err = scanDelivery(tx.QueryRow(ctx, deliveryByID, organization, text(id)))
		if errors.Is(err, pgx.ErrNoRows) {
			return alerts.ErrDeliveryNotFound
		}
		if err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		d, err = replay(ctx, tx, d, millis(now), allow)
		return err
	})
	return d, err
}

func replay(ctx context.Context, tx pgx.Tx, d alerts.Delivery, now time.Time, allow func(alerts.Delivery, alerts.TargetState) (audit.Row, error)) (alerts.Delivery, error) {
	state, err := targetState(ctx, tx, d.Target)
	if err != nil {
		return alerts.Delivery{}, fmt.Errorf("replay: %w", err)
	}
	if _, err := tx.Exec(ctx, lockTarget, string(d.Target.Kind), d.Target.ID); err != nil {
		return alerts.Delivery{}, fmt.Errorf("replay: lock: %w", err)
	}
	// Read again, now that nobody else can settle it.
	if d, err = scanDelivery(tx.QueryRow(ctx, deliveryByID, d.OrganizationID, d.ID)); err != nil {
		return alerts.Delivery{}, fmt.Errorf("replay: %w", err)
	}
	row, err := allow(d, state)
	if err != nil {
		return alerts.Delivery{}, err
	}
	b := &pgx.Batch{}
	b.Queue(replayMessage, now, d.Position)
	b.Queue(replayMembers, now, d.ID)
	refresh(b, d.Target)
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return alerts.Delivery{}, fmt.Errorf("replay: %w", err)
	}
	if d, err = scanDelivery(tx.QueryRow(ctx, deliveryByID, d.OrganizationID, d.ID)); err != nil {
		return alerts.Delivery{}, fmt.Errorf("replay: %w", err)
	}
	return d, auditpostgres.Insert(ctx, tx, row)
}

func targetState(ctx context.Context, tx pgx.Tx, t alerts.Target) (alerts.TargetState, error) {
	query := alertIsOn
	if t.Kind == alerts.TargetChannel {
		query = channelIsOn
	}
	var on bool
	err := tx.QueryRow(ctx, query, t.ID).Scan(&on)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return alerts.TargetGone, nil
	case err != nil:
		return "", fmt.Errorf("state of the target: %w", err)
	case !on:
		return alerts.TargetDisabled, nil
	}
	return alerts.TargetEnabled, nil
}
