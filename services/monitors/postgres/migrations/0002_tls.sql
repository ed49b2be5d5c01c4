-- +goose Up
-- A third kind of check.
ALTER TABLE uptime_monitors
    ADD COLUMN tls_config JSONB,
    DROP CONSTRAINT uptime_monitors_monitor_type_check,
    DROP CONSTRAINT uptime_monitors_check1,
    ADD CONSTRAINT uptime_monitors_type CHECK (monitor_type IN ('http', 'tcp', 'tls')),
    ADD CONSTRAINT uptime_monitors_config CHECK (
        (http_config IS NOT NULL) = (monitor_type = 'http') AND (tcp_config IS NOT NULL) = (monitor_type = 'tcp')
        AND (tls_config IS NOT NULL) = (monitor_type = 'tls')
    );
