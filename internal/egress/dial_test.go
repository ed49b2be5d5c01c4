package egress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// canaryServer is an HTTP server on loopback that counts who gets through to it.
type canaryServer struct {
	*httptest.Server
	hits atomic.Int32
}

func canary(t *testing.T) *canaryServer {
	t.Helper()
	c := &canaryServer{}
	c.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "internal")
	}))
	c.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			c.hits.Add(1)
		}
	}
	c.Start()
	t.Cleanup(c.Close)
	return c
}

func (c *canaryServer) addr() string { return c.Listener.Addr().String() }

func (c *canaryServer) port() string {
	_, port, _ := net.SplitHostPort(c.addr())
	return port
}

func (c *canaryServer) wantHits(t *testing.T, want int32) {
	t.Helper()
	if got := c.hits.Load(); got != want {
		t.Errorf("%d connections reached the internal server, want %d", got, want)
	}
}

// resolver answers A and AAAA questions with what answer returns, asked anew each time.
func resolver(t *testing.T, answer func(name string) []netip.Addr) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply, err := dnsReply(buf[:n], answer); err == nil {
				_, _ = pc.WriteTo(reply, from)
			}
		}
	}()
	t.Cleanup(func() { _ = pc.Close(); <-done })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

func dnsReply(query []byte, answer func(string) []netip.Addr) ([]byte, error) {
	var p dnsmessage.Parser
	header, err := p.Start(query)
	if err != nil {
		return nil, err
	}
	q, err := p.Question()
	if err != nil {
		return nil, err
	}
	msg := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: header.ID, Response: true, RecursionAvailable: true},
		Questions: []dnsmessage.Question{q},
	}
	for _, a := range answer(strings.TrimSuffix(q.Name.String(), ".")) {
		rh := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}
		switch {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			msg.Answers = append(msg.Answers, dnsmessage.Resource{Header: rh, Body: &dnsmessage.AResource{A: a.As4()}})
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			msg.Answers = append(msg.Answers, dnsmessage.Resource{Header: rh, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	return msg.Pack()
}

// get fetches url and forgets everything but the error.
func get(t *testing.T, c *http.Client, url string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

func guarded(t *testing.T, p *Policy, o HTTPOptions) *http.Client {
	t.Helper()
	if o.DialTimeout == 0 {
		o.DialTimeout = 2 * time.Second
	}
	c := p.HTTPClient(o)
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// TestNoSpellingReachesLoopback goes through a real client with every spelling of a host that has led to loopback in some
// program, and through those that no parser should take.
func TestNoSpellingReachesLoopback(t *testing.T) {
	c := canary(t)
	names := resolver(t, func(name string) []netip.Addr {
		switch name { // as a hosts file, an internal zone, or an attacker's zone would answer
		case "localhost.localdomain", "ip6-localhost", "127.0.0.1.nip.example", "kubernetes.default.svc", "metadata.google.internal":
			return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}
		}
		return nil
	})
	hosts := []string{
		"127.0.0.1", "127.1.2.3", "127.255.255.254", "0.0.0.0", "0.1.2.3", "localhost", "LOCALHOST", "localhost.", "foo.localhost",
		"localhost.localdomain", "ip6-localhost", "127.0.0.1.nip.example", "kubernetes.default.svc", "metadata.google.internal",
		"127.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "127.000.000.001", "127.0.0.1.",
		"127。0。0。1", "①②⑦.⓪.⓪.①", "１２７.0.0.1", "0x7f.1", "4294967297", "256.256.256.256",
		"[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:1]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]",
		"[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2001:0:101:101::80ff:fffe]", "[fe80::1%25lo]", "[::1%25lo]",
		"[fc00::1]", "[fec0::1]", "[ff02::1]", "[100::1]", "[2001:db8::1]", "[3fff::1]", "[5f00::1]", "[4000::1]",
		"user@127.0.0.1", "a@b@127.0.0.1", "example.com@127.0.0.1", "example.com%2f@127.0.0.1", "127.0.0.1%00", "127.0.0.1%2f",
		"%31%32%37.0.0.1", "[v1.fe80::a]", "[127.0.0.1", "127.0.0.1]", "127.0.0.1 ",
		"10.0.0.1", "192.168.0.1", "172.16.0.1", "100.64.0.1", "169.254.169.254", "169.254.170.2", "[fd00:ec2::254]", "100.100.100.200",
		"168.63.129.16", "192.0.0.192", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
	}
	client := guarded(t, &Policy{}, HTTPOptions{Resolver: names})
	for _, host := range hosts {
		if err := get(t, client, "http://"+host+":"+c.port()+"/"); err == nil {
			t.Errorf("%s was fetched", host)
		}
	}
	for _, raw := range []string{
		"http:127.0.0.1:" + c.port(), "http:/127.0.0.1:" + c.port(), "http:///127.0.0.1:" + c.port(),
		"http://example.com\\@127.0.0.1:" + c.port(), "http://127.0.0.1:" + c.port() + "#@example.com",
		"http://127.0.0.1\t:" + c.port(), "http://127.0.0.1\n:" + c.port(),
		"file:///etc/passwd", "gopher://" + c.addr(), "dict://" + c.addr(), "ftp://" + c.addr(), "unix://" + c.addr(), "ldap://" + c.addr(),
		"data:text/plain,x", "jar:http://" + c.addr() + "!/x", "ws://" + c.addr(),
	} {
		if err := get(t, client, raw); err == nil {
			t.Errorf("%s was fetched", raw)
		}
	}
	c.wantHits(t, 0)

	// The same path with a policy that allows it, to show that the canary sings.
	if err := get(t, guarded(t, policy(t, "allow 127.0.0.1"), HTTPOptions{}), c.URL); err != nil {
		t.Error(err)
	}
	c.wantHits(t, 1)
}

// TestUnspecifiedAddressIsLoopback is why 0.0.0.0 and :: are closed: unguarded, they lead here.
func TestUnspecifiedAddressIsLoopback(t *testing.T) {
	c := canary(t)
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", "0.0.0.0:"+c.port())
	if err != nil {
		t.Fatalf("0.0.0.0 no longer leads to loopback: %v", err)
	}
	_ = conn.Close()
	for tries := 0; c.hits.Load() == 0; tries++ { // it is counted when the server has taken it up
		if tries == 5000 {
			t.Fatal("the server has taken up nothing")
		}
		<-time.After(time.Millisecond)
	}
	before := c.hits.Load()
	for _, host := range []string{"0.0.0.0", "::"} {
		var denied *Denied
		_, err := (&Policy{Mode: Private}).Dialer(net.Dialer{}).DialContext(t.Context(), "tcp", net.JoinHostPort(host, c.port()))
		if !errors.As(err, &denied) {
			t.Errorf("%s: %v", host, err)
		}
	}
	c.wantHits(t, before)
}

func TestRedirects(t *testing.T) {
	c := canary(t)
	for _, code := range []int{301, 302, 303, 307, 308} {
		for _, location := range []string{c.URL, "//" + c.addr() + "/", "http://user:pw@" + c.addr() + "/", "http://[::ffff:127.0.0.1]:" + c.port()} {
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", location)
				w.WriteHeader(code)
			}))
			// The front alone is allowed: it listens on 127.0.0.1 as the canary does, so the port tells them apart.
			frontOnly := (&Policy{}).onlyPort(t, front.Listener.Addr())
			follow := &http.Client{Transport: frontOnly, Timeout: 5 * time.Second}
			var denied *Denied
			if err := get(t, follow, front.URL); !errors.As(err, &denied) {
				t.Errorf("%d to %s: %v, want denied", code, location, err)
			}
			stay := guarded(t, policy(t, "allow 127.0.0.1"), HTTPOptions{})
			if err := get(t, stay, front.URL); err != nil {
				t.Errorf("%d, not followed: %v", code, err)
			}
			frontOnly.CloseIdleConnections()
			stay.CloseIdleConnections()
			front.Close()
		}
	}
	c.wantHits(t, 0)
}

