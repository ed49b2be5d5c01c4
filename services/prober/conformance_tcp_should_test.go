package prober

import (
	"net"
	"strings"
	"testing"
	"time"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

func TestTCPConformanceShouldProvideDetailedErrors(t *testing.T) {
	c, dns := resolving(t)
	dns.Set("mute.test", faulttest.ServFail)
	dns.Set("witness.test", faulttest.Records, "127.0.0.1")
	s := faults(t)
	for address, want := range map[string]struct {
		typ   nettest.ErrorType
		phase checkv1.Phase
		says  string
	}{
		s.Addr(faulttest.Refused):   {nettest.ErrConnectionRefused, checkv1.Phase_PHASE_CONNECT, "listens on this port"},
		s.Addr(faulttest.BlackHole): {nettest.ErrConnectionTimeout, checkv1.Phase_PHASE_CONNECT, "within 200ms"},
		"gone.test:80":              {nettest.ErrDNSNXDomain, checkv1.Phase_PHASE_DNS, "gone.test does not exist"},
		"mute.test:80":              {nettest.ErrDNSFailure, checkv1.Phase_PHASE_DNS, "could not answer for mute.test"},
	} {
		spec := tcpSpec(t, address, assertion("reachable", "is", true))
		spec.TcpConfig.TimeoutMs = ptr(int32(200))
		r := runSpec(t, c, spec)
		if r.GetErrorType() != string(want.typ) || r.GetFailedPhase() != want.phase || !strings.Contains(r.GetErrorMessage(), want.says) {
			t.Errorf("%s: %s in %v: %s", address, r.GetErrorType(), r.GetFailedPhase(), r.GetErrorMessage())
		}
		// The same check the other way round passes, with a remark if no name was found.
		spec.Assertions = []*checkv1.Assertion{assertion("reachable", "is", false)}
		r = runSpec(t, c, spec)
		wantStatus(t, r, passes, "")
		if warned := len(r.GetDetails().GetWarnings()) > 0; warned != (want.phase == checkv1.Phase_PHASE_DNS) {
			t.Errorf("%s: warnings %q", address, r.GetDetails().GetWarnings())
		}
	}
}

func TestTCPConformanceShouldReportDNSTimeSeparately(t *testing.T) {
	c, dns := resolving(t)
	dns.Set("db.example.test", faulttest.LateA, "127.0.0.1")
	_, port, _ := net.SplitHostPort(open(t, "127.0.0.1:0", nil))
	spec := tcpSpec(t, "db.example.test:"+port, assertion("latency", "lessThan", "5s"), assertion("latency", "greaterThan", "50ms"))
	r := runSpec(t, c, spec)
	wantStatus(t, r, passes, "")
	if r.DnsNs == nil || r.TcpNs == nil || r.GetDnsNs() < uint64(50*time.Millisecond) || r.GetResponseTimeNs() != r.GetDnsNs()+r.GetTcpNs() {
		t.Errorf("dns %d, connect %d, latency %d", r.GetDnsNs(), r.GetTcpNs(), r.GetResponseTimeNs())
	}
}

func TestTCPConformanceShouldReportTLSTimeSeparately(t *testing.T) {
	const late = 100 * time.Millisecond
	address, ca := tlsService(t, func(int, net.Conn) { <-time.After(late) })
	spec := tcpSpec(t, address, assertion("sslHandshake", "is", true), assertion("latency", "lessThan", "5s"))
	spec.TcpConfig.TlsOptions = &checkv1.TlsOptions{TrustedCas: []string{ca}}
	r := runSpec(t, NewChecker(nil, nil), spec)
	wantStatus(t, r, passes, "")
	if r.GetTlsNs() < uint64(late) || r.TcpNs == nil || r.GetResponseTimeNs() != r.GetTcpNs() || r.GetTlsVersion() != "1.3" {
		t.Errorf("tls %d, latency %d, version %q", r.GetTlsNs(), r.GetResponseTimeNs(), r.GetTlsVersion())
	}
}

func TestTCPConformanceShouldValidateCertificates(t *testing.T) {
	address, ca := tlsService(t, nil) // nobody but ca vouches for it
	for _, tt := range []struct {
		options *checkv1.TlsOptions
		value   bool
		status  checkv1.ResultStatus
		typ     nettest.ErrorType
	}{
		{nil, false, passes, ""},
		{&checkv1.TlsOptions{TrustedCas: []string{ca}}, true, passes, ""},
		{&checkv1.TlsOptions{InsecureSkipVerify: ptr(true)}, true, passes, ""},
		{&checkv1.TlsOptions{TrustedCas: []string{ca}, ServerName: ptr("other.test")}, true, fails, nettest.ErrCertificateInvalid},
		{&checkv1.TlsOptions{TrustedCas: []string{ca}, ServerName: ptr("other.test")}, false, passes, ""},
	} {
		spec := tcpSpec(t, address, assertion("sslHandshake", "is", tt.value))
		spec.TcpConfig.TlsOptions = tt.options
		r := runSpec(t, NewChecker(nil, nil), spec)
		if tt.options == nil && r.GetStatus() == unsure {
			continue // this machine trusts nobody, so it says nothing
		}
		wantStatus(t, r, tt.status, tt.typ)
		if len(r.GetDetails().GetCertificates()) != 1 || r.CertExpiresAt == nil {
			t.Errorf("%v", r.GetDetails().GetCertificates())
		}
	}
}
