-- +goose Up
-- How far each region is placed. Whoever places, or begins or ends a session, changes this row first.
CREATE TABLE placement (
    region  TEXT    NOT NULL PRIMARY KEY REFERENCES region (code),
    epoch   INTEGER NOT NULL, -- last number given to a session or a holding
    rev     INTEGER NOT NULL, -- last change of an assignment
    members INTEGER NOT NULL, -- changes of sessions
    placed  INTEGER NOT NULL, -- members that all monitors are placed for
    cursor  INTEGER NOT NULL  -- rev of monitors up to which they are placed
) STRICT, WITHOUT ROWID;

-- Written to find out whether anything can be.
CREATE TABLE probe (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    n    INTEGER NOT NULL
) STRICT;
INSERT INTO probe (only, n) VALUES (1, 0);

-- The newest session of each prober. Times are unix milliseconds.
CREATE TABLE prober_session (
    prober_id    TEXT    NOT NULL PRIMARY KEY,
    region       TEXT    NOT NULL REFERENCES region (code),
    name         TEXT    NOT NULL,
    epoch        INTEGER NOT NULL,
    beat         INTEGER NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('live', 'over', 'ended', 'left', 'removed')),
    valid_until  INTEGER NOT NULL,
    renewed_at   INTEGER NOT NULL,
    capacity     INTEGER NOT NULL,
    capabilities TEXT    NOT NULL CHECK (json_valid(capabilities)),
    durable      INTEGER NOT NULL CHECK (durable IN (0, 1)),
    sole         INTEGER NOT NULL CHECK (sole IN (0, 1)),
    stream       INTEGER NOT NULL CHECK (stream IN (0, 1)),
    report       BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX prober_session_by_region ON prober_session (region, prober_id);

-- Who runs what.
CREATE TABLE assignment (
    region       TEXT    NOT NULL REFERENCES region (code),
    monitor_id   INTEGER NOT NULL,
    wanted       INTEGER NOT NULL CHECK (wanted IN (0, 1)),
    holder       TEXT    NOT NULL, -- '': nobody
    epoch        INTEGER NOT NULL,
    account_from INTEGER,
    releasing    INTEGER NOT NULL CHECK (releasing IN (0, 1)),
    rev          INTEGER NOT NULL,
    PRIMARY KEY (region, monitor_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX assignment_by_rev ON assignment (region, rev);
CREATE INDEX assignment_by_holder ON assignment (region, holder, rev) WHERE wanted = 1;

-- What probers lost while nobody could tell them.
CREATE TABLE assignment_loss (
    region     TEXT    NOT NULL,
    prober_id  TEXT    NOT NULL,
    monitor_id INTEGER NOT NULL,
    epoch      INTEGER NOT NULL,
    until      INTEGER NOT NULL,
    told_to    TEXT    NOT NULL, -- session; '': none
    told_at    INTEGER,
    PRIMARY KEY (region, prober_id, monitor_id, epoch)
) STRICT, WITHOUT ROWID;
