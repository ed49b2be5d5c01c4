package nettest_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// testProxy is a proxy that works. It notes what it was asked.
type testProxy struct {
	addr string
	mu   sync.Mutex
	log  []string
}

func (p *testProxy) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = append(p.log, fmt.Sprintf(format, args...))
}

func (p *testProxy) asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.log)
}

// names are the hosts that only a proxy can resolve.
func resolveBeyond(address string) string {
	return strings.Replace(address, "beyond.test:", "127.0.0.1:", 1)
}

func pipe(a net.Conn, fromA io.Reader, b net.Conn) {
	go func() {
		_, _ = io.Copy(b, fromA)
		_ = b.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(a, b)
}

// startHTTPProxy wants user:secret if login is set, and speaks TLS if secured is not nil.
func startHTTPProxy(t *testing.T, login bool, secured *tls.Config) *testProxy {
	t.Helper()
	p := &testProxy{}
	p.addr = serveTCP(t, "127.0.0.1:0", func(c net.Conn) {
		if secured != nil {
			s := tls.Server(c, secured)
			if s.Handshake() != nil {
				return
			}
			c = s
		}
		br := bufio.NewReader(c)
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		p.note("%s %s %s", req.Method, req.RequestURI, req.Header.Get("Proxy-Authorization"))
		if login && req.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte("user:secret")) {
			_, _ = io.WriteString(c, "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
			return
		}
		target, err := net.Dial("tcp", resolveBeyond(req.Host))
		if err != nil {
			_, _ = io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
			return
		}
		defer target.Close()
		if req.Method == "CONNECT" {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		} else {
			req.Header.Del("Proxy-Authorization")
			_ = req.Write(target)
		}
		pipe(c, br, target)
	})
	return p
}

// startSOCKS answers each request with code if it is not 0.
func startSOCKS(t *testing.T, login bool, code byte) *testProxy {
	t.Helper()
	p := &testProxy{}
	p.addr = serveTCP(t, "127.0.0.1:0", func(c net.Conn) {
		read := func(n int) []byte {
			b := make([]byte, n)
			if _, err := io.ReadFull(c, b); err != nil {
				return make([]byte, n)
			}
			return b
		}
		head := read(2)
		methods := read(int(head[1]))
		switch {
		case login && !bytes.Contains(methods, []byte{2}):
			_, _ = c.Write([]byte{5, 0xff})
			return
		case login:
			_, _ = c.Write([]byte{5, 2})
			user := read(int(read(2)[1]))
			password := read(int(read(1)[0]))
			if string(user) != "user" || string(password) != "secret" {
				_, _ = c.Write([]byte{1, 1})
				return
			}
			_, _ = c.Write([]byte{1, 0})
		default:
			_, _ = c.Write([]byte{5, 0})
		}
		var host string
		switch request := read(4); request[3] {
		case 1:
			host = netip.AddrFrom4([4]byte(read(4))).String()
		case 3:
			host = string(read(int(read(1)[0])))
		case 4:
			host = netip.AddrFrom16([16]byte(read(16))).String()
		}
		port := read(2)
		address := net.JoinHostPort(host, fmt.Sprint(int(port[0])<<8|int(port[1])))
		p.note("%s", address)
		if code != 0 {
			_, _ = c.Write([]byte{5, code, 0, 1, 0, 0, 0, 0, 0, 0})
			return
		}
		target, err := net.Dial("tcp", resolveBeyond(address))
		if err != nil {
			_, _ = c.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})
			return
		}
		defer target.Close()
		_, _ = c.Write([]byte{5, 0, 0, 3, 4, 'n', 'a', 'm', 'e', 0, 1})
		pipe(c, c, target)
	})
	return p
}

