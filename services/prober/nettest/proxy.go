package nettest

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
)

// Proxy is what a target is reached through: for https, for HTTP/2 and for
// SOCKS by a tunnel, otherwise by asking the proxy for the whole URL.
//
// The connection to the proxy is resolved and dialled as any other, under the
// Network's policy. The target's name is resolved and its address chosen by the
// proxy, where our policy has no say; ResolvedIP, Port and Addresses are the
// proxy's. What is wrong with the proxy itself is an ErrProxy; what it says about
// the target keeps its type. It prints without its secret.
type Proxy struct {
	// URL is http://host:port, https://host:port or socks5://host:port. Without a
	// port it is 80, 443 or 1080. The certificate of an https proxy must be right
	// for its host by TLSOptions.RootCAs or the system's trust.
	URL string
	// Username and Password are for the proxy; empty means that it asks for none.
	Username, Password string
}

// String hides the password.
func (p Proxy) String() string { return p.URL }

// GoString hides the password from %#v.
func (p Proxy) GoString() string { return "nettest.Proxy{" + p.URL + "}" }

const (
	proxyHTTP  = "http"
	proxyHTTPS = "https"
	proxySOCKS = "socks5"

	// maxConnectHead bounds the answer to CONNECT, in bytes.
	maxConnectHead = 64 << 10

	// alertNoProtocol is the alert no_application_protocol.
	alertNoProtocol = 120
)

// proxyRoute is a Proxy that has been read.
type proxyRoute struct {
	scheme             string
	to                 target
	username, password string
	proof              string // the value of Proxy-Authorization; may be empty
}

// parseProxy returns nil for no proxy.
func parseProxy(p *Proxy, v IPVersion) (*proxyRoute, error) {
	if p == nil {
		return nil, nil
	}
	wrong := func(problem string) (*proxyRoute, error) { return nil, &ConfigError{"Config.Proxy.URL", problem} }
	u, err := url.Parse(p.URL)
	if err != nil {
		return wrong("must be an absolute http, https or socks5 URL")
	}
	port, known := map[string]uint16{proxyHTTP: 80, proxyHTTPS: 443, proxySOCKS: 1080}[u.Scheme]
	switch {
	case !known || u.Opaque != "" || u.Host == "":
		return wrong("must be an absolute http, https or socks5 URL")
	case u.User != nil:
		return wrong("must not contain a user name or password; use the settings for them")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return wrong("must have neither path nor query")
	}
	to, problem := parseHost(u.Hostname())
	if problem != "" {
		return wrong(problem)
	}
	to.port = port
	if text := u.Port(); text != "" {
		var ok bool
		if to.port, ok = parsePort(text); !ok {
			return wrong("has a port that is not between 1 and 65535")
		}
	}
	if problem := checkFamily(to, v); problem != "" {
		return nil, &ConfigError{"Config.IPVersion", problem}
	}
	switch {
	case p.Username == "" && p.Password != "":
		return nil, &ConfigError{"Config.Proxy.Username", "is missing for the password"}
	case len(p.Username) > 255:
		return nil, &ConfigError{"Config.Proxy.Username", "is longer than 255 bytes"}
	case len(p.Password) > 255:
		return nil, &ConfigError{"Config.Proxy.Password", "is longer than 255 bytes"}
	case u.Scheme != proxySOCKS && strings.Contains(p.Username, ":"):
		return nil, &ConfigError{"Config.Proxy.Username", "must not contain a colon"}
	}
	route := &proxyRoute{scheme: u.Scheme, to: to, username: p.Username, password: p.Password}
	if p.Username != "" && u.Scheme != proxySOCKS {
		route.proof = "Basic " + base64.StdEncoding.EncodeToString([]byte(p.Username+":"+p.Password))
	}
	return route, nil
}

// absolute reports whether the request for h is made to the proxy itself, with
// the whole URL in its first line.
func (r *httpRun) absolute(h *hop) bool {
	return r.proxy != nil && r.proxy.scheme != proxySOCKS && !h.secure() && r.own.Version != HTTP2
}

// tunnel makes tcp, which leads to the proxy, lead to h. Its time counts as
// connecting.
func (r *httpRun) tunnel(tcp net.Conn, h *hop) (net.Conn, *failure) {
	conn := tcp
	if r.proxy.scheme == proxyHTTPS {
		secured := tls.Client(tcp, r.proxyTLS())
		if err := secured.Handshake(); err != nil {
			return nil, r.proxyFailed(&failure{phase: PhaseTLS, err: err})
		}
		conn = secured
	}
	switch {
	case r.proxy.scheme == proxySOCKS:
		return conn, r.tunnelSOCKS(conn, h.to)
	case r.absolute(h):
		return conn, nil
	default:
		return r.tunnelHTTP(conn, h.to)
	}
}

// proxyTLS is for the handshake with the proxy. That the target's certificate
// may be anything does not open the proxy's: it is told a password.
func (r *httpRun) proxyTLS() *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: alpnOnly1, SessionTicketsDisabled: true}
	if r.tls != nil {
		config.RootCAs = r.tls.RootCAs
	}
	if r.own.TLSOptions.RootCAs != nil {
		config.RootCAs = r.own.TLSOptions.RootCAs
	}
	config.ServerName, _, _ = strings.Cut(strings.TrimSuffix(r.proxy.to.host, "."), "%")
	return config
}

// beyond is to as the proxy is told it: without what is of this machine only.
func beyond(to target) string {
	host := to.host
	if to.addr.IsValid() {
		host = to.addr.WithZone("").String()
	}
	return net.JoinHostPort(host, strconv.Itoa(int(to.port)))
}

