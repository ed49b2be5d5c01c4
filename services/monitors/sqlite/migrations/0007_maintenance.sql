-- +goose Up
-- Maintenance windows. Times are unix milliseconds.
CREATE TABLE maintenance_window (
    id              INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again
    organization_id TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    created_by      TEXT    NOT NULL,
    deleted_at      INTEGER
) STRICT;
CREATE INDEX maintenance_window_by_organization ON maintenance_window (organization_id, id) WHERE deleted_at IS NULL;

-- A window as it was from one change until the next: who was in maintenance can be said of any moment.
CREATE TABLE maintenance_version (
    window_id   INTEGER NOT NULL REFERENCES maintenance_window (id),
    version     INTEGER NOT NULL,
    config      TEXT    NOT NULL CHECK (json_valid(config)), -- as over REST
    valid_from  INTEGER NOT NULL,
    valid_until INTEGER,                                     -- NULL: it holds
    rev         INTEGER NOT NULL,
    PRIMARY KEY (window_id, version)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX maintenance_version_by_rev ON maintenance_version (rev);
CREATE UNIQUE INDEX maintenance_version_that_holds ON maintenance_version (window_id) WHERE valid_until IS NULL;
