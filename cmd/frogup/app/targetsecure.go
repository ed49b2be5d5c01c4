package app

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/frogstats/uptime/services/prober/nettest"
)

// secureFlags are the flags about TLS and the way to the target; check and monitors create share them.
type secureFlags struct {
	tls                                     bool
	startTLS, serverName, least, revocation string
	authorities, certificate, key           string // files
	insecure                                bool
	httpVersion, proxy                      string
}

func (f *secureFlags) register(c *cobra.Command) {
	fs := c.Flags()
	fs.BoolVar(&f.tls, "tls", false, "shake hands by TLS after connecting to host:port")
	fs.StringVar(&f.startTLS, "starttls", "", "upgrade to TLS in the service's own protocol: auto, none, postgres, mysql, smtp, imap, pop3 or ldap")
	fs.StringVar(&f.serverName, "sni", "", "name for SNI and the certificate's check, instead of the host")
	fs.StringVar(&f.least, "min-tls", "", "least version of TLS: 1.0, 1.1, 1.2 or 1.3 (default 1.2)")
	fs.StringVar(&f.revocation, "revocation", "", "how far revocation is looked into: off, stapled or online (default stapled)")
	fs.StringVar(&f.authorities, "ca", "", "file of certificates in PEM that are trusted instead of the system's")
	fs.StringVar(&f.certificate, "cert", "", "file of the client certificate in PEM; its key is in --key")
	fs.StringVar(&f.key, "key", "", "file of the client certificate's key in PEM")
	fs.BoolVarP(&f.insecure, "insecure", "k", false, "accept any certificate; what is wrong with it is still shown")
	fs.StringVar(&f.httpVersion, "http-version", "", "version of HTTP that must be spoken: any, 1.1 or 2 (default any)")
	fs.StringVar(&f.proxy, "proxy", "", "proxy to reach the target through: http://, https:// or socks5://[user:password@]host:port")
	complete(c, "starttls", "auto", "none", "postgres", "mysql", "smtp", "imap", "pop3", "ldap")
	complete(c, "min-tls", "1.0", "1.1", "1.2", "1.3")
	complete(c, "revocation", "off", "stapled", "online")
	complete(c, "http-version", "any", "1.1", "2")
}

// secure is what secureFlags say, read and consistent.
type secure struct {
	tls         bool
	startTLS    nettest.StartTLS
	options     nettest.TLSOptions
	httpVersion nettest.HTTPVersion
	proxy       *nettest.Proxy

	least                         string // of the flag, for the document of a monitor
	authorities, certificate, key string // PEM
}

// tlsFlags mean nothing without a handshake.
var tlsFlags = []string{"starttls", "sni", "min-tls", "revocation", "ca", "cert", "key", "insecure"}

var leastVersions = map[string]uint16{"": 0, "1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// handshake reports whether checks of t shake hands.
func (s secure) handshake(t target) bool {
	return s.tls || t.kind == nettest.ProtocolTLS || t.kind == nettest.ProtocolHTTP
}

func (f *secureFlags) parse(t target, flags *pflag.FlagSet) (secure, error) {
	s := secure{tls: f.tls, startTLS: nettest.StartTLS(f.startTLS), least: f.least, httpVersion: nettest.HTTPVersion(f.httpVersion)}
	switch {
	case f.tls && t.kind != nettest.ProtocolTCP:
		return s, errors.New("--tls is for host:port; http, https and tls:// say themselves whether there is TLS")
	case flags.Changed("starttls") && t.kind == nettest.ProtocolHTTP:
		return s, errors.New("--starttls is for host:port with --tls and for tls://")
	}
	if !s.handshake(t) {
		for _, name := range tlsFlags {
			if flags.Changed(name) {
				return s, fmt.Errorf("--%s needs a TLS handshake; add --tls, or check tls://%s", name, t.address)
			}
		}
	}
	if t.kind == nettest.ProtocolTCP && f.startTLS == "" {
		s.startTLS = nettest.StartTLSAuto
	}
	var ok bool
	if s.options.MinVersion, ok = leastVersions[f.least]; !ok {
		return s, errors.New("--min-tls must be one of 1.0, 1.1, 1.2, 1.3")
	}
	if f.revocation != "" && !slices.Contains([]string{"off", "stapled", "online"}, f.revocation) {
		return s, errors.New("--revocation must be one of off, stapled, online")
	}
	s.options.ServerName, s.options.SkipVerify, s.options.Revocation = f.serverName, f.insecure, nettest.Revocation(f.revocation)
	if f.insecure && f.authorities != "" {
		return s, errors.New("--insecure and --ca exclude each other: either certificates are checked or not")
	}
	if err := f.read(&s); err != nil {
		return s, err
	}
	return s, f.parseProxy(&s)
}

// read reads the files that the flags name.
func (f *secureFlags) read(s *secure) error {
	for _, file := range [...]struct {
		flag, path string
		into       *string
	}{{"ca", f.authorities, &s.authorities}, {"cert", f.certificate, &s.certificate}, {"key", f.key, &s.key}} {
		if file.path == "" {
			continue
		}
		text, err := os.ReadFile(file.path)
		if err != nil {
			return fmt.Errorf("read --%s: %w", file.flag, err)
		}
		*file.into = string(text)
	}
	if f.authorities != "" {
		s.options.RootCAs = x509.NewCertPool()
		if !s.options.RootCAs.AppendCertsFromPEM([]byte(s.authorities)) {
			return fmt.Errorf("--ca: %s holds no certificate in PEM", f.authorities)
		}
	}
	if (f.certificate == "") != (f.key == "") {
		return errors.New("--cert and --key belong together")
	}
	if f.certificate == "" {
		return nil
	}
	pair, err := tls.X509KeyPair([]byte(s.certificate), []byte(s.key))
	if err != nil {
		return errors.New("--key must hold the unencrypted key, in PEM, of the certificate in --cert")
	}
	s.options.Certificates = []tls.Certificate{pair}
	return nil
}

func (f *secureFlags) parseProxy(s *secure) error {
	if f.proxy == "" {
		return nil
	}
	u, err := url.Parse(f.proxy)
	if err != nil { // its words would quote the password
		return errors.New("--proxy must be a URL such as http://proxy.example.com:3128")
	}
	s.proxy = &nettest.Proxy{}
	if u.User != nil {
		s.proxy.Username = u.User.Username()
		s.proxy.Password, _ = u.User.Password()
		u.User = nil
	}
	s.proxy.URL = strings.TrimSuffix(u.String(), "/")
	return nil
}

// document is the options in REST's words; nil if there are none.
func (s secure) document() *newTLSOptions {
	o := newTLSOptions{
		InsecureSkipVerify: s.options.SkipVerify, ServerName: s.options.ServerName, ClientCertificate: s.certificate, ClientKey: s.key,
		Revocation: string(s.options.Revocation),
		MinVersion: map[string]string{"1.0": "tls10", "1.1": "tls11", "1.2": "tls12", "1.3": "tls13"}[s.least],
	}
	if s.authorities != "" {
		o.TrustedCAs = []string{s.authorities}
	}
	if reflect.ValueOf(o).IsZero() {
		return nil
	}
	return &o
}
