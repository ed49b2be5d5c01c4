package prober

import (
	"slices"
	"strings"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/services/prober/nettest"
)

// cause is what an examination found; see the contract.
type cause = eventsv1.OutageCause

const (
	causeNameGone     = eventsv1.OutageCause_OUTAGE_CAUSE_DNS_NAME_GONE
	causeResolver     = eventsv1.OutageCause_OUTAGE_CAUSE_DNS_RESOLVER_TROUBLE
	causeDNS          = eventsv1.OutageCause_OUTAGE_CAUSE_DNS_FAILURE
	causePortClosed   = eventsv1.OutageCause_OUTAGE_CAUSE_PORT_CLOSED
	causeUnreachable  = eventsv1.OutageCause_OUTAGE_CAUSE_HOST_UNREACHABLE
	causeOneFamily    = eventsv1.OutageCause_OUTAGE_CAUSE_ONE_FAMILY_BROKEN
	causeCertificate  = eventsv1.OutageCause_OUTAGE_CAUSE_CERTIFICATE
	causeHandshake    = eventsv1.OutageCause_OUTAGE_CAUSE_TLS_HANDSHAKE
	causeSlow         = eventsv1.OutageCause_OUTAGE_CAUSE_SLOW
	causeServerError  = eventsv1.OutageCause_OUTAGE_CAUSE_SERVER_ERROR
	causeOtherStatus  = eventsv1.OutageCause_OUTAGE_CAUSE_UNEXPECTED_STATUS
	causeContent      = eventsv1.OutageCause_OUTAGE_CAUSE_CONTENT
	causeBrokenAnswer = eventsv1.OutageCause_OUTAGE_CAUSE_BROKEN_ANSWER
	causeProxy        = eventsv1.OutageCause_OUTAGE_CAUSE_PROXY
	causeAuth         = eventsv1.OutageCause_OUTAGE_CAUSE_AUTH
	causeRecovered    = eventsv1.OutageCause_OUTAGE_CAUSE_RECOVERED
	causeUndetermined = eventsv1.OutageCause_OUTAGE_CAUSE_UNKNOWN
)

// symptom is how a check or a step failed, as far as the cause depends on it.
type symptom struct {
	typ      nettest.ErrorType
	phase    checkv1.Phase
	code     int
	problems []string
}

// firstSymptom is that of the first failure.
func firstSymptom(r *checkv1.CheckResult) symptom {
	return symptom{
		typ: nettest.ErrorType(r.GetErrorType()), phase: r.GetFailedPhase(), code: int(r.GetStatusCode()), problems: r.GetValidationErrors(),
	}
}

// causeOf is what the first failure and the steps come to. It looks at the lowest layer first, because what stands on a broken
// one says nothing, and at the first failure last, because what is seen now is surer than what was. It is total: it names a
// cause whatever it is given.
func causeOf(s *subject, first symptom, steps []step) cause {
	if c := causeByName(steps); c != 0 {
		return c
	}
	if c := causeByConnection(s, first, steps); c != 0 {
		return c
	}
	if c := causeByHandshake(s, steps); c != 0 {
		return c
	}
	return causeByAnswer(first, steps)
}

// causeByName is 0 if the name resolves, or is none.
func causeByName(steps []step) cause {
	own, second := find(steps, configuredResolver), find(steps, secondResolver)
	switch {
	case own == nil || own.ok() || !own.ran():
		return 0
	case second != nil && second.ok():
		return causeResolver
	case own.errorType == nettest.ErrDNSNXDomain:
		return causeNameGone
	case own.errorType == nettest.ErrResolverUnavailable || own.errorType == nettest.ErrEgressDenied:
		return causeResolver
	}
	return causeDNS
}

func find(steps []step, resolver string) *step {
	at := slices.IndexFunc(steps, func(s step) bool { return s.kind == stepResolve && s.resolver == resolver })
	if at < 0 {
		return nil
	}
	return &steps[at]
}

// causeByConnection is 0 if a connection can be opened, and that was not the trouble, or if none was tried.
func causeByConnection(s *subject, first symptom, steps []step) cause {
	opened, refused, silent := 0, 0, 0
	for _, x := range steps {
		switch {
		case x.kind != stepConnect || !x.ran():
		case x.ok():
			opened++
		case x.errorType == nettest.ErrConnectionRefused || x.errorType == nettest.ErrConnectionReset:
			refused++
		case x.errorType.Status() == nettest.StatusError:
			// Our own trouble says nothing of the target.
		default:
			silent++
		}
	}
	broken := refused + silent
	switch {
	case broken == 0:
		return 0
	case opened > 0 && connecting(first):
		return causeOneFamily
	case opened > 0:
		return 0
	case s.proxied:
		return causeProxy
	case refused > 0:
		return causePortClosed
	}
	return causeUnreachable
}

