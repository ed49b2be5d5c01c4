package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/frogstats/uptime/bench/measure"
	"github.com/frogstats/uptime/bench/sink"
	"github.com/frogstats/uptime/services/prober"
)

// loaded is what a prober did with more than it can do.
type loaded struct {
	window
	due   float64      // per second
	stats prober.Stats // over its whole life
	all   sink.Counts  // likewise, after it was stopped
	holes int          // slots that have no row, or more than one, as the sink sees it
}

// load runs as many monitors a second, a second apart, and stops the prober so that every row is told.
func (l *lab) load(ctx context.Context, monitors int) (loaded, time.Duration, error) {
	out := loaded{due: float64(monitors)}
	t, err := l.target(ctx, "tcp")
	if err != nil {
		return out, 0, err
	}
	floor, err := l.bracketed(ctx, func() error {
		s, err := l.settled(ctx, t, sink.Fleet{Kind: "tcp", Monitors: monitors, Interval: 1, Layout: l.layout})
		if err != nil {
			return err
		}
		defer s.kill()
		// Queues and heaps grow to their size first.
		if err := pause(ctx, 2*time.Second); err != nil {
			return err
		}
		if out.window, err = l.watch(ctx, t, s, time.Second); err != nil {
			return err
		}
		if err := s.probe.Call(&out.stats, "stop"); err != nil {
			return err
		}
		out.all, err = s.counts()
		return errors.Join(err, s.sink.Call(&out.holes, "unaccounted"))
	})
	return out, floor, err
}

// rate is how many checks a second were ended in the window.
func (r loaded) rate() float64 { return float64(r.finished) / max(r.ending.Seconds(), 1e-9) }

// sample adds the rates to a window's figures.
func (r loaded) sample(floor time.Duration) sample {
	s := r.window.sample(floor)
	s["finished"], s["due"] = r.rate(), r.due
	return s
}

// runSaturated finds what a core can do: first from the cost of a check at 10,000 a second, then by asking for more.
func runSaturated(ctx context.Context, l *lab) (sample, error) {
	easy, err := paced("tcp", 10_000)(ctx, l)
	if err != nil {
		return nil, err
	}
	estimate := 1e6 / easy["CPU"]
	best, floor := loaded{}, time.Duration(0)
	for _, factor := range []float64{1.1, 1.6} {
		r, f, err := l.load(ctx, int(estimate*factor))
		if err != nil {
			return nil, err
		}
		if r.rate() > best.rate() || best.wall == 0 {
			best, floor = r, f
		}
	}
	l.capacity = best.rate()
	return best.sample(floor), nil
}

// runOverload asks for twice what runSaturated found.
func runOverload(ctx context.Context, l *lab) (sample, error) {
	if l.capacity == 0 {
		if _, err := runSaturated(ctx, l); err != nil {
			return nil, fmt.Errorf("find the capacity: %w", err)
		}
	}
	r, floor, err := l.load(ctx, int(2*l.capacity))
	if err != nil {
		return nil, err
	}
	s := r.sample(floor)
	s["finished ÷ saturated"] = r.rate() / l.capacity
	s["overload"] = float64(r.all.Missed["overload"])
	s["other misses"] = float64(r.all.Lost() - r.all.Missed["overload"])
	s["rows − due"] = math.Abs(float64(r.all.Slots()) - float64(r.stats.Finished+r.stats.Missed))
	s["unaccounted"] = float64(r.holes)
	s["lateness max"] = milliseconds(int64(r.all.Late))
	return s, nil
}

// runStart watches the first seconds.
func runStart(ctx context.Context, l *lab) (sample, error) {
	const monitors = 10_000
	t, err := l.target(ctx, "tcp")
	if err != nil {
		return nil, err
	}
	if err := t.Call(nil, "reset"); err != nil {
		return nil, err
	}
	s, err := l.subject(ctx, sink.Fleet{Kind: "tcp", Monitors: monitors, Interval: 1, Layout: l.layout})
	if err != nil {
		return nil, err
	}
	defer s.kill()
	if err := allSeen(ctx, t, monitors, 30*time.Second); err != nil {
		return nil, err
	}
	var a measure.Arrivals
	if err := t.Call(&a, "report", "1000"); err != nil {
		return nil, err
	}
	mean := float64(monitors) * measure.BurstWindow.Seconds() // in one window, at one check a second each
	return sample{
		"all checked once": float64(a.AllSeen-s.started) / 1e9, "first check": float64(a.First-s.started) / 1e9,
		"burst": float64(a.Burst) / mean,
	}, nil
}
