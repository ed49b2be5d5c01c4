package nettest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/frogstats/uptime/internal/bubbletest"
)

// scriptedSource answers as a test says.
type scriptedSource struct {
	Resolver
	asked   atomic.Int64
	running atomic.Int64
	settled atomic.Uint64

	mu    sync.Mutex
	reply func(ctx context.Context, host string, family IPVersion) resolution
}

func (s *scriptedSource) generation(int64) uint64 { return s.settled.Load() }

func (s *scriptedSource) resolve(ctx context.Context, host string, family IPVersion) resolution {
	s.asked.Add(1)
	s.running.Add(1)
	defer s.running.Add(-1)
	s.mu.Lock()
	reply := s.reply
	s.mu.Unlock()
	found := reply(ctx, host, family)
	found.generation = s.settled.Load()
	found.fromServer = true
	return found
}

func (s *scriptedSource) answer(reply func(ctx context.Context, host string, family IPVersion) resolution) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reply = reply
}

// always answers A with addr for ttl, and AAAA with nothing for as long.
func (s *scriptedSource) always(addr string, ttl time.Duration) {
	s.answer(func(_ context.Context, host string, family IPVersion) resolution {
		if family == IPv6 {
			return resolution{err: missingName(host), keep: ttl}
		}
		return resolution{addrs: []netip.Addr{netip.MustParseAddr(addr)}, keep: ttl}
	})
}

func missingName(host string) error {
	return &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

var errServerTrouble = &net.DNSError{Err: "server misbehaving", IsTemporary: true}

func (s *scriptedSource) fail() {
	s.answer(func(context.Context, string, IPVersion) resolution { return resolution{err: errServerTrouble} })
}

// learn looks name.test up as a check does.
func learn(t *testing.T, n *Network, v IPVersion) ([]netip.Addr, error) {
	t.Helper()
	if addrs, ok := n.ownNames().cachedAddrs("name.test", v); ok {
		return addrs, nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	found, err := n.ownNames().lookup(ctx, "name.test", v)
	return found.addrs, err
}

func kept(n *Network, v IPVersion) string {
	addrs, ok := n.ownNames().cachedAddrs("name.test", v)
	if !ok {
		return ""
	}
	return fmt.Sprint(addrs)
}

// wait is for bubbles, where the clock jumps.
func wait(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // the bubble's clock jumps
	synctest.Wait()
}

func TestCacheKeepsAsLongAsTheAnswerAllows(t *testing.T) {
	for _, tt := range []struct {
		name         string
		ttl, longest time.Duration
		want         time.Duration
	}{
		{"its own time", 40 * time.Second, 0, 40 * time.Second},
		{"the cap", 24 * time.Hour, 0, DefaultDNSCacheTTL},
		{"a cap of one's own", time.Hour, time.Minute, time.Minute},
		{"not at all", 0, 0, 0},
	} {
		bubbletest.Test(t, func(t *testing.T) {
			source := &scriptedSource{}
			source.always("192.0.2.1", tt.ttl)
			n := &Network{Resolver: source, DNSCacheTTL: tt.longest}
			if addrs, err := learn(t, n, IPAny); err != nil || len(addrs) != 1 {
				t.Fatal(addrs, err)
			}
			source.fail() // what is asked ahead brings nothing
			if tt.want == 0 {
				if kept(n, IPAny) != "" || kept(n, IPv4) != "" {
					t.Errorf("%s: kept", tt.name)
				}
				return
			}
			wait(tt.want - time.Nanosecond)
			if kept(n, IPAny) != "[192.0.2.1]" || kept(n, IPv4) != "[192.0.2.1]" || kept(n, IPv6) != "" {
				t.Errorf("%s: any %s, ipv4 %s, ipv6 %s", tt.name, kept(n, IPAny), kept(n, IPv4), kept(n, IPv6))
			}
			wait(time.Nanosecond)
			if kept(n, IPAny) != "" || kept(n, IPv4) != "" {
				t.Errorf("%s: stale", tt.name)
			}
			if _, err := learn(t, n, IPAny); err == nil {
				t.Errorf("%s: a stale answer was used", tt.name)
			}
		})
	}
}

// TestCacheRefreshesAhead: checks of a name in use never wait; a name that is
// used no more is asked for a few times more.
func TestCacheRefreshesAhead(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		source := &scriptedSource{}
		source.always("192.0.2.1", time.Minute)
		n := &Network{Resolver: source}
		if _, err := learn(t, n, IPAny); err != nil {
			t.Fatal(err)
		}
		for i := range 30 {
			wait(75 * time.Second)
			if kept(n, IPAny) == "" {
				t.Errorf("the check after %d s has to wait", (i+1)*75)
			}
		}
		source.always("192.0.2.2", time.Minute)
		wait(time.Minute)
		if got := kept(n, IPAny); got != "[192.0.2.2]" {
			t.Errorf("got %s after the change", got)
		}
		asked := source.asked.Load()
		wait(10 * time.Minute)
		if more := source.asked.Load() - asked; more > families*idleRefreshes || kept(n, IPAny) != "" {
			t.Errorf("asked %d times for a name nobody used", more)
		}
		if shard := n.book.cache.shard("name.test"); len(shard.names) != 0 {
			t.Error("a name nobody used is still there")
		}
	})
}

