-- +goose Up
-- Times are whole milliseconds. Configurations have the JSON of the REST surface, in which jsonb.go spells what JSONB cannot
-- hold. COLLATE "C" orders by bytes, the same on every server.
CREATE TABLE uptime_monitors (
    id                     BIGINT      NOT NULL GENERATED ALWAYS AS IDENTITY (MAXVALUE 4294967295),
    organization_id        TEXT        NOT NULL COLLATE "C",
    name                   TEXT        NOT NULL,
    monitor_type           TEXT        NOT NULL COLLATE "C" CHECK (monitor_type IN ('http', 'tcp')),
    interval_seconds       INTEGER     CHECK (interval_seconds BETWEEN 1 AND 86400), -- NULL: cron
    cron                   TEXT,                                                     -- NULL: interval
    timezone               TEXT,                                                     -- NULL: UTC
    enabled                BOOLEAN     NOT NULL,
    http_config            JSONB,                                                    -- without secrets
    tcp_config             JSONB,
    sealed                 BYTEA,                                                    -- the secrets of http_config; NULL: none
    validation_rules       JSONB       NOT NULL,
    regions                JSONB       NOT NULL,
    retry_attempts         INTEGER     NOT NULL,
    retry_delay_ms         INTEGER     NOT NULL,
    confirm_down           INTEGER     NOT NULL,
    confirm_up             INTEGER     NOT NULL,
    retry_interval_seconds INTEGER,                                                  -- NULL: follows the interval
    overlap                TEXT        NOT NULL CHECK (overlap IN ('skip', 'parallel')),
    quorum                 TEXT        NOT NULL,
    degraded_above_ms      INTEGER,                                                  -- NULL: never
    labels                 JSONB       NOT NULL,
    external_id            TEXT        COLLATE "C",
    managed_by             TEXT,
    search_text            TEXT        NOT NULL COLLATE "C",                         -- lower case
    terms                  BIGINT[]    NOT NULL,                                     -- see terms.go
    created_at             TIMESTAMPTZ NOT NULL,
    updated_at             TIMESTAMPTZ NOT NULL,
    active_since           TIMESTAMPTZ NOT NULL,
    created_by             TEXT        NOT NULL,
    version                BIGINT      NOT NULL CHECK (version >= 1),
    rev                    BIGINT      NOT NULL,
    deleted_at             TIMESTAMPTZ,                                              -- NULL: not deleted
    PRIMARY KEY (organization_id, id),
    CHECK ((interval_seconds IS NULL) <> (cron IS NULL)),
    CHECK ((http_config IS NOT NULL) = (monitor_type = 'http') AND (tcp_config IS NOT NULL) = (monitor_type = 'tcp'))
);

-- Every path to monitors begins with the organization. An index by id alone is what the planner would rather walk for a
-- newest page, through all monitors of everybody if the organization's are old; so the one that keeps ids unique has a
-- condition that no query states.
CREATE UNIQUE INDEX uptime_monitors_id ON uptime_monitors (id) WHERE id > 0;

CREATE INDEX uptime_monitors_by_organization ON uptime_monitors (organization_id, id DESC, enabled, monitor_type)
    WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX uptime_monitors_by_external_id ON uptime_monitors (organization_id, external_id)
    WHERE deleted_at IS NULL AND external_id IS NOT NULL;
CREATE UNIQUE INDEX uptime_monitors_by_rev ON uptime_monitors (rev);

-- Without fastupdate: lists are read often and must not wade through a pending list, monitors are written seldom.
CREATE INDEX uptime_monitors_by_term ON uptime_monitors USING gin (terms) WITH (fastupdate = off) WHERE deleted_at IS NULL;

-- The number of the last change of any monitor. Whoever writes locks this row first and until the commit: a sequence would
-- give numbers out in another order than that in which transactions become visible.
CREATE TABLE revision (
    one BOOLEAN PRIMARY KEY CHECK (one),
    rev BIGINT  NOT NULL
);
INSERT INTO revision (one, rev) VALUES (TRUE, 0);

CREATE TABLE region (
    code TEXT NOT NULL COLLATE "C" PRIMARY KEY,
    name TEXT NOT NULL
);
INSERT INTO region (code, name) VALUES ('local', 'Local');

-- Updated at every heartbeat, in place.
CREATE TABLE prober (
    id           TEXT        NOT NULL COLLATE "C" PRIMARY KEY,
    region       TEXT        NOT NULL COLLATE "C" REFERENCES region (code),
    version      TEXT        NOT NULL,
    session      TEXT        NOT NULL, -- of the newest stream
    connected    BOOLEAN     NOT NULL,
    last_seen_at TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 50);

-- First answers to requests with an Idempotency-Key.
CREATE TABLE answer (
    organization_id TEXT        NOT NULL COLLATE "C",
    key             TEXT        NOT NULL COLLATE "C",
    fingerprint     BYTEA       NOT NULL,
    body            BYTEA       NOT NULL,
    etag            TEXT        NOT NULL,
    at              TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (organization_id, key)
);
CREATE INDEX answer_by_time ON answer (at);
