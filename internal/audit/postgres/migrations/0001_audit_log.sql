-- +goose Up
CREATE TABLE audit_log (
    id              TEXT        COLLATE "C" NOT NULL PRIMARY KEY,
    at              TIMESTAMPTZ NOT NULL,
    organization_id TEXT        COLLATE "C" NOT NULL,
    actor_kind      TEXT        NOT NULL,
    actor_id        TEXT        NOT NULL,
    actor_name      TEXT        NOT NULL,
    ip              TEXT        NOT NULL,
    action          TEXT        NOT NULL,
    object_kind     TEXT        COLLATE "C" NOT NULL,
    object_id       TEXT        COLLATE "C" NOT NULL,
    before_json     JSON, -- not JSONB: a record stays letter by letter what was written
    after_json      JSON,
    request_id      TEXT        NOT NULL
);

CREATE INDEX audit_log_by_time ON audit_log (organization_id, at DESC, id DESC);
CREATE INDEX audit_log_by_object ON audit_log (organization_id, object_kind, object_id, at DESC, id DESC);
