package prober

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/egress"
	"github.com/frogstats/uptime/services/prober/nettest"
)

// BenchmarkEngine is the whole engine with real TCP checks of targets on the loopback, each with an address of its own, every
// result recorded and taken out of the outbox. It prints the CPU per check beside that of a loop of non-blocking connects in
// the same run (the floor), and what the targets saw of the intervals. The target is another process. Run it with
// -benchtime 1x; the figures need a quiet machine.
func BenchmarkEngine(b *testing.B) {
	for _, bm := range []struct {
		name     string
		monitors int
	}{{"1kx1s", 1000}, {"10kx1s", 10_000}, {"saturated", 100_000}} {
		b.Run(bm.name, func(b *testing.B) {
			for b.Loop() {
				benchmarkEngine(b, bm.monitors, 4*time.Second)
			}
		})
	}
}

func benchmarkEngine(b *testing.B, monitors int, measured time.Duration) {
	target := newBenchTarget(b)
	floor := target.floor(b, 10_000)
	g, ended := benchEngine(b, target, monitors)
	pause(1500 * time.Millisecond)
	target.errors(b)
	before, cpu, began := g.metrics.stats(), ownCPU(), time.Now()
	late := g.metrics.nMissed.Load()
	pause(measured)
	cpu = ownCPU() - cpu
	after, took := g.metrics.stats(), time.Since(began)
	p50, p99, most := target.errors(b)
	ended()

	checks := float64(after.Finished - before.Finished)
	if checks == 0 {
		b.Fatal("no check has ended")
	}
	perCheck := float64(cpu.Nanoseconds()) / 1000 / checks
	b.ReportMetric(checks/took.Seconds(), "checks/s")
	b.ReportMetric(float64(g.metrics.nMissed.Load()-late)/took.Seconds(), "missed/s")
	b.ReportMetric(perCheck, "µs/check")
	b.ReportMetric(floor, "floor-µs")
	b.ReportMetric(perCheck/floor, "×floor")
	b.ReportMetric(p50, "gap-p50-ms")
	b.ReportMetric(p99, "gap-p99-ms")
	b.ReportMetric(most, "gap-max-ms")
}

// benchEngine is a running engine with that many monitors at 1 s, and how to end it.
func benchEngine(b *testing.B, target *benchTarget, monitors int) (*engine, func()) {
	b.Helper()
	cfg, err := Config{ProberID: "p1", Region: "local", MaxChecksPerHost: 4096}.withDefaults()
	if err != nil {
		b.Fatal(err)
	}
	m, err := newMetrics(sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())))
	if err != nil {
		b.Fatal(err)
	}
	policy, err := egress.ParsePolicy([]string{"private"})
	if err != nil {
		b.Fatal(err)
	}
	checker, box := NewChecker(policy, nil), NewMemoryOutbox(cfg.OutboxResults, cfg.OutboxBytes)
	newLoop := func() (tcpLoop, error) { return nettest.NewTCPLoop(checker.network, nettest.LoopOptions{}) }
	g := newEngine(cfg, checker.prepare, newLoop, box, m, newTracer(nil, -1), slog.New(slog.DiscardHandler))
	for id := range uint32(monitors) {
		g.assign(benchAssignment(id+1, target.address(id), target.port), nil, false)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() { g.run(ctx, time.Second) })
	wg.Go(func() { drainForBench(ctx, box) })
	return g, func() {
		cancel()
		wg.Wait()
	}
}

// drainForBench does what the uplink does but for sending.
func drainForBench(ctx context.Context, box Outbox) {
	var buf []byte
	for after := uint64(0); ; {
		b, err := box.Read(ctx, after, batchResults, buf)
		if err != nil {
			return
		}
		after, buf = b.First+uint64(b.Count)-1, b.Frames
		box.Ack(after)
		if b.Count < batchResults/2 {
			pause(batchLinger)
		}
	}
}

