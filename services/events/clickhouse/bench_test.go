package clickhouse_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	engine "github.com/frogstats/uptime/internal/clickhouse"
	"github.com/frogstats/uptime/internal/clickhouse/clickhousetest"
	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/clickhouse"
)

// noise fills monitor_events with results made on the server: of %[1]d monitors from number %[2]d on, %[3]d slots each, one every %[4]d ms
// from %[5]d (Unix ms). Six of ten are HTTPS checks, the rest TCP; one check of ten fails, in
// outages of twenty checks; latencies are log-normal; every hour each monitor changes hands.
const noise = `
INSERT INTO monitor_events (organization_id, monitor_id, timestamp, region, status, late_ms, response_rest_us, dns_time_us, tcp_time_us, tls_time_us,
  ttfb_us, transfer_time_us, response_size_bytes, status_code, headers, error_type, error_message, failed_phase, attempt, prober_id, resolved_ip,
  ip_family, tls_version, cert_expires_ms, config_version, check_kind, monitor_url, monitor_name, port, epoch)
WITH toUInt32(%[2]d + number %% %[1]d) AS id, intDiv(number, %[1]d) AS n, (id * 7) %% 10 < 6 AS https, cityHash64(id, intDiv(n, 20)) %% 10 < 9 AS ok
SELECT '0192f3c4-0000-7000-8000-' || leftPad(toString(id %% 100), 12, '0'), id,
  fromUnixTimestamp64Milli(toInt64(%[5]d + n * %[4]d + cityHash64(id) %% %[4]d), 'UTC'), 'local',
  if(ok, 'success', if(rand(number * 9 + 1) %% 2, 'failure', 'timeout')), rand(number * 9 + 2) %% 4, 0,
  toInt64(exp(5.5 + 0.3 * randNormal(0, 1, number * 9 + 3))),
  toInt64(exp(8.5 + id %% 7 * 0.3 + 0.15 * randNormal(0, 1, number * 9 + 4))),
  if(https, toInt64(exp(9 + id %% 5 * 0.3 + 0.15 * randNormal(0, 1, number * 9 + 5))), -1),
  if(https, toInt64(exp(10 + id %% 5 * 0.3 + 0.25 * randNormal(0, 1, number * 9 + 6))), -1),
  if(https, toInt64(exp(5 + 0.4 * randNormal(0, 1, number * 9 + 7))), -1),
  if(https, if(id %% 2, 12000 + rand(number * 9 + 8) %% 300, 5312), -1), if(https, if(ok, 200, 503), 0),
  if(https, '{"Cache-Control":"no-cache","Content-Type":"application/json","Server":"nginx/1.' || toString(id %% 9) || '"}', ''),
  if(ok, '', if(https, 'validation_failed', 'connection_refused')), if(ok, '', 'The check did not end well.'), if(ok, 0, 3), 1, 'local-1', '192.0.2.' || toString(id %% 250),
  1, if(https, '1.3', ''), if(https, 1790000000000, 0), 1, if(https, 1, 2),
  if(https, 'https://host-' || toString(id) || '.example.com/health', 'tcp://host-' || toString(id) || '.example.com:443'), 'host ' || toString(id), if(https, 0, 443), 40000 + id + intDiv(n * %[4]d, 3600000) * 7
FROM numbers(%[1]d * %[3]d) SETTINGS max_insert_threads = 1, max_block_size = 65536, min_insert_block_size_rows = 60000, max_execution_time = 600`

func run(b testing.TB, dsn, query string) {
	b.Helper()
	db, err := engine.Open(b.Context(), dsn, engine.Options{QueryTimeout: 10 * time.Minute})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	if err := db.Conn().Exec(b.Context(), query); err != nil {
		b.Fatalf("%v\n%s", err, query)
	}
}

