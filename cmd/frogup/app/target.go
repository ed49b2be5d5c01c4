package app

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/frogstats/uptime/services/prober/nettest"
)

// target is what a person named on the command line.
type target struct {
	kind    string // "http" or "tcp", as monitor_type has it
	address string // the URL, or host:port
	host    string // of tcp, without brackets
	port    int    // of tcp
}

// url is what events call monitor_url.
func (t target) url() string {
	if t.kind == nettest.ProtocolTCP {
		return "tcp://" + t.address
	}
	return t.address
}

// parseTarget reads http://…, https://…, tcp://host:port or host:port.
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
	}
	if has {
		return target{}, fmt.Errorf("%q: the scheme must be http, https or tcp", arg)
	}
	if t, ok := parseHostPort(arg); ok {
		return t, nil
	}
	return target{}, fmt.Errorf("%q is neither a URL nor host:port%s", arg, meant(arg))
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
	complete(c, "method", "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH")
	complete(c, "ip-version", "any", "ipv4", "ipv6")
	noFiles := cobra.NoFileCompletions
	for _, name := range []string{"timeout", "header", "data"} {
		_ = c.RegisterFlagCompletionFunc(name, noFiles) // the flags exist
	}
	_ = c.RegisterFlagCompletionFunc("rule", cobra.FixedCompletions(
		[]string{"status_code=", "response_time<", "size<", "body~", "body!~", "header:"},
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
}

// httpOnly are the flags of probeFlags that a TCP check has no use for.
var httpOnly = []string{"method", "header", "data", "no-follow"}

func (f *probeFlags) parse(arg string, flags *pflag.FlagSet) (probe, error) {
	t, err := parseTarget(arg)
	if err != nil {
		return probe{}, err
	}
	if t.kind == nettest.ProtocolTCP {
		for _, name := range httpOnly {
			if flags.Changed(name) {
				return probe{}, fmt.Errorf("--%s is for http and https; %s is a TCP check", name, arg)
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
	if p.rules, err = parseRules(f.rules, t.kind); err != nil {
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
	config := nettest.TestConfig{Name: p.url(), Address: p.address, Timeout: p.timeout}
	if p.kind == nettest.ProtocolTCP {
		config.Config = nettest.TCPConfig{IPVersion: p.ipVersion, Expect: expect}
		return &nettest.TCPTest{Network: network}, config
	}
	config.Config = nettest.HTTPConfig{
		Method: p.method, Headers: p.headers, Body: p.body, IPVersion: p.ipVersion,
		FollowRedirects: p.follow, Expect: expect,
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
	}
	return err
}
