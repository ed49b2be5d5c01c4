// Command year fills a data folder of `frogup serve` with a fleet that has been watched for a year, for measurements of what
// reads it: pages, charts, starts.
//
// Nothing is written that the product would not have written: the owner, the organization and one monitor of each kind come
// from a real `frogup serve` over its REST surface; the others are stored by the monitors service's own store, dated back;
// every result goes through the events service's judge and its history, which makes the roll-ups of it; timelines, with the
// sums that uptime is read from, are the judge's. Only the time between checks is not that of a usual fleet: until the last
// day most monitors were checked every -early (12 h), because a year of checks every five minutes would be a thousand
// million rows. A few (-dense) were checked every five minutes all year. On the last day all were, by an edit that stands in
// their configurations.
//
// What the year holds: outages, short faults, slow answers, days on which the prober was away (missed slots, then unknown),
// faults of the prober itself, weekly maintenance of one team's monitors, some paused monitors, and a few that are down at
// its end. The same -seed makes the same year. Nothing of it is announced: the feed and the incidents begin with the next start.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

type options struct {
	binary   string
	dir      string
	monitors int
	dense    int
	days     int
	early    time.Duration
	target   string
	closed   string
	seed     uint64
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/frogup", "frogup that makes the folder")
	flag.StringVar(&o.dir, "dir", "", "folder to fill; frogup's data is in data inside it")
	flag.IntVar(&o.monitors, "monitors", 10_000, "monitors")
	flag.IntVar(&o.dense, "dense", 20, "of them checked every five minutes all year")
	flag.IntVar(&o.days, "days", 365, "days of history")
	flag.DurationVar(&o.early, "early", 12*time.Hour, "time between two checks of the others until the last day")
	flag.StringVar(&o.target, "target", "127.0.0.1:19180", "address that is checked: whoever starts the folder serves HTTP there")
	flag.StringVar(&o.closed, "closed", "127.0.0.1:19181", "address of the monitors that are down: nobody may serve it")
	flag.Uint64Var(&o.seed, "seed", 1, "of what happened in the year")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "year:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	switch {
	case o.dir == "":
		return fmt.Errorf("-dir must name a folder")
	case o.monitors < 1 || o.days < 2 || o.early < usual || o.early > 24*time.Hour:
		return fmt.Errorf("-monitors must be at least 1, -days at least 2, -early from %v to 24h", usual)
	}
	if _, err := os.Stat(filepath.Join(o.dir, "data")); err == nil {
		return fmt.Errorf("%s has a data folder already", o.dir)
	}
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	began := time.Now()
	f, err := makeFleet(ctx, o)
	if err != nil {
		return err
	}
	n, err := makeHistory(ctx, o, f)
	if err != nil {
		return err
	}
	fmt.Printf("%d monitors, %d results, %d intervals of timelines in %v; the newest slot is %s\n", len(f.all), n.results, n.intervals, time.Since(began).Round(time.Second), f.end.Format(time.RFC3339))
	return nil
}
