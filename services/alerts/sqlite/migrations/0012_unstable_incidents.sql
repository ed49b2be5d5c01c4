-- +goose Up
-- Of a monitor that was, or is, unstable in the course of the incident; NULL and 0 of any other.
ALTER TABLE incident ADD COLUMN unstable_since INTEGER;
ALTER TABLE incident ADD COLUMN unstable_until INTEGER; -- NULL while it is
ALTER TABLE incident ADD COLUMN changes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE incident ADD COLUMN down_since INTEGER; -- when it went down last, if that is not start_time
ALTER TABLE incident ADD COLUMN up_since INTEGER; -- since when it works, if it does: an incident that is not settled is no outage then
