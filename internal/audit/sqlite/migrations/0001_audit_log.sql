-- +goose Up
CREATE TABLE audit_log (
    id              TEXT    NOT NULL PRIMARY KEY,
    at              INTEGER NOT NULL, -- unix milliseconds
    organization_id TEXT    NOT NULL,
    actor_kind      TEXT    NOT NULL,
    actor_id        TEXT    NOT NULL,
    actor_name      TEXT    NOT NULL,
    ip              TEXT    NOT NULL,
    action          TEXT    NOT NULL,
    object_kind     TEXT    NOT NULL,
    object_id       TEXT    NOT NULL,
    before_json     TEXT,
    after_json      TEXT,
    request_id      TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_log_by_time ON audit_log (organization_id, at DESC, id DESC);
CREATE INDEX audit_log_by_object ON audit_log (organization_id, object_kind, object_id, at DESC, id DESC);
