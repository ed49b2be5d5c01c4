-- +goose Up
-- Times are unix milliseconds; configurations have the JSON of the REST surface.
CREATE TABLE uptime_monitors (
    id                     INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again, because histories outlive monitors
    organization_id        TEXT    NOT NULL,
    name                   TEXT    NOT NULL,
    monitor_type           TEXT    NOT NULL CHECK (monitor_type IN ('http', 'tcp')),
    interval_seconds       INTEGER CHECK (interval_seconds BETWEEN 1 AND 86400), -- NULL: cron
    cron                   TEXT,                                                 -- NULL: interval
    timezone               TEXT,                                                 -- NULL: UTC
    enabled                INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    http_config            TEXT CHECK (json_valid(http_config)), -- without secrets
    tcp_config             TEXT CHECK (json_valid(tcp_config)),
    sealed                 BLOB,                                 -- the secrets of http_config; NULL: none
    validation_rules       TEXT    NOT NULL CHECK (json_valid(validation_rules)),
    regions                TEXT    NOT NULL CHECK (json_valid(regions)),
    retry_attempts         INTEGER NOT NULL,
    retry_delay_ms         INTEGER NOT NULL,
    confirm_down           INTEGER NOT NULL,
    confirm_up             INTEGER NOT NULL,
    retry_interval_seconds INTEGER,                              -- NULL: follows the interval
    overlap                TEXT    NOT NULL CHECK (overlap IN ('skip', 'parallel')),
    quorum                 TEXT    NOT NULL,
    degraded_above_ms      INTEGER,                              -- NULL: never
    labels                 TEXT    NOT NULL CHECK (json_valid(labels)),
    external_id            TEXT,
    managed_by             TEXT,
    search_text            TEXT    NOT NULL,                     -- lower case
    created_at             INTEGER NOT NULL,
    updated_at             INTEGER NOT NULL,
    active_since           INTEGER NOT NULL,
    created_by             TEXT    NOT NULL,
    version                INTEGER NOT NULL CHECK (version >= 1),
    rev                    INTEGER NOT NULL,
    deleted_at             INTEGER,                              -- NULL: not deleted
    CHECK ((interval_seconds IS NULL) <> (cron IS NULL)),
    CHECK ((http_config IS NOT NULL) = (monitor_type = 'http') AND (tcp_config IS NOT NULL) = (monitor_type = 'tcp'))
) STRICT;

CREATE INDEX uptime_monitors_by_organization ON uptime_monitors (organization_id, id DESC) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX uptime_monitors_by_external_id ON uptime_monitors (organization_id, external_id)
    WHERE deleted_at IS NULL AND external_id IS NOT NULL;
CREATE UNIQUE INDEX uptime_monitors_by_rev ON uptime_monitors (rev);

-- The number of the last change of any monitor. Every change takes the next under the write lock, so that numbers become
-- visible in their order.
CREATE TABLE revision (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    rev  INTEGER NOT NULL
) STRICT;
INSERT INTO revision (only, rev) VALUES (1, 0);

CREATE TABLE region (
    code TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO region (code, name) VALUES ('local', 'Local');

CREATE TABLE prober (
    id           TEXT    NOT NULL PRIMARY KEY,
    region       TEXT    NOT NULL REFERENCES region (code),
    version      TEXT    NOT NULL,
    session      TEXT    NOT NULL, -- of the newest stream
    connected    INTEGER NOT NULL CHECK (connected IN (0, 1)),
    last_seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- First answers to requests with an Idempotency-Key.
CREATE TABLE answer (
    organization_id TEXT    NOT NULL,
    key             TEXT    NOT NULL,
    fingerprint     BLOB    NOT NULL,
    body            BLOB    NOT NULL,
    etag            TEXT    NOT NULL,
    at              INTEGER NOT NULL,
    PRIMARY KEY (organization_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX answer_by_time ON answer (at);