// connecting reports whether a check failed before a connection stood.
func connecting(f symptom) bool { return f.phase == checkv1.Phase_PHASE_CONNECT }

// causeByHandshake is 0 if a handshake works and its certificate is good enough for the check, or if none was tried.
func causeByHandshake(s *subject, steps []step) cause {
	for i := range steps {
		x := &steps[i]
		switch {
		case x.kind != stepTLS || !x.ran():
		case isCertificate(x.errorType):
			return causeCertificate
		case x.errorType == nettest.ErrTLSTimeout:
			return causeHandshake
		case x.errorType != "" && x.errorType.Status() != nettest.StatusError:
			return causeHandshake
		case x.ok() && x.shown != nil && !x.shown.Valid && s.verified:
			return causeCertificate
		}
	}
	return 0
}

func isCertificate(t nettest.ErrorType) bool {
	return t == nettest.ErrCertificateExpired || t == nettest.ErrCertificateInvalid
}

// causeByAnswer judges what the request met when it was made again, else what it met first.
func causeByAnswer(first symptom, steps []step) cause {
	for i := range steps {
		x := &steps[i]
		switch {
		case x.kind != stepHTTP || !x.ran():
		case x.ok():
			return causeRecovered
		case x.cut || x.errorType.Status() == nettest.StatusError:
			// It had not its time, or the trouble was ours.
		default:
			return causeByType(symptom{typ: x.errorType, code: x.code, problems: x.problems})
		}
	}
	// Everything below the answer was tried and works, so what failed there has recovered.
	connected := slices.ContainsFunc(steps, func(x step) bool { return x.kind == stepConnect && x.ok() })
	secured := slices.ContainsFunc(steps, func(x step) bool { return x.kind == stepTLS && x.ok() })
	switch first.phase {
	case checkv1.Phase_PHASE_DNS, checkv1.Phase_PHASE_CONNECT:
		if connected {
			return causeRecovered
		}
	case checkv1.Phase_PHASE_TLS:
		if secured {
			return causeRecovered
		}
	}
	return causeByType(first)
}

// causeByType is what an error type says by itself.
func causeByType(f symptom) cause {
	switch f.typ {
	case nettest.ErrDNSNXDomain:
		return causeNameGone
	case nettest.ErrDNSFailure, nettest.ErrDNSTimeout:
		return causeDNS
	case nettest.ErrConnectionRefused:
		return causePortClosed
	case nettest.ErrConnectionTimeout, nettest.ErrHostUnreachable, nettest.ErrNetworkUnreachable:
		return causeUnreachable
	case nettest.ErrTLS, nettest.ErrTLSTimeout:
		return causeHandshake
	case nettest.ErrCertificateExpired, nettest.ErrCertificateInvalid:
		return causeCertificate
	case nettest.ErrHeadersTimeout, nettest.ErrBodyTimeout:
		return causeSlow
	case nettest.ErrConnectionReset, nettest.ErrRedirectLimit, nettest.ErrProtocol, nettest.ErrResponseTooLarge:
		return causeBrokenAnswer
	case nettest.ErrProxy:
		return causeProxy
	case nettest.ErrAuth:
		return causeAuth
	case nettest.ErrValidationFailed:
		return causeByConditions(f)
	}
	return causeUndetermined
}

// timeConditions begin the sentences about conditions that are about time.
var timeConditions = []string{"response_time ", "ttfb ", "latency ", "duration "}

// causeByConditions is what the conditions that did not hold come to: a status of 500 explains whatever else is wrong, and
// then another status, for with it comes another content.
func causeByConditions(f symptom) cause {
	slow := len(f.problems) > 0
	for _, p := range f.problems {
		slow = slow && slices.ContainsFunc(timeConditions, func(prefix string) bool { return strings.HasPrefix(p, prefix) })
	}
	aboutStatus := slices.ContainsFunc(f.problems, func(p string) bool {
		return strings.HasPrefix(p, "status_code ") || strings.HasPrefix(p, "statusCode ")
	})
	switch {
	case f.code >= 500:
		return causeServerError
	case slow:
		return causeSlow
	case aboutStatus || f.code >= 400:
		return causeOtherStatus
	}
	return causeContent
}
