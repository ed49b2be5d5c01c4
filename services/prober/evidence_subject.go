package prober

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/frogstats/uptime/services/prober/nettest"
)

// subject is what an examination looks at: who is connected to, and what may be done there.
type subject struct {
	host     string     // name, without brackets
	addr     netip.Addr // of a host that is an address
	port     uint16
	dns      *nettest.DNSConfig
	family   nettest.IPVersion
	proxied  bool
	tls      *nettest.TLSOptions // nil: no handshake is made
	startTLS nettest.StartTLS
	verified bool // the check looks at the certificate
	http     bool // the check is a request
	bare     bool // the check is nothing but a connection, or a handshake
	// keep is why the request is not made again; empty if it is.
	keep string
}

func (s *subject) target() string { return net.JoinHostPort(s.host, strconv.Itoa(int(s.port))) }

// subject reads what the check does.
func (p *prepared) subject() (*subject, error) {
	s := &subject{dns: p.config.DNS}
	var err error
	switch c := p.config.Config.(type) {
	case nettest.TCPConfig:
		s.family, s.tls, s.startTLS = c.IPVersion, c.TLS, c.StartTLS
		s.bare = c.SendData == "" && c.ExpectedData == "" && !c.Banner
		s.verified = c.TLS != nil && !c.TLS.SkipVerify
		err = s.dial(p.config.Address)
	case nettest.TLSConfig:
		s.family, s.tls, s.startTLS, s.bare, s.verified = c.IPVersion, &c.TLS, c.StartTLS, true, !c.TLS.SkipVerify
		err = s.dial(p.config.Address)
	case nettest.HTTPConfig:
		s.http, s.family, s.keep = true, c.IPVersion, whyNotAgain(&c)
		err = s.dialURL(p.config.Address, &c)
	default:
		err = fmt.Errorf("examine %T: not known", c)
	}
	if s.tls != nil {
		s.tls = handshakeOnly(*s.tls)
	}
	return s, err
}

func (s *subject) dial(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("examine %s: %w", address, err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return fmt.Errorf("examine %s: %w", address, err)
	}
	s.host, s.port = strings.TrimSuffix(host, "."), uint16(n)
	if addr, err := netip.ParseAddr(s.host); err == nil {
		s.addr = addr.Unmap()
	}
	return nil
}

// dialURL reads whom a request connects to: its proxy, if there is one, behind which everything else is the proxy's matter.
func (s *subject) dialURL(address string, c *nettest.HTTPConfig) error {
	if c.Proxy != nil {
		address, s.proxied = c.Proxy.URL, true
	}
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("examine url: %w", err)
	}
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	case u.Scheme == "socks5":
		port = "1080"
	default:
		port = "80"
	}
	if err := s.dial(net.JoinHostPort(u.Hostname(), port)); err != nil || s.proxied || u.Scheme != "https" {
		return err
	}
	options := c.TLSOptions
	if c.ServerName != "" {
		options.ServerName = c.ServerName
	}
	s.tls, s.startTLS, s.verified = &options, nettest.StartTLSNone, !c.SkipVerify && !options.SkipVerify
	return nil
}

// handshakeOnly accepts every certificate, so that trouble of the chain is told from trouble of the handshake: unless the
// client proves who it is, which it does to those only that have proved it first.
func handshakeOnly(o nettest.TLSOptions) *nettest.TLSOptions {
	if len(o.Certificates) == 0 {
		o.SkipVerify = true
	}
	return &o
}

// whyNotAgain says why a request is not made again; empty if it may be. Only what changes nothing at the target is repeated.
func whyNotAgain(c *nettest.HTTPConfig) string {
	switch {
	case c.Method != "" && c.Method != "GET" && c.Method != "HEAD":
		return "A " + c.Method + " request may change something, so it was not made again"
	case c.Body != "":
		return "The request has a body, so it was not made again"
	case c.Auth.Type == nettest.AuthOAuth2:
		return "The request needs a token, so it was not made again"
	}
	return ""
}

// privateSuffixes end names that are no part of the public DNS (RFC 6761, 6762, 8375, 9476), or usually are not.
var privateSuffixes = []string{
	"local", "localhost", "internal", "intranet", "lan", "home", "corp", "private", "home.arpa", "test", "example", "invalid", "onion", "alt",
}

// publicName reports whether a resolver of the public may be asked for a name: one of a network of its own is nobody's business.
func publicName(host string) bool {
	name := strings.ToLower(host)
	if !strings.Contains(name, ".") {
		return false
	}
	for _, suffix := range privateSuffixes {
		if strings.HasSuffix(name, "."+suffix) {
			return false
		}
	}
	return true
}
