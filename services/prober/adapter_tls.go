package prober

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/services/prober/nettest"
)

// tlsOptionsOf reads how a handshake is made. An error begins with the field's name;
// it never holds a key.
func tlsOptionsOf(o *checkv1.TlsOptions) (*nettest.TLSOptions, error) {
	out := &nettest.TLSOptions{
		ServerName: o.GetServerName(), SkipVerify: o.GetInsecureSkipVerify(),
		MinVersion: tlsVersions[o.GetMinVersion()], Revocation: revocations[o.GetRevocation()],
	}
	if len(o.GetTrustedCas()) > 0 && out.SkipVerify {
		return nil, errors.New("trusted_cas cannot be combined with insecure_skip_verify")
	}
	for i, text := range o.GetTrustedCas() {
		if out.RootCAs == nil {
			out.RootCAs = x509.NewCertPool()
		}
		if !out.RootCAs.AppendCertsFromPEM([]byte(text)) {
			return nil, fmt.Errorf("trusted_cas[%d] holds no certificate in PEM", i)
		}
	}
	certificate, key := o.GetClientCertificate(), o.GetClientKey()
	switch {
	case certificate == "" && key == "":
		return out, nil
	case certificate == "":
		return nil, errors.New("client_certificate is missing, client_key is of no use alone")
	case key == "":
		return nil, errors.New("client_key is missing, client_certificate is of no use alone")
	}
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
	if err != nil {
		return nil, fmt.Errorf("client_certificate and client_key are not a pair in PEM: %w", err)
	}
	out.Certificates = []tls.Certificate{pair}
	return out, nil
}

var tlsVersions = map[checkv1.TlsVersion]uint16{
	checkv1.TlsVersion_TLS_VERSION_TLS10: tls.VersionTLS10,
	checkv1.TlsVersion_TLS_VERSION_TLS11: tls.VersionTLS11,
	checkv1.TlsVersion_TLS_VERSION_TLS12: tls.VersionTLS12,
	checkv1.TlsVersion_TLS_VERSION_TLS13: tls.VersionTLS13,
}

var revocations = map[checkv1.Revocation]nettest.Revocation{
	checkv1.Revocation_REVOCATION_OFF:     nettest.RevocationOff,
	checkv1.Revocation_REVOCATION_STAPLED: nettest.RevocationStapled,
	checkv1.Revocation_REVOCATION_ONLINE:  nettest.RevocationOnline,
}

var upgrades = map[checkv1.StartTls]nettest.StartTLS{
	checkv1.StartTls_START_TLS_AUTO:     nettest.StartTLSAuto,
	checkv1.StartTls_START_TLS_NONE:     nettest.StartTLSNone,
	checkv1.StartTls_START_TLS_POSTGRES: nettest.StartTLSPostgres,
	checkv1.StartTls_START_TLS_MYSQL:    nettest.StartTLSMySQL,
	checkv1.StartTls_START_TLS_SMTP:     nettest.StartTLSSMTP,
	checkv1.StartTls_START_TLS_IMAP:     nettest.StartTLSIMAP,
	checkv1.StartTls_START_TLS_POP3:     nettest.StartTLSPOP3,
	checkv1.StartTls_START_TLS_LDAP:     nettest.StartTLSLDAP,
}

// curvesFor is which key exchanges a handshake offers. With nothing to hide the cheapest
// are offered, at less than two thirds of the cost: what is said then is no secret, and that the peer is
// who it says does not rest on the exchange. Secrets that are recorded today should not
// be read by the quantum computers of tomorrow: with them Go's default is offered,
// which begins with a hybrid. A server that knows none of the cheap ones is offered all
// in any case; see nettest.FastCurves.
func curvesFor(secret bool) []tls.CurveID {
	if secret {
		return nil
	}
	return nettest.FastCurves
}

// maySaySecrets reports whether a request holds anything but a bare URL: any of it may be
// a credential.
func maySaySecrets(h *checkv1.HttpConfig) bool {
	return h.GetAuth().GetType() != checkv1.AuthType_AUTH_TYPE_UNSPECIFIED && h.GetAuth().GetType() != checkv1.AuthType_AUTH_TYPE_NONE ||
		len(h.GetHeaders()) > 0 || h.GetBody() != "" || strings.Contains(h.GetUrl(), "?")
}

// startTLS is the upgrade, or otherwise if none is given.
func startTLS(v checkv1.StartTls, otherwise nettest.StartTLS) nettest.StartTLS {
	if upgrade, ok := upgrades[v]; ok {
		return upgrade
	}
	return otherwise
}
