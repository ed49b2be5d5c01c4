-- +goose Up

-- What was found out about the first failing check of a region. Both contents are encoded messages; raw holds what the target
-- said (headers and body), and is given up before the rest.
CREATE TABLE evidence (
  monitor_id      BIGINT      NOT NULL,
  scheduled_at    TIMESTAMPTZ NOT NULL,
  region          TEXT        COLLATE "C" NOT NULL,
  organization_id TEXT        NOT NULL,
  facts           BYTEA       NOT NULL,
  raw             BYTEA,               -- NULL once it is given up
  PRIMARY KEY (monitor_id, scheduled_at, region)
);
