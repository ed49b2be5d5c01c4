-- +goose Up

-- What was found out about the first failing check of a region. Both contents are encoded messages; raw holds what the target
-- said (headers and body), and is given up before the rest.
CREATE TABLE evidence (
  id              INTEGER PRIMARY KEY,
  monitor_id      INTEGER NOT NULL,
  region          TEXT    NOT NULL,
  scheduled_at    INTEGER NOT NULL,
  organization_id TEXT    NOT NULL,
  facts           BLOB    NOT NULL,
  raw             BLOB,             -- NULL once it is given up
  UNIQUE (monitor_id, scheduled_at, region)
) STRICT;
