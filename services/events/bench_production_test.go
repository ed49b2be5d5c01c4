package events_test

import (
	"context"
	"fmt"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	engine "github.com/frogstats/uptime/internal/clickhouse"
	"github.com/frogstats/uptime/internal/clickhouse/clickhousetest"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/clickhouse"
	"github.com/frogstats/uptime/services/events/postgres"
)

// BenchmarkRecordProduction sends rounds of results of 2000 monitors over a real stream until all are judged, with their states
// in PostgreSQL, and stored in ClickHouse. The floor is a loop that inserts the same rows into a table of the same columns,
// without roll-ups, as the driver's documentation shows.
func BenchmarkRecordProduction(b *testing.B) {
	const monitors = 2000
	floor := 0.0
	b.Run("floor", func(b *testing.B) {
		dsn := clickhousetest.DSN(b)
		insert := bareTable(b, dsn)
		list := make([]events.Result, 50_000)
		n := 0
		for b.Loop() {
			b.StopTimer()
			for i := range list {
				list[i] = events.ResultIn(benchResult(uint32(i%monitors+1), benchStart().Add(time.Duration(n+i/monitors)*time.Second)))
			}
			b.StartTimer()
			insert(list)
			n += len(list) / monitors
		}
		floor = float64(n*monitors) / b.Elapsed().Seconds()
		b.ReportMetric(floor, "rows/s")
	})
	for _, size := range []int{1000, 5000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			state, err := postgres.OpenState(b.Context(), postgrestest.DSN(b), postgres.StateOptions{})
			if err != nil {
				b.Fatal(err)
			}
			if _, err := state.Own(b.Context()); err != nil {
				b.Fatal(err)
			}
			results, err := clickhouse.OpenResults(b.Context(), clickhousetest.DSN(b), clickhouse.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer func() {
				if err := results.Close(); err != nil {
					b.Error(err)
				}
				if err := state.Close(); err != nil {
					b.Error(err)
				}
			}()
			l := newLoad(b, state, results, monitors)
			defer l.stop()
			heap := watchHeap()
			for b.Loop() {
				l.rounds(size, 150_000)
			}
			l.finish()
			b.ReportMetric(float64(heap())/(1<<20), "peak-heap-MiB")
			rate := float64(l.sent) / b.Elapsed().Seconds()
			b.ReportMetric(rate, "results/s")
			if floor > 0 {
				b.ReportMetric(rate/floor, "of-floor")
			}
		})
	}
}

// watchHeap returns what tells the greatest heap since.
func watchHeap() (peak func() uint64) {
	runtime.GC()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan uint64)
	go func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		var most uint64
		for {
			metrics.Read(sample)
			most = max(most, sample[0].Value.Uint64())
			select {
			case <-tick.C:
			case <-ctx.Done():
				done <- most
				return
			}
		}
	}()
	return func() uint64 { cancel(); return <-done }
}

// bareTable makes a plain table and returns what inserts into it.
func bareTable(b *testing.B, dsn string) func([]events.Result) {
	db, err := engine.Open(b.Context(), dsn, engine.Options{Settings: map[string]any{"async_insert": 0}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	const table = `
CREATE TABLE bare (
  organization_id LowCardinality(String), monitor_id UInt32, timestamp DateTime64(3, 'UTC'), region LowCardinality(String),
  status Enum8('success' = 1, 'failure' = 2, 'timeout' = 3, 'error' = 4, 'missed' = 5), late_ms Int64, response_rest_us Int64,
  dns_time_us Int64, tcp_time_us Int64, tls_time_us Int64, ttfb_us Int64, transfer_time_us Int64, response_size_bytes Int64,
  status_code UInt32, validation_errors Array(String), headers LowCardinality(String), error_type LowCardinality(String),
  error_message String, failed_phase UInt8, attempt UInt32, prober_id LowCardinality(String), resolved_ip LowCardinality(String),
  ip_family UInt8, tls_version LowCardinality(String), cert_expires_ms Int64, missed_count UInt32, next_scheduled_ms Int64,
  config_version UInt64, check_kind UInt8, monitor_url LowCardinality(String), monitor_name LowCardinality(String), port UInt32)
ENGINE = MergeTree PARTITION BY toYYYYMM(timestamp) ORDER BY (organization_id, monitor_id, timestamp, region)`
	if err := db.Conn().Exec(b.Context(), table); err != nil {
		b.Fatal(err)
	}
	return func(list []events.Result) {
		batch, err := db.Conn().PrepareBatch(b.Context(), `INSERT INTO bare`)
		if err != nil {
			b.Fatal(err)
		}
		for i := range list {
			r := &list[i]
			err := batch.Append(r.OrganizationID, r.MonitorID, r.ScheduledAt, r.Region, r.Outcome.String(),
				r.StartedAt.Sub(r.ScheduledAt).Milliseconds(), r.ResponseTime.Microseconds(), r.DNS.Microseconds(), r.TCP.Microseconds(),
				r.TLS.Microseconds(), r.TTFB.Microseconds(), r.Transfer.Microseconds(), r.Size, r.StatusCode, r.ValidationErrors, "",
				r.ErrorType, r.ErrorMessage, uint8(r.FailedPhase), r.Attempt, r.ProberID, r.ResolvedIP, uint8(r.Family), r.TLSVersion,
				int64(0), r.MissedCount, int64(0), r.ConfigVersion, uint8(r.Kind), r.URL, r.Name, r.Port)
			if err != nil {
				b.Fatal(err)
			}
		}
		if err := batch.Send(); err != nil {
			b.Fatal(err)
		}
	}
}