// TestProxies reaches plain, secure and HTTP/2 targets, known to the proxy only,
// through every kind of proxy.
func TestProxies(t *testing.T) {
	plain, secure, test := startBoth(t, echo)
	h2c := startPrior(t, echo)
	cert := httptest.NewUnstartedServer(nil)
	cert.StartTLS()
	cert.Close()
	for _, kind := range []string{"http", "https", "socks5"} {
		for _, login := range []bool{false, true} {
			var p *testProxy
			switch kind {
			case "http":
				p = startHTTPProxy(t, login, nil)
			case "https":
				p = startHTTPProxy(t, login, &tls.Config{Certificates: cert.TLS.Certificates})
			default:
				p = startSOCKS(t, login, 0)
			}
			proxy := &nettest.Proxy{URL: kind + "://" + p.addr}
			if login {
				proxy.Username, proxy.Password = "user", "secret"
			}
			for _, target := range []struct {
				url, version, protocol string
				config                 nettest.HTTPConfig
			}{
				{plain, "HTTP/1.1", "HTTP/1.1", nettest.HTTPConfig{}},
				{secure, "HTTP/2", "HTTP/2.0", nettest.HTTPConfig{}},
				{secure, "HTTP/1.1", "HTTP/1.1", nettest.HTTPConfig{Version: nettest.HTTP1}},
				{h2c, "HTTP/2", "HTTP/2.0", nettest.HTTPConfig{Version: nettest.HTTP2}},
			} {
				address := strings.Replace(target.url, "127.0.0.1", "beyond.test", 1)
				target.config.Proxy = proxy
				target.config.ServerName = "example.com"
				r, err := execute(t, test, address+"/x?y", target.config)
				if err != nil {
					t.Errorf("%s, login %v, %s: %v", kind, login, target.url, err)
					continue
				}
				host := strings.TrimPrefix(strings.TrimPrefix(address, "http://"), "https://")
				if !strings.HasPrefix(string(r.Body), "GET /x?y  host="+host+" proto="+target.protocol) || r.HTTPVersion != target.version {
					t.Errorf("%s: %s, %q", kind, r.HTTPVersion, r.Body)
				}
				if net.JoinHostPort(r.ResolvedIP.String(), fmt.Sprint(r.Port)) != p.addr || r.Phases.DNS.Valid || !r.Phases.Connect.Valid {
					t.Errorf("%s: the result has %s port %d, %+v", kind, r.ResolvedIP, r.Port, r.Phases)
				}
				asked := p.asked()
				last := asked[len(asked)-1]
				want := map[bool]string{true: "GET " + address + "/x?y ", false: "CONNECT " + host + " "}[target.url == plain]
				if kind != "socks5" && !strings.HasPrefix(last, want) || kind == "socks5" && last != host {
					t.Errorf("%s was asked %q", kind, last)
				}
			}
		}
	}
}

