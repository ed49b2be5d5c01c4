package prober

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

var isolated = flag.Bool("isolated", false, "run TestWithoutEgress in the network namespace that it is in")

// TestWithoutEgress takes the network away from a prober with 300 monitors, in a namespace of its own: real sockets, real
// witnesses, a default route into nowhere.
func TestWithoutEgress(t *testing.T) {
	if *isolated {
		withoutEgress(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestWithoutEgress$", "-test.timeout=60s", "-isolated")
	faulttest.Isolate(cmd)
	output, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Skipf("cannot make a network namespace (needs root or user namespaces): %v", err)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	t.Logf("%s", output)
}

// ours are addresses that answer on a port as long as they are this machine's.
type ours struct {
	t    *testing.T
	open map[int]io.Closer
}

func (o *ours) own(number int, prefix string) {
	o.t.Helper()
	c, err := faulttest.Own(number, prefix)
	if err != nil {
		o.t.Skip(err)
	}
	o.open[number] = c
}

func (o *ours) disown(number int) {
	o.t.Helper()
	if err := o.open[number].Close(); err != nil {
		o.t.Fatal(err)
	}
}

func withoutEgress(t *testing.T) {
	if err := faulttest.LoopbackUp(); err != nil {
		t.Skip(err)
	}
	hole, err := faulttest.OpenBlackHole()
	if err != nil {
		t.Skip(err)
	}
	defer hole.Close()
	port := acceptAll(t)
	o := &ours{t: t, open: map[int]io.Closer{}}
	const targets, witnesses, one = 1, 2, 3
	online := func() {
		o.own(targets, "203.0.0.1/16")
		o.own(witnesses, "192.0.2.1/24")
	}
	online()
	o.own(one, "203.1.0.1/32")

	b := startOnNetwork(t, fmt.Sprintf("192.0.2.1:%d", port), fmt.Sprintf("192.0.2.2:%d", port), fmt.Sprintf("192.0.2.3:%d", port))
	for id := range uint32(299) {
		b.connects(id+1, fmt.Sprintf("203.0.%d.1", id%40), port)
	}
	b.connects(300, "203.1.0.1", port)
	pause(3 * time.Second)

	// One target dies.
	o.disown(one)
	pause(4 * time.Second)
	o.own(one, "203.1.0.1/32")
	pause(2 * time.Second)

	// All are out of reach.
	cut := time.Now()
	o.disown(targets)
	o.disown(witnesses)
	o.disown(one)
	stalledBefore := stalls(6 * time.Second)
	online()
	o.own(one, "203.1.0.1/32")
	back := time.Now()
	stalled := stalls(5 * time.Second)

	var before, during, after []*checkv1.CheckResult
	rows := b.stopAndRead(t)
	inOrder(t, rows)
	for _, r := range rows {
		switch at := r.GetStartedAt().AsTime(); {
		case at.Before(cut.Add(-time.Second)):
			before = append(before, r)
		case at.After(back.Add(2 * time.Second)):
			after = append(after, r)
		default:
			during = append(during, r)
		}
	}
	if got := count(before); got["timeout connection_timeout"] < 2 || got["timeout connection_timeout"] > 5 || got["success"] < 1500 || got["error observer_offline"] != 0 {
		t.Errorf("one target died: %v", got)
	}
	if got := count(during); got["error observer_offline"] < 1200 || got["timeout connection_timeout"] != 0 || got["failure host_unreachable"] != 0 {
		t.Errorf("without a network: %v", got)
	}
	// In a second in which this process did not run no slot did: that is the machine's, and is told as such.
	want := 600 - 300*int((stalled+time.Second-1)/time.Second)
	if got := count(after); got["success"] < want || stalled+stalledBefore == 0 && got["missed overload"] > 0 || got["error observer_offline"]+got["timeout connection_timeout"] != 0 {
		t.Errorf("afterwards: %v, want %d successes; stalled for %v", got, want, stalled)
	}
	t.Logf("one died %v, without a network %v, afterwards %v", count(before), count(during), count(after))
}

// stalls waits for d, and is for how long of it this process did not run, by the pauses of a timer that are worth a check.
func stalls(d time.Duration) (lost time.Duration) {
	const every = 10 * time.Millisecond
	began := time.Now()
	for before := began; time.Since(began) < d; {
		pause(every)
		now := time.Now()
		if late := now.Sub(before) - every; late > 400*time.Millisecond {
			lost += late
		}
		before = now
	}
	return lost
}

// acceptAll takes every connection to a port of any address of this machine.
func acceptAll(t *testing.T) (port int) {
	t.Helper()
	l, err := net.Listen("tcp4", ":0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

// startOnNetwork is an engine with real checks and witnesses.
func startOnNetwork(t *testing.T, witnesses ...string) *bench {
	t.Helper()
	cfg, err := Config{ProberID: "p1", Region: "local", Witnesses: witnesses}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	m, err := newMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	box, checker := NewMemoryOutbox(1_000_000, 1<<30).(*memoryOutbox), NewChecker(nil, nil)
	newLoop := func() (tcpLoop, error) { return nettest.NewTCPLoop(checker.network, nettest.LoopOptions{}) }
	b := &bench{engine: newEngine(cfg, checker.prepare, newLoop, box, m, newTracer(nil, -1), slog.New(slog.DiscardHandler)), box: box}
	if err := b.observer.set(cfg, &checker.network.Health); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	b.cancel = cancel
	b.done.Go(func() { b.run(ctx, cfg.StopGrace) })
	return b
}

// connects gives b a monitor that connects to a port every second.
func (b *bench) connects(id uint32, host string, port int) {
	a := benchAssignment(id, host, port)
	a.Spec.TcpConfig.TimeoutMs, a.RetryIntervalSeconds = ptr(int32(900)), 1
	b.assign(a, &lastSlot{at: time.Now()}, false)
}
