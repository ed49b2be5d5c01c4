package nettest_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// TestALostPacketIsNoTimeout: neither of the question nor of the answer.
func TestALostPacketIsNoTimeout(t *testing.T) {
	port := portOf(t, serveTCP(t, "127.0.0.1:0", func(net.Conn) {}))
	d := startDNS(t)
	d.Set("lossy.test", faulttest.LosesFirst, "127.0.0.1")
	d.Set("lossy2.test", faulttest.LosesFirst, "127.0.0.1")
	if r, err := checkName(t, asking(d), "lossy.test", port, "", 3*time.Second); err != nil || r.Phases.DNS.Duration < 300*time.Millisecond {
		t.Errorf("%v, %+v", err, r)
	}
	if r, err := ask(t, &nettest.Network{}, "lossy2.test", port, 0, 3*time.Second, d.Addr()); err != nil {
		t.Errorf("%v, %+v", err, r)
	}
}

// TestBlip: a resolver that has recovered by the time it is asked for its proof
// is asked for the name again.
func TestBlip(t *testing.T) {
	port := portOf(t, serveTCP(t, "127.0.0.1:0", func(net.Conn) {}))
	missing := &net.DNSError{Err: "no such host", IsNotFound: true}
	for name, tt := range map[string]struct {
		second error
		want   nettest.ErrorType
	}{"found": {nil, ""}, "missing": {missing, nettest.ErrDNSNXDomain}, "broken": {errServFail, nettest.ErrDNSFailure}} {
		asked := 0
		n := &nettest.Network{Resolver: scripted(func(_ context.Context, network, host string) ([]netip.Addr, error) {
			if host != "target.test" || network == "ip6" {
				return nil, missing
			}
			if asked++; asked == 1 {
				return nil, errServFail
			}
			if tt.second != nil {
				return nil, tt.second
			}
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		})}
		r, err := checkName(t, n, "target.test", port, nettest.IPv4, time.Second)
		if r.ErrorType != tt.want || asked < 2 {
			t.Errorf("%s: %v, %+v, asked %d times", name, err, r, asked)
		}
	}
}

// TestAnOldProofIsNone: that a resolver answered a moment before a lookup failed
// says nothing of that lookup.
func TestAnOldProofIsNone(t *testing.T) {
	dead := false
	n := &nettest.Network{Resolver: scripted(func(_ context.Context, _, host string) ([]netip.Addr, error) {
		if dead || host == "broken.test" {
			return nil, errServFail
		}
		return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
	})}
	if r, err := checkName(t, n, "broken.test", "80", "", time.Second); r.ErrorType != nettest.ErrDNSFailure {
		t.Fatalf("%v", err)
	}
	dead = true
	if r, err := checkName(t, n, "target.test", "80", "", time.Second); r.ErrorType != nettest.ErrResolverUnavailable {
		t.Errorf("accused by a proof from before: %v", err)
	}
}

// forbidden ends a check as soon as its name is resolved.
type forbidden struct{}

func (forbidden) Check(netip.Addr) error { return errors.New("not in this test") }

// TestOutageOfTheResolver: for a minute it fails for every name, answering or
// silent, with another zone broken all the time. No result is held against any
// other name, and each is checked again when the minute is over.
func TestOutageOfTheResolver(t *testing.T) {
	for name, silent := range map[string]bool{"servfail": false, "silent": true} {
		t.Run(name, func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				began := time.Now()
				down, up := began.Add(5*time.Second+313*time.Millisecond), began.Add(65*time.Second+313*time.Millisecond)
				n := &nettest.Network{Policy: forbidden{}, Resolver: scripted(func(ctx context.Context, network, host string) ([]netip.Addr, error) {
					rtt := time.Duration(1+len(host)*7%30) * time.Millisecond
					select {
					case <-time.After(rtt):
					case <-ctx.Done():
						return nil, ctx.Err()
					}
					out := !time.Now().Before(down) && time.Now().Before(up)
					switch {
					case out && silent:
						<-ctx.Done()
						return nil, ctx.Err()
					case out, host == "broken.test":
						return nil, errServFail
					case strings.HasPrefix(host, "target"):
						return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
					}
					return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
				})}
				check := func(name string) nettest.ErrorType {
					r, _ := (&nettest.TCPTest{Network: n}).Execute(t.Context(), nettest.TestConfig{
						Name: name, Address: name + ":80", Timeout: 900 * time.Millisecond, Config: nettest.TCPConfig{IPVersion: nettest.IPv4},
					})
					return r.ErrorType
				}
				var wg sync.WaitGroup
				for i := range 40 {
					name := fmt.Sprintf("target%s%d.test", strings.Repeat("x", i%9), i)
					if i == 0 {
						name = "broken.test"
					}
					wg.Go(func() {
						time.Sleep(time.Duration(i) * 23 * time.Millisecond) //nolint:forbidigo // the bubble's clock jumps
						for range 70 {
							start := time.Now()
							got := check(name)
							inside := start.After(down) && time.Now().Before(up)
							outside := time.Now().Before(down) || start.After(up.Add(4*time.Second))
							switch {
							case name == "broken.test" && outside && got != nettest.ErrDNSFailure:
								t.Errorf("%s at %v: %q", name, start.Sub(began), string(got))
							case name == "broken.test":
							case got.Status() != nettest.StatusError, inside && got != nettest.ErrResolverUnavailable, outside && got != nettest.ErrEgressDenied:
								t.Errorf("%s at %v: %q", name, start.Sub(began), string(got))
							}
							time.Sleep(time.Until(start.Add(time.Second))) //nolint:forbidigo // as above
						}
					})
				}
				wg.Wait()
			})
		})
	}
}

