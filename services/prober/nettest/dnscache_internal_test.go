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
