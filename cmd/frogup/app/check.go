package app

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/frogstats/uptime/internal/egress"
	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/rules"
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
	from     string // region; "": here
	server   remote
}

func newCheck(p Process) *cobra.Command {
	cfg := checkConfig{server: remote{process: p}}
	c := &cobra.Command{
		Use:   "check URL|host:port|tls://host",
		Short: "Check one target from here and show where the time went",
		Long: `Check makes one request (http://…, https://…), opens one TCP connection (host:port or
tcp://host:port) or looks at a certificate (tls://host, tls://host:port) from this
machine, with the same code that probers run. It needs no server and stores nothing.

With --from REGION the prober of that region does it, by way of the server in --server
or $FROGUP_SERVER and with the key in --api-key or $FROGUP_API_KEY; nothing is stored
there either.

The exit code is 0 if the check succeeded, 1 if the target failed it (failure,
timeout, or an answer that breaks a rule), and 2 if it could not be checked from here
(no network, no name server, an address that --egress forbids, a wrong argument). In a
series, one failed check makes it 1.

` + ruleHelp + `

Every address may be reached: you check from your own machine. --egress applies the
policy of a server instead, to see what it would refuse (see frogup serve --help).`,
		Example: `  frogup check https://example.com
  frogup check db.example.com:5432 --timeout 2s
  frogup check db.example.com:5432 --tls
  frogup check tls://mail.example.com:587 --starttls smtp --rule 'cert_days>14'
  frogup check https://example.com/health --rule status_code=200 --rule 'body~"ok"'
  frogup check https://api.example.com/login -H 'Content-Type: application/json' --data '{"user":"probe"}'
  frogup check https://example.com --resolver 192.0.2.53 --resolver '[2001:db8::53]:5353'
  frogup check https://example.com --repeat 20 --interval 500ms
  frogup check https://example.com --from eu-west --server https://uptime.example.com
  frogup check https://example.com --json | jq .ttfb_ms`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			probe, err := cfg.probe.parse(args[0], c.Flags())
			if err != nil {
				return err
			}
			return runCheck(c.Context(), p, cfg, probe, c.Flags())
		},
	}
	cfg.probe.register(c)
	f := c.Flags()
	f.IntVar(&cfg.count, "repeat", 1, "how many checks to make; 0 goes on until Ctrl-C")
	f.IntVar(&cfg.count, "count", 1, "another name of --repeat")
	_ = f.MarkHidden("count") // the flag exists
	f.DurationVar(&cfg.interval, "interval", time.Second, "time between the starts of two checks of a series")
	f.BoolVar(&cfg.json, "json", false, "print one JSON object per check and line, with the field names of the REST events")
	f.StringArrayVar(&cfg.egress, "egress", nil, `egress policy: private, public-only, "allow CIDR" or "deny CIDR"; may be repeated (default: none)`)
	f.StringVar(&cfg.from, "from", "", "region whose prober checks, by way of a server (default: from here)")
	f.StringVar(&cfg.server.server, "server", "", "server of --from (default $FROGUP_SERVER or "+defaultServer+")")
	f.StringVar(&cfg.server.key, "api-key", "", "key for that server (default $FROGUP_API_KEY or the file in $FROGUP_API_KEY_FILE)")
	complete(c, "egress", "private", "public-only")
	c.MarkFlagsMutuallyExclusive("from", "egress")
	c.MarkFlagsMutuallyExclusive("repeat", "count")
	return c
}

func runCheck(ctx context.Context, p Process, cfg checkConfig, probe probe, flags *pflag.FlagSet) error {
	switch {
	case cfg.count < 0:
		return errors.New("--repeat must not be negative")
	case cfg.interval < minInterval:
		return fmt.Errorf("--interval must be at least %s", minInterval)
	}
	run := checkRun{process: p, out: p.terminal(), cfg: cfg, target: probe.target}
	if cfg.from != "" {
		there, err := cfg.elsewhere(flags, probe)
		if err != nil {
			return err
		}
		run.once = there
		return run.all(ctx)
	}
	for _, name := range []string{"server", "api-key"} {
		if flags.Changed(name) {
			return fmt.Errorf("--%s is for --from: without it the check is made from here", name)
		}
	}
	network := &nettest.Network{NoDNSCache: true} // somebody looks at how long the name takes
	if len(cfg.egress) > 0 {
		policy, err := egress.ParsePolicy(cfg.egress)
		if err != nil {
			return fmt.Errorf("--egress: %w", err)
		}
		network.Policy = policy
	}
	here, err := checkHere(network, probe)
	if err != nil {
		return err
	}
	run.once = here
	return run.all(ctx)
}

// checked is one check and how each of its rules turned out.
type checked struct {
	*nettest.TestResult
	rules     []rules.Outcome
	resolvers []netip.AddrPort // as chosen; none: those of the machine that checked
}

// checkHere makes checks from this machine.
func checkHere(network *nettest.Network, p probe) (func(context.Context) (checked, error), error) {
	list := make([]rules.Rule, len(p.rules))
	for i, r := range p.rules {
		list[i] = r.evaluable()
	}
	set, problems := rules.Compile(rules.Kind(p.kind), list, nil)
	if len(problems) > 0 {
		return nil, fmt.Errorf("--rule: %s %s", problems[0].Path, problems[0].Message)
	}
	return func(ctx context.Context) (checked, error) {
		c := checked{resolvers: p.resolvers}
		var expect func(*nettest.TestResult) []string
		if len(list) > 0 { // without any, the check has its own idea
			expect = func(r *nettest.TestResult) []string {
				verdict := set.Judge(r, nil)
				c.rules = verdict.Outcomes
				return verdict.Problems
			}
		}
		test, config := p.test(network, expect)
		var err error
		if c.TestResult, err = test.Execute(ctx, config); errors.Is(err, context.Canceled) && ctx.Err() != nil {
			return c, err
		}
		return c, nil
	}, nil
}

// checkRun is one check or a series of them.
type checkRun struct {
	process Process
	out     terminal
	cfg     checkConfig
	target  target
	// once makes one check; an error ends the series, and says nothing of the target.
	once  func(context.Context) (checked, error)
	tally tally
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
		result, err := r.next(ctx)
		if errors.Is(err, context.Canceled) {
			break
		}
		if err != nil {
			return err
		}
		r.tally.add(result.TestResult)
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

// next makes one check; the error is context.Canceled if it was interrupted and so says nothing.
func (r *checkRun) next(ctx context.Context) (checked, error) {
	if ctx.Err() != nil {
		return checked{}, context.Canceled
	}
	what := "checking " + r.target.url()
	if r.cfg.from != "" {
		what += " from " + r.cfg.from
	}
	stop := r.process.spin(what)
	defer stop()
	return r.once(ctx)
}

func (r *checkRun) show(c checked) error {
	switch {
	case r.cfg.json:
		return writeJSON(r.out, newCheckRecord(r.target, c))
	case r.cfg.count == 1:
		r.out.waterfall(r.target.url(), c, time.Now())
	default:
		r.out.line(c.TestResult)
	}
	return nil
}
