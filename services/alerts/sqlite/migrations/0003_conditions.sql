-- +goose Up

-- How much a rule matters: critical, high, medium, low or info.
ALTER TABLE uptime_alerts ADD COLUMN severity TEXT NOT NULL DEFAULT 'high';

-- After how long without knowledge a rule triggers, in milliseconds; 0 is never.
ALTER TABLE uptime_alerts ADD COLUMN no_data_ms INTEGER NOT NULL DEFAULT 0;
CREATE INDEX uptime_alerts_no_data ON uptime_alerts (monitor_id) WHERE no_data_ms > 0;

-- Since when nothing is known of a monitor; NULL while something is.
ALTER TABLE monitor_state ADD COLUMN blind_since INTEGER;
