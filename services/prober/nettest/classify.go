package nettest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// errnoTypes maps what the kernel says. Exhaustion and permission are the
// observer's, whatever the phase.
var errnoTypes = map[syscall.Errno]ErrorType{
	syscall.EMFILE:        ErrOverload,
	syscall.ENFILE:        ErrOverload,
	syscall.ENOBUFS:       ErrOverload,
	syscall.ENOMEM:        ErrOverload,
	syscall.EAGAIN:        ErrOverload, // connect: no local port left
	syscall.EADDRNOTAVAIL: ErrOverload, // likewise; see check.diagnose for IPv6
	syscall.EADDRINUSE:    ErrOverload,
	syscall.EPERM:         ErrPermission, // a local packet filter says no
	syscall.EACCES:        ErrPermission,
	syscall.ECONNREFUSED:  ErrConnectionRefused,
	syscall.ECONNRESET:    ErrConnectionReset,
	syscall.ECONNABORTED:  ErrConnectionReset,
	syscall.EPIPE:         ErrConnectionReset,
	syscall.EHOSTUNREACH:  ErrHostUnreachable,
	syscall.EHOSTDOWN:     ErrHostUnreachable,
	syscall.ENETUNREACH:   ErrNetworkUnreachable,
	syscall.ENETDOWN:      ErrNetworkUnreachable,
	syscall.EAFNOSUPPORT:  ErrNetworkUnreachable, // the kernel has no such family
}

// timeoutTypes maps the phase in which the time ended.
var timeoutTypes = map[Phase]ErrorType{
	PhaseDNS:      ErrDNSTimeout,
	PhaseConnect:  ErrConnectionTimeout,
	PhaseTLS:      ErrTLSTimeout,
	PhaseRequest:  ErrHeadersTimeout,
	PhaseHeaders:  ErrHeadersTimeout,
	PhaseRedirect: ErrHeadersTimeout,
	PhaseBody:     ErrBodyTimeout,
}

// classify decides the type of err from the kinds of error in its chain and
// never from their text. What it does not know is ErrInternal, which blames the
// observer: a target is only blamed on evidence.
func classify(phase Phase, err error) ErrorType {
	var denied *deniedError
	if errors.As(err, &denied) {
		return ErrEgressDenied
	}
	if errors.Is(err, context.Canceled) {
		return ErrInternal
	}
	var errno syscall.Errno
	isErrno := errors.As(err, &errno)
	if t := errnoTypes[errno]; isErrno && t.Status() == StatusError {
		return t
	}
	if phase == PhaseDNS {
		return classifyDNS(err)
	}
	if isTimeout(err) {
		return timeoutTypes[phase]
	}
	if t, ok := errnoTypes[errno]; isErrno && ok {
		return t
	}
	if t := classifyTLS(phase, err); t != "" {
		return t
	}
	return classifyProtocol(err)
}

func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, syscall.ETIMEDOUT) {
		return true
	}
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

func classifyDNS(err error) ErrorType {
	var contact *ResolverContactError
	var dns *net.DNSError
	switch {
	case errors.As(err, &contact):
		return ErrResolverUnavailable
	case errors.As(err, &dns) && dns.IsNotFound:
		return ErrDNSNXDomain
	case isTimeout(err):
		return ErrDNSTimeout
	default:
		return ErrDNSFailure
	}
}

// classifyTLS returns "" for what is not about TLS. An alert may arrive after
// our side of the handshake is done (a server of TLS 1.3 that wants a client
// certificate sends it instead of the response).
func classifyTLS(phase Phase, err error) ErrorType {
	if t := classifyCertificate(err); t != "" {
		return t
	}
	var protocol protocolError // of the dialogue before STARTTLS
	if errors.As(err, &protocol) {
		return ""
	}
	if phase == PhaseTLS || isTLSAlert(err) {
		return ErrTLS
	}
	return ""
}

// isTLSAlert reports whether the chain holds an alert. crypto/tls gives alerts
// no exported type but marks them by the operation of a net.OpError.
func isTLSAlert(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error") {
		return true
	}
	var record tls.RecordHeaderError
	return errors.As(err, &record)
}

func classifyCertificate(err error) ErrorType {
	var (
		invalid   x509.CertificateInvalidError
		roots     x509.SystemRootsError
		authority x509.UnknownAuthorityError
		verify    *tls.CertificateVerificationError
		hostname  x509.HostnameError
		refused   *certificateError
	)
	switch {
	case errors.As(err, &invalid):
		expired := invalid.Reason == x509.Expired && invalid.Cert != nil && time.Now().After(invalid.Cert.NotAfter)
		if expired {
			return ErrCertificateExpired
		}
		return ErrCertificateInvalid
	case errors.As(err, &roots):
		return ErrInternal
	case errors.As(err, &authority), errors.As(err, &hostname), errors.As(err, &verify), errors.As(err, &refused):
		return ErrCertificateInvalid
	default:
		return ""
	}
}

func classifyProtocol(err error) ErrorType {
	var (
		tooLarge   tooLargeError
		protocol   protocolError
		unfinished = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	)
	switch {
	case errors.As(err, &tooLarge):
		return ErrResponseTooLarge
	case unfinished, errors.As(err, &protocol):
		return ErrProtocol
	default:
		return ErrInternal
	}
}

// isUnknownAuthority reports whether the system's trust knows no authority of a
// certificate.
func isUnknownAuthority(err error) bool {
	var refused *certificateError
	var authority x509.UnknownAuthorityError
	if errors.As(err, &refused) && !refused.system {
		return false
	}
	return errors.As(err, &authority)
}

// noSystemRoots reports whether this machine trusts no certificate authority at
// all, as in an image without CA certificates: then every chain looks unknown.
var noSystemRoots = sync.OnceValue(func() bool {
	pool, err := x509.SystemCertPool()
	return err != nil || pool.Equal(x509.NewCertPool())
})
