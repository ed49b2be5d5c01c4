// Command fleet measures a whole `frogup serve` under a fleet of TCP monitors: which
// share of the due slots ran, how late they started, and what a check costs beside
// the floor, a bare net.Dialer at the same pace in the same run.
//
// It starts its own targets on loopback addresses and its own server in a temporary
// folder, and ends both.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/frogstats/uptime/bench/control"
	"github.com/frogstats/uptime/bench/measure"
	"github.com/frogstats/uptime/bench/product"
)

type options struct {
	binary   string
	monitors int
	interval int
	duration time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/frogup", "frogup to measure")
	flag.IntVar(&o.monitors, "monitors", 2000, "TCP monitors")
	flag.IntVar(&o.interval, "interval", 1, "seconds between checks of a monitor")
	flag.DurationVar(&o.duration, "duration", time.Minute, "time that is measured")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	targets, err := listenMany(o.monitors)
	if err != nil {
		return err
	}
	defer targets.close()

	perSecond := float64(o.monitors) / float64(o.interval)
	floor, err := measureFloor(ctx, targets.addresses, perSecond, 10*time.Second)
	if err != nil {
		return err
	}
	s, err := product.Start(ctx, o.binary, control.AnyCPU)
	if err != nil {
		return err
	}
	defer func() {
		if err := s.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "fleet:", err)
		}
	}()
	fmt.Fprintf(os.Stderr, "creating %d monitors …\n", o.monitors)
	if err := s.Create(ctx, targets.monitors(), o.interval); err != nil {
		return err
	}
	// The first checks and the burst of creation are not what is measured.
	if err := sleep(ctx, 5*time.Second); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "measuring for %v …\n", o.duration)
	from := time.Now()
	cpuBefore, err := measure.CPU(s.Pid)
	if err != nil {
		return err
	}
	before := targets.accepted.Load()
	if err := sleep(ctx, o.duration); err != nil {
		return err
	}
	cpuAfter, err := measure.CPU(s.Pid)
	if err != nil {
		return err
	}
	connects, until := targets.accepted.Load()-before, time.Now()
	rss, err := measure.RSS(s.Pid)
	if err != nil {
		return err
	}
	if err := sleep(ctx, 3*time.Second); err != nil { // rows in flight arrive
		return err
	}
	slots, err := s.Read(ctx, o.monitors, from, until)
	if err != nil {
		return err
	}
	report(o, floor, slots, cpuAfter-cpuBefore, connects, until.Sub(from), rss)
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func report(o options, floor time.Duration, s product.Slots, cpu time.Duration, connects int64, wall time.Duration, rss int64) {
	due := s.Ran + s.Missed
	perCheck := time.Duration(0)
	if connects > 0 {
		perCheck = cpu / time.Duration(connects)
	}
	fmt.Printf("%d TCP monitors every %d s, %v, results stored in SQLite\n", o.monitors, o.interval, wall.Round(time.Second))
	fmt.Printf("  slots due          %d (by the grid: %.0f)\n", due, wall.Seconds()*float64(o.monitors)/float64(o.interval))
	fmt.Printf("  run                %d = %.3f %%   missed %d   not success %d\n", s.Ran, 100*float64(s.Ran)/float64(max(due, 1)), s.Missed, s.Failed)
	fmt.Printf("  lateness           p50 %v   p99 %v   p99.9 %v   max %v\n", measure.Quantile(s.Late, .5), measure.Quantile(s.Late, .99), measure.Quantile(s.Late, .999), measure.Quantile(s.Late, 1))
	fmt.Printf("  CPU per check      %v, %.1f × the floor (net.Dialer at the same pace: %v)\n", perCheck.Round(100*time.Nanosecond), float64(perCheck)/float64(max(floor, 1)), floor.Round(100*time.Nanosecond))
	fmt.Printf("  CPU in all         %.0f %% of one core   memory %d MiB\n", 100*cpu.Seconds()/wall.Seconds(), rss>>20)
}
