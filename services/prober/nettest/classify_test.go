package nettest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func dialError(err error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)}
}

func TestClassify(t *testing.T) {
	old := &x509.Certificate{NotAfter: time.Now().Add(-time.Hour)}
	young := &x509.Certificate{NotAfter: time.Now().Add(time.Hour), NotBefore: time.Now().Add(time.Minute)}
	verify := func(err error) error { return &tls.CertificateVerificationError{Err: err} }
	remoteAlert := &net.OpError{Op: "remote error", Err: errors.New("an alert")}

	for _, tt := range []struct {
		name  string
		phase Phase
		err   error
		want  ErrorType
	}{
		{"refused", PhaseConnect, dialError(syscall.ECONNREFUSED), ErrConnectionRefused},
		{"reset while connecting", PhaseConnect, dialError(syscall.ECONNRESET), ErrConnectionReset},
		{"no route to host", PhaseConnect, dialError(syscall.EHOSTUNREACH), ErrHostUnreachable},
		{"host down", PhaseConnect, dialError(syscall.EHOSTDOWN), ErrHostUnreachable},
		{"no route to network", PhaseConnect, dialError(syscall.ENETUNREACH), ErrNetworkUnreachable},
		{"network down", PhaseConnect, dialError(syscall.ENETDOWN), ErrNetworkUnreachable},
		{"no such family", PhaseConnect, dialError(syscall.EAFNOSUPPORT), ErrNetworkUnreachable},
		{"kernel gave up", PhaseConnect, dialError(syscall.ETIMEDOUT), ErrConnectionTimeout},
		{"deadline of the context", PhaseConnect, context.DeadlineExceeded, ErrConnectionTimeout},
		{"deadline of the socket", PhaseConnect, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, ErrConnectionTimeout},
		{"cancelled", PhaseConnect, context.Canceled, ErrInternal},
		{"own descriptors", PhaseConnect, dialError(syscall.EMFILE), ErrOverload},
		{"the machine's descriptors", PhaseConnect, dialError(syscall.ENFILE), ErrOverload},
		{"own ports", PhaseConnect, dialError(syscall.EADDRNOTAVAIL), ErrOverload},
		{"buffers", PhaseConnect, dialError(syscall.ENOBUFS), ErrOverload},
		{"memory", PhaseBody, dialError(syscall.ENOMEM), ErrOverload},
		{"filter", PhaseConnect, dialError(syscall.EPERM), ErrPermission},
		{"access", PhaseConnect, dialError(syscall.EACCES), ErrPermission},
		{"policy", PhaseConnect, &net.OpError{Op: "dial", Err: &deniedError{errors.New("no")}}, ErrEgressDenied},
		{"invalid argument", PhaseConnect, dialError(syscall.EINVAL), ErrInternal},
		{"something new", PhaseConnect, errors.New("what"), ErrInternal},

		{"no name", PhaseDNS, &net.DNSError{IsNotFound: true}, ErrDNSNXDomain},
		{"trouble", PhaseDNS, &net.DNSError{IsTemporary: true}, ErrDNSFailure},
		{"silence", PhaseDNS, &net.DNSError{IsTimeout: true}, ErrDNSTimeout},
		{"no time", PhaseDNS, context.DeadlineExceeded, ErrDNSTimeout},
		{"resolver refuses", PhaseDNS, &ResolverContactError{Contact: dialError(syscall.ECONNREFUSED), Lookup: &net.DNSError{}}, ErrResolverUnavailable},
		{"no descriptors to ask with", PhaseDNS, &ResolverContactError{Contact: dialError(syscall.EMFILE), Lookup: &net.DNSError{}}, ErrOverload},
		{"cannot parse", PhaseDNS, &net.DNSError{Err: "cannot unmarshal DNS message"}, ErrDNSFailure},

		{"handshake too slow", PhaseTLS, &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, ErrTLSTimeout},
		{"handshake reset", PhaseTLS, &net.OpError{Op: "read", Err: syscall.ECONNRESET}, ErrConnectionReset},
		{"handshake closed", PhaseTLS, io.EOF, ErrTLS},
		{"handshake alert", PhaseTLS, remoteAlert, ErrTLS},
		{"not TLS", PhaseTLS, tls.RecordHeaderError{}, ErrTLS},
		{"expired", PhaseTLS, verify(x509.CertificateInvalidError{Reason: x509.Expired, Cert: old}), ErrCertificateExpired},
		{"not yet valid", PhaseTLS, verify(x509.CertificateInvalidError{Reason: x509.Expired, Cert: young}), ErrCertificateInvalid},
		{"not an authority", PhaseTLS, verify(x509.CertificateInvalidError{Reason: x509.NotAuthorizedToSign, Cert: young}), ErrCertificateInvalid},
		{"another name", PhaseTLS, verify(x509.HostnameError{Certificate: old, Host: "a"}), ErrCertificateInvalid},
		{"unknown authority", PhaseTLS, verify(x509.UnknownAuthorityError{}), ErrCertificateInvalid},
		{"weak signature", PhaseTLS, verify(x509.InsecureAlgorithmError(x509.SHA1WithRSA)), ErrCertificateInvalid},
		{"revoked", PhaseTLS, &certificateError{problem: "revoked", err: errRevoked}, ErrCertificateInvalid},
		{"expired above the leaf", PhaseTLS, &certificateError{err: x509.CertificateInvalidError{Reason: x509.Expired, Cert: old}}, ErrCertificateExpired},
		{"refused STARTTLS", PhaseTLS, protocolError("no"), ErrProtocol},
		{"too slow before STARTTLS", PhaseTLS, os.ErrDeadlineExceeded, ErrTLSTimeout},
		{"no roots here", PhaseTLS, verify(x509.SystemRootsError{}), ErrInternal},

		{"request stuck", PhaseRequest, os.ErrDeadlineExceeded, ErrHeadersTimeout},
		{"pipe", PhaseRequest, syscall.EPIPE, ErrConnectionReset},
		{"no headers", PhaseHeaders, os.ErrDeadlineExceeded, ErrHeadersTimeout},
		{"late alert", PhaseHeaders, remoteAlert, ErrTLS},
		{"reset before the answer", PhaseHeaders, syscall.ECONNRESET, ErrConnectionReset},
		{"aborted", PhaseHeaders, syscall.ECONNABORTED, ErrConnectionReset},
		{"closed", PhaseHeaders, io.EOF, ErrProtocol},
		{"nonsense", PhaseHeaders, protocolError("nonsense"), ErrProtocol},
		{"too much", PhaseHeaders, tooLargeError("much"), ErrResponseTooLarge},
		{"body stuck", PhaseBody, os.ErrDeadlineExceeded, ErrBodyTimeout},
		{"body short", PhaseBody, io.ErrUnexpectedEOF, ErrProtocol},
		{"lost on the way", PhaseBody, syscall.EHOSTUNREACH, ErrHostUnreachable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, err := range []error{tt.err, fmt.Errorf("wrapped: %w", tt.err)} {
				if got := classify(tt.phase, err); got != tt.want {
					t.Errorf("classify(%q, %v) = %q, want %q", tt.phase, err, got, tt.want)
				}
			}
		})
	}
}

