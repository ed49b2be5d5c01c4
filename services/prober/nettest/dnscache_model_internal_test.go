package nettest

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/frogstats/uptime/internal/bubbletest"
)

func TestCachedAddrsDoesNotAllocate(t *testing.T) {
	source := &scriptedSource{}
	source.always("192.0.2.1", time.Minute)
	n := &Network{Resolver: source}
	_, _ = learn(t, n, IPAny)
	for _, v := range []IPVersion{IPAny, IPv4} {
		if allocs := testing.AllocsPerRun(1000, func() {
			if _, ok := n.ownNames().cachedAddrs("name.test", v); !ok {
				t.Error("not kept")
			}
		}); allocs != 0 {
			t.Errorf("%s: %v allocations", v, allocs)
		}
	}
}

// TestCacheModel: whatever happens, an address that is used was given by an
// answer that is still valid.
func TestCacheModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		type step struct {
			after time.Duration
			kind  int
			ttl   time.Duration
		}
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
			return step{
				after: time.Duration(rapid.IntRange(0, 30_000).Draw(t, "after")) * time.Millisecond,
				kind:  rapid.IntRange(0, 4).Draw(t, "kind"),
				ttl:   time.Duration(rapid.IntRange(0, 90).Draw(t, "ttl")) * time.Second,
			}
		}), 1, 60).Draw(rt, "steps")
		bubbletest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			ends := map[netip.Addr]time.Time{} // when the latest answer with it ends
			serial, now := byte(0), netip.AddrFrom4([4]byte{192, 0, 2, 0})
			mode, ttl := 0, time.Minute
			source := &scriptedSource{}
			source.answer(func(_ context.Context, host string, family IPVersion) resolution {
				mu.Lock()
				defer mu.Unlock()
				switch {
				case mode == 1:
					return resolution{err: errServerTrouble}
				case mode == 2 || family == IPv6:
					return resolution{err: missingName(host), keep: ttl}
				}
				ends[now] = time.Now().Add(min(ttl, DefaultDNSCacheTTL))
				return resolution{addrs: []netip.Addr{now}, keep: ttl}
			})
			n := &Network{Resolver: source}
			for _, s := range steps {
				wait(s.after)
				mu.Lock()
				switch s.kind {
				case 0:
					serial++
					now = netip.AddrFrom4([4]byte{192, 0, 2, serial})
					mode, ttl = 0, s.ttl
				case 1, 2:
					mode = s.kind
				}
				mu.Unlock()
				for _, v := range []IPVersion{IPAny, IPv4} {
					if addrs, ok := n.ownNames().cachedAddrs("name.test", v); ok {
						mu.Lock()
						if len(addrs) == 0 || !time.Now().Before(ends[addrs[0]]) {
							rt.Errorf("%v ended at %v, it is %v", addrs, ends[addrs[0]], time.Now())
						}
						mu.Unlock()
					}
					_, err := learn(t, n, v)
					mu.Lock()
					if healthy := mode == 0; err != nil && healthy && s.kind != 0 && !notFound(err) {
						rt.Errorf("%v from a healthy source", err)
					}
					mu.Unlock()
				}
			}
		})
	})
}

// BenchmarkCachedAddrs: what resolving costs a check of a name that is known.
func BenchmarkCachedAddrs(b *testing.B) {
	source := &scriptedSource{}
	n := &Network{Resolver: source}
	source.always("192.0.2.1", time.Hour)
	for i := range 10_000 {
		host := fmt.Sprintf("name%d.test", i)
		for _, v := range []IPVersion{IPv4, IPv6} {
			n.ownNames().cache.lookup(b.Context(), n.ownNames(), host, v, false)
		}
	}
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := n.ownNames().cachedAddrs("name77.test", IPAny); !ok {
				b.Fatal("not kept")
			}
		}
	})
	b.Run("goroutines-1000", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(500)
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				if _, ok := n.ownNames().cachedAddrs("name77.test", IPAny); !ok {
					b.Error("not kept")
				}
			}
		})
	})
	system := &Network{Resolver: &SystemResolver{}}
	if _, err := system.ownNames().lookup(b.Context(), "localhost", IPv4); err != nil {
		b.Skip(err)
	}
	b.Run("system-resolver", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := system.ownNames().cachedAddrs("localhost", IPv4); !ok {
				b.Fatal("not kept")
			}
		}
	})
}
