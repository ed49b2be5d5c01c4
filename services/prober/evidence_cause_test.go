package prober

import (
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/services/prober/nettest"
)

var (
	aName    = subject{host: "shop.example.com", port: 443, http: true, tls: &nettest.TLSOptions{}, verified: true}
	v4Addr   = netip.MustParseAddr("192.0.2.1")
	resolved = step{kind: stepResolve, resolver: configuredResolver, addrs: []netip.Addr{v4Addr}}
	openV4   = step{kind: stepConnect, family: nettest.IPv4}
	shaken   = step{kind: stepTLS, family: nettest.IPv4, shown: &nettest.Certificate{Valid: true}}
	unasked  = step{kind: stepHTTP, skipped: "A POST request may change something"}
)

func lookedUp(resolver string, typ nettest.ErrorType) step {
	return step{kind: stepResolve, resolver: resolver, errorType: typ}
}

func connectingTo(family nettest.IPVersion, typ nettest.ErrorType) step {
	return step{kind: stepConnect, family: family, errorType: typ}
}

func asking(typ nettest.ErrorType, code int, problems ...string) step {
	return step{kind: stepHTTP, errorType: typ, code: code, problems: problems}
}

func TestCauseOf(t *testing.T) {
	refused := symptom{typ: nettest.ErrConnectionRefused, phase: checkv1.Phase_PHASE_CONNECT}
	expired := step{kind: stepTLS, shown: &nettest.Certificate{Problems: []string{"it expired on Monday"}}}
	invalid := symptom{typ: nettest.ErrValidationFailed, phase: checkv1.Phase_PHASE_VALIDATION, code: 200, problems: []string{"response_body_contains hello: got bye"}}
	tests := []struct {
		name  string
		first symptom
		steps []step
		want  cause
	}{
		{"both resolvers know no such name", symptom{}, []step{lookedUp("configured", nettest.ErrDNSNXDomain), lookedUp("second", nettest.ErrDNSNXDomain)}, causeNameGone},
		{"the only resolver knows no such name", symptom{}, []step{lookedUp("configured", nettest.ErrDNSNXDomain), {kind: stepResolve, resolver: "second", skipped: "x"}}, causeNameGone},
		{"only one resolver knows no such name", symptom{}, []step{lookedUp("configured", nettest.ErrDNSNXDomain), {kind: stepResolve, resolver: "second", addrs: []netip.Addr{v4Addr}}}, causeResolver},
		{"only one resolver is silent", symptom{}, []step{lookedUp("configured", nettest.ErrDNSTimeout), {kind: stepResolve, resolver: "second", addrs: []netip.Addr{v4Addr}}}, causeResolver},
		{"the resolver cannot be asked", symptom{}, []step{lookedUp("configured", nettest.ErrResolverUnavailable)}, causeResolver},
		{"no resolver gets an answer", symptom{}, []step{lookedUp("configured", nettest.ErrDNSFailure), lookedUp("second", nettest.ErrDNSTimeout)}, causeDNS},
		{"a private name, of which the second knows nothing", symptom{}, []step{lookedUp("configured", nettest.ErrDNSTimeout), lookedUp("second", nettest.ErrDNSNXDomain)}, causeDNS},
		{"refused", refused, []step{resolved, connectingTo(nettest.IPv4, nettest.ErrConnectionRefused)}, causePortClosed},
		{"refused over both", refused, []step{connectingTo(nettest.IPv4, nettest.ErrConnectionRefused), connectingTo(nettest.IPv6, nettest.ErrConnectionTimeout)}, causePortClosed},
		{"silent", symptom{}, []step{connectingTo(nettest.IPv4, nettest.ErrConnectionTimeout), connectingTo(nettest.IPv6, nettest.ErrHostUnreachable)}, causeUnreachable},
		{"IPv6 alone is broken", refused, []step{openV4, connectingTo(nettest.IPv6, nettest.ErrConnectionTimeout)}, causeOneFamily},
		{"IPv6 is broken, which the check did not meet", invalid, []step{openV4, connectingTo(nettest.IPv6, nettest.ErrConnectionTimeout), asking(nettest.ErrValidationFailed, 503)}, causeServerError},
		{"this prober has no IPv6", refused, []step{openV4, {kind: stepConnect, skipped: "This prober has no IPv6"}, asking("", 200)}, causeRecovered},
		{"expired", symptom{typ: nettest.ErrCertificateExpired, phase: checkv1.Phase_PHASE_TLS}, []step{openV4, expired, asking(nettest.ErrCertificateExpired, 0)}, causeCertificate},
		{"expired, and a client certificate has to prove itself", symptom{}, []step{openV4, {kind: stepTLS, errorType: nettest.ErrCertificateExpired}}, causeCertificate},
		{"the handshake fails", symptom{}, []step{openV4, {kind: stepTLS, errorType: nettest.ErrTLS}}, causeHandshake},
		{"the handshake does not end", symptom{}, []step{openV4, {kind: stepTLS, errorType: nettest.ErrTLSTimeout}}, causeHandshake},
		{"no answer in time", symptom{}, []step{openV4, shaken, asking(nettest.ErrHeadersTimeout, 0)}, causeSlow},
		{"later than a condition allows", symptom{}, []step{openV4, shaken, asking(nettest.ErrValidationFailed, 200, "response_time less_than 100: got 230")}, causeSlow},
		{"500", symptom{}, []step{openV4, shaken, asking(nettest.ErrValidationFailed, 500, "status_code in 200-399: got 500")}, causeServerError},
		{"404", symptom{}, []step{openV4, shaken, asking(nettest.ErrValidationFailed, 404, "status_code in 200-399: got 404")}, causeOtherStatus},
		{"another content", symptom{}, []step{openV4, shaken, asking(nettest.ErrValidationFailed, 200, "response_body_contains hello: got bye")}, causeContent},
		{"it breaks off", symptom{}, []step{openV4, shaken, asking(nettest.ErrConnectionReset, 0)}, causeBrokenAnswer},
		{"the proxy", symptom{}, []step{openV4, asking(nettest.ErrProxy, 0)}, causeProxy},
		{"no token", symptom{typ: nettest.ErrAuth, phase: checkv1.Phase_PHASE_REQUEST}, []step{openV4, shaken, unasked}, causeAuth},
		{"well again", refused, []step{resolved, openV4, shaken, asking("", 200)}, causeRecovered},
		{"a POST was refused and connects now", refused, []step{openV4, shaken, unasked}, causeRecovered},
		{"a POST fails", symptom{typ: nettest.ErrValidationFailed, phase: checkv1.Phase_PHASE_VALIDATION, code: 502}, []step{openV4, shaken, unasked}, causeServerError},
		{"the repeat had less time than the check", symptom{typ: nettest.ErrValidationFailed, code: 500}, []step{openV4, {kind: stepHTTP, errorType: nettest.ErrHeadersTimeout, cut: true}}, causeServerError},
		{"nothing is known", symptom{}, nil, causeUndetermined},
		{"our own trouble", symptom{typ: nettest.ErrInternal}, []step{connectingTo(nettest.IPv4, nettest.ErrOverload)}, causeUndetermined},
	}
	told := map[cause]bool{}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := aName
			got := causeOf(&s, tt.first, tt.steps)
			if got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
			told[got] = true
			if words := summaryOf(got, &s, tt.first, "message", tt.steps); !strings.HasSuffix(words, ".") || strings.Contains(words, "%!") {
				t.Errorf("%q is no sentence", words)
			}
		})
	}
	for number, name := range eventsv1.OutageCause_name {
		if number != 0 && !told[cause(number)] {
			t.Errorf("no example of %s", name)
		}
	}
	proxied := subject{host: "proxy", port: 3128, proxied: true}
	if got := causeOf(&proxied, refused, []step{connectingTo(nettest.IPv4, nettest.ErrConnectionRefused)}); got != causeProxy {
		t.Errorf("a proxy that refuses is %v", got)
	}
	lax := aName
	lax.verified = false
	if got := causeOf(&lax, symptom{typ: nettest.ErrHeadersTimeout}, []step{openV4, expired}); got != causeSlow {
		t.Errorf("a certificate that the check does not look at is %v", got)
	}
}