func TestProxyFailures(t *testing.T) {
	s := startFaults(t)
	_, secure, test := startBoth(t, echo)
	plain := startHTTP(t, echo).URL
	refused := "http://" + s.Addr(faulttest.Refused)
	saying := func(text string) string {
		return serveTCP(t, "127.0.0.1:0", func(c net.Conn) {
			_, _ = c.Read(make([]byte, 1000))
			_, _ = io.WriteString(c, text)
			_, _ = c.Read(make([]byte, 1))
		})
	}
	silentSOCKS := serveTCP(t, "127.0.0.1:0", func(c net.Conn) {
		_, _ = c.Read(make([]byte, 3))
		_, _ = c.Write([]byte{5, 0})
		_, _ = io.Copy(io.Discard, c)
	})
	for _, tt := range []struct {
		name, proxy, target string
		login               bool
		want                nettest.ErrorType
		words               string
	}{
		{"refused", "http://" + s.Addr(faulttest.Refused), plain, false, nettest.ErrProxy, "refused the connection"},
		{"refused, socks", "socks5://" + s.Addr(faulttest.Refused), plain, false, nettest.ErrProxy, "refused the connection"},
		{"silent at connect", "http://" + s.Addr(faulttest.BlackHole), plain, false, nettest.ErrProxy, "in time"},
		{"silent at CONNECT", "http://" + s.Addr(faulttest.Silent), secure, false, nettest.ErrConnectionTimeout, "did not answer"},
		{"silent greeting", "socks5://" + s.Addr(faulttest.Silent), plain, false, nettest.ErrProxy, "in time"},
		{"silent socks request", "socks5://" + silentSOCKS, plain, false, nettest.ErrConnectionTimeout, "did not answer"},
		{"hangs up", "http://" + s.Addr(faulttest.CloseOnAccept), secure, false, nettest.ErrProxy, "closed the connection"},
		{"resets", "http://" + s.Addr(faulttest.ResetAfterRequest), secure, false, nettest.ErrProxy, "reset"},
		{"no HTTP", "http://" + saying("SSH-2.0-x\r\n"), secure, false, nettest.ErrProxy, "does not speak HTTP"},
		{"no SOCKS", "socks5://" + saying("HTTP/1.1 400 Bad\r\n\r\n"), plain, false, nettest.ErrProxy, "SOCKS5"},
		{"no TLS", "https://" + saying("HTTP/1.1 400 Bad\r\n\r\n"), plain, false, nettest.ErrProxy, "TLS"},
		{"endless head", "http://" + s.Addr(faulttest.HugeHeaders), secure, false, nettest.ErrProxy, "64 KiB"},
		{"endless interim", "http://" + s.Addr(faulttest.InterimFlood), secure, false, nettest.ErrProxy, "interim"},
		{"407 to CONNECT", "http://" + startHTTPProxy(t, true, nil).addr, secure, false, nettest.ErrProxy, "asks for a user name"},
		{"407 to GET", "http://" + startHTTPProxy(t, true, nil).addr, plain, false, nettest.ErrProxy, "asks for a user name"},
		{"407 again", "http://" + saying("HTTP/1.1 407 No\r\n\r\n"), secure, true, nettest.ErrProxy, "does not accept"},
		{"403", "http://" + saying("HTTP/1.1 403 No\r\n\r\n"), secure, false, nettest.ErrProxy, "403 Forbidden"},
		{"502", "http://" + startHTTPProxy(t, false, nil).addr, strings.Replace(refused, "http:", "https:", 1), false, nettest.ErrProxy, "502 Bad Gateway"},
		{"504", "http://" + saying("HTTP/1.1 504 No\r\n\r\n"), secure, false, nettest.ErrConnectionTimeout, "504"},
		{"socks login wanted", "socks5://" + startSOCKS(t, true, 0).addr, plain, false, nettest.ErrProxy, "asks for a user name"},
		{"socks login wrong", "socks5://" + startSOCKS(t, true, 0).addr, plain, true, nettest.ErrProxy, "does not accept"},
		{"socks 1", "socks5://" + startSOCKS(t, false, 1).addr, plain, false, nettest.ErrProxy, "general failure"},
		{"socks 2", "socks5://" + startSOCKS(t, false, 2).addr, plain, false, nettest.ErrProxy, "rules"},
		{"socks 3", "socks5://" + startSOCKS(t, false, 3).addr, plain, false, nettest.ErrNetworkUnreachable, "proxy"},
		{"socks 4", "socks5://" + startSOCKS(t, false, 4).addr, plain, false, nettest.ErrHostUnreachable, "proxy"},
		{"socks 5", "socks5://" + startSOCKS(t, false, 0).addr, refused, false, nettest.ErrConnectionRefused, "proxy"},
		{"socks 6", "socks5://" + startSOCKS(t, false, 6).addr, plain, false, nettest.ErrHostUnreachable, "TTL"},
		{"socks 8", "socks5://" + startSOCKS(t, false, 8).addr, plain, false, nettest.ErrProxy, "type of address"},
		{"socks 99", "socks5://" + startSOCKS(t, false, 99).addr, plain, false, nettest.ErrProxy, "99"},
		{"target's own TLS", "socks5://" + startSOCKS(t, false, 0).addr, strings.Replace(plain, "http:", "https:", 1), false, nettest.ErrTLS, "TLS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			proxy := &nettest.Proxy{URL: tt.proxy}
			if tt.login {
				proxy.Username, proxy.Password = "canary-user", "canary-password"
			}
			config := nettest.TestConfig{Address: tt.target, Timeout: 2 * time.Second, Config: nettest.HTTPConfig{Proxy: proxy}}
			if strings.Contains(tt.name, "silent") {
				config.Timeout = 300 * time.Millisecond
			}
			r, err := test.Execute(t.Context(), config)
			checkResult(t, config, r, err)
			if !errors.Is(err, tt.want) || !strings.Contains(r.Error, tt.words) {
				t.Errorf("%v (%s), want %s with %q", err, r.ErrorType, tt.want, tt.words)
			}
			if text := fmt.Sprintf("%+v %v %#v %v", r, err, proxy, *proxy); strings.Contains(text, "canary-password") {
				t.Errorf("the password shows: %s", text)
			}
			if tt.want == nettest.ErrProxy && (r.FailedPhase != nettest.PhaseConnect || !strings.Contains(r.Error, tt.proxy[strings.Index(tt.proxy, "//")+2:])) {
				t.Errorf("phase %s: %s", r.FailedPhase, r.Error)
			}
		})
	}
}

func TestProxyObeysThePolicy(t *testing.T) {
	p := startHTTPProxy(t, false, nil)
	network := &nettest.Network{Policy: only{}}
	r, err := execute(t, &nettest.HTTPTest{Network: network}, "http://beyond.test/", nettest.HTTPConfig{Proxy: &nettest.Proxy{URL: "http://" + p.addr}})
	if !errors.Is(err, nettest.ErrEgressDenied) || r.Status != nettest.StatusError || len(p.asked()) != 0 {
		t.Errorf("%v, %+v, asked %v", err, r, p.asked())
	}
	network = &nettest.Network{Policy: only{netip.MustParseAddr("127.0.0.1"): true}}
	target := startHTTP(t, echo)
	if r, err := execute(t, &nettest.HTTPTest{Network: network}, target.URL, nettest.HTTPConfig{Proxy: &nettest.Proxy{URL: "http://" + p.addr}}); err != nil {
		t.Errorf("%v, %+v", err, r)
	}
}

