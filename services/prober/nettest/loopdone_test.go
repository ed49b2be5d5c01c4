package nettest_test

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// ledger is a sink that counts how often each run was reported, and starts
// further runs out of Done, as long as it has some.
type ledger struct {
	mu    sync.Mutex
	done  map[uint64]int
	more  []nettest.TCPRun
	loop  *nettest.TCPLoop
	wrong []string
}

func (l *ledger) Done(tag uint64, r *nettest.TestResult, err error) {
	l.mu.Lock()
	l.done[tag]++
	if (err == nil) != (r.Status == nettest.StatusSuccess) || r.EndpointID == "" {
		l.wrong = append(l.wrong, r.Error)
	}
	var next []nettest.TCPRun
	if n := len(l.more); n > 0 {
		next, l.more = l.more[n-1:], l.more[:n-1]
	}
	l.mu.Unlock()
	l.loop.Start(next)
}

// TestEveryRunIsDoneOnce interleaves starts from several goroutines with ends of
// all kinds and with the end of the loop itself.
func TestEveryRunIsDoneOnce(t *testing.T) {
	s, d := startFaults(t), startDNS(t)
	open := serveTCP(t, "127.0.0.1:0", func(net.Conn) {})
	port := open[strings.LastIndexByte(open, ':'):]
	d.Set("known.test", faulttest.Records, "127.0.0.1", "::1")
	d.Set("mute.test", faulttest.Mute)
	targets := []string{
		open, s.Addr(faulttest.Refused), s.Addr(faulttest.BlackHole), "127.9.9.9:80", // denied
		"known.test" + port, "mute.test:80", "missing.test:80",
	}
	rapid.Check(t, func(rt *rapid.T) {
		n := asking(d)
		n.Policy, n.AttemptDelay = denyOne(netip.MustParseAddr("127.9.9.9")), 5*time.Millisecond
		o := nettest.LoopOptions{
			Portable:    rapid.Bool().Draw(rt, "portable"),
			Reset:       rapid.Bool().Draw(rt, "reset"),
			MaxInFlight: rapid.IntRange(1, 40).Draw(rt, "in flight"),
		}
		loop, err := nettest.NewTCPLoop(n, o)
		if err != nil {
			rt.Fatal(err)
		}
		book := &ledger{done: map[uint64]int{}, loop: loop}
		var batches [][]nettest.TCPRun
		total := uint64(0)
		draw := func(label string) (batch []nettest.TCPRun) {
			for range rapid.IntRange(0, 30).Draw(rt, label) {
				check, err := loop.Prepare(nettest.TestConfig{
					Name: "x", Address: rapid.SampledFrom(targets).Draw(rt, "target"),
					Timeout: time.Duration(rapid.IntRange(1, 40).Draw(rt, "timeout")) * time.Millisecond,
				})
				if err != nil {
					rt.Fatal(err)
				}
				batch = append(batch, nettest.TCPRun{Check: check, Tag: total, Sink: book})
				total++
			}
			return batch
		}
		for range rapid.IntRange(1, 6).Draw(rt, "batches") {
			batches = append(batches, draw("batch"))
		}
		book.more = draw("out of Done")
		closeAfter := time.Duration(rapid.IntRange(0, 60).Draw(rt, "close after")) * time.Millisecond

		var wg sync.WaitGroup
		for _, batch := range batches {
			wg.Go(func() { loop.Start(batch) })
		}
		<-time.After(closeAfter)
		if err := loop.Close(); err != nil {
			rt.Error(err)
		}
		wg.Wait()
		book.mu.Lock()
		rest := book.more
		book.more = nil
		book.mu.Unlock()
		loop.Start(rest) // after Close: cancelled
		for tag := range total {
			if book.done[tag] != 1 {
				rt.Fatalf("run %d of %d was reported %d times", tag, total, book.done[tag])
			}
		}
		if len(book.wrong) > 0 {
			rt.Fatalf("results that do not fit their errors: %q", book.wrong)
		}
	})
}

// denyOne is a policy against one address.
type denyOne netip.Addr

func (d denyOne) Check(a netip.Addr) error {
	if a == netip.Addr(d) {
		return errors.New("closed")
	}
	return nil
}

// TestLoopIsCrowded: a run that finds no place waits for one, but not for ever.
func TestLoopIsCrowded(t *testing.T) {
	s := startFaults(t)
	open := serveTCP(t, "127.0.0.1:0", func(net.Conn) {})
	for _, portable := range []bool{false, true} {
		l := newLoop(t, nil, nettest.LoopOptions{MaxInFlight: 2, Portable: portable})
		config := nettest.TestConfig{Address: s.Addr(faulttest.BlackHole), Timeout: 300 * time.Millisecond}
		short := prepare(t, l, config)
		config.Timeout = 1800 * time.Millisecond
		long := prepare(t, l, config)
		good := prepare(t, l, nettest.TestConfig{Address: open, Timeout: time.Second})
		sink := make(outcomes, 3)

		// One place becomes free in time.
		began := time.Now()
		l.Start([]nettest.TCPRun{{Check: short, Tag: 1, Sink: sink}, {Check: short, Tag: 2, Sink: sink}, {Check: good, Tag: 3, Sink: sink}})
		for range 3 {
			if o := <-sink; (o.tag == 3) != (o.err == nil) || o.tag == 3 && (o.result.Latency > 100*time.Millisecond || o.result.Timestamp.Sub(began) < 200*time.Millisecond) {
				t.Errorf("portable %v: %d: %v, %+v", portable, o.tag, o.err, o.result)
			}
		}
		// None does.
		began = time.Now()
		l.Start([]nettest.TCPRun{{Check: long, Tag: 1, Sink: sink}, {Check: long, Tag: 2, Sink: sink}, {Check: good, Tag: 3, Sink: sink}})
		o := <-sink
		if took := time.Since(began); o.tag != 3 || !errors.Is(o.err, nettest.ErrOverload) || o.result.Status != nettest.StatusError ||
			took < time.Second || took > 1200*time.Millisecond {
			t.Errorf("portable %v: %d: %v after %s", portable, o.tag, o.err, took)
		}
		for range 2 {
			if o := <-sink; !errors.Is(o.err, nettest.ErrConnectionTimeout) {
				t.Errorf("portable %v: %d: %v, %+v", portable, o.tag, o.err, o.result)
			}
		}
	}
}

func TestLoopRefusesWhatIsNotPlain(t *testing.T) {
	l := newLoop(t, nil, nettest.LoopOptions{})
	for _, config := range []nettest.TCPConfig{
		{SendData: "x"}, {ExpectResponse: true}, {ExpectedData: "x"}, {Banner: true}, {TLS: &nettest.TLSOptions{}},
	} {
		if _, err := l.Prepare(nettest.TestConfig{Address: "db:1", Config: config}); !errors.Is(err, nettest.ErrNotPlain) {
			t.Errorf("%+v: %v", config, err)
		}
	}
	if _, err := l.Prepare(nettest.TestConfig{Address: "db:0"}); !errors.Is(err, nettest.ErrInvalidConfig) {
		t.Error(err)
	}
}
