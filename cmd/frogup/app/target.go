package app

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/frogstats/uptime/services/prober/nettest"
)

// target is what a person named on the command line.
type target struct {
	kind    string // "http", "tcp" or "tls", as monitor_type has it
	address string // the URL, or host:port
	host    string // of tcp and tls, without brackets
	port    int    // of tcp and tls
}

// url is what events call monitor_url.
func (t target) url() string {
	if t.kind == nettest.ProtocolHTTP {
		return t.address
	}
	return t.kind + "://" + t.address
}

// parseTarget reads http://…, https://…, tcp://host:port, tls://host[:port] or host:port.
func parseTarget(arg string) (target, error) {
	scheme, rest, has := strings.Cut(arg, "://")
	switch strings.ToLower(scheme) {
	case "http", "https":
		if has {
			return target{kind: nettest.ProtocolHTTP, address: arg}, nil
		}
	case "tcp":
		if has {
			t, ok := parseHostPort(strings.TrimSuffix(rest, "/"))
			if !ok {
				return target{}, fmt.Errorf("%q: after tcp:// there must be host:port, the port from 1 to 65535 and an IPv6 address in brackets", arg)
			}
			return t, nil
		}
	case "tls":
		if has {
			return parseTLSTarget(arg, strings.TrimSuffix(rest, "/"))
		}
	}
	if has {
		return target{}, fmt.Errorf("%q: the scheme must be http, https, tcp or tls", arg)
	}
	if t, ok := parseHostPort(arg); ok {
		return t, nil
	}
	return target{}, fmt.Errorf("%q is neither a URL nor host:port%s", arg, meant(arg))
}

func parseTLSTarget(arg, rest string) (target, error) {
	t, ok := parseHostPort(rest)
	if !ok { // without a port; an IPv6 address still has its brackets
		host := strings.TrimSuffix(strings.TrimPrefix(rest, "["), "]")
		t, ok = parseHostPort(net.JoinHostPort(host, "443"))
		ok = ok && !strings.ContainsAny(host, "/?#@[] ") && (!strings.Contains(host, ":") || strings.HasPrefix(rest, "["))
	}
	if !ok {
		return target{}, fmt.Errorf("%q: after tls:// there must be host or host:port, the port from 1 to 65535 and an IPv6 address in brackets", arg)
	}
	t.kind = nettest.ProtocolTLS
	return t, nil
}

