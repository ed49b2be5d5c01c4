package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/frogstats/uptime/bench/measure"
	"github.com/frogstats/uptime/bench/probe"
	"github.com/frogstats/uptime/bench/sink"
)

const (
	scaleMonitors = 100_000
	scaleInterval = 60 // seconds
)

// scaled is what a prober of many monitors did over one of their intervals.
type scaled struct {
	first, pace sink.Pace // of the first interval, and of a whole one after it
	counts      sink.Counts
	rss         int64
	cpu         time.Duration
	wall        time.Duration
	memory      probe.Memory
}

// runScale measures a prober of 100,000 monitors, starts it again, and compares when each was due.
func runScale(ctx context.Context, l *lab) (sample, error) {
	base, err := l.footprint(ctx, 0)
	if err != nil {
		return nil, err
	}
	once, err := l.scale(ctx)
	if err != nil {
		return nil, err
	}
	again, err := l.scale(ctx)
	if err != nil {
		return nil, fmt.Errorf("after the restart: %w", err)
	}
	p := once.pace
	moved := 0.0
	if p.Phases != again.pace.Phases || p.Monitors != scaleMonitors || again.pace.Monitors != scaleMonitors {
		moved = 1
		l.note("scale: phases of %d monitors, and of %d after the restart", p.Monitors, again.pace.Monitors)
	}
	l.tellMissed("scale", once.counts)
	l.tellMissed("scale, after the restart", again.counts)
	mean := float64(scaleMonitors) / scaleInterval
	return sample{
		"lateness p99": milliseconds(p.LateP99), "lateness p99.9": milliseconds(p.LateP999), "lateness max": milliseconds(p.LateMax),
		"load off its mean": 100 * max(float64(p.Most)-mean, mean-float64(p.Least)) / mean,
		"burst at start":    float64(once.first.Most) / mean,
		"phases moved":      moved, "not run": float64(once.counts.Lost() + again.counts.Lost()),
		"RSS": float64(once.rss) / (1 << 20), "RSS, each": kibPer(once.rss-base.rss, scaleMonitors),
		"heap":         kibPer(int64(once.memory.HeapInuse)-int64(base.HeapInuse), scaleMonitors),
		"core":         100 * once.cpu.Seconds() / once.wall.Seconds(),
		"first checks": float64(once.first.Moved), "besides grids": float64(p.Moved),
	}, nil
}

// tellMissed notes why slots did not run, and why a check failed.
func (l *lab) tellMissed(what string, c sink.Counts) {
	for _, why := range slices.Sorted(maps.Keys(c.Missed)) {
		l.note("%s: %d slots did not run: %s", what, c.Missed[why], why)
	}
	if c.Example != "" {
		l.note("%s: %s", what, c.Example)
	}
}

// scale runs the monitors for two intervals, and measures the second.
func (l *lab) scale(ctx context.Context) (scaled, error) {
	var out scaled
	if _, err := l.target(ctx, "tcp"); err != nil {
		return out, err
	}
	s, err := l.subject(ctx, sink.Fleet{Kind: "tcp", Monitors: scaleMonitors, Interval: scaleInterval, Layout: l.layout})
	if err != nil {
		return out, err
	}
	defer s.kill()
	if err := s.sink.Call(nil, "pace", "reset"); err != nil {
		return out, err
	}
	if err := s.checkedOnce(ctx, scaleMonitors); err != nil {
		return out, err
	}
	if err := pause(ctx, 10*time.Second); err != nil { // monitors without history have a first check beside their grid
		return out, err
	}
	if err := errors.Join(s.sink.Call(&out.first, "pace"), s.sink.Call(nil, "pace", "reset")); err != nil {
		return out, err
	}
	cpu, err := measure.CPU(s.probe.Pid)
	if err != nil {
		return out, err
	}
	began := time.Now()
	if err := pause(ctx, (scaleInterval+3)*time.Second); err != nil {
		return out, err
	}
	after, err1 := measure.CPU(s.probe.Pid)
	out.cpu, out.wall = after-cpu, time.Since(began)
	err2 := s.sink.Call(&out.pace, "pace")
	var err3, err4 error
	out.rss, err3 = measure.RSS(s.probe.Pid)
	out.counts, err4 = s.counts()
	return out, errors.Join(err1, err2, err3, err4, s.probe.Call(&out.memory, "memory"))
}
