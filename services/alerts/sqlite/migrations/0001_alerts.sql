-- +goose Up

-- Local copy of the monitors service's catalog.
CREATE TABLE monitor (
    id              INTEGER PRIMARY KEY,
    organization_id TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    url             TEXT    NOT NULL,
    enabled         INTEGER NOT NULL,
    regions_json    TEXT    NOT NULL,
    version         INTEGER NOT NULL,
    deleted_at      INTEGER -- unix milliseconds, like all times here
) STRICT;

-- What was last announced of a monitor: up, degraded or down.
CREATE TABLE monitor_state (
    monitor_id INTEGER PRIMARY KEY,
    known      TEXT    NOT NULL
) STRICT;

CREATE TABLE uptime_alerts (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id     TEXT    NOT NULL,
    monitor_id          INTEGER NOT NULL,
    alert_type          TEXT    NOT NULL,
    alert_config        TEXT    NOT NULL, -- JSON, what may be read
    alert_config_sealed BLOB    NOT NULL,
    conditions          TEXT    NOT NULL, -- JSON
    about_uptime        INTEGER NOT NULL, -- whether a condition is about uptime
    enabled             INTEGER NOT NULL DEFAULT 1,
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL
) STRICT;

CREATE INDEX uptime_alerts_by_monitor ON uptime_alerts (monitor_id, id);

CREATE TABLE uptime_alert_history (
    id              INTEGER PRIMARY KEY, -- given by evaluation, in the order of the feed
    alert_id        INTEGER NOT NULL REFERENCES uptime_alerts (id) ON DELETE CASCADE,
    organization_id TEXT    NOT NULL,
    monitor_id      INTEGER NOT NULL,
    triggered_at    INTEGER NOT NULL,
    resolved_at     INTEGER,
    alert_data      TEXT    NOT NULL, -- JSON
    holding         TEXT    NOT NULL  -- JSON, the conditions that hold
) STRICT;

CREATE UNIQUE INDEX uptime_alert_history_open ON uptime_alert_history (alert_id) WHERE resolved_at IS NULL;
CREATE INDEX uptime_alert_history_by_alert ON uptime_alert_history (alert_id);
CREATE INDEX uptime_alert_history_by_time ON uptime_alert_history (organization_id, triggered_at DESC, id DESC);
CREATE INDEX uptime_alert_history_by_monitor ON uptime_alert_history (organization_id, monitor_id, triggered_at DESC, id DESC);

CREATE TABLE incident (
    id                    INTEGER PRIMARY KEY, -- given by evaluation, in the order of the feed
    organization_id       TEXT    NOT NULL,
    monitor_id            INTEGER NOT NULL,
    monitor_name          TEXT    NOT NULL,
    status                TEXT    NOT NULL CHECK (status IN ('active', 'acknowledged', 'resolved')),
    start_time            INTEGER NOT NULL,
    end_time              INTEGER,
    affected_regions_json TEXT    NOT NULL,
    last_error            TEXT    NOT NULL,
    last_error_type       TEXT    NOT NULL,
    failure_count         INTEGER NOT NULL,
    acknowledged_by       TEXT    NOT NULL,
    acknowledged_at       INTEGER,
    resolved_by           TEXT    NOT NULL,
    resolved_at           INTEGER,
    created_at            INTEGER NOT NULL,
    updated_at            INTEGER NOT NULL,
    settled               INTEGER NOT NULL, -- whether the outage itself is over
    counted_at            INTEGER NOT NULL,
    streak                INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX incident_unsettled ON incident (monitor_id) WHERE settled = 0;
CREATE INDEX incident_by_time ON incident (organization_id, start_time DESC, id DESC);
CREATE INDEX incident_by_monitor ON incident (organization_id, monitor_id, start_time DESC, id DESC);

CREATE TABLE notification_channel (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id TEXT    NOT NULL,
    type            TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    config          TEXT    NOT NULL, -- JSON, what may be read
    config_sealed   BLOB    NOT NULL,
    monitor_ids     TEXT,             -- JSON; NULL means all
    trigger_events  TEXT    NOT NULL, -- JSON
    enabled         INTEGER NOT NULL DEFAULT 1,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
) STRICT;

CREATE INDEX notification_channel_by_organization ON notification_channel (organization_id, id);

-- How far each reader has come, and the identifiers that went with it.
CREATE TABLE feed_cursor (
    name             TEXT    NOT NULL PRIMARY KEY,
    seq              INTEGER NOT NULL,
    last_incident_id INTEGER NOT NULL,
    last_trigger_id  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
    position         INTEGER PRIMARY KEY AUTOINCREMENT,
    id               TEXT    NOT NULL UNIQUE,
    organization_id  TEXT    NOT NULL,
    monitor_id       INTEGER NOT NULL,
    target_kind      TEXT    NOT NULL CHECK (target_kind IN ('alert', 'channel')),
    target_id        INTEGER NOT NULL,
    type             TEXT    NOT NULL,
    incident_id      INTEGER,
    thread           TEXT    NOT NULL,
    opens            INTEGER NOT NULL, -- whether it begins its thread
    closes           INTEGER NOT NULL, -- whether it ends it
    content          TEXT    NOT NULL, -- JSON
    occurred_at      INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    state            TEXT    NOT NULL CHECK (state IN ('pending', 'delivered', 'dead', 'superseded')),
    attempts         INTEGER NOT NULL DEFAULT 0,
    refusals         INTEGER NOT NULL DEFAULT 0,
    next_attempt_at  INTEGER NOT NULL,
    claimed_until    INTEGER NOT NULL DEFAULT 0, -- 0 when nobody holds it
    lease            TEXT    NOT NULL DEFAULT '',
    delivered_at     INTEGER,
    last_status_code INTEGER NOT NULL DEFAULT 0,
    last_error       TEXT    NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX outbox_due ON outbox (next_attempt_at) WHERE state = 'pending';
CREATE INDEX outbox_queue ON outbox (target_kind, target_id, monitor_id, position) WHERE state = 'pending';
CREATE INDEX outbox_thread ON outbox (target_kind, target_id, thread) WHERE state = 'pending';
CREATE INDEX outbox_claimed ON outbox (target_kind, target_id, claimed_until) WHERE state = 'pending' AND claimed_until > 0;
CREATE INDEX outbox_by_organization ON outbox (organization_id, position DESC);
CREATE INDEX outbox_by_monitor ON outbox (organization_id, monitor_id, position DESC);
CREATE INDEX outbox_final ON outbox (state, created_at) WHERE state <> 'pending';

CREATE TABLE delivery_attempt (
    position    INTEGER NOT NULL REFERENCES outbox (position) ON DELETE CASCADE,
    attempt     INTEGER NOT NULL, -- from 1
    at          INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    status_code INTEGER NOT NULL, -- 0 when there was no answer
    error       TEXT    NOT NULL,
    PRIMARY KEY (position, attempt)
) STRICT, WITHOUT ROWID;

-- Targets that asked to be left alone for a while.
CREATE TABLE target_hold (
    target_kind TEXT    NOT NULL,
    target_id   INTEGER NOT NULL,
    until       INTEGER NOT NULL,
    PRIMARY KEY (target_kind, target_id)
) STRICT, WITHOUT ROWID;
