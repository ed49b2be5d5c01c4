package nettest_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

func startDNS(t *testing.T) *faulttest.DNS {
	t.Helper()
	d, err := faulttest.StartDNS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// asking is a network whose names come from d alone.
func asking(d *faulttest.DNS) *nettest.Network {
	return &nettest.Network{Resolver: &nettest.SystemResolver{Servers: []netip.AddrPort{d.Addr()}}}
}

func checkName(t *testing.T, n *nettest.Network, name, port string, v nettest.IPVersion, timeout time.Duration) (*nettest.TestResult, error) {
	t.Helper()
	config := nettest.TestConfig{
		Name: name, Address: name + ":" + port, Timeout: timeout, Config: nettest.TCPConfig{IPVersion: v},
	}
	began := time.Now()
	r, err := (&nettest.TCPTest{Network: n}).Execute(context.Background(), config)
	if took := time.Since(began); took > timeout+grace {
		t.Errorf("%s: took %s with a timeout of %s", name, took, timeout)
	}
	checkResult(t, config, r, err)
	return r, err
}

func TestDNSReplies(t *testing.T) {
	addr := serveTCP(t, "127.0.0.1:0", func(net.Conn) {})
	_, port, _ := net.SplitHostPort(addr)
	many := make([]string, 1000)
	for i := range many {
		many[i] = "127.0.0.1"
	}
	for _, tt := range []struct {
		name    string
		reply   faulttest.Reply
		addrs   []string
		version nettest.IPVersion
		want    nettest.ErrorType
	}{
		{"both.test", faulttest.Records, []string{"127.0.0.1", "::1"}, "", ""},
		{"v4.test", faulttest.Records, []string{"127.0.0.1"}, "", ""},
		{"v4-forced.test", faulttest.Records, []string{"127.0.0.1", "::1"}, nettest.IPv4, ""},
		{"v6-missing.test", faulttest.Records, []string{"127.0.0.1"}, nettest.IPv6, nettest.ErrDNSFailure},
		{"nothing.test", faulttest.Records, nil, "", nettest.ErrDNSNXDomain},
		{"missing.test", faulttest.NXDomain, nil, "", nettest.ErrDNSNXDomain},
		{"missing6.test", faulttest.NXDomain, nil, nettest.IPv6, nettest.ErrDNSNXDomain},
		{"servfail.test", faulttest.ServFail, nil, "", nettest.ErrDNSFailure},
		{"refused.test", faulttest.RefusedQuery, nil, "", nettest.ErrDNSFailure},
		{"mute.test", faulttest.Mute, nil, "", nettest.ErrDNSTimeout},
		{"mute-aaaa.test", faulttest.MuteAAAA, []string{"127.0.0.1"}, "", ""},
		{"truncated.test", faulttest.Truncated, nil, "", nettest.ErrDNSNXDomain},
		{"only-tcp.test", faulttest.OnlyTCP, []string{"127.0.0.1"}, "", ""},
		{"many.test", faulttest.OnlyTCP, many, "", ""},
		{"alias-loop.test", faulttest.AliasLoop, nil, "", nettest.ErrDNSNXDomain},
		{"wrong-id.test", faulttest.WrongID, []string{"127.0.0.1"}, "", nettest.ErrDNSTimeout},
		{"bad-pointer.test", faulttest.BadPointer, nil, "", nettest.ErrDNSFailure},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := startDNS(t)
			d.Set(tt.name, tt.reply, tt.addrs...)
			r, err := checkName(t, asking(d), tt.name, port, tt.version, 2*time.Second) // with room for two proofs
			if r.ErrorType != tt.want || tt.want != "" && r.FailedPhase != nettest.PhaseDNS {
				t.Errorf("got %s in %q (%v: %v), want %s", r.ErrorType, r.FailedPhase, err, errors.Unwrap(err), tt.want)
			}
			if !r.Phases.DNS.Valid || (tt.want == "") != r.Phases.Connect.Valid {
				t.Errorf("phases %+v", r.Phases)
			}
		})
	}
}

