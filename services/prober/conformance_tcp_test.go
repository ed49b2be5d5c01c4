package prober

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// What TcpCheck v1 demands of who claims to conform, each as a test of its name. The
// targets are real sockets. That locations and channels of a resource are honoured is
// shown where resources are read.

// assertion is one of a spec.
func assertion(typ, operator string, value any) *checkv1.Assertion {
	v, err := structpb.NewValue(value)
	if err != nil {
		panic(err)
	}
	return &checkv1.Assertion{Type: typ, Operator: operator, Value: v}
}

// tcpSpec is a TCP check of address, host:port, with 5 s of time.
func tcpSpec(t *testing.T, address string, list ...*checkv1.Assertion) *checkv1.CheckSpec {
	t.Helper()
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		t.Fatal(err)
	}
	return &checkv1.CheckSpec{
		MonitorId: 7, Name: "conformance", MonitorType: checkv1.MonitorType_MONITOR_TYPE_TCP, Assertions: list,
		TcpConfig: &checkv1.TcpConfig{Host: ptr(host), Port: ptr(int32(port)), TimeoutMs: ptr(int32(5000))},
	}
}

// runSpec prepares and runs a spec in detail.
func runSpec(t *testing.T, c *Checker, spec *checkv1.CheckSpec) *checkv1.CheckResult {
	t.Helper()
	check, err := c.Prepare(spec)
	if err != nil {
		t.Fatal(err)
	}
	return check.Run(t.Context(), true)
}

func wantStatus(t *testing.T, r *checkv1.CheckResult, status checkv1.ResultStatus, errorType nettest.ErrorType) {
	t.Helper()
	if r.GetStatus() != status || r.GetErrorType() != string(errorType) {
		t.Errorf("%v %q in %v (%s), want %v %q", r.GetStatus(), r.GetErrorType(), r.GetFailedPhase(), r.GetErrorMessage(), status, errorType)
	}
}

const (
	passes   = checkv1.ResultStatus_RESULT_STATUS_SUCCESS
	fails    = checkv1.ResultStatus_RESULT_STATUS_FAILURE
	timesOut = checkv1.ResultStatus_RESULT_STATUS_TIMEOUT
	unsure   = checkv1.ResultStatus_RESULT_STATUS_ERROR
)

// open listens and lets serve have each connection, which is closed after it.
func open(t *testing.T, address string, serve func(n int, c net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 1; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if serve != nil {
				serve(n, c)
			}
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

// faults are servers that misbehave.
func faults(t *testing.T) *faulttest.Server {
	t.Helper()
	s, err := faulttest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// tlsService is a TLS server on loopback and its authority in PEM.
func tlsService(t *testing.T, serve func(n int, c net.Conn)) (address, ca string) {
	t.Helper()
	root, err := faulttest.NewAuthority("conformance root")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := root.Issue(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	address = open(t, "127.0.0.1:0", func(n int, c net.Conn) {
		if serve != nil {
			serve(n, c)
		}
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		secured := tls.Server(c, config)
		if secured.Handshake() == nil {
			_, _ = io.Copy(io.Discard, secured)
		}
	})
	return address, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Cert.Raw}))
}

// resolving is a checker whose names are those of a name server on loopback.
func resolving(t *testing.T) (*Checker, *faulttest.DNS) {
	t.Helper()
	dns, err := faulttest.StartDNS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dns.Close() })
	c := NewChecker(nil, []string{"witness.test"})
	c.network.Resolver = &nettest.SystemResolver{Servers: []netip.AddrPort{dns.Addr()}}
	return c, dns
}

func TestTCPConformanceMust1SupportDNSHostnames(t *testing.T) {
	c, dns := resolving(t)
	dns.Set("db.example.test", faulttest.Records, "127.0.0.1")
	address := open(t, "127.0.0.1:0", nil)
	_, port, _ := net.SplitHostPort(address)
	r := runSpec(t, c, tcpSpec(t, "db.example.test:"+port, assertion("reachable", "is", true)))
	wantStatus(t, r, passes, "")
	if r.GetResolvedIp() != "127.0.0.1" || r.GetMonitorUrl() != "tcp://db.example.test:"+port || dns.Asked("db.example.test") == 0 {
		t.Errorf("%v", r)
	}
	r = runSpec(t, c, tcpSpec(t, "gone.example.test:"+port, assertion("reachable", "is", true)))
	wantStatus(t, r, fails, nettest.ErrDNSNXDomain)
}

