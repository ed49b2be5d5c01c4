package prober

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.uber.org/goleak"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/schedule"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeCheck takes as long, and ends as, its function says.
type fakeCheck struct {
	target  string
	outcome func() (time.Duration, checkv1.ResultStatus)
}

func (c fakeCheck) host() string { return c.target }

func (c fakeCheck) run(ctx context.Context, r *checkv1.CheckResult) {
	d, status := c.outcome()
	if d <= 0 {
		// A channel's timer that is already over is run by whoever selects on it. The race detector of
		// Go 1.26 crashes when two goroutines of a bubble do that at once.
		r.Status = status
		return
	}
	select {
	case <-time.After(d):
		r.Status = status
	case <-ctx.Done():
		r.Status = checkv1.ResultStatus_RESULT_STATUS_ERROR
	}
}

func (c fakeCheck) runDetailed(ctx context.Context, r *checkv1.CheckResult) { c.run(ctx, r) }

func (fakeCheck) plain() (nettest.TestConfig, bool) { return nettest.TestConfig{}, false }

func (fakeCheck) record(*checkv1.CheckResult, *nettest.TestResult, error) {}

// bench is an engine whose checks the test decides.
type bench struct {
	*engine
	box    *memoryOutbox
	cancel context.CancelFunc
	done   sync.WaitGroup
}

func startEngine(t *testing.T, cfg Config, outcome func(id uint32) (time.Duration, checkv1.ResultStatus)) *bench {
	t.Helper()
	return startWatched(t, cfg, nil, newTracer(nil, -1), outcome)
}

// startWatched is startEngine with telemetry of the test's own.
func startWatched(t *testing.T, cfg Config, mp metric.MeterProvider, tr *tracer, outcome func(id uint32) (time.Duration, checkv1.ResultStatus)) *bench {
	t.Helper()
	cfg.ProberID, cfg.Region = "p1", "local"
	cfg, err := cfg.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	m, err := newMetrics(mp)
	if err != nil {
		t.Fatal(err)
	}
	box := NewMemoryOutbox(1_000_000, 1<<30).(*memoryOutbox)
	prepare := func(spec *checkv1.CheckSpec) (check, error) {
		return fakeCheck{spec.GetTcpConfig().GetHost(), func() (time.Duration, checkv1.ResultStatus) { return outcome(spec.GetMonitorId()) }}, nil
	}
	b := &bench{engine: newEngine(cfg, prepare, nil, box, m, tr, slog.New(slog.DiscardHandler)), box: box}
	if err := m.watch(b.engine, box, nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	b.cancel = cancel
	b.done.Go(func() { b.run(ctx, cfg.StopGrace) })
	return b
}

// stopAndRead ends the engine and returns every row.
func (b *bench) stopAndRead(t *testing.T) []*checkv1.CheckResult {
	t.Helper()
	b.cancel()
	b.done.Wait()
	var rows []*checkv1.CheckResult
	for len(rows) < b.box.Pending() {
		batch, err := b.box.Read(t.Context(), uint64(len(rows)), 1_000_000, nil)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, results(t, batch)...)
	}
	return rows
}

func assignment(id uint32, interval uint32) *monitorsv1.Assignment {
	return &monitorsv1.Assignment{
		Spec:            &checkv1.CheckSpec{MonitorId: id, Name: "m", MonitorType: checkv1.MonitorType_MONITOR_TYPE_TCP, TcpConfig: &checkv1.TcpConfig{}},
		IntervalSeconds: interval, ConfirmDown: 2, RetryIntervalSeconds: 20, Overlap: monitorsv1.Overlap_OVERLAP_SKIP,
	}
}

func success(uint32) (time.Duration, checkv1.ResultStatus) {
	return 5 * time.Millisecond, checkv1.ResultStatus_RESULT_STATUS_SUCCESS
}

func tally(rows []*checkv1.CheckResult) (ran, missed int) {
	for _, r := range rows {
		if r.GetStatus() == checkv1.ResultStatus_RESULT_STATUS_MISSED {
			missed += int(r.GetMissedCount())
		} else {
			ran++
		}
	}
	return ran, missed
}

