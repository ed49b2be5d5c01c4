// Command engine measures the check engine: what a check costs beside the least that it
// can cost, how exact the intervals are, what is left of it under overload, and, if
// their binaries are given, what other probers need for the same work.
//
// Everything is measured in one run, in a network namespace of its own, the prober on
// one processor and targets and sink on another; see bench/README.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/frogstats/uptime/bench/floor"
	"github.com/frogstats/uptime/bench/probe"
	"github.com/frogstats/uptime/bench/sink"
	"github.com/frogstats/uptime/bench/target"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

type options struct {
	cases    string
	repeat   int
	duration time.Duration
	json     string
	profiles string
	binary   string
	peers    peerBinaries
}

func parse(arguments []string) (options, error) {
	var o options
	f := flag.NewFlagSet("engine", flag.ContinueOnError)
	f.StringVar(&o.cases, "cases", "", "cases to run, with commas between them (default: all)\n"+caseHelp())
	f.IntVar(&o.repeat, "repeat", 3, "repetitions, interleaved")
	f.DurationVar(&o.duration, "duration", 3*time.Second, "measured time of a case")
	f.StringVar(&o.json, "json", "", "file to write all figures to")
	f.StringVar(&o.profiles, "profiles", "", "folder to write a CPU profile of the prober of each paced case to; profiling is in the figures then")
	f.StringVar(&o.binary, "binary", "bin/frogup", "frogup of the durable cases")
	f.StringVar(&o.peers.gatus, "gatus", "", "Gatus to compare with")
	f.StringVar(&o.peers.blackbox, "blackbox", "", "blackbox_exporter to compare with")
	f.StringVar(&o.peers.cloudprober, "cloudprober", "", "Cloudprober to compare with")
	if err := f.Parse(arguments); err != nil {
		return o, err
	}
	if o.repeat < 1 || o.duration < time.Second {
		return o, errors.New("-repeat must be at least 1 and -duration at least 1s")
	}
	return o, nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := dispatch(ctx, os.Args[1:])
	stop()
	var exit *exec.ExitError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.As(err, &exit):
		os.Exit(max(exit.ExitCode(), 1)) // the run inside has said why
	default:
		fmt.Fprintln(os.Stderr, "engine:", err)
		os.Exit(1)
	}
}

// The commands below are processes of a run, which it starts from its own binary.
const (
	insideCommand = "inside"
	targetCommand = "target"
	sinkCommand   = "sink"
	probeCommand  = "probe"
	floorCommand  = "floor"
	scrapeCommand = "scrape"
)

func dispatch(ctx context.Context, arguments []string) error {
	command, rest := "", arguments
	if len(arguments) > 0 && !strings.HasPrefix(arguments[0], "-") {
		command, rest = arguments[0], arguments[1:]
	}
	switch command {
	case targetCommand:
		return serveTarget(rest)
	case sinkCommand:
		var fleet sink.Fleet
		if err := json.Unmarshal([]byte(rest[1]), &fleet); err != nil {
			return fmt.Errorf("fleet: %w", err)
		}
		return sink.Serve(rest[0], fleet, os.Stdin, os.Stdout)
	case probeCommand:
		return probe.Serve(ctx, rest[0], os.Stdin, os.Stdout, os.Stderr)
	case floorCommand:
		return floor.Main(ctx, rest)
	case scrapeCommand:
		return scrape(ctx, rest)
	case "", insideCommand:
		o, err := parse(rest)
		if err != nil {
			return err
		}
		if command == insideCommand {
			return inside(ctx, o)
		}
		return isolate(ctx, rest)
	}
	return fmt.Errorf("%q is not a flag", command)
}

func serveTarget(arguments []string) error {
	var l target.Layout
	if _, err := fmt.Sscan(arguments[1], &l.Addresses); err != nil {
		return fmt.Errorf("addresses: %w", err)
	}
	if _, err := fmt.Sscan(arguments[2], &l.Ports); err != nil {
		return fmt.Errorf("ports: %w", err)
	}
	kind := arguments[0]
	if scheme(kind) != httpsKind {
		return target.ServePlain(l, kind == "http", os.Stdin, os.Stdout)
	}
	return target.ServeHTTPS(l, arguments[3], kind == hybridKind, os.Stdin, os.Stdout)
}

// isolate runs the same again in a network namespace with nothing but loopback.
func isolate(ctx context.Context, arguments []string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own binary: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, append([]string{insideCommand}, arguments...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	faulttest.Isolate(cmd)
	return cmd.Run()
}

func inside(ctx context.Context, o options) error {
	if err := faulttest.LoopbackUp(); err != nil {
		return err
	}
	if err := raiseFiles(); err != nil {
		return err
	}
	r, err := measureAll(ctx, o)
	if err != nil {
		return err
	}
	r.print(os.Stdout, colours(os.Stdout))
	if o.json != "" {
		b, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return fmt.Errorf("encode figures: %w", err)
		}
		if err := os.WriteFile(o.json, append(b, '\n'), 0o644); err != nil {
			return fmt.Errorf("write figures: %w", err)
		}
	}
	if n := r.failed(); n > 0 {
		return fmt.Errorf("%d gates failed", n)
	}
	return nil
}
