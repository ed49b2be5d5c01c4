-- +goose Up
-- Who resolves the names of a monitor's checks.
ALTER TABLE uptime_monitors ADD COLUMN dns_config TEXT CHECK (json_valid(dns_config)); -- NULL: the prober's resolvers
