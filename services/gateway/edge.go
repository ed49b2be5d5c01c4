package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/services/gateway/wire"
)

// bodyTimeout bounds how long a body may take to arrive.
const bodyTimeout = 30 * time.Second

// dispatch finds out what a request is for and whether it may go on. What it lets through is a route with its principal,
// its parameters and its body checked; files are the site's.
func (g *Gateway) dispatch(w http.ResponseWriter, r *http.Request) {
	verb := r.Method
	if verb == http.MethodHead {
		verb = http.MethodGet // net/http leaves out the body
	}
	rt, params, allowed := g.routes.find(verb, r.URL.EscapedPath())
	switch {
	case rt != nil:
	case len(allowed) > 0 || strings.HasPrefix(r.URL.Path, "/api/") || r.URL.Path == "/api":
		g.noRoute(w, r, allowed)
		return
	default:
		g.site.serve(g, w, r)
		return
	}
	q := requestOf(r.Context())
	q.route = rt
	nameSpan(r, q)

	if err := g.authenticate(r, q); err != nil {
		if !q.secret.bearer && q.secret.secret != "" && isOver(err) {
			clearSession(w, q.client.secure)
		}
		g.fail(w, r, err)
		return
	}
	if err := g.sameOrigin(r, q); err != nil {
		g.fail(w, r, err)
		return
	}
	ctx := identity.NewContext(r.Context(), q.principal)
	if !rt.stream {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, bodyTimeout+rt.timeout)
		defer cancel()
	}
	if rt.serve != nil {
		q.params = params
		w.Header().Set("Cache-Control", "no-store")
		rt.serve(w, r.WithContext(ctx))
		return
	}
	g.call(w, r.WithContext(ctx), q, verb, params)
}

// authenticate fills in who the request acts as.
func (g *Gateway) authenticate(r *http.Request, q *request) error {
	q.principal = identity.Anonymous
	if q.route.public {
		return nil
	}
	var err error
	if q.secret, err = credentialOf(r, q.client.secure); err != nil {
		return err
	}
	q.principal, err = g.auth.resolve(r.Context(), q.secret, q.client.ip)
	return err
}

// sameOrigin refuses changes that another site's page makes a browser send. An API key is not sent by itself, so requests
// with one cannot be of that kind.
func (g *Gateway) sameOrigin(r *http.Request, q *request) error {
	if q.secret.bearer {
		return nil
	}
	seen := *r
	seen.Host = q.client.host
	if err := g.origins.Check(&seen); err != nil {
		return fault.Denied("requests from other sites are refused").Because("CROSS_ORIGIN").Wrap(err)
	}
	return nil
}

// call checks the parameters and the body of a method and hands it to the gateway's mux.
func (g *Gateway) call(w http.ResponseWriter, r *http.Request, q *request, verb string, params map[string]string) {
	rt := q.route
	for _, name := range rt.taken {
		text, ok := params[name]
		if !ok {
			continue
		}
		if e := wire.ParsePath(rt.input.Descriptor(), name, text); e != nil {
			g.refuseInput(w, r, e)
			return
		}
	}
	form, e := parseForm(r.URL)
	if e == nil {
		e = wire.ParseQuery(rt.input.New().Interface(), form, rt.taken...)
	}
	if e == nil {
		q.meta, e = metaOf(r)
	}
	if e != nil {
		g.refuseInput(w, r, e)
		return
	}
	q.form = form
	data, ok := g.readBody(w, r, rt)
	if !ok {
		return
	}

	// The service gets what we know, not what the client claims: no credentials, no addresses, no deadlines of its own.
	inner := r.WithContext(r.Context())
	inner.Method, inner.Host, inner.RemoteAddr = verb, q.client.host, ""
	inner.URL, q.params = &url.URL{Path: rt.path, RawQuery: r.URL.RawQuery}, params
	inner.Header = http.Header{"Content-Type": {"application/json"}}
	if q.client.ip != "" {
		inner.RemoteAddr = net.JoinHostPort(q.client.ip, "0")
	}
	inner.Form, inner.PostForm = form, url.Values{} // so that the handler does not parse again
	inner.Body, inner.ContentLength = http.NoBody, int64(len(data))
	if rt.body != "" {
		inner.Body = &document{Reader: bytes.NewReader(data), data: data, request: q}
	}
	g.mux.ServeHTTP(w, inner)
}

