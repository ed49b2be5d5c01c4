package nettest_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/egress"
	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// The scenarios that a TCP check has to get right, each on every engine: the
// test itself, the loop, and the loop as other systems have it.

// none is an attempt that succeeded.
const none nettest.ErrorType = ""

func types(all ...nettest.ErrorType) []nettest.ErrorType { return all }

// loopback6 skips where the machine has no IPv6.
func loopback6(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skipf("this machine has no IPv6 loopback: %v", err)
	}
	_ = l.Close()
}

func waitClosed(c net.Conn) { _, _ = c.Read(make([]byte, 1)) }

func TestT009OpenPort(t *testing.T) {
	addr := serveTCP(t, "127.0.0.1:0", waitClosed)
	agree(t, nil, nettest.TestConfig{Name: "open", Address: addr, Timeout: time.Second},
		want{addr: "127.0.0.1", tried: types(none)})
}

func TestT009OpenPortIPv6(t *testing.T) {
	loopback6(t)
	addr := serveTCP(t, "[::1]:0", waitClosed)
	agree(t, nil, nettest.TestConfig{Name: "open", Address: addr, Timeout: time.Second, Config: nettest.TCPConfig{IPVersion: nettest.IPv6}},
		want{addr: "::1", tried: types(none)})
}

// TestT009PortThatResets: the port was open, which is what was asked, whatever
// the service does next, and whenever that is noticed.
func TestT009PortThatResets(t *testing.T) {
	addr := serveTCP(t, "127.0.0.1:0", func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) })
	for range 20 {
		agree(t, nil, nettest.TestConfig{Address: addr, Timeout: time.Second}, want{addr: "127.0.0.1", tried: types(none)})
	}
}

func TestT009ClosedPort(t *testing.T) {
	agree(t, nil, nettest.TestConfig{Name: "closed", Address: startFaults(t).Addr(faulttest.Refused), Timeout: time.Second},
		want{nettest.ErrConnectionRefused, nettest.PhaseConnect, "127.0.0.1", types(nettest.ErrConnectionRefused)})
}

func TestT009ClosedPortIPv6(t *testing.T) {
	loopback6(t)
	agree(t, nil, nettest.TestConfig{Name: "closed", Address: "[::1]:1", Timeout: time.Second},
		want{nettest.ErrConnectionRefused, nettest.PhaseConnect, "::1", types(nettest.ErrConnectionRefused)})
}

// TestT009NoConnectionToItself: TCP can connect a free local port to itself,
// which looks as if somebody listened.
func TestT009NoConnectionToItself(t *testing.T) {
	if !isolated(t) {
		return
	}
	setUp(t, faulttest.LoopbackUp)
	portRange(t, 40000, 40003) // the kernel begins with those of the parity of the first
	l := newLoop(t, nil, nettest.LoopOptions{Reset: true})
	check := prepare(t, l, nettest.TestConfig{Address: "127.0.0.1:40002", Timeout: time.Second})
	sink := make(outcomes, 1)
	for range 100 {
		l.Start([]nettest.TCPRun{{Check: check, Sink: sink}})
		if o := <-sink; !errors.Is(o.err, nettest.ErrConnectionRefused) {
			t.Fatalf("%v, %+v", o.err, o.result)
		}
	}
}

func TestT009Filtered(t *testing.T) {
	if !isolated(t) {
		return
	}
	blackHole(t)
	agree(t, nil, nettest.TestConfig{Name: "filtered", Address: "10.99.0.9:80", Timeout: 200 * time.Millisecond},
		want{nettest.ErrConnectionTimeout, nettest.PhaseConnect, "10.99.0.9", types(nettest.ErrConnectionTimeout)})
}

func TestT009InvalidAddress(t *testing.T) {
	for _, address := range []string{"", "db", "a b:80", "127.1:80", "256.256.256.256:80", "tcp://db:80", "::1:80"} {
		agree(t, nil, nettest.TestConfig{Name: "invalid", Address: address}, want{typ: nettest.ErrInternal})
		if _, err := newLoop(t, nil, nettest.LoopOptions{}).Prepare(nettest.TestConfig{Address: address}); !errors.Is(err, nettest.ErrInvalidConfig) {
			t.Errorf("%q is prepared: %v", address, err)
		}
	}
}

func TestT009InvalidPort(t *testing.T) {
	for _, address := range []string{"db:0", "db:65536", "db:-1", "db:+1", "db:http", "db:"} {
		agree(t, nil, nettest.TestConfig{Name: "invalid", Address: address}, want{typ: nettest.ErrInternal})
		if _, err := newLoop(t, nil, nettest.LoopOptions{}).Prepare(nettest.TestConfig{Address: address}); !errors.Is(err, nettest.ErrInvalidConfig) {
			t.Errorf("%q is prepared: %v", address, err)
		}
	}
}

