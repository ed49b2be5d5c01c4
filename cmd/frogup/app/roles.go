package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/frogstats/uptime/cmd/frogup/config"
	"github.com/frogstats/uptime/internal/life"
	"github.com/frogstats/uptime/internal/telemetry"
)

const (
	serveRole   = "serve"
	gatewayRole = "gateway"
)

// stopPromise is how long a stop takes at most, the delay that operators asked for aside. The role's own group has its part
// of it, and what is around it, which flushes telemetry, the rest.
const (
	stopPromise  = 10 * time.Second
	outerGrace   = stopPromise - life.Overtime
	stopGrace    = outerGrace - life.Overtime
	requestGrace = 2 * time.Second // for REST requests, before the services behind them stop
)

// role is what a process can be.
type role struct {
	name        string
	short, long string
	define      func(c *settings, s *config.Set)
}

// balanced is how long a service that stops is served on, for balancers that ask for its health.
const balanced = 3 * time.Second

var roles = []role{
	{serveRole, "Run the whole product in this process, on SQLite in one folder", serveHelp, func(c *settings, s *config.Set) {
		s.Text(&c.data, "data", "data", "folder that holds everything; made if it is not there")
		s.Text(&c.listen, "listen", "127.0.0.1:8080", "address of the REST surface and the page", config.Rule(addressRule))
		c.firstOwner(s)
		c.tenancy(s)
		c.checks(s)
		c.leases(s)
		c.dialling(s)
		c.edge(s)
		s.Text(&c.database, "database", "", "database in place of files: postgres://user@host/database",
			config.DSN, config.Rule(schemeRule(databaseSchemes(serveRole))))
		c.startup(s)
		c.eventsStore(s, "store of results in place of files: clickhouse://user@host/database, http://… or sqlite:folder")
		c.keyset(s)
		c.notices(s)
		c.longTail(s)
		c.deadmanSwitch(s)
		c.common(s, "", 0)
	}},
	{"accounts", "Run the accounts service alone: who may do what", accountsHelp, func(c *settings, s *config.Set) {
		c.grpcServer(s, "accounts")
		c.store(s, "accounts")
		c.firstOwner(s)
		c.tenancy(s)
		c.member(s, peersOf("accounts"))
		c.common(s, ":9090", balanced)
	}},
	{"monitors", "", monitorsHelp, func(c *settings, s *config.Set) { // see newMonitors
		c.grpcServer(s, "monitors")
		c.store(s, "monitors")
		c.keyset(s)
		c.leases(s)
		c.public(s)
		s.Text(&c.region, "region", "local", "region of the probers at --prober, which run checks on demand", config.Rule(regionRule))
		c.member(s, peersOf("monitors"))
		c.deadmanSwitch(s)
		c.common(s, ":9090", balanced)
	}},
	{"prober", "Run a prober alone: checks what it is assigned", proberHelp, func(c *settings, s *config.Set) {
		c.grpcServer(s, "prober")
		s.Text(&c.data, "data", "",
			"folder that keeps results until they are stored, and what has to be checked; without one a crash loses what is not stored yet")
		c.checks(s)
		c.dialling(s)
		c.joining(s)
		c.member(s, peersOf("prober"))
		c.deadmanSwitch(s)
		c.common(s, ":9090", 0)
	}},
	{"events", "Run the events service alone: results, verdicts, statistics", eventsHelp, func(c *settings, s *config.Set) {
		c.grpcServer(s, "events")
		c.store(s, "events")
		c.eventsStore(s, "store of results: clickhouse://user@host/database, http://… for its HTTP port, or sqlite:folder")
		c.member(s, peersOf("events"))
		c.deadmanSwitch(s)
		c.common(s, ":9090", 0) // the next one should take over soon
	}},
	{"alerts", "", alertsHelp, func(c *settings, s *config.Set) { // see newAlerts
		c.grpcServer(s, "alerts")
		c.store(s, "alerts")
		c.keyset(s)
		c.public(s)
		c.dialling(s)
		c.notices(s)
		c.tenancy(s)
		c.longTail(s)
		c.member(s, peersOf("alerts"))
		c.deadmanSwitch(s)
		c.common(s, ":9090", balanced)
	}},
	{gatewayRole, "Run the gateway alone: REST, live updates, the page", gatewayHelp, func(c *settings, s *config.Set) {
		s.Text(&c.listen, "listen", servicePorts[gatewayRole], "address of the REST surface and the page", config.Rule(addressRule))
		c.edge(s)
		c.public(s)
		c.member(s, peersOf(gatewayRole))
		c.common(s, ":9090", balanced)
	}},
}

// peersOf are the services that a role calls.
func peersOf(role string) []string {
	var all []string
	for _, r := range rooms {
		if r.name == role {
			return r.peers
		}
		all = append(all, r.name)
	}
	return all // the gateway calls every one
}

func roleNames() []string {
	var out []string
	for _, r := range roles {
		out = append(out, r.name)
	}
	return out
}