func parseForm(u *url.URL) (url.Values, *wire.Error) {
	if u.RawQuery == "" {
		return url.Values{}, nil
	}
	form, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, &wire.Error{Message: "the query is not well formed: parameters are separated by & and escaped with %"}
	}
	return form, nil
}

// readBody returns the body of a route that takes one. It answers itself, and returns false, if that cannot be.
func (g *Gateway) readBody(w http.ResponseWriter, r *http.Request, rt *route) ([]byte, bool) {
	if rt.body == "" {
		return nil, true
	}
	rc := http.NewResponseController(w)
	// Where a deadline is not supported, as in some tests, the request's context still bounds the call itself.
	_ = rc.SetReadDeadline(time.Now().Add(bodyTimeout))
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, g.cfg.MaxBodyBytes))
	_ = rc.SetReadDeadline(time.Time{})
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		w.Header().Set("Connection", "close") // rather than reading the rest
		g.refuse(w, r, http.StatusRequestEntityTooLarge, codes.InvalidArgument, "the body is too large")
		return nil, false
	case err != nil:
		w.Header().Set("Connection", "close")
		g.refuse(w, r, http.StatusBadRequest, codes.InvalidArgument, "the body could not be read to its end")
		return nil, false
	}
	if len(bytes.TrimSpace(data)) == 0 {
		if rt.body == "*" {
			return nil, true // every field may be absent; whether it must not be is the service's to say
		}
		g.refuseInput(w, r, &wire.Error{Message: "a JSON body is required"})
		return nil, false
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		w.Header().Set("Accept", "application/json")
		g.refuse(w, r, http.StatusUnsupportedMediaType, codes.InvalidArgument, "the body must be JSON, with Content-Type: application/json")
		return nil, false
	}
	return data, true
}

// document is a body that was read, on its way to the generated handler, which decodes it before it looks at the query.
// That order is what lets the field mask travel as a query parameter.
type document struct {
	io.Reader
	data    []byte
	request *request
}

var _ wire.Source = (*document)(nil)

func (d *document) Document() []byte { return d.data }

func (d *document) Decoded(present []string, err error) {
	if errors.As(err, &d.request.refused) {
		return
	}
	if d.request.route.mask && len(present) > 0 {
		d.request.form.Set(wire.MaskParameter, strings.Join(present, ","))
	}
}

func (d *document) Close() error { return nil }

// passed are the headers that services know by the same name in metadata.
var passed = []string{"If-Match", "Idempotency-Key"}

// metaOf is what a service learns of the request beside its message.
func metaOf(r *http.Request) (metadata.MD, *wire.Error) {
	md := metadata.MD{}
	for _, name := range passed {
		values := r.Header.Values(name)
		if len(values) == 0 {
			continue
		}
		value := strings.Join(values, ", ")
		if !isPrintable(value) {
			return nil, &wire.Error{Path: name, Message: "must be printable ASCII"}
		}
		md.Set(strings.ToLower(name), value)
	}
	if agent := r.UserAgent(); agent != "" {
		md.Set("grpcgateway-user-agent", strings.Map(printable, agent))
	}
	return md, nil
}

func isPrintable(s string) bool {
	return !slices.ContainsFunc([]byte(s), func(c byte) bool { return c < ' ' || c > '~' })
}

func printable(c rune) rune {
	if c < ' ' || c > '~' {
		return '?'
	}
	return c
}