func TestTCPConformanceMust2SupportIPAddresses(t *testing.T) {
	for address, family := range map[string]checkv1.IpFamily{
		"127.0.0.1:0": checkv1.IpFamily_IP_FAMILY_IPV4, "[::1]:0": checkv1.IpFamily_IP_FAMILY_IPV6,
	} {
		t.Run(address, func(t *testing.T) {
			if l, err := net.Listen("tcp", address); err != nil {
				t.Skipf("this machine has no such family: %v", err)
			} else {
				_ = l.Close()
			}
			r := runSpec(t, NewChecker(nil, nil), tcpSpec(t, open(t, address, nil), assertion("reachable", "is", true)))
			wantStatus(t, r, passes, "")
			if r.GetIpFamily() != family || r.DnsNs != nil {
				t.Errorf("%v", r)
			}
		})
	}
}

func TestTCPConformanceMust3SupportAllAssertions(t *testing.T) {
	plain, closed := open(t, "127.0.0.1:0", nil), faults(t).Addr(faulttest.Refused)
	secure, ca := tlsService(t, nil)
	for _, tt := range []struct {
		address string
		a       *checkv1.Assertion
		status  checkv1.ResultStatus
		typ     nettest.ErrorType
	}{
		{plain, assertion("reachable", "is", true), passes, ""},
		{plain, assertion("reachable", "isNot", true), fails, nettest.ErrValidationFailed},
		{plain, assertion("reachable", "is", false), fails, nettest.ErrValidationFailed},
		{closed, assertion("reachable", "is", false), passes, ""},
		{closed, assertion("reachable", "isNot", true), passes, ""},
		{closed, assertion("reachable", "is", true), fails, nettest.ErrConnectionRefused},
		{plain, assertion("latency", "lessThan", "5s"), passes, ""},
		{plain, assertion("latency", "greaterThan", "5s"), fails, nettest.ErrValidationFailed},
		{closed, assertion("latency", "lessThan", "5s"), fails, nettest.ErrConnectionRefused},
		{secure, assertion("sslHandshake", "is", true), passes, ""},
		{secure, assertion("sslHandshake", "is", false), fails, nettest.ErrValidationFailed},
		{plain, assertion("sslHandshake", "is", false), passes, ""},
		{closed, assertion("sslHandshake", "is", false), fails, nettest.ErrConnectionRefused},
	} {
		t.Run(tt.a.GetType()+" "+tt.a.GetOperator()+" "+tt.a.GetValue().String()+" "+string(tt.typ), func(t *testing.T) {
			spec := tcpSpec(t, tt.address, tt.a)
			spec.TcpConfig.TlsOptions = &checkv1.TlsOptions{TrustedCas: []string{ca}}
			r := runSpec(t, NewChecker(nil, nil), spec)
			wantStatus(t, r, tt.status, tt.typ)
			if (r.TlsNs != nil) != (tt.a.GetType() == "sslHandshake" && tt.address != closed) {
				t.Errorf("a handshake was tried for %s: %v", tt.a.GetType(), r.TlsNs != nil)
			}
		})
	}
}

func TestTCPConformanceMust4EvaluateAllChecks(t *testing.T) {
	list := []*checkv1.Assertion{
		assertion("reachable", "is", false), assertion("latency", "greaterThan", "5s"), assertion("reachable", "is", true), assertion("latency", "lessThan", "5s"),
	}
	r := runSpec(t, NewChecker(nil, nil), tcpSpec(t, open(t, "127.0.0.1:0", nil), list...))
	wantStatus(t, r, fails, nettest.ErrValidationFailed)
	var passed []bool
	for i, o := range r.GetDetails().GetAssertions() {
		passed = append(passed, o.GetPassed())
		if o.GetType() != list[i].GetType() || o.GetOperator() != list[i].GetOperator() || o.Actual == nil || o.GetPassed() != (o.Problem == nil) {
			t.Errorf("outcome %d: %v", i, o)
		}
	}
	if !slices.Equal(passed, []bool{false, false, true, true}) || len(r.GetValidationErrors()) != 2 || r.GetFailedPhase() != checkv1.Phase_PHASE_VALIDATION {
		t.Errorf("%v: %v", passed, r)
	}
}

func TestTCPConformanceMust5FailOnAnyAssertionFailure(t *testing.T) {
	address := open(t, "127.0.0.1:0", nil)
	good, bad := assertion("reachable", "is", true), assertion("latency", "greaterThan", "5s")
	for _, list := range [][]*checkv1.Assertion{{bad, good}, {good, bad}, {good, good, bad}} {
		wantStatus(t, runSpec(t, NewChecker(nil, nil), tcpSpec(t, address, list...)), fails, nettest.ErrValidationFailed)
	}
	wantStatus(t, runSpec(t, NewChecker(nil, nil), tcpSpec(t, address, good, good)), passes, "")
}

