package nettest_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// TestT009NoDescriptorLeaks runs 100,000 checks, on a network of its own: a
// machine that tracks connections, as one with Docker does, has no room for them.
func TestT009NoDescriptorLeaks(t *testing.T) {
	if !isolated(t) {
		return
	}
	setUp(t, faulttest.LoopbackUp)
	const checks, batch = 100_000, 500
	addr := serveTCP(t, "127.0.0.1:0", func(net.Conn) {})
	l := newLoop(t, nil, nettest.LoopOptions{Reset: true})
	var runs []nettest.TCPRun
	good := prepare(t, l, nettest.TestConfig{Address: addr, Timeout: 10 * time.Second})
	bad := prepare(t, l, nettest.TestConfig{Address: "127.0.0.1:1", Timeout: 10 * time.Second})
	round := func(count int) (success, other int64) {
		for done := 0; done < count; done += batch {
			sink := newCounter(batch)
			runs = runs[:0]
			for i := range batch {
				check := good
				if i%10 == 9 {
					check = bad
				}
				runs = append(runs, nettest.TCPRun{Check: check, Sink: sink})
			}
			l.Start(runs)
			<-sink.done
			success, other = success+sink.success.Load(), other+sink.other.Load()
		}
		return success, other
	}
	round(batch)
	base := settle(t, 0)
	success, other := round(checks)
	if success != checks*9/10 || other != checks/10 {
		t.Errorf("%d successes, %d others", success, other)
	}
	if after := settle(t, base); after > base {
		t.Errorf("%d descriptors before, %d after", base, after)
	}
}

func TestT009FiveThousandAtOnce(t *testing.T) {
	const checks = 5000
	addr := serveTCP(t, "127.0.0.1:0", waitClosed)
	for _, o := range []nettest.LoopOptions{{}, {Portable: true, MaxInFlight: checks}} {
		l := newLoop(t, nil, o)
		check := prepare(t, l, nettest.TestConfig{Address: addr, Timeout: 30 * time.Second})
		sink := newCounter(checks)
		runs := make([]nettest.TCPRun, checks)
		for i := range runs {
			runs[i] = nettest.TCPRun{Check: check, Sink: sink}
		}
		var wg sync.WaitGroup
		for part := range 10 {
			wg.Go(func() { l.Start(runs[part*checks/10 : (part+1)*checks/10]) })
		}
		wg.Wait()
		<-sink.done
		if sink.success.Load() != checks {
			t.Errorf("%+v: %d of %d succeeded", o, sink.success.Load(), checks)
		}
	}
}

// TestT009FleetInABlackHole has 10,000 connections open that nobody answers, and
// no goroutine for each.
func TestT009FleetInABlackHole(t *testing.T) {
	if !isolated(t) {
		return
	}
	blackHole(t)
	const checks, timeout = 10_000, time.Second
	l := newLoop(t, nil, nettest.LoopOptions{MaxInFlight: checks})
	sink := make(outcomes, checks)
	var runs []nettest.TCPRun
	for i := range checks {
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 100, byte(i >> 8), byte(i)}), 80)
		runs = append(runs, nettest.TCPRun{Check: prepare(t, l, nettest.TestConfig{Address: addr.String(), Timeout: timeout}), Sink: sink})
	}
	goroutines := runtime.NumGoroutine()
	l.Start(runs)
	if grown := runtime.NumGoroutine() - goroutines; grown > 5 {
		t.Errorf("%d goroutines for %d checks", grown, checks)
	}
	var worst time.Duration
	for range checks {
		o := <-sink
		if !errors.Is(o.err, nettest.ErrConnectionTimeout) {
			t.Fatalf("%v, %+v", o.err, o.result)
		}
		worst = max(worst, o.result.Latency)
	}
	if worst < timeout || worst > timeout+250*time.Millisecond { // all of them within half a second, on a busy machine
		t.Errorf("the slowest ended after %s", worst)
	}
	t.Logf("the slowest ended %s after its timeout", worst-timeout)
}

// TestT009NoPortsLeft: the range of local ports is this machine's, and so is its
// exhaustion.
func TestT009NoPortsLeft(t *testing.T) {
	if !isolated(t) {
		return
	}
	blackHole(t)
	const ports = 8
	portRange(t, 40000, 40000+ports-1)
	for _, o := range []nettest.LoopOptions{{}, {Portable: true}} {
		l := newLoop(t, nil, o)
		const checks = 3 * ports
		sink := make(outcomes, checks)
		check := prepare(t, l, nettest.TestConfig{Address: "10.99.0.9:80", Timeout: 300 * time.Millisecond})
		for range checks {
			l.Start([]nettest.TCPRun{{Check: check, Sink: sink}})
		}
		count := map[nettest.ErrorType]int{}
		for range checks {
			count[(<-sink).result.ErrorType]++
		}
		if count[nettest.ErrConnectionTimeout] != ports || count[nettest.ErrOverload] != checks-ports {
			t.Errorf("%+v: %v", o, count)
		}
	}
	// All ports are taken by somebody else: the kernel says so.
	for range ports {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer syscall.Close(fd)
		if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: 80, Addr: [4]byte{10, 99, 0, 9}}); err != syscall.EINPROGRESS {
			t.Fatal(err)
		}
	}
	agree(t, nil, nettest.TestConfig{Address: "10.99.0.9:80", Timeout: time.Second},
		want{nettest.ErrOverload, nettest.PhaseConnect, "10.99.0.9", types(nettest.ErrOverload)})
}

func TestT009NoDescriptorsLeft(t *testing.T) {
	if !isolated(t) {
		return
	}
	setUp(t, faulttest.LoopbackUp)
	addr := serveTCP(t, "127.0.0.1:0", waitClosed)
	l := newLoop(t, nil, nettest.LoopOptions{})
	check := prepare(t, l, nettest.TestConfig{Address: addr, Timeout: time.Second})
	sink := make(outcomes, 1)
	setUp(t, func() error {
		return exhaust(func() {
			l.Start([]nettest.TCPRun{{Check: check, Sink: sink}})
			if o := <-sink; !errors.Is(o.err, nettest.ErrOverload) || o.result.Status != nettest.StatusError {
				t.Errorf("loop: %v, %+v", o.err, o.result)
			}
			r, err := (&nettest.TCPTest{}).Execute(context.Background(), nettest.TestConfig{Address: addr})
			if !errors.Is(err, nettest.ErrOverload) {
				t.Errorf("test: %v, %+v", err, r)
			}
		})
	})
}

// portRange sets the local ports that the kernel chooses from.
func portRange(t *testing.T, low, high int) {
	t.Helper()
	setUp(t, func() error {
		return os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", fmt.Appendf(nil, "%d %d", low, high), 0o644)
	})
}
