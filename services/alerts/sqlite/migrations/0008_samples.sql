-- +goose Up
-- What rules about a percentile of response times know of the last while.
CREATE TABLE rule_samples (
    alert_id INTEGER PRIMARY KEY REFERENCES uptime_alerts (id) ON DELETE CASCADE,
    samples  TEXT NOT NULL -- JSON
) STRICT;
