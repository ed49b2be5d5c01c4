-- +goose Up
-- Who resolves the names of a monitor's checks; NULL: the prober's resolvers.
ALTER TABLE uptime_monitors ADD COLUMN dns_config JSONB;
