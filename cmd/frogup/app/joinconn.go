package app

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpproxy"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/frogstats/uptime/internal/callsig"
	"github.com/frogstats/uptime/internal/rpc"
)

// A remote prober has one connection, outwards, for everything.
const (
	joinDialTimeout = 20 * time.Second
	joinPingEvery   = 20 * time.Second // keeps address translators and proxies on the way awake
	joinPingTimeout = 10 * time.Second
)

// joinConn is the connection to the server that a prober works for. Each call is signed by the identity of the moment.
type joinConn struct {
	*grpc.ClientConn
	host     string // that the calls are signed for
	identity atomic.Pointer[joinIdentity]
	offset   atomic.Int64 // nanoseconds from this machine's clock to the server's, once the server has complained
	removed  func()       // called when the server says that the prober is not known; may be nil

	skewed func(offset time.Duration) // called when the server says that the clock is wrong; may be nil

	mu     sync.Mutex
	broken error // why the newest attempt to connect failed; nil after one that did not
}

// joinTarget is where and how to connect.
type joinTarget struct {
	url   *url.URL
	ca    string // path of a PEM file; "" means the system's authorities
	proxy func(*url.URL) (*url.URL, error)
}

// parseJoinURL reads the URL of a server.
func parseJoinURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return nil, errors.New("must be the URL of a server, such as https://uptime.example.com")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/":
		return nil, errors.New("must be a scheme, a host and perhaps a port, and nothing else: gRPC knows no path")
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// isLoopback reports whether what is said to a host stays on this machine.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// proxyFromEnv reads HTTPS_PROXY, HTTP_PROXY and NO_PROXY, in capitals or not, as other programs do.
func (p Process) proxyFromEnv() func(*url.URL) (*url.URL, error) {
	get := func(names ...string) string {
		for _, name := range names {
			if v, ok := p.Env(name); ok && v != "" {
				return v
			}
		}
		return ""
	}
	return (&httpproxy.Config{
		HTTPProxy: get("HTTP_PROXY", "http_proxy"), HTTPSProxy: get("HTTPS_PROXY", "https_proxy"), NoProxy: get("NO_PROXY", "no_proxy"),
	}).ProxyFunc()
}

// connect makes the connection. It connects when it is used.
func (t joinTarget) connect() (*joinConn, error) {
	c := &joinConn{host: callsig.HostOf(t.url.Host)}
	creds, err := t.credentials()
	if err != nil {
		return nil, err
	}
	port := t.url.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[t.url.Scheme]
	}
	c.ClientConn, err = grpc.NewClient("passthrough:///"+net.JoinHostPort(t.url.Hostname(), port),
		grpc.WithAuthority(t.url.Host), grpc.WithNoProxy(), grpc.WithContextDialer(c.dialer(t)),
		grpc.WithTransportCredentials(watched{creds, c}), grpc.WithPerRPCCredentials(signing{c}),
		grpc.WithUnaryInterceptor(c.unary), grpc.WithStreamInterceptor(c.stream), grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessageBytes)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: joinPingEvery, Timeout: joinPingTimeout, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 500 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 15 * time.Second},
			MinConnectTimeout: joinDialTimeout,
		}))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", t.url, err)
	}
	return c, nil
}

func (t joinTarget) credentials() (credentials.TransportCredentials, error) {
	if t.url.Scheme == "http" {
		return insecure.NewCredentials(), nil
	}
	// The name is that of the authority. HTTP/1.1 is offered only so that a server without HTTP/2 says so.
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	cfg.VerifyConnection = func(s tls.ConnectionState) error {
		if s.NegotiatedProtocol != "h2" {
			return errNoHTTP2
		}
		return nil
	}
	if t.ca != "" {
		pem, err := os.ReadFile(t.ca)
		if err != nil {
			return nil, fmt.Errorf("join-ca: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("join-ca: %s holds no certificate in PEM form", t.ca)
		}
	}
	return credentials.NewTLS(cfg), nil
}

// watched notes why connections fail: of the reason, gRPC passes on the text only.
type watched struct {
	credentials.TransportCredentials
	conn *joinConn
}

func (w watched) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c, info, err := w.TransportCredentials.ClientHandshake(ctx, authority, raw)
	w.conn.note(err)
	return c, info, err
}

func (w watched) Clone() credentials.TransportCredentials {
	return watched{w.TransportCredentials.Clone(), w.conn}
}

func (c *joinConn) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = err
}

// lastFailure is why the newest attempt to connect failed, nil if it did not.
func (c *joinConn) lastFailure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broken
}

