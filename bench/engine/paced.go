package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/frogstats/uptime/bench/control"
	"github.com/frogstats/uptime/bench/measure"
	"github.com/frogstats/uptime/bench/probe"
	"github.com/frogstats/uptime/bench/sink"
	"github.com/frogstats/uptime/bench/target"
)

// window is what was measured between two moments of a running prober.
type window struct {
	cpu      time.Duration
	wall     time.Duration
	arrivals measure.Arrivals
	counts   sink.Counts
	finished uint64        // checks that the prober says it ended
	ending   time.Duration // between the readings of finished, which a full processor delays
	foreign  float64
	cycles   int // garbage collections
	allocs   uint64
	rss      int64
	helpers  time.Duration // processor time of targets, sink and driver
}

// rate is connections a second, by the target's own clock: commands reach a busy process late.
func (w window) rate() float64 {
	return 1e9 * float64(w.arrivals.Count) / float64(max(w.arrivals.Recorded, 1))
}

// perCheck is processor time per connection that the target counted.
func (w window) perCheck() time.Duration {
	share := float64(w.cpu) / float64(max(w.wall, 1)) // of a processor
	return time.Duration(share / max(w.rate(), 1e-9) * 1e9)
}

// paced measures monitors of a kind that are due every second.
func paced(kind string, monitors int) func(context.Context, *lab) (sample, error) {
	return func(ctx context.Context, l *lab) (sample, error) {
		t, err := l.target(ctx, kind)
		if err != nil {
			return nil, err
		}
		fleet := sink.Fleet{Kind: scheme(kind), Monitors: monitors, Interval: 1, Layout: l.layoutOf(kind)}
		var w window
		curves := map[string]int{}
		floor, err := l.bracketed(ctx, func() error {
			s, err := l.settled(ctx, t, fleet)
			if err != nil {
				return err
			}
			defer s.kill()
			if w, err = l.watch(ctx, t, s, time.Second); err != nil {
				return err
			}
			return t.Call(&curves, "curves")
		})
		if err != nil {
			return nil, err
		}
		out := w.sample(floor)
		if scheme(kind) == httpsKind {
			out["hybrid"] = share(curves, "X25519MLKEM768")
		}
		if w.counts.Example != "" {
			l.note("%s: %s", kind, w.counts.Example)
		}
		return out, nil
	}
}

// settled starts a prober and waits until it has checked every monitor and a second more.
func (l *lab) settled(ctx context.Context, t *control.Child, fleet sink.Fleet) (*subject, error) {
	if err := t.Call(nil, "reset"); err != nil {
		return nil, err
	}
	s, err := l.subject(ctx, fleet)
	if err != nil {
		return nil, err
	}
	if err := allSeen(ctx, t, min(fleet.Monitors, fleet.Layout.Size()), 60*time.Second); err == nil {
		err = pause(ctx, time.Second)
		if err == nil {
			return s, nil
		}
		s.kill()
		return nil, err
	} else {
		c, _ := s.counts()
		s.kill()
		return nil, fmt.Errorf("%w; the sink has %+v", err, c)
	}
}