func scalar[T any](b testing.TB, dsn, query string) T {
	b.Helper()
	db, err := engine.Open(b.Context(), dsn, engine.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	var v T
	if err := db.Conn().QueryRow(ch.Context(b.Context()), query).Scan(&v); err != nil {
		b.Fatal(err)
	}
	return v
}

var month = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// quantiles runs fn until the benchmark ends and reports the median and the 95th percentile of its times.
func quantiles(b *testing.B, fn func(ctx context.Context) error) {
	var all []time.Duration
	for b.Loop() {
		began := time.Now()
		if err := fn(b.Context()); err != nil {
			b.Fatal(err)
		}
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	ms := func(q float64) float64 { return float64(all[int(q*float64(len(all)-1))].Microseconds()) / 1000 }
	b.ReportMetric(ms(.5), "p50-ms")
	b.ReportMetric(ms(.95), "p95-ms")
}

func edges(from time.Time, step time.Duration, n int) []time.Time {
	out := []time.Time{from}
	for i := range n {
		out = append(out, from.Add(time.Duration(i+1)*step))
	}
	return out
}

// BenchmarkQueries asks about one monitor that was checked every second for 30 days, beside 99 that were checked twice a minute.
func BenchmarkQueries(b *testing.B) {
	dsn := clickhousetest.DSN(b)
	s := open(b, dsn, clickhouse.Options{})
	run(b, dsn, fmt.Sprintf(noise, 1, 7, 30*86400, 1000, month.UnixMilli()))
	run(b, dsn, fmt.Sprintf(noise, 99, 100, 30*2880, 30_000, month.UnixMilli()))
	end := month.AddDate(0, 0, 30)
	odd := month.Add(17*time.Minute + 1234*time.Millisecond)
	for _, bm := range []struct {
		name string
		fn   func(ctx context.Context) error
	}{
		{"statistics of 30 days, hourly", func(ctx context.Context) error {
			sums, err := s.Summarize(ctx, 7, "", edges(month, time.Hour, 720))
			if err == nil && sums[5].Checks() != 3600 {
				err = fmt.Errorf("%d checks", sums[5].Checks())
			}
			return err
		}},
		{"statistics of 30 days until now, hourly", func(ctx context.Context) error {
			_, err := s.Summarize(ctx, 7, "", append([]time.Time{odd}, edges(month.Add(time.Hour), time.Hour, 718)...))
			return err
		}},
		{"statistics of 30 days, daily", func(ctx context.Context) error {
			_, err := s.Summarize(ctx, 7, "", edges(month, 24*time.Hour, 30))
			return err
		}},
		{"statistics of 30 days, daily in India", func(ctx context.Context) error {
			_, err := s.Summarize(ctx, 7, "", edges(month.Add(-330*time.Minute), 24*time.Hour, 31))
			return err
		}},
		{"statistics of a day, by minutes", func(ctx context.Context) error {
			_, err := s.Summarize(ctx, 7, "", edges(month.AddDate(0, 0, 9), time.Minute, 1440))
			return err
		}},
		{"statistics of 17 days by five minutes", func(ctx context.Context) error {
			_, err := s.Summarize(ctx, 7, "", edges(month, 5*time.Minute, 5000))
			return err
		}},
		{"count", func(ctx context.Context) error {
			n, err := s.Count(ctx, events.ResultQuery{MonitorID: 7})
			if err == nil && n != 30*86400 {
				err = fmt.Errorf("%d results", n)
			}
			return err
		}},
		{"newest 100", func(ctx context.Context) error {
			list, err := s.List(ctx, events.ResultQuery{MonitorID: 7, Limit: 100})
			if err == nil && len(list) != 100 {
				err = fmt.Errorf("%d results", len(list))
			}
			return err
		}},
		{"newest 100 timeouts", func(ctx context.Context) error {
			_, err := s.List(ctx, events.ResultQuery{MonitorID: 7, Limit: 100, Outcomes: []events.Outcome{events.Timeout}})
			return err
		}},
		{"100 after a million", func(ctx context.Context) error {
			_, err := s.List(ctx, events.ResultQuery{MonitorID: 7, Limit: 100, Offset: 1_000_000})
			return err
		}},
		{"last slots", func(ctx context.Context) error {
			_, err := s.LastSlots(ctx, events.SlotQuery{Region: "local"})
			return err
		}},
		{"mean of a day", func(ctx context.Context) error {
			_, err := s.MeanResponses(ctx, []uint32{7}, end.Add(-24*time.Hour+time.Minute))
			return err
		}},
	} {
		b.Run(bm.name, func(b *testing.B) { quantiles(b, bm.fn) })
	}
}

// BenchmarkBytesPerResult prints what a result takes on disk once parts are merged, in a fleet of which every tenth monitor is
// checked every second and the others twice a minute: all of it, and the shares of the rows and of each kind of roll-up.
func BenchmarkBytesPerResult(b *testing.B) {
	dsn := clickhousetest.DSN(b)
	open(b, dsn, clickhouse.Options{})
	for range b.N {
		run(b, dsn, `TRUNCATE TABLE monitor_events`)
		run(b, dsn, fmt.Sprintf(noise, 100, 1, 6*3600, 1000, month.UnixMilli()))
		run(b, dsn, fmt.Sprintf(noise, 900, 101, 6*120, 30_000, month.UnixMilli()))
		run(b, dsn, `OPTIMIZE TABLE monitor_events FINAL`)
	}
	const parts = ` FROM system.parts WHERE active AND database = currentDatabase() AND table = 'monitor_events'`
	const projections = ` FROM system.projection_parts WHERE active AND database = currentDatabase() AND table = 'monitor_events'`
	n := float64(scalar[uint64](b, dsn, `SELECT sum(rows)`+parts))
	whole := float64(scalar[uint64](b, dsn, `SELECT sum(bytes_on_disk)`+parts))
	rollups := float64(scalar[uint64](b, dsn, `SELECT sum(bytes_on_disk)`+projections))
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(whole/n, "B/result")
	b.ReportMetric((whole-rollups)/n, "B-rows")
	for metric, like := range map[string]string{"B-1m": "%minute", "B-1h": "%hour", "B-1d": "%day", "B-responses": "responses", "B-series": "series"} {
		b.ReportMetric(float64(scalar[uint64](b, dsn, `SELECT sum(bytes_on_disk)`+projections+` AND name LIKE '`+like+`'`))/n, metric)
	}
	if whole/n > 10 {
		b.Errorf("%.2f bytes a result", whole/n)
	}
}

// BenchmarkMeans asks for the mean of a day of 10,000 monitors that are checked every five minutes, and of a page of them.
func BenchmarkMeans(b *testing.B) {
	dsn := clickhousetest.DSN(b)
	s := open(b, dsn, clickhouse.Options{})
	run(b, dsn, fmt.Sprintf(noise, 10_000, 1, 26*12, 300_000, month.UnixMilli()))
	hour := month.Add(2 * time.Hour)
	for _, bm := range []struct {
		name  string
		n     uint32
		since time.Time
	}{
		{"10000 since a whole hour", 10_000, hour}, {"10000 since a whole minute", 10_000, hour.Add(7 * time.Minute)}, {"10000 since any moment", 10_000, hour.Add(1234567 * time.Microsecond)},
		{"100 since a whole hour", 100, hour}, {"100 since any moment", 100, hour.Add(1234567 * time.Microsecond)},
	} {
		ids := make([]uint32, bm.n)
		for i := range ids {
			ids[i] = uint32(i) + 1
		}
		b.Run(bm.name, func(b *testing.B) {
			quantiles(b, func(ctx context.Context) error {
				means, err := s.MeanResponses(ctx, ids, bm.since)
				if err == nil && len(means) != int(bm.n) {
					err = fmt.Errorf("%d means", len(means))
				}
				return err
			})
		})
	}
}
