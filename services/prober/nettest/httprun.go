package nettest

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// hop is one request on the way to the final response.
type hop struct {
	url    *url.URL
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
	config  *HTTPConfig
	baseTLS *tls.Config
	// trusted is true until a redirect leaves the first origin. It never becomes
	// true again: who led us away may also lead us back, to a URL of his choice.
	trusted bool
	jar     *cookiejar.Jar
	visited []string
	// cookieBytes counts what redirects have set so far.
	cookieBytes int
}

// response is the head of an answer and its body still to be read.
type response struct {
	version string
	code    int
	fields  []HeaderField
	body    io.Reader // still encoded; nil if there is none by definition
	length  int64     // of the body on the wire; -1 if unknown
	conn    *watchedConn
	close   func(clean bool)
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
		r.result.FinalURL = h.url.String()
		// Of a chain that breaks, the answers before the break are in Redirects.
		r.result.StatusCode, r.result.HTTPVersion, r.result.Headers = 0, "", nil
		resp, failed := r.request(h)
		if failed != nil {
			return failed
		}
		r.result.StatusCode = resp.code
		r.result.HTTPVersion = resp.version
		r.result.Headers = resp.fields
		if !r.config.FollowRedirects || !isRedirect(resp.code) {
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
	r.at = h.to
	fields := r.fields(h)
	tcp, failed := r.open(r.config.IPVersion)
	if failed != nil {
		return nil, failed
	}
	stop := r.guard(tcp)
	hangUp := func() { stop(); _ = tcp.Close() }

	conn := &watchedConn{Conn: tcp, raw: tcp}
	version2 := false
	if h.secure() {
		secured, failed := r.secureFrom(r.baseTLS, tcp, r.tlsOptions(h), h.to.host, []string{"h2", "http/1.1"})
		if failed != nil {
			hangUp()
			return nil, failed
		}
		conn.Conn = secured
		version2 = secured.ConnectionState().NegotiatedProtocol == "h2"
	}
	exchange := r.exchange1
	if version2 {
		exchange = r.exchange2
	}
	resp, failed := exchange(conn, h, fields)
	if failed != nil {
		hangUp()
		return nil, failed
	}
	release := resp.close
	resp.close = func(clean bool) {
		// Say goodbye within TLS first, unless much may still be waiting to be sent:
		// then closing could wait for the peer.
		if clean && h.secure() && len(h.body) <= inlineBody {
			_ = conn.Conn.Close()
		}
		hangUp()
		release(clean)
	}
	return resp, nil
}

// watchedConn remembers how its reading ended, because what is stacked upon it
// does not always pass that on. Closing it never waits for the peer, as closing
// a tls.Conn may.
type watchedConn struct {
	net.Conn
	raw  *net.TCPConn
	fail atomic.Pointer[error]
}

func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		c.fail.CompareAndSwap(nil, &err)
	}
	return n, err
}

// failed returns the error that ended reading; nil if none did.
func (c *watchedConn) failed() error {
	if err := c.fail.Load(); err != nil {
		return *err
	}
	return nil
}

func (c *watchedConn) Close() error { return c.raw.Close() }

// harmless headers may go to another origin; any other may hold a secret.
var harmless = []string{
	"Accept", "Accept-Encoding", "Accept-Language", "Cache-Control", "Content-Type",
	"Pragma", "User-Agent",
}

// fields are the headers of a request in the order of sending, Host first.
func (r *httpRun) fields(h *hop) []HeaderField {
	own := make([]HeaderField, 0, len(r.config.Headers)+1)
	host := h.authority()
	if r.trusted && r.config.Host != "" {
		host = r.config.Host
	}
	for _, f := range r.config.Headers {
		switch {
		case strings.EqualFold(f.Name, "Host"):
			if r.trusted {
				host = f.Value
			}
		case r.trusted || slices.ContainsFunc(harmless, func(n string) bool { return strings.EqualFold(n, f.Name) }):
			if strings.EqualFold(f.Name, "Content-Type") && h.body == "" && r.config.Body != "" {
				continue // the body was dropped by a redirect
			}
			own = append(own, f)
		}
	}
	if proof := r.config.Auth.header(); proof.Name != "" && r.trusted {
		own = slices.DeleteFunc(own, func(f HeaderField) bool { return strings.EqualFold(f.Name, proof.Name) })
		own = append(own, proof)
	}
	agent := r.config.UserAgent
	if agent == "" {
		agent = DefaultUserAgent
	}
	fields := make([]HeaderField, 0, len(own)+5)
	fields = append(fields, HeaderField{"Host", host})
	for _, f := range [...]HeaderField{{"User-Agent", agent}, {"Accept", "*/*"}, {"Accept-Encoding", acceptEncoding}} {
		if !slices.ContainsFunc(own, func(o HeaderField) bool { return strings.EqualFold(o.Name, f.Name) }) {
			fields = append(fields, f)
		}
	}
	fields = append(fields, own...)
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
