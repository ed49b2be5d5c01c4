-- +goose Up
-- The copy of the maintenance windows, each version of them. Times are unix milliseconds.
CREATE TABLE maintenance_version (
    window_id       INTEGER NOT NULL,
    version         INTEGER NOT NULL,
    organization_id TEXT    NOT NULL,
    target          TEXT    NOT NULL, -- JSON, which monitors it is for
    spec            TEXT    NOT NULL, -- JSON, when it is
    valid_from      INTEGER NOT NULL,
    valid_until     INTEGER,          -- NULL: it holds
    PRIMARY KEY (window_id, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX maintenance_version_by_organization ON maintenance_version (organization_id);

ALTER TABLE monitor ADD COLUMN labels_json TEXT NOT NULL DEFAULT '{}';

-- What receivers know of a monitor, while that is not what is so; NULL when there is nothing to remember.
ALTER TABLE monitor_state ADD COLUMN overlay TEXT;
-- When to look whether maintenance is over; NULL when there is none.
ALTER TABLE monitor_state ADD COLUMN overlay_until INTEGER;
CREATE INDEX monitor_state_overlay ON monitor_state (overlay_until) WHERE overlay_until IS NOT NULL;

-- Whether it began in maintenance.
ALTER TABLE incident ADD COLUMN maintenance INTEGER NOT NULL DEFAULT 0;
