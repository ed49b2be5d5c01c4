-- +goose Up
-- Permission for remote probers to join, and what became of it. Whoever changes any of it locks this table first.
CREATE TABLE enrolment (
    prober_id        TEXT        NOT NULL COLLATE "C" PRIMARY KEY,
    region           TEXT        NOT NULL COLLATE "C" REFERENCES region (code),
    organization_id  TEXT        NOT NULL COLLATE "C", -- of who gave it
    token_hash       BYTEA       NOT NULL UNIQUE,
    token_expires_at TIMESTAMPTZ NOT NULL,
    key_hash         BYTEA,                            -- of the public key that joined; NULL: the token is not used
    version          TEXT        NOT NULL,
    enrolled_at      TIMESTAMPTZ NOT NULL,
    joined_at        TIMESTAMPTZ,
    removed_at       TIMESTAMPTZ,
    CHECK ((key_hash IS NULL) = (joined_at IS NULL))
);

CREATE TABLE prober_certificate (
    fingerprint BYTEA       NOT NULL PRIMARY KEY, -- SHA-256 of der
    prober_id   TEXT        NOT NULL COLLATE "C" REFERENCES enrolment (prober_id),
    key_hash    BYTEA       NOT NULL,
    der         BYTEA       NOT NULL,
    issued_at   TIMESTAMPTZ NOT NULL,
    expires_at  TIMESTAMPTZ NOT NULL,
    used_at     TIMESTAMPTZ,                      -- NULL: not yet
    revoked_at  TIMESTAMPTZ                       -- NULL: not revoked
);
CREATE INDEX prober_certificate_by_prober ON prober_certificate (prober_id, issued_at);

-- What signs probers' certificates.
CREATE TABLE authority (
    one         BOOLEAN     PRIMARY KEY CHECK (one),
    certificate BYTEA       NOT NULL,
    sealed_key  BYTEA       NOT NULL,
    made_at     TIMESTAMPTZ NOT NULL
);

ALTER TABLE prober ADD COLUMN removed_at TIMESTAMPTZ; -- NULL: not removed
