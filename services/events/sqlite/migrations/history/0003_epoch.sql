-- +goose Up

-- Number of the lease under which a check ran; 0 is one that needed none.
ALTER TABLE variant ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
