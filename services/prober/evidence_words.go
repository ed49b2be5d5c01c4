package prober

import (
	"fmt"
	"strings"

	"github.com/frogstats/uptime/services/prober/nettest"
)

// summaryOf says in plain words what a cause means for a subject. It may quote what a target said; secrets are taken out later.
func summaryOf(c cause, s *subject, first symptom, message string, steps []step) string {
	switch c {
	case causeNameGone:
		who := "its resolver says"
		if second := find(steps, secondResolver); second != nil && second.errorType == nettest.ErrDNSNXDomain {
			who = "two resolvers say"
		}
		return fmt.Sprintf("The name %s does not exist any more, or has no address: %s so.", s.host, who)
	case causeResolver:
		return fmt.Sprintf("The configured resolver does not resolve %s%s: the name itself may be in order.", s.host, secondKnows(steps))
	case causeDNS:
		return fmt.Sprintf("The name %s cannot be resolved: its name servers do not give an answer.", s.host)
	case causePortClosed:
		return fmt.Sprintf("The host answers, but %s refuses connections: nothing listens there, or a firewall rejects them.", s.target())
	case causeUnreachable:
		return fmt.Sprintf("%s does not answer: the host is down, or packets to it are dropped on the way.", s.target())
	case causeOneFamily:
		works, broken := families(steps)
		return fmt.Sprintf("%s can be reached over %s, but not over %s.", s.target(), works, broken)
	case causeProxy:
		return fmt.Sprintf("The proxy %s cannot be used, so the target was not reached.", s.target())
	}
	return summaryAbove(c, s, first, message, steps)
}

// summaryAbove is summaryOf for what stands on a connection.
func summaryAbove(c cause, s *subject, first symptom, message string, steps []step) string {
	code := statusSeen(first, steps)
	switch c {
	case causeCertificate:
		return fmt.Sprintf("%s can be spoken to securely, but its certificate is not valid: %s.", s.target(), certificateTrouble(steps, message))
	case causeHandshake:
		return fmt.Sprintf("%s accepts connections, but the TLS handshake fails%s.", s.target(), because(steps, stepTLS))
	case causeSlow:
		return fmt.Sprintf("%s accepts connections, but answers too late.", s.target())
	case causeServerError:
		return fmt.Sprintf("The server answers with status %d: the trouble is within the service.", code)
	case causeOtherStatus:
		return fmt.Sprintf("The server answers with status %d, which is not what the monitor expects.", code)
	case causeContent:
		return fmt.Sprintf("%s answers, but not what the monitor expects%s.", s.target(), conditionMissed(first))
	case causeBrokenAnswer:
		return fmt.Sprintf("%s accepts connections, but its answer breaks off or breaks the protocol.", s.target())
	case causeAuth:
		return "No access token could be had to ask the target with: look at the token endpoint and the client's settings."
	case causeRecovered:
		return fmt.Sprintf("A moment after the check had failed, %s worked again: the trouble was short.", s.target())
	}
	return fmt.Sprintf("What is wrong with %s could not be found out.", s.target())
}

func secondKnows(steps []step) string {
	if second := find(steps, secondResolver); second != nil && second.ok() {
		return ", and the second one does"
	}
	return ""
}

// families names the one that works and the one that does not.
func families(steps []step) (works, broken string) {
	names := map[nettest.IPVersion]string{nettest.IPv4: "IPv4", nettest.IPv6: "IPv6"}
	for _, x := range steps {
		switch {
		case x.kind != stepConnect || !x.ran():
		case x.ok():
			works = names[x.family]
		default:
			broken = names[x.family]
		}
	}
	return works, broken
}

func statusSeen(first symptom, steps []step) int {
	for _, x := range steps {
		if x.kind == stepHTTP && x.code != 0 && !x.cut {
			return x.code
		}
	}
	return first.code
}

// certificateTrouble is what is wrong with the certificate, without the dot at its end.
func certificateTrouble(steps []step, message string) string {
	for _, x := range steps {
		if x.kind != stepTLS || x.shown == nil {
			continue
		}
		if len(x.shown.Problems) > 0 {
			return strings.TrimSuffix(strings.Join(x.shown.Problems, "; "), ".")
		}
	}
	return strings.TrimSuffix(message, ".")
}

func because(steps []step, kind stepKind) string {
	for _, x := range steps {
		if x.kind == kind && x.errorType != "" && x.detail != "" {
			return " (" + strings.TrimSuffix(x.detail, ".") + ")"
		}
	}
	return ""
}

func conditionMissed(f symptom) string {
	if len(f.problems) == 0 {
		return ""
	}
	return " (" + strings.TrimSuffix(f.problems[0], ".") + ")"
}
