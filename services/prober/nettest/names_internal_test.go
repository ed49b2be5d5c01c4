package nettest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/bubbletest"
)

func addrsOf(texts ...string) (all []netip.Addr) {
	for _, text := range texts {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}

// TestSortAddrs has the examples of RFC 6724, section 10.2, that one family can
// have, and our own.
func TestSortAddrs(t *testing.T) {
	for _, tt := range []struct {
		name   string
		from   map[string]string // source by destination; none: it cannot be reached
		answer []string
		want   []string
	}{
		{"unreachable last", map[string]string{"2001:db8::2": "2001:db8::a"}, []string{"2001:db8::1", "2001:db8::2"}, []string{"2001:db8::2", "2001:db8::1"}},
		{"matching scope", map[string]string{"2001:db8:1::1": "fe80::2", "fe80::1": "fe80::2"}, []string{"2001:db8:1::1", "fe80::1"}, []string{"fe80::1", "2001:db8:1::1"}},
		{"matching label", map[string]string{"2002:c633:6401::1": "2002:c633:6401::2", "2001:db8:1::1": "fc00::2"},
			[]string{"2001:db8:1::1", "2002:c633:6401::1"}, []string{"2002:c633:6401::1", "2001:db8:1::1"}},
		{"precedence", map[string]string{"2002:c633:6401::1": "2002:c633:6401::2", "2001:db8:1::1": "2001:db8:1::2"},
			[]string{"2002:c633:6401::1", "2001:db8:1::1"}, []string{"2001:db8:1::1", "2002:c633:6401::1"}},
		{"longest prefix", map[string]string{"2001:db8:1::1": "2001:db8:1::2", "2001:db8:3ffe::1": "2001:db8:1::2"},
			[]string{"2001:db8:3ffe::1", "2001:db8:1::1"}, []string{"2001:db8:1::1", "2001:db8:3ffe::1"}},
		{"order of the answer", map[string]string{"2001:db8::2": "2001:db8::a", "2001:db8::1": "2001:db8::a"}, []string{"2001:db8::2", "2001:db8::1"}, []string{"2001:db8::2", "2001:db8::1"}},
		{"IPv4 has no longest prefix", map[string]string{"10.0.0.1": "10.0.0.2", "192.0.2.1": "10.0.0.2"}, []string{"192.0.2.1", "10.0.0.1"}, []string{"192.0.2.1", "10.0.0.1"}},
		{"IPv4 unreachable last", map[string]string{"192.0.2.1": "10.0.0.2"}, []string{"198.51.100.1", "192.0.2.1"}, []string{"192.0.2.1", "198.51.100.1"}},
		{"nothing can be reached", nil, []string{"192.0.2.2", "192.0.2.1"}, []string{"192.0.2.2", "192.0.2.1"}},
	} {
		got := sortFrom(addrsOf(tt.answer...), func(a netip.Addr) netip.Addr {
			source, _ := netip.ParseAddr(tt.from[a.String()])
			return source
		})
		if !slices.Equal(got, addrsOf(tt.want...)) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	if got := sortAddrs(addrsOf("127.0.0.2", "127.0.0.1")); !slices.Equal(got, addrsOf("127.0.0.2", "127.0.0.1")) {
		t.Errorf("on this machine: %v", got)
	}
}

// TestCacheKeepsWhatIsInUse: who looks many other names up does not push out those
// that checks use.
func TestCacheKeepsWhatIsInUse(t *testing.T) {
	source := &scriptedSource{}
	source.always("192.0.2.1", time.Minute)
	n := &Network{Resolver: source}
	own := n.ownNames()
	own.cache.limit = 10
	defer forgetAll(own.cache)
	if _, err := learn(t, n, IPAny); err != nil {
		t.Fatal(err)
	}
	for i := range 30 * cacheShards {
		if found, _ := own.cache.lookup(t.Context(), own, fmt.Sprintf("flood%d.test", i), IPv4, true); found.err != nil {
			t.Fatal(found.err)
		}
		if kept(n, IPAny) == "" {
			t.Fatalf("pushed out by the name number %d", i)
		}
	}
}

// TestCacheIsBoundedInBytes: names with many addresses count for more.
func TestCacheIsBoundedInBytes(t *testing.T) {
	many := make([]netip.Addr, maxAddresses)
	for i := range many {
		many[i] = netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
	}
	source := &scriptedSource{}
	source.answer(func(context.Context, string, IPVersion) resolution { return resolution{addrs: many, keep: time.Minute} })
	n := &Network{Resolver: source}
	own := n.ownNames()
	defer forgetAll(own.cache)
	own.cache.room = 20_000
	for i := range 20 * cacheShards {
		if found, _ := own.cache.lookup(t.Context(), own, fmt.Sprintf("name%d.test", i), IPv4, true); found.err != nil {
			t.Fatal(found.err)
		}
	}
	for i := range own.cache.shards {
		shard := &own.cache.shards[i]
		bytes := 0
		for _, name := range shard.names {
			bytes += name.bytes
		}
		if bytes != shard.bytes || bytes > own.cache.room || len(shard.names) != len(shard.ring) || len(shard.names) < 5 {
			t.Errorf("%d names with %d bytes, counted as %d in a ring of %d", len(shard.names), bytes, shard.bytes, len(shard.ring))
		}
	}
}

func forgetAll(c *dnsCache) {
	for i := range c.shards {
		shard := &c.shards[i]
		shard.mu.Lock()
		for len(shard.ring) > 0 {
			c.remove(shard, shard.ring[0])
		}
		shard.mu.Unlock()
	}
}

// TestCacheCountsFromTheQuestion: an answer that was long on its way is as old as
// its question may have found it.
func TestCacheCountsFromTheQuestion(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		source := &scriptedSource{}
		source.answer(func(_ context.Context, host string, family IPVersion) resolution {
			if family == IPv6 {
				return resolution{err: missingName(host), keep: time.Minute}
			}
			asked := monotonic()
			time.Sleep(900 * time.Millisecond) //nolint:forbidigo // the bubble's clock jumps
			return resolution{addrs: addrsOf("192.0.2.1"), keep: 2 * time.Second, asked: asked}
		})
		n := &Network{Resolver: source}
		if _, err := learn(t, n, IPv4); err != nil {
			t.Fatal(err)
		}
		source.fail()
		wait(1100*time.Millisecond - time.Nanosecond)
		if kept(n, IPv4) == "" {
			t.Error("forgotten before its time")
		}
		wait(time.Nanosecond)
		if kept(n, IPv4) != "" {
			t.Error("an answer is used that is older than it allows")
		}
	})
}

