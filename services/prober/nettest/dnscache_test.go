package nettest_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// TestDNSCached: a result says whether its addresses were known already, and its
// phases say what looking them up took.
func TestDNSCached(t *testing.T) {
	addr := serveTCP(t, "127.0.0.1:0", func(net.Conn) {})
	_, port, _ := net.SplitHostPort(addr)
	for _, tt := range []struct {
		name   string
		ttl    uint32
		reply  faulttest.Reply
		off    bool
		cached bool
		asked  int
	}{
		{"kept.test", 60, faulttest.Records, false, true, 2},
		{"not-kept.test", 0, faulttest.Records, false, false, 6},
		{"overflow.test", 1 << 31, faulttest.Records, false, false, 6},
		{"off.test", 60, faulttest.Records, true, false, 6},
	} {
		d := startDNS(t)
		d.SetTTL(tt.ttl)
		d.Set(tt.name, tt.reply, "127.0.0.1")
		n := asking(d)
		n.NoDNSCache = tt.off
		for i := range 3 {
			r, err := checkName(t, n, tt.name, port, "", time.Second)
			if err != nil || !r.Phases.DNS.Valid || r.Phases.DNS.Duration <= 0 || r.DNSCached != (tt.cached && i > 0) {
				t.Errorf("%s, %d: %v, %+v", tt.name, i, err, r)
			}
		}
		if d.Asked(tt.name) != tt.asked {
			t.Errorf("%s: asked %d times, want %d", tt.name, d.Asked(tt.name), tt.asked)
		}
	}
}

// TestDNSCachedOverRedirects: every hop's addresses must have been known.
func TestDNSCachedOverRedirects(t *testing.T) {
	d := startDNS(t)
	d.SetTTL(60)
	d.Set("first.test", faulttest.Records, "127.0.0.1")
	d.Set("second.test", faulttest.Records, "127.0.0.1")
	var port string
	web := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "http://second.test:"+port+"/there", http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, "ok")
	})
	u, _ := url.Parse(web.URL)
	port = u.Port()
	test := &nettest.HTTPTest{Network: asking(d)}
	run := func(path string) *nettest.TestResult {
		t.Helper()
		r, err := test.Execute(context.Background(), nettest.TestConfig{
			Address: "http://first.test:" + port + path, Config: nettest.HTTPConfig{FollowRedirects: true},
		})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := run("/there"); r.DNSCached {
		t.Error("the first look is no cached one")
	}
	if r := run("/"); r.DNSCached || len(r.Redirects) != 1 {
		t.Errorf("the second hop was looked up: %+v", r)
	}
	if r := run("/"); !r.DNSCached || !r.Phases.DNS.Valid {
		t.Errorf("both hops were known: %+v", r)
	}
}

// TestDNSCacheAndTheResolver: a name that is known is checked while the resolver
// is away; one that is not known is not blamed, and an answer from the cache is
// no evidence that the resolver works.
func TestDNSCacheAndTheResolver(t *testing.T) {
	addr := serveTCP(t, "127.0.0.1:0", func(net.Conn) {})
	_, port, _ := net.SplitHostPort(addr)
	d := startDNS(t)
	d.SetTTL(60)
	d.Set("known.test", faulttest.Records, "127.0.0.1")
	n := asking(d)
	if _, err := checkName(t, n, "known.test", port, "", time.Second); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	since := time.Now()
	if r, err := checkName(t, n, "known.test", port, "", time.Second); err != nil || !r.DNSCached {
		t.Errorf("%v, %+v", err, r)
	}
	if r, _ := checkName(t, n, "unknown.test", port, "", time.Second); r.ErrorType != nettest.ErrResolverUnavailable {
		t.Errorf("%+v", r)
	}
	if n.Health.AnsweredSince(since) {
		t.Error("an answer from the cache counted as one of the resolver")
	}
}

// BenchmarkLookup: what resolving costs a check, by asking a server on loopback
// with our client and with Go's.
func BenchmarkLookup(b *testing.B) {
	d, err := faulttest.StartDNS()
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	d.Set("name.test", faulttest.Records, "127.0.0.1", "::1")
	ours := &nettest.SystemResolver{Servers: []netip.AddrPort{d.Addr()}}
	theirs := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, d.Addr().String())
	}}
	for name, r := range map[string]nettest.Resolver{"ours": ours, "net": theirs} {
		b.Run("miss-"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.LookupNetIP(context.Background(), "ip4", "name.test"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("miss-1000-goroutines", func(b *testing.B) {
		d.SetTTL(0)
		d.Set("uncached.test", faulttest.Records, "127.0.0.1")
		test := &nettest.TCPTest{Network: asking(d)}
		var wg sync.WaitGroup
		todo := make(chan struct{}, 1000)
		before := d.Asked("uncached.test")
		b.ReportAllocs()
		for range 1000 {
			wg.Go(func() {
				for range todo {
					// Port 1 refuses at once, so that resolving is most of it.
					_, _ = test.Execute(context.Background(), nettest.TestConfig{Address: "uncached.test:1", Timeout: 10 * time.Second})
				}
			})
		}
		for b.Loop() {
			todo <- struct{}{}
		}
		close(todo)
		wg.Wait()
		b.ReportMetric(float64(d.Asked("uncached.test")-before)/float64(b.N), "questions/op")
	})
}