func TestT009UnreachableNetwork(t *testing.T) {
	if !isolated(t) {
		return
	}
	offline := want{nettest.ErrObserverOffline, nettest.PhaseConnect, "203.0.113.5", types(nettest.ErrObserverOffline)}
	agree(t, nil, nettest.TestConfig{Address: "203.0.113.5:80", Timeout: time.Second}, offline)
	blackHole(t)
	setUp(t, func() error { return faulttest.Reject("198.51.100.0/24") })
	agree(t, nil, nettest.TestConfig{Address: "198.51.100.7:80", Timeout: time.Second},
		want{nettest.ErrHostUnreachable, nettest.PhaseConnect, "198.51.100.7", types(nettest.ErrHostUnreachable)})
	agree(t, nil, nettest.TestConfig{Address: "[2001:db8::1]:80", Timeout: time.Second},
		want{nettest.ErrNoIPv6, nettest.PhaseConnect, "2001:db8::1", types(nettest.ErrNoIPv6)})
	// A broadcast address may not be connected to.
	agree(t, nil, nettest.TestConfig{Address: "255.255.255.255:80", Timeout: time.Second},
		want{nettest.ErrNetworkUnreachable, nettest.PhaseConnect, "255.255.255.255", types(nettest.ErrNetworkUnreachable)})
}

func TestT009TimeoutIsRespected(t *testing.T) {
	addr := startFaults(t).Addr(faulttest.BlackHole)
	for _, e := range engines() {
		for _, timeout := range []time.Duration{time.Millisecond, 37 * time.Millisecond, 300 * time.Millisecond} {
			began := time.Now()
			r, err := e.run(t, nil, nettest.TestConfig{Address: addr, Timeout: timeout})
			took := time.Since(began)
			if !errors.Is(err, nettest.ErrConnectionTimeout) || took < timeout || took > timeout+50*time.Millisecond {
				t.Errorf("%s: %v after %s with a timeout of %s", e.name, err, took, timeout)
			}
			if r.Latency < timeout || r.Latency > took {
				t.Errorf("%s: a latency of %s after %s", e.name, r.Latency, took)
			}
		}
	}
}

func TestT009PolicyIsAsked(t *testing.T) {
	addr := serveTCP(t, "127.0.0.1:0", waitClosed)
	denied := want{nettest.ErrEgressDenied, nettest.PhaseConnect, "127.0.0.1", types(nettest.ErrEgressDenied)}
	config := nettest.TestConfig{Address: addr, Timeout: time.Second}
	agree(t, &nettest.Network{Policy: denyAll{}}, config, denied)
	agree(t, &nettest.Network{Policy: &egress.Policy{}}, config, denied)
	agree(t, &nettest.Network{Policy: &egress.Policy{Mode: egress.Private}}, config, want{addr: "127.0.0.1", tried: types(none)})
	port := netip.MustParseAddrPort(addr).Port()
	agree(t, &nettest.Network{Policy: onlyPort(port)}, config, want{addr: "127.0.0.1", tried: types(none)})
	agree(t, &nettest.Network{Policy: onlyPort(port + 1)}, config, denied)
	var asked atomic.Int64
	agree(t, &nettest.Network{Policy: plainly{onlyPort(port), &asked}}, config, want{addr: "127.0.0.1", tried: types(none)})
	agree(t, &nettest.Network{Policy: plainly{onlyPort(port + 1), &asked}}, config, denied)
	if runtime.GOOS == "linux" && asked.Load() == 0 {
		t.Error("the policy was not asked by address")
	}
}

// onlyPort is a policy that looks at the socket and at the port.
type onlyPort uint16

func (onlyPort) Check(netip.Addr) error { return errors.New("the wrong question") }

func (p onlyPort) ControlContext(_ context.Context, network, address string, c syscall.RawConn) error {
	if network != "tcp4" {
		return fmt.Errorf("network %s", network)
	}
	var problem error
	if err := c.Control(func(fd uintptr) { _, problem = syscall.Getsockname(int(fd)) }); err != nil || problem != nil {
		return errors.Join(err, problem)
	}
	if netip.MustParseAddrPort(address).Port() != uint16(p) {
		return errors.New("another port")
	}
	return nil
}

// plainly is the same policy, which tells of an address and a port without the socket too.
type plainly struct {
	onlyPort
	asked *atomic.Int64
}

func (p plainly) CheckAddrPort(to netip.AddrPort) error {
	p.asked.Add(1)
	if to.Port() != uint16(p.onlyPort) {
		return errors.New("another port")
	}
	return nil
}