// TestCacheForgetsWhatItSleptOver: the monotonic clock stands still while a
// machine sleeps, and answers grow old.
func TestCacheForgetsWhatItSleptOver(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		source := &scriptedSource{}
		source.always("192.0.2.1", time.Minute)
		n := &Network{Resolver: source}
		if _, err := learn(t, n, IPAny); err != nil {
			t.Fatal(err)
		}
		cache := n.ownNames().cache
		cache.offset.Add(int64(clockSlack) / 2) // the wall clock was set back a little
		if kept(n, IPAny) == "" {
			t.Error("forgotten because a clock was corrected")
		}
		cache.offset.Add(-int64(10 * time.Second)) // now it is ten seconds ahead
		if kept(n, IPAny) != "" {
			t.Error("used after the machine had slept")
		}
		source.always("192.0.2.2", time.Minute)
		if _, err := learn(t, n, IPAny); err != nil || kept(n, IPAny) != "[192.0.2.2]" {
			t.Errorf("%v, %s", err, kept(n, IPAny))
		}
	})
}

// TestRefreshProlongsNothing: what a server says of an answer that was asked for
// ahead is all that counts.
func TestRefreshProlongsNothing(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		ends := time.Now().Add(40 * time.Second) // as a server between us and the zone has it
		source := &scriptedSource{}
		source.answer(func(_ context.Context, host string, family IPVersion) resolution {
			if family == IPv6 {
				return resolution{err: missingName(host), keep: time.Hour}
			}
			if left := time.Until(ends); left > 0 {
				return resolution{addrs: addrsOf("192.0.2.1"), keep: left}
			}
			return resolution{addrs: addrsOf("192.0.2.2"), keep: 40 * time.Second}
		})
		n := &Network{Resolver: source}
		for range 90 {
			addrs, err := learn(t, n, IPv4)
			if err != nil {
				t.Fatal(err)
			}
			if want := time.Until(ends) > 0; (addrs[0] == addrsOf("192.0.2.1")[0]) != want {
				t.Errorf("%v with %v to go", addrs, time.Until(ends))
			}
			wait(time.Second)
		}
	})
}

// TestNamesAreShared: the same servers share what is known of them, the same time
// the answers too.
func TestNamesAreShared(t *testing.T) {
	n := &Network{}
	one, two := netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("192.0.2.2:53")
	config := func(ttl time.Duration, servers ...netip.AddrPort) *DNSConfig {
		return &DNSConfig{Servers: servers, MaxTTL: ttl}
	}
	own := n.namesFor(nil)
	for _, same := range []*DNSConfig{{}, {MaxTTL: DefaultDNSCacheTTL}} {
		if n.namesFor(same) != own {
			t.Errorf("%+v is not the network's own", same)
		}
	}
	if brief := n.namesFor(config(time.Second)); brief == own || brief.nameService != own.nameService || brief.longest != time.Second {
		t.Errorf("the network's own with another time: %+v", brief)
	}
	given := n.namesFor(config(0, one, two))
	if given != n.namesFor(config(0, one, netip.MustParseAddrPort("[::ffff:192.0.2.2]:53"))) || given.nameService == own.nameService {
		t.Error("the same servers are not the same")
	}
	if other := n.namesFor(config(time.Second, one, two)); other == given || other.nameService != given.nameService {
		t.Error("another time is another witness")
	}
	if other := n.namesFor(config(0, two, one)); other.nameService == given.nameService {
		t.Error("another order is the same")
	}
	if never := n.namesFor(config(-1, one)); never.longest != 0 {
		t.Errorf("kept for %v", never.longest)
	}
	for i := range maxNameServices + 100 {
		n.namesFor(config(time.Duration(i+2)*time.Second, one))
	}
	if len(n.book.known) > maxNameServices {
		t.Errorf("%d are remembered", len(n.book.known))
	}
}

func FuzzParseServer(f *testing.F) {
	for _, seed := range []string{
		"192.0.2.1", "192.0.2.1:53", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:5353", "::ffff:192.0.2.1", "fe80::1%eth0", "[", "[]:1", "1:2:3", "a:53", ":", "192.0.2.1:0",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		server, err := ParseServer(text)
		if err != nil {
			return
		}
		if problem := checkServer(server); problem != "" || server.Addr().Is4In6() {
			t.Errorf("%q became %v, which %s", text, server, problem)
		}
		if again, err := ParseServer(server.String()); err != nil || again != server {
			t.Errorf("%q became %v, which becomes %v, %v", text, server, again, err)
		}
		if _, _, err := net.SplitHostPort(server.String()); err != nil {
			t.Errorf("%q became %v: %v", text, server, err)
		}
	})
}
