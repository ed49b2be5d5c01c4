-- +goose Up
-- Monitors that a monitor depends on, a JSON array of ids; NULL without any.
ALTER TABLE uptime_monitors ADD COLUMN depends_on TEXT CHECK (json_valid(depends_on));
CREATE INDEX uptime_monitors_depending ON uptime_monitors (organization_id) WHERE depends_on IS NOT NULL AND deleted_at IS NULL;
