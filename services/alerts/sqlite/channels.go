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

const selectChannel = `
SELECT id, organization_id, type, name, config, config_sealed, monitor_ids, trigger_events, enabled, created_at, updated_at,
    digest_window_ms, max_per_minute, coalesce(fallback_id, 0), fallback_after_ms, reminder_ms,
    canary_ms, canary_at, canary_ok, canary_error
FROM notification_channel`

func scanChannel(row scanner) (alerts.Channel, error) {
	var c alerts.Channel
	var config, events string
	var monitors sql.NullString
	var created, updated, window, after, reminder, canary int64
	var canaryAt sql.NullInt64
	err := row.Scan(&c.ID, &c.OrganizationID, &c.Type, &c.Name, &config, &c.Config.Sealed, &monitors, &events, &c.Enabled,
		&created, &updated, &window, &c.PerMinute, &c.FallbackID, &after, &reminder,
		&canary, &canaryAt, &c.Canary.OK, &c.Canary.Error)
	if err != nil {
		return alerts.Channel{}, err
	}
	if err := json.Unmarshal([]byte(events), &c.Events); err != nil {
		return alerts.Channel{}, fmt.Errorf("events of channel %d: %w", c.ID, err)
	}
	if monitors.Valid {
		if err := json.Unmarshal([]byte(monitors.String), &c.MonitorIDs); err != nil {
			return alerts.Channel{}, fmt.Errorf("monitors of channel %d: %w", c.ID, err)
		}
	}
	c.DigestWindow, c.FallbackAfter = time.Duration(window)*time.Millisecond, time.Duration(after)*time.Millisecond
	c.Reminder = time.Duration(reminder) * time.Millisecond
	c.CanaryEvery, c.Canary.At = time.Duration(canary)*time.Millisecond, fromMaybe(canaryAt)
	c.Config.Public = json.RawMessage(config)
	c.CreatedAt, c.UpdatedAt = fromMillis(created), fromMillis(updated)
	return c, nil
}

const channelsOfOrganization = selectChannel + `
WHERE organization_id = ?
ORDER BY id`

// Channels implements alerts.ChannelStore.
func (s *Store) Channels(ctx context.Context, organization string) ([]alerts.Channel, error) {
	channels, err := collect(ctx, s.db.Read(), scanChannel, channelsOfOrganization, organization)
	if err != nil {
		return nil, fmt.Errorf("list channels: %w", err)
	}
	return channels, nil
}

const oneChannel = selectChannel + `
WHERE organization_id = ? AND id = ?`

// Channel implements alerts.ChannelStore.
func (s *Store) Channel(ctx context.Context, organization string, id uint32) (alerts.Channel, error) {
	return readChannel(ctx, s.db.Read(), organization, id)
}

func readChannel(ctx context.Context, q querier, organization string, id uint32) (alerts.Channel, error) {
	c, err := scanChannel(q.QueryRowContext(ctx, oneChannel, organization, id))
	if errors.Is(err, sql.ErrNoRows) {
		return alerts.Channel{}, alerts.ErrChannelNotFound
	}
	if err != nil {
		return alerts.Channel{}, fmt.Errorf("read channel: %w", err)
	}
	return c, nil
}

const (
	countChannels = `SELECT count(*) FROM notification_channel WHERE organization_id = ?`
	insertChannel = `
INSERT INTO notification_channel (organization_id, type, name, config, config_sealed, monitor_ids, trigger_events, enabled,
    created_at, updated_at)
VALUES (?, '', '', '', x'', NULL, '[]', 0, ?, ?)
RETURNING id`
)

// CreateChannel implements alerts.ChannelStore.
func (s *Store) CreateChannel(ctx context.Context, c alerts.Channel, finish func(*alerts.Channel) (audit.Row, error)) (alerts.Channel, error) {
	err := s.db.Write(ctx, func(tx *sql.Tx) error {
		n, err := number[int64](tx.QueryRowContext(ctx, countChannels, c.OrganizationID))
		if err != nil {
			return fmt.Errorf("create channel: count: %w", err)
		}
		if n >= alerts.MaxChannels {
			return alerts.ErrTooManyChannels
		}
		// The row comes first, empty, because what is sealed is bound to its id.
		c.ID, err = number[uint32](tx.QueryRowContext(ctx, insertChannel, c.OrganizationID, millis(c.CreatedAt), millis(c.UpdatedAt)))
		if err != nil {
			return fmt.Errorf("create channel: %w", err)
		}
		row, err := finish(&c)
		if err != nil {
			return err
		}
		if err := checkFallback(ctx, tx, c); err != nil {
			return err
		}
		return errors.Join(saveChannel(ctx, tx, c), auditsqlite.Insert(ctx, tx, row))
	})
	return c, err
}

const updateChannel = `
UPDATE notification_channel
SET type = ?1, name = ?2, config = ?3, config_sealed = ?4, monitor_ids = ?5, trigger_events = ?6, enabled = ?7, updated_at = ?8,
    digest_window_ms = ?9, max_per_minute = ?10, fallback_id = nullif(?11, 0), fallback_after_ms = ?12, reminder_ms = ?13,
    canary_ms = ?14, canary_next_at = CASE WHEN canary_ms = ?14 AND config_sealed = ?4 AND type = ?1 THEN canary_next_at END
WHERE id = ?15`

func saveChannel(ctx context.Context, tx *sql.Tx, c alerts.Channel) error {
	events, err := text(c.Events)
	if err != nil {
		return fmt.Errorf("save channel: %w", err)
	}
	monitors := sql.NullString{}
	if c.MonitorIDs != nil {
		monitors = sql.NullString{String: list(c.MonitorIDs), Valid: true}
	}
	_, err = tx.ExecContext(ctx, updateChannel, c.Type, c.Name, string(c.Config.Public), c.Config.Sealed, monitors, events,
		c.Enabled, millis(c.UpdatedAt), c.DigestWindow.Milliseconds(), c.PerMinute, c.FallbackID, c.FallbackAfter.Milliseconds(),
		c.Reminder.Milliseconds(), c.CanaryEvery.Milliseconds(), c.ID)
	if err != nil {
		return fmt.Errorf("save channel: %w", err)
	}
	return nil
}

func checkFallback(ctx context.Context, tx *sql.Tx, c alerts.Channel) error {
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
	err = s.db.Write(ctx, func(tx *sql.Tx) error {
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
		return errors.Join(saveChannel(ctx, tx, c), auditsqlite.Insert(ctx, tx, row))
	})
	return c, err
}

const (
	channelsBehind = selectChannel + ` WHERE fallback_id = ? ORDER BY id`
	deleteChannel  = `DELETE FROM notification_channel WHERE id = ?`
)

// DeleteChannel implements alerts.ChannelStore.
func (s *Store) DeleteChannel(ctx context.Context, organization string, id uint32, record func(alerts.Channel) (audit.Row, error)) (dropped int, err error) {
	err = s.db.Write(ctx, func(tx *sql.Tx) error {
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
		if dropped, err = drop(ctx, tx, alerts.Target{Kind: alerts.TargetChannel, ID: id}, "the channel was deleted"); err != nil {
			return fmt.Errorf("delete channel: %w", err)
		}
		if _, err := tx.ExecContext(ctx, deleteChannel, id); err != nil {
			return fmt.Errorf("delete channel: %w", err)
		}
		return auditsqlite.Insert(ctx, tx, row)
	})
	return dropped, err
}
