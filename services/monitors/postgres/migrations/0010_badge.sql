-- +goose Up
-- Tokens of badges, which are read without signing in; a monitor has one at most.
CREATE TABLE badge (
    token           TEXT        NOT NULL COLLATE "C" PRIMARY KEY,
    monitor_id      BIGINT      NOT NULL UNIQUE,
    organization_id TEXT        NOT NULL COLLATE "C",
    created_at      TIMESTAMPTZ NOT NULL,
    created_by      TEXT        NOT NULL
);
