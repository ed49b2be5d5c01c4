package nettest_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

func TestManyAtOnce(t *testing.T) {
	const checks = 2000
	tcp := serveTCP(t, "127.0.0.1:0", func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) })
	web := startHTTP(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	var wg sync.WaitGroup
	for i := range checks {
		wg.Go(func() {
			var test nettest.NetworkTest = &nettest.TCPTest{}
			config := nettest.TestConfig{Name: "many", Address: tcp, Timeout: 20 * time.Second}
			if i%2 == 1 {
				test, config.Address = &nettest.HTTPTest{}, web.URL
			}
			r, err := test.Execute(context.Background(), config)
			checkResult(t, config, r, err)
			if err != nil {
				t.Errorf("check %d: %v", i, err)
			}
		})
	}
	wg.Wait()
}

// TestNoDescriptorIsLost runs 1,000 checks over all faults.
func TestNoDescriptorIsLost(t *testing.T) {
	s := startFaults(t)
	web := &nettest.HTTPTest{TLS: &tls.Config{RootCAs: s.Roots()}}
	tcp := &nettest.TCPTest{}
	cases := faulttest.Cases()
	round := func(count int) {
		var wg sync.WaitGroup
		free := make(chan struct{}, 64)
		for i := range count {
			free <- struct{}{}
			wg.Go(func() {
				defer func() { <-free }()
				f := cases[i%len(cases)].Fault
				if i%5 == 0 {
					_, _ = tcp.Execute(context.Background(), nettest.TestConfig{Address: s.Addr(f), Timeout: 200 * time.Millisecond})
					return
				}
				_, _ = web.Execute(context.Background(), nettest.TestConfig{
					Address: s.URL(f), Timeout: 200 * time.Millisecond, Config: nettest.HTTPConfig{FollowRedirects: true},
				})
			})
		}
		wg.Wait()
	}
	round(len(cases)) // what is opened once, such as the poller, is opened now
	base := settle(t, 0)
	round(1000)
	if after := settle(t, base); after > base {
		t.Errorf("%d descriptors before, %d after", base, after)
	}
}

// settle counts the descriptors once the server has seen that the checks are
// gone: when they are no more than most, or stay the same.
func settle(t *testing.T, most int) int {
	t.Helper()
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	last := count()
	for same, tries := 0, 0; same < 15 && tries < 100 && last > most; tries++ {
		<-ticker.C
		if n := count(); n == last {
			same++
		} else {
			last, same = n, 0
		}
	}
	return last
}

// TestMemoryIsBounded watches how much is alive while a hostile peer is checked,
// the peer's own memory included.
func TestMemoryIsBounded(t *testing.T) {
	const bound = 24 << 20
	s := startFaults(t)
	test := &nettest.HTTPTest{TLS: &tls.Config{RootCAs: s.Roots()}}
	for _, f := range []faulttest.Fault{
		faulttest.GzipBomb, faulttest.BrotliBomb, faulttest.ZstdBomb, faulttest.DeflateBomb, faulttest.HugeHeaders,
		faulttest.ManyHeaders, faulttest.EndlessBody, faulttest.EndlessChunks, faulttest.HugeBody, faulttest.HugeChunkLine,
		faulttest.InterimFlood, faulttest.H2EndlessBody, faulttest.H2HugeHeaders,
	} {
		var alive int64
		for range 2 { // the first time the peer prepares its bomb
			alive = peak(func() {
				r, _ := test.Execute(context.Background(), nettest.TestConfig{Address: s.URL(f), Timeout: 20 * time.Second})
				if r.Status != nettest.StatusFailure || len(r.Body) > nettest.DefaultBodyLimit {
					t.Errorf("%s: %+v", f, r)
				}
			})
		}
		t.Logf("%-20s %8.1f KiB", f, float64(alive)/1024)
		if alive > bound {
			t.Errorf("%s: one check holds %d bytes", f, alive)
		}
	}
}

// peak returns by how many bytes the heap grew at most while f ran. It collects
// garbage all the time, so that only what is alive counts.
func peak(f func()) int64 {
	var stats runtime.MemStats
	measure := func() int64 {
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	base := measure()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	most := base
	for {
		select {
		case <-done:
			return most - base
		default:
			most = max(most, measure())
		}
	}
}
