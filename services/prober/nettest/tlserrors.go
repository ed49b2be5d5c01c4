package nettest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"reflect"
	"strconv"
)

// Alerts of TLS (RFC 8446, section 6) that say what to do.
const (
	alertHandshakeFailure      = 40
	alertBadCertificate        = 42
	alertUnsupportedCert       = 43
	alertCertificateRevoked    = 44
	alertCertificateExpired    = 45
	alertCertificateUnknown    = 46
	alertIllegalParameter      = 47
	alertUnknownCA             = 48
	alertAccessDenied          = 49
	alertProtocolVersion       = 70
	alertInsufficientSecurity  = 71
	alertInternalError         = 80
	alertUnrecognizedName      = 112
	alertCertificateRequired   = 116
	alertNoApplicationProtocol = 120
)

var alertTexts = map[uint8]string{
	alertHandshakeFailure:      "it shares no cipher suite or key exchange with this prober, or wants a client certificate",
	alertBadCertificate:        "it does not accept the client certificate, or wants one",
	alertUnsupportedCert:       "it does not support the kind of the client certificate",
	alertCertificateRevoked:    "it says that the client certificate is revoked",
	alertCertificateExpired:    "it says that the client certificate has expired",
	alertCertificateUnknown:    "it does not accept the client certificate",
	alertUnknownCA:             "it does not trust the authority of the client certificate",
	alertAccessDenied:          "it denies access to this client",
	alertProtocolVersion:       "it supports none of the TLS versions that are accepted",
	alertInsufficientSecurity:  "it wants stronger cipher suites or key exchanges than this prober has",
	alertInternalError:         "it reports an error of its own",
	alertUnrecognizedName:      "it does not know the server name that was asked for",
	alertCertificateRequired:   "it requires a client certificate",
	alertNoApplicationProtocol: "it speaks none of the application protocols that were offered",
}

// noCommonCurve are the alerts that servers send when they know no curve that
// was offered: the first is right, the others have been seen.
var noCommonCurve = []uint8{alertHandshakeFailure, alertInsufficientSecurity, alertIllegalParameter}

// alertOf returns the alert that err holds, and whether the peer sent it; 0 if
// there is none. crypto/tls gives alerts no exported type on a connection, but
// marks them by the operation of a net.OpError and keeps the code as a byte.
func alertOf(err error) (code uint8, remote bool) {
	var op *net.OpError
	if !errors.As(err, &op) || op.Err == nil || op.Op != "remote error" && op.Op != "local error" {
		return 0, false
	}
	v := reflect.ValueOf(op.Err)
	if v.Kind() != reflect.Uint8 {
		return 0, false
	}
	return uint8(v.Uint()), op.Op == "remote error"
}

// explainTLS says what a failed handshake tells; empty if nothing.
func explainTLS(err error) string {
	var (
		certificate *certificateError
		record      tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &certificate):
		return certificate.problem
	case errors.As(err, &record):
		return explainPlain(record.RecordHeader[:])
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "it closed the connection in the middle of the handshake"
	}
	if code, remote := alertOf(err); remote {
		if text, ok := alertTexts[code]; ok {
			return text
		}
		return "it broke off with alert " + strconv.Itoa(int(code))
	}
	return ""
}

// explainPlain guesses from its first five bytes what speaks without TLS.
func explainPlain(start []byte) string {
	for _, known := range []struct{ prefix, text string }{
		{"HTTP/", "the answer is HTTP without TLS: check the port and the scheme"},
		{"<", "the answer is HTTP without TLS: check the port and the scheme"},
		{"SSH-", "an SSH server answers on this port"},
		{"220", "the answer is that of a mail or FTP server without TLS: check the port, or ask for STARTTLS"},
		{"* OK", "the answer is that of an IMAP server without TLS: check the port, or ask for STARTTLS"},
		{"+OK", "the answer is that of a POP3 server without TLS: check the port, or ask for STARTTLS"},
	} {
		if bytes.HasPrefix(start, []byte(known.prefix)) {
			return known.text
		}
	}
	return "the answer is not TLS"
}

// curveError is the failure of a handshake in which only FastCurves were offered.
type curveError struct{ err error }

func (e *curveError) Error() string { return e.err.Error() }
func (e *curveError) Unwrap() error { return e.err }

// wantsOtherCurves reports whether a handshake failed in a way that a server may
// that knows none of FastCurves. The next secure to the same address offers all
// that Go knows.
func wantsOtherCurves(f *failure) bool {
	var curves *curveError
	return f != nil && errors.As(f.err, &curves)
}
