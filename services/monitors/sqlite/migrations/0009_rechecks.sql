-- +goose Up
-- Wishes for a check besides the schedule: the newest of each monitor in each region, forgotten after a while. Their numbers are drawn
-- from the region's row, so that they become visible in their order.
ALTER TABLE placement ADD COLUMN asked INTEGER NOT NULL DEFAULT 0; -- number of the last wish
CREATE TABLE recheck (
    region     TEXT    NOT NULL,
    monitor_id INTEGER NOT NULL,
    asked      INTEGER NOT NULL,
    asked_at   INTEGER NOT NULL, -- unix milliseconds
    PRIMARY KEY (region, monitor_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX recheck_by_asked ON recheck (region, asked);
