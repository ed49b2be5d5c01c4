package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/internal/egress"
	"github.com/frogstats/uptime/services/monitors/resource"
	"github.com/frogstats/uptime/services/prober"
)

// runConfig is what a person chooses for frogup run.
type runConfig struct {
	resources   resourceFlags
	once, watch bool
	output      string
	egress      []string
	concurrency int
}

var runOutputs = []string{"table", "json", "junit", "tap"}

func newRun(p Process) *cobra.Command {
	var cfg runConfig
	c := &cobra.Command{
		Use:   "run -f FILE|FOLDER|-",
		Short: "Run the checks of resource files from here",
		Long: `Run runs the checks of resource files from this machine, with the same code that probers run.
It needs no server and stores nothing.

` + resourceFilesHelp + `

A check is run once however many locations it names: this machine is one place. Its channels
are told nothing. --watch goes on, each check by its interval or cron, until Ctrl-C, with a
line for each result.

The exit code is 0 if all checks passed, 1 if a target failed any, and 2 if nothing could be
run (invalid resources, none at all) or no target failed but a check could not be made from
here: no network, no name server, an address that --egress forbids. In JSON such a check has
the outcome "fail" and an error_type that says so.

Every address may be reached: you check from your own machine. --egress applies the policy of
a server instead (see frogup serve --help).`,
		Example: `  frogup run -f checks/ --once
  frogup run -f checks.yaml --output junit > report.xml
  frogup run -f checks.yaml --watch`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			return cfg.run(c.Context(), p)
		},
	}
	cfg.resources.register(c)
	f := c.Flags()
	f.BoolVar(&cfg.once, "once", false, "run each check once and end (the default)")
	f.BoolVar(&cfg.watch, "watch", false, "run each check whenever it is due, until Ctrl-C")
	f.StringVarP(&cfg.output, "output", "o", "table", "table, json, junit or tap; with --watch table or json")
	f.StringArrayVar(&cfg.egress, "egress", nil, `egress policy: private, public-only, "allow CIDR" or "deny CIDR"; may be repeated (default: none)`)
	f.IntVar(&cfg.concurrency, "concurrency", 20, "how many checks run at the same time, 1 to 1000")
	c.MarkFlagsMutuallyExclusive("once", "watch")
	complete(c, "output", runOutputs...)
	complete(c, "egress", "private", "public-only")
	return c
}

func (cfg *runConfig) check() error {
	switch {
	case !slices.Contains(runOutputs, cfg.output):
		return fmt.Errorf("--output %q must be one of %s", cfg.output, strings.Join(runOutputs, ", "))
	case cfg.watch && cfg.output != "table" && cfg.output != "json":
		return fmt.Errorf("--output %s is a report of a whole run; with --watch it must be table or json", cfg.output)
	case cfg.concurrency < 1 || cfg.concurrency > 1000:
		return errors.New("--concurrency must be from 1 to 1000")
	}
	return nil
}

// runnable is a check that is ready.
type runnable struct {
	*resource.Check
	run func(ctx context.Context) *checkv1.CheckResult
}

func (cfg *runConfig) run(ctx context.Context, p Process) error {
	if err := cfg.check(); err != nil {
		return err
	}
	var policy *egress.Policy
	if len(cfg.egress) > 0 {
		var err error
		if policy, err = egress.ParsePolicy(cfg.egress); err != nil {
			return fmt.Errorf("--egress: %w", err)
		}
	}
	sources, set, err := cfg.resources.read(p)
	if err != nil {
		return err
	}
	// What is said of the files goes beside the report, not into it.
	notes := p.terminal()
	notes.Writer, notes.colour = p.Stderr, notes.colour && isTerminal(p.Stderr)
	notes.problems(sources, set.Problems, isTerminal(p.Stderr))
	switch {
	case set.Errors() > 0:
		return errInvalidResources
	case len(set.Checks) == 0:
		return errors.New("there is no check to run")
	}
	checker := prober.NewChecker(policy, nil)
	list := make([]runnable, 0, len(set.Checks))
	for _, c := range set.Checks {
		check, err := checker.Prepare(c.Spec())
		if err != nil {
			return fmt.Errorf("%s: %s: %w", c.Pos, c.Key, err)
		}
		list = append(list, runnable{c, func(ctx context.Context) *checkv1.CheckResult { return check.Run(ctx, true) }})
	}
	if cfg.watch {
		w := watch{out: p.terminal(), json: cfg.output == "json", slots: make(chan struct{}, cfg.concurrency)}
		return w.all(ctx, list)
	}
	results := runAll(ctx, list, cfg.concurrency)
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if err := p.terminal().report(cfg.output, results); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if code := codeOf(results); code != exitOK {
		return exitCode(code)
	}
	return nil
}

// runAll runs each check once; results stand in the order of the checks.
func runAll(ctx context.Context, list []runnable, concurrency int) []runResult {
	results := make([]runResult, len(list))
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(concurrency, len(list)) {
		workers.Go(func() {
			for i := range next {
				results[i] = newRunResult(list[i].Check, list[i].run(ctx))
			}
		})
	}
	for i := range list {
		select {
		case next <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	workers.Wait()
	return results
}

// codeOf is the exit code: one target's fault counts more than any number of our own.
func codeOf(results []runResult) int {
	code := exitOK
	for _, r := range results {
		switch {
		case r.observer:
			code = max(code, exitError)
		case r.Outcome != outcomePass:
			return exitNo
		}
	}
	return code
}