// TestResolverStopped: whatever way a resolver dies, no target is blamed.
func TestResolverStopped(t *testing.T) {
	for name, reply := range map[string]faulttest.Reply{
		"silent": faulttest.Mute, "cut off": faulttest.ServFail, "refusing": faulttest.RefusedQuery,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDNS(t)
			d.SetDefault(reply)
			r, err := checkName(t, asking(d), "target.test", "80", "", 800*time.Millisecond)
			if !errors.Is(err, nettest.ErrResolverUnavailable) || r.Status != nettest.StatusError {
				t.Errorf("%v, %+v", err, r)
			}
			if d.Asked("") < 2 {
				t.Error("no witness was asked")
			}
		})
	}
	t.Run("stopped", func(t *testing.T) {
		t.Parallel()
		d := startDNS(t)
		n := asking(d)
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := checkName(t, n, "target.test", "80", "", 2*time.Second)
		var contact *nettest.ResolverContactError
		if !errors.Is(err, nettest.ErrResolverUnavailable) || !errors.As(err, &contact) || r.Phases.Total > time.Second {
			t.Errorf("%v, %+v", err, r)
		}
	})
}

// TestWithoutWitness: the third unrelated name that fails is not believed.
func TestWithoutWitness(t *testing.T) {
	d := startDNS(t)
	d.SetDefault(faulttest.ServFail)
	d.Set("known.test", faulttest.NXDomain)
	n := asking(d)
	n.WitnessNames = []string{}
	for _, tt := range []struct {
		name string
		want nettest.ErrorType
	}{
		{"a.example.com", nettest.ErrDNSFailure},
		{"b.example.com", nettest.ErrDNSFailure}, // of the same zone
		{"example.org", nettest.ErrDNSFailure},
		{"example.net", nettest.ErrResolverUnavailable},
		{"a.example.com", nettest.ErrResolverUnavailable},
		{"known.test", nettest.ErrDNSNXDomain}, // an answer, which clears the resolver
		{"a.example.com", nettest.ErrDNSFailure},
	} {
		if r, err := checkName(t, n, tt.name, "80", "", time.Second); r.ErrorType != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
		if n.Health.Unavailable() != (tt.want == nettest.ErrResolverUnavailable) {
			t.Errorf("after %s: unavailable is %v", tt.name, n.Health.Unavailable())
		}
	}
}

// scripted answers by a function.
type scripted func(ctx context.Context, network, host string) ([]netip.Addr, error)

func (s scripted) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	return s(ctx, network, host)
}

var errServFail = &net.DNSError{Err: "server misbehaving", IsTemporary: true}

// TestWitnessIsShared: many failing checks ask few witnesses.
func TestWitnessIsShared(t *testing.T) {
	var witnesses atomic.Int64
	n := &nettest.Network{Resolver: scripted(func(ctx context.Context, _, host string) ([]netip.Addr, error) {
		if strings.HasSuffix(host, ".example.com.") || strings.HasSuffix(host, ".example.net.") || strings.HasSuffix(host, ".example.org.") {
			witnesses.Add(1)
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
			}
		}
		return nil, errServFail
	})}
	var wg sync.WaitGroup
	for range 300 {
		wg.Go(func() {
			if r, err := checkName(t, n, "target.test", "80", "", 2*time.Second); r.ErrorType != nettest.ErrResolverUnavailable {
				t.Errorf("%v", err)
			}
		})
	}
	wg.Wait()
	if n := witnesses.Load(); n == 0 || n > 5 {
		t.Errorf("%d witnesses for 300 checks", n)
	}
}

// TestSomebodyElsesAnswerClears: a name that is answered after the lookup has
// failed is as good as a witness, even if the witness is silent.
func TestSomebodyElsesAnswerClears(t *testing.T) {
	n := &nettest.Network{}
	n.Resolver = scripted(func(_ context.Context, _, host string) ([]netip.Addr, error) {
		switch host {
		case "target.test":
		case "other.test":
			return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
		default: // the witness
			_, _ = (&nettest.TCPTest{Network: n}).Execute(context.Background(), nettest.TestConfig{Address: "other.test:80"})
		}
		return nil, errServFail
	})
	if r, err := checkName(t, n, "target.test", "80", "", time.Second); r.ErrorType != nettest.ErrDNSFailure {
		t.Errorf("%v", err)
	}
}

