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

const selectChannel = `
SELECT id, organization_id, type, name, config, config_sealed, monitor_ids, trigger_events, enabled, created_at, updated_at,
    digest_window_ms, max_per_minute, coalesce(fallback_id, 0), fallback_after_ms, reminder_ms,
    canary_ms, canary_at, canary_ok, canary_error
FROM notification_channel`

func scanChannel(row pgx.Row) (c alerts.Channel, err error) {
	var window, after, reminder, canary int64
	var canaryAt *time.Time
	err = row.Scan(&c.ID, &c.OrganizationID, &c.Type, &c.Name, (*document)(&c.Config.Public), &c.Config.Sealed, &c.MonitorIDs,
		&c.Events, &c.Enabled, &c.CreatedAt, &c.UpdatedAt, &window, &c.PerMinute,
		&c.FallbackID, &after, &reminder, &canary, &canaryAt, &c.Canary.OK, &c.Canary.Error)
	if err != nil {
		return alerts.Channel{}, err
	}
	c.DigestWindow, c.FallbackAfter = time.Duration(window)*time.Millisecond, time.Duration(after)*time.Millisecond
	c.Reminder = time.Duration(reminder) * time.Millisecond
	c.CanaryEvery, c.Canary.At = time.Duration(canary)*time.Millisecond, fromMaybe(canaryAt)
	c.CreatedAt, c.UpdatedAt = c.CreatedAt.UTC(), c.UpdatedAt.UTC()
	return c, nil
}

const channelsOfOrganization = selectChannel + `
WHERE organization_id = $1
ORDER BY id`

// Channels implements alerts.ChannelStore.
func (s *Store) Channels(ctx context.Context, organization string) ([]alerts.Channel, error) {
	channels, err := collect(ctx, s.db, scanChannel, channelsOfOrganization, organization)
	if err != nil {
		return nil, fmt.Errorf("list channels: %w", err)
	}
	return channels, nil
}

const oneChannel = selectChannel + `
WHERE organization_id = $1 AND id = $2`

// Channel implements alerts.ChannelStore.
func (s *Store) Channel(ctx context.Context, organization string, id uint32) (alerts.Channel, error) {
	return readChannel(ctx, s.db, organization, id)
}

func readChannel(ctx context.Context, q querier, organization string, id uint32) (alerts.Channel, error) {
	c, err := scanChannel(q.QueryRow(ctx, oneChannel, organization, id))
	if errors.Is(err, pgx.ErrNoRows) {
		return alerts.Channel{}, alerts.ErrChannelNotFound
	}
	if err != nil {
		return alerts.Channel{}, fmt.Errorf("read channel: %w", err)
	}
	return c, nil
}

const (
	// One creation at a time for each organization, so that two cannot both find room for one more.
	lockChannels  = `SELECT pg_advisory_xact_lock(hashtext('alerts.notification_channel'), hashtext($1))`
	countChannels = `SELECT count(*) FROM notification_channel WHERE organization_id = $1`
	nextChannel   = `SELECT nextval('notification_channel_id_seq')`
	insertChannel = `
INSERT INTO notification_channel (type, name, config, config_sealed, monitor_ids, trigger_events, enabled, updated_at,
    digest_window_ms, max_per_minute, fallback_id, fallback_after_ms, reminder_ms, canary_ms, id, organization_id, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, nullif($11::bigint, 0), $12, $13, $14, $15, $16, $17)`
)

// CreateChannel implements alerts.ChannelStore.
func (s *Store) CreateChannel(ctx context.Context, c alerts.Channel, finish func(*alerts.Channel) (audit.Row, error)) (alerts.Channel, error) {
	var made alerts.Channel
	err := s.db.Write(ctx, func(tx pgx.Tx) error {
		made = c
		if _, err := tx.Exec(ctx, lockChannels, c.OrganizationID); err != nil {
			return fmt.Errorf("create channel: lock: %w", err)
		}
		n, err := number[int64](tx.QueryRow(ctx, countChannels, c.OrganizationID))
		if err != nil {
			return fmt.Errorf("create channel: count: %w", err)
		}
		if n >= alerts.MaxChannels {
			return alerts.ErrTooManyChannels
		}
		// The id comes first, because what is sealed is bound to it.
		if made.ID, err = number[uint32](tx.QueryRow(ctx, nextChannel)); err != nil {
			return fmt.Errorf("create channel: %w", err)
		}
		row, err := finish(&made)
		if err != nil {
			return err
		}
		if made.FallbackID != 0 { // whoever deletes that one, or leads it here, waits
			if _, err := lockEvaluation(ctx, tx); err != nil {
				return fmt.Errorf("create channel: %w", err)
			}
		}
		if err := checkFallback(ctx, tx, made); err != nil {
			return err
		}
		args, err := channelArgs(made)
		if err != nil {
			return fmt.Errorf("create channel: %w", err)
		}
		if _, err := tx.Exec(ctx, insertChannel, append(args, made.OrganizationID, millis(made.CreatedAt))...); err != nil {
			return fmt.Errorf("create channel: %w", err)
		}
		return auditpostgres.Insert(ctx, tx, row)
	})
	return made, err
}

