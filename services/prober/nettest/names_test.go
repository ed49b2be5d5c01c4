package nettest_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/egress"
	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// everyTime lets every check ask.
const everyTime = -1

// ask checks name on port with the servers given.
func ask(t *testing.T, n *nettest.Network, name, port string, ttl, timeout time.Duration, servers ...netip.AddrPort) (*nettest.TestResult, error) {
	t.Helper()
	config := nettest.TestConfig{Name: name, Address: name + ":" + port, Timeout: timeout, DNS: &nettest.DNSConfig{Servers: servers, MaxTTL: ttl}}
	r, err := (&nettest.TCPTest{Network: n}).Execute(context.Background(), config)
	checkResult(t, config, r, err)
	return r, err
}

func portOf(t *testing.T, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestParseServer(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1": "192.0.2.1:53", "192.0.2.1:5353": "192.0.2.1:5353", "2001:db8::1": "[2001:db8::1]:53", "[2001:db8::1]": "[2001:db8::1]:53",
		"[2001:DB8::1]:5353": "[2001:db8::1]:5353", "::ffff:192.0.2.1": "192.0.2.1:53", "[::ffff:192.0.2.1]:54": "192.0.2.1:54",
		"": "", "dns.example": "", "dns.example:53": "", "192.0.2.1:": "", "192.0.2.1:0": "", "192.0.2.1:65536": "", "192.0.2.1:x": "", "fe80::1%eth0": "",
		"[fe80::1%eth0]:53": "", "[192.0.2.1]:53": "", "[2001:db8::1": "", "[2001:db8::1]53": "", "0.0.0.0": "", "[::]:53": "", "224.0.0.251": "", "255.255.255.255": "",
		":53": "", "[]:53": "", "192.0.2.1:53:53": "", " 192.0.2.1": "",
	} {
		got, err := nettest.ParseServer(text)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("%q: %v, %v, want %q", text, got, err, want)
		}
	}
}

func TestDNSConfigIsValidated(t *testing.T) {
	server := netip.MustParseAddrPort
	for _, tt := range []struct {
		field   string
		servers []netip.AddrPort
	}{
		{"DNS.Servers", []netip.AddrPort{server("192.0.2.1:53"), server("192.0.2.2:53"), server("192.0.2.3:53"), server("192.0.2.4:53"), server("192.0.2.5:53")}},
		{"DNS.Servers[0]", []netip.AddrPort{{}}},
		{"DNS.Servers[0]", []netip.AddrPort{server("192.0.2.1:0")}},
		{"DNS.Servers[0]", []netip.AddrPort{server("[fe80::1%eth0]:53")}},
		{"DNS.Servers[1]", []netip.AddrPort{server("192.0.2.1:53"), server("[::ffff:192.0.2.1]:53")}},
	} {
		config := nettest.TestConfig{Address: "name.test:80", DNS: &nettest.DNSConfig{Servers: tt.servers}}
		for _, test := range []nettest.NetworkTest{&nettest.TCPTest{}, &nettest.TLSTest{}} {
			var wrong *nettest.ConfigError
			if err := test.Validate(config); !errors.As(err, &wrong) || wrong.Field != tt.field {
				t.Errorf("%s of %v: %v, want %s", test.GetProtocol(), tt.servers, err, tt.field)
			}
		}
	}
}

// TestServersOfACheck: whom a check asks, nobody else is asked for it, and what it
// learns is nobody else's.
func TestServersOfACheck(t *testing.T) {
	port := portOf(t, serveTCP(t, "127.0.0.1:0", func(net.Conn) {}))
	serveTCP(t, "127.0.0.2:"+port, func(net.Conn) {})
	own, other := startDNS(t), startDNS(t)
	own.SetTTL(60)
	other.SetTTL(60)
	own.Set("name.test", faulttest.Records, "127.0.0.1")
	other.Set("name.test", faulttest.Records, "127.0.0.2")
	n := asking(own)
	for i := range 3 {
		if r, err := checkName(t, n, "name.test", port, "", time.Second); err != nil || r.ResolvedIP.String() != "127.0.0.1" || r.DNSCached != (i > 0) {
			t.Errorf("the network's: %v, %s, cached %v", err, r.ResolvedIP, r.DNSCached)
		}
		if r, err := ask(t, n, "name.test", port, 0, time.Second, other.Addr()); err != nil || r.ResolvedIP.String() != "127.0.0.2" || r.DNSCached != (i > 0) {
			t.Errorf("the check's: %v, %s, cached %v", err, r.ResolvedIP, r.DNSCached)
		}
	}
	if own.Asked("name.test") != 2 || other.Asked("name.test") != 2 {
		t.Errorf("asked %d and %d times, want once for each family", own.Asked("name.test"), other.Asked("name.test"))
	}
	for range 2 {
		if r, err := ask(t, n, "name.test", port, everyTime, time.Second, other.Addr()); err != nil || r.DNSCached {
			t.Errorf("%v, cached %v", err, r.DNSCached)
		}
	}
	if other.Asked("name.test") != 6 {
		t.Errorf("asked %d times by checks that ask every time", other.Asked("name.test")-2)
	}
	// Files of this machine do not count.
	if r, _ := ask(t, n, "localhost", port, 0, time.Second, other.Addr()); r.ErrorType != nettest.ErrDNSNXDomain || other.Asked("localhost") == 0 {
		t.Errorf("localhost: %+v", r)
	}
}