// TestCacheBelievesAbsenceBriefly: a name that comes to be is seen a second
// later, but a family that a name lacks is not asked for all the time.
func TestCacheBelievesAbsenceBriefly(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		source := &scriptedSource{}
		source.answer(func(_ context.Context, host string, _ IPVersion) resolution {
			return resolution{err: missingName(host), keep: time.Hour}
		})
		n := &Network{Resolver: source}
		for range 10 {
			if _, err := learn(t, n, IPAny); !notFound(err) {
				t.Fatal(err)
			}
		}
		if source.asked.Load() != 2 {
			t.Errorf("asked %d times within a moment", source.asked.Load())
		}
		source.always("192.0.2.1", time.Hour)
		wait(negativeTTL)
		if addrs, err := learn(t, n, IPAny); err != nil || len(addrs) != 1 {
			t.Errorf("the recovery is hidden: %v, %v", addrs, err)
		}
		asked := source.asked.Load()
		wait(DefaultDNSCacheTTL / 2)
		if kept(n, IPAny) == "" || source.asked.Load() != asked {
			t.Error("the missing family was asked for again")
		}
		// Who wants that family alone is not told what was half a minute ago.
		if _, err := learn(t, n, IPv6); err == nil || source.asked.Load() == asked {
			t.Errorf("%v without asking", err)
		}
	})
}

func TestCacheMergesQuestions(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		source := &scriptedSource{}
		source.answer(func(ctx context.Context, _ string, _ IPVersion) resolution {
			select {
			case <-time.After(100 * time.Millisecond):
				return resolution{addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, keep: time.Minute}
			case <-ctx.Done():
				return resolution{err: ctx.Err()}
			}
		})
		n := &Network{Resolver: source}
		var wg sync.WaitGroup
		var late atomic.Int64
		for i := range 1000 {
			wg.Go(func() {
				patience := time.Second
				if i%2 == 1 {
					patience = 50 * time.Millisecond
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				began := time.Now()
				_, err := n.ownNames().lookup(ctx, "name.test", IPv4)
				if i%2 == 1 {
					late.Add(1)
					if classify(PhaseDNS, err) != ErrDNSTimeout || time.Since(began) != patience {
						t.Errorf("%v after %s", err, time.Since(began))
					}
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if source.asked.Load() != 1 || late.Load() != 500 {
			t.Errorf("asked %d times", source.asked.Load())
		}
	})
}

// TestCacheDoesNotJoinALostQuestion: a question that may have been lost takes
// nobody along, and one that nobody waits for ends.
func TestCacheDoesNotJoinALostQuestion(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		source := &scriptedSource{}
		source.answer(func(ctx context.Context, _ string, _ IPVersion) resolution {
			<-ctx.Done()
			return resolution{err: ctx.Err()}
		})
		n := &Network{Resolver: source}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = n.ownNames().lookup(ctx, "name.test", IPv4) })
		wait(joinWindow)
		source.always("192.0.2.1", time.Minute)
		if addrs, err := learn(t, n, IPv4); err != nil || len(addrs) != 1 {
			t.Errorf("%v, %v", addrs, err)
		}
		if source.running.Load() != 1 {
			t.Error("the first question should still be waited for")
		}
		cancel()
		wg.Wait()
		synctest.Wait()
		if source.running.Load() != 0 {
			t.Error("a question that nobody waits for goes on")
		}
		if kept(n, IPv4) == "" {
			t.Error("it took the answer with it")
		}
	})
}

// TestCacheForgets: other settings, other answers.
func TestCacheForgets(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		source := &scriptedSource{}
		source.always("192.0.2.1", time.Minute)
		n := &Network{Resolver: source}
		_, _ = learn(t, n, IPAny)
		source.settled.Add(1)
		if kept(n, IPAny) != "" {
			t.Error("an answer of former settings")
		}
		source.always("192.0.2.2", time.Minute)
		if _, err := learn(t, n, IPv4); err != nil || kept(n, IPv4) != "[192.0.2.2]" || kept(n, IPAny) != "" {
			t.Errorf("%v, ipv4 %s, any %s", err, kept(n, IPv4), kept(n, IPAny))
		}
	})
}

func TestCacheIsBounded(t *testing.T) {
	source := &scriptedSource{}
	source.always("192.0.2.1", time.Minute)
	n := &Network{Resolver: source}
	own := n.ownNames()
	own.cache.limit = 10
	for i := range 20 * cacheShards {
		if found, _ := own.cache.lookup(t.Context(), own, fmt.Sprintf("name%d.test", i), IPv4, true); found.err != nil {
			t.Fatal(found.err)
		}
	}
	total := 0
	for i := range own.cache.shards {
		total += len(own.cache.shards[i].names)
	}
	if total > 10*cacheShards || total < 9*cacheShards {
		t.Errorf("%d names are kept", total)
	}
	for i := range own.cache.shards {
		for _, name := range own.cache.shards[i].names {
			own.cache.remove(&own.cache.shards[i], name)
		}
	}
}

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
