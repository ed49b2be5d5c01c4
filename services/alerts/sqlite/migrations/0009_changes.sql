-- +goose Up
-- When a monitor went down or came up again lately, a JSON array of times; NULL without any.
ALTER TABLE monitor_state ADD COLUMN changes TEXT;
