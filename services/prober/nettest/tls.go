package nettest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
)

// handshake makes the connection secure and records what it shows.
func (r *httpRun) handshake(conn net.Conn, h *hop) (*tls.Conn, *failure) {
	r.watch.enter(slotTLS)
	secured := tls.Client(conn, r.tlsConfig(h))
	// The connection has the check's deadline already, and is cut off when its
	// context ends; HandshakeContext would only add a goroutine.
	err := secured.Handshake()
	if err != nil {
		var verification *tls.CertificateVerificationError
		if errors.As(err, &verification) {
			r.noteCertificate(verification.UnverifiedCertificates)
		}
		return nil, &failure{phase: PhaseTLS, err: err}
	}
	state := secured.ConnectionState()
	if r.result.TLSVersion == "" {
		r.result.TLSVersion = strings.TrimPrefix(tls.VersionName(state.Version), "TLS ")
	}
	r.noteCertificate(state.PeerCertificates)
	return secured, nil
}

func (r *httpRun) noteCertificate(chain []*x509.Certificate) {
	if len(chain) > 0 && r.result.CertExpiresAt.IsZero() {
		r.result.CertExpiresAt = chain[0].NotAfter.UTC()
	}
}

func (r *httpRun) tlsConfig(h *hop) *tls.Config {
	var config *tls.Config
	if r.baseTLS != nil {
		config = r.baseTLS.Clone()
	} else {
		config = &tls.Config{}
	}
	config.ServerName = strings.TrimSuffix(h.to.host, ".")
	if r.trusted && r.config.ServerName != "" {
		config.ServerName = r.config.ServerName
	}
	if r.config.SkipVerify {
		config.InsecureSkipVerify = true
	}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	config.NextProtos = []string{"h2", "http/1.1"}
	// A resumed session would hide a certificate that has changed.
	config.ClientSessionCache = nil
	config.SessionTicketsDisabled = true
	return config
}
