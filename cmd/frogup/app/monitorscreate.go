package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/frogstats/uptime/services/prober/nettest"
)

// maxDocument is more than any monitor needs: its request body alone may be 1 MiB.
const maxDocument = 4 << 20 // bytes

// createConfig is what a person chooses for frogup monitors create.
type createConfig struct {
	probe       probeFlags
	interval    time.Duration
	regions     []string
	labels      []string
	confirmDown int
	disabled    bool
	dnsTTL      time.Duration
	file        string
	json        bool
}

func newMonitorsCreate(r *remote) *cobra.Command {
	var cfg createConfig
	c := &cobra.Command{
		Use:   "create NAME URL|host:port|tls://host",
		Short: "Create a monitor",
		Long: `Create makes a monitor of NAME that checks a URL, a TCP port if it is host:port, or a
certificate if it is tls://host or tls://host:port.
Its first check runs at once. The id goes to standard output, a sentence to standard
error, so that a script can keep the id.

With -f it sends a JSON document in the shape of POST /api/uptime/monitors instead, from
a file or, for -, from standard input; that can say everything a monitor has. What it
says stands in the file, so no other argument about the monitor is allowed beside it.

` + ruleHelp,
		Example: `  frogup monitors create shop https://shop.example.com --interval 30s
  frogup monitors create database db.example.com:5432 --timeout 2s --label team=data
  frogup monitors create api https://api.example.com/health --rule status_code=200 --rule 'response_time<500'
  frogup monitors create -f monitor.json
  id=$(frogup monitors create shop https://shop.example.com)`,
		Args:              cobra.MaximumNArgs(2),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			doc, err := cfg.document(c.Context(), args, c.Flags(), r.process.Stdin)
			if err != nil {
				return err
			}
			return r.create(c.Context(), doc, cfg.json)
		},
	}
	cfg.probe.register(c)
	f := c.Flags()
	f.DurationVar(&cfg.interval, "interval", 30*time.Second, "time between checks, in whole seconds from 1s to 24h")
	f.StringArrayVar(&cfg.regions, "region", nil, `where to check from; may be repeated (default "local")`)
	f.StringArrayVar(&cfg.labels, "label", nil, "label key=value; may be repeated")
	f.IntVar(&cfg.confirmDown, "confirm-down", 0, "failures in a row that make it down (default 2)")
	f.DurationVar(&cfg.dnsTTL, "dns-ttl", time.Minute, "longest time that the answer of a name server is used again, in whole seconds up to 24h; 0s asks for every check")
	f.BoolVar(&cfg.disabled, "disabled", false, "create it paused")
	f.StringVarP(&cfg.file, "file", "f", "", "JSON document to send instead, - for standard input")
	f.BoolVar(&cfg.json, "json", false, "print the created monitor as the server has it")
	_ = c.MarkFlagFilename("file", "json") // the flag exists
	return c
}

func (r *remote) create(ctx context.Context, doc []byte, asJSON bool) error {
	cl, err := r.client()
	if err != nil {
		return err
	}
	answer, err := cl.create(ctx, doc)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(r.process.terminal(), answer)
	}
	var m monitorView
	if err := json.Unmarshal(answer, &m); err != nil {
		return fmt.Errorf("read the created monitor: %w", err)
	}
	fmt.Fprintln(r.process.Stdout, m.ID)
	when := "its first check runs now"
	if !m.Enabled {
		when = "it is paused"
	}
	fmt.Fprintf(r.process.Stderr, "created %s, which checks %s; %s\n", clean(m.Name), clean(m.url()), when)
	return nil
}