func TestEveryDueSlotIsOneRow(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		b := startEngine(t, Config{}, success)
		begin := time.Now()
		const monitors = 50
		for id := uint32(1); id <= monitors; id++ {
			b.assign(assignment(id, 1), nil, true)
		}
		pass(10 * time.Minute)
		synctest.Wait()
		until := time.Now()
		rows := b.stopAndRead(t)

		due := 0
		for id := uint32(1); id <= monitors; id++ {
			due += 1 + schedule.NewGrid(id, time.Second).Count(begin, until.Add(1)) // the first check at once, then the grid
		}
		ran, missed := tally(rows)
		// A grid slot that falls on the first check is that check.
		if sum := ran + missed; sum > due || sum < due-monitors {
			t.Errorf("%d results + %d missed = %d, due were %d", ran, missed, sum, due)
		}
		seen := map[[2]int64]bool{}
		for _, r := range rows {
			key := [2]int64{int64(r.GetMonitorId()), r.GetScheduledAt().AsTime().UnixMilli()}
			if seen[key] {
				t.Fatalf("monitor %d has two rows for the slot %v", r.GetMonitorId(), r.GetScheduledAt().AsTime())
			}
			seen[key] = true
		}
	})
}

func TestFirstCheckRunsAtOnce(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		b := startEngine(t, Config{}, success)
		pass(1234567 * time.Microsecond)
		at := time.Now()
		b.assign(assignment(7, 3600), nil, true)
		pass(10 * time.Millisecond)
		synctest.Wait()
		rows := b.stopAndRead(t)
		if len(rows) != 1 || rows[0].GetStartedAt().AsTime().Sub(at) > time.Millisecond {
			t.Fatalf("got %d rows, want one check at once", len(rows))
		}
		if next := rows[0].GetNextScheduledAt().AsTime(); !next.Equal(schedule.NewGrid(7, time.Hour).Next(at)) {
			t.Errorf("next slot %v is not on the grid", next)
		}
	})
}

// A first failure is looked at again after the retry interval, not after the interval.
func TestConfirmingCheck(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		b := startEngine(t, Config{}, func(uint32) (time.Duration, checkv1.ResultStatus) {
			return 0, checkv1.ResultStatus_RESULT_STATUS_FAILURE
		})
		b.assign(assignment(7, 86400), nil, true)
		pass(time.Hour)
		synctest.Wait()
		rows := b.stopAndRead(t)
		if len(rows) < 2 {
			t.Fatalf("got %d rows, want the failure and its confirmation", len(rows))
		}
		gap := rows[1].GetScheduledAt().AsTime().Sub(rows[0].GetScheduledAt().AsTime())
		if gap < 20*time.Second-time.Millisecond || gap > 20*time.Second+time.Millisecond {
			t.Errorf("confirmed after %v, want 20s", gap)
		}
		if len(rows) > 3 { // at most one slot of the daily grid besides
			t.Errorf("got %d rows: a confirmed failure needs no more confirming", len(rows))
		}
	})
}

func TestOverlapIsMissedOrParallel(t *testing.T) {
	slow := func(uint32) (time.Duration, checkv1.ResultStatus) {
		return 3500 * time.Millisecond, checkv1.ResultStatus_RESULT_STATUS_SUCCESS
	}
	for _, tt := range []struct {
		overlap    monitorsv1.Overlap
		wantMissed bool
	}{{monitorsv1.Overlap_OVERLAP_SKIP, true}, {monitorsv1.Overlap_OVERLAP_PARALLEL, false}} {
		t.Run(tt.overlap.String(), func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				b := startEngine(t, Config{StopGrace: 10 * time.Second}, slow)
				a := assignment(7, 1)
				a.Overlap = tt.overlap
				begin := time.Now()
				b.assign(a, nil, false)
				pass(time.Minute)
				synctest.Wait()
				due := schedule.NewGrid(7, time.Second).Count(begin, time.Now())
				ran, missed := tally(b.stopAndRead(t))
				if (missed > 0) != tt.wantMissed {
					t.Errorf("%d missed slots", missed)
				}
				if ran+missed < due {
					t.Errorf("%d results + %d missed < %d due", ran, missed, due)
				}
			})
		})
	}
}