func parseHostPort(s string) (target, bool) {
	host, portText, err := net.SplitHostPort(s)
	if err != nil || host == "" || strings.Trim(portText, "0123456789") != "" {
		return target{}, false
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || port == 0 {
		return target{}, false
	}
	t := target{kind: nettest.ProtocolTCP, host: host, port: int(port)}
	t.address = net.JoinHostPort(host, strconv.Itoa(t.port))
	return t, true
}

// meant guesses what somebody wanted to write.
func meant(arg string) string {
	host, port, err := net.SplitHostPort(arg)
	switch {
	case arg == "" || strings.ContainsAny(arg, " \t\r\n"), err == nil && host == "":
		return ""
	case strings.ContainsAny(arg, "/?#"):
		return fmt.Sprintf("; did you mean https://%s?", arg)
	case err == nil:
		return fmt.Sprintf(": %q is not a port from 1 to 65535", port)
	}
	bare := strings.Trim(arg, "[]")
	if strings.Contains(bare, ":") {
		return fmt.Sprintf("; did you mean %s?", net.JoinHostPort(bare, "443"))
	}
	return fmt.Sprintf("; did you mean https://%s or %s:443?", arg, arg)
}

// probeFlags are the flags that say how to check; check and monitors create share them.
type probeFlags struct {
	timeout   time.Duration
	method    string
	headers   []string
	data      string
	ipVersion string
	noFollow  bool
	rules     []string
	resolvers []string
	secure    secureFlags
}

func (f *probeFlags) register(c *cobra.Command) {
	fs := c.Flags()
	fs.DurationVar(&f.timeout, "timeout", nettest.DefaultTimeout, "time for the whole check: names, connecting, TLS, redirects, body")
	fs.StringVar(&f.method, "method", "", "HTTP method (default GET, or POST with --data)")
	fs.StringArrayVarP(&f.headers, "header", "H", nil, `request header "Name: value"; may be repeated`)
	fs.StringVar(&f.data, "data", "", "request body")
	fs.StringVar(&f.ipVersion, "ip-version", string(nettest.IPAny), "address family: any, ipv4 or ipv6")
	fs.BoolVar(&f.noFollow, "no-follow", false, "do not follow redirects: the first answer is judged")
	fs.StringArrayVar(&f.rules, "rule", nil, "what the answer must be, such as status_code=200; may be repeated")
	fs.StringArrayVar(&f.resolvers, "resolver", nil, "name server to ask, address or address:port; may be repeated up to 4 times (default: those of the machine that checks)")
	f.secure.register(c)
	complete(c, "method", "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH")
	complete(c, "ip-version", "any", "ipv4", "ipv6")
	noFiles := cobra.NoFileCompletions
	for _, name := range []string{"timeout", "header", "data", "resolver"} {
		_ = c.RegisterFlagCompletionFunc(name, noFiles) // the flags exist
	}
	_ = c.RegisterFlagCompletionFunc("rule", cobra.FixedCompletions(
		[]string{"status_code=", "response_time<", "ttfb<", "size<", "body~", "body!~", "body/re~", "header:", "json:$.", "cel:", "http_version=", "cert_days>", "cert_issuer~", "cert_subject~", "cert_valid"},
		cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace))
}

// complete offers fixed words for a flag.
func complete(c *cobra.Command, flag string, words ...string) {
	_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
}

// probe is a target and how to check it, read and consistent.
type probe struct {
	target
	timeout   time.Duration
	method    string
	headers   []nettest.HeaderField
	body      string
	ipVersion nettest.IPVersion
	follow    bool
	rules     []rule
	resolvers []netip.AddrPort
	secure    secure
}

// httpOnly are the flags of probeFlags that only an HTTP check has a use for.
var httpOnly = []string{"method", "header", "data", "no-follow", "http-version", "proxy"}

func (f *probeFlags) parse(arg string, flags *pflag.FlagSet) (probe, error) {
	t, err := parseTarget(arg)
	if err != nil {
		return probe{}, err
	}
	if t.kind != nettest.ProtocolHTTP {
		for _, name := range httpOnly {
			if flags.Changed(name) {
				return probe{}, fmt.Errorf("--%s is for http and https; %s is a %s check", name, arg, strings.ToUpper(t.kind))
			}
		}
	}
	if f.timeout <= 0 {
		return probe{}, errors.New("--timeout must be positive")
	}
	p := probe{
		target: t, timeout: f.timeout, method: strings.ToUpper(f.method), body: f.data,
		ipVersion: nettest.IPVersion(strings.ToLower(f.ipVersion)), follow: !f.noFollow,
	}
	if p.method == "" {
		p.method = "GET"
		if f.data != "" {
			p.method = "POST"
		}
	}
	if p.headers, err = parseHeaders(f.headers); err != nil {
		return probe{}, err
	}
	if p.resolvers, err = parseResolvers(f.resolvers); err != nil {
		return probe{}, err
	}
	if p.secure, err = f.secure.parse(t, flags); err != nil {
		return probe{}, err
	}
	if p.rules, err = parseRules(f.rules, t.kind, p.secure.handshake(t)); err != nil {
		return probe{}, err
	}
	test, config := p.test(nil, nil)
	if err := test.Validate(config); err != nil {
		return probe{}, flagError(arg, err)
	}
	return p, nil
}

// test is the check that p describes. network and expect may be nil.
func (p probe) test(network *nettest.Network, expect func(*nettest.TestResult) []string) (nettest.NetworkTest, nettest.TestConfig) {
	config := nettest.TestConfig{Name: p.url(), Address: p.address, Timeout: p.timeout, DNS: p.dns()}
	switch p.kind {
	case nettest.ProtocolTCP:
		own := nettest.TCPConfig{IPVersion: p.ipVersion, Expect: expect}
		if p.secure.tls {
			own.TLS, own.StartTLS = &p.secure.options, p.secure.startTLS
		}
		config.Config = own
		return &nettest.TCPTest{Network: network}, config
	case nettest.ProtocolTLS:
		config.Config = nettest.TLSConfig{IPVersion: p.ipVersion, StartTLS: p.secure.startTLS, TLS: p.secure.options, Expect: expect}
		return &nettest.TLSTest{Network: network}, config
	}
	config.Config = nettest.HTTPConfig{
		Method: p.method, Headers: p.headers, Body: p.body, IPVersion: p.ipVersion,
		FollowRedirects: p.follow, Expect: expect, TLSOptions: p.secure.options, Version: p.secure.httpVersion, Proxy: p.secure.proxy,
	}
	return &nettest.HTTPTest{Network: network}, config
}

func parseHeaders(args []string) ([]nettest.HeaderField, error) {
	var fields []nettest.HeaderField
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, ":")
		if !ok || strings.TrimSpace(name) == "" {
			// The value may be a secret; the name is enough to find the mistake.
			return nil, errors.New(`--header must be "Name: value"`)
		}
		fields = append(fields, nettest.HeaderField{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)})
	}
	return fields, nil
}

// flagError says which flag or argument the check library does not like.
func flagError(arg string, err error) error {
	var wrong *nettest.ConfigError
	if !errors.As(err, &wrong) {
		return err
	}
	field, _, _ := strings.Cut(strings.TrimPrefix(wrong.Field, "Config."), "[")
	switch field {
	case "Address":
		return fmt.Errorf("%q %s", arg, wrong.Problem)
	case "Method":
		return fmt.Errorf("--method %s", wrong.Problem)
	case "Headers":
		return fmt.Errorf("--header %s", wrong.Problem)
	case "Body":
		return fmt.Errorf("--data %s", wrong.Problem)
	case "IPVersion":
		return fmt.Errorf("--ip-version %s", wrong.Problem)
	case "StartTLS":
		return fmt.Errorf("--starttls %s", wrong.Problem)
	case "Version":
		return fmt.Errorf("--http-version %s", wrong.Problem)
	case "DNS.Servers":
		return fmt.Errorf("--resolver %s", wrong.Problem)
	case "Proxy", "Proxy.URL":
		return fmt.Errorf("--proxy %s", wrong.Problem)
	}
	return err
}
