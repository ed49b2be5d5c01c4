-- +goose Up
-- Maintenance windows.
CREATE TABLE maintenance_window (
    id              BIGINT      GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- never used again
    organization_id TEXT        NOT NULL COLLATE "C",
    created_at      TIMESTAMPTZ NOT NULL,
    created_by      TEXT        NOT NULL,
    deleted_at      TIMESTAMPTZ
);
CREATE INDEX maintenance_window_by_organization ON maintenance_window (organization_id, id) WHERE deleted_at IS NULL;

-- A window as it was from one change until the next: who was in maintenance can be said of any moment.
CREATE TABLE maintenance_version (
    window_id   BIGINT      NOT NULL REFERENCES maintenance_window (id),
    version     BIGINT      NOT NULL,
    config      JSONB       NOT NULL, -- as over REST
    valid_from  TIMESTAMPTZ NOT NULL,
    valid_until TIMESTAMPTZ,          -- NULL: it holds
    rev         BIGINT      NOT NULL UNIQUE,
    PRIMARY KEY (window_id, version)
);
CREATE UNIQUE INDEX maintenance_version_that_holds ON maintenance_version (window_id) WHERE valid_until IS NULL;
