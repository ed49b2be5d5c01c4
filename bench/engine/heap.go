package main

import (
	"context"
	"fmt"
	"time"

	"github.com/frogstats/uptime/bench/measure"
	"github.com/frogstats/uptime/bench/probe"
	"github.com/frogstats/uptime/bench/sink"
)

// footprint is what a prober holds.
type footprint struct {
	probe.Memory
	rss int64
}

// runHeap compares probers of many idle monitors with one that has none.
func runHeap(ctx context.Context, l *lab) (sample, error) {
	base, err := l.footprint(ctx, 0)
	if err != nil {
		return nil, err
	}
	out := sample{"RSS, none": float64(base.rss) / (1 << 20)}
	for _, c := range []struct {
		n    int
		name string
	}{{10_000, "10k"}, {100_000, "100k"}} {
		f, err := l.footprint(ctx, c.n)
		if err != nil {
			return nil, err
		}
		out["heap, "+c.name] = kibPer(int64(f.HeapInuse)-int64(base.HeapInuse), c.n)
		out["RSS, "+c.name] = kibPer(f.rss-base.rss, c.n)
	}
	return out, nil
}

func kibPer(bytes int64, n int) float64 { return float64(bytes) / 1024 / float64(n) }

// footprint runs n monitors once each and measures what stays.
func (l *lab) footprint(ctx context.Context, n int) (footprint, error) {
	var f footprint
	if _, err := l.target(ctx, "tcp"); err != nil {
		return f, err
	}
	s, err := l.subject(ctx, sink.Fleet{Kind: "tcp", Monitors: n, Interval: 86_400, Layout: l.layout})
	if err != nil {
		return f, err
	}
	defer s.kill()
	if err := s.checkedOnce(ctx, n); err != nil {
		return f, err
	}
	if err := s.probe.Call(&f.Memory, "memory"); err != nil {
		return f, err
	}
	f.rss, err = measure.RSS(s.probe.Pid)
	return f, err
}

// checkedWithin bounds the wait for the first checks of a prober: those of idle monitors take turns, 500 a second.
const checkedWithin = 5 * time.Minute

// checkedOnce waits until the sink has a row for every monitor, and then for idle timers to pass.
func (s *subject) checkedOnce(ctx context.Context, n int) error {
	for until := time.Now().Add(checkedWithin); time.Now().Before(until); {
		c, err := s.counts()
		if err != nil {
			return err
		}
		if c.Slots() >= n {
			return pause(ctx, time.Second)
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	c, err := s.counts()
	return fmt.Errorf("not all of %d monitors were checked: %+v, %w", n, c, err)
}
