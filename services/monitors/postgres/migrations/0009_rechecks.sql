-- +goose Up
-- Wishes for a check besides the schedule: the newest of each monitor in each region, forgotten after a while. Their numbers are drawn
-- from the region's row, so that they become visible in their order.
ALTER TABLE placement ADD COLUMN asked BIGINT NOT NULL DEFAULT 0; -- number of the last wish
CREATE TABLE recheck (
    region     TEXT        NOT NULL COLLATE "C",
    monitor_id BIGINT      NOT NULL,
    asked      BIGINT      NOT NULL,
    asked_at   TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (region, monitor_id)
);
CREATE UNIQUE INDEX recheck_by_asked ON recheck (region, asked);