func TestResolverThatIgnoresItsContext(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	n := &nettest.Network{Resolver: scripted(func(context.Context, string, string) ([]netip.Addr, error) {
		<-release
		return nil, errServFail
	})}
	r, err := checkName(t, n, "target.test", "80", "", 300*time.Millisecond)
	if !errors.Is(err, nettest.ErrResolverUnavailable) {
		t.Errorf("%v, %+v", err, r)
	}
}

func TestHappyEyeballs(t *testing.T) {
	s := startFaults(t)
	holePort := s.Addr(faulttest.BlackHole)[len("127.0.0.1:"):]
	serveTCP(t, "127.0.0.2:"+holePort, func(net.Conn) {})
	both := serveTCP(t, "127.0.0.1:0", func(net.Conn) {})
	_, port, _ := net.SplitHostPort(both)
	delay := 40 * time.Millisecond

	// The first address hangs: the second starts after the delay and wins.
	n := &nettest.Network{Resolver: fixed{"127.0.0.1", "127.0.0.2"}, AttemptDelay: delay}
	r, err := checkName(t, n, "name.test", holePort, "", time.Second)
	if err != nil || r.ResolvedIP != netip.MustParseAddr("127.0.0.2") ||
		r.Phases.Connect.Duration < delay || r.Phases.Connect.Duration > 4*delay {
		t.Errorf("hanging: %v, %+v", err, r)
	}
	// The first address refuses: the second starts at once.
	n = &nettest.Network{Resolver: fixed{"::1", "127.0.0.1"}, AttemptDelay: time.Hour}
	r, err = checkName(t, n, "name.test", port, "", time.Second)
	if err != nil || r.IPFamily() != "ipv4" {
		t.Errorf("refusing: %v, %+v", err, r)
	}
	// Both families work: IPv6 is first, unless IPv4 is preferred.
	if serve6, err := net.Listen("tcp6", "[::1]:"+port); err == nil {
		defer serve6.Close()
		for _, prefer4 := range []bool{false, true} {
			n = &nettest.Network{Resolver: fixed{"127.0.0.1", "::1"}, PreferIPv4: prefer4}
			r, err = checkName(t, n, "name.test", port, "", time.Second)
			if err != nil || (r.IPFamily() == "ipv4") != prefer4 {
				t.Errorf("prefer IPv4 %v: %v, %s", prefer4, err, r.IPFamily())
			}
		}
	} else {
		t.Logf("no IPv6 listener, so the order of families was not tried: %v", err)
	}
	// Nobody answers: every address is tried, the time holds.
	n = &nettest.Network{Resolver: fixed{"127.0.0.1", "::1"}, AttemptDelay: delay}
	r, err = checkName(t, n, "name.test", holePort, "", 300*time.Millisecond)
	if !errors.Is(err, nettest.ErrConnectionTimeout) {
		t.Errorf("nobody: %v, %+v", err, r)
	}
}

// TestLateFamily: the family whose answer is late still joins the race.
func TestLateFamily(t *testing.T) {
	addr := serveTCP(t, "127.0.0.1:0", func(net.Conn) {})
	_, port, _ := net.SplitHostPort(addr)
	d := startDNS(t)
	d.Set("late.test", faulttest.LateA, "127.0.0.1", "::1") // nothing listens on ::1
	r, err := checkName(t, asking(d), "late.test", port, "", 2*time.Second)
	if err != nil || r.IPFamily() != "ipv4" || r.Phases.DNS.Duration > 3*faulttest.Delay {
		t.Errorf("%v, %+v", err, r)
	}
	// The other way round nobody waits for the family that never comes.
	d.Set("half.test", faulttest.MuteAAAA, "127.0.0.1")
	r, err = checkName(t, asking(d), "half.test", port, "", 2*time.Second)
	if err != nil || r.Phases.Total > 500*time.Millisecond {
		t.Errorf("%v, %+v", err, r)
	}
}
