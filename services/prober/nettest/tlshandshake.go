package nettest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"strings"
	"time"
)

// handshake is one TLS handshake of a check.
type handshake struct {
	*check
	options TLSOptions
	name    string // for SNI and the certificate; may be an address
	shown   *Certificate
	chain   []*x509.Certificate // as sent
	issuer  *x509.Certificate   // of the leaf, if known
	// asked says that the peer asked for a client certificate.
	asked bool
}

// secure makes conn secure and records in the result what the peer shows: a
// Certificate, complete even if it is refused, the version of the first
// handshake and when its leaf expires. host is what was asked for, alpn the
// protocols offered. conn must have the check's deadline already and be cut off
// when its context ends (open and guard do that); on failure it is left open.
//
// A failure for which wantsOtherCurves holds is worth repeating once, on a new
// connection.
func (c *check) secure(conn net.Conn, o TLSOptions, host string, alpn []string) (*tls.Conn, *failure) {
	return c.secureFrom(nil, conn, o, host, alpn)
}

// secureFrom is secure with a configuration to start from; nil is an empty one.
func (c *check) secureFrom(base *tls.Config, conn net.Conn, o TLSOptions, host string, alpn []string) (*tls.Conn, *failure) {
	h := c.newHandshake(base, o, host)
	return h.run(base, conn, alpn)
}

func (c *check) newHandshake(base *tls.Config, o TLSOptions, host string) *handshake {
	if base != nil {
		if o.RootCAs == nil {
			o.RootCAs = base.RootCAs
		}
		o.SkipVerify = o.SkipVerify || base.InsecureSkipVerify
	}
	if o.ServerName != "" {
		host = o.ServerName
	}
	host, _, _ = strings.Cut(strings.TrimSuffix(host, "."), "%")
	return &handshake{check: c, options: o, name: host}
}

func (h *handshake) run(base *tls.Config, conn net.Conn, alpn []string) (*tls.Conn, *failure) {
	h.watch.enter(slotTLS)
	secured := tls.Client(conn, h.config(base, alpn))
	// The connection has the check's deadline already, and is cut off when its
	// context ends; HandshakeContext would only add a goroutine.
	if err := secured.Handshake(); err != nil {
		h.record()
		return nil, h.failed(err)
	}
	state := secured.ConnectionState()
	version := strings.TrimPrefix(tls.VersionName(state.Version), "TLS ")
	if h.result.TLSVersion == "" {
		h.result.TLSVersion = version
	}
	h.shown.TLSVersion, h.shown.CipherSuite, h.shown.ALPN = version, tls.CipherSuiteName(state.CipherSuite), state.NegotiatedProtocol
	refused := h.askResponder()
	h.record()
	if refused != nil && !h.options.SkipVerify {
		return nil, h.failed(refused)
	}
	return secured, nil
}

// record adds what was shown to the result.
func (h *handshake) record() {
	if h.shown == nil {
		return
	}
	if len(h.result.Certificates) == 0 {
		h.result.CertExpiresAt = h.shown.NotAfter
	}
	h.result.Certificates = append(h.result.Certificates, *h.shown)
}

// config is what crypto/tls is told. It verifies nothing of its own: what it
// refuses it does not show, and verify needs to see everything.
func (h *handshake) config(base *tls.Config, alpn []string) *tls.Config {
	config := &tls.Config{}
	if base != nil {
		config = base.Clone()
	}
	o := &h.options
	config.ServerName = h.name
	config.InsecureSkipVerify = true //nolint:gosec // verify does it
	config.VerifyConnection = h.verify
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	if o.MinVersion != 0 {
		config.MinVersion = o.MinVersion
	}
	if config.MinVersion < tls.VersionTLS12 {
		config.CipherSuites = legacySuites()
	}
	if len(o.Curves) > 0 {
		config.CurvePreferences = o.Curves
	}
	if len(o.Certificates) > 0 {
		config.Certificates = o.Certificates
	}
	own := config.Certificates
	config.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		h.asked = true
		for i := range own {
			if info.SupportsCertificate(&own[i]) == nil {
				return &own[i], nil
			}
		}
		return &tls.Certificate{}, nil
	}
	config.NextProtos = alpn
	// A resumed session would hide a certificate that has changed.
	config.ClientSessionCache = nil
	config.SessionTicketsDisabled = true
	return config
}

// legacySuites are offered to servers from the time of TLS 1.0 and 1.1, which
// often know none of today's.
func legacySuites() []uint16 {
	var ids []uint16
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if !strings.Contains(suite.Name, "_RC4_") {
			ids = append(ids, suite.ID)
		}
	}
	return ids
}

// verify is called by crypto/tls when the peer has shown its certificates.
func (h *handshake) verify(state tls.ConnectionState) error {
	h.chain = state.PeerCertificates
	shown, err := inspect(h.chain, h.name, h.options.RootCAs, time.Now())
	shown.Peer = h.at.String()
	h.shown = &shown
	if err != nil && !h.options.SkipVerify {
		return err
	}
	return nil
}

func (h *handshake) askResponder() error { return nil }

func (h *handshake) failed(err error) *failure {
	return &failure{phase: PhaseTLS, err: err}
}

// wantsOtherCurves reports whether a handshake failed because the server knows
// none of FastCurves. A second secure to the same address offers all that Go
// knows.
func wantsOtherCurves(f *failure) bool {
	var curves *curveError
	return f != nil && errors.As(f.err, &curves)
}

// curveError is the failure of a handshake that offered FastCurves only.
type curveError struct{ err error }

func (e *curveError) Error() string { return e.err.Error() }
func (e *curveError) Unwrap() error { return e.err }
