package clickhouse

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/frogstats/uptime/internal/clickhouse"
)

// LowMemoryPerQuery is how much memory a statement may use under Options.LowMemory, in bytes.
const LowMemoryPerQuery = 200 << 20

const (
	blockRows          = 50_000 // most results in one INSERT, which makes one part
	lowMemoryBlockRows = 10_000
)

// batchDelay is how long a few results may wait for company. An INSERT costs the server some 30 ms of work, however small it
// is, and later a merge.
const batchDelay = time.Second

// BatchSize is how many results one Append should have, at best.
func (s *Results) BatchSize() int { return s.opts.blockRows() }

// BatchDelay is how long to wait for so many.
func (s *Results) BatchDelay() time.Duration { return batchDelay }

// settings are those of every statement.
func (o *Options) settings() map[string]any {
	out := map[string]any{
		"async_insert":             0, // an acknowledged insert must be readable
		"optimize_use_projections": 1,
		"max_query_size":           4 << 20, // of lists of moments
		"max_ast_elements":         500_000,
	}
	if o.Cluster != "" {
		out["distributed_foreground_insert"] = 1
		out["insert_quorum_parallel"] = 1
	}
	if o.LowMemory {
		out["max_threads"] = 1
		out["max_memory_usage"] = LowMemoryPerQuery
		out["max_block_size"] = 8192
		out["max_bytes_before_external_group_by"] = LowMemoryPerQuery / 2
		out["max_bytes_before_external_sort"] = LowMemoryPerQuery / 2
	}
	return out
}

func (o *Options) blockRows() int {
	if o.LowMemory {
		return lowMemoryBlockRows
	}
	return blockRows
}

// stored is the table that has the results on each server; reads and inserts go to monitor_events.
func (o *Options) stored() string {
	if o.Cluster != "" {
		return "monitor_events_shard"
	}
	return "monitor_events"
}

func (o *Options) onCluster() string { return clickhouse.FactsFor(o.Cluster).OnCluster }

// quoted is the name of the cluster as SQL.
func (o *Options) quoted() string { return strings.TrimPrefix(o.onCluster(), "ON CLUSTER ") }

func (o *Options) alter(change string) string {
	return `ALTER TABLE ` + o.stored() + ` ` + o.onCluster() + ` ` + change
}

// drop forgets a month, such as 202603.
func (o *Options) drop(month uint32) string { return o.alter(fmt.Sprintf("DROP PARTITION %d", month)) }

// distributed is the statement that makes the table in front of those of the shards; "" without a cluster.
func (o *Options) distributed() string {
	if o.Cluster == "" {
		return ""
	}
	return `CREATE TABLE IF NOT EXISTS monitor_events ` + o.onCluster() + ` AS monitor_events_shard
ENGINE = Distributed(` + o.quoted() + `, currentDatabase(), 'monitor_events_shard', intHash64(monitor_id))`
}

func (s *Results) distribute(ctx context.Context) error {
	if q := s.opts.distributed(); q != "" {
		if err := s.conn.Exec(ctx, q); err != nil {
			return err
		}
		return s.conn.Exec(ctx, s.opts.widened())
	}
	return nil
}

// widened gives a table in front of the shards that was made before they had all columns the newer ones.
func (o *Options) widened() string {
	return `ALTER TABLE monitor_events ` + o.onCluster() + ` ADD COLUMN IF NOT EXISTS epoch UInt64`
}

// Merges of the low-memory profile read a twelfth of the usual rows at a time, and end at parts of 1 GiB.
const (
	lowMemoryMerges = `merge_max_block_size = 683, max_bytes_to_merge_at_max_space_in_pool = 1073741824`
	usualMerges     = `merge_max_block_size, max_bytes_to_merge_at_max_space_in_pool`
)

// adjust gives the table the retention and the profile that the options ask for, if it has others.
func (s *Results) adjust(ctx context.Context) error {
	const query = `SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = ?`
	var now string
	if err := s.conn.QueryRow(ctx, query, s.opts.stored()).Scan(&now); err != nil {
		return err
	}
	for _, change := range s.opts.changes(now) {
		if err := s.conn.Exec(ctx, s.opts.alter(change)); err != nil {
			return err
		}
	}
	return nil
}

// changes lists what ALTER TABLE has to do to a table that was made by a statement.
func (o *Options) changes(created string) []string {
	var out []string
	if want := o.ttl(); want == "" && strings.Contains(created, " TTL ") {
		out = append(out, `REMOVE TTL`)
	} else if want != "" && !strings.Contains(created, " TTL "+want+" ") {
		out = append(out, `MODIFY TTL `+want)
	}
	switch has := strings.Contains(created, "merge_max_block_size"); {
	case o.LowMemory && !has:
		out = append(out, `MODIFY SETTING `+lowMemoryMerges)
	case !o.LowMemory && has:
		out = append(out, `RESET SETTING `+usualMerges)
	}
	return out
}

// ttl is written as the server writes it.
func (o *Options) ttl() string {
	if o.Retention <= 0 {
		return ""
	}
	hours := (o.Retention + time.Hour - 1) / time.Hour
	return fmt.Sprintf("toDateTime(timestamp) + toIntervalHour(%d)", hours)
}