// TestLongestTTL: the time that a check gives is a limit, not a promise.
func TestLongestTTL(t *testing.T) {
	port := portOf(t, serveTCP(t, "127.0.0.1:0", func(net.Conn) {}))
	d := startDNS(t)
	d.SetTTL(3600)
	d.Set("long.test", faulttest.Records, "127.0.0.1")
	d.SetTTL(0)
	d.Set("never.test", faulttest.Records, "127.0.0.1")
	n := &nettest.Network{}
	for _, name := range []string{"long.test", "never.test"} {
		for range 2 {
			if _, err := ask(t, n, name, port, time.Hour, time.Second, d.Addr()); err != nil {
				t.Error(err)
			}
		}
	}
	if d.Asked("long.test") != 2 || d.Asked("never.test") != 4 {
		t.Errorf("asked %d and %d times", d.Asked("long.test"), d.Asked("never.test"))
	}
	// The same answer is not used longer than another check wants it.
	if _, err := ask(t, n, "long.test", port, time.Second, time.Second, d.Addr()); err != nil {
		t.Error(err)
	}
	first := d.Asked("long.test")
	time.Sleep(1100 * time.Millisecond) //nolint:forbidigo // the answer has to end
	if r, err := ask(t, n, "long.test", port, time.Second, time.Second, d.Addr()); err != nil || d.Asked("long.test") == first {
		t.Errorf("used after its second: %v, %+v", err, r)
	}
}

// TestServersOfACheckFail: that is neither the target's fault, nor anything against
// the network's own resolver.
func TestServersOfACheckFail(t *testing.T) {
	port := portOf(t, serveTCP(t, "127.0.0.1:0", func(net.Conn) {}))
	for name, witnesses := range map[string][]string{"with witnesses": nil, "without": {}} {
		for reply, code := range map[string]faulttest.Reply{
			"silent": faulttest.Mute, "cut off": faulttest.ServFail, "refusing": faulttest.RefusedQuery, "lame": faulttest.LameReferral, "gone": -2,
		} {
			t.Run(name+"/"+reply, func(t *testing.T) {
				t.Parallel()
				own, given := startDNS(t), startDNS(t)
				own.Set("target.test", faulttest.Records, "127.0.0.1")
				given.SetDefault(code)
				server := given.Addr()
				if code == -2 {
					_ = given.Close()
				}
				n := asking(own)
				n.WitnessNames = witnesses
				for range 2 {
					r, err := ask(t, n, "target.test", port, 0, 800*time.Millisecond, server)
					if !errors.Is(err, nettest.ErrResolverUnavailable) || r.Status != nettest.StatusError || !strings.Contains(r.Error, server.String()) {
						t.Errorf("%v, %+v", err, r)
					}
					if r, err := checkName(t, n, "target.test", port, "", time.Second); err != nil {
						t.Errorf("by the network's resolver: %v, %+v", err, r)
					}
				}
				if n.Health.Unavailable() {
					t.Error("the network's resolver is held responsible")
				}
			})
		}
	}
}

// TestServersOfACheckAnswer: what they say of a name is believed as what the
// network's say.
func TestServersOfACheckAnswer(t *testing.T) {
	own, given := startDNS(t), startDNS(t)
	given.Set("missing.test", faulttest.NXDomain)
	given.Set("broken.test", faulttest.ServFail)
	given.Set("slow.test", faulttest.Mute)
	for name, want := range map[string]nettest.ErrorType{
		"missing.test": nettest.ErrDNSNXDomain, "broken.test": nettest.ErrDNSFailure, "slow.test": nettest.ErrDNSTimeout,
	} {
		if r, err := ask(t, asking(own), name, "80", 0, 2*time.Second, given.Addr()); r.ErrorType != want || r.FailedPhase != nettest.PhaseDNS {
			t.Errorf("%s: %v, %+v", name, err, r)
		}
	}
	if own.Asked("") != 0 {
		t.Error("the network's resolver was asked")
	}
}