// TestProxySecretStaysWithIt follows a redirect from a plain to a secure target
// and looks at what each of them got.
func TestProxySecretStaysWithIt(t *testing.T) {
	var seen []http.Header
	var mu sync.Mutex
	_, secure, test := startBoth(t, func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r.Header.Clone())
		mu.Unlock()
	})
	leading := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r.Header.Clone())
		mu.Unlock()
		http.Redirect(w, r, secure, http.StatusFound)
	})
	p := startHTTPProxy(t, true, nil)
	r, err := execute(t, test, leading.URL, nettest.HTTPConfig{
		FollowRedirects: true, Proxy: &nettest.Proxy{URL: "http://" + p.addr, Username: "user", Password: "secret"},
	})
	if err != nil || len(r.Redirects) != 1 || len(p.asked()) != 2 || len(seen) != 2 {
		t.Fatalf("%v, %+v, asked %v", err, r, p.asked())
	}
	if text := fmt.Sprint(seen); strings.Contains(text, "dXNlcjpzZWNyZXQ") {
		t.Errorf("a target was told the proxy's password: %s", text)
	}
}

func TestProxyValidate(t *testing.T) {
	long := strings.Repeat("x", 256)
	for _, tt := range []struct {
		proxy nettest.Proxy
		want  string
	}{
		{nettest.Proxy{URL: "http://p.example"}, ""},
		{nettest.Proxy{URL: "https://p.example:8443/"}, ""},
		{nettest.Proxy{URL: "socks5://[::1]:1080", Username: "a:b", Password: "c"}, ""},
		{nettest.Proxy{}, "Config.Proxy.URL"},
		{nettest.Proxy{URL: "socks4://p"}, "Config.Proxy.URL"},
		{nettest.Proxy{URL: "http:p"}, "Config.Proxy.URL"},
		{nettest.Proxy{URL: "http://u:p@p"}, "Config.Proxy.URL"},
		{nettest.Proxy{URL: "http://p/path"}, "Config.Proxy.URL"},
		{nettest.Proxy{URL: "http://p?q"}, "Config.Proxy.URL"},
		{nettest.Proxy{URL: "http://p:0"}, "Config.Proxy.URL"},
		{nettest.Proxy{URL: "http://127.1"}, "Config.Proxy.URL"},
		{nettest.Proxy{URL: "http://p", Password: "x"}, "Config.Proxy.Username"},
		{nettest.Proxy{URL: "http://p", Username: "a:b"}, "Config.Proxy.Username"},
		{nettest.Proxy{URL: "socks5://p", Username: long}, "Config.Proxy.Username"},
		{nettest.Proxy{URL: "socks5://p", Username: "a", Password: long}, "Config.Proxy.Password"},
	} {
		err := (&nettest.HTTPTest{}).Validate(nettest.TestConfig{Address: "http://a.example/", Config: nettest.HTTPConfig{Proxy: &tt.proxy}})
		var problem *nettest.ConfigError
		got := ""
		if errors.As(err, &problem) {
			got = problem.Field
		}
		if got != tt.want {
			t.Errorf("%s: %v, want %q", tt.proxy.URL, err, tt.want)
		}
	}
}

// TestProxyCancelled cuts a check off while it waits for the proxy.
func TestProxyCancelled(t *testing.T) {
	s := startFaults(t)
	for _, kind := range []string{"http", "https", "socks5"} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		time.AfterFunc(50*time.Millisecond, cancel)
		began := time.Now()
		config := nettest.TestConfig{Address: "https://beyond.test/", Timeout: 8 * time.Second, Config: nettest.HTTPConfig{
			Proxy: &nettest.Proxy{URL: kind + "://" + s.Addr(faulttest.Silent)},
		}}
		r, err := (&nettest.HTTPTest{}).Execute(ctx, config)
		checkResult(t, config, r, err)
		if r.Status != nettest.StatusError || !errors.Is(err, context.Canceled) || time.Since(began) > 2*time.Second {
			t.Errorf("%s: %v after %s", kind, err, time.Since(began))
		}
	}
}
