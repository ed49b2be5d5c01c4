package events_test

import (
	"context"
	"fmt"
	"io"
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

// BenchmarkRecordProduction sends results of 2000 monitors over a real stream until all are judged, with their states in
// PostgreSQL, and stored in ClickHouse. In turn with that, because a machine is not equally busy all the time, it inserts as
// many of the same rows into a table of the same columns without roll-ups, as the driver's documentation shows, which is the
// floor; and appends as many to a result store from a loop, which is what of the difference is the store's.
func BenchmarkRecordProduction(b *testing.B) {
	const monitors, leg, block = 2000, 200_000, 50_000
	for _, size := range []int{1000, 5000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			state, err := postgres.OpenState(b.Context(), postgrestest.DSN(b), postgres.StateOptions{})
			if err != nil {
				b.Fatal(err)
			}
			defer closeAll(b, state)
			if _, err := state.Own(b.Context()); err != nil {
				b.Fatal(err)
			}
			results, alone := openResults(b), openResults(b)
			defer closeAll(b, results, alone)
			insert := bareTable(b, clickhousetest.DSN(b))
			l := newLoad(b, state, results, monitors)
			defer l.stop()
			rows := make([]events.Result, block)
			var bare, appending time.Duration
			var heap uint64
			n := 0
			for b.Loop() {
				peak := watchHeap()
				for l.sent < uint64((n+1)*leg) {
					l.rounds(size, 150_000)
				}
				l.finish()
				heap = max(heap, peak())
				b.StopTimer()
				for at := n * leg; at < (n+1)*leg; at += block {
					for i := range rows {
						slot := benchStart().Add(time.Duration((at+i)/monitors) * time.Second)
						rows[i] = events.ResultIn(benchResult(uint32((at+i)%monitors+1), slot))
					}
					began := time.Now()
					insert(rows)
					bare += time.Since(began)
					began = time.Now()
					if _, err := alone.Append(b.Context(), rows); err != nil {
						b.Fatal(err)
					}
					appending += time.Since(began)
				}
				n++
				b.StartTimer()
			}
			all := float64(n * leg)
			rate := all / b.Elapsed().Seconds()
			b.ReportMetric(rate, "results/s")
			b.ReportMetric(all/bare.Seconds(), "floor-rows/s")
			b.ReportMetric(rate*bare.Seconds()/all, "of-floor")
			b.ReportMetric(rate*appending.Seconds()/all, "of-store")
			b.ReportMetric(float64(heap)/(1<<20), "peak-heap-MiB")
		})
	}
}

func openResults(b *testing.B) *clickhouse.Results {
	s, err := clickhouse.OpenResults(b.Context(), clickhousetest.DSN(b), clickhouse.Options{})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func closeAll(b *testing.B, stores ...io.Closer) {
	for _, s := range stores {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
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
