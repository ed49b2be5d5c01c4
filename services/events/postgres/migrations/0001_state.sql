-- +goose Up

-- Times are whole milliseconds, NULL is none; durations carry their unit in the name. States are named as in the API; NULL is
-- none. Names of regions sort by their bytes, as they do in memory.

-- Who may write, and how far the feed is numbered: one row. Every commit changes it first, so commits take turns, and one whose
-- epoch or count is not the stored one changes nothing.
CREATE TABLE ownership (
  only_row BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (only_row),
  epoch    BIGINT      NOT NULL, -- raised by each new owner
  commits  BIGINT      NOT NULL, -- of the epoch
  feed_seq BIGINT      NOT NULL, -- greatest number ever given
  holder   TEXT        NOT NULL, -- for people who look
  since    TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 10);
INSERT INTO ownership (epoch, commits, feed_seq, holder, since) VALUES (0, 0, 0, '', now());

-- Monitors as the monitors service announces them. Deleted ones stay as tombstones, so that a straggling result does not
-- bring them back.
CREATE TABLE catalog (
  monitor_id        BIGINT PRIMARY KEY,
  organization_id   TEXT     NOT NULL,
  name              TEXT     NOT NULL,
  monitor_type      SMALLINT NOT NULL, -- the wire's number
  monitor_url       TEXT     NOT NULL,
  enabled           BOOLEAN  NOT NULL,
  regions           JSONB    NOT NULL, -- array of names
  confirm_down      BIGINT   NOT NULL,
  confirm_up        BIGINT   NOT NULL,
  interval_ms       BIGINT   NOT NULL,
  timeout_ms        BIGINT   NOT NULL,
  quorum            TEXT     NOT NULL,
  degraded_above_ms BIGINT   NOT NULL,
  version           BIGINT   NOT NULL,
  created_at        TIMESTAMPTZ,
  updated_at        TIMESTAMPTZ,
  deleted           BOOLEAN  NOT NULL
);

-- A monitor's state: the newest interval of its timeline, and in the columns from up_ms to outages what all before add up to.
-- What changes with every check (last and next check, counts) is in region_state alone, and read from there: one row per
-- check, not two.
CREATE TABLE uptime_monitor_status (
  monitor_id      BIGINT PRIMARY KEY,
  organization_id TEXT   NOT NULL,
  current_status  TEXT,
  since           TIMESTAMPTZ,
  seq             BIGINT NOT NULL,
  known           TEXT,
  up_ms           BIGINT NOT NULL,
  degraded_ms     BIGINT NOT NULL,
  down_ms         BIGINT NOT NULL,
  unknown_ms      BIGINT NOT NULL,
  paused_ms       BIGINT NOT NULL,
  maintenance_ms  BIGINT NOT NULL,
  outages         BIGINT NOT NULL,
  updated_at      TIMESTAMPTZ
) WITH (fillfactor = 80);
CREATE INDEX uptime_monitor_status_by_state ON uptime_monitor_status (organization_id, current_status, monitor_id);

-- A monitor as one region sees it: the rows that change with every check. No index but the key, and half of each page is left
-- free, so that a new version of a row lies beside the old one, touches no index, and takes the place of the one before it
-- without waiting for vacuum. Vacuum is not throttled: the table is small and all of it changes.
CREATE TABLE region_state (
  monitor_id         BIGINT NOT NULL,
  region             TEXT   COLLATE "C" NOT NULL,
  current_status     TEXT,
  since              TIMESTAMPTZ,
  seq                BIGINT NOT NULL,
  known              TEXT,
  up_ms              BIGINT NOT NULL,
  degraded_ms        BIGINT NOT NULL,
  down_ms            BIGINT NOT NULL,
  unknown_ms         BIGINT NOT NULL,
  paused_ms          BIGINT NOT NULL,
  maintenance_ms     BIGINT NOT NULL,
  outages            BIGINT NOT NULL,
  verdict            TEXT,
  last_slot          TIMESTAMPTZ,
  checked_at         TIMESTAMPTZ,
  next_at            TIMESTAMPTZ,
  unknown_at         TIMESTAMPTZ,
  silent             BOOLEAN NOT NULL,
  grace_until        TIMESTAMPTZ,
  failures           BIGINT NOT NULL,
  successes          BIGINT NOT NULL,
  faults             BIGINT NOT NULL,
  first_failure      TIMESTAMPTZ,
  first_success      TIMESTAMPTZ,
  first_fault        TIMESTAMPTZ,
  response_us        BIGINT,          -- of the newest check; NULL before the first
  error_type         TEXT   NOT NULL,
  error_message      TEXT   NOT NULL,
  observed_at        TIMESTAMPTZ,
  observed_successes BIGINT NOT NULL,
  observed_sum_us    BIGINT NOT NULL,
  observed_max_us    BIGINT NOT NULL,
  PRIMARY KEY (monitor_id, region)
) WITH (fillfactor = 45, autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_scale_factor = 0.5, autovacuum_analyze_scale_factor = 1);

-- Every interval of every timeline; region is empty for the monitor itself. Rows are only added: vacuum has to freeze them and
-- to note which pages all can see, a part at a time.
CREATE TABLE transition (
  monitor_id           BIGINT NOT NULL,
  region               TEXT   COLLATE "C" NOT NULL,
  since                TIMESTAMPTZ NOT NULL,
  seq                  BIGINT NOT NULL,
  status               TEXT,
  from_status          TEXT,
  known                TEXT,
  up_ms                BIGINT NOT NULL,
  degraded_ms          BIGINT NOT NULL,
  down_ms              BIGINT NOT NULL,
  unknown_ms           BIGINT NOT NULL,
  paused_ms            BIGINT NOT NULL,
  maintenance_ms       BIGINT NOT NULL,
  outages              BIGINT NOT NULL,
  noted_at             TIMESTAMPTZ,
  cause_at             TIMESTAMPTZ,
  regions              JSONB  NOT NULL, -- array of names
  error_type           TEXT   NOT NULL,
  error_message        TEXT   NOT NULL,
  consecutive_failures BIGINT NOT NULL,
  reason               TEXT   NOT NULL,
  PRIMARY KEY (monitor_id, region, since, seq)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05);

-- What is announced, numbered by ownership.feed_seq: a sequence would give numbers that become visible out of order. Pruned
-- from its beginning; vacuum soon gives the room to what comes.
CREATE TABLE feed (
  seq             BIGINT PRIMARY KEY,
  organization_id TEXT     NOT NULL,
  monitor_id      BIGINT   NOT NULL,
  kind            SMALLINT NOT NULL, -- 1 transition, 2 observation
  noted_at        TIMESTAMPTZ NOT NULL,
  body            BYTEA    NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX feed_by_organization ON feed (organization_id, seq);

-- Greatest number of each kind that was pruned.
CREATE TABLE feed_pruned (
  kind SMALLINT PRIMARY KEY,
  seq  BIGINT   NOT NULL
);