// document is the body to send, from the file or from the arguments.
func (cfg *createConfig) document(ctx context.Context, args []string, flags *pflag.FlagSet, stdin io.Reader) ([]byte, error) {
	if cfg.file == "" {
		if len(args) != 2 {
			return nil, errors.New("give a name and a URL or host:port, or a document with -f; see frogup monitors create --help")
		}
		m, err := cfg.monitor(args[0], args[1], flags)
		if err != nil {
			return nil, err
		}
		return json.Marshal(m)
	}
	beside := ""
	if len(args) > 0 {
		beside = fmt.Sprintf("%q", args[0])
	}
	flags.Visit(func(f *pflag.Flag) {
		switch f.Name {
		case "file", "json", "server", "api-key":
		default:
			beside = "--" + f.Name
		}
	})
	if beside != "" {
		return nil, fmt.Errorf("%s cannot be given beside -f: the document says everything", beside)
	}
	doc, err := await(ctx, func() ([]byte, error) { return readDocument(cfg.file, stdin) })
	switch {
	case err != nil:
		return nil, fmt.Errorf("read -f: %w", err)
	case len(doc) > maxDocument:
		return nil, fmt.Errorf("read -f: longer than %d MiB", maxDocument>>20)
	case !json.Valid(doc):
		return nil, fmt.Errorf("read -f: %s is not a JSON document", cfg.file)
	}
	return doc, nil
}

func readDocument(path string, stdin io.Reader) ([]byte, error) {
	in := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	return io.ReadAll(io.LimitReader(in, maxDocument+1))
}

// newMonitor is the body of POST /api/uptime/monitors; what is left out takes the server's default.
type newMonitor struct {
	Name            string            `json:"name"`
	Type            string            `json:"monitor_type"`
	IntervalSeconds int64             `json:"interval_seconds"`
	Enabled         *bool             `json:"enabled,omitempty"`
	HTTP            *newHTTP          `json:"http_config,omitempty"`
	TCP             *newTCP           `json:"tcp_config,omitempty"`
	TLS             *newTLS           `json:"tls_config,omitempty"`
	DNS             *newDNS           `json:"dns_config,omitempty"`
	Rules           []rule            `json:"validation_rules,omitempty"`
	Regions         []string          `json:"regions,omitempty"`
	ConfirmDown     *int              `json:"confirm_down,omitempty"`
	Labels          map[string]string `json:"labels,omitempty"`
}

type newHTTP struct {
	URL             string            `json:"url"`
	Method          string            `json:"method"`
	Headers         map[string]string `json:"headers,omitempty"`
	Body            string            `json:"body,omitempty"`
	FollowRedirects *bool             `json:"follow_redirects,omitempty"`
	TimeoutMS       *int64            `json:"timeout_ms,omitempty"`
	IPVersion       string            `json:"ip_version,omitempty"`
	HTTPVersion     string            `json:"http_version,omitempty"`
	Proxy           *newProxy         `json:"proxy,omitempty"`
	TLS             *newTLSOptions    `json:"tls,omitempty"`
}

type newProxy struct {
	URL      string `json:"url"`
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
}

type newTCP struct {
	Host       string         `json:"host"`
	Port       int            `json:"port"`
	TimeoutMS  *int64         `json:"timeout_ms,omitempty"`
	IPVersion  string         `json:"ip_version,omitempty"`
	TLS        bool           `json:"tls,omitempty"`
	StartTLS   string         `json:"starttls,omitempty"`
	TLSOptions *newTLSOptions `json:"tls_options,omitempty"`
}

type newTLS struct {
	Host      string         `json:"host"`
	Port      int            `json:"port"`
	TimeoutMS *int64         `json:"timeout_ms,omitempty"`
	IPVersion string         `json:"ip_version,omitempty"`
	StartTLS  string         `json:"starttls,omitempty"`
	Options   *newTLSOptions `json:"options,omitempty"`
}

type newTLSOptions struct {
	TrustedCAs         []string `json:"trusted_cas,omitempty"`
	InsecureSkipVerify bool     `json:"insecure_skip_verify,omitempty"`
	ServerName         string   `json:"server_name,omitempty"`
	MinVersion         string   `json:"min_version,omitempty"`
	ClientCertificate  string   `json:"client_certificate,omitempty"`
	ClientKey          string   `json:"client_key,omitempty"`
	Revocation         string   `json:"revocation,omitempty"`
}

// monitor says in REST's words what the arguments say. What values are allowed is
// the server's to judge; only what it could not see is judged here.
func (cfg *createConfig) monitor(name, where string, flags *pflag.FlagSet) (*newMonitor, error) {
	p, err := cfg.probe.parse(where, flags)
	if err != nil {
		return nil, err
	}
	return cfg.describe(name, p, flags)
}

