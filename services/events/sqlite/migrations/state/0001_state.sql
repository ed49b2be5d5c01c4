-- +goose Up

-- Times are milliseconds since 1970 UTC, 0 is none; durations carry their unit in the name.

-- Monitors as the monitors service announces them. Deleted ones stay as tombstones, so that a straggling result does not
-- bring them back.
CREATE TABLE catalog (
  monitor_id        INTEGER PRIMARY KEY,
  organization_id   TEXT    NOT NULL,
  name              TEXT    NOT NULL,
  monitor_type      INTEGER NOT NULL,
  monitor_url       TEXT    NOT NULL,
  enabled           INTEGER NOT NULL,
  regions           TEXT    NOT NULL, -- JSON array
  confirm_down      INTEGER NOT NULL,
  confirm_up        INTEGER NOT NULL,
  interval_ms       INTEGER NOT NULL,
  timeout_ms        INTEGER NOT NULL,
  quorum            TEXT    NOT NULL,
  degraded_above_ms INTEGER NOT NULL,
  version           INTEGER NOT NULL,
  created_at        INTEGER NOT NULL,
  updated_at        INTEGER NOT NULL,
  deleted           INTEGER NOT NULL
);

-- A monitor's state: the newest interval of its timeline, and in the columns from up_ms to outages what all before add up to.
-- What changes with every check (last and next check, counts) is in region_state alone, and read from there: one row per
-- check, not two.
CREATE TABLE uptime_monitor_status (
  monitor_id      INTEGER PRIMARY KEY,
  organization_id TEXT    NOT NULL,
  current_status  INTEGER NOT NULL,
  since           INTEGER NOT NULL,
  seq             INTEGER NOT NULL,
  known           INTEGER NOT NULL,
  up_ms           INTEGER NOT NULL,
  degraded_ms     INTEGER NOT NULL,
  down_ms         INTEGER NOT NULL,
  unknown_ms      INTEGER NOT NULL,
  paused_ms       INTEGER NOT NULL,
  maintenance_ms  INTEGER NOT NULL,
  outages         INTEGER NOT NULL,
  updated_at      INTEGER NOT NULL
);
CREATE INDEX uptime_monitor_status_by_state ON uptime_monitor_status (organization_id, current_status, monitor_id);

-- A monitor as one region sees it. unknown_at is the deadline; it has no index, because the process that receives the region's
-- results holds all of them in memory, and an index would double the cost of the row that changes most.
CREATE TABLE region_state (
  monitor_id         INTEGER NOT NULL,
  region             TEXT    NOT NULL,
  current_status     INTEGER NOT NULL,
  since              INTEGER NOT NULL,
  seq                INTEGER NOT NULL,
  known              INTEGER NOT NULL,
  up_ms              INTEGER NOT NULL,
  degraded_ms        INTEGER NOT NULL,
  down_ms            INTEGER NOT NULL,
  unknown_ms         INTEGER NOT NULL,
  paused_ms          INTEGER NOT NULL,
  maintenance_ms     INTEGER NOT NULL,
  outages            INTEGER NOT NULL,
  verdict            INTEGER NOT NULL,
  last_slot          INTEGER NOT NULL,
  checked_at         INTEGER NOT NULL,
  next_at            INTEGER NOT NULL,
  unknown_at         INTEGER NOT NULL,
  silent             INTEGER NOT NULL,
  grace_until        INTEGER NOT NULL,
  failures           INTEGER NOT NULL,
  successes          INTEGER NOT NULL,
  faults             INTEGER NOT NULL,
  first_failure      INTEGER NOT NULL,
  first_success      INTEGER NOT NULL,
  first_fault        INTEGER NOT NULL,
  response_us        INTEGER,          -- of the newest check; NULL before the first
  error_type         TEXT    NOT NULL,
  error_message      TEXT    NOT NULL,
  observed_at        INTEGER NOT NULL,
  observed_successes INTEGER NOT NULL,
  observed_sum_us    INTEGER NOT NULL,
  observed_max_us    INTEGER NOT NULL,
  PRIMARY KEY (monitor_id, region)
) WITHOUT ROWID;

-- Every interval of every timeline; region is empty for the monitor itself.
CREATE TABLE transition (
  id                   INTEGER PRIMARY KEY,
  monitor_id           INTEGER NOT NULL,
  region               TEXT    NOT NULL,
  since                INTEGER NOT NULL,
  seq                  INTEGER NOT NULL,
  status               INTEGER NOT NULL,
  from_status          INTEGER NOT NULL,
  known                INTEGER NOT NULL,
  up_ms                INTEGER NOT NULL,
  degraded_ms          INTEGER NOT NULL,
  down_ms              INTEGER NOT NULL,
  unknown_ms           INTEGER NOT NULL,
  paused_ms            INTEGER NOT NULL,
  maintenance_ms       INTEGER NOT NULL,
  outages              INTEGER NOT NULL,
  noted_at             INTEGER NOT NULL,
  cause_at             INTEGER NOT NULL,
  regions              TEXT    NOT NULL, -- JSON array, or empty
  error_type           TEXT    NOT NULL,
  error_message        TEXT    NOT NULL,
  consecutive_failures INTEGER NOT NULL,
  reason               TEXT    NOT NULL,
  UNIQUE (monitor_id, region, since, seq)
);

-- What is announced. AUTOINCREMENT: a number is never given twice, also after pruning.
CREATE TABLE feed (
  seq             INTEGER PRIMARY KEY AUTOINCREMENT,
  organization_id TEXT    NOT NULL,
  monitor_id      INTEGER NOT NULL,
  kind            INTEGER NOT NULL, -- 1 transition, 2 observation
  noted_at        INTEGER NOT NULL,
  body            BLOB    NOT NULL
);

-- Greatest number of each kind that was pruned.
CREATE TABLE feed_pruned (
  kind INTEGER PRIMARY KEY,
  seq  INTEGER NOT NULL
);
