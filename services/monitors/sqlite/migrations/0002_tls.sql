-- +goose Up
-- A third kind of check. SQLite cannot change a CHECK, so the table is made anew; ids go on where they were.
CREATE TABLE next_monitors (
    id                     INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again, because histories outlive monitors
    organization_id        TEXT    NOT NULL,
    name                   TEXT    NOT NULL,
    monitor_type           TEXT    NOT NULL CHECK (monitor_type IN ('http', 'tcp', 'tls')),
    interval_seconds       INTEGER CHECK (interval_seconds BETWEEN 1 AND 86400), -- NULL: cron
    cron                   TEXT,                                                 -- NULL: interval
    timezone               TEXT,                                                 -- NULL: UTC
    enabled                INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    http_config            TEXT CHECK (json_valid(http_config)), -- without secrets
    tcp_config             TEXT CHECK (json_valid(tcp_config)),
    tls_config             TEXT CHECK (json_valid(tls_config)),
    sealed                 BLOB,                                 -- the secrets of the configuration; NULL: none
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
    CHECK ((http_config IS NOT NULL) = (monitor_type = 'http') AND (tcp_config IS NOT NULL) = (monitor_type = 'tcp')
        AND (tls_config IS NOT NULL) = (monitor_type = 'tls'))
) STRICT;

INSERT INTO next_monitors (id, organization_id, name, monitor_type, interval_seconds, cron, timezone, enabled, http_config, tcp_config,
    sealed, validation_rules, regions, retry_attempts, retry_delay_ms, confirm_down, confirm_up, retry_interval_seconds, overlap, quorum,
    degraded_above_ms, labels, external_id, managed_by, search_text, created_at, updated_at, active_since, created_by, version, rev, deleted_at)
SELECT id, organization_id, name, monitor_type, interval_seconds, cron, timezone, enabled, http_config, tcp_config,
    sealed, validation_rules, regions, retry_attempts, retry_delay_ms, confirm_down, confirm_up, retry_interval_seconds, overlap, quorum,
    degraded_above_ms, labels, external_id, managed_by, search_text, created_at, updated_at, active_since, created_by, version, rev, deleted_at
FROM uptime_monitors;

INSERT INTO sqlite_sequence (name, seq)
SELECT 'next_monitors', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'next_monitors');
UPDATE sqlite_sequence SET seq = max(seq, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'uptime_monitors'), 0))
WHERE name = 'next_monitors';

DROP TABLE uptime_monitors;
ALTER TABLE next_monitors RENAME TO uptime_monitors;

CREATE INDEX uptime_monitors_by_organization ON uptime_monitors (organization_id, id DESC) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX uptime_monitors_by_external_id ON uptime_monitors (organization_id, external_id)
    WHERE deleted_at IS NULL AND external_id IS NOT NULL;
CREATE UNIQUE INDEX uptime_monitors_by_rev ON uptime_monitors (rev);