// describe says in REST's words how p checks.
func (cfg *createConfig) describe(name string, p probe, flags *pflag.FlagSet) (m *newMonitor, err error) {
	m = &newMonitor{Name: name, Type: p.kind, Rules: p.rules, Regions: cfg.regions}
	if cfg.interval%time.Second != 0 {
		return nil, fmt.Errorf("--interval %s is not in whole seconds", cfg.interval)
	}
	m.IntervalSeconds = int64(cfg.interval / time.Second)
	if m.DNS, err = cfg.names(p, flags); err != nil {
		return nil, err
	}
	if cfg.disabled {
		m.Enabled = new(bool)
	}
	if flags.Changed("confirm-down") {
		m.ConfirmDown = &cfg.confirmDown
	}
	var timeout *int64
	if flags.Changed("timeout") {
		if p.timeout%time.Millisecond != 0 {
			return nil, fmt.Errorf("--timeout %s is not in whole milliseconds", p.timeout)
		}
		ms := p.timeout.Milliseconds()
		timeout = &ms
	}
	if m.Labels, err = parseLabels(cfg.labels); err != nil {
		return nil, err
	}
	version := ""
	if flags.Changed("ip-version") {
		version = string(p.ipVersion)
	}
	startTLS := ""
	if flags.Changed("starttls") {
		startTLS = string(p.secure.startTLS)
	}
	options := p.secure.document()
	switch m.Type {
	case "tcp":
		m.TCP = &newTCP{
			Host: p.host, Port: p.port, TimeoutMS: timeout, IPVersion: version, TLS: p.secure.tls, StartTLS: startTLS, TLSOptions: options,
		}
	case "tls":
		m.TLS = &newTLS{Host: p.host, Port: p.port, TimeoutMS: timeout, IPVersion: version, StartTLS: startTLS, Options: options}
	default:
		m.HTTP, err = httpDocument(p)
		m.HTTP.TimeoutMS, m.HTTP.IPVersion, m.HTTP.TLS = timeout, version, options
	}
	return m, err
}

// names is how the host's name is looked up; nil if nothing is said about it.
func (cfg *createConfig) names(p probe, flags *pflag.FlagSet) (*newDNS, error) {
	if len(p.resolvers) == 0 && !flags.Changed("dns-ttl") {
		return nil, nil
	}
	dns := &newDNS{Servers: resolverTexts(p.resolvers)}
	if flags.Changed("dns-ttl") {
		if cfg.dnsTTL%time.Second != 0 {
			return nil, fmt.Errorf("--dns-ttl %s is not in whole seconds", cfg.dnsTTL)
		}
		seconds := int64(cfg.dnsTTL / time.Second)
		dns.MaxTTLSeconds = &seconds
	}
	return dns, nil
}

// httpDocument is the request that p makes.
func httpDocument(p probe) (h *newHTTP, err error) {
	h = &newHTTP{
		URL: p.address, Method: p.method, Body: p.body,
		HTTPVersion: map[nettest.HTTPVersion]string{nettest.HTTPAny: "any", nettest.HTTP1: "http1", nettest.HTTP2: "http2"}[p.secure.httpVersion],
	}
	if x := p.secure.proxy; x != nil {
		h.Proxy = &newProxy{URL: x.URL, Username: x.Username, Password: x.Password}
	}
	if !p.follow {
		h.FollowRedirects = new(bool)
	}
	h.Headers, err = headerMap(p)
	return h, err
}

// headerMap refuses a header given twice, which a monitor cannot have.
func headerMap(p probe) (map[string]string, error) {
	headers, seen := map[string]string{}, map[string]bool{}
	for _, h := range p.headers {
		if seen[strings.ToLower(h.Name)] {
			return nil, fmt.Errorf("--header %s is given twice; a monitor can have it once", h.Name)
		}
		seen[strings.ToLower(h.Name)] = true
		headers[h.Name] = h.Value
	}
	return headers, nil
}

func parseLabels(args []string) (map[string]string, error) {
	labels := map[string]string{}
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		_, twice := labels[key]
		switch {
		case !ok || key == "":
			return nil, fmt.Errorf("--label %q must be key=value", arg)
		case twice:
			return nil, fmt.Errorf("--label %s is given twice", key)
		}
		labels[key] = value
	}
	return labels, nil
}
