-- +goose Up

-- Troubles of this installation itself.
CREATE TABLE notice (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    key        TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    message    TEXT    NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,          -- NULL while it lasts
    announced  INTEGER NOT NULL, -- whether its beginning was told
    settled    INTEGER NOT NULL, -- whether its end was told
    due_at     INTEGER           -- when the next thing is to be told; NULL when there is none
) STRICT;

CREATE UNIQUE INDEX notice_unsettled ON notice (key) WHERE settled = 0;
CREATE INDEX notice_by_time ON notice (started_at DESC, id DESC);
CREATE INDEX notice_due ON notice (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX notice_open ON notice (id) WHERE ended_at IS NULL;
