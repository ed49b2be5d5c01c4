-- +goose Up
-- What happened in the course of an incident, as far as no other table tells it.
CREATE TABLE incident_step (
    incident_id BIGINT      NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
    number      BIGINT      NOT NULL, -- from 1
    at          TIMESTAMPTZ NOT NULL,
    kind        TEXT        NOT NULL,
    facts       JSONB       NOT NULL,
    PRIMARY KEY (incident_id, number)
);

-- Regions that saw it down last, and how many steps were noted.
ALTER TABLE incident ADD COLUMN down_regions JSONB NOT NULL DEFAULT '[]';
ALTER TABLE incident ADD COLUMN steps BIGINT NOT NULL DEFAULT 0;

-- What people wrote about incidents.
CREATE TABLE incident_note (
    id              BIGINT      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    incident_id     BIGINT      NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
    organization_id TEXT        NOT NULL,
    text            TEXT        NOT NULL,
    author_kind     TEXT        NOT NULL,
    author_id       TEXT        NOT NULL,
    author_name     TEXT        NOT NULL,
    created_at      TIMESTAMPTZ NOT NULL,
    edited_at       TIMESTAMPTZ
);
CREATE INDEX incident_note_by_incident ON incident_note (incident_id, id);

CREATE INDEX outbox_by_incident ON outbox (incident_id, position) WHERE incident_id IS NOT NULL;
