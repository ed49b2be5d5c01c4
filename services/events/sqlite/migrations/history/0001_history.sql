-- +goose Up

-- One month of results, by scheduled time in UTC. Moments inside the month are milliseconds since its start (below 2^32).

-- A monitor in a region.
CREATE TABLE series (
  id         INTEGER PRIMARY KEY, -- below 2^31
  monitor_id INTEGER NOT NULL,
  region     TEXT    NOT NULL,
  UNIQUE (monitor_id, region)
);

-- What results of one configuration have in common. hash is that of the content, as in the next two tables.
CREATE TABLE config (
  id              INTEGER PRIMARY KEY,
  hash            BLOB    NOT NULL UNIQUE,
  monitor_id      INTEGER NOT NULL,
  version         INTEGER NOT NULL,
  organization_id TEXT    NOT NULL,
  monitor_type    INTEGER NOT NULL,
  monitor_url     TEXT    NOT NULL,
  monitor_name    TEXT    NOT NULL,
  port            INTEGER NOT NULL
);

CREATE TABLE header_set (
  id      INTEGER PRIMARY KEY,
  hash    BLOB NOT NULL UNIQUE,
  headers TEXT NOT NULL -- JSON object
);

-- Everything about a result that is not a measurement: most results of a monitor share one.
CREATE TABLE variant (
  id                INTEGER PRIMARY KEY,
  hash              BLOB    NOT NULL UNIQUE,
  config_id         INTEGER NOT NULL REFERENCES config (id),
  status_code       INTEGER NOT NULL,
  attempt           INTEGER NOT NULL,
  prober_id         TEXT    NOT NULL,
  resolved_ip       TEXT    NOT NULL,
  ip_family         INTEGER NOT NULL,
  tls_version       TEXT    NOT NULL,
  cert_expires_at   INTEGER NOT NULL, -- milliseconds since 1970; 0 is none
  header_set_id     INTEGER REFERENCES header_set (id),
  error_type        TEXT    NOT NULL,
  error_message     TEXT    NOT NULL,
  failed_phase      INTEGER NOT NULL,
  validation_errors TEXT    NOT NULL, -- JSON array, or empty
  missed_count      INTEGER NOT NULL,
  next_at           INTEGER NOT NULL  -- of a missed row: the next due slot, milliseconds since 1970
);

-- New results, in the order of time: an append touches one page at the end, whatever the number of monitors.
-- id = moment * 2^31 + series
CREATE TABLE fresh (
  id          INTEGER PRIMARY KEY,
  outcome     INTEGER NOT NULL,
  variant_id  INTEGER NOT NULL,
  late_ms     INTEGER NOT NULL, -- of the start, after the slot
  response_us INTEGER NOT NULL,
  dns_us      INTEGER,
  tcp_us      INTEGER,
  tls_us      INTEGER,
  ttfb_us     INTEGER,
  transfer_us INTEGER,
  size_bytes  INTEGER
);

-- Settled results, together by monitor and region. A result is either here, and then counted in the roll-ups, or in fresh, and
-- then in none. The key says which result it is, so it needs no other index.
-- id = series * 2^32 + moment
CREATE TABLE result (
  id          INTEGER PRIMARY KEY,
  outcome     INTEGER NOT NULL,
  variant_id  INTEGER NOT NULL,
  late_ms     INTEGER NOT NULL,
  response_us INTEGER NOT NULL,
  dns_us      INTEGER,
  tcp_us      INTEGER,
  tls_us      INTEGER,
  ttfb_us     INTEGER,
  transfer_us INTEGER,
  size_bytes  INTEGER
);
CREATE INDEX result_fault ON result (id) WHERE outcome <> 1;

-- Roll-ups: sums over the settled results of a series in a minute, hour or day of UTC; times are those of successes.
-- id = series * 2^32 + moment of the start. Minutes are kept only for hours that are dense; the results of a sparse hour are
-- fewer than its minutes.
CREATE TABLE rollup_minute (
  id              INTEGER PRIMARY KEY,
  successes       INTEGER NOT NULL,
  failures        INTEGER NOT NULL,
  timeouts        INTEGER NOT NULL,
  faults          INTEGER NOT NULL,
  missed_rows     INTEGER NOT NULL,
  missed_slots    INTEGER NOT NULL,
  response_us     INTEGER NOT NULL,
  response_min_us INTEGER NOT NULL,
  response_max_us INTEGER NOT NULL,
  dns_us          INTEGER NOT NULL,
  dns_count       INTEGER NOT NULL,
  tcp_us          INTEGER NOT NULL,
  tcp_count       INTEGER NOT NULL,
  tls_us          INTEGER NOT NULL,
  tls_count       INTEGER NOT NULL,
  ttfb_us         INTEGER NOT NULL,
  ttfb_count      INTEGER NOT NULL,
  transfer_us     INTEGER NOT NULL,
  transfer_count  INTEGER NOT NULL,
  dense           INTEGER NOT NULL, -- hours only: whether its minutes are kept
  error_types     TEXT,             -- JSON object: count by "outcome:error type"
  histogram       BLOB
);
CREATE TABLE rollup_hour (
  id              INTEGER PRIMARY KEY,
  successes       INTEGER NOT NULL,
  failures        INTEGER NOT NULL,
  timeouts        INTEGER NOT NULL,
  faults          INTEGER NOT NULL,
  missed_rows     INTEGER NOT NULL,
  missed_slots    INTEGER NOT NULL,
  response_us     INTEGER NOT NULL,
  response_min_us INTEGER NOT NULL,
  response_max_us INTEGER NOT NULL,
  dns_us          INTEGER NOT NULL,
  dns_count       INTEGER NOT NULL,
  tcp_us          INTEGER NOT NULL,
  tcp_count       INTEGER NOT NULL,
  tls_us          INTEGER NOT NULL,
  tls_count       INTEGER NOT NULL,
  ttfb_us         INTEGER NOT NULL,
  ttfb_count      INTEGER NOT NULL,
  transfer_us     INTEGER NOT NULL,
  transfer_count  INTEGER NOT NULL,
  dense           INTEGER NOT NULL,
  error_types     TEXT,
  histogram       BLOB
);
CREATE TABLE rollup_day (
  id              INTEGER PRIMARY KEY,
  successes       INTEGER NOT NULL,
  failures        INTEGER NOT NULL,
  timeouts        INTEGER NOT NULL,
  faults          INTEGER NOT NULL,
  missed_rows     INTEGER NOT NULL,
  missed_slots    INTEGER NOT NULL,
  response_us     INTEGER NOT NULL,
  response_min_us INTEGER NOT NULL,
  response_max_us INTEGER NOT NULL,
  dns_us          INTEGER NOT NULL,
  dns_count       INTEGER NOT NULL,
  tcp_us          INTEGER NOT NULL,
  tcp_count       INTEGER NOT NULL,
  tls_us          INTEGER NOT NULL,
  tls_count       INTEGER NOT NULL,
  ttfb_us         INTEGER NOT NULL,
  ttfb_count      INTEGER NOT NULL,
  transfer_us     INTEGER NOT NULL,
  transfer_count  INTEGER NOT NULL,
  dense           INTEGER NOT NULL,
  error_types     TEXT,
  histogram       BLOB
);