// TestAMovedName: when a name's address changes, no check that begins after the
// old answer's time uses it.
func TestAMovedName(t *testing.T) {
	port := portOf(t, serveTCP(t, "127.0.0.1:0", func(net.Conn) {}))
	serveTCP(t, "127.0.0.2:"+port, func(net.Conn) {})
	d := startDNS(t)
	d.SetTTL(1)
	d.Set("moving.test", faulttest.Records, "127.0.0.1")
	n := asking(d)
	var changed time.Time
	began, cached, moved := time.Now(), 0, 0
	for time.Since(began) < 2500*time.Millisecond {
		if changed.IsZero() && time.Since(began) > 600*time.Millisecond {
			d.Set("moving.test", faulttest.Records, "127.0.0.2")
			changed = time.Now()
		}
		start := time.Now()
		r, err := checkName(t, n, "moving.test", port, "", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if r.DNSCached {
			cached++
		}
		if r.ResolvedIP.String() == "127.0.0.2" {
			moved++
		} else if !changed.IsZero() && start.Sub(changed) > time.Second {
			t.Errorf("%v after the change: %s", start.Sub(changed), r.ResolvedIP)
		}
		time.Sleep(20 * time.Millisecond) //nolint:forbidigo // the interval
	}
	if cached == 0 || moved == 0 {
		t.Errorf("%d answers were known, %d checks found the new address", cached, moved)
	}
}

// TestKeptInPart: what a result says of the cache is about the address it used.
func TestKeptInPart(t *testing.T) {
	port := portOf(t, serveTCP(t, "127.0.0.1:0", func(net.Conn) {}))
	d := startDNS(t)
	d.SetTTL(60)
	d.Set("half.test", faulttest.MuteAAAA, "127.0.0.1")
	n := asking(d)
	for i := range 3 {
		if r, err := checkName(t, n, "half.test", port, "", time.Second); err != nil || r.DNSCached != (i > 0) {
			t.Errorf("%d: %v, cached %v", i, err, r.DNSCached)
		}
	}
}

// TestFailuresNameTheAddress: what was resolved is in every result of what came
// after, and what was not is not.
func TestFailuresNameTheAddress(t *testing.T) {
	d := startDNS(t)
	d.Set("refused.test", faulttest.Records, "127.0.0.1")
	d.Set("two.test", faulttest.Records, "127.0.0.1", "127.0.0.2")
	s := startFaults(t)
	hole := portOf(t, s.Addr(faulttest.BlackHole))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := portOf(t, l.Addr().String())
	talker := portOf(t, serveTCP(t, "127.0.0.1:0", func(c net.Conn) { _, _ = c.Write([]byte("220 no TLS here\r\n")) }))
	_ = l.Close()
	n := asking(d)
	for _, tt := range []struct {
		about string
		test  nettest.NetworkTest
		addr  string
	}{
		{"tcp refused", &nettest.TCPTest{Network: n}, "refused.test:" + refused},
		{"tcp, two addresses", &nettest.TCPTest{Network: n}, "two.test:" + refused},
		{"tcp timeout", &nettest.TCPTest{Network: n}, "refused.test:" + hole},
		{"tls refused", &nettest.TLSTest{Network: n}, "refused.test:" + refused},
		{"tls handshake", &nettest.TLSTest{Network: n}, "refused.test:" + talker},
		{"http refused", &nettest.HTTPTest{Network: n}, "http://refused.test:" + refused},
		{"http protocol", &nettest.HTTPTest{Network: n}, "http://refused.test:" + talker},
		{"https handshake", &nettest.HTTPTest{Network: n}, "https://refused.test:" + talker},
	} {
		r, err := tt.test.Execute(context.Background(), nettest.TestConfig{Address: tt.addr, Timeout: 400 * time.Millisecond})
		if err == nil || !r.ResolvedIP.IsValid() || r.FailedPhase == nettest.PhaseDNS {
			t.Errorf("%s: %v, %+v", tt.about, err, r)
		}
	}
	for _, e := range engines() {
		r, err := e.run(t, n, nettest.TestConfig{Address: "refused.test:" + refused, Timeout: time.Second})
		if !errors.Is(err, nettest.ErrConnectionRefused) || r.ResolvedIP.String() != "127.0.0.1" {
			t.Errorf("%s: %v, %+v", e.name, err, r)
		}
	}
	web := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://missing.test/", http.StatusFound)
	})
	u, err := url.Parse(web.URL)
	if err != nil {
		t.Fatal(err)
	}
	r, err := (&nettest.HTTPTest{Network: n}).Execute(context.Background(), nettest.TestConfig{
		Address: "http://refused.test:" + u.Port() + "/", Config: nettest.HTTPConfig{FollowRedirects: true},
	})
	if !errors.Is(err, nettest.ErrDNSNXDomain) || r.ResolvedIP.IsValid() {
		t.Errorf("the address of the hop before is told for a name that was not resolved: %v, %+v", err, r)
	}
}
