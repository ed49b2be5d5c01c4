package nettest_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// outcome is a result that may be kept.
type outcome struct {
	tag    uint64
	result nettest.TestResult
	err    error
}

// outcomes is a sink that keeps everything.
type outcomes chan outcome

func (o outcomes) Done(tag uint64, r *nettest.TestResult, err error) {
	kept := *r
	kept.Addresses = append([]nettest.AddressAttempt(nil), r.Addresses...)
	kept.ValidationErrors = append([]string(nil), r.ValidationErrors...)
	o <- outcome{tag, kept, err}
}

// counter is a sink that counts by status.
type counter struct {
	success, other atomic.Int64
	left           atomic.Int64
	done           chan struct{}
}

func newCounter(runs int) *counter {
	c := &counter{done: make(chan struct{})}
	c.left.Store(int64(runs))
	return c
}

func (c *counter) Done(_ uint64, r *nettest.TestResult, _ error) {
	if r.Status == nettest.StatusSuccess {
		c.success.Add(1)
	} else {
		c.other.Add(1)
	}
	if c.left.Add(-1) == 0 {
		close(c.done)
	}
}

func newLoop(t testing.TB, n *nettest.Network, o nettest.LoopOptions) *nettest.TCPLoop {
	t.Helper()
	l, err := nettest.NewTCPLoop(n, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func prepare(t testing.TB, l *nettest.TCPLoop, config nettest.TestConfig) *nettest.TCPCheck {
	t.Helper()
	c, err := l.Prepare(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// engine is one of the ways in which a TCP check that only connects is run. All
// of them must say the same.
type engine struct {
	name string
	run  func(t testing.TB, n *nettest.Network, config nettest.TestConfig) (*nettest.TestResult, error)
}

func engines() []engine {
	inLoop := func(o nettest.LoopOptions) func(testing.TB, *nettest.Network, nettest.TestConfig) (*nettest.TestResult, error) {
		return func(t testing.TB, n *nettest.Network, config nettest.TestConfig) (*nettest.TestResult, error) {
			l := newLoop(t, n, o)
			check, err := l.Prepare(config)
			if err != nil { // as Execute reports it
				var c *nettest.ConfigError
				if !errors.As(err, &c) {
					t.Fatal(err)
				}
				return (&nettest.TCPTest{}).Execute(context.Background(), config)
			}
			sink := make(outcomes, 1)
			l.Start([]nettest.TCPRun{{Check: check, Tag: 7, Sink: sink}})
			o := <-sink
			if o.tag != 7 {
				t.Errorf("tag %d", o.tag)
			}
			return &o.result, o.err
		}
	}
	return []engine{
		{"test", func(_ testing.TB, n *nettest.Network, config nettest.TestConfig) (*nettest.TestResult, error) {
			return (&nettest.TCPTest{Network: n}).Execute(context.Background(), config)
		}},
		{"loop", inLoop(nettest.LoopOptions{})},
		{"loop with resets", inLoop(nettest.LoopOptions{Reset: true})},
		{"portable loop", inLoop(nettest.LoopOptions{Portable: true})},
	}
}

// essence is what engines must agree on: everything but times.
type essence struct {
	Status       nettest.Status
	Type         nettest.ErrorType
	Phase        nettest.Phase
	Message      string
	Name, Scheme string
	Addr         netip.Addr
	Family       string
	Port         uint16
	DNS, Connect bool
	Validation   []string
	Tried        []nettest.AddressAttempt
	Cached       bool
}

func essenceOf(r *nettest.TestResult) essence {
	e := essence{
		r.Status, r.ErrorType, r.FailedPhase, r.Error, r.EndpointID, r.Protocol, r.ResolvedIP, r.IPFamily(), r.Port,
		r.Phases.DNS.Valid, r.Phases.Connect.Valid, r.ValidationErrors, nil, r.DNSCached,
	}
	for _, a := range r.Addresses {
		a.Duration = 0
		e.Tried = append(e.Tried, a)
	}
	return e
}

// want is what a check must come to.
type want struct {
	typ   nettest.ErrorType
	phase nettest.Phase
	addr  string
	tried []nettest.ErrorType // of each address in turn
}

// agree runs a check on every engine and holds the results to want and to each
// other. It returns the last.
func agree(t *testing.T, n *nettest.Network, config nettest.TestConfig, w want) {
	t.Helper()
	var first essence
	for i, e := range engines() {
		began := time.Now()
		r, err := e.run(t, n, config)
		took := time.Since(began)
		checkResult(t, config, r, err)
		got := essenceOf(r)
		var types []nettest.ErrorType
		for _, a := range r.Addresses {
			types = append(types, a.ErrorType)
			if a.Duration < 0 || a.Duration > took {
				t.Errorf("%s: the attempt at %s took %s of %s", e.name, a.Addr, a.Duration, took)
			}
		}
		addr := ""
		if r.ResolvedIP.IsValid() {
			addr = r.ResolvedIP.String()
		}
		if r.ErrorType != w.typ || r.FailedPhase != w.phase || addr != w.addr || !cmp.Equal(types, w.tried) {
			t.Errorf("%s: got %q in %q at %s, tried %q (%v, %v); want %+v", e.name, string(r.ErrorType), r.FailedPhase, addr, types, err, errors.Unwrap(err), w)
		}
		if r.Status == nettest.StatusTimeout && config.Timeout > 0 && (took < config.Timeout || r.Latency < config.Timeout) {
			t.Errorf("%s: gave up after %s, %s by its own account, with a timeout of %s", e.name, took, r.Latency, config.Timeout)
		}
		if i == 0 {
			first = got
		} else if diff := cmp.Diff(first, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("%s differs from the test: %s", e.name, diff)
		}
	}
}

// TestSilentServersHoldUpNobodyElse: however many checks wait for name servers of
// their own, the others go on.
func TestSilentServersHoldUpNobodyElse(t *testing.T) {
	port := portOf(t, serveTCP(t, "127.0.0.1:0", func(net.Conn) {}))
	own, silent := startDNS(t), startDNS(t)
	own.Set("target.test", faulttest.Records, "127.0.0.1")
	silent.SetDefault(faulttest.Mute)
	l := newLoop(t, asking(own), nettest.LoopOptions{})
	stuck := prepare(t, l, nettest.TestConfig{
		Address: "target.test:" + port, Timeout: 3 * time.Second, DNS: &nettest.DNSConfig{Servers: []netip.AddrPort{silent.Addr()}, MaxTTL: everyTime},
	})
	const runs = 300
	waiting, other := newCounter(runs), make(outcomes, 1)
	for range runs {
		l.Start([]nettest.TCPRun{{Check: stuck, Sink: waiting}})
	}
	free := prepare(t, l, nettest.TestConfig{Address: "target.test:" + port, Timeout: 3 * time.Second})
	l.Start([]nettest.TCPRun{{Check: free, Sink: other}})
	if o := <-other; o.err != nil {
		t.Errorf("%v, %+v", o.err, o.result)
	}
	<-waiting.done
	if waiting.success.Load() != 0 {
		t.Errorf("%d checks succeeded without an answer", waiting.success.Load())
	}
}
