-- +goose Up

-- When the 24 hours of trying began, where that is not when the message was written: it was dead and is tried again.
ALTER TABLE outbox ADD COLUMN begun_at TIMESTAMPTZ;
-- How many attempts were made before that.
ALTER TABLE outbox ADD COLUMN attempts_before INTEGER NOT NULL DEFAULT 0;

-- The beginning of what the receiver answered, without secrets.
ALTER TABLE delivery_attempt ADD COLUMN response TEXT NOT NULL DEFAULT '';
