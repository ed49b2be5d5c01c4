package app

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/frogstats/uptime/cmd/frogup/config"
	"github.com/frogstats/uptime/internal/egress"
	"github.com/frogstats/uptime/services/alerts"
	"github.com/frogstats/uptime/services/prober"
)

// settings are the values of everything that an operator can choose. Each role defines those that it reads; the others
// keep their zero value.
type settings struct {
	// Of every role.
	logLevel, logFormat     string
	otlpEndpoint            string
	traceRatio              float64
	metricsListen           string
	shutdownDelay           time.Duration
	listen                  string
	publicURL               string
	clusterKey              string
	tlsCert, tlsKey, tlsCA  string
	plaintext               bool
	reflection              bool
	peers                   map[string]*string // addresses, by role
	data, database, history string
	startupTimeout          time.Duration

	// Of some.
	clickhouseCluster                      string
	lowMemory                              bool
	retention                              time.Duration
	region, proberID                       string
	checkTraceRatio                        float64
	maxChecks, maxPerHost                  int
	egress, witnesses                      []string
	netWitnesses                           []string
	secondResolvers                        []string
	spoolMiB                               int
	spoolFull                              string
	leaseTTL                               time.Duration
	noticeQuiet                            time.Duration
	flapping                               alerts.Flapping
	deadman                                deadmanSettings
	secretKeyset                           string
	trustedProxies                         []string
	metricsPublic                          bool
	join, joinToken, joinCA                string
	remote, regionGiven                    bool // found out by check
	adminEmail, adminPassword, adminAPIKey string
	singleTenant, shoutrrr                 bool
}

func (c *settings) common(s *config.Set, metricsListen string, shutdownDelay time.Duration) {
	s.Text(&c.logLevel, "log-level", "info", "debug, info, warn or error", config.Rule(logLevelRule))
	s.Text(&c.logFormat, "log-format", "",
		"json or text (default text on a terminal, else json)", config.Rule(oneOf("json", "text")))
	s.Text(&c.otlpEndpoint, "otlp-endpoint", "",
		"URL of an OpenTelemetry collector (OTLP over gRPC), such as http://127.0.0.1:4317; none means no export",
		config.Rule(urlRule))
	s.Float(&c.traceRatio, "trace-ratio", 1,
		"share of the traces that begin here that is exported, above 0 and up to 1", config.Rule(ratioRule))
	s.Text(&c.metricsListen, "metrics-listen", metricsListen,
		"address of /metrics, /healthz and /readyz for operators; off means none", config.Rule(addressOrOff))
	s.Duration(&c.shutdownDelay, "shutdown-delay", shutdownDelay,
		"how long to serve on after SIGTERM, while balancers see that it is not ready", config.Rule(atMost(5*time.Minute)))
}

// member is what a process needs to be one of several.
func (c *settings) member(s *config.Set, peers []string) {
	s.Text(&c.clusterKey, "cluster-key", "",
		"secret that every service shares, at least 32 characters; better given as a file or variable, "+
			"since others can read a command line", config.Secret, config.Rule(keyRule))
	s.Text(&c.tlsCert, "tls-cert", "", "PEM file of this service's certificate")
	s.Text(&c.tlsKey, "tls-key", "", "PEM file of the certificate's key")
	s.Text(&c.tlsCA, "tls-ca", "", "PEM file of the authorities whose certificates are believed")
	s.Bool(&c.plaintext, "plaintext", false, "speak to other services without TLS")
	c.peers = map[string]*string{}
	for _, name := range peers {
		c.peers[name] = new(string)
		s.Text(c.peers[name], name, "dns:///"+name+servicePorts[name],
			"address of "+name+": dns:///host:port, host:port, or several of these with commas", config.Rule(targetRule))
	}
}

// servicePorts are where the services listen unless told otherwise.
var servicePorts = map[string]string{
	"accounts": ":7001", "monitors": ":7002", "prober": ":7003", "events": ":7004", "alerts": ":7005", "gateway": ":8080",
}

func (c *settings) grpcServer(s *config.Set, role string) {
	s.Text(&c.listen, "listen", servicePorts[role], "address of the gRPC server", config.Rule(addressRule))
	s.Bool(&c.reflection, "reflection", false, "let gRPC clients ask for the list of methods")
}

