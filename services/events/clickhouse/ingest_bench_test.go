package clickhouse_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	engine "github.com/frogstats/uptime/internal/clickhouse"
	"github.com/frogstats/uptime/internal/clickhouse/clickhousetest"
	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/clickhouse"
)

const organization = "0192f3c4-0000-7000-8000-000000000001"

func tcp(id uint32, slot time.Time) events.Result {
	n := time.Duration(id*7919+uint32(slot.UnixMilli()/100)*104729) % 1000
	return events.Result{
		MonitorID: id, OrganizationID: organization, Region: "local", ScheduledAt: slot, StartedAt: slot.Add(n * time.Millisecond / 100),
		Outcome: events.Success, ResponseTime: (18_000 + 12*n) * time.Microsecond, DNS: (300 + n) * time.Microsecond, TCP: (17_700 + 11*n) * time.Microsecond,
		TLS: events.Absent, TTFB: events.Absent, Transfer: events.Absent, Size: events.Absent, Attempt: 1, ProberID: "local-1",
		ResolvedIP: "192.0.2.10", Family: 1, ConfigVersion: 1, Kind: 2, URL: fmt.Sprintf("tcp://host-%d.example.com:443", id), Name: fmt.Sprint("host ", id), Port: 443,
	}
}

func https(id uint32, slot time.Time) events.Result {
	r := tcp(id, slot)
	n := time.Duration(slot.UnixMilli()/100*7+int64(id)) % 1000
	r.Kind, r.URL, r.Port, r.TLSVersion, r.CertExpiresAt = 1, fmt.Sprintf("https://host-%d.example.com/health", id), 0, "1.3", slot.Truncate(24*time.Hour).AddDate(0, 2, 0)
	r.TLS, r.TTFB, r.Transfer = (21_000+9*n)*time.Microsecond, (45_000+20*n)*time.Microsecond, (900+n)*time.Microsecond
	r.ResponseTime = r.DNS + r.TCP + r.TLS + r.TTFB + r.Transfer
	r.StatusCode, r.Size = 200, int64(12_000+n)
	r.Headers = map[string]string{
		"Content-Type": "application/json", "Server": "nginx", "Date": slot.Format(time.RFC1123), "Cache-Control": "no-cache",
		"X-Request-Id": fmt.Sprint(slot.UnixNano(), id), "Strict-Transport-Security": "max-age=31536000", "Etag": fmt.Sprint(slot.Unix(), id),
	}
	return r
}

// rounds makes n results of a fleet that is checked every second, from a round on.
func rounds(monitors, n, round int, kind func(uint32, time.Time) events.Result) []events.Result {
	out := make([]events.Result, n)
	for i := range out {
		at := round*n + i
		out[i] = kind(uint32(at%monitors)+1, month.Add(time.Duration(at/monitors)*time.Second))
	}
	return out
}

// BenchmarkAppend appends the results of 5000 monitors, and in the same run inserts the same rows, with the same columns but
// without roll-ups, in the driver's usual way.
func BenchmarkAppend(b *testing.B) {
	const monitors = 5000
	for _, kind := range []struct {
		name string
		make func(uint32, time.Time) events.Result
	}{{"tcp", tcp}, {"https", https}} {
		for _, size := range []int{2000, 10_000, 50_000} {
			var floor float64
			b.Run(fmt.Sprintf("%s/%d/bare", kind.name, size), func(b *testing.B) {
				dsn := clickhousetest.DSN(b)
				bare := newBare(b, dsn)
				n := 0
				for b.Loop() {
					b.StopTimer()
					batch := rounds(monitors, size, n, kind.make)
					b.StartTimer()
					bare(batch)
					n++
				}
				floor = float64(n*size) / b.Elapsed().Seconds()
				b.ReportMetric(floor, "rows/s")
			})
			b.Run(fmt.Sprintf("%s/%d/store", kind.name, size), func(b *testing.B) {
				s := open(b, clickhousetest.DSN(b), clickhouse.Options{})
				n := 0
				var before, after runtime.MemStats
				for b.Loop() {
					b.StopTimer()
					batch := rounds(monitors, size, n, kind.make)
					b.StartTimer()
					if added, err := s.Append(b.Context(), batch); err != nil || added != size {
						b.Fatal(added, err)
					}
					n++
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				rate := float64(n*size) / b.Elapsed().Seconds()
				b.ReportMetric(rate, "results/s")
				b.ReportMetric(rate/floor, "of-bare")
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "heap-MiB")
			})
		}
	}
}

// newBare makes a plain table and returns what inserts into it.
func newBare(b *testing.B, dsn string) func([]events.Result) {
	db, err := engine.Open(b.Context(), dsn, engine.Options{Settings: map[string]any{"async_insert": 0}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	run(b, dsn, `CREATE TABLE bare (
  organization_id LowCardinality(String), monitor_id UInt32, timestamp DateTime64(3, 'UTC'), region LowCardinality(String),
  status LowCardinality(String), late_ms Int64, response_time_us Int64, dns_time_us Int64, tcp_time_us Int64, tls_time_us Int64, ttfb_us Int64,
  transfer_time_us Int64, response_size_bytes Int64, status_code UInt32, validation_errors Array(String), response_headers Map(String, String),
  error_type LowCardinality(String), error_message String, failed_phase UInt8, attempt UInt32, prober_id LowCardinality(String), resolved_ip LowCardinality(String),
  ip_family UInt8, tls_version LowCardinality(String), cert_expires_ms Int64, missed_count UInt32, next_scheduled_ms Int64, config_version UInt64,
  check_kind UInt8, monitor_url LowCardinality(String), monitor_name LowCardinality(String), port UInt32)
ENGINE = MergeTree PARTITION BY toYYYYMM(timestamp) ORDER BY (organization_id, monitor_id, timestamp)`)
	return func(list []events.Result) {
		batch, err := db.Conn().PrepareBatch(ch.Context(b.Context()), `INSERT INTO bare`)
		if err != nil {
			b.Fatal(err)
		}
		for i := range list {
			r := &list[i]
			err := batch.Append(r.OrganizationID, r.MonitorID, r.ScheduledAt, r.Region, r.Outcome.String(), r.StartedAt.Sub(r.ScheduledAt).Milliseconds(),
				r.ResponseTime.Microseconds(), r.DNS.Microseconds(), r.TCP.Microseconds(), r.TLS.Microseconds(), r.TTFB.Microseconds(),
				r.Transfer.Microseconds(), r.Size, r.StatusCode, r.ValidationErrors, r.Headers,
				r.ErrorType, r.ErrorMessage, uint8(r.FailedPhase), r.Attempt, r.ProberID, r.ResolvedIP,
				uint8(r.Family), r.TLSVersion, r.CertExpiresAt.UnixMilli(), r.MissedCount, int64(0), r.ConfigVersion,
				uint8(r.Kind), r.URL, r.Name, r.Port)
			if err != nil {
				b.Fatal(err)
			}
		}
		if err := batch.Send(); err != nil {
			b.Fatal(err)
		}
	}
}
