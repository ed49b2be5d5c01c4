//go:build unix

// Package backtest_test measures a backtest from the request to the answer: both services on SQLite, with gRPC between them.
package backtest_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/rpc"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/internal/secret"
	internal "github.com/frogstats/uptime/internal/sqlite"
	"github.com/frogstats/uptime/internal/sqlite/sqlitetest"
	"github.com/frogstats/uptime/services/alerts"
	alertstore "github.com/frogstats/uptime/services/alerts/sqlite"
	"github.com/frogstats/uptime/services/events"
	eventstore "github.com/frogstats/uptime/services/events/sqlite"
)

const (
	organization = "0192f3c4-0000-7000-8000-000000000001"
	monitorID    = 7
	days         = 90
	interval     = 30 * time.Second
	outageEvery  = 1500 // results; and then three checks fail
)

// world is both services with a past of so many days.
type world struct {
	folder string // of the history
	end    time.Time
	checks int
	client alertsv1.BacktestsServiceClient
	rules  func(n int)
}

// catalogue names the one monitor.
type catalogue struct {
	monitorsv1.UnimplementedCatalogServiceServer
	monitorsv1.UnimplementedMonitorsServiceServer
	monitorsv1.UnimplementedMaintenanceServiceServer
	entry *monitorsv1.CatalogEntry
}

// WatchMaintenance tells of one window, an hour each night, that has held all the time.
func (c *catalogue) WatchMaintenance(_ *monitorsv1.WatchMaintenanceRequest, s monitorsv1.MaintenanceService_WatchMaintenanceServer) error {
	for _, step := range []*monitorsv1.WatchMaintenanceResponse{
		{Step: &monitorsv1.WatchMaintenanceResponse_Upserted{Upserted: &monitorsv1.MaintenanceVersion{
			WindowId: 1, Version: 1, OrganizationId: organization, Name: "nightly", MonitorIds: []uint32{monitorID}, StartsAt: c.entry.GetCreatedAt(),
			Cron: "0 3 * * *", Timezone: "Europe/Berlin", DurationSeconds: 3600, ValidFrom: c.entry.GetCreatedAt(),
		}}},
		{Step: &monitorsv1.WatchMaintenanceResponse_SnapshotComplete{SnapshotComplete: &monitorsv1.SnapshotComplete{}}},
	} {
		if err := s.Send(step); err != nil {
			return err
		}
	}
	<-s.Context().Done()
	return nil
}

func (c *catalogue) WatchCatalog(_ *monitorsv1.WatchCatalogRequest, s monitorsv1.CatalogService_WatchCatalogServer) error {
	for _, step := range []*monitorsv1.WatchCatalogResponse{
		{Step: &monitorsv1.WatchCatalogResponse_Upserted{Upserted: c.entry}},
		{Step: &monitorsv1.WatchCatalogResponse_SnapshotComplete{SnapshotComplete: &monitorsv1.SnapshotComplete{}}},
	} {
		if err := s.Send(step); err != nil {
			return err
		}
	}
	<-s.Context().Done()
	return nil
}

func newWorld(b *testing.B) *world {
	end := time.Now().UTC().Truncate(time.Hour)
	start := end.AddDate(0, 0, -days)
	w := &world{folder: filepath.Join(b.TempDir(), "history"), end: end}
	entry := &monitorsv1.CatalogEntry{
		MonitorId: monitorID, OrganizationId: organization, Name: "api", MonitorType: checkv1.MonitorType_MONITOR_TYPE_HTTP, MonitorUrl: "https://api.example.com/",
		Enabled: true, Regions: []string{"local"}, ConfirmDown: 2, ConfirmUp: 1, IntervalMs: uint32(interval.Milliseconds()), TimeoutMs: 10_000, Quorum: "majority",
		Version: 1, CreatedAt: timestamppb.New(start), UpdatedAt: timestamppb.New(start),
	}
	monitors := rpctest.Conn(b, "monitors", func(r grpc.ServiceRegistrar) {
		c := &catalogue{entry: entry}
		monitorsv1.RegisterCatalogServiceServer(r, c)
		monitorsv1.RegisterMonitorsServiceServer(r, c)
		monitorsv1.RegisterMaintenanceServiceServer(r, c)
	}, rpctest.Client(func(c *rpc.ClientConfig) { c.Service = "events" }))
	eventsConn := w.events(b, start, monitors)
	w.alerts(b, eventsConn, monitors)
	return w
}

