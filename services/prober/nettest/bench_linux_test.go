package nettest_test

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// targetEnv makes TestServeBenchmarks serve.
const targetEnv = "NETTEST_TARGET"

// TestServeBenchmarks is the target of benchmarks, a process of its own, so that
// what it costs is not counted.
func TestServeBenchmarks(t *testing.T) {
	if os.Getenv(targetEnv) == "" {
		t.Skip("this is no test but the peer of the benchmarks")
	}
	l, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	fmt.Fprintf(os.Stdout, "port %d\n", l.Addr().(*net.TCPAddr).Port)
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1)) // until the benchmark has ended
		os.Exit(0)
	}()
	// Without a net.Conn each, so as to keep up.
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	_ = syscall.SetNonblock(int(f.Fd()), false)
	for {
		fd, _, err := syscall.Accept4(int(f.Fd()), syscall.SOCK_CLOEXEC)
		switch err {
		case nil:
			_ = syscall.Close(fd)
		case syscall.EINTR, syscall.ECONNABORTED:
		default:
			t.Error(err)
			return
		}
	}
}

// ownNetwork runs the calling benchmark in a process with a network of its own, in
// which it returns true: where connections are tracked, as on a machine with
// Docker, the table is full after some seconds and SYNs are dropped.
func ownNetwork(b *testing.B) bool {
	b.Helper()
	if os.Getenv(isolatedEnv) != "" {
		if err := faulttest.LoopbackUp(); err != nil {
			b.Fatal(err)
		}
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^$", "-test.bench=^"+b.Name()+"$",
		"-test.benchtime="+flag.Lookup("test.benchtime").Value.String())
	cmd.Env = append(os.Environ(), isolatedEnv+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	faulttest.Isolate(cmd)
	if err := cmd.Run(); err != nil {
		b.Skipf("cannot run in a network namespace: %v", err)
	}
	b.SkipNow() // it has been run
	return false
}

// startTarget returns addresses that all lead to one listener: a loop closes up
// to 40,000 connections a second, more than one address has local ports for.
func startTarget(b *testing.B) []string {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestServeBenchmarks$")
	cmd.Env = append(os.Environ(), targetEnv+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = stdin.Close(); _ = cmd.Wait() })
	var port int
	if _, err := fmt.Fscanf(stdout, "port %d\n", &port); err != nil {
		b.Fatal(err)
	}
	addrs := make([]string, 250)
	for i := range addrs {
		addrs[i] = fmt.Sprintf("127.0.1.%d:%d", i+1, port)
	}
	return addrs
}

// cpu returns what the process has used so far.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// batchSize is how many checks are in flight at once.
const batchSize = 64

// epollFloor connects to all of addrs at once with nothing but system calls.
type epollFloor struct {
	poll   int
	to     []syscall.SockaddrInet4
	next   int
	reset  bool
	events [batchSize]syscall.EpollEvent
}

func newEpollFloor(b *testing.B, addrs []string, reset bool) *epollFloor {
	poll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = syscall.Close(poll) })
	f := &epollFloor{poll: poll, reset: reset}
	for _, addr := range addrs {
		a, _ := net.ResolveTCPAddr("tcp4", addr)
		f.to = append(f.to, syscall.SockaddrInet4{Port: a.Port, Addr: [4]byte(a.IP.To4())})
	}
	return f
}

func (f *epollFloor) batch() error {
	for range batchSize {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if f.reset {
			_ = syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
		}
		f.next = (f.next + 1) % len(f.to)
		if err := syscall.Connect(fd, &f.to[f.next]); err != nil && err != syscall.EINPROGRESS {
			return err
		}
		event := syscall.EpollEvent{Events: syscall.EPOLLOUT, Fd: int32(fd)}
		if err := syscall.EpollCtl(f.poll, syscall.EPOLL_CTL_ADD, fd, &event); err != nil {
			return err
		}
	}
	for left := batchSize; left > 0; {
		n, err := syscall.EpollWait(f.poll, f.events[:], -1)
		if err != nil && err != syscall.EINTR {
			return err
		}
		for _, event := range f.events[:max(n, 0)] {
			if code, err := syscall.GetsockoptInt(int(event.Fd), syscall.SOL_SOCKET, syscall.SO_ERROR); err != nil || code != 0 {
				return fmt.Errorf("%d %w", code, err)
			}
			_ = syscall.Close(int(event.Fd))
			left--
		}
	}
	return nil
}

// tally is a sink that counts.
type tally struct {
	b    *testing.B
	left atomic.Int64
	done chan struct{}
}

func (t *tally) Done(_ uint64, _ *nettest.TestResult, err error) {
	if err != nil {
		t.b.Error(err)
	}
	if t.left.Add(-1) == 0 {
		t.done <- struct{}{}
	}
}

