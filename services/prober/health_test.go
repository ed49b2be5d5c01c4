package prober

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	"pgregory.net/rapid"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
)

// deafCheck heeds neither its time nor its context.
type deafCheck struct {
	fakeCheck
	release chan struct{}
	deaf    *atomic.Bool
	ran     *atomic.Int64
}

func (c deafCheck) longest() time.Duration { return time.Second }

func (c deafCheck) run(_ context.Context, r *checkv1.CheckResult) {
	c.ran.Add(1)
	if c.deaf.Load() {
		<-c.release
	}
	r.Status = checkv1.ResultStatus_RESULT_STATUS_SUCCESS
}

// A check that does not end holds up neither its slot, nor the next one, nor the permits, nor a stop; and there is an end to
// how many of them there are.
func TestChecksThatDoNotEnd(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		c := deafCheck{release: make(chan struct{}), deaf: new(atomic.Bool), ran: new(atomic.Int64)}
		c.deaf.Store(true)
		b := startEngine(t, Config{MaxChecksPerHost: 2}, success)
		b.prepare = func(*checkv1.CheckSpec) (check, error) { return c, nil }
		b.assign(assignment(1, 10), &lastSlot{at: time.Now()}, false)
		pass(25 * time.Second)
		synctest.Wait()
		if n, ran := b.guard.count(), c.ran.Load(); n != ran && n != ran-1 || n < 1 {
			t.Errorf("%d checks are given up of %d that ran", n, ran)
		}
		for id := range uint32(40) {
			b.assign(assignment(2+id, 10), &lastSlot{at: time.Now()}, false)
		}
		pass(4 * time.Minute)
		synctest.Wait()
		if n := b.guard.count(); n < maxStuck || n > maxStuck+2 {
			t.Errorf("%d checks are stuck, want %d", n, maxStuck)
		}
		if b.metrics.running.Load() > 2 || b.limits.running.Load() > 2 {
			t.Errorf("%d run and %d permits are out: what was given up holds them", b.metrics.running.Load(), b.limits.running.Load())
		}
		if f := b.report().GetFaults(); len(f) == 0 {
			t.Error("no fault is reported")
		}
		c.deaf.Store(false)
		close(c.release)
		synctest.Wait()
		if n := b.guard.count(); n != 0 {
			t.Errorf("%d checks are counted as stuck and have ended", n)
		}
		pass(20 * time.Second)
		synctest.Wait()
		due := b.metrics.due.Load()
		rows := b.stopAndRead(t)
		got := count(rows)
		ran, missed := tally(rows)
		if int64(ran+missed) != due || got["error internal_error"] < maxStuck || got["missed overload"] == 0 || got["success"] < 60 {
			t.Errorf("%d ran + %d missed, due were %d: %v", ran, missed, due, got)
		}
	})
}

// Check fails when a shard is held up, and when the outbox takes nothing.
func TestCheckSaysWhetherWorkIsDone(t *testing.T) {
	b := startEngine(t, Config{}, success)
	s := &Service{engine: b.engine}
	b.assign(assignment(1, 1), &lastSlot{at: time.Now()}, false)
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("a prober that works: %v", err)
	}
	held := b.shardOf(1)
	held.mu.Lock()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Check(ctx); !errors.Is(err, errLocked) {
		t.Errorf("with a shard held up: %v", err)
	}
	held.mu.Unlock()
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	b.setClock(time.Hour)
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("the clock was set: %v", err)
	}
	b.cancel()
	b.done.Wait()
	b.engine.outbox = fullOutbox{b.box}
	if err := s.Check(t.Context()); !errors.Is(err, errFull) {
		t.Errorf("with an outbox that takes nothing: %v", err)
	}
}

// A shard whose goroutine is gone looks for nothing.
func TestCheckMissesAShard(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		m, err := newMetrics(noop.NewMeterProvider())
		if err != nil {
			t.Fatal(err)
		}
		g := newEngine(Config{MaxChecks: 1, MaxChecksPerHost: 1}, nil, nil, NewMemoryOutbox(1, 1), m, newTracer(nil, -1), nil)
		defer g.cancel()
		g.shards[0].startDue()
		s := &Service{engine: g}
		if err := s.Check(t.Context()); err != nil {
			t.Errorf("at first: %v", err)
		}
		pass(2 * time.Minute)
		if err := s.Check(t.Context()); !errors.Is(err, errAsleep) {
			t.Errorf("after two minutes: %v", err)
		}
	})
}

var errFull = errors.New("full")

type fullOutbox struct{ *memoryOutbox }

func (fullOutbox) Err() error { return errFull }

// The quantile is that of the checks of the last minute, a fifth too high at most.
func TestLatenessOfTheLastMinute(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var ring lateRing
		at := time.Unix(1_800_000_000, 0)
		for range rapid.IntRange(0, 50).Draw(rt, "old") {
			ring.add(time.Hour, at)
		}
		at = at.Add(2 * time.Minute)
		var late []time.Duration
		for range rapid.IntRange(1, 300).Draw(rt, "n") {
			d := time.Duration(rapid.Int64Range(-5, 100_000_000).Draw(rt, "µs")) * time.Microsecond
			ring.add(d, at.Add(time.Duration(rapid.IntRange(0, 59).Draw(rt, "s"))*time.Second))
			late = append(late, max(d, 0))
		}
		slices.Sort(late)
		var sum lateCounts
		ring.addTo(&sum, at.Add(time.Minute-time.Second))
		exact := float64(late[(99*len(late)+99)/100-1].Microseconds()) / 1000
		if got := sum.quantile(0.99); got < exact || got > exact*1.26+0.001 {
			rt.Fatalf("p99 is %v ms, want %v", got, exact)
		}
	})
}

func TestMemoryIsShortNearItsLimit(t *testing.T) {
	const mib = 1 << 20
	for _, tt := range []struct {
		limit, live, rest float64
		want              bool
	}{{9e18, 500 * mib, 90 * mib, false}, {512 * mib, 300 * mib, 50 * mib, false}, {512 * mib, 440 * mib, 60 * mib, true}} {
		if got := tight(tt.limit, tt.live, tt.rest); got != tt.want {
			t.Errorf("%v of %v: %v", tt.live+tt.rest, tt.limit, got)
		}
	}
	var m memoryWatch
	if m.look() {
		t.Error("the memory of this test is short")
	}
}
