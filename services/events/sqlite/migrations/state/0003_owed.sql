-- +goose Up

-- Monitors of which results are stored that their timelines do not tell of yet: from which slot on they have to be derived again.
CREATE TABLE owed (
  monitor_id INTEGER PRIMARY KEY,
  from_slot  INTEGER NOT NULL
) STRICT;
