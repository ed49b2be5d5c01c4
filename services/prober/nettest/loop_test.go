package nettest_test

import (
	"net"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
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
	o <- outcome{tag, kept, err}
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

func TestSmoke(t *testing.T) {
	addr := serveTCP(t, "127.0.0.1:0", func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) })
	l := newLoop(t, nil, nettest.LoopOptions{})
	sink := make(outcomes, 1000)
	var runs []nettest.TCPRun
	good := prepare(t, l, nettest.TestConfig{Address: addr, Timeout: time.Second})
	bad := prepare(t, l, nettest.TestConfig{Address: "127.0.0.1:1", Timeout: time.Second})
	local := prepare(t, l, nettest.TestConfig{Address: "localhost:1", Timeout: time.Second})
	for i := range 5 {
		runs = append(runs, nettest.TCPRun{good, uint64(i), sink}, nettest.TCPRun{bad, 100 + uint64(i), sink}, nettest.TCPRun{local, 200 + uint64(i), sink})
	}
	l.Start(runs)
	for range 15 {
		o := <-sink
		t.Log(o.tag, o.result.Status, o.err, o.result.Latency, o.result.Addresses)
	}
}
