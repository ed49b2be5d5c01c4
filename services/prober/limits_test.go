package prober

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
)

func TestLimits(t *testing.T) {
	l := newLimits(3, 2)
	a, b, c := l.enter("a"), l.enter("b"), l.enter("c")
	if l.enter("a") != a {
		t.Fatal("a host has two counters")
	}
	l.leave(a)
	for i, step := range []struct {
		host *hostLimit
		want permit
	}{{a, granted}, {a, granted}, {a, hostFull}, {b, granted}, {c, allFull}, {b, allFull}} {
		if got := l.try(step.host); got != step.want {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
	l.release(b)
	if got := l.try(c); got != granted {
		t.Errorf("after a release: %v", got)
	}
	l.leave(a) // its checks still run
	if l.enter("a") != a {
		t.Error("a host with checks in flight was forgotten, and may have twice as many")
	}
	l.leave(a)
	for range 2 {
		l.release(a)
	}
	l.leave(b)
	if len(l.hosts) != 1 {
		t.Errorf("%d hosts are kept, want only c", len(l.hosts))
	}
}

// A check by hand gets the next permit, however many slots wait.
func TestByHandGoesFirst(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		b := startEngine(t, Config{MaxChecks: 2, MaxChecksPerHost: 2}, func(uint32) (time.Duration, checkv1.ResultStatus) {
			return 900 * time.Millisecond, checkv1.ResultStatus_RESULT_STATUS_SUCCESS
		})
		for id := range uint32(50) {
			b.assign(assignment(id+1, 1), &lastSlot{at: time.Now()}, false)
		}
		pass(5 * time.Second)
		for range 2 { // both permits
			began := time.Now()
			release, err := b.limits.acquire(t.Context(), "")
			if err != nil || time.Since(began) > time.Second+2*urgentPause {
				t.Fatalf("permit after %v, %v", time.Since(began), err)
			}
			defer release()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := b.limits.acquire(ctx, ""); err == nil {
			t.Error("a permit when there was none")
		}
		b.stopAndRead(t)
		if len(b.limits.hosts) != 1 || b.limits.running.Load() != 2 || b.limits.urgent.Load() != 0 {
			t.Errorf("left behind: %v, %d, %d", b.limits.hosts, b.limits.running.Load(), b.limits.urgent.Load())
		}
	})
}

// In an overload everything runs about as often as everything else, at the full rate, and a crowded host leaves room for others.
func TestOverloadIsShared(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		ran := map[uint32]int{}
		turn := make(chan struct{}, 1)
		b := startEngine(t, Config{MaxChecks: 20, MaxChecksPerHost: 10}, func(id uint32) (time.Duration, checkv1.ResultStatus) {
			turn <- struct{}{}
			ran[id]++
			<-turn
			return 98 * time.Millisecond, checkv1.ResultStatus_RESULT_STATUS_SUCCESS
		})
		const crowd, others = 400, 50 // of the crowd 100 a second can run
		for id := range uint32(crowd + others) {
			a := assignment(id+1, 1)
			if a.Spec.TcpConfig.Host = ptr("crowded"); id >= crowd {
				a.Spec.TcpConfig.Host = ptr("other")
			}
			b.assign(a, &lastSlot{at: time.Now()}, false)
		}
		const seconds = 40
		pass(seconds * time.Second)
		synctest.Wait()
		rows := b.stopAndRead(t)
		least, most, sum := 1<<30, 0, 0
		for id := range uint32(crowd) {
			n := ran[id+1]
			least, most, sum = min(least, n), max(most, n), sum+n
		}
		if least*2 < most { // shards have equal shares, and not quite as many monitors
			t.Errorf("monitors of the crowded host ran %d to %d times", least, most)
		}
		if sum < 95*seconds*8/10 {
			t.Errorf("%d checks of the crowded host ran in %d s, possible were %d", sum, seconds, 100*seconds)
		}
		for id := range uint32(others) {
			if n := ran[crowd+id+1]; n < seconds-1 {
				t.Errorf("monitor %d of the other host ran %d times in %d s", id, n, seconds)
			}
		}
		if done, missed := tally(rows); int64(done+missed) != b.metrics.due.Load() || missed == 0 {
			t.Errorf("%d ran + %d missed of %d due", done, missed, b.metrics.due.Load())
		}
	})
}