// events makes the past and the service that knows it.
func (w *world) events(b *testing.B, start time.Time, monitors grpc.ClientConnInterface) *grpc.ClientConn {
	history, err := eventstore.OpenHistory(b.Context(), w.folder, eventstore.HistoryOptions{})
	must(b, err)
	state, err := eventstore.OpenState(b.Context(), filepath.Join(b.TempDir(), "state.db"))
	must(b, err)
	judge := events.NewJudge(events.Snapshot{})
	judge.Upsert(start, events.Monitor{
		ID: monitorID, OrganizationID: organization, Name: "api", Kind: 1, URL: "https://api.example.com/", Enabled: true, Regions: []string{"local"},
		ConfirmDown: 2, ConfirmUp: 1, Interval: interval, Timeout: 10 * time.Second, Quorum: "majority", Version: 1, CreatedAt: start, UpdatedAt: start,
	})
	for at := start; at.Before(w.end); {
		var batch []events.Result
		for next := at.AddDate(0, 0, 1); at.Before(next); at = at.Add(interval) {
			batch = append(batch, check(w.checks, at))
			judge.Result(at, &batch[len(batch)-1])
			w.checks++
		}
		_, err := history.Append(b.Context(), batch)
		must(b, err)
		must(b, history.Maintain(b.Context(), true))
	}
	c := judge.Take()
	must(b, state.Commit(b.Context(), events.Commit{Monitors: c.Monitors, States: c.States, Regions: c.Regions, Transitions: c.Transitions, At: w.end}))
	s, err := events.New(events.Deps{State: state, Results: history, Monitors: monitors, Log: slog.New(slog.DiscardHandler), PageKey: []byte("page key of a benchmark, long enough")})
	must(b, err)
	running(b, s.Run, state.Close, history.Close)
	return rpctest.Conn(b, "events", s.Register, rpctest.Client(func(c *rpc.ClientConfig) { c.Service = "alerts" }))
}

// check is the n-th result: mostly a success, like those of a real server.
func check(n int, at time.Time) events.Result {
	noise := time.Duration(n*7919%1000) * 20 * time.Microsecond
	r := events.Result{
		MonitorID: monitorID, OrganizationID: organization, Region: "local", ScheduledAt: at, StartedAt: at.Add(time.Millisecond), Outcome: events.Success,
		DNS: 300 * time.Microsecond, TCP: 18 * time.Millisecond, TLS: 21 * time.Millisecond, TTFB: 45*time.Millisecond + noise, Transfer: time.Millisecond,
		StatusCode: 200, Size: 12_000, Attempt: 1, ProberID: "local-1", ResolvedIP: "192.0.2.10", Family: 1, TLSVersion: "1.3",
		CertExpiresAt: at.Truncate(30*24*time.Hour).AddDate(0, 2, 0), ConfigVersion: 1, Epoch: 1, Kind: 1, URL: "https://api.example.com/", Name: "api",
		NextScheduledAt: at.Add(interval), Headers: map[string]string{"Content-Type": "application/json", "Server": "nginx"},
	}
	r.ResponseTime = r.DNS + r.TCP + r.TLS + r.TTFB + r.Transfer
	if n%outageEvery > outageEvery-4 {
		r.Outcome, r.StatusCode, r.ErrorType, r.ErrorMessage = events.Failure, 503, "validation_failed", "status code is 503, not one of 200 to 399"
	}
	return r
}

func (w *world) alerts(b *testing.B, events, monitors grpc.ClientConnInterface) {
	store, err := alertstore.Open(b.Context(), filepath.Join(b.TempDir(), "alerts.db"))
	must(b, err)
	must(b, store.PutMonitors(b.Context(), []alerts.Monitor{{ID: monitorID, OrganizationID: organization, Name: "api", Enabled: true, Regions: []string{"local"}}}))
	box, err := secret.Generate()
	must(b, err)
	s, err := alerts.New(alerts.Deps{
		Store: store, Log: slog.New(slog.DiscardHandler), Secrets: box, PageKey: box.Derive("page"), Events: events, Monitors: monitors,
	})
	must(b, err)
	b.Cleanup(func() { must(b, store.Close()) })
	w.client = alertsv1.NewBacktestsServiceClient(rpctest.Conn(b, "alerts", s.Register))
	w.rules = func(n int) {
		for i := range n {
			r := alerts.Rule{
				OrganizationID: organization, MonitorID: monitorID, Type: "webhook", Config: alerts.Config{Public: json.RawMessage(`{}`), Sealed: []byte{}}, Enabled: true,
				Conditions: alerts.Conditions{Failures: 1 + i%5, ResponseTime: time.Duration(104+i) * time.Millisecond, Uptime: 99.9}, CreatedAt: w.end, UpdatedAt: w.end,
			}
			_, err := store.CreateRule(b.Context(), r, func(*alerts.Rule) (audit.Row, error) {
				return audit.New(b.Context(), "alert.create", "alert", "0"), nil
			})
			must(b, err)
		}
	}
}

