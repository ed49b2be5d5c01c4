-- +goose Up
-- How far each region is placed. Whoever places, or begins or ends a session, locks this row first.
CREATE TABLE placement (
    region  TEXT   NOT NULL COLLATE "C" PRIMARY KEY REFERENCES region (code),
    epoch   BIGINT NOT NULL, -- last number given to a session or a holding
    rev     BIGINT NOT NULL, -- last change of an assignment
    members BIGINT NOT NULL, -- changes of sessions
    placed  BIGINT NOT NULL, -- members that all monitors are placed for
    cursor  BIGINT NOT NULL  -- rev of monitors up to which they are placed
) WITH (fillfactor = 50);

-- Written to find out whether anything can be.
CREATE TABLE probe (
    one BOOLEAN PRIMARY KEY CHECK (one),
    n   BIGINT  NOT NULL
) WITH (fillfactor = 50);
INSERT INTO probe (one, n) VALUES (TRUE, 0);

-- The newest session of each prober. Updated at every renewal, in place.
CREATE TABLE prober_session (
    prober_id    TEXT        NOT NULL COLLATE "C" PRIMARY KEY,
    region       TEXT        NOT NULL COLLATE "C" REFERENCES region (code),
    name         TEXT        NOT NULL COLLATE "C",
    epoch        BIGINT      NOT NULL,
    beat         BIGINT      NOT NULL,
    state        TEXT        NOT NULL COLLATE "C" CHECK (state IN ('live', 'over', 'ended', 'left', 'removed')),
    valid_until  TIMESTAMPTZ NOT NULL,
    renewed_at   TIMESTAMPTZ NOT NULL,
    capacity     BIGINT      NOT NULL,
    capabilities TEXT[]      NOT NULL,
    durable      BOOLEAN     NOT NULL,
    sole         BOOLEAN     NOT NULL,
    stream       BOOLEAN     NOT NULL,
    report       BYTEA
) WITH (fillfactor = 50);
CREATE INDEX prober_session_by_region ON prober_session (region, prober_id);

-- Who runs what.
CREATE TABLE assignment (
    region       TEXT        NOT NULL COLLATE "C",
    monitor_id   BIGINT      NOT NULL,
    wanted       BOOLEAN     NOT NULL,
    holder       TEXT        NOT NULL COLLATE "C", -- '': nobody
    epoch        BIGINT      NOT NULL,
    account_from TIMESTAMPTZ,
    releasing    BOOLEAN     NOT NULL,
    rev          BIGINT      NOT NULL,
    PRIMARY KEY (region, monitor_id)
);
CREATE UNIQUE INDEX assignment_by_rev ON assignment (region, rev);
CREATE INDEX assignment_by_holder ON assignment (region, holder, rev) WHERE wanted;

-- What probers lost while nobody could tell them.
CREATE TABLE assignment_loss (
    region     TEXT        NOT NULL COLLATE "C",
    prober_id  TEXT        NOT NULL COLLATE "C",
    monitor_id BIGINT      NOT NULL,
    epoch      BIGINT      NOT NULL,
    until      TIMESTAMPTZ NOT NULL,
    told_to    TEXT        NOT NULL COLLATE "C", -- session; '': none
    told_at    TIMESTAMPTZ,
    PRIMARY KEY (region, prober_id, monitor_id, epoch)
);
