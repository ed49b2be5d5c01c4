package nettest_test

import (
	"context"
	"crypto/tls"
	"sync"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// TestMemoryOfManyBombs lets sixteen hostile bodies explode at once.
func TestMemoryOfManyBombs(t *testing.T) {
	const (
		checks = 16
		bound  = checks * 12 << 20 // a window of a decoder and what it has put out
	)
	s := startFaults(t)
	test := &nettest.HTTPTest{TLS: &tls.Config{RootCAs: s.Roots()}}
	bombs := []faulttest.Fault{faulttest.GzipBomb, faulttest.BrotliBomb, faulttest.ZstdBomb, faulttest.NestedBomb}
	var alive int64
	for range 2 { // the first time the peer prepares its bombs
		alive = peak(func() {
			var wg sync.WaitGroup
			for i := range checks {
				wg.Go(func() {
					r, _ := test.Execute(context.Background(), nettest.TestConfig{Address: s.URL(bombs[i%len(bombs)]), Timeout: 30 * time.Second})
					if r.ErrorType != nettest.ErrResponseTooLarge || len(r.Body) > nettest.DefaultBodyLimit {
						t.Errorf("%s: %s %s", bombs[i%len(bombs)], r.ErrorType, r.Error)
					}
				})
			}
			wg.Wait()
		})
	}
	t.Logf("%d bombs hold %.1f MiB", checks, float64(alive)/(1<<20))
	if alive > bound {
		t.Errorf("%d bombs hold %d bytes", checks, alive)
	}
}

// TestFloodsEnd holds that a peer that sends for ever without saying anything is
// given up long before the check's time.
func TestFloodsEnd(t *testing.T) {
	s := startFaults(t)
	test := &nettest.HTTPTest{TLS: &tls.Config{RootCAs: s.Roots()}}
	for _, f := range []faulttest.Fault{
		faulttest.H2PingStorm, faulttest.H2SettingStorm, faulttest.H2WindowStorm, faulttest.H2UnknownStorm, faulttest.H2EmptyStorm,
		faulttest.H2HugeHeaders, faulttest.TLSKeyUpdates, faulttest.TLSTickets,
	} {
		var r *nettest.TestResult
		alive := peak(func() {
			r, _ = test.Execute(context.Background(), nettest.TestConfig{Address: s.URL(f), Timeout: 60 * time.Second})
		})
		t.Logf("%-20s %8.1f KiB, %s", f, float64(alive)/1024, r.Latency.Round(time.Millisecond))
		if r.Status != nettest.StatusFailure || alive > 32<<20 {
			t.Errorf("%s: %d bytes, %s %s", f, alive, r.ErrorType, r.Error)
		}
	}
}