// BenchmarkBacktest replays 90 days of a monitor that is checked every 30 s, 259,200 results, against none, three and ten rules
// that there are, with a percentile of an hour's response times that is above its threshold all the time, and as if it had another quorum and one more window each
// week. There is a window each night in any case. In the same run reads the same rows without anything around them.
func BenchmarkBacktest(b *testing.B) {
	w := newWorld(b)
	var floor time.Duration // of one pass
	b.Run("floor", func(b *testing.B) {
		for b.Loop() {
			if n := readBare(b, w.folder); n != w.checks {
				b.Fatalf("%d rows of %d", n, w.checks)
			}
		}
		floor = b.Elapsed() / time.Duration(b.N)
	})
	ctx, cancel := context.WithTimeout(rpctest.AsUser(b.Context(), organization, identity.RoleEditor), 10*time.Minute)
	defer cancel()
	usual := &alertsv1.Conditions{ConsecutiveFailures: proto.Int32(2), UptimePercentageThreshold: proto.Float64(99.5)}
	percentile := &alertsv1.Conditions{ResponseTimePercentile: &alertsv1.ResponseTimePercentile{
		Percentile: 95, ThresholdMs: 100, WindowSeconds: 3600,
	}}
	present := 0
	for _, c := range []struct {
		name     string
		rules    int
		proposed *alertsv1.Conditions
		whatIf   bool
	}{
		{"rules=0", 0, usual, false}, {"what-if", 0, usual, true}, {"percentile", 0, percentile, false},
		{"rules=3", 3, usual, false}, {"what-if/rules=3", 3, usual, true}, {"rules=10", 10, usual, false},
	} {
		req := &alertsv1.BacktestRequest{
			MonitorId: monitorID, Conditions: c.proposed, StartDate: timestamppb.New(w.end.AddDate(0, 0, -days)), EndDate: timestamppb.New(w.end),
		}
		windows := days
		if c.whatIf {
			windows += days / 7
			req.Quorum = proto.String("any")
			req.MaintenanceWindow = &alertsv1.BacktestWindow{Cron: proto.String("0 12 * * 0"), DurationSeconds: proto.Int32(7200)}
		}
		w.rules(c.rules - present)
		present = c.rules
		b.Run(c.name, func(b *testing.B) {
			before := processorTime(b)
			for b.Loop() {
				got, err := w.client.Backtest(ctx, req)
				must(b, err)
				o := got.GetProposed()
				// The outages are as many whatever is proposed; in the windows nobody is told of them.
				all := int(o.GetTimes()+o.GetSilenced()) == w.checks/outageEvery && o.GetSilenced() > 0
				if int(got.GetChecks()) != w.checks || o.GetTimes() == 0 || c.proposed == usual && !all || len(got.GetPresent()) != c.rules || int(got.GetMaintenanceStretches()) < windows-1 {
					b.Fatalf("%d checks, %d times, %d silenced, %d rules, %d windows", got.GetChecks(), o.GetTimes(), o.GetSilenced(), len(got.GetPresent()), got.GetMaintenanceStretches())
				}
			}
			one := b.Elapsed() / time.Duration(b.N)
			b.ReportMetric(one.Seconds(), "s/backtest")
			b.ReportMetric((processorTime(b)-before).Seconds()/float64(b.N), "cpu-s/backtest")
			b.ReportMetric(float64(one)/float64(floor), "x-floor")
		})
	}
}

// processorTime is that of the whole process: on a machine with other work the time on the wall says little.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func readBare(b *testing.B, folder string) (n int) {
	const query = `SELECT id, outcome, variant_id, late_ms, response_us, dns_us, tcp_us, tls_us, ttfb_us, transfer_us, size_bytes FROM result`
	files, err := filepath.Glob(filepath.Join(folder, "*.db"))
	must(b, err)
	for _, f := range files {
		n += readFile(b, f, query)
	}
	return n
}

func readFile(b *testing.B, file, query string) (n int) {
	rows, err := sqlitetest.OpenAt(b, file, internal.Options{}).Read().QueryContext(b.Context(), query)
	must(b, err)
	defer func() { must(b, rows.Close()) }()
	var v [11]sql.NullInt64
	to := make([]any, len(v))
	for i := range v {
		to[i] = &v[i]
	}
	for rows.Next() {
		must(b, rows.Scan(to...))
		n++
	}
	must(b, rows.Err())
	return n
}

// running runs a service until the benchmark ends, and then closes what it worked with.
func running(b *testing.B, run func(context.Context) error, closers ...func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	b.Cleanup(func() {
		cancel()
		must(b, <-done)
		for _, c := range closers {
			must(b, c())
		}
	})
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
