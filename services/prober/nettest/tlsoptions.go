package nettest

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// StartTLS is the protocol in which a plain connection is upgraded to TLS.
type StartTLS string

// The upgrades. The empty value is StartTLSNone.
const (
	StartTLSNone     StartTLS = "none"
	StartTLSAuto     StartTLS = "auto" // by the port: 5432, 3306, 25 and 587, 143, 110, 389
	StartTLSPostgres StartTLS = "postgres"
	StartTLSMySQL    StartTLS = "mysql" // the server counts the connection as aborted; see its max_connect_errors
	StartTLSSMTP     StartTLS = "smtp"
	StartTLSIMAP     StartTLS = "imap"
	StartTLSPOP3     StartTLS = "pop3"
	StartTLSLDAP     StartTLS = "ldap"
)

// Revocation is how far the revocation of a certificate is looked into.
type Revocation string

// The depths. The empty value is RevocationStapled.
const (
	RevocationOff     Revocation = "off"
	RevocationStapled Revocation = "stapled" // only what the server staples
	RevocationOnline  Revocation = "online"  // what is stapled, else what the OCSP responder says
)

// TLSOptions is how a handshake is made and what is accepted. Its zero value
// takes the system's trust, at least TLS 1.2 and the host's name.
type TLSOptions struct {
	// ServerName replaces the host for SNI and the certificate's check.
	ServerName string
	// RootCAs are trusted instead of the system's.
	RootCAs *x509.CertPool
	// SkipVerify accepts any certificate; what is wrong with it is still in the result.
	SkipVerify bool
	// MinVersion is a version of crypto/tls; 0 means TLS 1.2.
	MinVersion uint16
	// Certificates are the client's.
	Certificates []tls.Certificate
	// Revocation is how far revocation is looked into.
	Revocation Revocation
	// Curves are the key exchanges that are offered; nil means Go's default. Their
	// order says nothing: see FastCurves.
	Curves []tls.CurveID
}

// FastCurves make a handshake cost the least, as TLSOptions.Curves: P-256 is the
// cheapest key exchange that Go has, and the one that a server of TLS 1.3 must
// know (RFC 8446, section 9.1).
//
// The list is short on purpose. Since Go 1.24 crypto/tls takes the list as a set
// and offers it in an order of its own: hybrids first, then X25519, P-256, P-384,
// P-521. The key share that goes with the first message is the first of that
// order (of a hybrid, the hybrid's and its classical half's). So P-256 comes
// first only if neither X25519 nor a hybrid is in the list, and a list that
// begins with P-256 but has X25519 in it sends a share for X25519.
//
// A server that prefers P-384 or P-521 asks for that, which costs a round trip
// and a second share (HelloRetryRequest). A server that knows none of the three
// refuses the handshake. Because a check must not blame it for our thrift, with
// exactly this list the check connects again and offers all that Go knows, and
// its Network remembers that for the next check. Any other list is taken as
// it is: who asks for one curve wants to know whether the server has it.
var FastCurves = []tls.CurveID{tls.CurveP256, tls.CurveP384, tls.CurveP521}

// Certificate is what a TLS handshake showed of the peer. It is complete even if
// the certificate was not accepted.
type Certificate struct {
	// Peer is host:port of the handshake.
	Peer string
	// Subject and Issuer are distinguished names of the leaf.
	Subject, Issuer string
	// Names are the names and addresses that the leaf is for, at most 100.
	Names []string
	// NotBefore and NotAfter bound the leaf's validity, in UTC.
	NotBefore, NotAfter time.Time
	// ChainExpiresAt is the earliest end in the verified chain that lasts longest;
	// zero if no chain could be verified.
	ChainExpiresAt time.Time
	// Serial and SHA256 are in lower-case hexadecimal.
	Serial, SHA256 string
	// Key is "RSA 2048", "ECDSA P-256", "Ed25519" and the like.
	Key string
	// SignatureAlgorithm is as crypto/x509 names it, such as "SHA256-RSA".
	SignatureAlgorithm string
	// ChainLength is how many certificates the peer sent.
	ChainLength int
	// Trusted says that a chain to a trusted root was found, whatever the leaf's dates and name are.
	Trusted bool
	// NameMatches says that the leaf is for the name that was asked.
	NameMatches bool
	// Valid says that it is right in time, chain, name and, as far as was looked, revocation.
	Valid bool
	// Problems are what is wrong with it, one sentence each; weak keys and
	// signatures are named too, but do not make it invalid by themselves.
	Problems []string
	// OCSPStatus is "good", "revoked", "unknown", or "" if nothing is known.
	OCSPStatus string
	// OCSPSource is "stapled" or "responder"; "" if nothing is known.
	OCSPSource string
	// TLSVersion is "1.2" and the like, CipherSuite as crypto/tls names it; empty
	// if the handshake did not end.
	TLSVersion, CipherSuite string
	// ALPN is the protocol chosen in the handshake; may be empty.
	ALPN string
}

// AddressAttempt is one address that was tried.
type AddressAttempt struct {
	Addr netip.Addr
	// Duration is from the start of the attempt to its end.
	Duration time.Duration
	// ErrorType is empty for the address that was used.
	ErrorType ErrorType
}

// TLSConfig is the TestConfig.Config of a TLSTest, whose Address is host:port, or
// a host for port 443.
type TLSConfig struct {
	// Port may repeat the port of the address, or give it to an address without one.
	Port int
	// IPVersion restricts the address family; empty means any.
	IPVersion IPVersion
	// StartTLS upgrades a plain connection first.
	StartTLS StartTLS
	// TLS is how the handshake is made.
	TLS TLSOptions
	// Expect judges the finished handshake and returns a sentence for each
	// expectation that does not hold.
	Expect func(*TestResult) []string
}

// knownCurves are those that crypto/tls can offer.
var knownCurves = []tls.CurveID{
	tls.CurveP256, tls.CurveP384, tls.CurveP521, tls.X25519,
	tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024,
}

// check says what is wrong with the options, which are in the field.
func (o *TLSOptions) check(field string) error {
	if o.ServerName != "" {
		if _, problem := parseHost(o.ServerName); problem != "" {
			return &ConfigError{field + ".ServerName", problem}
		}
	}
	if o.MinVersion != 0 && (o.MinVersion < tls.VersionTLS10 || o.MinVersion > tls.VersionTLS13) {
		return &ConfigError{field + ".MinVersion", "must be TLS 1.0, 1.1, 1.2 or 1.3"}
	}
	switch o.Revocation {
	case "", RevocationOff, RevocationStapled, RevocationOnline:
	default:
		return &ConfigError{field + ".Revocation", `must be "off", "stapled" or "online"`}
	}
	for i, c := range o.Certificates {
		if len(c.Certificate) == 0 || c.PrivateKey == nil {
			return &ConfigError{fmt.Sprintf("%s.Certificates[%d]", field, i), "must have a certificate and its key"}
		}
	}
	if len(o.Curves) > 0 && !slices.ContainsFunc(o.Curves, func(c tls.CurveID) bool { return slices.Contains(knownCurves, c) }) {
		return &ConfigError{field + ".Curves", "has none that crypto/tls knows"}
	}
	return nil
}