func findRole(name string) (role, error) {
	for _, r := range roles {
		if r.name == name {
			return r, nil
		}
	}
	return role{}, fmt.Errorf("%q is not a role; there are %s", name, joinOr(roleNames()))
}

// SettingsOf returns the definitions of a role's settings, for those who check deployments against them; nil if there is
// no such role.
func SettingsOf(name string) *config.Set {
	r, err := findRole(name)
	if err != nil {
		return nil
	}
	_, set := r.settings()
	return set
}

func (r role) settings() (*settings, *config.Set) {
	c, set := &settings{}, config.NewSet()
	r.define(c, set)
	return c, set
}

// otherVariables belong to other verbs, to docker-compose.yml, or to tests, and may be there.
var otherVariables = []string{
	config.EnvPrefix + "CONFIG", config.EnvPrefix + "SERVER", config.EnvPrefix + "API_KEY", config.EnvPrefix + "API_KEY_FILE",
	config.EnvPrefix + "TEST_*", config.EnvPrefix + "E2E_*", config.EnvPrefix + "CHDB_*",
	config.EnvPrefix + "CHENGINE", config.EnvPrefix + "VERSION", config.EnvPrefix + "PORT",
}

// load reads a role's settings from everywhere.
func (p Process) load(r role, set *config.Set, path string) error {
	if path == "" {
		path, _ = p.Env(config.EnvPrefix + "CONFIG")
	}
	all := map[string]*config.Set{}
	for _, other := range roles {
		_, all[other.name] = other.settings()
	}
	all[r.name] = set
	return set.Load(config.Sources{Role: r.name, Path: path, Environ: p.environ(), Roles: all, Other: otherVariables})
}

// addSettings gives a command the flags of a role, and --config.
func addSettings(c *cobra.Command, set *config.Set, path *string) {
	f := c.Flags()
	f.SortFlags = false
	set.AddFlags(f)
	f.StringVar(path, "config", "", "YAML file with settings (env FROGUP_CONFIG)")
	complete(c, "log-level", "debug", "info", "warn", "error")
}

// newRole is the verb that runs a role.
func newRole(p Process, r role) *cobra.Command {
	c := &cobra.Command{Use: r.name, Short: r.short, Args: cobra.NoArgs}
	r.into(p, c)
	return c
}

// into makes c run the role.
func (r role) into(p Process, c *cobra.Command) {
	var path string
	cfg, set := r.settings()
	addSettings(c, set, &path)
	c.Long = r.long
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := p.load(r, set, path); err != nil {
			return err
		}
		if err := cfg.check(set); err != nil {
			return fmt.Errorf("%w\nsee %s --help", err, c.CommandPath())
		}
		return p.be(c.Context(), r, cfg)
	}
}

// be runs the role until ctx ends.
func (p Process) be(ctx context.Context, r role, cfg *settings) error {
	level, err := cfg.level()
	if err != nil {
		return err
	}
	service := "frogup"
	if r.name != serveRole {
		service += "-" + r.name
	}
	log := ofService(telemetry.NewLogger(p.Stderr, telemetry.LogOptions{Level: level, Format: telemetry.Format(cfg.logFormat)}), r.name)
	tel, err := telemetry.New(ctx, telemetry.Config{
		Service: service, Version: p.Version, Endpoint: cfg.otlpEndpoint, SampleRatio: cfg.traceRatio, Instance: hostName(),
	})
	if err != nil {
		return fmt.Errorf("set up telemetry: %w", err)
	}
	tel.SetGlobal(log)
	logGRPC(log)

	h := &house{process: p, role: r, cfg: cfg, log: log, telemetry: tel, ready: newReadiness(), locked: map[string]bool{}}
	// The role lives in a group of its own inside this one, so that operators are answered while it waits for its database,
	// and until it has stopped.
	group := h.outerGroup()
	group.Defer("telemetry", func(ctx context.Context) error {
		if err := tel.Shutdown(ctx); err != nil { // a collector's fault is no reason to call the stop a failure
			log.Warn("telemetry not flushed", "error", err.Error())
		}
		return nil
	})
	if err := h.operators(group); err != nil {
		return errors.Join(err, group.Unwind(context.WithoutCancel(ctx)))
	}
	group.Add(r.name, h.run)
	return group.Run(ctx)
}

// outerGroup is what the role's own group lives in.
func (h *house) outerGroup() *life.Group { return life.New(h.log, h.cfg.shutdownDelay+outerGrace) }

// innerGroup is the role's own.
func (h *house) innerGroup() *life.Group {
	g := life.New(h.log, stopGrace)
	g.Linger(h.cfg.shutdownDelay)
	g.Tell(h.announceStop)
	return g
}

// joinOr lists words the way a sentence does.
func joinOr(words []string) string {
	n := len(words)
	if n < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:n-1], ", ") + " or " + words[n-1]
}

// environ is the process's whole environment.
func (p Process) environ() map[string]string {
	out := map[string]string{}
	if p.Environ == nil {
		return out
	}
	for _, pair := range p.Environ() {
		if name, value, ok := strings.Cut(pair, "="); ok {
			out[name] = value
		}
	}
	return out
}
