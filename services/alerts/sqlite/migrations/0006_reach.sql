-- +goose Up

-- The channel that is told in the place of one that does not take a message, and after how long.
ALTER TABLE notification_channel ADD COLUMN fallback_id INTEGER REFERENCES notification_channel (id);
ALTER TABLE notification_channel ADD COLUMN fallback_after_ms INTEGER NOT NULL DEFAULT 300000;
CREATE INDEX notification_channel_fallback ON notification_channel (fallback_id) WHERE fallback_id IS NOT NULL;

-- The copy that went to the fallback channel, and of a copy what it is one of.
ALTER TABLE outbox ADD COLUMN fallback_id TEXT;
ALTER TABLE outbox ADD COLUMN fallback_of TEXT;
-- Whether it is to be copied whatever becomes of it: it was given up, or ends what went to the fallback channel.
ALTER TABLE outbox ADD COLUMN fallback_due INTEGER NOT NULL DEFAULT 0;
CREATE INDEX outbox_fallback_due ON outbox (position) WHERE fallback_due = 1;
CREATE INDEX outbox_fallback ON outbox (target_kind, target_id, thread) WHERE fallback_id IS NOT NULL;

-- How long after a channel was last told that a monitor is down it is told so again; 0 is never.
ALTER TABLE notification_channel ADD COLUMN reminder_ms INTEGER NOT NULL DEFAULT 0;
CREATE INDEX notification_channel_reminder ON notification_channel (organization_id) WHERE reminder_ms > 0;
CREATE INDEX outbox_reminders ON outbox (monitor_id) WHERE type = 'monitor.reminder' AND state = 'pending';

-- How often a channel is sent a test message, 0 is never; when the next is due, NULL is at once; and how the last one went.
ALTER TABLE notification_channel ADD COLUMN canary_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE notification_channel ADD COLUMN canary_next_at INTEGER;
ALTER TABLE notification_channel ADD COLUMN canary_at INTEGER;
ALTER TABLE notification_channel ADD COLUMN canary_ok INTEGER NOT NULL DEFAULT 0;
ALTER TABLE notification_channel ADD COLUMN canary_error TEXT NOT NULL DEFAULT '';
CREATE INDEX notification_channel_canary ON notification_channel (id) WHERE canary_ms > 0;