func TestT009Expectation(t *testing.T) {
	addr := serveTCP(t, "127.0.0.1:0", waitClosed)
	var seen nettest.TestResult
	config := nettest.TestConfig{Address: addr, Timeout: time.Second, Config: nettest.TCPConfig{Expect: func(r *nettest.TestResult) []string {
		seen = *r
		return []string{"too slow", "too odd"}
	}}}
	agree(t, nil, config, want{nettest.ErrValidationFailed, nettest.PhaseValidation, "127.0.0.1", types(none)})
	if seen.Latency <= 0 || seen.Latency != seen.Phases.Connect.Duration {
		t.Errorf("the expectation saw %+v", seen)
	}
	config.Config = nettest.TCPConfig{Expect: func(*nettest.TestResult) []string { return nil }}
	agree(t, nil, config, want{addr: "127.0.0.1", tried: types(none)})
}

// TestT009Names checks names, from the cache and on the ordinary path.
func TestT009Names(t *testing.T) {
	loopback6(t)
	s, d := startFaults(t), startDNS(t)
	refused, hole := s.Addr(faulttest.Refused), s.Addr(faulttest.BlackHole)
	open := serveTCP(t, "127.0.0.1:0", waitClosed)
	port := func(addr string) string { return addr[strings.LastIndexByte(addr, ':'):] }
	serveTCP(t, "127.0.0.2"+port(hole), waitClosed)
	d.Set("one.test", faulttest.Records, "127.0.0.1")
	d.Set("two.test", faulttest.Records, "::1", "127.0.0.1")
	d.Set("slow.test", faulttest.Records, "127.0.0.1", "127.0.0.2")
	timeout := nettest.ErrConnectionTimeout
	for _, tt := range []struct {
		about, address string
		config         nettest.TCPConfig
		want           want
	}{
		{"open", "one.test" + port(open), nettest.TCPConfig{}, want{addr: "127.0.0.1", tried: types(none)}},
		{"IPv4 only", "two.test" + port(open), nettest.TCPConfig{IPVersion: nettest.IPv4}, want{addr: "127.0.0.1", tried: types(none)}},
		{"the first refuses", "two.test" + port(open), nettest.TCPConfig{}, want{addr: "127.0.0.1", tried: types(nettest.ErrConnectionRefused, none)}},
		{"both refuse", "two.test" + port(refused), nettest.TCPConfig{},
			want{nettest.ErrConnectionRefused, nettest.PhaseConnect, "::1", types(nettest.ErrConnectionRefused, nettest.ErrConnectionRefused)}},
		{"the first is silent", "slow.test" + port(hole), nettest.TCPConfig{}, want{addr: "127.0.0.2", tried: types(timeout, none)}},
		{"one refuses, one is silent", "two.test" + port(hole), nettest.TCPConfig{},
			want{timeout, nettest.PhaseConnect, "127.0.0.1", types(nettest.ErrConnectionRefused, timeout)}},
		{"IPv6 refuses", "two.test" + port(open), nettest.TCPConfig{IPVersion: nettest.IPv6},
			want{nettest.ErrConnectionRefused, nettest.PhaseConnect, "::1", types(nettest.ErrConnectionRefused)}},
	} {
		for _, cached := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, cached %v", tt.about, cached), func(t *testing.T) {
				n := asking(d)
				n.NoDNSCache, n.AttemptDelay = !cached, 60*time.Millisecond
				config := nettest.TestConfig{Name: tt.about, Address: tt.address, Timeout: 300 * time.Millisecond, Config: tt.config}
				if cached { // the first fills the cache
					_, _ = (&nettest.TCPTest{Network: n}).Execute(context.Background(), config)
				}
				agree(t, n, config, tt.want)
			})
		}
	}
}

// isolatedEnv says that this process has a network of its own.
const isolatedEnv = "NETTEST_ISOLATED"

// isolated runs the calling test in a process with a network of its own, in
// which it returns true. What it returned false to has nothing left to do.
func isolated(t *testing.T) bool {
	t.Helper()
	if os.Getenv(isolatedEnv) != "" {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), isolatedEnv+"=1")
	faulttest.Isolate(cmd)
	output, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		t.Skipf("cannot make a network namespace (needs root or user namespaces): %v", err)
	case err != nil:
		t.Errorf("%v\n%s", err, output)
	case strings.Contains(string(output), "--- SKIP"):
		t.Skipf("%s", output)
	case !strings.Contains(string(output), "--- PASS: "+t.Name()):
		t.Errorf("nothing was run:\n%s", output)
	}
	return false
}

// setUp changes the network; a machine that does not allow it skips the test.
func setUp(t *testing.T, f func() error) {
	t.Helper()
	if err := f(); err != nil {
		t.Skipf("cannot set up the network: %v", err)
	}
}

// blackHole makes a network that swallows everything.
func blackHole(t *testing.T) {
	t.Helper()
	setUp(t, faulttest.LoopbackUp)
	hole, err := faulttest.OpenBlackHole()
	if err != nil {
		t.Skipf("cannot make a black hole: %v", err)
	}
	t.Cleanup(func() { _ = hole.Close() })
}
