package app

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/frogstats/uptime/internal/fault"
)

// errNoHTTP2 is a server, or a proxy before it, that does not offer HTTP/2 in its TLS handshake.
var errNoHTTP2 = errors.New("HTTP/2 is not offered")

// reasonOf is the reason that one of our services gave for an error, "" for all others.
func reasonOf(err error) string {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetDomain() == fault.Domain {
			return info.GetReason()
		}
	}
	return ""
}

// isFinal reports whether trying again would change nothing.
func isFinal(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.ResourceExhausted, codes.Internal, codes.Aborted:
		return false
	}
	return true
}

// isSettled reports whether a connection that failed so will fail so the next time too.
func isSettled(failure error) bool {
	var (
		verification *tls.CertificateVerificationError
		refusal      *connectError
		record       tls.RecordHeaderError
	)
	return errors.Is(failure, errNoHTTP2) || errors.As(failure, &verification) || errors.As(failure, &refusal) || errors.As(failure, &record)
}

// explain says what to do about a call that failed, in one sentence. Failure is why the connection could not be made, if
// that is why.
func explain(server string, err, failure error) error {
	if reasonOf(err) != "" {
		return fmt.Errorf("%s answers: %s", server, status.Convert(err).Message())
	}
	code := status.Code(err)
	if code == codes.Unavailable || code == codes.DeadlineExceeded {
		if failure == nil {
			return fmt.Errorf("%s does not answer as a Frogstats server: it cannot be reached at the moment, or the proxy in front does not pass "+
				"HTTP/2 (gRPC) on to it: %w", server, err)
		}
		return explainConnection(server, failure)
	}
	return fmt.Errorf("%s answers, but not with gRPC: check that the URL is that of the server, and that the proxy in front passes HTTP/2 (gRPC) on "+
		"to it: %w", server, err)
}

func explainConnection(server string, failure error) error {
	var (
		proxy   *proxyError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		lookup  *net.DNSError
		record  tls.RecordHeaderError
	)
	switch {
	case errors.As(failure, &proxy):
		return fmt.Errorf("%s cannot be reached through the HTTP proxy of the environment (HTTPS_PROXY); check the proxy, or name the server in NO_PROXY: %w",
			server, failure)
	case errors.Is(failure, errNoHTTP2):
		return fmt.Errorf("%s does not offer HTTP/2, which probers need: switch it on in the proxy in front, and let it pass gRPC on", server)
	case errors.As(failure, &unknown):
		return fmt.Errorf("the certificate of %s is not of an authority that this machine trusts; give the authority with --join-ca: %w", server, failure)
	case errors.As(failure, &name):
		return fmt.Errorf("the certificate of %s is for another name; use the URL that it is for: %w", server, failure)
	case errors.As(failure, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("the certificate of %s is not valid now; check this machine's clock, and the server's certificate: %w", server, failure)
	case errors.As(failure, &lookup):
		return fmt.Errorf("the name of %s cannot be looked up; check the URL and this machine's resolver: %w", server, failure)
	case errors.As(failure, &record):
		return fmt.Errorf("%s does not speak TLS on that port; check the URL: %w", server, failure)
	}
	return fmt.Errorf("%s cannot be reached; check the URL and whether a firewall lets outgoing connections pass: %w", server, failure)
}

// sentence makes an error one line.
func sentence(err error) string { return strings.ReplaceAll(err.Error(), "\n", " ") }