// TestCauseIsTotal: whatever is found, there is one cause of the closed set, and it does not depend on how often it is asked.
func TestCauseIsTotal(t *testing.T) {
	types := []nettest.ErrorType{
		"", nettest.ErrDNSFailure, nettest.ErrDNSNXDomain, nettest.ErrDNSTimeout, nettest.ErrConnectionRefused, nettest.ErrConnectionReset,
		nettest.ErrConnectionTimeout, nettest.ErrHostUnreachable, nettest.ErrNetworkUnreachable, nettest.ErrTLS, nettest.ErrTLSTimeout,
		nettest.ErrCertificateExpired, nettest.ErrCertificateInvalid, nettest.ErrHeadersTimeout, nettest.ErrBodyTimeout, nettest.ErrRedirectLimit,
		nettest.ErrProtocol, nettest.ErrResponseTooLarge, nettest.ErrValidationFailed, nettest.ErrProxy, nettest.ErrAuth, nettest.ErrEgressDenied,
		nettest.ErrObserverOffline, nettest.ErrResolverUnavailable, nettest.ErrNoIPv6, nettest.ErrPermission, nettest.ErrOverload, nettest.ErrInternal,
		"a type of the future",
	}
	rapid.Check(t, func(t *rapid.T) {
		anyType := rapid.SampledFrom(types)
		anyStep := rapid.Custom(func(t *rapid.T) step {
			s := step{
				kind: stepKind(rapid.IntRange(0, 5).Draw(t, "kind")), resolver: rapid.SampledFrom([]string{"", configuredResolver, secondResolver}).Draw(t, "resolver"),
				family: rapid.SampledFrom([]nettest.IPVersion{nettest.IPv4, nettest.IPv6}).Draw(t, "family"), errorType: anyType.Draw(t, "type"),
				skipped: rapid.SampledFrom([]string{"", "", "left out"}).Draw(t, "skipped"), code: rapid.IntRange(0, 599).Draw(t, "code"), cut: rapid.Bool().Draw(t, "cut"),
				problems: rapid.SliceOfN(rapid.SampledFrom([]string{"response_time x", "status_code y", "z"}), 0, 2).Draw(t, "problems"),
			}
			if rapid.Bool().Draw(t, "shown") {
				s.shown = &nettest.Certificate{Valid: rapid.Bool().Draw(t, "valid")}
			}
			return s
		})
		steps := rapid.SliceOfN(anyStep, 0, 6).Draw(t, "steps")
		first := symptom{typ: anyType.Draw(t, "first"), phase: checkv1.Phase(rapid.IntRange(0, 8).Draw(t, "phase")), code: rapid.IntRange(0, 599).Draw(t, "status")}
		s := subject{host: "h", port: 1, proxied: rapid.Bool().Draw(t, "proxied"), http: rapid.Bool().Draw(t, "http"), verified: rapid.Bool().Draw(t, "verified")}
		got := causeOf(&s, first, steps)
		if _, known := eventsv1.OutageCause_name[int32(got)]; !known || got == 0 {
			t.Fatalf("%v is no cause", got)
		}
		if again := causeOf(&s, first, steps); again != got {
			t.Fatalf("%v, and then %v", got, again)
		}
		if words := summaryOf(got, &s, first, "m", steps); !strings.HasSuffix(words, ".") {
			t.Fatalf("%q is no sentence", words)
		}
	})
}