const updateChannel = `
UPDATE notification_channel
SET type = $1, name = $2, config = $3, config_sealed = $4, monitor_ids = $5, trigger_events = $6, enabled = $7, updated_at = $8,
    digest_window_ms = $9, max_per_minute = $10, fallback_id = nullif($11::bigint, 0), fallback_after_ms = $12, reminder_ms = $13,
    canary_ms = $14, canary_next_at = CASE WHEN canary_ms = $14 AND config_sealed = $4 AND type = $1 THEN canary_next_at END
WHERE id = $15`

// channelArgs are what may change in a channel, and its id, as the statements above number them.
func channelArgs(c alerts.Channel) ([]any, error) {
	config, err := object(c.Config.Public)
	if err != nil {
		return nil, err
	}
	events, err := object(c.Events)
	if err != nil {
		return nil, err
	}
	var monitors *string
	if c.MonitorIDs != nil {
		ids, err := object(c.MonitorIDs)
		if err != nil {
			return nil, err
		}
		monitors = &ids
	}
	return []any{c.Type, text(c.Name), config, sealed(c.Config), monitors, events, c.Enabled, millis(c.UpdatedAt),
		c.DigestWindow.Milliseconds(), c.PerMinute, c.FallbackID, c.FallbackAfter.Milliseconds(),
		c.Reminder.Milliseconds(), c.CanaryEvery.Milliseconds(), c.ID}, nil
}

// checkFallback refuses a fallback that the channel may not have. The cursor is locked.
func checkFallback(ctx context.Context, tx pgx.Tx, c alerts.Channel) error {
	if c.FallbackID == 0 {
		return nil
	}
	channels, err := collect(ctx, tx, scanChannel, channelsOfOrganization, c.OrganizationID)
	if err != nil {
		return fmt.Errorf("check fallback: %w", err)
	}
	return alerts.CheckFallback(c, channels)
}

// UpdateChannel implements alerts.ChannelStore.
func (s *Store) UpdateChannel(ctx context.Context, organization string, id uint32, change func(*alerts.Channel) (audit.Row, error)) (c alerts.Channel, err error) {
	err = s.db.Write(ctx, func(tx pgx.Tx) error {
		if _, err := lockEvaluation(ctx, tx); err != nil {
			return fmt.Errorf("update channel: %w", err)
		}
		if c, err = readChannel(ctx, tx, organization, id); err != nil {
			return err
		}
		row, err := change(&c)
		if err != nil {
			return err
		}
		if err := checkFallback(ctx, tx, c); err != nil {
			return err
		}
		if !c.Enabled {
			if _, err := drop(ctx, tx, alerts.Target{Kind: alerts.TargetChannel, ID: id}, "the channel was disabled"); err != nil {
				return fmt.Errorf("update channel: %w", err)
			}
		}
		args, err := channelArgs(c)
		if err != nil {
			return fmt.Errorf("update channel: %w", err)
		}
		if _, err := tx.Exec(ctx, updateChannel, args...); err != nil {
			return fmt.Errorf("update channel: %w", err)
		}
		return auditpostgres.Insert(ctx, tx, row)
	})
	return c, err
}

const (
	channelsBehind = selectChannel + ` WHERE fallback_id = $1 ORDER BY id`
	deleteChannel  = `DELETE FROM notification_channel WHERE id = $1`
)

// DeleteChannel implements alerts.ChannelStore.
func (s *Store) DeleteChannel(ctx context.Context, organization string, id uint32, record func(alerts.Channel) (audit.Row, error)) (dropped int, err error) {
	err = s.db.Write(ctx, func(tx pgx.Tx) error {
		if _, err := lockEvaluation(ctx, tx); err != nil {
			return fmt.Errorf("delete channel: %w", err)
		}
		c, err := readChannel(ctx, tx, organization, id)
		if err != nil {
			return err
		}
		users, err := collect(ctx, tx, scanChannel, channelsBehind, id)
		if err != nil {
			return fmt.Errorf("delete channel: %w", err)
		}
		if err := alerts.CheckUnused(c, users); err != nil {
			return err
		}
		row, err := record(c)
		if err != nil {
			return err
		}
		if dropped, err = forget(ctx, tx, alerts.Target{Kind: alerts.TargetChannel, ID: id}, "the channel was deleted"); err != nil {
			return fmt.Errorf("delete channel: %w", err)
		}
		if _, err := tx.Exec(ctx, deleteChannel, id); err != nil {
			return fmt.Errorf("delete channel: %w", err)
		}
		return auditpostgres.Insert(ctx, tx, row)
	})
	return dropped, err
}