// onlyPort is a transport under p that may reach addr as well.
func (p *Policy) onlyPort(t *testing.T, addr net.Addr) *http.Transport {
	t.Helper()
	guard, open := p.Dialer(net.Dialer{}), (&Policy{Mode: Private}).Dialer(net.Dialer{})
	return &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == addr.String() {
			return open.DialContext(ctx, network, address)
		}
		return guard.DialContext(ctx, network, address)
	}}
}

func TestFollowedRedirectsAreCounted(t *testing.T) {
	var seen atomic.Int32
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		seen.Add(1)
		http.Redirect(w, r, "/again", http.StatusFound)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	for _, follow := range []int{0, 1, 5} {
		seen.Store(0)
		if err := get(t, guarded(t, &Policy{Mode: Private}, HTTPOptions{FollowRedirects: follow}), s.URL); err != nil {
			t.Error(err)
		}
		if got := int(seen.Load()); got != follow+1 {
			t.Errorf("%d requests with %d redirects to follow", got, follow)
		}
	}
}

func TestRebinding(t *testing.T) {
	c := canary(t)
	var asked atomic.Int32
	names := resolver(t, func(string) []netip.Addr { // harmless to the check, harmful to the use
		if asked.Add(1) <= 2 {
			return []netip.Addr{netip.MustParseAddr("93.184.215.14")}
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	})
	checked, err := names.LookupNetIP(t.Context(), "ip", "rebind.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range checked {
		if err := (&Policy{}).Check(a); err != nil {
			t.Fatalf("the first answer was to pass: %v", err)
		}
	}
	var denied *Denied
	if err := get(t, guarded(t, &Policy{}, HTTPOptions{Resolver: names}), "http://rebind.example:"+c.port()); !errors.As(err, &denied) {
		t.Errorf("second answer: %v, want denied", err)
	}
	c.wantHits(t, 0)
}

func TestMixedAnswers(t *testing.T) {
	c := canary(t)
	for name, addrs := range map[string][]string{
		"closed before open": {"192.0.2.1", "127.0.0.1"}, "both families": {"127.0.0.1", "::1"}, "v6 in its coat": {"::ffff:127.0.0.1", "::1"},
	} {
		names := resolver(t, func(string) []netip.Addr {
			var out []netip.Addr
			for _, a := range addrs {
				out = append(out, netip.MustParseAddr(a))
			}
			return out
		})
		if err := get(t, guarded(t, &Policy{}, HTTPOptions{Resolver: names}), "http://mixed.example:"+c.port()); err == nil {
			t.Errorf("%s: fetched", name)
		}
	}
	c.wantHits(t, 0)

	// An address that is denied does not spoil one that is not.
	names := resolver(t, func(string) []netip.Addr {
		return []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("127.0.0.1")}
	})
	if err := get(t, guarded(t, policy(t, "allow 127.0.0.1"), HTTPOptions{Resolver: names}), "http://mixed.example:"+c.port()); err != nil {
		t.Errorf("allowed second address: %v", err)
	}
	c.wantHits(t, 1)
}

