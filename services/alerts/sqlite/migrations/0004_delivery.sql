-- +goose Up

-- When the 24 hours of trying began; NULL until the message is taken for the first time.
ALTER TABLE outbox ADD COLUMN begun_at INTEGER;
UPDATE outbox SET begun_at = created_at;
-- How many attempts were made before that, of a message that was dead and is tried again.
ALTER TABLE outbox ADD COLUMN attempts_before INTEGER NOT NULL DEFAULT 0;
-- The message that tells this one; NULL if it goes by itself. Until the digest is final, this one is pending and holds its place
-- in its line.
ALTER TABLE outbox ADD COLUMN digest_id TEXT;
CREATE INDEX outbox_digest ON outbox (digest_id) WHERE digest_id IS NOT NULL;

-- The beginning of what the receiver answered, without secrets.
ALTER TABLE delivery_attempt ADD COLUMN response TEXT NOT NULL DEFAULT '';

-- How fast a channel may be told. 0 means that nothing is merged, and that nothing is limited.
ALTER TABLE notification_channel ADD COLUMN digest_window_ms INTEGER NOT NULL DEFAULT 30000;
ALTER TABLE notification_channel ADD COLUMN max_per_minute INTEGER NOT NULL DEFAULT 30;

-- How targets were told lately.
CREATE TABLE delivery_target (
    target_kind  TEXT    NOT NULL,
    target_id    INTEGER NOT NULL,
    burst_from   INTEGER, -- the window in which messages are counted, and merged
    burst_told   INTEGER NOT NULL DEFAULT 0,
    flushing     INTEGER NOT NULL DEFAULT 0,
    paced_until  INTEGER NOT NULL DEFAULT 0, -- it has been sent as much as it may in a minute
    delivered_at INTEGER NOT NULL DEFAULT 0, -- when it last accepted something
    PRIMARY KEY (target_kind, target_id)
) STRICT, WITHOUT ROWID;

-- What was sent to channels in the last minute.
CREATE TABLE delivery_sent (
    id          INTEGER PRIMARY KEY,
    target_kind TEXT    NOT NULL,
    target_id   INTEGER NOT NULL,
    at          INTEGER NOT NULL
) STRICT;
CREATE INDEX delivery_sent_by_target ON delivery_sent (target_kind, target_id, at);
