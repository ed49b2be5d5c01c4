//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package nettest

import (
	"net"
	"net/netip"
	"os"
	"testing"
	"time"
)

// keep is a sink that keeps the latency of each run.
type keep struct {
	latency [4]time.Duration
	status  [4]Status
	done    chan struct{}
}

func (k *keep) Done(tag uint64, r *TestResult, _ error) {
	k.latency[tag], k.status[tag] = r.Latency, r.Status
	k.done <- struct{}{}
}

func nativeFor(t testing.TB, n *Network, o LoopOptions) (*TCPLoop, *nativeLoop) {
	t.Helper()
	l, err := NewTCPLoop(n, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, l.engine.(*nativeLoop)
}

// listen opens a port on loopback. Nobody accepts what the kernel has accepted,
// so that nothing else allocates; its queue holds some thousand connections.
func listen(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// TestLatenessIsNotLatency holds a loop up after a handshake, in both places
// where it may notice one: what it reports is when the kernel was done.
func TestLatenessIsNotLatency(t *testing.T) {
	const held = 50 * time.Millisecond
	for _, polled := range []bool{false, true} {
		// The second check's policy holds the loop up while the first connects.
		l, native := nativeFor(t, &Network{Policy: slowPolicy{netip.MustParseAddr("127.0.0.9"), held}}, LoopOptions{})
		address := listen(t)
		_, port, _ := net.SplitHostPort(address)
		first, err := l.Prepare(TestConfig{Address: address, Timeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		second, _ := l.Prepare(TestConfig{Address: "127.0.0.9:" + port, Timeout: time.Second})
		// As with targets that are not on this machine.
		first.plain.near, second.plain.near = false, false
		sink := &keep{done: make(chan struct{}, 2)}
		runs := []TCPRun{{first, 0, sink}, {second, 1, sink}}
		if polled {
			first.plain.far = true
			native.drive.Lock() // so that the goroutine cannot look
			native.queue.push(runs[0], never)
			native.launch(1)
			if native.polled != 1 {
				t.Error("the poll does not watch the first")
			}
			<-time.After(held)
			native.leave()
			<-sink.done
		} else {
			l.Start(runs)
			<-sink.done
			<-sink.done
		}
		if sink.status[0] != StatusSuccess || sink.latency[0] <= 0 || sink.latency[0] > held/4 {
			t.Errorf("polled %v: %s after %s, of which the loop was held up for %s", polled, sink.status[0], sink.latency[0], held)
		}
	}
}

// TestLateNoticeIsNoTimeout: the handshake was over before the deadline, though
// the loop only looked after it.
func TestLateNoticeIsNoTimeout(t *testing.T) {
	l, native := nativeFor(t, nil, LoopOptions{})
	check, err := l.Prepare(TestConfig{Address: listen(t), Timeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	check.plain.near, check.plain.far = false, true
	sink := &keep{done: make(chan struct{}, 1)}
	native.drive.Lock()
	native.queue.push(TCPRun{check, 0, sink}, never)
	native.launch(1)
	<-time.After(40 * time.Millisecond)
	native.expire()
	native.leave()
	<-sink.done
	if sink.status[0] != StatusSuccess || sink.latency[0] > 20*time.Millisecond {
		t.Errorf("%s after %s", sink.status[0], sink.latency[0])
	}
}

// slowPolicy is slow about one address.
type slowPolicy struct {
	addr netip.Addr
	wait time.Duration
}

func (p slowPolicy) Check(a netip.Addr) error {
	if a == p.addr {
		<-time.After(p.wait)
	}
	return nil
}

// discard is a sink that only counts, and tells when it has count results more.
type discard struct {
	count, done, failed int
	full                chan struct{}
}

func (d *discard) Done(_ uint64, _ *TestResult, err error) {
	d.done++
	if err != nil {
		d.failed++
	}
	if d.count > 0 && d.done%d.count == 0 {
		d.full <- struct{}{}
	}
}

// TestLoopDoesNotAllocate runs checks of open ports over and over.
func TestLoopDoesNotAllocate(t *testing.T) {
	for _, polled := range []bool{false, true} {
		l, native := nativeFor(t, nil, LoopOptions{Reset: true})
		check, err := l.Prepare(TestConfig{Name: "open", Address: listen(t), Timeout: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		runs := make([]TCPRun, 20)
		sink := &discard{count: len(runs), full: make(chan struct{}, 1)}
		for i := range runs {
			runs[i] = TCPRun{Check: check, Sink: sink}
		}
		batch := func() {
			if polled {
				native.drive.Lock()
				check.plain.near, check.plain.far = false, true
				native.drive.Unlock()
			}
			l.Start(runs)
			<-sink.full
		}
		for range 10 {
			batch()
		}
		if allocs := testing.AllocsPerRun(20, batch); allocs != 0 || sink.failed > 0 {
			t.Errorf("polled %v: %v allocations for %d checks, %d of %d failed", polled, allocs, len(runs), sink.failed, sink.done)
		}
	}
}

// TestLoopLeavesNothing counts descriptors over the lives of loops that were
// closed with everything in flight.
func TestLoopLeavesNothing(t *testing.T) {
	address := listen(t)
	life := func() {
		l, err := NewTCPLoop(nil, LoopOptions{})
		if err != nil {
			t.Fatal(err)
		}
		check, err := l.Prepare(TestConfig{Address: address, Timeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		check.plain.near, check.plain.far = false, true
		sink := &discard{}
		runs := make([]TCPRun, 50)
		for i := range runs {
			runs[i] = TCPRun{Check: check, Sink: sink}
		}
		l.Start(runs)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		l.Start(runs)
		if err := l.Close(); err != nil {
			t.Error("closed again:", err)
		}
		if sink.done != 2*len(runs) {
			t.Errorf("%d results of %d", sink.done, 2*len(runs))
		}
	}
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	life()
	before := count()
	for range 20 {
		life()
	}
	if after := count(); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// TestResetAfterOpeningIsNoFailure: the peer reset the connection between the
// handshake and the moment at which the loop looked.
func TestResetAfterOpeningIsNoFailure(t *testing.T) {
	peer, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	l, native := nativeFor(t, nil, LoopOptions{})
	check, err := l.Prepare(TestConfig{Address: peer.Addr().String(), Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	check.plain.near, check.plain.far = false, true
	sink := &keep{done: make(chan struct{}, 1)}
	native.drive.Lock()
	native.queue.push(TCPRun{check, 0, sink}, never)
	native.launch(1)
	c, err := peer.Accept()
	if err == nil {
		_ = c.(*net.TCPConn).SetLinger(0)
		err = c.Close()
	}
	if err != nil {
		t.Error(err)
	}
	native.leave()
	<-sink.done
	if sink.status[0] != StatusSuccess {
		t.Errorf("%s", sink.status[0])
	}
}
