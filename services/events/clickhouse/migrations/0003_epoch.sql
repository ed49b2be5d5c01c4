-- +goose Up
-- Number of the lease under which a check ran; 0 is one that needed none.
ALTER TABLE {{if .OnCluster}}monitor_events_shard{{else}}monitor_events{{end}} {{.OnCluster}}
  ADD COLUMN IF NOT EXISTS epoch UInt64 CODEC(T64, ZSTD(1));
