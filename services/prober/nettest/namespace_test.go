package nettest_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// namespaceEnv makes the test binary run insideNamespace instead of its tests.
const namespaceEnv = "NETTEST_NAMESPACE"

// TestNamespace runs checks on a machine of our own: without any network, with
// loopback only, and with a network that swallows everything.
func TestNamespace(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), namespaceEnv+"=1")
	faulttest.Isolate(cmd)
	output, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Skipf("cannot make a network namespace (needs root or user namespaces): %v", err)
	}
	if exit != nil && exit.ExitCode() == cannotIsolate {
		t.Skipf("cannot set up the network namespace: %s", output)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	t.Logf("%s", output)
}

const cannotIsolate = 77

// scenario is one check and what it must say.
type scenario struct {
	about   string
	network *nettest.Network
	address string // a URL for HTTP, host:port for TCP
	version nettest.IPVersion
	want    nettest.ErrorType
	phase   nettest.Phase
	stalls  bool
}

func insideNamespace() int {
	problems := 0
	run := func(scenarios ...scenario) {
		for _, s := range scenarios {
			if err := s.run(); err != nil {
				fmt.Fprintf(os.Stdout, "%s: %v\n", s.about, err)
				problems++
			}
		}
	}
	asking := func(server string) *nettest.Network {
		return &nettest.Network{Resolver: &nettest.SystemResolver{Servers: []netip.AddrPort{netip.MustParseAddrPort(server)}}}
	}

	// Nothing at all.
	run(scenario{"no network, address", nil, "203.0.113.5:80", "", nettest.ErrObserverOffline, nettest.PhaseConnect, false},
		scenario{"no network, IPv6", nil, "[2001:db8::1]:80", nettest.IPv6, nettest.ErrObserverOffline, nettest.PhaseConnect, false},
		scenario{"no network, URL", nil, "http://203.0.113.5/", "", nettest.ErrObserverOffline, nettest.PhaseConnect, false},
		scenario{"no network, name", asking("203.0.113.53:53"), "http://name.test/", "", nettest.ErrObserverOffline, nettest.PhaseDNS, false})

	// Loopback.
	if err := faulttest.LoopbackUp(); err != nil {
		fmt.Fprintln(os.Stdout, err)
		return cannotIsolate
	}
	run(scenario{"loopback, refused", nil, "127.0.0.1:1", "", nettest.ErrConnectionRefused, nettest.PhaseConnect, false},
		scenario{"loopback, elsewhere", nil, "203.0.113.5:80", "", nettest.ErrObserverOffline, nettest.PhaseConnect, false},
		scenario{"resolver stopped", asking("127.0.0.1:53"), "http://name.test/", "", nettest.ErrResolverUnavailable, nettest.PhaseDNS, false})

	// A network that swallows everything.
	hole, err := faulttest.OpenBlackHole()
	if err != nil {
		fmt.Fprintln(os.Stdout, err)
		return cannotIsolate
	}
	defer hole.Close()
	if err := faulttest.Reject("198.51.100.0/24"); err != nil {
		fmt.Fprintln(os.Stdout, err)
		return cannotIsolate
	}
	run(scenario{"black hole, TCP", nil, "10.99.0.9:80", "", nettest.ErrConnectionTimeout, nettest.PhaseConnect, true},
		scenario{"black hole, HTTP", nil, "http://192.0.2.1/", "", nettest.ErrConnectionTimeout, nettest.PhaseConnect, true},
		scenario{"silent resolver", asking("10.99.0.53:53"), "http://name.test/", "", nettest.ErrResolverUnavailable, nettest.PhaseDNS, true},
		scenario{"rejecting router", nil, "198.51.100.7:80", "", nettest.ErrHostUnreachable, nettest.PhaseConnect, false},
		scenario{"no IPv6, forced", nil, "[2001:db8::1]:80", nettest.IPv6, nettest.ErrNoIPv6, nettest.PhaseConnect, false},
		scenario{"no IPv6, any", nil, "http://[2001:db8::1]/", "", nettest.ErrNoIPv6, nettest.PhaseConnect, false})
	if err := dualStack(); err != nil {
		fmt.Fprintln(os.Stdout, "dual stack:", err)
		problems++
	}

	// No descriptors left.
	if err := exhaust(func() {
		run(scenario{"no descriptors, TCP", nil, "127.0.0.1:1", "", nettest.ErrOverload, nettest.PhaseConnect, false},
			scenario{"no descriptors, name", asking("127.0.0.1:53"), "http://name.test/", "", nettest.ErrOverload, nettest.PhaseDNS, false})
	}); err != nil {
		fmt.Fprintln(os.Stdout, "exhaust:", err)
		problems++
	}
	return min(problems, 1)
}

func (s scenario) run() error {
	var test nettest.NetworkTest = &nettest.TCPTest{Network: s.network}
	config := nettest.TestConfig{
		Name: s.about, Address: s.address, Timeout: 5 * time.Second, Config: nettest.TCPConfig{IPVersion: s.version},
	}
	if len(s.address) > 4 && s.address[:4] == "http" {
		test, config.Config = &nettest.HTTPTest{Network: s.network}, nettest.HTTPConfig{IPVersion: s.version}
	}
	if s.stalls {
		config.Timeout = 500 * time.Millisecond
	}
	began := time.Now()
	r, err := test.Execute(context.Background(), config)
	if r.ErrorType != s.want || r.FailedPhase != s.phase || !errors.Is(err, s.want) {
		return fmt.Errorf("want %s in %q, got %s in %q: %w", string(s.want), s.phase, string(r.ErrorType), r.FailedPhase, errors.Join(err, errors.Unwrap(err)))
	}
	if took := time.Since(began); took > config.Timeout+grace {
		return fmt.Errorf("took %s", took)
	}
	return nil
}

// dualStack connects to a name whose IPv6 address this machine cannot reach.
func dualStack() error {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	network := &nettest.Network{Resolver: fixed{"2001:db8::1", "127.0.0.1"}}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	r, err := (&nettest.TCPTest{Network: network}).Execute(context.Background(),
		nettest.TestConfig{Address: "name.test:" + port, Timeout: 2 * time.Second})
	if err != nil {
		return err
	}
	if r.IPFamily() != "ipv4" || r.Phases.Connect.Duration > 200*time.Millisecond {
		return fmt.Errorf("%+v", r)
	}
	return nil
}

// exhaust runs f with all descriptors taken.
func exhaust(f func()) error {
	var taken []int
	defer func() {
		for _, fd := range taken {
			_ = syscall.Close(fd)
		}
	}()
	limit := syscall.Rlimit{Cur: 64, Max: 64}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	for {
		fd, err := syscall.Open("/dev/null", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		if err == syscall.EMFILE {
			f()
			return nil
		}
		if err != nil {
			return err
		}
		taken = append(taken, fd)
	}
}

// fixed is a resolver that gives every name the same addresses.
type fixed []string

func (f fixed) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	var addrs []netip.Addr
	for _, text := range f {
		if a := netip.MustParseAddr(text); a.Is4() == (network == "ip4") {
			addrs = append(addrs, a)
		}
	}
	if len(addrs) == 0 {
		return nil, &net.DNSError{Err: "no address", Name: host, IsNotFound: true}
	}
	return addrs, nil
}
