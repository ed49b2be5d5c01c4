package nettest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"time"
)

const (
	// tcpReadLimit bounds what a TCP check reads of a response.
	tcpReadLimit = 4096
	// bannerLimit and bannerPatience bound what is kept of a banner and how long a
	// service may take to say it; a service that says nothing is not at fault.
	bannerLimit    = 256
	bannerPatience = 2 * time.Second
)

// TCPTest connects to a port and closes the connection again. Its zero value is
// ready to use.
type TCPTest struct {
	// Network is shared by the tests of one prober; nil means a common default
	// with the system's name servers and no policy.
	Network *Network
	// ResetOnClose closes with RST instead of FIN, which leaves no socket in
	// TIME_WAIT but may show up in the target's log.
	ResetOnClose bool
}

// TCPConfig is the TestConfig.Config of a TCPTest; its zero value only connects.
type TCPConfig struct {
	// Port may repeat the port of the address, or give it to an address without one.
	Port int
	// IPVersion restricts the address family; empty means any.
	IPVersion IPVersion
	// SendData is sent after connecting.
	SendData string
	// ExpectResponse asks for at least one byte from the service.
	ExpectResponse bool
	// ExpectedData must occur within the first 4096 bytes that the service sends.
	ExpectedData string
	// Banner records what the service says unasked, if it does within 2 s. It
	// cannot be combined with an expected response.
	Banner bool
	// TLS asks for a handshake after connecting; nil means none. Data is then sent
	// and expected within TLS. A handshake that fails makes the check fail in the
	// phase tls, though the port is open, which Phases.Connect still tells.
	TLS *TLSOptions
	// StartTLS upgrades the connection in the service's own protocol first; only
	// with TLS. What the service greets with is the Banner then, if one is asked for.
	StartTLS StartTLS
	// Expect judges the finished measurement and returns a sentence for each
	// expectation that does not hold.
	Expect func(*TestResult) []string
}

// GetProtocol returns "tcp".
func (*TCPTest) GetProtocol() string { return ProtocolTCP }

// Validate implements NetworkTest.
func (*TCPTest) Validate(config TestConfig) error {
	_, _, err := parseTCP(config)
	return err
}

func parseTCP(config TestConfig) (target, TCPConfig, error) {
	var own TCPConfig
	switch c := config.Config.(type) {
	case nil:
	case TCPConfig:
		own = c
	case *TCPConfig:
		if c != nil {
			own = *c
		}
	default:
		return target{}, own, &ConfigError{"Config", "must be a TCPConfig"}
	}
	if err := checkCommon(config, ProtocolTCP); err != nil {
		return target{}, own, err
	}
	to, err := parseTCPAddress(config.Address, own.Port)
	if err != nil {
		return target{}, own, err
	}
	if problem := checkFamily(to, own.IPVersion); problem != "" {
		return target{}, own, &ConfigError{"Config.IPVersion", problem}
	}
	switch {
	case len(own.ExpectedData) > tcpReadLimit:
		return target{}, own, &ConfigError{"Config.ExpectedData", "is longer than 4096 bytes"}
	case own.Banner && (own.ExpectResponse || own.ExpectedData != ""):
		return target{}, own, &ConfigError{"Config.Banner", "cannot be combined with an expected response"}
	case own.StartTLS.check() != "":
		return target{}, own, &ConfigError{"Config.StartTLS", own.StartTLS.check()}
	case own.TLS != nil:
		return to, own, own.TLS.check("Config.TLS")
	case own.StartTLS.on(to.port) != StartTLSNone && own.StartTLS != StartTLSAuto:
		return target{}, own, &ConfigError{"Config.StartTLS", "needs Config.TLS"}
	}
	return to, own, nil
}

func parseTCPAddress(address string, port int) (target, error) {
	if port < 0 || port > 65535 {
		return target{}, &ConfigError{"Config.Port", "must be between 1 and 65535"}
	}
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		// A bare host is fine if the port stands in Config.
		var problem *net.AddrError
		if port == 0 || !errors.As(err, &problem) {
			return target{}, &ConfigError{"Address", "must be host:port, with an IPv6 address in brackets"}
		}
		host, portText = address, strconv.Itoa(port)
	}
	to, problem := parseHost(host)
	if problem != "" {
		return target{}, &ConfigError{"Address", problem}
	}
	var ok bool
	if to.port, ok = parsePort(portText); !ok {
		return target{}, &ConfigError{"Address", "has a port that is not between 1 and 65535"}
	}
	if port != 0 && port != int(to.port) {
		return target{}, &ConfigError{"Config.Port", "differs from the port of the address"}
	}
	return to, nil
}

// onlyConnects reports whether nothing is done with the connection.
func (c *TCPConfig) onlyConnects() bool {
	return c.SendData == "" && !c.ExpectResponse && c.ExpectedData == "" && !c.Banner && c.TLS == nil
}

