-- +goose Up
-- Monitors that a monitor depends on; NULL without any.
ALTER TABLE uptime_monitors ADD COLUMN depends_on BIGINT[];
CREATE INDEX uptime_monitors_depending ON uptime_monitors (organization_id) WHERE depends_on IS NOT NULL AND deleted_at IS NULL;