func benchAssignment(id uint32, host string, port int) *monitorsv1.Assignment {
	return &monitorsv1.Assignment{
		Spec: &checkv1.CheckSpec{
			MonitorId: id, OrganizationId: "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b", Name: fmt.Sprintf("monitor %d of the fleet", id), Version: 1,
			MonitorType: checkv1.MonitorType_MONITOR_TYPE_TCP,
			TcpConfig:   &checkv1.TcpConfig{Host: ptr(host), Port: ptr(int32(port)), TimeoutMs: ptr(int32(1000))},
		},
		IntervalSeconds: 1, ConfirmDown: 2, RetryIntervalSeconds: 20, Overlap: monitorsv1.Overlap_OVERLAP_SKIP,
	}
}

// BenchmarkIdleMonitors prints the heap that a TCP monitor takes between its checks.
func BenchmarkIdleMonitors(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprintf("%dk", n/1000), func(b *testing.B) {
			for b.Loop() {
				benchmarkIdle(b, n)
			}
		})
	}
}

func benchmarkIdle(b *testing.B, n int) {
	cfg, err := Config{ProberID: "p1", Region: "local"}.withDefaults()
	if err != nil {
		b.Fatal(err)
	}
	m, err := newMetrics(nil)
	if err != nil {
		b.Fatal(err)
	}
	checker := NewChecker(nil, nil)
	newLoop := func() (tcpLoop, error) { return nettest.NewTCPLoop(checker.network, nettest.LoopOptions{}) }
	before, goroutines := heapNow(), runtime.NumGoroutine()
	g := newEngine(cfg, checker.prepare, newLoop, NewMemoryOutbox(1000, 1<<20), m, newTracer(nil, -1), slog.New(slog.DiscardHandler))
	for id := range uint32(n) {
		a := benchAssignment(id+1, netip.AddrFrom4([4]byte{127, byte(id >> 16), byte(id >> 8), byte(id)}).String(), 80)
		a.IntervalSeconds = 86400
		g.assign(a, nil, false)
	}
	b.ReportMetric(float64(heapNow()-before)/1024/float64(n), "KiB/monitor")
	b.ReportMetric(float64(runtime.NumGoroutine()-goroutines), "goroutines")
	g.cutOff()
	runtime.KeepAlive(g)
}

func heapNow() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// pause lets time go by.
func pause(d time.Duration) { <-time.After(d) }

// benchTarget is a process of its own that accepts connections to any address of 127/8, and knows when each address had one.
type benchTarget struct {
	port int
	ask  io.Writer
	said *bufio.Scanner
}

var isBenchTarget = flag.Bool("bench-target", false, "be the target of BenchmarkEngine")

// TestBenchTarget is that process.
func TestBenchTarget(t *testing.T) {
	if !*isBenchTarget {
		t.Skip("only for BenchmarkEngine")
	}
	fd, port, err := listenOnLoopback()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(os.Stdout, port)
	var seen arrivals
	go func() {
		for {
			conn, _, err := syscall.Accept4(fd, syscall.SOCK_CLOEXEC)
			if err != nil {
				continue
			}
			if to, err := syscall.Getsockname(conn); err == nil {
				seen.note(to.(*syscall.SockaddrInet4).Addr)
			}
			_ = syscall.Close(conn)
		}
	}()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		p50, p99, most := seen.errors()
		fmt.Fprintln(os.Stdout, p50, p99, most)
	}
}

func listenOnLoopback() (fd, port int, err error) {
	fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err == nil {
		err = syscall.BindToDevice(fd, "lo") // nobody else is to reach it
	}
	if err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrInet4{})
	}
	if err == nil {
		err = syscall.Listen(fd, 4096)
	}
	if err != nil {
		return 0, 0, err
	}
	own, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, 0, err
	}
	return fd, own.(*syscall.SockaddrInet4).Port, nil
}

// arrivals are the times between two connections to one address.
type arrivals struct {
	mu   sync.Mutex
	last map[[4]byte]time.Time
	gaps []time.Duration
}

