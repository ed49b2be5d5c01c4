//go:build !race

package nettest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// phaseError is how far a phase may be off at the 99th percentile.
const phaseError = 2 * time.Millisecond

// misses are, by phase, how far a check's measurement was from the target's.
type misses map[string][]time.Duration

func (m misses) add(phase string, measured nettest.Span, spent time.Duration) {
	miss := measured.Duration - spent
	if !measured.Valid || spent < 0 {
		miss = time.Hour
	}
	m[phase] = append(m[phase], max(miss, -miss))
}

func (m misses) merge(o misses) {
	for phase, list := range o {
		m[phase] = append(m[phase], list...)
	}
}

// p99 is the 99th percentile.
func p99(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[(len(list)-1)*99/100]
}

// control measures how long this machine lets a goroutine wait that has nothing
// to do with checks: for a packet over loopback to another goroutine and back,
// and, while it computes, for a processor that somebody else has.
func control(t *testing.T) (stop func() (trip, starved time.Duration)) {
	t.Helper()
	echo, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	peer, err := net.DialUDP("udp4", nil, echo.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	var trips, waits []time.Duration
	var work sync.WaitGroup
	done := make(chan struct{})
	work.Go(func() {
		buf := make([]byte, 1)
		for {
			_, from, err := echo.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			_, _ = echo.WriteToUDPAddrPort(buf, from)
		}
	})
	work.Go(func() {
		ticker := time.NewTicker(8 * time.Millisecond)
		defer ticker.Stop()
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		buf := make([]byte, 1)
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
			}
			began := time.Now()
			_ = peer.SetReadDeadline(began.Add(time.Second))
			_, _ = peer.Write(buf)
			_, _ = peer.Read(buf)
			trips = append(trips, time.Since(began))
			waits = append(waits, robbed(time.Millisecond))
		}
	})
	return func() (trip, starved time.Duration) {
		close(done)
		_ = echo.SetReadDeadline(time.Unix(1, 0))
		work.Wait()
		_, _ = peer.Close(), echo.Close()
		return p99(trips), p99(waits)
	}
}

// robbed computes for a time and returns how long its thread, which was ready to
// run, had to wait for a processor.
func robbed(d time.Duration) time.Duration {
	before := queued()
	for began := time.Now(); time.Since(began) < d; {
	}
	return queued() - before
}

// queued is how long the thread has waited for a processor so far, as the
// scheduler counts it; 0 if it does not.
func queued() time.Duration {
	text, err := os.ReadFile("/proc/thread-self/schedstat")
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 2 {
		return 0
	}
	wait, _ := strconv.ParseInt(fields[1], 10, 64)
	return time.Duration(wait)
}

// accurate runs f until every phase is right, which it must be at once unless
// the control shows that the machine was starved meanwhile.
func accurate(t *testing.T, checks int, f func(checks int) misses) {
	t.Helper()
	const tries = 4
	for try := range tries {
		stop := control(t)
		m := f(checks)
		trip, starved := stop()
		var off []string
		report := ""
		for _, phase := range []string{"dns", "connect", "tls", "first byte", "transfer"} {
			if len(m[phase]) == 0 {
				continue
			}
			miss := p99(m[phase])
			report += fmt.Sprintf(" %s %s,", phase, miss.Round(time.Microsecond))
			if miss >= phaseError {
				off = append(off, phase)
			}
		}
		t.Logf("%d checks, p99 of the error:%s of the control: round trip %s, without a processor %s",
			checks, report, trip.Round(time.Microsecond), starved.Round(time.Microsecond))
		switch {
		case len(off) == 0:
			return
		case max(trip, starved) < phaseError/4:
			t.Fatalf("%v off by %s or more at the 99th percentile on an idle machine", off, phaseError)
		case try == tries-1:
			// Half of the checks are right even so, but for the time of scheduling.
			for _, phase := range off {
				if list := m[phase]; list[len(list)/2] >= phaseError+trip+starved {
					t.Fatalf("%s off by %s at the median on a starved machine", phase, list[len(list)/2])
				}
			}
			t.Skipf("the machine is starved: a round trip on loopback takes %s, a computing thread waits %s for a processor", trip, starved)
		}
		checks = max(checks/2, 50)
	}
}

// TestPhasesAgainstTheTargetsClock: what a check says about each phase is what the
// target says that it took. The time of connecting belongs to the kernel here;
// TestConnectAgainstTheWiresClock delays it.
func TestPhasesAgainstTheTargetsClock(t *testing.T) {
	alone(t, phasesOfLateTarget)
}

