package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/frogstats/uptime/bench/control"
)

// peerBinaries are paths of other probers; those that are empty are not measured. bench/peers/build makes them.
type peerBinaries struct{ gatus, blackbox, cloudprober string }

// peer is how another prober is run on the same targets.
type peer struct {
	name     string
	about    string
	kind     string // of the targets
	targets  int
	interval time.Duration
	paced    bool // else it is asked for more than it can do, and its gaps mean nothing
	// start starts it and what drives it; the first process is the one that is measured.
	start func(context.Context, *lab, peer) ([]*control.Child, error)
}

// Names of cases that the comparison refers to.
const (
	cloudprober10k       = "cloudprober-10k"
	cloudproberSaturated = "cloudprober-saturated"
	cloudproberOver      = "cloudprober-over"
	gatusSaturated       = "gatus-saturated"
	blackboxSaturated    = "blackbox-saturated"
)

// peerCases are Cloudprober with its gap between targets lowered from 10 ms to 1 ms, so that 10,000 of them start within
// 10 s; Gatus as it is, whose 222 ms between endpoints allow only few, so that they are due all the time; and
// blackbox_exporter, which is asked all the time because it has no schedule of its own.
func peerCases(b peerBinaries) []benchCase {
	var out []benchCase
	if b.cloudprober != "" {
		start := startCloudprober(b.cloudprober)
		out = append(out,
			peer{cloudprober10k, "Cloudprober, 10,000 TCP targets every second", "tcp", 10_000, time.Second, true, start}.bench(),
			peer{"cloudprober-1k", "Cloudprober, 1,000 TCP targets every second", "tcp", 1000, time.Second, true, start}.bench(),
			peer{cloudproberSaturated, "Cloudprober, 10,000 TCP targets every 0.4 s", "tcp", 10_000, 400 * time.Millisecond, false, start}.bench(),
			peer{cloudproberOver, "Cloudprober, 10,000 TCP targets every 0.3 s", "tcp", 10_000, 300 * time.Millisecond, false, start}.bench(),
			peer{"cloudprober-http-5k", "Cloudprober, 5,000 HTTP targets every second", "http", 5000, time.Second, true, start}.bench())
	}
	if b.gatus != "" {
		out = append(out, peer{gatusSaturated, "Gatus, results in memory, 50 TCP endpoints due all the time", "tcp", 50, time.Millisecond, false, startGatus(b.gatus)}.bench())
	}
	if b.blackbox != "" {
		out = append(out, peer{blackboxSaturated, "blackbox_exporter, 64 TCP probes asked for at once", "tcp", 50, time.Millisecond, false, startBlackbox(b.blackbox)}.bench())
	}
	return out
}

func (p peer) bench() benchCase {
	figures := []figure{arrived, cost, timesFloor(none, none)}
	if p.paced {
		figures = append(figures, toldGaps()...)
	}
	return benchCase{name: p.name, about: p.about, figures: append(figures, core, other, told("RSS", "MiB", 0), foreign), run: p.run}
}

func (p peer) run(ctx context.Context, l *lab) (sample, error) {
	t, err := l.target(ctx, p.kind)
	if err != nil {
		return nil, err
	}
	var w window
	floor, err := l.bracketed(ctx, func() error {
		if err := t.Call(nil, "reset"); err != nil {
			return err
		}
		processes, err := p.start(ctx, l, p)
		defer func() {
			for _, c := range processes {
				_ = c.Kill()
			}
		}()
		if err != nil {
			return err
		}
		if err := allSeen(ctx, t, p.targets, 90*time.Second); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if err := pause(ctx, 2*time.Second); err != nil {
			return err
		}
		helpers := []int{t.Pid}
		for _, c := range processes[1:] {
			helpers = append(helpers, c.Pid)
		}
		w, err = l.observe(ctx, t, processes[0].Pid, helpers, p.interval)
		return err
	})
	if err != nil {
		return nil, err
	}
	return w.sample(floor), nil
}

// launch writes a configuration and starts a peer on the prober's processor.
func (l *lab) launch(ctx context.Context, file, config string, env []string, argv ...string) ([]*control.Child, error) {
	if err := os.WriteFile(l.file(file), []byte(config), 0o600); err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	c, err := control.Start(ctx, control.Options{CPU: proberCPU, Env: append(env, l.trust()...), Stderr: &limited{w: os.Stderr}}, argv...)
	if err != nil {
		return nil, err
	}
	return []*control.Child{c}, nil
}

func (l *lab) file(name string) string { return filepath.Join(l.dir, name) }

// comparePeers adds how this engine stands beside the peers of the same run, if both were measured.
func comparePeers(r *report) {
	var figures []figure
	values := map[string][]float64{}
	add := func(f figure, ours, theirs []float64) {
		for i := range min(len(ours), len(theirs)) {
			values[f.Key] = append(values[f.Key], ours[i]/max(theirs[i], 1e-9))
		}
		figures = append(figures, f)
	}
	add(atMost("CPU ÷ Cloudprober's", "of tcp-10k", 2, .65, .5), r.values("tcp-10k", "× floor"), r.values(cloudprober10k, "× floor"))
	add(told("CPU ÷ Cloudprober's, HTTP", "of http-5k", 2), r.values("http-5k", "× floor"), r.values("cloudprober-http-5k", "× floor"))
	var best []float64
	for _, name := range []string{cloudproberSaturated, cloudproberOver, gatusSaturated, blackboxSaturated} {
		best = larger(best, r.values(name, "checks"))
	}
	add(atLeast("rate ÷ best peer's", "of tcp-saturated", 2, 2, 2), r.values("tcp-saturated", "finished"), best)
	samples := make([]sample, 0)
	for key, list := range values {
		for i, v := range list {
			for len(samples) <= i {
				samples = append(samples, sample{})
			}
			samples[i][key] = v
		}
	}
	if o := summarize("peers", "this engine beside others on the same targets", figures, samples); len(o.Figures) > 0 {
		r.Outcomes = append(r.Outcomes, o)
	}
}

// values is a figure of a case in each repetition.
func (r *report) values(name, key string) []float64 {
	for _, o := range r.Outcomes {
		i := slices.IndexFunc(o.Figures, func(e outcomeEntry) bool { return o.Case == name && e.Key == key })
		if i >= 0 {
			return o.Figures[i].Values
		}
	}
	return nil
}

// larger is the larger of a and b in each place.
func larger(a, b []float64) []float64 {
	out := slices.Clone(a)
	for i, v := range b {
		if i < len(out) {
			out[i] = max(out[i], v)
		} else {
			out = append(out, v)
		}
	}
	return out
}
