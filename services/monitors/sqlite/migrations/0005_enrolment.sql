-- +goose Up
-- Permission for remote probers to join, and what became of it.
CREATE TABLE enrolment (
    prober_id        TEXT    NOT NULL PRIMARY KEY,
    region           TEXT    NOT NULL REFERENCES region (code),
    organization_id  TEXT    NOT NULL, -- of who gave it
    token_hash       BLOB    NOT NULL UNIQUE,
    token_expires_at INTEGER NOT NULL,
    key_hash         BLOB,             -- of the public key that joined; NULL: the token is not used
    version          TEXT    NOT NULL,
    enrolled_at      INTEGER NOT NULL,
    joined_at        INTEGER,
    removed_at       INTEGER,
    CHECK ((key_hash IS NULL) = (joined_at IS NULL))
) STRICT;

CREATE TABLE prober_certificate (
    fingerprint BLOB    NOT NULL PRIMARY KEY, -- SHA-256 of der
    prober_id   TEXT    NOT NULL REFERENCES enrolment (prober_id),
    key_hash    BLOB    NOT NULL,
    der         BLOB    NOT NULL,
    issued_at   INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    used_at     INTEGER,                      -- NULL: not yet
    revoked_at  INTEGER                       -- NULL: not revoked
) STRICT;
CREATE INDEX prober_certificate_by_prober ON prober_certificate (prober_id, issued_at);

-- What signs probers' certificates.
CREATE TABLE authority (
    only        INTEGER PRIMARY KEY CHECK (only = 1),
    certificate BLOB    NOT NULL,
    sealed_key  BLOB    NOT NULL,
    made_at     INTEGER NOT NULL
) STRICT;

ALTER TABLE prober ADD COLUMN removed_at INTEGER; -- NULL: not removed
