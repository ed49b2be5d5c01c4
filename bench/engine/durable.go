package main

import (
	"context"
	"fmt"
	"time"

	"github.com/frogstats/uptime/bench/product"
)

// durable is a whole `frogup serve`, every result of which is stored in SQLite.
func durable(name string, monitors int, ratio figure) benchCase {
	return benchCase{
		name: name, about: fmt.Sprintf("a whole frogup serve, %s TCP monitors every second, every result in SQLite", group(fmt.Sprint(monitors))),
		run: func(ctx context.Context, l *lab) (sample, error) { return l.durable(ctx, monitors) },
		figures: with([]figure{arrived, cost, ratio}, toldGaps(), []figure{core, told("RSS", "MiB", 0),
			atLeast("stored", "% of due slots, of 100 monitors", 2, none, 100), failing, foreign}),
	}
}

// A server that starts has work that is not a check's: states to restore, monitors to hand out, slots to account for. With
// ten thousand monitors on one processor that takes some seconds. What is measured is long enough to have its share of what
// the server does in the background: a series is settled every 60 results.
const (
	durableStart = 12 * time.Second
	durableLeast = 10 * time.Second
)

// readBack is of how many monitors the stored slots are read back.
const readBack = 100

func (l *lab) durable(ctx context.Context, monitors int) (sample, error) {
	t, err := l.target(ctx, "tcp")
	if err != nil {
		return nil, err
	}
	fleet, err := l.fleet(ctx, monitors)
	if err != nil {
		return nil, err
	}
	var w window
	var slots product.Slots
	floor, err := l.bracketed(ctx, func() (err error) {
		s, err := fleet.Start(ctx, proberCPU)
		if err != nil {
			return err
		}
		defer func() {
			if stop := s.Stop(); err == nil {
				err = stop
			}
		}()
		if err := pause(ctx, durableStart); err != nil {
			return err
		}
		from := time.Now()
		if w, err = observeFor(ctx, max(l.opts.duration, durableLeast), t, s.Pid, []int{t.Pid}, time.Second); err != nil {
			return err
		}
		until := time.Now()
		if err := pause(ctx, 3*time.Second); err != nil { // rows in flight arrive
			return err
		}
		slots, err = s.Read(ctx, readBack, from, until)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := w.sample(floor)
	out["not success"] = float64(slots.Failed)
	out["stored"] = 100 * float64(slots.Ran) / float64(max(slots.Ran+slots.Missed, 1))
	return out, nil
}

// fleet makes monitors once in a run.
func (l *lab) fleet(ctx context.Context, monitors int) (*product.Fleet, error) {
	if f := l.fleets[monitors]; f != nil {
		return f, nil
	}
	f, err := product.Prepare(ctx, l.opts.binary, l.monitors(monitors), 1)
	if err != nil {
		return nil, err
	}
	l.fleets[monitors] = f
	return f, nil
}

func (l *lab) monitors(n int) []product.Monitor {
	var list []product.Monitor
	for i := range n {
		at := l.layout.At(i)
		list = append(list, product.Monitor{Host: at.Addr().String(), Port: int(at.Port())})
	}
	return list
}
