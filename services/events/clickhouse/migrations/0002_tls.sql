-- +goose Up
-- A third kind of check. The name is an alias, so no part is written anew.
ALTER TABLE {{if .OnCluster}}monitor_events_shard{{else}}monitor_events{{end}} {{.OnCluster}}
  MODIFY COLUMN monitor_type LowCardinality(String) ALIAS transform(check_kind, [1, 2, 3], ['http', 'tcp', 'tls'], '');
