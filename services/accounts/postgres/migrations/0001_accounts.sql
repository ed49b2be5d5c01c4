-- +goose Up
-- Texts that are compared or sorted have the collation "C", so that order and equality do not depend on the server's locale.
CREATE TABLE organization (
    id         TEXT        COLLATE "C" NOT NULL PRIMARY KEY, -- UUIDv7
    name       TEXT        COLLATE "C" NOT NULL,
    created_at TIMESTAMPTZ NOT NULL -- whole milliseconds, as every time here
);

CREATE TABLE "user" (
    id                  TEXT        COLLATE "C" NOT NULL PRIMARY KEY, -- UUIDv7
    email               TEXT        COLLATE "C" NOT NULL CONSTRAINT user_email_key UNIQUE CHECK (email = lower(email)),
    name                TEXT        NOT NULL,
    password_hash       TEXT        NOT NULL, -- PHC string
    created_at          TIMESTAMPTZ NOT NULL,
    password_changed_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE member (
    organization_id TEXT        COLLATE "C" NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
    user_id         TEXT        COLLATE "C" NOT NULL REFERENCES "user" (id) ON DELETE CASCADE,
    role            TEXT        NOT NULL CHECK (role IN ('viewer', 'editor', 'admin', 'owner')),
    created_at      TIMESTAMPTZ NOT NULL,
    CONSTRAINT member_pkey PRIMARY KEY (organization_id, user_id)
);

CREATE INDEX member_by_user ON member (user_id);

CREATE TABLE session (
    id              TEXT        COLLATE "C" NOT NULL PRIMARY KEY, -- UUIDv7
    token_hash      BYTEA       NOT NULL CONSTRAINT session_token_hash_key UNIQUE CHECK (octet_length(token_hash) = 32), -- SHA-256
    user_id         TEXT        COLLATE "C" NOT NULL REFERENCES "user" (id) ON DELETE CASCADE,
    organization_id TEXT        COLLATE "C" REFERENCES organization (id) ON DELETE SET NULL,
    created_at      TIMESTAMPTZ NOT NULL,
    last_used_at    TIMESTAMPTZ NOT NULL,
    expires_at      TIMESTAMPTZ NOT NULL,
    ip              TEXT        NOT NULL,
    user_agent      TEXT        NOT NULL
) WITH (fillfactor = 80); -- last_used_at changes in place

CREATE INDEX session_by_user ON session (user_id);
CREATE INDEX session_by_organization ON session (organization_id);

CREATE TABLE api_key (
    id              TEXT        COLLATE "C" NOT NULL PRIMARY KEY, -- UUIDv7
    organization_id TEXT        COLLATE "C" NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
    name            TEXT        NOT NULL,
    role            TEXT        NOT NULL CHECK (role IN ('viewer', 'editor', 'admin', 'owner')),
    secret_hash     BYTEA       NOT NULL CONSTRAINT api_key_secret_hash_key UNIQUE
                                CHECK (octet_length(secret_hash) = 32), -- SHA-256 of the whole key
    prefix          TEXT        NOT NULL,
    created_by      TEXT        COLLATE "C" NOT NULL REFERENCES "user" (id),
    operator        BOOLEAN     NOT NULL, -- brought along at start
    created_at      TIMESTAMPTZ NOT NULL,
    expires_at      TIMESTAMPTZ,
    last_used_at    TIMESTAMPTZ,
    revoked_at      TIMESTAMPTZ
) WITH (fillfactor = 80);

CREATE INDEX api_key_by_organization ON api_key (organization_id);
CREATE INDEX api_key_by_creator ON api_key (created_by);

CREATE TABLE setup_token (
    token_hash BYTEA       NOT NULL PRIMARY KEY CHECK (octet_length(token_hash) = 32), -- SHA-256
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
