-- +goose Up
-- Tokens of badges, which are read without signing in; a monitor has one at most.
CREATE TABLE badge (
    token           TEXT    NOT NULL PRIMARY KEY,
    monitor_id      INTEGER NOT NULL UNIQUE REFERENCES uptime_monitors (id),
    organization_id TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    created_by      TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