// dialer connects, through the proxy that the environment names if there is one.
func (c *joinConn) dialer(t joinTarget) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := func() (net.Conn, error) {
			via, err := t.proxy(t.url)
			if err != nil {
				return nil, &proxyError{err: err}
			}
			if via == nil {
				return (&net.Dialer{}).DialContext(ctx, "tcp", address)
			}
			conn, err := dialProxy(ctx, via, address)
			if err != nil {
				return nil, &proxyError{proxy: via.Host, err: err}
			}
			return conn, nil
		}()
		if err != nil {
			c.note(err)
		}
		return conn, err
	}
}

// proxyError is a fault of the proxy on the way.
type proxyError struct {
	proxy string
	err   error
}

func (e *proxyError) Error() string { return fmt.Sprintf("proxy %s: %v", e.proxy, e.err) }

func (e *proxyError) Unwrap() error { return e.err }

// dialProxy asks an HTTP proxy for a tunnel.
func dialProxy(ctx context.Context, via *url.URL, address string) (_ net.Conn, err error) {
	port := via.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[via.Scheme]
	}
	if port == "" {
		return nil, fmt.Errorf("the scheme %q is not known; http and https are", via.Scheme)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(via.Hostname(), port))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = conn.Close()
		}
	}()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if via.Scheme == "https" {
		secured := tls.Client(conn, &tls.Config{MinVersion: tls.VersionTLS12, ServerName: via.Hostname()})
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		conn = secured
	}
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{}}
	if u := via.User; u != nil {
		password, _ := u.Password()
		req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password)))
	}
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, req)
	if err != nil {
		return nil, fmt.Errorf("no answer to CONNECT: %w", err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, &connectError{resp.Status}
	}
	if !stop() {
		return nil, context.Cause(ctx)
	}
	return buffered{conn, r}, nil
}

// connectError is a proxy's refusal.
type connectError struct{ status string }

func (e *connectError) Error() string { return "CONNECT was answered with " + e.status }

// buffered is a connection of which some was read already.
type buffered struct {
	net.Conn
	r *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.r.Read(p) }

// signing adds the certificate and the signature to each call.
type signing struct{ conn *joinConn }

func (s signing) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	i := s.conn.identity.Load()
	if i == nil || !i.joined() {
		return nil, nil // it is about to join
	}
	info, _ := credentials.RequestInfoFromContext(ctx)
	at := time.Now().Add(time.Duration(s.conn.offset.Load()))
	cert, signature, err := callsig.Sign(i.key, i.Certificate, info.Method, s.conn.host, at)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return map[string]string{callsig.CertificateKey: cert, callsig.SignatureKey: signature}, nil
}

// RequireTransportSecurity is false: whether plain text will do was decided by the URL.
func (signing) RequireTransportSecurity() bool { return false }

func (c *joinConn) unary(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, rpc.DefaultTimeout)
		defer cancel()
	}
	var trailer metadata.MD
	opts = append(opts, grpc.Trailer(&trailer))
	err := call(ctx, method, req, reply, conn, opts...)
	if c.learn(err, trailer) {
		err = call(ctx, method, req, reply, conn, opts...)
	}
	return err
}

func (c *joinConn) stream(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := open(ctx, desc, conn, method, opts...)
	if err != nil {
		c.learn(err, nil)
		return nil, err
	}
	return listening{s, c}, nil
}

// listening is a stream at whose end is listened to what the server says about it.
type listening struct {
	grpc.ClientStream
	conn *joinConn
}

func (l listening) RecvMsg(m any) error {
	err := l.ClientStream.RecvMsg(m)
	if status.Code(err) == codes.Unauthenticated {
		l.conn.learn(err, l.ClientStream.Trailer())
	}
	return err
}

// learn takes from a refusal what can be done about it. It reports whether the call may be made again at once.
func (c *joinConn) learn(err error, trailer metadata.MD) bool {
	switch reasonOf(err) {
	case "CLOCK_SKEW":
		values := trailer.Get(callsig.TimeKey)
		if len(values) != 1 {
			return false
		}
		ms, err := strconv.ParseInt(values[0], 10, 64)
		if err != nil {
			return false
		}
		offset := time.Until(time.UnixMilli(ms))
		c.offset.Store(int64(offset))
		if c.skewed != nil {
			c.skewed(offset)
		}
		return true
	case "PROBER_REMOVED":
		if c.removed != nil {
			c.removed()
		}
	}
	return false
}
