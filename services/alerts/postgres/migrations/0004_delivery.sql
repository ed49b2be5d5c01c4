-- +goose Up

-- When the 24 hours of trying began; NULL until the message is taken for the first time.
ALTER TABLE outbox ADD COLUMN begun_at TIMESTAMPTZ;
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
ALTER TABLE notification_channel ADD COLUMN digest_window_ms BIGINT NOT NULL DEFAULT 30000;
ALTER TABLE notification_channel ADD COLUMN max_per_minute INTEGER NOT NULL DEFAULT 30;

-- How targets were told lately: the window in which messages are counted, and merged; until when it has been sent as much as
-- it may in a minute; and when it last accepted something.
ALTER TABLE delivery_target ADD COLUMN burst_from TIMESTAMPTZ;
ALTER TABLE delivery_target ADD COLUMN burst_told INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery_target ADD COLUMN flushing BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE delivery_target ADD COLUMN paced_until TIMESTAMPTZ;
ALTER TABLE delivery_target ADD COLUMN delivered_at TIMESTAMPTZ;
ALTER TABLE delivery_target DROP COLUMN ready_at;
ALTER TABLE delivery_target ADD COLUMN ready_at TIMESTAMPTZ GENERATED ALWAYS AS (
    CASE WHEN due_at IS NOT NULL THEN greatest(due_at, held_until, claimed_until, paced_until) END) STORED;
CREATE INDEX delivery_target_ready ON delivery_target (ready_at, target_kind, target_id) WHERE ready_at IS NOT NULL;

-- What was sent to channels in the last minute.
CREATE TABLE delivery_sent (
    id          BIGINT      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target_kind TEXT        NOT NULL,
    target_id   BIGINT      NOT NULL,
    at          TIMESTAMPTZ NOT NULL
);
CREATE INDEX delivery_sent_by_target ON delivery_sent (target_kind, target_id, at);
