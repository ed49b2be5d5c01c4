-- +goose Up
-- What happened in the course of an incident, as far as no other table tells it.
CREATE TABLE incident_step (
    incident_id INTEGER NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
    number      INTEGER NOT NULL, -- from 1
    at          INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    facts       TEXT    NOT NULL, -- JSON
    PRIMARY KEY (incident_id, number)
) STRICT, WITHOUT ROWID;

-- Regions that saw it down last, a JSON array, and how many steps were noted.
ALTER TABLE incident ADD COLUMN down_regions TEXT NOT NULL DEFAULT '[]';
ALTER TABLE incident ADD COLUMN steps INTEGER NOT NULL DEFAULT 0;

-- What people wrote about incidents.
CREATE TABLE incident_note (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    incident_id     INTEGER NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
    organization_id TEXT    NOT NULL,
    text            TEXT    NOT NULL,
    author_kind     TEXT    NOT NULL,
    author_id       TEXT    NOT NULL,
    author_name     TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    edited_at       INTEGER
) STRICT;
CREATE INDEX incident_note_by_incident ON incident_note (incident_id, id);

CREATE INDEX outbox_by_incident ON outbox (incident_id, position) WHERE incident_id IS NOT NULL;
