package clickhouse

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/frogstats/uptime/internal/clickhouse"
	"github.com/frogstats/uptime/services/events"
)

// lookUpRows is how many results one query looks up.
const lookUpRows = 10_000

// key is what makes two results the same one.
type key struct {
	monitorID uint32
	region    string
	slot      int64 // Unix milliseconds
}

func keyOf(r *events.Result) key { return key{r.MonitorID, r.Region, r.ScheduledAt.UnixMilli()} }

type seriesKey struct {
	monitorID uint32
	region    string
}

func (k key) series() seriesKey { return seriesKey{k.monitorID, k.region} }

// takeOver ends what an earlier process may have left running, then learns the newest slot of every series: a result beyond
// it is certainly new, and only the others have to be looked up.
func (s *Results) takeOver(ctx context.Context) error {
	if s.writer.marks != nil {
		return nil
	}
	if err := s.endInserts(ctx); err != nil {
		return fmt.Errorf("end earlier inserts: %w", err)
	}
	const query = `
SELECT organization_id, monitor_id, region, toUnixTimestamp64Milli(max(timestamp)) FROM monitor_events
GROUP BY organization_id, monitor_id, region SETTINGS preferred_optimize_projection_name = 'series'`
	marks := map[seriesKey]int64{}
	var organization string
	var k seriesKey
	var newest int64
	err := s.each(ctx, func(rows driver.Rows) error {
		if err := rows.Scan(&organization, &k.monitorID, &k.region, &newest); err != nil {
			return err
		}
		if mark, ok := marks[k]; !ok || newest > mark {
			marks[k] = newest
		}
		s.owners.add(k.monitorID, organization)
		return nil
	}, query)
	if err != nil {
		return fmt.Errorf("read newest slots: %w", err)
	}
	s.writer.marks = marks
	return nil
}

// endInserts ends the inserts into this database that another process began, and waits until they have ended.
func (s *Results) endInserts(ctx context.Context) error {
	running, kill := s.opts.running(), s.opts.kill()
	for {
		var n uint64
		if err := s.conn.QueryRow(ctx, running, queryPrefix, s.writer.name).Scan(&n); err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		if err := s.conn.Exec(ctx, kill, queryPrefix, s.writer.name); err != nil && clickhouse.Code(err) != accessDenied {
			return err
		}
		select { // without the right to kill them, they end by themselves
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

const accessDenied = 497

// others are the inserts of processes that have other names; the arguments are queryPrefix and the name.
const others = ` WHERE current_database = currentDatabase() AND startsWith(query_id, ?) AND NOT startsWith(query_id, ?)`

// running counts the inserts of other processes.
func (o *Options) running() string {
	if o.Cluster != "" {
		return `SELECT count() FROM clusterAllReplicas(` + o.quoted() + `, system.processes)` + others
	}
	return `SELECT count() FROM system.processes` + others
}

// kill ends them.
func (o *Options) kill() string { return `KILL QUERY ` + o.onCluster() + others + ` ASYNC` }

// pick returns those of the results that are not stored yet, each once.
func (s *Results) pick(ctx context.Context, results []events.Result) ([]*events.Result, error) {
	w := &s.writer
	given := make(map[key]struct{}, len(results))
	out := make([]*events.Result, 0, len(results))
	var doubtful []key
	for i := range results {
		k := keyOf(&results[i])
		if _, twice := given[k]; twice {
			continue
		}
		given[k] = struct{}{}
		out = append(out, &results[i])
		if mark, ok := w.marks[k.series()]; ok && k.slot <= mark {
			doubtful = append(doubtful, k)
		}
	}
	if len(doubtful) == 0 {
		return out, nil
	}
	stored := map[key]bool{}
	for part := range slices.Chunk(doubtful, lookUpRows) {
		if err := s.lookUp(ctx, part, stored); err != nil {
			return nil, fmt.Errorf("look up results: %w", err)
		}
	}
	return slices.DeleteFunc(out, func(r *events.Result) bool { return stored[keyOf(r)] }), nil
}

// lookUp adds to stored which of the keys are stored.
func (s *Results) lookUp(ctx context.Context, keys []key, stored map[key]bool) error {
	sent, err := ext.NewTable("sent",
		ext.Column("organization_id", "String"), ext.Column("monitor_id", "UInt32"), ext.Column("timestamp", "DateTime64(3, 'UTC')"))
	if err != nil {
		return err
	}
	for _, k := range keys {
		for _, o := range s.owners.known(k.monitorID) {
			if err := sent.Append(o, k.monitorID, time.UnixMilli(k.slot).UTC()); err != nil {
				return err
			}
		}
	}
	const query = `
SELECT monitor_id, region, toUnixTimestamp64Milli(timestamp) FROM monitor_events
WHERE (organization_id, monitor_id, timestamp) IN (SELECT organization_id, monitor_id, timestamp FROM sent)
SETTINGS optimize_use_projections = 0`
	return s.each(ch.Context(ctx, ch.WithExternalTable(sent)), func(rows driver.Rows) error {
		var k key
		err := rows.Scan(&k.monitorID, &k.region, &k.slot)
		stored[k] = true
		return err
	}, query)
}

// owners remembers the organizations of monitors, because the table is in their order. A monitor has one for ever.
type owners struct {
	mu sync.RWMutex
	of map[uint32][]string
}

func (o *owners) known(monitorID uint32) []string {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.of[monitorID]
}

func (o *owners) add(monitorID uint32, organization string) {
	if slices.Contains(o.known(monitorID), organization) {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.of[monitorID] = append(slices.Clone(o.of[monitorID]), organization)
}

// ownersOf asks the store about a monitor that is not known. Nobody owns one that has no results.
func (s *Results) ownersOf(ctx context.Context, monitorID uint32) ([]string, error) {
	if known := s.owners.known(monitorID); len(known) > 0 {
		return known, nil
	}
	const query = `SELECT organization_id FROM monitor_events WHERE monitor_id = ? GROUP BY organization_id SETTINGS preferred_optimize_projection_name = 'series'`
	err := s.each(ctx, func(rows driver.Rows) error {
		var o string
		if err := rows.Scan(&o); err != nil {
			return err
		}
		s.owners.add(monitorID, o)
		return nil
	}, query, monitorID)
	if err != nil {
		return nil, fmt.Errorf("find the organization: %w", err)
	}
	return s.owners.known(monitorID), nil
}

// each runs a query and calls fn for each of its rows. An outage of the server is fault.KindUnavailable.
func (s *Results) each(ctx context.Context, fn func(driver.Rows) error, query string, args ...any) error {
	rows, err := s.conn.Query(ctx, query, args...)
	if err != nil {
		return clickhouse.Outage(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return clickhouse.Outage(ctx, rows.Err())
}
