-- +goose Up
-- The copy of the maintenance windows, each version of them.
CREATE TABLE maintenance_version (
    window_id       BIGINT      NOT NULL,
    version         BIGINT      NOT NULL,
    organization_id TEXT        NOT NULL,
    target          JSONB       NOT NULL, -- which monitors it is for
    spec            JSONB       NOT NULL, -- when it is
    valid_from      TIMESTAMPTZ NOT NULL,
    valid_until     TIMESTAMPTZ,          -- NULL: it holds
    PRIMARY KEY (window_id, version)
);
CREATE INDEX maintenance_version_by_organization ON maintenance_version (organization_id);

ALTER TABLE monitor ADD COLUMN labels JSONB NOT NULL DEFAULT '{}';

-- What receivers know of a monitor, while that is not what is so; NULL when there is nothing to remember.
ALTER TABLE monitor_state ADD COLUMN overlay JSONB;
-- When to look whether maintenance is over; NULL when there is none.
ALTER TABLE monitor_state ADD COLUMN overlay_until TIMESTAMPTZ;
CREATE INDEX monitor_state_overlay ON monitor_state (overlay_until) WHERE overlay_until IS NOT NULL;

-- Whether it began in maintenance.
ALTER TABLE incident ADD COLUMN maintenance BOOLEAN NOT NULL DEFAULT FALSE;
