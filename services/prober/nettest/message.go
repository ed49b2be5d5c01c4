package nettest

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// message says in one sentence what happened and what to look at. at is the
// address or host:port concerned.
func message(typ ErrorType, phase Phase, at, detail string, timeout time.Duration) string {
	return withDetail(sentence(typ, phase, at, timeout), detail)
}

func withDetail(text, detail string) string {
	if detail != "" {
		text += " (" + printable(detail, 300) + ")"
	}
	return text
}

func sentence(typ ErrorType, phase Phase, at string, timeout time.Duration) string {
	switch typ {
	case ErrDNSFailure:
		return fmt.Sprintf("The name servers could not answer for %s: check the zone and its name servers", at)
	case ErrDNSNXDomain:
		return fmt.Sprintf("The name %s does not exist or has no address: check the spelling and the DNS records", at)
	case ErrDNSTimeout:
		return fmt.Sprintf("The name %s was not resolved within %s: check the zone's name servers", at, timeout)
	case ErrConnectionRefused:
		return fmt.Sprintf("%s refused the connection: check that the service runs and listens on this port", at)
	case ErrConnectionReset:
		return fmt.Sprintf("%s reset the connection %s: check the service's log for a crash, and firewalls on the way", at, during(phase))
	case ErrConnectionTimeout:
		return fmt.Sprintf("%s did not accept a connection within %s: check that the host is up and that no firewall drops packets", at, timeout)
	case ErrHostUnreachable:
		return fmt.Sprintf("%s cannot be reached: a router says that the host is not there; check that it is up", at)
	case ErrNetworkUnreachable:
		return fmt.Sprintf("The network of %s cannot be reached: check routing to it", at)
	case ErrTLS:
		return fmt.Sprintf("The TLS handshake with %s failed: check that the port speaks TLS and how it is set up", at)
	case ErrTLSTimeout:
		return fmt.Sprintf("%s accepted the connection but did not finish the TLS handshake within %s: check that the port speaks TLS", at, timeout)
	case ErrCertificateExpired:
		return fmt.Sprintf("The certificate of %s has expired: renew it", at)
	case ErrCertificateInvalid:
		return fmt.Sprintf("The certificate of %s is not valid: check its names, dates and chain", at)
	case ErrHeadersTimeout:
		if phase == PhaseRequest {
			return fmt.Sprintf("%s did not take the request within %s: check whether the service is stuck", at, timeout)
		}
		return fmt.Sprintf("%s did not answer the request within %s: check whether the service is stuck or slow", at, timeout)
	case ErrBodyTimeout:
		return fmt.Sprintf("%s did not finish its response within %s: check whether the service is slow or the response too long", at, timeout)
	default:
		return sentenceRest(typ, phase, at)
	}
}

func sentenceRest(typ ErrorType, phase Phase, at string) string {
	switch typ {
	case ErrRedirectLimit:
		return fmt.Sprintf("The redirects of %s do not end: check the redirect rules", at)
	case ErrProtocol:
		return fmt.Sprintf("%s broke the protocol %s: check that the service behind the port is the one expected", at, during(phase))
	case ErrResponseTooLarge:
		return fmt.Sprintf("The response of %s is larger than a check reads: check a smaller resource or use HEAD", at)
	case ErrValidationFailed:
		return fmt.Sprintf("%s answered, but not as expected", at)
	case ErrProxy:
		return fmt.Sprintf("The proxy %s could not be used: check that it runs, and the settings for it", at)
	case ErrAuth:
		return fmt.Sprintf("No access token could be had from %s: check the token endpoint and the client's settings", at)
	case ErrEgressDenied:
		return fmt.Sprintf("The egress policy of this prober does not allow connections to %s: allow the address or use another prober", at)
	case ErrObserverOffline:
		return fmt.Sprintf("This prober has no route to any network, so %s could not be checked: check the prober's own network", at)
	case ErrResolverUnavailable:
		return fmt.Sprintf("This prober's name servers do not answer, so %s could not be checked: check the prober's own DNS", at)
	case ErrNoIPv6:
		return fmt.Sprintf("This prober has no IPv6, which checking %s needs: use IPv4 or another prober", at)
	case ErrPermission:
		return fmt.Sprintf("This prober may not open a connection to %s: check its own firewall and privileges", at)
	case ErrOverload:
		return fmt.Sprintf("This prober ran out of resources while checking %s: raise its limits or give it fewer checks", at)
	default:
		return fmt.Sprintf("The check of %s did not run to its end for a reason of the prober's own", at)
	}
}

func during(phase Phase) string {
	switch phase {
	case PhaseConnect:
		return "while it was being opened"
	case PhaseTLS:
		return "during the TLS handshake"
	case PhaseRequest:
		return "while the request was being sent"
	case PhaseHeaders:
		return "before the response"
	case PhaseBody:
		return "in the middle of the response"
	case PhaseRedirect:
		return "in a redirect"
	default:
		return "during the check"
	}
}

// detailOf adds what the cause knows and the sentence does not: our own parsers'
// findings and what is wrong with a certificate or handshake.
func detailOf(typ ErrorType, err error) string {
	var (
		protocol protocolError
		tooLarge tooLargeError
		denied   *deniedError
	)
	switch {
	case err == nil:
		return ""
	case errors.As(err, &protocol):
		return string(protocol)
	case errors.As(err, &tooLarge):
		return string(tooLarge)
	case errors.As(err, &denied):
		return denied.Error()
	}
	switch typ {
	case ErrCertificateExpired, ErrCertificateInvalid, ErrTLS:
		if text := explainTLS(err); text != "" {
			return text
		}
	}
	switch typ {
	case ErrCertificateExpired, ErrCertificateInvalid, ErrTLS, ErrInternal, ErrProtocol:
		return err.Error()
	default:
		return ""
	}
}

// printable makes text that a peer may have chosen safe to show: no control
// characters, no more than max bytes or so.
func printable(text string, max int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '.'
		}
		return r
	}, text)
	if len(text) <= max {
		return text
	}
	return strings.ToValidUTF8(text[:max], "") + "…"
}