// allSeen waits until n listeners of the target were connected to since its last reset.
func allSeen(ctx context.Context, t *control.Child, n int, limit time.Duration) error {
	var c target.Count
	for until := time.Now().Add(limit); time.Now().Before(until); {
		if err := t.Call(&c, "count"); err != nil {
			return err
		}
		if c.Seen >= n {
			return nil
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("after %v only %d of %d targets were checked", limit, c.Seen, n)
}

// watch measures a running prober for the duration of a case.
func (l *lab) watch(ctx context.Context, t *control.Child, s *subject, interval time.Duration) (window, error) {
	before, err := s.counts()
	if err != nil {
		return window{}, err
	}
	var gc, gcAfter int
	var allocs, allocsAfter uint64
	var stats, statsAfter probe.Stats
	if err := errors.Join(s.probe.Call(&gc, "gc"), s.probe.Call(&stats, "stats"), s.probe.Call(&allocs, "allocs")); err != nil {
		return window{}, err
	}
	if l.opts.profiles != "" {
		file := filepath.Join(l.opts.profiles, fmt.Sprintf("%s-%d.pprof", l.running, s.probe.Pid))
		if err := s.probe.Call(nil, "profile", file); err != nil {
			return window{}, err
		}
	}
	w, err := l.observe(ctx, t, s.probe.Pid, []int{t.Pid, s.sink.Pid}, interval)
	if err != nil {
		return w, err
	}
	if l.opts.profiles != "" {
		if err := s.probe.Call(nil, "profile"); err != nil {
			return w, err
		}
	}
	after, err := s.counts()
	if err != nil {
		return w, err
	}
	err = errors.Join(s.probe.Call(&statsAfter, "stats"), s.probe.Call(&gcAfter, "gc"), s.probe.Call(&allocsAfter, "allocs"))
	w.allocs = allocsAfter - allocs
	w.counts, w.cycles, w.finished = after.Since(before), gcAfter-gc, statsAfter.Finished-stats.Finished
	w.ending = time.Duration(statsAfter.At - stats.At)
	return w, err
}

// observe measures the process pid and what arrives at t for the duration of a case; helpers are no foreign load.
func (l *lab) observe(ctx context.Context, t *control.Child, pid int, helpers []int, interval time.Duration) (window, error) {
	return observeFor(ctx, l.opts.duration, t, pid, helpers, interval)
}

func observeFor(ctx context.Context, d time.Duration, t *control.Child, pid int, helpers []int, interval time.Duration) (window, error) {
	if err := t.Call(nil, "reset"); err != nil {
		return window{}, err
	}
	machine, err1 := measure.ReadMachine()
	ours, err2 := used(append(helpers, pid))
	cpu, err3 := measure.CPU(pid)
	if err := errors.Join(err1, err2, err3); err != nil {
		return window{}, err
	}
	began := time.Now()
	if err := pause(ctx, d); err != nil {
		return window{}, err
	}
	cpuAfter, err1 := measure.CPU(pid)
	w := window{cpu: cpuAfter - cpu, wall: time.Since(began)}
	err2 = t.Call(&w.arrivals, "report", fmt.Sprint(interval.Milliseconds()))
	machineAfter, err3 := measure.ReadMachine()
	oursAfter, err4 := used(append(helpers, pid))
	var err5 error
	w.rss, err5 = measure.RSS(pid)
	w.helpers = oursAfter - ours - w.cpu
	w.foreign = measure.Foreign(machine, machineAfter, oursAfter-ours)
	return w, errors.Join(err1, err2, err3, err4, err5)
}

// used is the processor time of all pids and this process.
func used(pids []int) (time.Duration, error) {
	total := measure.SelfCPU()
	for _, pid := range pids {
		cpu, err := measure.CPU(pid)
		if err != nil {
			return 0, err
		}
		total += cpu
	}
	return total, nil
}

// sample is a window as figures, beside the floor's cost per connection.
func (w window) sample(floor time.Duration) sample {
	return sample{
		"checks": w.rate(), "CPU": microseconds(w.perCheck()), "× floor": float64(w.perCheck()) / float64(max(floor, 1)),
		"gap error p50": milliseconds(w.arrivals.ErrorP50), "gap error p99": milliseconds(w.arrivals.ErrorP99), "gap error max": milliseconds(w.arrivals.ErrorMax),
		"missed": float64(w.arrivals.Missed), "missed intervals": float64(w.arrivals.Missed + w.counts.Lost()),
		"not success": float64(w.counts.Finished() - w.counts.Ran["success"]), "foreign load": w.foreign,
		"delivered ÷ finished": float64(w.counts.Finished()) / float64(max(w.finished, 1)),
		"core":                 100 * w.cpu.Seconds() / max(w.wall.Seconds(), 1e-9), "targets and sink": 100 * w.helpers.Seconds() / max(w.wall.Seconds(), 1e-9),
		"collections": float64(w.cycles), "allocations": float64(w.allocs) / float64(max(w.finished, 1)), "RSS": float64(w.rss) / (1 << 20),
	}
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
func milliseconds(ns int64) float64        { return float64(ns) / float64(time.Millisecond) }

// share is how much of all counts one has, in per cent.
func share(counts map[string]int, name string) float64 {
	all := 0
	for _, n := range counts {
		all += n
	}
	return 100 * float64(counts[name]) / float64(max(all, 1))
}
