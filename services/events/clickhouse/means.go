package clickhouse

import (
	"context"
	"fmt"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/frogstats/uptime/services/events"
)

// MeanResponses reads whole hours of all the monitors from a roll-up that has them in the order of time. What lies before the
// first whole hour has to be read monitor by monitor: ask for whole hours where many monitors are asked for.
func (s *Results) MeanResponses(ctx context.Context, monitorIDs []uint32, since time.Time) (map[uint32]events.Mean, error) {
	out := map[uint32]events.Mean{}
	if len(monitorIDs) == 0 {
		return out, nil
	}
	if since.Before(time.UnixMilli(0)) {
		since = time.UnixMilli(0)
	}
	const means = `SELECT monitor_id AS id, sumIf(response_time_us, status = 'success') AS total, countIf(status = 'success') AS n
FROM monitor_events WHERE monitor_id IN `
	ids := `(` + joined(monitorIDs) + `)`
	c := cutAt([]time.Time{since, forever}, 0)
	query := means + ids + fmt.Sprintf(` AND toStartOfHour(timestamp) >= toDateTime(%d, 'UTC')`, ceilSeconds(ceilTo(c.edges[0], time.Hour))) + ` GROUP BY id` + using("responses")
	if len(c.hours) > 0 {
		query += ` UNION ALL SELECT monitor_id AS id,
sumIf(response_rest_us, status = 'success') + sumIf(dns_time_us, status = 'success' AND dns_time_us >= 0)
+ sumIf(tcp_time_us, status = 'success' AND tcp_time_us >= 0) + sumIf(tls_time_us, status = 'success' AND tls_time_us >= 0)
+ sumIf(ttfb_us, status = 'success' AND ttfb_us >= 0) + sumIf(transfer_time_us, status = 'success' AND transfer_time_us >= 0) AS total, count() AS n
FROM monitor_events WHERE monitor_id IN ` + ids + ` AND status = 'success' AND ` + c.of(minutes) + ` GROUP BY id` + using("by_minute")
	}
	if len(c.minutes) > 0 {
		query += ` UNION ALL ` + means + ids + ` AND ` + c.ragged() + ` GROUP BY id` + using("")
	}
	err := s.each(ch.Context(ctx, ch.WithSettings(snapshot)), func(rows driver.Rows) error {
		var id uint32
		var total int64
		var n uint64
		err := rows.Scan(&id, &total, &n)
		if n > 0 {
			mean := out[id]
			mean.Merge(events.Mean{Sum: fromUS(total), Count: int64(n)})
			out[id] = mean
		}
		return err
	}, query)
	if err != nil {
		return nil, fmt.Errorf("read mean response times: %w", err)
	}
	return out, nil
}

func ceilTo(ms int64, unit time.Duration) int64 {
	u := unit.Milliseconds()
	return ms + mod(-ms, u)
}
