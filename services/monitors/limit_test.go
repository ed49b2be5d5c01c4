package monitors

import (
	"errors"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/fault"
)

func TestLimiter(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		l := newLimiter[int](5*time.Second, 3)
		taken := func() (n int) {
			for l.take(1) == nil {
				n++
			}
			return n
		}
		if got := taken(); got != 3 {
			t.Errorf("burst of %d, want 3", got)
		}
		var refusal *fault.Error
		<-time.After(2 * time.Second)
		if err := l.take(1); !errors.As(err, &refusal) || refusal.Kind != fault.KindExhausted || (refusal.RetryAfter-3*time.Second).Abs() > time.Millisecond {
			t.Fatalf("refused with %+v, want exhausted for 3 s", refusal)
		}
		<-time.After(refusal.RetryAfter) // what it says is when it works
		if got := taken(); got != 1 {
			t.Errorf("%d after the wait, want 1", got)
		}
		if err := l.take(2); err != nil {
			t.Errorf("another key: %v", err)
		}
		<-time.After(time.Hour)
		if got := taken(); got != 3 {
			t.Errorf("%d after an hour, want 3", got)
		}
		l.forget(1)
		if got := taken(); got != 3 {
			t.Errorf("%d after it was forgotten, want 3", got)
		}
	})
}

func TestLimiterForgetsThoseThatRest(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		l := newLimiter[int](time.Second, 2)
		for key := range minSweep {
			if err := l.take(key); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // one that does not rest
			<-time.After(500 * time.Millisecond)
			_ = l.take(0)
		}
		<-time.After(200 * time.Millisecond)
		if err := l.take(minSweep); err != nil {
			t.Fatal(err)
		}
		if _, kept := l.keys[0]; !kept || len(l.keys) != 2 {
			t.Errorf("%d keys are kept, the busy one: %v", len(l.keys), kept)
		}
	})
}

func TestSignal(t *testing.T) {
	s := newSignal()
	first := s.wait()
	select {
	case <-first:
		t.Fatal("woken by nothing")
	default:
	}
	s.fire()
	<-first
	second := s.wait()
	select {
	case <-second:
		t.Fatal("woken by what was before")
	default:
	}
	s.fire()
	<-second
}
