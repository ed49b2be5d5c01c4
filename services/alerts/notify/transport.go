package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"syscall"

	"github.com/frogstats/uptime/internal/egress"
)

// Unreached says in our own words why a request had no answer, also of one that was made elsewhere. The library's text would quote
// the URL, and with it whatever key somebody put there.
func Unreached(err error) Result {
	var denied *egress.Denied
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case errors.As(err, &denied):
		return Result{Error: "the receiver's address is not allowed here (" + denied.Reason + ")", Refused: true}
	case errors.As(err, &dns) && dns.IsNotFound:
		return Result{Error: "the receiver's name does not exist"}
	case errors.As(err, &dns):
		return Result{Error: "the receiver's name could not be looked up"}
	case errors.As(err, &certificate):
		return Result{Error: "the receiver's certificate is not valid"}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return Result{Error: "the receiver did not answer in time"}
	case errors.Is(err, syscall.ECONNREFUSED):
		return Result{Error: "the receiver refused the connection"}
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Result{Error: "the receiver cut the connection"}
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return Result{Error: "there is no way to the receiver's address"}
	}
	return Result{Error: "the receiver could not be reached or did not speak HTTP"}
}