func TestHostLimitHoldsAndMissesCount(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		var inFlight, most atomic.Int64
		b := startEngine(t, Config{MaxChecksPerHost: 3}, func(uint32) (time.Duration, checkv1.ResultStatus) {
			most.Store(max(most.Load(), inFlight.Add(1)))
			pass(900 * time.Millisecond)
			inFlight.Add(-1)
			return 0, checkv1.ResultStatus_RESULT_STATUS_SUCCESS
		})
		begin := time.Now()
		due := 0
		for id := uint32(1); id <= 10; id++ {
			b.assign(assignment(id, 1), nil, false)
		}
		pass(time.Minute)
		synctest.Wait()
		for id := uint32(1); id <= 10; id++ {
			due += schedule.NewGrid(id, time.Second).Count(begin, time.Now())
		}
		ran, missed := tally(b.stopAndRead(t))
		if most.Load() > 3 {
			t.Errorf("%d checks of one host at once, want at most 3", most.Load())
		}
		if missed == 0 || ran+missed < due {
			t.Errorf("%d results + %d missed, due were %d", ran, missed, due)
		}
	})
}

func TestGapAfterRestartIsMissed(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		g := schedule.NewGrid(7, 10*time.Second)
		last := g.Next(time.Now())
		pass(10*time.Minute + 3*time.Second)
		b := startEngine(t, Config{}, success)
		restart := time.Now()
		b.assign(assignment(7, 10), &lastSlot{at: last}, false)
		pass(time.Minute)
		synctest.Wait()
		until := time.Now()
		rows := b.stopAndRead(t)
		if rows[0].GetStatus() != checkv1.ResultStatus_RESULT_STATUS_MISSED || rows[0].GetErrorType() != string(missedOffline) {
			t.Fatalf("first row is %v, want the missed gap", rows[0])
		}
		if got, want := int(rows[0].GetMissedCount()), g.Count(last, restart); got != want {
			t.Errorf("gap of %d slots, want %d", got, want)
		}
		ran, missed := tally(rows)
		if due := g.Count(last, until); ran+missed != due {
			t.Errorf("%d results + %d missed, due were %d", ran, missed, due)
		}
	})
}

// Pausing is no absence of ours: nothing was due.
func TestNoGapBeforeActive(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		last := time.Now()
		pass(10 * time.Minute)
		b := startEngine(t, Config{}, success)
		a := assignment(7, 10)
		a.ActiveSince = stamp(time.Now())
		b.assign(a, &lastSlot{at: last}, false)
		synctest.Wait()
		if rows := b.stopAndRead(t); len(rows) != 0 {
			t.Errorf("got %v, want nothing", rows)
		}
	})
}

func TestStopLetsChecksFinishThenCutsThemOff(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		b := startEngine(t, Config{StopGrace: 2 * time.Second}, func(id uint32) (time.Duration, checkv1.ResultStatus) {
			return time.Duration(id) * time.Second, checkv1.ResultStatus_RESULT_STATUS_SUCCESS
		})
		b.assign(assignment(1, 3600), nil, true)  // ends in time
		b.assign(assignment(60, 3600), nil, true) // does not
		pass(100 * time.Millisecond)
		began := time.Now()
		rows := b.stopAndRead(t)
		if took := time.Since(began); took > 2100*time.Millisecond {
			t.Errorf("stopping took %v, want the grace of 2s", took)
		}
		ran, missed := tally(rows)
		if ran != 1 || missed != 1 {
			t.Errorf("%d ran and %d missed, want one each", ran, missed)
		}
	})
}

func TestChangesWhileRunning(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		b := startEngine(t, Config{}, success)
		b.assign(assignment(1, 1), nil, false)
		b.assign(assignment(2, 1), nil, false)
		pass(5 * time.Second)
		b.assign(assignment(1, 1), nil, true) // the same again changes nothing
		if b.size() != 2 {
			t.Fatalf("%d monitors, want 2", b.size())
		}
		b.retain(map[uint32]bool{2: true})
		synctest.Wait()
		before := b.stats()
		pass(5 * time.Second)
		synctest.Wait()
		if got := b.stats().Finished - before.Finished; got < 4 || got > 6 {
			t.Errorf("%d checks in 5 s of the one monitor left, want 5", got)
		}
		b.stopAndRead(t)
	})
}

func (b *bench) stats() Stats { return b.metrics.stats() }

// pass lets time go by inside a synctest bubble, where that takes none.
func pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // the bubble's clock jumps
}
