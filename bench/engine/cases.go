package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
)

// benchCase is one thing that is measured.
type benchCase struct {
	name    string
	about   string
	figures []figure
	once    bool // its figure does not move between repetitions
	run     func(context.Context, *lab) (sample, error)
}

// What every case with a prober tells beside what is asked of it.
var (
	arrived = told("checks", "/s at the target", 0)
	cost    = told("CPU", "µs/check", 1)
	foreign = told("foreign load", "% of the machine", 0)
	// What a prober ends and cannot deliver only grows in its memory.
	delivered = atLeast("delivered ÷ finished", "in the time", 2, none, .95)
	allocated = told("allocations", "a check", 0)
	core      = told("core", "% of the prober's", 0)
	other     = told("targets and sink", "% of the other core", 0)
	failing   = atMost("not success", "checks", 0, 0, 0)
)

func timesFloor(gate, goal float64) figure { return atMost("× floor", "", 2, gate, goal) }

func gaps(p50, p99, worst figure) []figure {
	return []figure{p50, p99, worst, told("missed", "intervals", 0)}
}

func toldGaps() []figure {
	return gaps(told("gap error p50", "ms", 2), told("gap error p99", "ms", 2), told("gap error max", "ms", 2))
}

func with(lists ...[]figure) []figure { return slices.Concat(lists...) }

// cases in the order in which they run; a gate is as in the design, to be kept by the median.
func cases(o options) []benchCase {
	list := []benchCase{
		{name: "floors", about: "loops that only connect, 64 in flight", run: runFloors, figures: floorFigures()},
		{name: "tcp-10k", about: "10,000 TCP monitors every second", run: paced("tcp", 10_000),
			figures: with([]figure{arrived, cost, timesFloor(2.0, 1.6)},
				gaps(told("gap error p50", "ms", 2), atMost("gap error p99", "ms", 2, 10, 3), atMost("gap error max", "ms", 2, none, 15)),
				[]figure{atMost("missed intervals", "at 10k/s", 0, 0, 0), delivered, failing, told("collections", "in the time", 0), told("RSS", "MiB", 0), foreign})},
		{name: "tcp-1k", about: "1,000 TCP monitors every second", run: paced("tcp", 1000),
			figures: with([]figure{arrived, cost, timesFloor(4.5, 3.5)}, toldGaps(), []figure{failing, foreign})},
		{name: "tcp-saturated", about: "more TCP checks due than one core can run", run: runSaturated,
			figures: []figure{atLeast("finished", "checks/s", 0, none, 35_000), arrived, delivered, cost, timesFloor(none, none), told("due", "checks/s", 0), core, other, failing, foreign}},
		{name: "tcp-overload", about: "twice what the saturated core did is due", run: runOverload,
			figures: []figure{atLeast("finished ÷ saturated", "", 2, .8, .95), told("finished", "checks/s", 0), arrived, delivered, told("overload", "slots missed", 0),
				told("other misses", "slots", 0), atMost("rows − due", "slots", 0, 0, 0), atMost("unaccounted", "slots without a row or with two", 0, 0, 0), told("lateness max", "ms", 0), failing, foreign}},
		{name: "http-5k", about: "5,000 HTTP monitors every second, fresh connections", run: paced("http", 5000),
			figures: with([]figure{arrived, cost, timesFloor(4.5, 3.0)}, toldGaps(), []figure{failing, allocated, foreign})},
		{name: "https", about: "800 HTTPS monitors every second, full handshakes, P-256 certificate", run: paced(httpsKind, 800),
			figures: with([]figure{arrived, cost, timesFloor(36, 24), told("hybrid", "% of handshakes with X25519MLKEM768", 0)}, toldGaps(), []figure{failing, allocated, foreign})},
		{name: "https-hybrid", about: "the same, where the server insists on Go's first choice, X25519MLKEM768", run: paced(hybridKind, 800),
			figures: []figure{arrived, cost, timesFloor(36, none), failing, foreign}},
		{name: "start", about: "10,000 TCP monitors every second, from the start of the process", run: runStart,
			figures: []figure{atMost("all checked once", "s", 2, 2, 1.3), atMost("first check", "s", 2, none, .3), told("burst", "× the mean, in 50 ms", 1)}},
		{name: "heap", about: "idle TCP monitors, every 86,400 s, after their first check", once: true, run: runHeap,
			figures: []figure{atMost("heap, 10k", "KiB/monitor", 2, 4, 1.5), atMost("heap, 100k", "KiB/monitor", 2, 4, 1.5),
				told("RSS, 10k", "KiB/monitor", 2), told("RSS, 100k", "KiB/monitor", 2), told("RSS, none", "MiB", 0)}},
		{name: "scale", about: "100,000 TCP monitors every minute, and the same again after a restart", once: true, run: runScale,
			figures: []figure{atMost("lateness p99", "ms", 2, 250, 10), told("lateness p99.9", "ms", 2), told("lateness max", "ms", 1),
				atMost("load off its mean", "% in any second", 1, 20, 15), atMost("burst at start", "× the mean, in 1 s", 2, 3, 1.5),
				atMost("phases moved", "by a restart, 0 or 1", 0, 0, 0), atMost("not run", "slots", 0, 0, 0), atMost("RSS", "MiB", 0, 400, 200),
				told("RSS, each", "KiB/monitor", 2), told("heap", "KiB/monitor", 2), told("core", "% of the prober's", 1),
				told("first checks", "besides grids, at the start", 0), told("besides grids", "checks, after it", 0)}},
		durable("tcp-durable-2k", 2000, timesFloor(none, none)), durable("tcp-durable", 10_000, timesFloor(3.0, 2.2)),
	}
	return append(list, peerCases(o.peers)...)
}

func floorFigures() []figure {
	var out []figure
	for _, f := range floors {
		out = append(out, told(f.name, "× floor", 2), told(f.name+", rate", "/s", 0))
	}
	return append(out, told("reference", "µs/connection", 1), foreign)
}

func caseHelp() string {
	var names []string
	for _, c := range cases(options{}) {
		names = append(names, c.name)
	}
	return strings.Join(names, ", ")
}

func choose(all []benchCase, names string) ([]benchCase, error) {
	if names == "" {
		return all, nil
	}
	var out []benchCase
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(c benchCase) bool { return c.name == name })
		if i < 0 {
			return nil, fmt.Errorf("case %q is not known", name)
		}
		out = append(out, all[i])
	}
	return out, nil
}

func measureAll(ctx context.Context, o options) (*report, error) {
	chosen, err := choose(cases(o), o.cases)
	if err != nil {
		return nil, err
	}
	l, err := openLab(ctx, o)
	if err != nil {
		return nil, err
	}
	defer l.close()
	samples := make([][]sample, len(chosen))
	for round := range o.repeat {
		l.capacity = 0
		for i, c := range chosen {
			if c.once && round > 0 {
				continue
			}
			fmt.Fprintf(os.Stderr, "%d/%d %s …\n", round+1, o.repeat, c.name)
			l.running = c.name
			s, err := c.run(ctx, l)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			samples[i] = append(samples[i], s)
		}
	}
	r := newReport()
	r.Notes = l.notes
	for i, c := range chosen {
		r.Outcomes = append(r.Outcomes, summarize(c.name, c.about, c.figures, samples[i]))
	}
	comparePeers(r)
	r.doubt()
	return r, nil
}