// TestServersInTurn: the next is asked when one is silent, and the silent one last
// from then on.
func TestServersInTurn(t *testing.T) {
	port := portOf(t, serveTCP(t, "127.0.0.1:0", func(net.Conn) {}))
	silent, failing, good := startDNS(t), startDNS(t), startDNS(t)
	silent.SetDefault(faulttest.Mute)
	failing.SetDefault(faulttest.ServFail)
	good.Set("name.test", faulttest.Records, "127.0.0.1")
	n := &nettest.Network{}
	servers := []netip.AddrPort{silent.Addr(), failing.Addr(), good.Addr()}
	if _, err := ask(t, n, "name.test", port, everyTime, 5*time.Second, servers...); err != nil {
		t.Fatal(err)
	}
	asked, failed := silent.Asked(""), failing.Asked("")
	if asked == 0 || failed == 0 {
		t.Errorf("asked %d and %d times, want both first", asked, failed)
	}
	for range 3 {
		if _, err := ask(t, n, "name.test", port, everyTime, 5*time.Second, servers...); err != nil {
			t.Error(err)
		}
	}
	if silent.Asked("") != asked || failing.Asked("") == failed {
		t.Errorf("the silent server was asked %d times more, the failing one %d", silent.Asked("")-asked, failing.Asked("")-failed)
	}
}

// portPolicy forbids a port of one network.
type portPolicy struct {
	network string
	port    uint16
}

func (p portPolicy) Check(netip.Addr) error { return errors.New("asked without the port") }

func (p portPolicy) ControlContext(_ context.Context, network, address string, _ syscall.RawConn) error {
	if strings.HasPrefix(network, p.network) && netip.MustParseAddrPort(address).Port() == p.port {
		return errors.New("the port is forbidden")
	}
	return nil
}

// TestPolicyOfServers: a check makes nobody talk to what may not be dialled.
func TestPolicyOfServers(t *testing.T) {
	port := portOf(t, serveTCP(t, "127.0.0.1:0", func(net.Conn) {}))
	d, other := startDNS(t), startDNS(t)
	for _, server := range []*faulttest.DNS{d, other} {
		server.Set("name.test", faulttest.Records, "127.0.0.1")
		server.Set("large.test", faulttest.OnlyTCP, "127.0.0.1")
	}
	closed := &nettest.Network{Policy: &egress.Policy{}}
	r, err := ask(t, closed, "name.test", port, 0, time.Second, d.Addr(), other.Addr())
	if !errors.Is(err, nettest.ErrEgressDenied) || r.FailedPhase != nettest.PhaseDNS || !strings.Contains(r.Error, "loopback") || !strings.Contains(r.Error, d.Addr().String()) {
		t.Errorf("%v, %+v", err, r)
	}
	if d.Asked("name.test")+d.Asked("")+other.Asked("name.test") != 0 {
		t.Error("a forbidden server was asked")
	}
	// The network's own resolver may stand anywhere.
	own := asking(d)
	own.Policy = &egress.Policy{}
	r, err = checkName(t, own, "name.test", port, "", time.Second)
	if !errors.Is(err, nettest.ErrEgressDenied) || r.FailedPhase != nettest.PhaseConnect {
		t.Errorf("%v, %+v", err, r)
	}
	before := d.Asked("name.test")
	// One of two is forbidden.
	half := &nettest.Network{Policy: portPolicy{"udp", d.Addr().Port()}}
	if r, err := ask(t, half, "name.test", port, 0, time.Second, d.Addr(), other.Addr()); err != nil {
		t.Errorf("%v, %+v", err, r)
	}
	if d.Asked("name.test") != before {
		t.Error("the forbidden server was asked")
	}
	// Over TCP as well.
	notTCP := &nettest.Network{Policy: portPolicy{"tcp", d.Addr().Port()}}
	if r, err := ask(t, notTCP, "large.test", port, 0, time.Second, d.Addr()); !errors.Is(err, nettest.ErrEgressDenied) {
		t.Errorf("%v, %+v", err, r)
	}
}