func (c *settings) store(s *config.Set, role string) {
	s.Text(&c.database, "database", "",
		"store: postgres://user@host/database, or sqlite:path of a file in a folder of its own",
		config.DSN, config.Rule(schemeRule(databaseSchemes(role))))
	c.startup(s)
}

func (c *settings) startup(s *config.Set) {
	s.Duration(&c.startupTimeout, "startup-timeout", time.Minute, "how long to try to open a database that does not answer",
		config.Rule(atLeast(time.Second)))
}

func (c *settings) eventsStore(s *config.Set, historyUsage string) {
	s.Text(&c.history, "history", "", historyUsage, config.DSN, config.Rule(schemeRule(schemesOf(historyStores))))
	s.Text(&c.clickhouseCluster, "clickhouse-cluster", "",
		"name of a ClickHouse cluster over which the history is replicated and distributed")
	s.Bool(&c.lowMemory, "low-memory", false, "make do with a ClickHouse server of little memory")
	s.Duration(&c.retention, "retention", 400*24*time.Hour,
		"how long results are kept, in whole months of files in SQLite", config.Rule(atLeast(time.Hour)))
}

func (c *settings) keyset(s *config.Set) {
	s.Text(&c.secretKeyset, "secret-keyset", "",
		"keys that seal stored credentials, as frogup setup makes them", config.Secret, config.Rule(keysetRule))
}

func (c *settings) public(s *config.Set) {
	s.Text(&c.publicURL, "public-url", "", "URL under which people and remote probers reach the server, for links and commands", config.Rule(urlRule))
}

func (c *settings) firstOwner(s *config.Set) {
	c.public(s)
	s.Text(&c.adminEmail, "admin-email", "", "e-mail address of the first owner, who is created at the first start")
	s.Text(&c.adminPassword, "admin-password", "", "password of the first owner", config.Secret)
	s.Text(&c.adminAPIKey, "admin-api-key", "", "API key of the operator, with the role of owner", config.Secret)
}

func (c *settings) tenancy(s *config.Set) {
	s.Bool(&c.singleTenant, "single-tenant", false,
		"there is one organization, and a second one is refused; to be set for accounts and alerts alike")
}

// longTail is what only an installation may have whose users all belong together.
func (c *settings) longTail(s *config.Set) {
	s.Bool(&c.shoutrrr, "shoutrrr", false,
		"take channels of type shoutrrr, whose messages are sent through the library of that name; only with single-tenant")
}

func (c *settings) checks(s *config.Set) {
	s.Float(&c.checkTraceRatio, "check-trace-ratio", prober.DefaultCheckSampleRatio,
		"share of checks that is traced, from 0 (none) to 1; of the rest, those that turn out otherwise than the one before, up to ten a second",
		config.Rule(shareRule))
	s.Text(&c.region, "region", "local", "region that the prober stands in", config.Rule(regionRule))
	s.Int(&c.maxChecks, "max-checks", 0, "checks in flight at most (0 is 4096)", config.Rule(notNegative))
	s.Int(&c.maxPerHost, "max-checks-per-host", 0,
		"checks in flight at most per target host (0 is 512)", config.Rule(notNegative))
	s.List(&c.witnesses, "resolver-witness",
		"zone under which the resolver is tested when a name fails, for networks without public DNS; may be "+
			"repeated (default example.com, example.net, example.org)")
	s.List(&c.netWitnesses, "witness",
		"host:port of a TCP service with which the network is tested when targets seem to fail, for networks without the "+
			"internet; may be repeated, best three that have nothing in common (default public resolvers); none for no such test")
	s.List(&c.secondResolvers, "second-resolver",
		"address or address:port of a name server that is asked besides the prober's own when a check of a public name begins to "+
			"fail; may be repeated (default 9.9.9.9, 1.1.1.1); none for no such question")
	s.Int(&c.spoolMiB, "spool-mib", 0, "results kept on disk until they are stored, in MiB at most (0 is 1024)", config.Rule(notNegative))
	s.Text(&c.spoolFull, "spool-full", dropOldest,
		"what gives way when the disk has no room for results: drop-oldest, or block, which leaves slots unrun, and says so",
		config.Rule(oneOf(dropOldest, "block")))
	s.Text(&c.proberID, "prober-id", "", "name of the prober, unlike all others' (default host name and region)")
}

