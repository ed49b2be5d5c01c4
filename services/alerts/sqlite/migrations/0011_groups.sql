-- +goose Up
-- Groups of monitors, with what evaluation knows of each.
CREATE TABLE monitor_group (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    description     TEXT    NOT NULL,
    target          TEXT    NOT NULL, -- JSON, which monitors are in it
    rule_kind       TEXT    NOT NULL,
    rule_value      INTEGER NOT NULL, -- members, or percent
    alert_level     TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    status          TEXT    NOT NULL DEFAULT '',
    since           INTEGER,
    told            TEXT    NOT NULL DEFAULT '', -- what receivers know of it
    outage_at       INTEGER,                     -- of the outage that they know, while it goes on
    changes         INTEGER NOT NULL DEFAULT 0,  -- that were told
    due_at          INTEGER                      -- when to tell what is so, whatever is unknown by then; NULL when nothing waits
) STRICT;
CREATE INDEX monitor_group_by_organization ON monitor_group (organization_id, id);
CREATE INDEX monitor_group_due ON monitor_group (due_at) WHERE due_at IS NOT NULL;

-- Who is in which group, by its target and the labels of the monitors.
CREATE TABLE group_member (
    group_id   INTEGER NOT NULL REFERENCES monitor_group (id) ON DELETE CASCADE,
    monitor_id INTEGER NOT NULL,
    PRIMARY KEY (group_id, monitor_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_member_by_monitor ON group_member (monitor_id, group_id);