func (a *arrivals) note(addr [4]byte) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.last == nil {
		a.last = map[[4]byte]time.Time{}
	}
	if last, known := a.last[addr]; known && addr[1] != 0 {
		a.gaps = append(a.gaps, now.Sub(last))
	}
	a.last[addr] = now
}

// errors are quantiles, in milliseconds, of the distance of the gaps from a second since it was asked before.
func (a *arrivals) errors() (p50, p99, most float64) {
	a.mu.Lock()
	gaps := a.gaps
	a.gaps = nil
	a.mu.Unlock()
	if len(gaps) == 0 {
		return 0, 0, 0
	}
	off := make([]float64, len(gaps))
	for i, gap := range gaps {
		off[i] = (gap - time.Second).Abs().Seconds() * 1000
	}
	slices.Sort(off)
	return off[len(off)/2], off[len(off)*99/100], off[len(off)-1]
}

func newBenchTarget(b *testing.B) *benchTarget {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestBenchTarget$", "-bench-target")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close() // ends it
		_ = cmd.Wait()
	})
	t := &benchTarget{ask: in, said: bufio.NewScanner(out)}
	if !t.said.Scan() {
		b.Fatal("the target did not start")
	}
	if t.port, err = strconv.Atoi(t.said.Text()); err != nil {
		b.Fatal(err)
	}
	return t
}

// errors are those of the gaps since it was called before.
func (t *benchTarget) errors(b *testing.B) (p50, p99, most float64) {
	b.Helper()
	if _, err := io.WriteString(t.ask, "\n"); err != nil || !t.said.Scan() {
		b.Fatal("the target does not answer", err)
	}
	if _, err := fmt.Sscan(t.said.Text(), &p50, &p99, &most); err != nil {
		b.Fatal(err)
	}
	return p50, p99, most
}

// address is that of monitor id, beside those that the floor uses.
func (t *benchTarget) address(id uint32) string {
	return netip.AddrFrom4([4]byte{127, byte(1 + id>>16), byte(id >> 8), byte(id)}).String()
}

// ownCPU is what the process has used.
func ownCPU() time.Duration {
	var use syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &use)
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// floor is the CPU in microseconds of a connect and a close, 64 in flight, with nothing around them.
func (t *benchTarget) floor(b *testing.B, n int) float64 {
	b.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ep, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		b.Fatal(err)
	}
	defer syscall.Close(ep)
	var begin, end syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_THREAD, &begin)
	events := make([]syscall.EpollEvent, 64)
	for started, flying := 0, 0; started < n || flying > 0; {
		for ; flying < 64 && started < n; started, flying = started+1, flying+1 {
			fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
			if err != nil {
				b.Fatal(err)
			}
			to := &syscall.SockaddrInet4{Port: t.port, Addr: [4]byte{127, 0, byte(started >> 8), byte(started)}}
			if err := syscall.Connect(fd, to); err != nil && err != syscall.EINPROGRESS {
				b.Fatal(err)
			}
			if err := syscall.EpollCtl(ep, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLOUT, Fd: int32(fd)}); err != nil {
				b.Fatal(err)
			}
		}
		got, err := syscall.EpollWait(ep, events, -1)
		if err != nil && err != syscall.EINTR {
			b.Fatal(err)
		}
		for _, ev := range events[:max(got, 0)] {
			if v, err := syscall.GetsockoptInt(int(ev.Fd), syscall.SOL_SOCKET, syscall.SO_ERROR); err != nil || v != 0 {
				b.Fatal(err, v)
			}
			_ = syscall.Close(int(ev.Fd))
			flying--
		}
	}
	_ = syscall.Getrusage(syscall.RUSAGE_THREAD, &end)
	return float64(end.Utime.Nano()+end.Stime.Nano()-begin.Utime.Nano()-begin.Stime.Nano()) / 1000 / float64(n)
}
