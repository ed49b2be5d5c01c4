package nettest

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// handshake is one TLS handshake of a check.
type handshake struct {
	*check
	options TLSOptions
	base    *tls.Config // to start from; may be nil
	name    string      // for SNI and the certificate; may be an address
	leaf    *x509.Certificate
	found   *inspection // nil until the peer has shown its certificates
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
	return c.newHandshake(base, o, host).run(conn, alpn)
}

func (c *check) newHandshake(base *tls.Config, o TLSOptions, host string) *handshake {
	if base != nil {
		if o.RootCAs == nil {
			o.RootCAs = base.RootCAs
		}
		o.SkipVerify = o.SkipVerify || base.InsecureSkipVerify
	}
	if to, problem := parseHost(o.ServerName); problem == "" {
		host = to.host
	}
	host, _, _ = strings.Cut(strings.TrimSuffix(host, "."), "%")
	return &handshake{check: c, options: o, base: base, name: host}
}

func (h *handshake) run(conn net.Conn, alpn []string) (*tls.Conn, *failure) {
	h.watch.enter(slotTLS)
	secured := tls.Client(conn, h.config(alpn))
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
	shown := &h.found.shown
	shown.TLSVersion, shown.CipherSuite, shown.ALPN = version, cipherSuiteName(state.CipherSuite), state.NegotiatedProtocol
	h.askResponder()
	h.record()
	if err := h.refusal(); err != nil { // the responder's word came after the handshake
		return nil, h.failed(err)
	}
	return secured, nil
}

// suiteNames are the names that crypto/tls knows, which makes its list anew whenever it is
// asked for one.
var suiteNames = sync.OnceValue(func() map[uint16]string {
	names := map[uint16]string{}
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		names[suite.ID] = suite.Name
	}
	return names
})

// cipherSuiteName is tls.CipherSuiteName.
func cipherSuiteName(id uint16) string {
	if name, ok := suiteNames()[id]; ok {
		return name
	}
	return tls.CipherSuiteName(id)
}

// record adds what was shown to the result.
func (h *handshake) record() {
	if h.found == nil {
		return
	}
	if len(h.result.Certificates) == 0 {
		h.result.CertExpiresAt = h.found.shown.NotAfter
	}
	h.result.Certificates = append(h.result.Certificates, h.found.shown)
}

// config is what crypto/tls is told. It verifies nothing of its own: what it
// refuses it does not show, and verify needs to see everything.
func (h *handshake) config(alpn []string) *tls.Config {
	config := &tls.Config{}
	if h.base != nil {
		config = h.base.Clone()
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
	if len(o.Curves) > 0 && !(h.offersFast() && h.network.tls.curves.needsOther(h.at.String())) {
		config.CurvePreferences = o.Curves
	}
	if len(o.Certificates) > 0 {
		config.Certificates = o.Certificates
	}
	own, chosen := config.Certificates, config.GetClientCertificate
	config.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		h.asked = true
		if chosen != nil && len(o.Certificates) == 0 {
			return chosen(info)
		}
		for i := range own {
			if info.SupportsCertificate(&own[i]) == nil {
				return &own[i], nil
			}
		}
		if len(own) > 0 { // lists of acceptable authorities are often incomplete
			return &own[0], nil
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

// verify is called by crypto/tls when the peer has shown its certificates. What
// it refuses ends the handshake with an alert, as the peer may expect.
func (h *handshake) verify(state tls.ConnectionState) error {
	now := time.Now()
	h.leaf = state.PeerCertificates[0]
	h.found = inspect(&h.network.tls.chains, state.PeerCertificates, h.name, h.options.RootCAs, now)
	h.found.shown.Peer = h.at.String()
	if h.options.Revocation != RevocationOff {
		h.found.readStaple(state.OCSPResponse, h.leaf, now)
	}
	if err := h.refusal(); err != nil {
		return err
	}
	if h.base != nil && h.base.VerifyConnection != nil {
		return h.base.VerifyConnection(state)
	}
	return nil
}

// refusal is why the check cannot go on with this peer; nil if it can.
func (h *handshake) refusal() error {
	if h.found.refused == nil || h.options.SkipVerify {
		return nil
	}
	return h.found.refused
}

// offersFast reports whether the options ask for FastCurves.
func (h *handshake) offersFast() bool { return slices.Equal(h.options.Curves, FastCurves) }

// failed is the failure that err makes of the check.
func (h *handshake) failed(err error) *failure {
	alert, remote := alertOf(err)
	if remote && h.found == nil && slices.Contains(noCommonCurve, alert) &&
		h.offersFast() && !h.network.tls.curves.needsOther(h.at.String()) {
		h.network.tls.curves.remember(h.at.String())
		err = &curveError{err}
	}
	return &failure{phase: PhaseTLS, err: err}
}