// BenchmarkTCPLoop compares the loop, in turns, with the floor of the system
// calls and with TCPTest. Its figures are processor time for each check: × floor
// is the one to look at, since the others move with the machine's mood.
func BenchmarkTCPLoop(b *testing.B) {
	if !ownNetwork(b) {
		return
	}
	for _, reset := range []bool{false, true} {
		name := "fin"
		if reset {
			name = "rst"
		}
		b.Run(name, func(b *testing.B) { benchLoop(b, reset) })
	}
}

func benchLoop(b *testing.B, reset bool) {
	addrs := startTarget(b)
	floor := newEpollFloor(b, addrs, reset)
	l := newLoop(b, nil, nettest.LoopOptions{Reset: reset})
	sink := &tally{b: b, done: make(chan struct{}, 1)}
	runs := make([]nettest.TCPRun, len(addrs))
	for i, addr := range addrs {
		runs[i] = nettest.TCPRun{Check: prepare(b, l, nettest.TestConfig{Address: addr}), Sink: sink}
	}
	test := &nettest.TCPTest{ResetOnClose: reset}
	var turn int
	legs := []struct {
		name string
		run  func()
		cpu  time.Duration
	}{
		{"floor", func() {
			if err := floor.batch(); err != nil {
				b.Fatal(err)
			}
		}, 0},
		{"loop", func() {
			sink.left.Store(batchSize)
			turn = (turn + batchSize) % (len(runs) - batchSize)
			l.Start(runs[turn : turn+batchSize])
			<-sink.done
		}, 0},
		{"polled", func() { // through the poll, as if the targets were not on this machine
			sink.left.Store(batchSize)
			turn = (turn + batchSize) % (len(runs) - batchSize)
			l.Distant(runs[turn : turn+batchSize])
			l.Start(runs[turn : turn+batchSize])
			<-sink.done
		}, 0},
		{"TCPTest", func() {
			for i := range batchSize {
				if _, err := test.Execute(context.Background(), nettest.TestConfig{Address: addrs[(turn+i)%len(addrs)]}); err != nil {
					b.Fatal(err)
				}
			}
		}, 0},
	}
	for _, leg := range legs {
		leg.run()
	}
	checks := 0
	for b.Loop() {
		for i := range legs {
			before := cpu()
			for range 10 {
				legs[i].run()
			}
			legs[i].cpu += cpu() - before
		}
		checks += 10 * batchSize
	}
	for _, leg := range legs {
		b.ReportMetric(float64(leg.cpu.Nanoseconds())/float64(checks), strings.ToLower(leg.name)+"-ns/check")
		if leg.name != "floor" {
			b.ReportMetric(float64(leg.cpu)/float64(legs[0].cpu), strings.ToLower(leg.name)+"×floor")
		}
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkTCPLoopPaced starts 10,000 checks a second, in slots of 2 ms, which is
// how a prober runs. One operation is a slot of 20 checks; × floor is against the
// saturated floor.
func BenchmarkTCPLoopPaced(b *testing.B) {
	if !ownNetwork(b) {
		return
	}
	const slot, perSlot = 2 * time.Millisecond, 20
	addrs := startTarget(b)
	floor := newEpollFloor(b, addrs, false)
	l := newLoop(b, nil, nettest.LoopOptions{})
	sink := &tally{b: b, done: make(chan struct{}, 1)}
	runs := make([]nettest.TCPRun, len(addrs))
	for i, addr := range addrs {
		runs[i] = nettest.TCPRun{Check: prepare(b, l, nettest.TestConfig{Address: addr}), Sink: sink}
	}
	for _, latency := range []string{"near", "polled"} {
		b.Run(latency, func(b *testing.B) {
			var floorCPU, loopCPU time.Duration
			floors, checks := 0, 0
			ticker := time.NewTicker(slot)
			defer ticker.Stop()
			for b.Loop() {
				before := cpu()
				<-ticker.C
				from := checks % (len(runs) - perSlot)
				if latency == "polled" {
					l.Distant(runs[from : from+perSlot])
				}
				sink.left.Store(perSlot)
				l.Start(runs[from : from+perSlot])
				<-sink.done
				checks += perSlot
				loopCPU += cpu() - before
				if checks%(100*perSlot) == 0 {
					before = cpu()
					for range 10 {
						if err := floor.batch(); err != nil {
							b.Fatal(err)
						}
					}
					floors += 10 * batchSize
					floorCPU += cpu() - before
					ticker.Reset(slot)
				}
			}
			perFloor := float64(floorCPU.Nanoseconds()) / float64(max(floors, 1))
			perCheck := float64(loopCPU.Nanoseconds()) / float64(checks)
			b.ReportMetric(perFloor, "floor-ns/check")
			b.ReportMetric(perCheck, "loop-ns/check")
			b.ReportMetric(perCheck/perFloor, "loop×floor")
			b.ReportMetric(0, "ns/op")
		})
	}
}
