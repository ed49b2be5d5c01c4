-- +goose Up

-- Greatest number of a lease under which a result was judged.
ALTER TABLE region_state ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;
