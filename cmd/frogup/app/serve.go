package app

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/frogstats/uptime/internal/egress"
	"github.com/frogstats/uptime/internal/life"
	"github.com/frogstats/uptime/internal/telemetry"
)

// serveConfig is what an operator chooses for the one-process form.
type serveConfig struct {
	data           string
	listen         string
	publicURL      string
	region         string
	egress         []string
	retention      time.Duration
	maxChecks      int
	maxPerHost     int
	logLevel       string
	otlpEndpoint   string
	trustedProxies []string
	metricsPublic  bool
	witnesses      []string
}

// The promise to operators is that a stop takes 10 seconds at most.
const (
	stopGrace    = 8 * time.Second
	requestGrace = 2 * time.Second // for REST requests, before the services behind them stop
)

func newServe(p Process) *cobra.Command {
	var cfg serveConfig
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the whole product in this process, on SQLite in one folder",
		Long: `Serve runs every service in one process and keeps everything in the data folder.
It prints one line "listening on http://…" when it is ready, and stops in order
on SIGTERM or Ctrl-C.

The first owner is created from FROGUP_ADMIN_EMAIL and FROGUP_ADMIN_PASSWORD (and
an API key from FROGUP_ADMIN_API_KEY), or their _FILE forms. Without them a one-time
set-up link is printed. Each flag can be given as FROGUP_<FLAG> in the environment.

Which addresses checks and webhooks may reach is the egress policy: "private" (the
default) allows private and loopback addresses, "public-only" does not; link-local
and cloud metadata addresses are refused in both. "allow CIDR" and "deny CIDR" add
exceptions: --egress public-only --egress "allow 10.1.0.0/16".`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := p.envFlags(c); err != nil {
				return err
			}
			return serve(c.Context(), p, cfg)
		},
	}
	f := c.Flags()
	f.StringVar(&cfg.data, "data", "data", "folder that holds everything; made if it is not there")
	f.StringVar(&cfg.listen, "listen", "127.0.0.1:8080", "address of the REST surface and the page")
	f.StringVar(&cfg.publicURL, "public-url", "", "URL under which people reach this server, for links (default http://<listen>)")
	f.StringVar(&cfg.region, "region", "local", "region of the prober in this process")
	f.StringArrayVar(&cfg.egress, "egress", nil, `egress policy: private, public-only, "allow CIDR" or "deny CIDR"; may be repeated`)
	f.DurationVar(&cfg.retention, "retention", 400*24*time.Hour, "how long results are kept, in whole months of files")
	f.IntVar(&cfg.maxChecks, "max-checks", 0, "checks in flight at most (default 4096)")
	f.IntVar(&cfg.maxPerHost, "max-checks-per-host", 0, "checks in flight at most per target host (default 512)")
	f.StringVar(&cfg.logLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&cfg.otlpEndpoint, "otlp-endpoint", "", "URL of an OpenTelemetry collector (OTLP over gRPC), such as http://127.0.0.1:4317; none means no export")
	f.BoolVar(&cfg.metricsPublic, "metrics-public", false, "serve /metrics without credentials")
	f.StringArrayVar(&cfg.witnesses, "resolver-witness", nil, "zone under which the resolver is tested when a name fails, for networks without public DNS; may be repeated (default example.com, example.net, example.org)")
	f.StringArrayVar(&cfg.trustedProxies, "trusted-proxy", nil, "CIDR of a reverse proxy whose X-Forwarded-* headers count; may be repeated")
	return c
}

func flags(c *cobra.Command) map[string]*pflag.Flag {
	all := map[string]*pflag.Flag{}
	c.Flags().VisitAll(func(f *pflag.Flag) { all[f.Name] = f })
	return all
}

func serve(ctx context.Context, p Process, cfg serveConfig) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.logLevel)); err != nil {
		return fmt.Errorf("--log-level %q is not debug, info, warn or error", cfg.logLevel)
	}
	policy, err := servePolicy(cfg.egress)
	if err != nil {
		return err
	}
	if u, err := url.Parse(cfg.otlpEndpoint); cfg.otlpEndpoint != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		return fmt.Errorf("--otlp-endpoint %q is not a URL such as http://127.0.0.1:4317", cfg.otlpEndpoint)
	}
	log := telemetry.NewLogger(p.Stderr, telemetry.LogOptions{Level: level})
	tel, err := telemetry.New(ctx, telemetry.Config{Service: "frogup", Version: p.Version, Endpoint: cfg.otlpEndpoint})
	if err != nil {
		return fmt.Errorf("set up telemetry: %w", err)
	}
	tel.SetGlobal(log)
	logGRPC(log)

	group := life.New(log, stopGrace)
	group.Defer("telemetry", tel.Shutdown)
	h := &house{process: p, cfg: cfg, log: log, egress: policy, telemetry: tel, group: group}
	if err := h.build(ctx); err != nil {
		if uerr := group.Unwind(context.WithoutCancel(ctx)); uerr != nil {
			log.Error("unwind failed", "error", uerr)
		}
		return err
	}
	return group.Run(ctx)
}

// servePolicy is the policy of the flags. A server that somebody runs for their own
// network may check it, so private addresses are open unless a mode says otherwise.
func servePolicy(values []string) (*egress.Policy, error) {
	mode := false
	for _, v := range values {
		mode = mode || strings.Contains(v, egress.Private.String()) || strings.Contains(v, egress.PublicOnly.String())
	}
	if !mode {
		values = append([]string{egress.Private.String()}, values...)
	}
	return egress.ParsePolicy(values)
}

// announce prints the one line that programs wait for, and the set-up link if there is one.
func (h *house) announce(l net.Listener) {
	base := h.cfg.publicURL
	if base == "" {
		base = "http://" + l.Addr().String()
	}
	fmt.Fprintf(h.process.Stdout, "listening on http://%s\n", l.Addr())
	if h.setupToken != "" {
		fmt.Fprintf(h.process.Stdout, "create the first owner at %s/setup?token=%s\n", base, h.setupToken)
	}
}