// Execute implements NetworkTest. Latency is name resolution plus connecting; a
// handshake is in the phase TLS, and a response that was asked for in the phases
// TTFB and Transfer.
func (t *TCPTest) Execute(ctx context.Context, config TestConfig) (*TestResult, error) {
	to, own, err := parseTCP(config)
	if err != nil {
		return refuse(config, ProtocolTCP, err)
	}
	if err := ctx.Err(); err != nil {
		return tooLate(config, ProtocolTCP, err)
	}
	c := begin(ctx, t.Network, config, ProtocolTCP)
	c.at, c.plain = to, own.onlyConnects()
	l, failed := c.openLine(own.IPVersion, own.TLS, own.StartTLS)
	if failed != nil {
		return c.finish(failed)
	}
	if own.Banner && l.greeting != "" {
		c.result.Banner, c.result.ResponseSize = l.greeting, int64(len(l.greeting))
		own.Banner = false
	}
	if own.SendData != "" || own.ExpectResponse || own.ExpectedData != "" || own.Banner {
		failed = c.converse(l.conn(), own)
	}
	if failed == nil && c.result.ResponseSize == 0 {
		failed = l.settle()
	}
	c.watch.stop()
	if t.ResetOnClose {
		_ = l.tcp.SetLinger(0)
	}
	l.close(failed == nil)
	if failed == nil {
		failed = c.expect(own.Expect)
	}
	return c.finish(failed)
}

// expect lets the caller judge what was measured so far.
func (c *check) expect(judge func(*TestResult) []string) *failure {
	if judge == nil {
		return nil
	}
	c.watch.stop()
	r := c.result
	r.Phases = c.watch.phases()
	r.Latency = r.Phases.Total
	if r.Protocol == ProtocolTCP {
		r.Latency = r.Phases.DNS.Duration + r.Phases.Connect.Duration
	}
	problems := judge(r)
	if len(problems) == 0 {
		return nil
	}
	return invalid(r, problems)
}

// invalid is the failure of a response that is not as expected.
func invalid(r *TestResult, problems []string) *failure {
	r.ValidationErrors = problems
	detail := problems[0]
	if len(problems) > 1 {
		detail += " and " + strconv.Itoa(len(problems)-1) + " more"
	}
	return &failure{phase: PhaseValidation, typ: ErrValidationFailed, detail: detail}
}

// converse sends and reads what the configuration asks for.
func (c *check) converse(conn net.Conn, own TCPConfig) *failure {
	defer c.guard(conn)()
	c.watch.enter(slotTTFB)
	if own.SendData != "" {
		if _, err := io.WriteString(conn, own.SendData); err != nil {
			return &failure{phase: PhaseRequest, err: err}
		}
	}
	switch {
	case own.Banner:
		return c.readBanner(conn)
	case own.ExpectResponse || own.ExpectedData != "":
		return c.readResponse(conn, own.ExpectedData)
	default:
		return nil
	}
}

// readResponse reads until expected has come, or any byte if expected is empty.
func (c *check) readResponse(conn net.Conn, expected string) *failure {
	data := make([]byte, 0, tcpReadLimit)
	for len(data) < tcpReadLimit {
		n, err := conn.Read(data[len(data):tcpReadLimit])
		if n > 0 && len(data) == 0 {
			c.watch.enter(slotTransfer)
		}
		data = data[:len(data)+n]
		c.result.ResponseSize = int64(len(data))
		switch {
		case n > 0 && bytes.Contains(data, []byte(expected)):
			return nil
		case err == nil:
		case isTLSAlert(err):
			return &failure{phase: PhaseTLS, err: err}
		case !errors.Is(err, io.EOF):
			return &failure{phase: PhaseBody, err: err}
		case len(data) == 0:
			return &failure{phase: PhaseBody, err: protocolError("the connection was closed before any data")}
		default:
			return invalid(c.result, []string{"response contains the expected data: not in what came before the connection was closed"})
		}
	}
	return invalid(c.result, []string{"response contains the expected data: not in its first 4096 bytes"})
}

// readBanner takes what comes within the patience. That the service is silent or
// hangs up is no failure: the port is open, which is what was asked.
func (c *check) readBanner(conn net.Conn) *failure {
	patience := time.Now().Add(bannerPatience)
	if c.deadline.Before(patience) {
		patience = c.deadline
	}
	_ = conn.SetReadDeadline(patience)
	if c.ctx.Err() == context.Canceled { // its signal may just have been overwritten
		return &failure{phase: PhaseBody, err: context.Canceled}
	}
	buf := make([]byte, bannerLimit)
	n, err := conn.Read(buf)
	if isTLSAlert(err) { // the client's certificate is refused
		return &failure{phase: PhaseTLS, err: err}
	}
	if n > 0 {
		c.watch.enter(slotTransfer)
		c.result.ResponseSize = int64(n)
		c.result.Banner = printable(string(bytes.TrimRight(buf[:n], "\r\n")), bannerLimit)
	} else if c.ctx.Err() == context.Canceled {
		return &failure{phase: PhaseBody, err: context.Canceled}
	}
	return nil
}