func phasesOfLateTarget(t *testing.T) {
	target, err := faulttest.StartLate(30 * time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = target.Close() })
	test := &nettest.HTTPTest{
		Network: &nettest.Network{Resolver: &nettest.SystemResolver{Servers: []netip.AddrPort{target.Server()}}},
		TLS:     &tls.Config{RootCAs: target.Roots()},
	}
	round := 0
	accurate(t, 300, func(checks int) misses {
		round++
		all := misses{}
		var mu sync.Mutex
		var work sync.WaitGroup
		todo := make(chan string)
		for range 2 {
			work.Go(func() {
				own := misses{}
				for label := range todo {
					config := nettest.TestConfig{
						Name: label, Address: target.Host(label), Timeout: 10 * time.Second,
						Config: nettest.HTTPConfig{IPVersion: nettest.IPv4},
					}
					r, err := test.Execute(context.Background(), config)
					checkResult(t, config, r, err)
					if err != nil {
						t.Errorf("%v", err)
						continue
					}
					spent := target.Spent(label)
					own.add("dns", r.Phases.DNS, spent.DNS)
					own.add("connect", r.Phases.Connect, 0)
					own.add("tls", r.Phases.TLS, spent.TLS)
					own.add("first byte", r.Phases.TTFB, spent.FirstByte)
					own.add("transfer", r.Phases.Transfer, spent.Body)
				}
				mu.Lock()
				defer mu.Unlock()
				all.merge(own)
			})
		}
		for i := range checks {
			todo <- "r" + strconv.Itoa(round) + "c" + strconv.Itoa(i)
		}
		close(todo)
		work.Wait()
		return all
	})
}

// TestConnectAgainstTheWiresClock: the time of connecting is what the packets
// that open a connection take. Nothing but the network can delay those, so it
// needs a network of its own.
func TestConnectAgainstTheWiresClock(t *testing.T) {
	alone(t, connectOverWire)
}

// aloneEnv marks a test binary that has a network to itself.
const aloneEnv = "NETTEST_ALONE"

// alone runs f in this test, but in a process with a network of its own, where no
// other program's connections fill the tables of the kernel.
func alone(t *testing.T, f func(*testing.T)) {
	if os.Getenv(aloneEnv) != "" {
		if err := faulttest.LoopbackUp(); err != nil {
			t.Skip(err)
		}
		f(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), aloneEnv+"=1")
	faulttest.Isolate(cmd)
	output, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Skipf("cannot make a network namespace (needs root or user namespaces): %v", err)
	}
	t.Logf("%s", output)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(output, []byte("--- SKIP")) {
		t.Skip("skipped in its network")
	}
}

func connectOverWire(t *testing.T) {
	wire, err := faulttest.OpenWire(15 * time.Millisecond)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = wire.Close() })
	ports := make(chan uint16, 1)
	l, err := net.Listen("tcp4", net.JoinHostPort(faulttest.WireNear, "0"))
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); work.Wait() })
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			ports <- uint16(c.RemoteAddr().(*net.TCPAddr).Port)
			_ = c.Close()
		}
	})
	_, port, _ := net.SplitHostPort(l.Addr().String())
	accurate(t, 300, func(checks int) misses {
		m := misses{}
		for range checks {
			config := nettest.TestConfig{Address: net.JoinHostPort(faulttest.WireFar, port), Timeout: 5 * time.Second}
			r, err := (&nettest.TCPTest{}).Execute(context.Background(), config)
			checkResult(t, config, r, err)
			if err != nil {
				t.Fatal(err)
			}
			m.add("connect", r.Phases.Connect, wire.Spent(<-ports))
		}
		return m
	})
}

// TestFastServiceKeepsItsDigits: what takes a fifth of a millisecond is neither 0
// nor 1 ms, and no two checks are alike.
func TestFastServiceKeepsItsDigits(t *testing.T) {
	web := startHTTP(t, func(w http.ResponseWriter, _ *http.Request) {
		for began := time.Now(); time.Since(began) < 200*time.Microsecond; {
		}
		_, _ = w.Write([]byte("ok"))
	})
	test := &nettest.HTTPTest{}
	const checks = 200
	phases := map[string]map[time.Duration]int{}
	for range checks {
		r, err := test.Execute(context.Background(), nettest.TestConfig{Address: web.URL})
		if err != nil {
			t.Fatal(err)
		}
		for name, d := range map[string]time.Duration{
			"latency": r.Latency, "connect": r.Phases.Connect.Duration, "first byte": r.Phases.TTFB.Duration,
			"transfer": r.Phases.Transfer.Duration, "total": r.Phases.Total,
		} {
			if d <= 0 {
				t.Errorf("%s is %s", name, d)
			}
			if phases[name] == nil {
				phases[name] = map[time.Duration]int{}
			}
			phases[name][d]++
		}
		if r.Phases.TTFB.Duration < 200*time.Microsecond {
			t.Errorf("the first byte came after %s, before it was sent", r.Phases.TTFB)
		}
	}
	for name, values := range phases {
		whole := 0
		for d, times := range values {
			if d%time.Millisecond == 0 {
				whole += times
			}
		}
		if len(values) < checks/2 || whole > checks/10 {
			t.Errorf("%s: %d values in %d checks, %d of them whole milliseconds", name, len(values), checks, whole)
		}
	}
}