// tunnelHTTP asks for a tunnel by CONNECT (RFC 9110, section 9.3.6).
func (r *httpRun) tunnelHTTP(conn net.Conn, to target) (net.Conn, *failure) {
	agent := r.own.UserAgent
	if agent == "" {
		agent = DefaultUserAgent
	}
	request := "CONNECT " + beyond(to) + " HTTP/1.1\r\nHost: " + beyond(to) + "\r\nUser-Agent: " + agent + "\r\n"
	if r.proxy.proof != "" {
		request += "Proxy-Authorization: " + r.proxy.proof + "\r\n"
	}
	if _, err := io.WriteString(conn, request+"\r\n"); err != nil {
		return nil, r.proxyFailed(&failure{phase: PhaseConnect, err: err})
	}
	br := bufio.NewReader(conn)
	for range maxInterim {
		resp, err := connectResponse(br)
		switch {
		case err != nil:
			return nil, r.proxySilent(err, to)
		case resp.code >= 300:
			return nil, r.proxyRefused(resp.code, to)
		case resp.code >= 200:
			if br.Buffered() == 0 {
				return conn, nil
			}
			return &begunConn{Conn: conn, r: br}, nil // a server of HTTP/2 may speak first
		}
	}
	return nil, r.proxyFailed(&failure{phase: PhaseConnect, err: protocolError("it sends too many interim responses")})
}

func connectResponse(br *bufio.Reader) (*response, error) {
	start, err := br.Peek(len(magic))
	if err != nil {
		return nil, err
	}
	if string(start) != string(magic) {
		return nil, protocolError("it does not speak HTTP")
	}
	raw, err := readHead(br, maxConnectHead)
	if err != nil {
		return nil, err
	}
	return parseHead(raw)
}

// begunConn is a connection of which something has been read already.
type begunConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *begunConn) Read(p []byte) (int, error) {
	if c.r.Buffered() > 0 {
		return c.r.Read(p)
	}
	return c.Conn.Read(p)
}

// proxyRefused is what a status of the proxy itself says about the way to to.
func (r *httpRun) proxyRefused(code int, to target) *failure {
	r.at, r.via = r.proxy.to, ""
	f := &failure{phase: PhaseConnect, typ: ErrProxy}
	switch code {
	case http.StatusProxyAuthRequired:
		f.detail = "it answered 407: it asks for a user name and password"
		if r.proxy.proof != "" {
			f.detail = "it answered 407: it does not accept the user name and password"
		}
	case http.StatusGatewayTimeout:
		r.at, r.via = to, r.proxy.to.String()
		f.typ, f.detail = ErrConnectionTimeout, "the proxy answered 504"
	default:
		f.detail = fmt.Sprintf("it answered %d to CONNECT", code)
		if text := http.StatusText(code); text != "" {
			f.detail = fmt.Sprintf("it answered %d %s to CONNECT", code, text)
		}
	}
	return f
}

// proxySilent is what the end of a wait for the tunnel says. A proxy that was
// asked for a connection and is still silent is most likely waiting for the
// target; anything else is its own failure.
func (r *httpRun) proxySilent(err error, to target) *failure {
	if errors.Is(err, io.EOF) {
		err = protocolError("it closed the connection instead of opening a tunnel")
	}
	if isTimeout(err) {
		r.at, r.via = to, r.proxy.to.String()
		return &failure{phase: PhaseConnect, err: err, detail: "the proxy was asked and did not answer"}
	}
	return r.proxyFailed(&failure{phase: PhaseConnect, err: err})
}

// proxyFailed turns a failure on the way to the proxy into one of the proxy,
// unless it is this prober's own.
func (r *httpRun) proxyFailed(f *failure) *failure {
	r.watch.stop()
	r.judge(f)
	if f.typ.Status() == StatusError {
		return f
	}
	phase := PhaseConnect
	if f.phase == PhaseDNS {
		phase = PhaseDNS
	}
	detail := f.detail
	if detail == "" {
		detail = proxyWords(f)
	}
	return &failure{phase: phase, typ: ErrProxy, detail: detail, err: f.err}
}

func proxyWords(f *failure) string {
	switch f.typ {
	case ErrDNSNXDomain:
		return "its name does not exist or has no address"
	case ErrDNSFailure, ErrDNSTimeout:
		return "its name could not be resolved"
	case ErrConnectionRefused:
		return "it refused the connection"
	case ErrConnectionReset:
		return "it reset the connection"
	case ErrConnectionTimeout:
		return "it did not accept the connection, or did not answer, in time"
	case ErrHostUnreachable, ErrNetworkUnreachable:
		return "it cannot be reached"
	case ErrTLSTimeout:
		return "it did not finish the TLS handshake in time"
	case ErrTLS, ErrCertificateExpired, ErrCertificateInvalid:
		return "TLS with it failed: " + f.err.Error()
	}
	if detail := detailOf(f.typ, f.err); detail != "" {
		return detail
	}
	return string(f.typ)
}

// isNoProtocolAlert reports whether the peer ended the handshake because it
// speaks none of the protocols that were offered (RFC 7301, section 3.2). The
// type of alerts in crypto/tls is not exported, but is a number.
func isNoProtocolAlert(err error) bool {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return false
	}
	alert := reflect.ValueOf(op.Err)
	return alert.Kind() == reflect.Uint8 && alert.Uint() == alertNoProtocol
}
