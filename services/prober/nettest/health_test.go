package nettest_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/services/prober/nettest"
)

// sleep is for bubbles, where the clock jumps.
func sleep(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // the bubble's clock jumps
}

func TestResolverHealthForgets(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		var h nettest.ResolverHealth
		start := time.Now()
		sleep(time.Second)
		h.Observe("a.example.com", false)
		h.Observe("b.example.org", false)
		sleep(30 * time.Second)
		h.Observe("www.example.co.uk", false)
		if !h.Unavailable() || h.AnsweredSince(start) {
			t.Error("three unrelated names failed within a minute and none was answered")
		}
		sleep(30 * time.Second)
		if h.Unavailable() {
			t.Error("two of the failures are a minute old")
		}
		h.Observe("c.example.net", false)
		h.Observe("db", false)
		if !h.Unavailable() {
			t.Error("names of the own network count too")
		}
		before := time.Now()
		sleep(time.Millisecond)
		h.Observe("anything.example", true)
		if h.Unavailable() || !h.AnsweredSince(before) || h.AnsweredSince(time.Now()) {
			t.Error("an answer clears the resolver from then on")
		}
	})
}

func TestResolverHealthBoundsItsMemory(t *testing.T) {
	var h nettest.ResolverHealth
	for i := range 100_000 {
		h.Observe(fmt.Sprintf("host.zone%d.com", i), false)
	}
	if allocs := testing.AllocsPerRun(100, func() { h.Observe("one-more.example", false) }); allocs > 10 || !h.Unavailable() {
		t.Errorf("%v allocations, unavailable %v", allocs, h.Unavailable())
	}
}

// TestResolverHealthModel compares with the rule in one line: the zones that
// failed within the window and after the last answer are at least three.
func TestResolverHealthModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		type event struct {
			after    time.Duration
			zone     int
			answered bool
		}
		events := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) event {
			return event{
				after:    time.Duration(rapid.IntRange(0, 40).Draw(t, "after")) * time.Second,
				zone:     rapid.IntRange(0, 5).Draw(t, "zone"),
				answered: rapid.IntRange(0, 5).Draw(t, "answered") == 0,
			}
		}), 1, 40).Draw(rt, "events")
		bubbletest.Test(t, func(*testing.T) {
			var h nettest.ResolverHealth
			var past []event
			var at []time.Time
			for _, e := range events {
				sleep(e.after)
				h.Observe(fmt.Sprintf("www.zone%d.com", e.zone), e.answered)
				past, at = append(past, e), append(at, time.Now())

				failing := map[int]bool{}
				for i, p := range past {
					switch {
					case p.answered:
						clear(failing)
					case time.Since(at[i]) < nettest.DefaultHealthWindow:
						failing[p.zone] = true
					}
				}
				if want := len(failing) >= nettest.DefaultHealthThreshold; h.Unavailable() != want {
					rt.Fatalf("after %+v: unavailable %v, want %v", past, h.Unavailable(), want)
				}
			}
		})
	})
}
