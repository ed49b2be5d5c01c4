package nettest

import "context"

// defaultTLSPort is that of a TLS address without one.
const defaultTLSPort = 443

// TLSTest connects, shakes hands and closes the connection again: it says whether
// a service can be spoken to securely, and until when. Its zero value is ready to
// use.
type TLSTest struct {
	// Network is shared by the tests of one prober; nil means a common default
	// with the system's name servers and no policy.
	Network *Network
}

// GetProtocol returns "tls".
func (*TLSTest) GetProtocol() string { return ProtocolTLS }

// Validate implements NetworkTest.
func (*TLSTest) Validate(config TestConfig) error {
	_, _, err := parseTLS(config)
	return err
}

func parseTLS(config TestConfig) (target, TLSConfig, error) {
	var own TLSConfig
	switch c := config.Config.(type) {
	case nil:
	case TLSConfig:
		own = c
	case *TLSConfig:
		if c != nil {
			own = *c
		}
	default:
		return target{}, own, &ConfigError{"Config", "must be a TLSConfig"}
	}
	if err := checkCommon(config, ProtocolTLS); err != nil {
		return target{}, own, err
	}
	to, err := parseTCPAddress(config.Address, own.Port)
	if err != nil && own.Port == 0 {
		to, err = parseTCPAddress(config.Address, defaultTLSPort)
	}
	if err != nil {
		return target{}, own, err
	}
	if problem := checkFamily(to, own.IPVersion); problem != "" {
		return target{}, own, &ConfigError{"Config.IPVersion", problem}
	}
	if problem := own.StartTLS.check(); problem != "" {
		return target{}, own, &ConfigError{"Config.StartTLS", problem}
	}
	return to, own, own.TLS.check("Config.TLS")
}

// Execute implements NetworkTest. Latency is the whole check. The phase TLS is
// everything from the open connection on: the dialogue before STARTTLS, the
// handshake, and asking an OCSP responder, which happens once until its answer
// has to be renewed. A server of TLS 1.3 that asked for a client certificate is
// listened to for a moment more (up to a second), because it refuses one only
// after the handshake.
func (t *TLSTest) Execute(ctx context.Context, config TestConfig) (*TestResult, error) {
	to, own, err := parseTLS(config)
	if err != nil {
		return refuse(config, ProtocolTLS, err)
	}
	if err := ctx.Err(); err != nil {
		return tooLate(config, ProtocolTLS, err)
	}
	c := begin(ctx, t.Network, config, ProtocolTLS)
	c.at = to
	l, failed := c.openLine(own.IPVersion, &own.TLS, own.StartTLS)
	if failed != nil {
		return c.finish(failed)
	}
	failed = l.settle()
	c.watch.stop()
	l.close(failed == nil)
	if failed == nil {
		failed = c.expect(own.Expect)
	}
	return c.finish(failed)
}
