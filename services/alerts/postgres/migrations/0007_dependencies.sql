-- +goose Up
-- Which monitor depends on which, as the catalogue says. A parent need not be there.
CREATE TABLE monitor_dependency (
    monitor_id BIGINT NOT NULL,
    parent_id  BIGINT NOT NULL,
    PRIMARY KEY (monitor_id, parent_id)
);
CREATE INDEX monitor_dependency_by_parent ON monitor_dependency (parent_id, monitor_id);

-- The longest time until it is seen that it is down, and that it is up again.
ALTER TABLE monitor ADD COLUMN detects_down_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE monitor ADD COLUMN detects_up_ms BIGINT NOT NULL DEFAULT 0;

-- Whether nobody is told of a monitor because of another that it depends on; the overlay says why.
ALTER TABLE monitor_state ADD COLUMN held BOOLEAN NOT NULL DEFAULT FALSE;

-- The monitor it depends on that was down too, which is why nobody was told; 0 if none was.
ALTER TABLE incident ADD COLUMN affected_by BIGINT NOT NULL DEFAULT 0;