func TestTCPConformanceMust6HandleTimeouts(t *testing.T) {
	s := faults(t)
	for _, tt := range []struct {
		name    string
		address string
		a       *checkv1.Assertion
		status  checkv1.ResultStatus
		typ     nettest.ErrorType
	}{
		{"connecting", s.Addr(faulttest.BlackHole), assertion("reachable", "is", true), timesOut, nettest.ErrConnectionTimeout},
		{"connecting, as wanted", s.Addr(faulttest.BlackHole), assertion("reachable", "is", false), passes, ""},
		{"the handshake", s.Addr(faulttest.Silent), assertion("sslHandshake", "is", true), timesOut, nettest.ErrTLSTimeout},
		{"the handshake, as wanted", s.Addr(faulttest.Silent), assertion("sslHandshake", "is", false), passes, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec := tcpSpec(t, tt.address, tt.a)
			spec.TcpConfig.TimeoutMs = ptr(int32(200))
			r := runSpec(t, NewChecker(nil, nil), spec)
			wantStatus(t, r, tt.status, tt.typ)
			if total := time.Duration(r.GetDetails().GetTotalUs() * 1000); total < 200*time.Millisecond || total > 5*time.Second {
				t.Errorf("it took %v", total)
			}
		})
	}
}

func TestTCPConformanceMust7RetryOnFailure(t *testing.T) {
	accepted := make(chan int, 10)
	// Two of three handshakes are broken off.
	address, ca := tlsService(t, func(n int, c net.Conn) {
		accepted <- n
		if n%3 != 0 {
			_ = c.Close()
		}
	})
	for _, tt := range []struct {
		attempts int32
		status   checkv1.ResultStatus
		attempt  uint32
	}{{3, passes, 3}, {2, fails, 2}} {
		spec := tcpSpec(t, address, assertion("sslHandshake", "is", true))
		spec.TcpConfig.TlsOptions = &checkv1.TlsOptions{TrustedCas: []string{ca}}
		spec.Retries = &checkv1.Retries{Attempts: ptr(tt.attempts)}
		r := runSpec(t, NewChecker(nil, nil), spec)
		if r.GetStatus() != tt.status || r.GetAttempt() != tt.attempt {
			t.Errorf("%d attempts: %v", tt.attempts, r)
		}
		for range tt.attempt {
			<-accepted
		}
	}
	select {
	case n := <-accepted:
		t.Errorf("there was a connection more, number %d", n)
	default:
	}
	// The time is that of each attempt.
	spec := tcpSpec(t, faults(t).Addr(faulttest.BlackHole), assertion("reachable", "is", true))
	spec.TcpConfig.TimeoutMs, spec.Retries = ptr(int32(100)), &checkv1.Retries{Attempts: ptr(int32(3))}
	r := runSpec(t, NewChecker(nil, nil), spec)
	wantStatus(t, r, timesOut, nettest.ErrConnectionTimeout)
	if total := time.Duration(r.GetDetails().GetTotalUs() * 1000); r.GetAttempt() != 3 || total < 300*time.Millisecond {
		t.Errorf("attempt %d after %v", r.GetAttempt(), total)
	}
}

func TestTCPConformanceMust8CloseConnections(t *testing.T) {
	ends := make(chan error, 10)
	address := open(t, "127.0.0.1:0", func(_ int, c net.Conn) {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		_, err := io.Copy(io.Discard, c) // a handshake may be tried
		ends <- err
	})
	closed := faults(t).Addr(faulttest.Refused)
	c := NewChecker(nil, nil)
	before := descriptors(t)
	for _, a := range []*checkv1.Assertion{
		assertion("reachable", "is", true), assertion("reachable", "is", false), assertion("latency", "greaterThan", "5s"), assertion("sslHandshake", "is", false),
	} {
		spec := tcpSpec(t, address, a)
		spec.TcpConfig.TimeoutMs = ptr(int32(300))
		runSpec(t, c, spec)
		if err := <-ends; errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v: the connection was left open", a)
		}
		runSpec(t, c, tcpSpec(t, closed, a))
	}
	// The listener's side of the last connection closes in its own time.
	deadline := time.Now().Add(5 * time.Second)
	for descriptors(t) > before && time.Now().Before(deadline) {
		<-time.After(10 * time.Millisecond)
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors are open, %d were before", after, before)
	}
}

// descriptors counts the sockets that this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("descriptors cannot be counted here: %v", err)
	}
	n := 0
	for _, e := range entries {
		if link, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(link, "socket:") {
			n++
		}
	}
	return n
}
