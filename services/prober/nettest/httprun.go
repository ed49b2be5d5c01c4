package nettest

import (
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// hop is one request on the way to the final response.
type hop struct {
	url    *url.URL
	text   string // of url
	to     target
	method string
	body   string
}

func (h *hop) secure() bool { return h.url.Scheme == "https" }

// sameOrigin reports whether credentials for one may be sent to the other.
func (h *hop) sameOrigin(o *hop) bool {
	return h.url.Scheme == o.url.Scheme && h.to.host == o.to.host && h.to.port == o.to.port
}

// authority is the Host header: no port if it is the scheme's own.
func (h *hop) authority() string {
	standard := uint16(80)
	if h.secure() {
		standard = 443
	}
	host := h.to.host
	if h.to.addr.Is6() {
		host = h.to.addr.WithZone("").String()
	}
	if h.to.port == standard {
		if strings.Contains(host, ":") {
			return "[" + host + "]"
		}
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(int(h.to.port)))
}

// escapeQuery escapes every byte of a raw query that cannot stand in a request
// line; url.Parse leaves them as they are.
func escapeQuery(query string) string {
	const hex = "0123456789ABCDEF"
	var b []byte
	for i := range len(query) {
		if c := query[i]; c > ' ' && c < 0x7f {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}

// httpRun is one check over all its hops.
type httpRun struct {
	*check
	*HTTPCheck
	// trusted is true until a redirect leaves the first origin. It never becomes
	// true again: who led us away may also lead us back, to a URL of his choice.
	trusted bool
	jar     *cookiejar.Jar
	visited []string
	// cookieBytes counts what redirects have set so far.
	cookieBytes int
	digest      *digest
	token       *token
}

// response is the head of an answer and its body still to be read.
type response struct {
	version string
	code    int
	fields  []HeaderField
	body    io.Reader // still encoded; nil if there is none by definition
	length  int64     // of the body on the wire; -1 if unknown
	conn    *watchedConn
	// release gives back what reading the response took, once its connection is
	// closed; nil if there is nothing.
	release func()
	hangUp  func()
	goodbye bool // TLS is ended in order

	// Parts that most responses have, so that they need no memory of their own.
	sized sizedReader
	wire  wireReader
}

// close ends the connection, in order if all went well.
func (r *response) close(clean bool) {
	if clean && r.goodbye {
		_ = r.conn.Conn.Close()
	}
	r.hangUp()
	if r.release != nil {
		r.release()
	}
}

func (r *response) get(name string) string {
	for _, f := range r.fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// run makes requests until one is not redirected and fills the result from it.
func (r *httpRun) run(h *hop) *failure {
	for {
		r.result.FinalURL = h.text
		// Of a chain that breaks, the answers before the break are in Redirects.
		r.result.StatusCode, r.result.HTTPVersion, r.result.Headers = 0, "", nil
		resp, failed := r.prove(h)
		if failed != nil {
			return failed
		}
		r.result.StatusCode = resp.code
		r.result.HTTPVersion = resp.version
		r.result.Headers = resp.fields
		if !r.own.FollowRedirects || !isRedirect(resp.code) {
			failed = r.readBody(resp)
			resp.close(failed == nil)
			return failed
		}
		resp.close(true)
		if h, failed = r.follow(h, resp); failed != nil {
			return failed
		}
	}
}

// request opens a connection, sends the request and reads the response's head.
func (r *httpRun) request(h *hop) (*response, *failure) {
	conn, hangUp, failed := r.connect(h)
	if failed != nil {
		return nil, failed
	}
	exchange := r.exchange1
	if conn.h2 {
		exchange = r.exchange2
	}
	resp, failed := exchange(conn, h)
	if failed != nil {
		hangUp()
		return nil, failed
	}
	// Say goodbye within TLS first, unless much may still be waiting to be sent:
	// then closing could wait for the peer.
	resp.conn, resp.hangUp, resp.goodbye = conn, hangUp, h.secure() && len(h.body) <= inlineBody
	if resp.code == http.StatusProxyAuthRequired && r.absolute(h) {
		resp.close(false)
		return nil, r.proxyRefused(resp.code, h.to)
	}
	return resp, nil
}

// connect opens the connection that the request to h goes over, up to the
// choice of the version of HTTP.
func (r *httpRun) connect(h *hop) (conn *watchedConn, hangUp func(), failed *failure) {
	conn, hangUp, failed = r.reach(h)
	if failed != nil || !h.secure() {
		if conn != nil {
			conn.h2 = r.own.Version == HTTP2
		}
		return conn, hangUp, failed
	}
	options := r.tlsOptions()
	secured, failed := r.secureFrom(r.tls, conn.Conn, options, h.to.host, r.alpn())
	if wantsOtherCurves(failed) {
		hangUp()
		if conn, hangUp, failed = r.reach(h); failed != nil {
			return nil, nil, failed
		}
		options.Curves = nil
		secured, failed = r.secureFrom(r.tls, conn.Conn, options, h.to.host, r.alpn())
	}
	if failed == nil {
		conn.Conn, conn.secure = secured, true
		conn.h2 = secured.ConnectionState().NegotiatedProtocol == alpn2
		if r.own.Version == HTTP2 && !conn.h2 {
			failed = &failure{phase: PhaseTLS, typ: ErrProtocol, detail: "it does not speak HTTP/2: it did not choose it in the TLS handshake"}
		}
	} else if r.own.Version == HTTP2 && isNoProtocolAlert(failed.err) {
		failed = &failure{phase: PhaseTLS, typ: ErrProtocol, err: failed.err,
			detail: "it does not speak HTTP/2: it refused the TLS handshake for want of a common protocol"}
	}
	if failed != nil {
		hangUp()
		return nil, nil, failed
	}
	return conn, hangUp, nil
}

// reach opens the connection to h, through the proxy if there is one. What is
// behind a proxy is reached when its tunnel stands.
func (r *httpRun) reach(h *hop) (conn *watchedConn, hangUp func(), failed *failure) {
	r.at, r.via = h.to, ""
	if r.proxy != nil {
		r.at = r.proxy.to
	}
	tcp, failed := r.open(r.own.IPVersion)
	if failed != nil {
		if r.proxy != nil {
			failed = r.proxyFailed(failed)
		}
		return nil, nil, failed
	}
	stop := r.guard(tcp)
	hangUp = func() { stop(); _ = tcp.Close() }
	conn = &watchedConn{Conn: tcp, raw: tcp, deadline: r.deadline}
	if r.proxy != nil {
		if conn.Conn, failed = r.tunnel(tcp, h); failed != nil {
			hangUp()
			return nil, nil, failed
		}
		r.at, r.via = h.to, r.proxy.to.String()
	}
	return conn, hangUp, nil
}

const (
	alpn1 = "http/1.1"
	alpn2 = "h2"
)

var (
	alpnAny   = []string{alpn2, alpn1}
	alpnOnly1 = []string{alpn1}
	alpnOnly2 = []string{alpn2}
)

// alpn is what is offered in the TLS handshake.
func (r *httpRun) alpn() []string {
	switch r.own.Version {
	case HTTP1:
		return alpnOnly1
	case HTTP2:
		return alpnOnly2
	default:
		return alpnAny
	}
}

// harmless headers may go to another origin; any other may hold a secret.
var harmless = []string{
	"Accept", "Accept-Encoding", "Accept-Language", "Cache-Control", "Content-Type",
	"Pragma", "User-Agent",
}

// requestFields are the headers of a request in the order of sending, Host first.
func (r *httpRun) requestFields(h *hop) []HeaderField {
	if h == r.first && r.fields != nil {
		return slices.Clip(r.fields)
	}
	return r.buildFields(h)
}

// requestHead is the head of a request over HTTP/1.1; it must not be changed.
func (r *httpRun) requestHead(h *hop) []byte {
	if h == r.first && r.head != nil {
		return r.head
	}
	return appendRequest(make([]byte, 0, 512), h, r.requestFields(h), r.absolute(h))
}

func (r *httpRun) buildFields(h *hop) []HeaderField {
	own := make([]HeaderField, 0, len(r.own.Headers)+1)
	host := h.authority()
	if r.trusted && r.own.Host != "" {
		host = r.own.Host
	}
	for _, f := range r.own.Headers {
		switch {
		case strings.EqualFold(f.Name, "Host"):
			if r.trusted {
				host = f.Value
			}
		case r.trusted || slices.ContainsFunc(harmless, func(n string) bool { return strings.EqualFold(n, f.Name) }):
			if strings.EqualFold(f.Name, "Content-Type") && h.body == "" && r.own.Body != "" {
				continue // the body was dropped by a redirect
			}
			own = append(own, f)
		}
	}
	if proof := r.proof(h); proof.Name != "" {
		own = slices.DeleteFunc(own, func(f HeaderField) bool { return strings.EqualFold(f.Name, proof.Name) })
		own = append(own, proof)
	}
	agent := r.own.UserAgent
	if agent == "" {
		agent = DefaultUserAgent
	}
	fields := make([]HeaderField, 0, len(own)+6)
	fields = append(fields, HeaderField{"Host", host})
	for _, f := range [...]HeaderField{{"User-Agent", agent}, {"Accept", "*/*"}, {"Accept-Encoding", acceptEncoding}} {
		if !slices.ContainsFunc(own, func(o HeaderField) bool { return strings.EqualFold(o.Name, f.Name) }) {
			fields = append(fields, f)
		}
	}
	fields = append(fields, own...)
	if r.absolute(h) && r.proxy.proof != "" {
		fields = append(fields, HeaderField{"Proxy-Authorization", r.proxy.proof})
	}
	return withCookie(fields, r.cookies(h))
}

// withCookie adds to the one Cookie header that a request may have.
func withCookie(fields []HeaderField, cookie string) []HeaderField {
	if cookie == "" {
		return fields
	}
	for i, f := range fields {
		if strings.EqualFold(f.Name, "Cookie") {
			fields[i].Value += "; " + cookie
			return fields
		}
	}
	return append(fields, HeaderField{"Cookie", cookie})
}

// cookies returns what earlier hops of this check asked to send.
func (r *httpRun) cookies(h *hop) string {
	if r.jar == nil {
		return ""
	}
	var b strings.Builder
	for i, c := range r.jar.Cookies(h.url) {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString((&http.Cookie{Name: c.Name, Value: c.Value, Quoted: c.Quoted}).String())
	}
	return b.String()
}