func TestProxyOfTheEnvironmentIsIgnored(t *testing.T) {
	c := canary(t)
	t.Setenv("HTTP_PROXY", c.URL)
	t.Setenv("http_proxy", c.URL)
	// Loopback is never proxied by the standard library, so the target is elsewhere.
	client := guarded(t, policy(t, "allow 127.0.0.1", "deny 93.184.215.14"), HTTPOptions{})
	var denied *Denied
	if err := get(t, client, "http://93.184.215.14/"); !errors.As(err, &denied) || denied.Addr != netip.MustParseAddr("93.184.215.14") {
		t.Errorf("got %v, want the target's own address denied", err)
	}
	c.wantHits(t, 0)
	if tr, ok := client.Transport.(*http.Transport); !ok || tr.Proxy != nil {
		t.Error("the client has a proxy")
	}
}

func TestUDPIsGuarded(t *testing.T) {
	var denied *Denied
	if _, err := (&Policy{}).Dialer(net.Dialer{}).DialContext(t.Context(), "udp", "127.0.0.1:53"); !errors.As(err, &denied) {
		t.Errorf("UDP to loopback: %v", err)
	}
	if _, err := (&Policy{Mode: Private}).Dialer(net.Dialer{}).DialContext(t.Context(), "unix", "/nowhere.sock"); err == nil {
		t.Error("a unix socket was dialled")
	}
}

func TestSlowAnswersEnd(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(s.Close)
	defer close(release)
	begun := time.Now()
	err := get(t, guarded(t, &Policy{Mode: Private}, HTTPOptions{Timeout: 50 * time.Millisecond}), s.URL)
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(begun) > 5*time.Second {
		t.Errorf("got %v after %v", err, time.Since(begun))
	}
}
