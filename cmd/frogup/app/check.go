package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/frogstats/uptime/internal/egress"
	"github.com/frogstats/uptime/services/prober/nettest"
)

// minInterval keeps a series from being a flood.
const minInterval = 10 * time.Millisecond

// checkConfig is what a person chooses for frogup check.
type checkConfig struct {
	probe    probeFlags
	count    int
	interval time.Duration
	json     bool
	egress   []string
}

func newCheck(p Process) *cobra.Command {
	var cfg checkConfig
	c := &cobra.Command{
		Use:   "check URL|host:port",
		Short: "Check one target from here and show where the time went",
		Long: `Check makes one request (http://…, https://…) or opens one TCP connection (host:port
or tcp://host:port) from this machine, with the same code that probers run. It needs
no server and stores nothing.

The exit code is 0 if the check succeeded, 1 if the target failed it (failure,
timeout, or an answer that breaks a rule), and 2 if it could not be checked from here
(no network, no name server, an address that --egress forbids, a wrong argument). In a
series, one failed check makes it 1.

` + ruleHelp + `

Every address may be reached: you check from your own machine. --egress applies the
policy of a server instead, to see what it would refuse (see frogup serve --help).`,
		Example: `  frogup check https://example.com
  frogup check db.example.com:5432 --timeout 2s
  frogup check https://example.com/health --rule status_code=200 --rule 'body~"ok"'
  frogup check https://api.example.com/login -H 'Content-Type: application/json' --data '{"user":"probe"}'
  frogup check https://example.com --count 20 --interval 500ms
  frogup check https://example.com --json | jq .ttfb_ms`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			probe, err := cfg.probe.parse(args[0], c.Flags())
			if err != nil {
				return err
			}
			return runCheck(c.Context(), p, cfg, probe)
		},
	}
	cfg.probe.register(c)
	f := c.Flags()
	f.IntVar(&cfg.count, "count", 1, "how many checks to make; 0 goes on until Ctrl-C")
	f.DurationVar(&cfg.interval, "interval", time.Second, "time between the starts of two checks of a series")
	f.BoolVar(&cfg.json, "json", false, "print one JSON object per check and line, with the field names of the REST events")
	f.StringArrayVar(&cfg.egress, "egress", nil, `egress policy: private, public-only, "allow CIDR" or "deny CIDR"; may be repeated (default: none)`)
	complete(c, "egress", "private", "public-only")
	return c
}

func runCheck(ctx context.Context, p Process, cfg checkConfig, probe probe) error {
	switch {
	case cfg.count < 0:
		return errors.New("--count must not be negative")
	case cfg.interval < minInterval:
		return fmt.Errorf("--interval must be at least %s", minInterval)
	}
	network := &nettest.Network{}
	if len(cfg.egress) > 0 {
		policy, err := egress.ParsePolicy(cfg.egress)
		if err != nil {
			return fmt.Errorf("--egress: %w", err)
		}
		network.Policy = policy
	}
	test, config := probe.test(network, expectation(probe.rules))
	run := checkRun{process: p, out: p.terminal(), cfg: cfg, target: probe.target, test: test, config: config}
	return run.all(ctx)
}

// checkRun is one check or a series of them.
type checkRun struct {
	process Process
	out     terminal
	cfg     checkConfig
	target  target
	test    nettest.NetworkTest
	config  nettest.TestConfig
	tally   tally
}

// all makes the checks on a grid that starts with the first one.
func (r *checkRun) all(ctx context.Context) error {
	next := time.NewTicker(r.cfg.interval)
	defer next.Stop()
	for n := 0; r.cfg.count == 0 || n < r.cfg.count; n++ {
		if n > 0 {
			select {
			case <-next.C:
			case <-ctx.Done():
			}
		}
		result, ok := r.once(ctx)
		if !ok {
			break
		}
		r.tally.add(result)
		if err := r.show(result); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	if r.tally.total == 0 {
		return errors.New("interrupted")
	}
	if r.cfg.count != 1 && !r.cfg.json {
		r.out.summary(&r.tally)
	}
	if code := r.tally.code(); code != exitOK {
		return exitCode(code)
	}
	return nil
}

// once makes one check; ok is false if it was interrupted and so says nothing.
func (r *checkRun) once(ctx context.Context) (result *nettest.TestResult, ok bool) {
	if ctx.Err() != nil {
		return nil, false
	}
	stop := r.process.spin("checking " + r.target.url())
	defer stop()
	result, err := r.test.Execute(ctx, r.config)
	return result, !errors.Is(err, context.Canceled) || ctx.Err() == nil
}

func (r *checkRun) show(result *nettest.TestResult) error {
	switch {
	case r.cfg.json:
		return writeJSON(r.out, newCheckRecord(r.target, result))
	case r.cfg.count == 1:
		r.out.waterfall(r.target.url(), result, time.Now())
	default:
		r.out.line(result)
	}
	return nil
}