var allTypes = []ErrorType{
	ErrDNSFailure, ErrDNSNXDomain, ErrDNSTimeout, ErrConnectionRefused, ErrConnectionReset, ErrConnectionTimeout,
	ErrHostUnreachable, ErrNetworkUnreachable, ErrTLS, ErrTLSTimeout, ErrCertificateExpired, ErrCertificateInvalid,
	ErrHeadersTimeout, ErrBodyTimeout, ErrRedirectLimit, ErrProtocol, ErrResponseTooLarge, ErrValidationFailed,
	ErrProxy, ErrAuth, ErrEgressDenied, ErrObserverOffline, ErrResolverUnavailable, ErrNoIPv6, ErrPermission,
	ErrOverload, ErrInternal,
}

func TestEveryTypeHasItsOwnSentence(t *testing.T) {
	seen := map[string]ErrorType{}
	for _, typ := range allTypes {
		if typ == ErrProxy || typ == ErrAuth { // never given
			continue
		}
		text := message(typ, PhaseHeaders, "host:1", "", time.Second)
		if other, ok := seen[text]; ok || !strings.Contains(text, "host:1") {
			t.Errorf("%s: %q, as %s", typ, text, other)
		}
		seen[text] = typ
	}
}

func TestMessageIsPrintable(t *testing.T) {
	text := message(ErrProtocol, PhaseBody, "h:1", "a\r\nb\x1b[31m\xff\u202e"+strings.Repeat("x", 1000), time.Second)
	if strings.ContainsAny(text, "\r\n\x1b\u202e") || len(text) > 600 {
		t.Errorf("%q", text)
	}
}

func TestErrorsAreTyped(t *testing.T) {
	err := error(&CheckError{Type: ErrConnectionRefused, Message: "m", Err: dialError(syscall.ECONNREFUSED)})
	if !errors.Is(err, ErrConnectionRefused) || errors.Is(err, ErrTLS) || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error("a CheckError is its type and its cause, and nothing else")
	}
	timeout := &CheckError{Type: ErrBodyTimeout}
	var asNet interface{ Timeout() bool }
	if !errors.As(err, &asNet) || asNet.Timeout() || !timeout.Timeout() {
		t.Error("Timeout tells timeouts")
	}
}

// TestStalledObserver: a check that notices the end of its time late blames
// itself.
func TestStalledObserver(t *testing.T) {
	for late, want := range map[time.Duration]ErrorType{0: ErrConnectionTimeout, 5 * time.Second: ErrOverload} {
		c := begin(context.Background(), nil, TestConfig{Timeout: time.Millisecond}, ProtocolTCP)
		c.watch.enter(slotConnect)
		c.watch.enterAt(slotNone, c.deadline.Add(late))
		c.watch.last = c.deadline.Add(late)
		if r, _ := c.finish(&failure{phase: PhaseConnect, err: os.ErrDeadlineExceeded}); r.ErrorType != want {
			t.Errorf("%s late: %s, want %s", late, r.ErrorType, want)
		}
	}
}
