-- +goose Up
CREATE TABLE organization (
    id         TEXT    NOT NULL PRIMARY KEY, -- UUIDv7
    name       TEXT    NOT NULL,
    created_at INTEGER NOT NULL -- unix milliseconds, as every time here
) STRICT;

CREATE TABLE "user" (
    id                  TEXT    NOT NULL PRIMARY KEY, -- UUIDv7
    email               TEXT    NOT NULL UNIQUE CHECK (email = lower(email)),
    name                TEXT    NOT NULL,
    password_hash       TEXT    NOT NULL, -- PHC string
    created_at          INTEGER NOT NULL,
    password_changed_at INTEGER NOT NULL
) STRICT;

CREATE TABLE member (
    organization_id TEXT    NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
    user_id         TEXT    NOT NULL REFERENCES "user" (id) ON DELETE CASCADE,
    role            TEXT    NOT NULL CHECK (role IN ('viewer', 'editor', 'admin', 'owner')),
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (organization_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX member_by_user ON member (user_id);

CREATE TABLE session (
    id              TEXT    NOT NULL PRIMARY KEY, -- UUIDv7
    token_hash      BLOB    NOT NULL UNIQUE CHECK (length(token_hash) = 32), -- SHA-256
    user_id         TEXT    NOT NULL REFERENCES "user" (id) ON DELETE CASCADE,
    organization_id TEXT    REFERENCES organization (id) ON DELETE SET NULL,
    created_at      INTEGER NOT NULL,
    last_used_at    INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    ip              TEXT    NOT NULL,
    user_agent      TEXT    NOT NULL
) STRICT;

CREATE INDEX session_by_user ON session (user_id);
CREATE INDEX session_by_organization ON session (organization_id);

CREATE TABLE api_key (
    id              TEXT    NOT NULL PRIMARY KEY, -- UUIDv7
    organization_id TEXT    NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
    name            TEXT    NOT NULL,
    role            TEXT    NOT NULL CHECK (role IN ('viewer', 'editor', 'admin', 'owner')),
    secret_hash     BLOB    NOT NULL UNIQUE CHECK (length(secret_hash) = 32), -- SHA-256 of the whole key
    prefix          TEXT    NOT NULL,
    created_by      TEXT    NOT NULL REFERENCES "user" (id),
    operator        INTEGER NOT NULL CHECK (operator IN (0, 1)), -- 1: brought along at start
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER,
    last_used_at    INTEGER,
    revoked_at      INTEGER
) STRICT;

CREATE INDEX api_key_by_organization ON api_key (organization_id);
CREATE INDEX api_key_by_creator ON api_key (created_by);

CREATE TABLE setup_token (
    token_hash BLOB    NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32), -- SHA-256
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