func (c *settings) dialling(s *config.Set) {
	s.List(&c.egress, "egress", `egress policy: private, public-only, "allow CIDR" or "deny CIDR"; may be repeated`)
}

func (c *settings) edge(s *config.Set) {
	s.Bool(&c.metricsPublic, "metrics-public", false, "serve /metrics without credentials")
	s.List(&c.trustedProxies, "trusted-proxy",
		"CIDR of a reverse proxy whose X-Forwarded-* headers count; may be repeated", config.Rule(cidrRule))
}

// dropOldest is the value of spool-full that favours new results.
const dropOldest = "drop-oldest"

func (c *settings) leases(s *config.Set) {
	s.Duration(&c.leaseTTL, "lease-ttl", 10*time.Second,
		"how long a prober may run its monitors without word from here; another takes over within twice that",
		config.Rule(atLeast(time.Second)))
}

// secondResolverList is what --second-resolver says: nil for the default, empty for none.
func (c *settings) secondResolverList() []string {
	if len(c.secondResolvers) == 1 && c.secondResolvers[0] == "none" {
		return []string{}
	}
	return c.secondResolvers
}

// networkWitnesses is what --witness says: nil for the default, empty for none.
func (c *settings) networkWitnesses() []string {
	if len(c.netWitnesses) == 1 && c.netWitnesses[0] == "none" {
		return []string{}
	}
	return c.netWitnesses
}

// policy is the egress policy of the flags. A server that somebody runs for their own network may check it, so private
// addresses are open unless a mode says otherwise.
func (c *settings) policy() (*egress.Policy, error) {
	text := strings.Join(c.egress, ",")
	if !strings.Contains(text, egress.Private.String()) && !strings.Contains(text, egress.PublicOnly.String()) {
		text = egress.Private.String() + "," + text
	}
	return egress.ParsePolicy([]string{text})
}

func (c *settings) proxies() ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range c.trustedProxies {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("trusted-proxy %q: %w", text, err)
		}
		out = append(out, p)
	}
	return out, nil
}

func (c *settings) level() (level slog.Level, err error) {
	err = level.UnmarshalText([]byte(c.logLevel))
	return level, err
}

// check finds what single values cannot tell: what is missing, and what does not go together.
func (c *settings) check(set *config.Set) error {
	var errs []error
	need := func(name, why string) {
		if s := set.Get(name); s != nil && len(s.Shown()) == 0 {
			errs = append(errs, fmt.Errorf("%s is required: %s", name, why))
		}
	}
	if c.remote = c.isRemote(set); c.remote {
		errs = append(errs, c.checkJoin(set))
	}
	if set.Get("plaintext") != nil && !c.remote { // serve makes its keys in its folder
		need("cluster-key", "the same secret for every service, best in a file that "+config.EnvName("cluster-key-file")+
			" names; frogup setup makes one")
		need("database", "postgres://… or sqlite:path")
		need("history", "clickhouse://…, http://… or sqlite:folder")
		need("secret-keyset", "best in a file that "+config.EnvName("secret-keyset-file")+" names; frogup setup makes one")
	}
	if set.Get("plaintext") != nil && !c.remote {
		errs = append(errs, c.checkTLS(set))
	}
	if c.shoutrrr && !c.singleTenant {
		errs = append(errs, fmt.Errorf("%s: shoutrrr needs single-tenant: the library that it sends through keeps nothing apart that "+
			"belongs to several organizations", set.Get("shoutrrr").From))
	}
	if s := set.Get("egress"); s != nil {
		if _, err := c.policy(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.From, err))
		}
	}
	return errors.Join(errs...)
}

func (c *settings) checkTLS(set *config.Set) error {
	var missing, given []string
	for _, name := range []string{"tls-cert", "tls-key", "tls-ca"} {
		if len(set.Get(name).Shown()) == 0 {
			missing = append(missing, name)
		} else {
			given = append(given, name)
		}
	}
	switch {
	case c.plaintext && len(given) > 0:
		return fmt.Errorf("plaintext and %s contradict each other", strings.Join(given, ", "))
	case !c.plaintext && len(missing) > 0:
		return fmt.Errorf("%s: required, or plaintext if services may talk without TLS; frogup certs makes certificates",
			strings.Join(missing, ", "))
	}
	return nil
}
